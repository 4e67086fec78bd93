"""mvae and object_vae on scenes of several sprites (Nash et al. 2017), drawn at every step and never seen again.

A job trains one learner. Both are measured by their bound, and by whose pixels change when a part of the code is exchanged or
moved; mvae counts, and adds objects one by one, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import Interval
from torch import Tensor

import representations
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.objects import figures, measures
from benchmarks.objects.report import tables
from borders import Count, checked
from borders.files.tensors import read_tensors, write_tensors
from envs.multi_sprites import MultiSprites
from representations.model import owned
from representations.mvae import MVAE, Pool, SceneVAE

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("mvae", "object_vae")
THRESHOLD, TEST, PAIRS, SHOWN = 100, 200, 300, 400  # seeds of scenes that are measured and drawn
EARLY = 0.05  # of the training, when KL maps are looked at first
Scale = Annotated[float, Interval(ge=1e-3, le=1)]


@checked
@dataclass(frozen=True)
class Sizes:
    """The scenes, how long models learn, by model, and how many scenes measure them; settings by model, too."""

    steps: dict[str, Count]
    sprites: Annotated[int, Interval(ge=1, le=128)] = 3
    size: Scale = 0.6
    side: Literal[32, 64] = 32
    batch: Count = 16
    pools: tuple[Pool, ...] = ("max",)
    train: Annotated[int, Interval(ge=10, le=10**6)] = 6400
    test: Annotated[int, Interval(ge=10, le=10**6)] = 12800
    scenes: Annotated[int, Interval(ge=8, le=10**5)] = 500
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings that cannot be used."""
    sizes = sized(Sizes, "scenes", settings)
    for option in (sizes.steps, sizes.settings):
        for name in option:
            if name not in MODELS:
                raise ValueError(f"steps and settings are by model, {' or '.join(MODELS)}, got {name!r}")
    for model in MODELS:
        if model not in sizes.steps:
            raise ValueError(f"steps must be told of both models, {' and '.join(MODELS)}, got {sizes.steps}")
        made = build(model, sizes)
        if isinstance(made, MVAE) and made.slots <= sizes.sprites:
            raise ValueError(f"slots must be more than the {sizes.sprites} sprites of a scene, got {made.slots}")


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """A cell for each pooling of an mvae, and one of an object_vae."""
    pools = Sizes(**settings).pools
    if model == "object_vae" or len(pools) == 1:
        return [("", settings)]
    return [(pool, settings | {"pools": [pool]}) for pool in pools]


def build(model: str, sizes: Sizes) -> SceneVAE:
    """The model of a job."""
    told = {"shape": (3, sizes.side, sizes.side)} | ({"pool": sizes.pools[0]} if model == "mvae" else {})
    return representations.make(model, **told | sizes.settings.get(model, {}))  # type: ignore[return-value]


def source(world: MultiSprites, batch: int) -> Callable[[torch.Generator], Tensor]:
    """What `fit` draws from: new scenes, every time."""
    return lambda generator: world.render(world.sample(batch, generator))


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one model."""
    sizes = Sizes(**job.settings)
    told: dict[str, Any] = {"sprites": sizes.sprites, "size": sizes.size, "side": sizes.side}
    world, steps = MultiSprites(**told), sizes.steps[job.model]
    torch.manual_seed(job.seed)
    fresh = build(job.model, sizes)
    shown = measures.crowded(world, figures.SCENES, seeded(SHOWN))
    early = folder / "early.safetensors"

    def look(step: int) -> None:
        if isinstance(fresh, MVAE) and step == max(1, round(EARLY * steps)):
            pictures = shown.pictures.to(next(fresh.parameters()).device)
            with torch.no_grad():
                write_tensors(early, owned({"kl": fresh.kl_map(pictures), "drawn": redrawn(fresh, pictures)}))

    model = trained(fresh, source(world, sizes.batch), steps, job, folder, resume, "multi_sprites", told, True, look)
    torch.manual_seed(job.seed)
    test = world.sample(sizes.test, seeded(TEST))
    found: dict[str, Any] = dict(measures.bound(model, world.render(test[: 4 * sizes.scenes])))
    found |= measures.exchanges(model, world, sizes.scenes, seeded(PAIRS))
    some = measures.crowded(world, sizes.scenes, seeded(PAIRS + 1))
    found |= measures.traversed(model, some)
    figures.draw(model, shown, folder)
    if isinstance(model, MVAE):
        found |= measures.sequences(model, some) | counted(model, world, sizes, test)
        then, _ = read_tensors(early, "KL maps early in training")
        figures.maps(shown.pictures, then["drawn"], then["kl"], model, folder)
        found |= {"sharp_early": sharp(then["kl"], model), "sharp": sharp(model.kl_map(shown.pictures), model)}
    return found


@torch.no_grad()
def sharp(kl: Tensor, model: MVAE) -> float:
    """The share of KL maps [n, h, w] in the places that are chosen, in the mean over scenes."""
    flat = kl.flatten(1)
    return (flat.topk(model.slots).values.sum(1) / flat.sum(1)).mean().item()


@torch.no_grad()
def redrawn(model: SceneVAE, pictures: Tensor) -> Tensor:
    """Reconstructions in [0, 1], float [n, 3, H, W]."""
    return model.decode(model.encode(pictures))


def counted(model: MVAE, world: MultiSprites, sizes: Sizes, test: Tensor) -> dict[str, float]:
    """How often a threshold on the KL, searched on some scenes, counts others [n, K] right; and what could be at best.

    `count_N` is the share of scenes with N sprites that are counted right; `count_apart` that of scenes in which no two
    sprites overlap; `all_seen` the share of scenes in which every sprite can be seen.
    """
    train = world.sample(sizes.train, seeded(THRESHOLD))
    kls, counts = [], []
    for rows in (train, test):
        kls.append(measures.largest_kl(model, world.render(rows), sizes.sprites + 1))
        counts.append(measures.numbers(rows))
    threshold = measures.best_threshold(kls[0], counts[0])
    right = [measures.right(kl, count, threshold).float() for kl, count in zip(kls, counts, strict=True)]
    apart = (world.masks(test).sum(1) < 2).flatten(1).all(1)
    by_number = {
        f"count_{number}": right[1][counts[1] == number].mean().item()
        for number in range(sizes.sprites + 1)
        if (counts[1] == number).any()
    }
    return by_number | {
        "count_train": right[0].mean().item(),
        "count_test": right[1].mean().item(),
        "count_apart": right[1][apart].mean().item(),
        "apart": apart.float().mean().item(),
        "all_seen": measures.all_seen(world, test).float().mean().item(),
        "commonest": torch.bincount(counts[1]).max().item() / len(test),
        "threshold": threshold,
    }
