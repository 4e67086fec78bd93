"""f_statistic, triplet, histogram and binomial_deviance on characters (Ridgeway & Mozer 2018, sections 2 and 3).

Models learn from pictures of four fifths of the identities, which the seed draws; neighbours are looked for among pictures
of the others. What single dimensions tell is measured on pictures of all identities, as in the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import Interval
from torch import Tensor

import representations
from benchmarks.harness.autoencoding import seeded, sheet
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.identities.embedding_report import tables
from benchmarks.identities.measures import (
    KS,
    NEAR,
    SCORES,
    auc,
    near_one,
    recall,
    rotated,
    told,
    told_of_strangers,
)
from benchmarks.metrics import score
from borders import Count, Size, checked
from borders.files.pictures import write_figure
from envs.characters import Characters
from representations import Representation

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("f_statistic", "triplet", "histogram", "binomial_deviance")
SPLIT, TEST, VIEWS, TURN, CHANCE = 1000, 2000, 3000, 4000, 5000  # seeds, behind those of jobs
CHUNK = 500
SHOWN = 12


@checked
@dataclass(frozen=True)
class Sizes:
    """How large pictures and networks are, and how long they learn.

    By model: the classes in a batch (12) and the pictures of each (10), and settings.
    """

    pictures: Count
    side: Annotated[int, Interval(ge=16, le=256)] = 32
    classes: dict[str, Annotated[int, Interval(ge=2, le=500)]] = field(default_factory=dict)
    each: dict[str, Count] = field(default_factory=dict)
    channels: Size = 16
    hidden: Size = 128
    test: Annotated[int, Interval(ge=2, le=500)] = 10
    views: Count = 4
    samples: Annotated[int, Interval(ge=100, le=10**6)] = 2000
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings that cannot be used."""
    sizes = sized(Sizes, "embedding", settings)
    for option in (sizes.classes, sizes.each, sizes.settings):
        for name in option:
            if name not in MODELS:
                raise ValueError(
                    f"classes, each and settings of the part embedding are by model, {', '.join(MODELS)}, got {name!r}"
                )
    for model in MODELS:
        build(model, sizes, Characters(sizes.side))


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """One cell a model."""
    return [("", settings)]


def build(model: str, sizes: Sizes, world: Characters) -> Representation:
    """The model of a job."""
    shared = {"channels": sizes.channels, "hidden": sizes.hidden, "classes": world.identities}
    return representations.make(model, **{"shape": world.shape} | shared | sizes.settings.get(model, {}))


def split(world: Characters, seed: int) -> tuple[Tensor, Tensor]:
    """The identities that are learned from, and a fifth that is held out."""
    order = torch.randperm(world.identities, generator=seeded(SPLIT + seed))
    held = world.identities // 5
    return order[held:], order[:held]


def batches(
    world: Characters, identities: Tensor, classes: int, each: int
) -> Callable[[torch.Generator], dict[str, Tensor]]:
    """What `fit` draws from: so many pictures each of so many identities, drawn anew."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        who = identities[torch.randperm(len(identities), generator=generator)[:classes]]
        rows = world.views(who, each, generator).flatten(0, 1)
        return {"x": world.render(rows), "y": who.repeat_interleave(each)}

    return draw


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one model."""
    sizes = Sizes(**job.settings)
    world = Characters(sizes.side)
    learned, held = split(world, job.seed)
    torch.manual_seed(job.seed)
    model = build(job.model, sizes, world)
    untrained = build(job.model, sizes, world)
    classes, each = sizes.classes.get(job.model, 12), sizes.each.get(job.model, 10)
    source = batches(world, learned, classes, each)
    steps = max(1, sizes.pictures // (classes * each))
    model = trained(model, source, steps, job, folder, resume, "characters", {"side": sizes.side}, decay=True)
    found = neighbours(model, world, held, sizes.test, job.seed, folder)
    found |= dimensions(model, untrained.eval(), world, sizes.views, job.seed, folder)
    return found | score(model, world, SCORES, seeded(TEST + job.seed), samples=sizes.samples, seeds=1)


@torch.no_grad()
def encoded(model: Representation, world: Characters, rows: Tensor) -> Tensor:
    """The codes [n, d] of factor rows."""
    return torch.cat([model.encode(world.render(part)) for part in rows.split(CHUNK)])


def neighbours(
    model: Representation, world: Characters, held: Tensor, count: int, seed: int, folder: Path
) -> dict[str, Any]:
    """Recall at k among `count` pictures each of held-out identities, and a sheet of neighbours."""
    rows = world.views(held, count, seeded(TEST + seed)).flatten(0, 1)
    codes, labels = encoded(model, world, rows), held.repeat_interleave(count)
    distance = torch.cdist(codes, codes).fill_diagonal_(torch.inf)
    asked = torch.arange(6) * count
    nearest = distance[asked].topk(9, largest=False).indices
    lines = [world.render(rows[torch.cat([ask[None], near])]) for ask, near in zip(asked, nearest, strict=True)]
    right = [int((labels[near] == labels[ask]).sum()) for ask, near in zip(asked, nearest, strict=True)]
    names = [f"{k} of {min(9, count - 1)}" for k in right]
    write_figure(sheet(lines, names), folder / "neighbours.png", dpi=110)
    return {f"recall_{k}": share for k, share in recall(codes, labels, KS).items()}


def dimensions(
    model: Representation, untrained: Representation, world: Characters, count: int, seed: int, folder: Path
) -> dict[str, Any]:
    """What single dimensions tell of attributes on `count` pictures of every identity; of the code, and of controls."""
    every = torch.arange(world.identities)
    rows = world.views(every, count, seeded(VIEWS + seed)).flatten(0, 1)
    identity, attributes = every.repeat_interleave(count), rows[:, :7]
    codes = encoded(model, world, rows)
    areas = {
        "own": told(codes, attributes),
        "rotated": told(rotated(codes, seeded(TURN + seed)), attributes),
        "untrained": told(encoded(untrained, world, rows), attributes),
        "chance": told_of_strangers(codes, attributes, identity, seeded(CHANCE + seed)),
    }
    ends(codes, rows, world, folder)
    found: dict[str, Any] = {"areas": areas, "values": float(len(areas["own"]))}
    for kind, each in areas.items():
        found[f"{kind}_auc"] = sum(each.values()) / len(each)
        found |= {f"{kind}_{round(100 * least)}": near_one(each, least) for least in NEAR}
    for name in world.names[:7]:
        own = [area for key, area in areas["own"].items() if key.startswith(f"{name} ")]
        found[f"auc_{name}"] = sum(own) / len(own)
    return found


def ends(codes: Tensor, rows: Tensor, world: Characters, folder: Path) -> None:
    """Draw, for the dimension that tells each attribute best, the pictures at its lower end and at its upper end."""
    lines, names = [], []
    for column, name in enumerate(world.names[:7]):
        areas = [
            auc(codes.double().numpy(), (rows[:, column] == value).numpy()) for value in range(world.sizes[column])
        ]
        value = max(range(len(areas)), key=lambda k: areas[k].max())
        best = int(areas[value].argmax())
        order = codes[:, best].argsort()
        spread = torch.linspace(0, len(order) // 20, SHOWN // 2).long()
        lines.append(world.render(rows[torch.cat([order[spread], order.flip(0)[spread]])]))
        names.append(f"{name} {areas[value].max():.2f}")
    write_figure(sheet(lines, names), folder / "ends.png", dpi=110)
