"""Attributes of CelebA's faces switched, where somebody has its files (Klys et al. 2018, section 5.2).

    glasses        Eyeglasses;  all faces with, and twice as many without
    facial hair    Mustache, Goatee, or not No_Beard;  all faces with, and as many without

The faces are those of either subset (the paper's CelebA-GlassesFacialHair), with both labels. The paper took CelebA's parts
for training and test; here people are parted: nobody who is measured on was learned from, nor did the judge meet either.
Nobody knows what a switched photograph should look like: a judge looks at it, and fresh networks read labels from z.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import Interval, MinLen
from torch import Tensor

from benchmarks.faces.cells import LEAST, MODELS, Cell, Labelled, build, cells, decoded, labels_read, switched
from benchmarks.faces.figures import draw
from benchmarks.faces.judge import Judge, train_judge
from benchmarks.faces.photographs_report import tables
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.papers import Job, Settings, sized, trained
from borders import Count, checked
from envs.files.celeba import is_celeba
from envs.stored import Stored, read_celeba

__all__ = ["MODELS", "check", "run", "tables", "variants"]

Attribute = Literal["glasses", "facial_hair"]
SIGNS = {"glasses": ("Eyeglasses",), "facial_hair": ("Mustache", "Goatee", "No_Beard")}
WITHOUT = {"glasses": 2, "facial_hair": 1}  # faces without the attribute for one with it
SPLIT_SEED = 40_000
JUDGES, TESTS = 0.15, 0.15  # of the people


@checked
@dataclass(frozen=True, kw_only=True)
class Sizes(Cell):
    """Which attributes, of the first how many pictures, and how a model is trained on them."""

    attributes: Annotated[tuple[Attribute, ...], MinLen(1)] = ("glasses", "facial_hair")
    most: Annotated[int, Interval(ge=10 * LEAST)] | None = None
    """The first pictures of the folder that are read; all unless told."""
    probes: Count = 10_000
    """The most faces that networks which read labels from codes are fitted to."""


class Parts(NamedTuple):
    """Faces of different people: to learn from, to judge by, and to measure on."""

    train: Labelled
    judge: Labelled
    test: Labelled


def check(settings: Settings, data: str) -> None:
    """Raise ValueError, TypeError or OSError for settings and folders that cannot be used."""
    sizes = sized(Sizes, "photographs", settings)
    if len(set(sizes.attributes)) < len(sizes.attributes):
        raise ValueError(f"attributes must be different ones, got {sizes.attributes}")
    if not is_celeba(Path(data).expanduser()):
        raise FileNotFoundError(f"data must be a folder with the files of CelebA, got {data!r}")
    for model in MODELS:
        build(model, sizes, len(sizes.attributes))


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """A cell, and of models with an adversary one for every weight b_4."""
    return cells(model, "photographs", sized(Sizes, "photographs", settings).hides, settings)


@cache
def photographs(data: str, size: int, attributes: tuple[Attribute, ...], most: int | None) -> Parts:
    """The chosen faces of a folder, by people; ValueError where too few of either kind are left."""
    signs = tuple(dict.fromkeys(sign for name in attributes for sign in SIGNS[name]))
    world = read_celeba(Path(data).expanduser(), size, attributes=signs, most=most)
    labels = torch.stack([_there(world, name) for name in attributes], 1)
    chosen = subset(labels, attributes, seeded(SPLIT_SEED))
    people = world.rows[:, -1].long()
    order = torch.randperm(int(people.max()) + 1, generator=seeded(SPLIT_SEED + 1)) / (int(people.max()) + 1)
    place = order[people[chosen]]
    parts = (place >= JUDGES + TESTS, place < JUDGES, (place >= JUDGES) & (place < JUDGES + TESTS))
    found = Parts(*(Labelled(world.pictures[chosen[part]], labels[chosen[part]]) for part in parts))
    for what, part in zip(Parts._fields, found, strict=True):
        for k, name in enumerate(attributes):
            count = int(part.labels[:, k].sum()) if len(part.labels) else 0
            least = min(count, len(part.labels) - count)
            if least < LEAST // 10:
                raise ValueError(
                    f"{data}: too few faces: {least} {'with' if least == count else 'without'} {name} to {what} with, "
                    f"{LEAST // 10} or more are needed"
                )
    return found


def _there(world: Stored, name: Attribute) -> Tensor:
    """Whether the attribute is there, float [n]."""
    columns = {sign: world.rows[:, world.names.index(sign)] for sign in SIGNS[name]}
    if name == "glasses":
        return columns["Eyeglasses"]
    return torch.stack([columns["Mustache"], columns["Goatee"], 1 - columns["No_Beard"]]).amax(0)


def subset(labels: Tensor, attributes: tuple[Attribute, ...], generator: torch.Generator) -> Tensor:
    """The numbers of all faces with an attribute and of `WITHOUT` times as many without, of every attribute, in order."""
    found = []
    for k, name in enumerate(attributes):
        there, absent = ((labels[:, k] > 0.5) == value for value in (True, False))
        rest = absent.nonzero()[:, 0]
        few = rest[torch.randperm(len(rest), generator=generator)[: WITHOUT[name] * int(there.sum())]]
        found += [there.nonzero()[:, 0], few]
    return torch.from_numpy(np.unique(torch.cat(found).numpy()))


@cache
def judge_of(data: str, size: int, attributes: tuple[Attribute, ...], most: int | None, steps: int) -> Judge:
    """The judge of a folder's faces; the same for all jobs of a process."""
    return train_judge(*photographs(data, size, attributes, most).judge, steps)


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train a cell's model, switch attributes of other people, and draw it."""
    sizes = sized(Sizes, "photographs", job.settings)
    which = (job.data, sizes.size, sizes.attributes, sizes.most)
    faces = photographs(*which)
    torch.manual_seed(job.seed)
    model = build(job.model, sizes, len(sizes.attributes))

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = torch.randint(len(faces.train.labels), (sizes.batch,), generator=generator)
        return {"x": faces.train.pictures[chosen], "y": faces.train.labels[chosen]}

    model = trained(model, batches, sizes.steps, job, folder, resume, decay=True)
    judge, test = judge_of(*which, sizes.judge_steps), Labelled(*(part[: sizes.test] for part in faces.test))
    other = Labelled(*(part[: sizes.probes] for part in faces.judge))
    draw(model, sizes.attributes, test, folder)
    return measure(model, judge, test, other, sizes.attributes)


def measure(
    model: Any, judge: Judge, test: Labelled, other: Labelled, attributes: tuple[Attribute, ...]
) -> dict[str, float]:
    """What the judge sees in test faces and in switched ones, and what is read from z by networks fitted to other faces."""
    each = [switched(model, judge, test, k) for k in range(len(attributes))]
    found = {f"{name}_accuracy": told["accuracy"] for name, told in zip(attributes, each, strict=True)}
    found |= {key: sum(told[key] for told in each) / len(each) for key in each[0]}
    right = (judge(test.pictures) == test.labels).float().mean().item()
    return found | decoded(model, judge, test) | labels_read(model, test, other) | {"judge": right}
