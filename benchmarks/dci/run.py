"""InfoGAN and principal components by disentanglement, completeness, informativeness: `python -m benchmarks.dci`.

A teapot with azimuth, elevation, red, green and blue. Training pictures leave out red teapots from above; those are the
zero-shot rows. A lasso and a random forest then predict every factor from the code, their settings chosen on
validation rows, and angles as plain numbers, as Eastwood & Williams 2018 do (tables 1 and 2, figures 2, 4 and 6). The
same with the azimuth as (cos, sin) is scored beside it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor

import representations
from benchmarks.dci.figures import figures
from benchmarks.dci.report import summary
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import (
    Batch,
    Decaying,
    Graphed,
    Precise,
    Sweep,
    Trial,
    check_batch,
    check_graphed,
    check_keys,
    settings_of,
)
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe
from benchmarks.metrics import DCI, dci
from benchmarks.metrics.regressors import Regressor
from borders import Count, Positive, checked
from envs.objects3d import Objects3D, gap
from representations import fit
from representations.devices import choose_device

LEARNERS = ("infogan", "pca")
REGRESSORS: tuple[Regressor, ...] = ("lasso", "forest")
TEST_SEED = 10_000
CHUNK = 500


@checked
@dataclass(frozen=True, kw_only=True)
class Comparison(Precise, Decaying, Graphed):
    """What the comparison can be told, and every job of it knows."""

    side: Count = 64
    """Pixels a side of the pictures."""
    exposure: Positive = 2.0
    """How light becomes a pixel: see envs.objects3d."""
    gamma: Positive = 2.2
    """How light becomes a pixel: see envs.objects3d."""
    pictures: Count = 20_000
    """Pictures drawn once, from which every batch is taken."""
    steps: Count = 10_000
    """Moves of InfoGAN's generator."""
    batch: Batch = 64
    """Pictures a step."""
    samples: Annotated[int, Interval(ge=300, le=10**8)] = 10_000
    """Rows behind the scores, a tenth of them unseen combinations."""
    tuned: bool = True
    """Choose the lasso's penalty and the trees' depth on validation rows; a fixed choice else."""
    decay: bool = False
    """Take InfoGAN's learning rates linearly to zero."""


@checked
@dataclass(frozen=True, kw_only=True)
class Options(Comparison):
    """What the comparison can be told."""

    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by model."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Trial, Comparison):
    """One model on one seed."""

    settings: dict[str, Any]

    def world(self) -> Objects3D:
        """The teapot as this job sees it."""
        return Objects3D(self.side, self.exposure, self.gamma)


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError for an unknown model or impossible sizes."""
    check_batch(options.batch, options.pictures)
    check_graphed(options.graphed, own.device)
    check_keys("settings", options.settings, LEARNERS, "model")
    shared = {key: value for key, value in vars(options).items() if key != "settings"} | own.told
    return [
        Job(model=model, seed=seed, settings=options.settings.get(model, {}), **shared)
        for model in own.models(LEARNERS)
        for seed in own.all_seeds()
    ]


def build(job: Job) -> Any:
    """The job's model for its pictures."""
    return representations.make(job.model, shape=(3, job.side, job.side), **job.settings)


def draw(world: Objects3D, n: int, generator: torch.Generator, seen: bool) -> tuple[Tensor, Tensor]:
    """`n` factor rows and their pictures, drawn in parts; `seen` leaves out the gap."""
    factors = world.sample(n, generator, where=(lambda f: ~gap(f)) if seen else None)
    return factors, torch.cat([world.render(rows) for rows in factors.split(CHUNK)])


def train(job: Job, folder: Path, pool: Tensor, resume: bool) -> Any:
    """A model fitted to batches of the pool; principal components to the pool itself, part by part."""
    torch.manual_seed(job.seed)
    model = build(job)
    device = choose_device(job.device)
    pool = pool.to(device)
    parts = pool.split(CHUNK)

    def batches(generator: torch.Generator) -> Tensor:
        return pool[torch.randint(len(pool), (job.batch,), generator=generator).to(device)]

    def in_turn(generator: torch.Generator) -> Tensor:
        return parts[int(model.rows) // CHUNK % len(parts)]

    options: dict[str, Any] = {"device": job.device, "resume": resume, "progress": bar()}
    if job.model == "pca":
        fit(model, in_turn, len(parts), torch.Generator().manual_seed(job.seed), folder, log_every=1, **options)
    else:
        options |= {name: getattr(job, name) for name in ("precision", "decay", "steady", "graphed")}
        options["log_every"] = max(job.steps // 200, 1)
        fit(model, batches, job.steps, torch.Generator().manual_seed(job.seed), folder, **options)
    shown = {"side": job.side, "exposure": job.exposure, "gamma": job.gamma}
    representations.save(model, folder / "model", "objects3d", shown)
    return representations.load(folder / "model").to(device)


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    timer, world = Timer(), job.world()
    with timer("drawing"):
        _, pool = draw(world, job.pictures, torch.Generator().manual_seed(job.seed), seen=True)
        factors, pictures = draw(world, job.samples, torch.Generator().manual_seed(TEST_SEED), seen=False)
    with timer("training"):
        model = train(job, folder, pool, resume)
    with timer("scoring"):
        codes = encode(model, pictures)
        measured = measure(codes, factors, world, job.tuned)
        scores = {name: value for (name, found) in measured.items() for name, value in flat(name, found, world).items()}
    with timer("figures"):
        figures(model, world, factors, codes, pool, {name: measured[name] for name in REGRESSORS}, folder)
    return describe("dci", job, scores, timer.seconds)


@torch.no_grad()
def encode(model: Any, pictures: Tensor) -> Tensor:
    """Codes [n, d] of pictures on the model's device, on the CPU."""
    device = next(model.parameters()).device
    return torch.cat([model.encode(part.to(device)).cpu() for part in pictures.split(CHUNK)])


def measure(codes: Tensor, factors: Tensor, world: Objects3D, tuned: bool) -> dict[str, DCI]:
    """The scores by regressor as the paper has them, and as "circular_..." with the azimuth as (cos, sin)."""
    unseen = world.holds(gap, factors).numpy()
    found = {}
    for regressor in REGRESSORS:
        for prefix, compat in (("", True), ("circular_", False)):
            options: dict[str, Any] = {"tuned": tuned, "compat": compat, "held_out": unseen}
            found[prefix + regressor] = dci(
                codes, factors, world.factors, regressor=regressor, generator=np.random.default_rng(0), **options
            )
    return found


def flat(name: str, found: DCI, world: Objects3D) -> dict[str, float]:
    """One regressor's scores as numbers: averages, and those of every factor and code dimension."""
    assert found.zero_shot is not None
    scores = {
        f"{name}_disentanglement": found.disentanglement,
        f"{name}_completeness": found.completeness,
        f"{name}_nrmse": float(found.nrmse.mean()),
        f"{name}_zero_shot": float(found.zero_shot.mean()),
    }
    for j, factor in enumerate(world.names):
        scores[f"{name}_nrmse_{factor}"] = float(found.nrmse[j])
        scores[f"{name}_zero_shot_{factor}"] = float(found.zero_shot[j])
        scores[f"{name}_completeness_{factor}"] = float(found.per_factor[j])
    return scores | {f"{name}_disentanglement_{i}": float(value) for i, value in enumerate(found.per_code)}


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command, each of which can be built."""
    todo = jobs(own, Options(**values))
    for job in todo:
        with settings_of(job.model):
            build(job)
        job.world()
    return Plan(todo)


EXPERIMENT = Experiment("dci", Options, plan, run, summary, models=LEARNERS)
main = EXPERIMENT.main
