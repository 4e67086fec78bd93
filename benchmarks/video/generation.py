"""mocogan and vgan on shape motion (Tulyakov et al. 2017, section 4): does what is made keep its content while it moves.

Made clips are compared with real ones of the world: the average content distance, and beside it what it cannot see. Of
mocogan contents are drawn along the paths of other clips, and clips of three times the length.
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
from benchmarks.harness.autoencoding import seeded, sheet
from benchmarks.harness.films import write_wall
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.metrics import score_codes
from benchmarks.metrics.clips import clip_scores, shares_of_variance, track
from benchmarks.metrics.scoring import LEAST
from benchmarks.video.generation_report import tables
from borders import Count, checked
from borders.files.pictures import write_figure
from envs.shape_motion import ShapeMotion
from representations.mocogan import MoCoGAN
from representations.model import levels
from representations.vgan import VGAN

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("mocogan", "vgan")
CLIPS, TEST, MADE, LONG, SWAPPED, SHOWN, CODED = 100, 200, 300, 400, 500, 600, 700  # seeds
CHUNK = 50
LONGER = 3  # times the length of clips in training
KINDS = ("colour", "area", "path")
DCI = ("disentanglement", "completeness", "informativeness")


@checked
@dataclass(frozen=True)
class Sizes:
    """How many clips there are to learn from, how long models learn, and on how many clips they are measured."""

    steps: dict[str, Count]
    size: Literal[32, 64] = 32
    frames: Annotated[int, Interval(ge=13, le=256)] = 16
    clips: Count = 4000
    batch: Annotated[int, Interval(ge=2, le=10**4)] = 8
    decay: bool = False
    test: Annotated[int, Interval(ge=10, le=10**5)] = 500
    swapped: Annotated[int, Interval(ge=5, le=100)] = 16
    coded: Annotated[int, Interval(ge=LEAST, le=10**5)] = 1000
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings that cannot be used."""
    sizes = sized(Sizes, "generation", settings)
    for option in (sizes.steps, sizes.settings):
        for name in option:
            if name not in MODELS:
                raise ValueError(
                    f"steps and settings of the part generation are by model, {', '.join(MODELS)}, got {name!r}"
                )
    if sizes.batch > sizes.clips:
        raise ValueError(f"batch must be at most clips, got {sizes.batch}, {sizes.clips}")
    for model in MODELS:
        build(model, sizes)


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """One cell a model."""
    return [("", settings)]


def build(model: str, sizes: Sizes) -> MoCoGAN | VGAN:
    """The model of a job."""
    told: dict[str, Any] = {"shape": (3, sizes.size, sizes.size), "frames": sizes.frames}
    return representations.make(model, **told | sizes.settings.get(model, {}))  # type: ignore[return-value]


def drawn(world: ShapeMotion, n: int, length: int, seed: int) -> Tensor:
    """`n` real clips uint8 [n, length, C, H, W] of the seed."""
    generator = seeded(seed)
    return torch.cat([world.clip(len(part), length, generator).frames for part in torch.arange(n).split(CHUNK)])


def some(clips: Tensor, batch: int) -> Callable[[torch.Generator], Tensor]:
    """What `fit` draws from: so many of the clips [n, T, C, H, W]."""
    return lambda generator: clips[torch.randint(len(clips), (batch,), generator=generator)]


