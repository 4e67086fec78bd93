"""Attributes of faces switched, and given another face's style (Klys et al. 2018, sections 4.3 and 5.3 to 5.4).

What a switched picture should look like is known here: the renderer draws the same face, in the same pose and light, with the
attribute switched. Faces to learn from, to judge by and to measure on are different people.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import torch
from annotated_types import Interval, MinLen
from torch import Tensor

from benchmarks.faces.attributes_report import tables
from benchmarks.faces.cells import (
    MODELS,
    PROBE_SEED,
    Cell,
    Labelled,
    build,
    cells,
    decoded,
    labels_read,
    squared_error,
    switched,
)
from benchmarks.faces.codes import posterior, switch
from benchmarks.faces.figures import figures
from benchmarks.faces.judge import Judge, judge_of
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.harness.probes import probe
from benchmarks.metrics import score_codes
from borders import Count, Share, checked
from envs.faces import ATTRIBUTES, Faces
from envs.faces.world import Attribute
from representations.model import pixels

__all__ = ["MODELS", "check", "run", "tables", "variants"]

TRAIN_SEED, TEST_SEED = 1_000, 10_000


@checked
@dataclass(frozen=True, kw_only=True)
class Sizes(Cell):
    """What the faces are, and how a model is trained on how many of them."""

    pool: Count
    pose: Annotated[float, Interval(ge=0.01, le=1)] = 0.3
    present: Share = 1 / 3
    attributes: Annotated[tuple[Attribute, ...], MinLen(1)] = ("glasses", "facial_hair")


class Faced(NamedTuple):
    """Pictures uint8 [n, 3, size, size], their factor rows [n, F], and their labels, float [n, K]."""

    pictures: Tensor
    rows: Tensor
    labels: Tensor


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings that cannot be used."""
    sizes = sized(Sizes, "attributes", settings)
    world_of(sizes)
    for model in MODELS:
        build(model, sizes, len(sizes.attributes))


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """A cell, and of models with an adversary one for every weight b_4."""
    return cells(model, "faces", sized(Sizes, "attributes", settings).hides, settings)


def world_of(sizes: Sizes) -> Faces:
    """The faces of a cell."""
    return Faces(sizes.size, sizes.present, sizes.pose, sizes.attributes)


def faces(world: Faces, n: int, seed: int) -> Faced:
    """`n` faces of the world, drawn from `seed`."""
    rows = world.sample(n, seeded(seed))
    return Faced(world.render(rows), rows, rows[:, places(world)])


def places(world: Faces) -> list[int]:
    """The columns of the attributes."""
    return [world.names.index(name) for name in world.attributes]


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train a cell's model, switch attributes of other people, and draw it."""
    sizes = sized(Sizes, "attributes", job.settings)
    world = world_of(sizes)
    pool = faces(world, sizes.pool, TRAIN_SEED + job.seed)
    torch.manual_seed(job.seed)
    model = build(job.model, sizes, len(sizes.attributes))

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = torch.randint(sizes.pool, (sizes.batch,), generator=generator)
        return {"x": pool.pictures[chosen], "y": pool.labels[chosen]}

    settings = {name: getattr(sizes, name) for name in ("size", "present", "pose", "attributes")}
    model = trained(model, batches, sizes.steps, job, folder, resume, "faces", settings, decay=True)
    judge = judge_of(sizes.size, sizes.attributes, sizes.pose, sizes.judge_steps)
    test, other = faces(world, sizes.test, TEST_SEED), faces(world, 2 * sizes.test, PROBE_SEED)
    figures(model, world, test, folder)
    return compared(model, world, judge, test) | read(model, world, test, other)


