"""sd_gan on faces (Donahue et al. 2018): do pairs made with one identity code show one person.

    sd_dcgan, sd_began    the two forms
    gan                   the control: the form dcgan on pairs that do not match, which is told nothing of identities

A verifier learns from real pictures of people whom no GAN saw: its embedding is the triplet loss's, as FaceNet's is, and its
threshold the one that is right most often on real pairs of yet other people. It is then asked of real pairs of people again
unseen, and of made ones. Pairs that differ in nothing are verified best: what is made must also differ, within a person as
across people.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor

import representations
from benchmarks.harness.autoencoding import seeded, sheet
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.identities.measures import best_threshold, verified
from benchmarks.identities.pairs_report import tables
from borders import Count, Positive, Size, checked
from borders.files.pictures import write_figure
from envs.faces import Faces
from representations import Representation, fit
from representations.model import levels, pixels
from representations.sd_gan import SDGAN

__all__ = ["MODELS", "check", "run", "tables", "variants"]

FORMS = {"sd_dcgan": "dcgan", "sd_began": "began", "gan": "dcgan"}
MODELS = tuple(FORMS)
PEOPLE, VERIFIER, THRESHOLD, TEST, MADE, GRID = 100, 200, 300, 400, 500, 600  # seeds
CHUNK = 250
Distance = Callable[[Tensor, Tensor], Tensor]


@checked
@dataclass(frozen=True)
class Sizes:
    """How many people and views there are, how long models learn by model, and how long the verifier does."""

    steps: dict[str, Count]
    side: Literal[32, 64] = 32
    people: Annotated[int, Interval(ge=32, le=10**5)] = 1000
    views: Annotated[int, Interval(ge=2, le=1000)] = 8
    batch: Annotated[int, Interval(ge=2, le=10**4)] = 16
    test: Annotated[int, Interval(ge=10, le=10**5)] = 1000
    verifier_steps: Count = 1500
    verifier_channels: Size = 16
    verifier_hidden: Size = 128
    verifier_rate: Positive = 1e-3
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings that cannot be used."""
    sizes = sized(Sizes, "pairs", settings)
    for option in (sizes.steps, sizes.settings):
        for name in option:
            if name not in MODELS:
                raise ValueError(
                    f"steps and settings of the part pairs are by model, {', '.join(MODELS)}, got {name!r}"
                )
    if sizes.batch > sizes.people:
        raise ValueError(f"batch must be at most people, got {sizes.batch}, {sizes.people}")
    for model in MODELS:
        build(model, sizes)


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """One cell a model."""
    return [("", settings)]


def build(model: str, sizes: Sizes) -> SDGAN:
    """The model of a job."""
    told = {
        "shape": (3, sizes.side, sizes.side),
        "classes": sizes.people,
        "form": FORMS[model],
        "paired": model != "gan",
    }
    return representations.make("sd_gan", **told | sizes.settings.get(model, {}))  # type: ignore[return-value]


def drawn(world: Faces, people: int, views: int, seed: int) -> Tensor:
    """Pictures uint8 [people, views, C, H, W] of people whom the seed draws."""
    generator = seeded(seed)
    who = world.identities(people, generator)
    parts = [world.render(world.views(part, views, generator).flatten(0, 1)) for part in who.split(CHUNK)]
    return torch.cat(parts).unflatten(0, (people, views))


