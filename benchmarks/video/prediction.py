"""independent_prediction and its entangled twin on two digits that bounce (Whitney & Fergus 2017, section 3).

    watched        do factors tell nothing of each other's future, and does each move one digit
    drawn apart    the same, where a picture is the sum of what each factor draws
    steered        digits that actions push: a planner brings them to those of a goal picture, on the transition learned

The twin's numbers belong to no factors: of twenty random partitions of those that it uses that one is taken, as in the
paper, in which parts tell most of themselves and least of each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor

import representations
from benchmarks.harness.autoencoding import seeded, sheet
from benchmarks.harness.films import write_wall
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.metrics import own_and_cross_information
from benchmarks.metrics.plots import correlation_map
from benchmarks.video.prediction_measures import (
    Groups,
    active,
    best_partition,
    changes,
    correlations,
    moved_alone,
    own_groups,
    own_shares,
)
from benchmarks.video.prediction_report import tables
from benchmarks.video.steering import Pushes, steered_scores
from borders import Count, Natural, Size, checked
from borders.files.pictures import write_figure
from envs.moving_digits import MovingDigits
from representations.independent_prediction import Prediction
from representations.model import levels

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("independent_prediction", "entangled_prediction")
APART, STEERED = "drawn apart", "steered"
TEST, DRAWS = 200, 300  # seeds
CHUNK = 100
SHOWN = 6  # clips in pictures
FACTORS = 2


@checked
@dataclass(frozen=True)
class Sizes:
    """How long models learn, on how many clips they are measured, and how many episodes those that are steered have."""

    steps: Count
    size: Literal[16, 32, 64] = 16
    frames: Annotated[int, Interval(ge=2, le=256)] = 5
    batch: Annotated[int, Interval(ge=2, le=10**4)] = 16
    test: Annotated[int, Interval(ge=20, le=10**5)] = 1500
    length: Annotated[int, Interval(ge=4, le=256)] = 8
    steered: Natural = 1000
    """Steps of training of the model that is steered, 0 for none."""
    episodes: Size = 50
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of all models."""
    apart: bool = True
    """Whether there is an independent_prediction whose factors draw apart."""


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings that cannot be used."""
    sizes = sized(Sizes, "prediction", settings)
    for model in MODELS:
        for variant, _ in variants(model, settings):
            build(model, variant, sizes)


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """A model that watches; of independent_prediction also one whose factors draw apart, and one that is steered."""
    sizes = Sizes(**settings)
    more = [*([APART] if sizes.apart else []), *([STEERED] if sizes.steered else [])]
    return [(variant, settings) for variant in ["", *(more if model == MODELS[0] else [])]]


def build(model: str, variant: str, sizes: Sizes, pushes: int = 4) -> Prediction:
    """The model of a job; one that is steered by so many numbers needs no velocity, and so no second frame."""
    told = {"shape": (3, sizes.size, sizes.size), "frames": sizes.frames, "factors": FACTORS} | sizes.settings
    cells: dict[str, dict[str, Any]] = {
        APART: {"drawn": "apart"},
        STEERED: {"drawn": "apart", "action_size": pushes, "order": 1},
    }
    more = cells.get(variant, {})
    return representations.make(model, **told | more)  # type: ignore[return-value]


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one model."""
    sizes = Sizes(**job.settings)
    world = MovingDigits(sizes.size)
    torch.manual_seed(job.seed)
    shared: tuple[Any, ...] = (job, folder, resume, "moving_digits", {"size": sizes.size}, True)
    if job.variant == STEERED:
        pushes = Pushes(world, sizes.frames)
        fresh = build(job.model, job.variant, sizes, pushes.task.action_size)
        learner = trained(fresh, pushes.batches(sizes.batch), sizes.steered, *shared)
        return steered_scores(learner, pushes, job.seed, sizes.episodes, folder)  # type: ignore[arg-type]
    batches: Callable[[torch.Generator], Tensor] = lambda draw: world.clip(sizes.batch, sizes.frames, draw).frames  # noqa: E731
    return measured(
        trained(build(job.model, job.variant, sizes), batches, sizes.steps, *shared), sizes, folder, job.seed
    )  # type: ignore[arg-type]


@torch.no_grad()
def measured(model: Prediction, sizes: Sizes, folder: Path, seed: int) -> dict[str, Any]:
    """Information, the bound, and what each factor moves; draws three pictures."""
    clips = MovingDigits(sizes.size).clip(sizes.test, sizes.length, seeded(TEST)).frames
    torch.manual_seed(DRAWS)
    found = [model.filter(part) for part in clips.split(CHUNK)]
    means, codes = (torch.cat([getattr(each, name) for each in found]) for name in ("mean", "code"))
    used, random = active(means), np.random.default_rng(seed)
    now, later = codes[:, -2], codes[:, -1]
    groups = (
        own_groups(used, FACTORS, model.size)
        if model.transition.factors == FACTORS
        else best_partition(now, later, used, FACTORS, random)
    )
    own, cross = own_and_cross_information(now, later, groups, generator=random)
    bounds = [model.bound(part[:, : sizes.frames]) for part in clips.split(CHUNK)]
    kl = torch.cat([each.kl.sum(-1) for each in bounds]).mean().item()
    nll = torch.cat([each.nll for each in bounds]).mean().item()
    films = moved_alone(model.decode, means[:CHUNK], groups)
    matrix = changes(films)
    draw(model, clips, films, means, groups, folder)
    shares = own_shares(matrix[1:])
    return {
        "own": own,
        "cross": cross,
        "elbo": -(nll + kl),
        "nats": nll - model.constant + kl,
        "kl": kl,
        "used": float(len(used)),
        "least_own": float(shares.min()),
        **{f"share_{digit}": float(share) for digit, share in zip(("red", "green"), shares, strict=True)},
        "matrix": matrix.tolist(),
    }


def draw(model: Prediction, clips: Tensor, films: Tensor, means: Tensor, groups: Groups, folder: Path) -> None:
    """Draw the correlations of numbers now with numbers later, and clips in which all factors move, or one alone."""
    names = [f"{chr(97 + i)}{k}" for i, group in enumerate(groups) for k in group]
    order = [k for group in groups for k in group]
    matrix = correlations(means[:, -2], means[:, -1])[np.ix_(order, order)]
    write_figure(correlation_map(matrix, names), folder / "correlations.png")
    shown = torch.cat([clips[None, :SHOWN], levels(films[:, :SHOWN])])
    labels = ["seen", "all move", *(f"{chr(97 + i)} alone" for i in range(len(groups)))]
    write_wall(shown, folder / "alone.gif", 200)
    rows = [row for clip in range(2) for row in shown[:, clip]]
    write_figure(sheet(rows, labels * 2), folder / "alone.png", dpi=80)