def turned(world: Faces, faced: Faced, name: Attribute, donors: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and factor rows with the attribute `name` switched, its style that of the faces `donors` [n]."""
    rows, labels = faced.rows.clone(), faced.labels.clone()
    at, k = world.names.index(name), world.attributes.index(name)
    rows[:, at] = labels[:, k] = 1 - labels[:, k]
    for style in ATTRIBUTES[name]:
        place = world.names.index(style.name)
        rows[:, place] = faced.rows[donors, place]
    return labels, rows


def donors(faced: Faced, k: int, generator: torch.Generator) -> Tensor:
    """For every face another with attribute `k`: their numbers [n]."""
    having = (faced.labels[:, k] > 0.5).nonzero()[:, 0]
    return having[torch.randint(len(having), (len(faced.labels),), generator=generator)]


@torch.no_grad()
def compared(model: Any, world: Faces, judge: Judge, test: Faced) -> dict[str, float]:
    """What the judge and the true pictures say of pictures with one attribute switched, over attributes; by attribute too.

    `identity` is the mean squared error of a pixel against the true picture, and `identity_there` where that differs from the
    picture that was switched. csvae is given a donor's style for these.
    """
    x, y = test.pictures, test.labels
    codes = posterior(model, x, y)
    found: dict[str, float] = {}
    each: list[dict[str, float]] = []
    for k, name in enumerate(world.attributes):
        donor = donors(test, k, seeded(TEST_SEED + 1))
        wanted, rows = turned(world, test, name, donor)
        true = world.render(rows)
        made = switch(model, x, y, wanted, codes[2][donor]) if len(codes) > 2 else switch(model, x, y, wanted)
        changed = (pixels(true) - pixels(x)).abs().amax(1) > 0.05
        told = switched(model, judge, Labelled(x, y), k) | {
            "true": (judge(true) == wanted)[:, k].float().mean().item(),
            "identity": squared_error(made, true).mean().item(),
            "identity_there": squared_error(made, true)[changed].mean().item(),
            "decoded_there": squared_error(switch(model, true, wanted, wanted), true)[changed].mean().item(),
            "nothing": squared_error(x, true).mean().item(),
            "nothing_there": squared_error(x, true)[changed].mean().item(),
        }
        each.append(told)
        found |= {f"{name}_{key}": told[key] for key in ("on", "off", "accuracy")}
    found |= decoded(model, judge, Labelled(x, y))
    return found | {key: sum(told[key] for told in each) / len(each) for key in each[0]}


@torch.no_grad()
def read(model: Any, world: Faces, test: Faced, other: Faced) -> dict[str, float]:
    """What fresh networks read from the codes of test faces, and how the code that is told no label is disentangled.

    `style_z` and `style_w` are accuracies on classes of style among faces that have it, over attributes; `style_chance` that
    of the most frequent class.
    """
    first, second = posterior(model, other.pictures, other.labels), posterior(model, test.pictures, test.labels)
    styles: dict[str, list[float]] = {"style_z": [], "style_w": [], "style_chance": []}
    for k, name in enumerate(world.attributes):
        style = ATTRIBUTES[name][0]  # of each attribute a class: rims, beard, grin, crown
        place = world.names.index(style.name)
        fit, ask = ((part.labels[:, k] > 0.5).nonzero()[:, 0] for part in (other, test))
        given, wanted = other.rows[fit, place], test.rows[ask, place]
        styles["style_z"].append(probe(first[0][fit], given, second[0][ask], wanted))
        styles["style_chance"].append(torch.bincount(wanted.long()).max().item() / len(wanted))
        if len(first) > 2:
            part = slice(k * model.w_size, (k + 1) * model.w_size)
            styles["style_w"].append(probe(first[2][fit, part], given, second[2][ask, part], wanted))
    codes = torch.cat([model.encode(part) for part in test.pictures.split(500)])
    scored = score_codes(codes, test.rows, list(world.factors), ["mig", "dci_lasso"])
    found = labels_read(model, Labelled(test.pictures, test.labels), Labelled(other.pictures, other.labels))
    found |= {name: sum(values) / len(values) for name, values in styles.items() if values}
    return found | {"mig": scored["mig"], "disentanglement": scored["dci_lasso_disentanglement"]}