def some(pictures: Tensor, people: int, each: int) -> Callable[[torch.Generator], dict[str, Tensor]]:
    """What `fit` draws from: `each` pictures of so many people, of pictures [N, views, C, H, W]."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        who = torch.randperm(len(pictures), generator=generator)[:people]
        which = torch.rand(people, pictures.shape[1], generator=generator).argsort(1)[:, :each]
        return {"x": pictures[who[:, None], which].flatten(0, 1), "y": who.repeat_interleave(each)}

    return draw


@lru_cache(maxsize=1)
def verifier(
    side: Literal[32, 64], people: int, views: int, steps: int, channels: int, hidden: int, rate: float
) -> Any:
    """A verifier of people of its own, and its threshold: the same in every job of a process, and in every process."""
    world = Faces(side)
    pictures = drawn(world, people, views, VERIFIER)
    torch.manual_seed(0)
    shared = {"channels": channels, "hidden": hidden, "learning_rate": rate, "classes": people}
    model = representations.make("triplet", shape=world.shape, code_size=32, margin=1.0, **shared)
    count = min(20, people)
    fit(model, some(pictures, count, min(4, views)), steps, seeded(0), device="cpu", decay=True, progress=False)
    model.eval()
    matched, other = distances(drawn(world, max(people // 8, 10), 2, THRESHOLD), between(model))
    return model, best_threshold(matched, other)


def between(model: Representation) -> Distance:
    """Squared distances [n] of the codes of pictures [n, C, H, W] and others."""

    def found(first: Tensor, second: Tensor) -> Tensor:
        return (model.encode(first) - model.encode(second)).square().sum(1)

    return found


def apart(first: Tensor, second: Tensor) -> Tensor:
    """Mean squared differences [n] of pictures' pixels, from 0 to 1."""
    return (pixels(first) - pixels(second)).square().flatten(1).mean(1)


@torch.no_grad()
def distances(pairs: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """The distances [n] of pairs [n, 2, C, H, W], and those of first pictures to the second of another pair [n]."""
    first, second = pairs.unbind(1)
    return tuple(  # type: ignore[return-value]
        torch.cat([distance(a, b) for a, b in zip(first.split(CHUNK), each.split(CHUNK), strict=True)])
        for each in (second, second.roll(1, 0))
    )


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one model."""
    sizes = Sizes(**job.settings)
    world = Faces(sizes.side)
    pictures = drawn(world, sizes.people, sizes.views, PEOPLE + job.seed)
    torch.manual_seed(job.seed)
    source, told = some(pictures, sizes.batch, 2), {"size": sizes.side}
    made = trained(build(job.model, sizes), source, sizes.steps[job.model], job, folder, resume, "faces", told)
    judge, threshold = verifier(
        sizes.side,
        sizes.people,
        sizes.views,
        sizes.verifier_steps,
        sizes.verifier_channels,
        sizes.verifier_hidden,
        sizes.verifier_rate,
    )
    grid(made, folder)
    own = torch.cat([made.views(min(CHUNK, sizes.test), 2, seeded(MADE + k)) for k in range(-(-sizes.test // CHUNK))])
    sets = {"real": drawn(world, sizes.test, 2, TEST), "made": own[: sizes.test]}
    found: dict[str, Any] = {}
    for kind, pairs in sets.items():
        matched, other = distances(pairs, between(judge))
        found |= {f"{kind}_{name}": value for name, value in verified(matched, other, threshold).items()}
        matched, other = distances(pairs, apart)
        found[f"{kind}_pixel_auc"] = verified(matched, other, 0.0)["auc"]
        found |= {f"{kind}_within": matched.mean().sqrt().item(), f"{kind}_across": other.mean().sqrt().item()}
    found["frechet"] = frechet(*(codes(judge, pairs) for pairs in sets.values()))
    found["frechet_real"] = frechet(codes(judge, sets["real"]), codes(judge, drawn(world, sizes.test, 2, TEST + 1)))
    return found


@torch.no_grad()
def codes(model: Representation, pairs: Tensor) -> np.ndarray:
    """The codes [2 n, d] of pairs [n, 2, C, H, W]."""
    return torch.cat([model.encode(part) for part in pairs.flatten(0, 1).split(CHUNK)]).double().numpy()


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """|m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)) of the means and covariances of codes [n, d], over tr C (Heusel et al. 2017)."""
    mean, cov = first.mean(0), np.cov(first, rowvar=False)
    other = np.cov(second, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(cov @ other).real.clip(min=0)).sum()
    return float((((mean - second.mean(0)) ** 2).sum() + np.trace(cov) + np.trace(other) - 2 * roots) / np.trace(cov))


@torch.no_grad()
def grid(model: SDGAN, folder: Path) -> None:
    """Draw a row for each of eight identity codes, and a column for each of ten observation codes."""
    who, how = (
        2 * torch.rand(n, size, generator=seeded(GRID)) - 1
        for n, size in ((8, model.identity), (10, model.observation))
    )
    lines = [levels(model.draw(row.expand(len(how), -1), how)) for row in who]
    write_figure(sheet(lines, [str(k + 1) for k in range(len(lines))]), folder / "grid.png", dpi=110)
