"""How a sweep scales: the same trainings on one worker and on two, by each engine.

    efficiency = T_1 / (w T_w)           T_w: seconds from the call to the last result with w workers, their start included
    share      = sum t / (w (T_w - s))   t: seconds of a job beside others;  s: seconds until the first job begins

The efficiency is below 1 by the start, which is paid once a sweep, by what the engine then leaves unused (1 - share), and
by what jobs beside each other cost each other. It compares two runs: where others use the machine, its speed must not have
changed in between. The share is of one run.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from benchmarks.harness.engines import ENGINES, Engine
from benchmarks.harness.runs import compute, read_result
from benchmarks.harness.timing import once
from benchmarks.speed.rows import LINEAR, Row, Sizes
from envs import make_world
from representations import fit, make

WORKERS = 2
EFFICIENCY = "sweep by {}: efficiency"
SHARE = "sweep by {}: share in jobs"


@dataclass(frozen=True)
class Training:
    """A job: beta-VAE on pictures of dSprites."""

    model: str
    preset: str
    seed: int
    steps: int
    batch: int


@dataclass(frozen=True)
class Course:
    """How a sweep went, in seconds: whole by the clock, until its first job began, of a job's clock and of all processors."""

    whole: float
    start: float
    job: float
    processor: float


def train(job: Training, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, and say when it began and what it cost."""
    began, world = time.time(), make_world("dsprites")
    torch.manual_seed(job.seed)
    model = make(job.model)

    def draw(generator: torch.Generator) -> Tensor:
        return world.render(world.sample(job.batch, generator))

    generator = torch.Generator().manual_seed(job.seed)
    cost = once(lambda: fit(model, draw, job.steps, generator, device="cpu", progress=False))
    return {"scores": {"began": began, "clock": cost.clock, "processor": cost.processor}}


def course(engine: Engine, sizes: Sizes) -> Course:
    """Run the sweep once, in a folder that does not stay."""
    jobs = [Training("beta_vae", "default", seed, sizes.job_steps, sizes.train_batch) for seed in range(sizes.jobs)]
    with TemporaryDirectory() as place:
        placed = [(job, Path(place) / str(job.seed)) for job in jobs]
        for _, folder in placed:
            folder.mkdir()
        began = time.time()
        compute(train, placed, engine)
        whole = time.time() - began
        found = [read_result(folder)["scores"] for _, folder in placed]
    engine.stop()
    clock, processor = ([scores[name] for scores in found] for name in ("clock", "processor"))
    return Course(whole, min(scores["began"] for scores in found) - began, mean(clock), sum(processor))


def scaling(sizes: Sizes) -> list[Row]:
    """Seconds of the sweep on one worker and on two, and the efficiency in per cent, by each engine."""
    rows = []
    for name in ENGINES:
        alone, beside = (course(Engine(name, workers), sizes) for workers in (1, WORKERS))
        for workers, found in ((1, alone), (WORKERS, beside)):
            how = f"first job after {found.start:.1f} s, a job takes {found.job:.1f} s"
            run_as = f"{workers} worker{'s' * (workers > 1)}"
            figure = f"sweep of {sizes.jobs} jobs by {name}"
            rows.append(Row(figure, run_as, "s", found.whole, found.processor, "", how))
        linear = 100 * alone.whole / (WORKERS * beside.whole)
        how = f"a job runs at {100 * alone.job / beside.job:.1f} % of its speed alone"
        rows.append(Row(EFFICIENCY.format(name), f"{WORKERS} workers", LINEAR, linear, linear, "", how))
        share = 100 * sizes.jobs * beside.job / (WORKERS * (beside.whole - beside.start))
        how = f"of the workers' time behind the start of {beside.start:.1f} s"
        rows.append(Row(SHARE.format(name), f"{WORKERS} workers", LINEAR, share, share, "", how))
    return rows