@torch.no_grad()
def made(model: MoCoGAN | VGAN, n: int, seed: int, **more: int) -> Tensor:
    """`n` clips of the model, uint8 [n, T, C, H, W]."""
    generator = seeded(seed)
    return torch.cat([levels(model.generate(len(part), generator, **more)) for part in torch.arange(n).split(CHUNK)])


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one model."""
    sizes = Sizes(**job.settings)
    world, told = ShapeMotion(sizes.size), {"size": sizes.size}
    clips = drawn(world, sizes.clips, sizes.frames, CLIPS + job.seed)
    torch.manual_seed(job.seed)
    source, steps = some(clips, sizes.batch), sizes.steps[job.model]
    model = trained(build(job.model, sizes), source, steps, job, folder, resume, "shape_motion", told, sizes.decay)
    real = drawn(world, sizes.test, sizes.frames, TEST)
    others = drawn(world, sizes.test, sizes.frames, TEST + 1)
    found: dict[str, Any] = {f"real_{name}": value for name, value in clip_scores(others, real).items()}
    found |= clip_scores(made(model, sizes.test, MADE), real)
    found |= {f"code_{name}": value for name, value in coded(model, world, sizes).items()}
    found |= {f"untrained_{name}": value for name, value in coded(build(job.model, sizes).eval(), world, sizes).items()}
    show(model, real, folder)
    if isinstance(model, MoCoGAN):
        long = made(model, sizes.test, LONG, length=LONGER * sizes.frames)
        longer = clip_scores(long, real)
        longer.pop("path_distance")  # real clips have no path of that length
        found |= {f"long_{name}": value for name, value in longer.items()}
        found |= {f"end_{name}": value for name, value in clip_scores(long[:, -sizes.frames :], real).items()}
        found |= swapped(model, sizes.swapped)
        show_swaps(model, folder)
    return found


@torch.no_grad()
def coded(model: MoCoGAN | VGAN, world: ShapeMotion, sizes: Sizes) -> dict[str, float]:
    """What codes of real clips' frames say of the world's factors; of each clip one frame, as it is seen among the others."""
    generator, codes, factors = seeded(CODED), [], []
    for part in torch.arange(sizes.coded).split(CHUNK):
        clips = world.clip(len(part), sizes.frames, generator)
        chosen = torch.arange(len(part)), torch.randint(sizes.frames, (len(part),), generator=generator)
        codes.append(model.encode_clips(clips.frames)[chosen])
        factors.append(clips.factors[chosen])
    found = score_codes(torch.cat(codes), torch.cat(factors), world.factors, ["mig", "dci_lasso"], seeds=1)
    return {name: found[name] for name in ("mig", *(f"dci_lasso_{part}" for part in DCI))}


@torch.no_grad()
def grid(model: MoCoGAN, contents: int, motions: int, seed: int) -> Tensor:
    """Every content drawn along every path: uint8 [contents, motions, T, C, H, W]."""
    generator = seeded(seed)
    content = model.contents(contents, generator)
    path = model.paths(motions, model.frames, generator)
    rows = [model.draw(row.expand(motions, -1), path) for row in content]
    return torch.stack([levels(row) for row in rows])


def swapped(model: MoCoGAN, n: int) -> dict[str, float]:
    """Of `n` contents along `n` paths the shares of the variance that go with content, and with motion, by what varies.

    `colour` is that of clips, `area` that of frames, `path` the places in all frames.
    """
    clips = grid(model, n, n, SWAPPED)
    found = track(clips.flatten(0, 1))
    weight = found.seen / found.seen.sum(1, keepdim=True).clamp(min=1)
    colour = (found.colour * weight[..., None]).sum(1)
    values = dict(zip(KINDS, (colour, found.area, found.place.flatten(1)), strict=True))
    shares = {kind: shares_of_variance(each.unflatten(0, (n, n))) for kind, each in values.items()}
    return {
        f"{kind}_with_{which}": share
        for kind, both in shares.items()
        for which, share in zip(("content", "motion"), both, strict=True)
    }


def show(model: MoCoGAN | VGAN, real: Tensor, folder: Path) -> None:
    """Draw eight made clips below two real ones, every second frame, and a GIF of ten made ones."""
    clips = made(model, 10, SHOWN)
    rows = [clip[::2] for clip in (*real[:2], *clips[:8])]
    write_figure(sheet(rows, ["real"] * 2 + ["made"] * 8), folder / "made.png", dpi=80)
    write_wall(clips.unflatten(0, (2, 5)), folder / "made.gif")


def show_swaps(model: MoCoGAN, folder: Path) -> None:
    """Draw three contents along three paths, every second frame, and a GIF of all."""
    clips = grid(model, 3, 3, SHOWN)
    rows = [clips[k, j, ::2] for k in range(3) for j in range(3)]
    labels = [f"content {k + 1}, path {j + 1}" for k in range(3) for j in range(3)]
    write_figure(sheet(rows, labels), folder / "swaps.png", dpi=80)
    write_wall(clips, folder / "swaps.gif")
