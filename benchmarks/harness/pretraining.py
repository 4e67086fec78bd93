"""Pretraining as an experiment: one model on observations of one world, trained, scored, drawn and saved."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor

import representations
from benchmarks.harness import labels
from benchmarks.harness.autoencoding import sheet
from benchmarks.harness.observations import Observations, collect, collect_by
from benchmarks.harness.options import Batch, Decaying, Scored, Trial, check_batch
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe
from benchmarks.metrics import baseline_rows, score
from benchmarks.metrics.codes import applicable
from benchmarks.metrics.scoring import LEAST
from borders import Count, checked
from borders.files import home
from borders.files.pictures import write_figure
from envs.moves import moving
from envs.stored import Stored, open_world
from envs.world import MovingWorld, World
from representations import MODELS, Decodes, Predicts, Representation, fit
from representations.f_statistic import Embedding
from representations.model import levels, pixels

COLLECT = ("factors", "walk", "policy")
TEST_SEED = 10_000
BASELINES = "baselines"  # a job of codes that no learning made, in place of a model
NEEDY = (
    "factor_bottleneck",
    "geometry_grasp",
    "grasp_cnn",
    "icf",
    "icf_discrete",
)  # they need more than pictures, moves and labels


@checked
@dataclass(frozen=True)
class PretrainJob(Trial, Scored, Decaying):
    """One model on one seed of one world."""

    model: str = "beta_vae"
    world: str = "planar"
    """A name in envs.WORLDS, a folder of pictures, or an npz file of them (see envs.stored)."""
    world_settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the world; of a folder of pictures side (pixels) and grey."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the model; its shape, action size and length of schedules are set."""
    collect: str = "factors"
    """factors: observations drawn all over the world; walk: along episodes of random actions; policy: by a policy."""
    policy: str = ""
    """The run's folder of the policy that collects, from benchmarks.policies."""
    observations: Count = 10_000
    """How many observations are collected."""
    labels: str = ""
    """Factors that a learner with labels is told, separated by commas; all classes and numbers unless told."""
    steps: Count = 3000
    """Steps of training."""
    batch: Batch = 64
    """Pictures a step."""
    scores: str = "mig,factor_vae,dci_lasso"
    """Scores, separated by commas; none or more."""
    samples: Count = 5000
    """Pictures in the pool behind the scores."""

    def __post_init__(self) -> None:
        """Refuse what would fail only after training."""
        super().__post_init__()
        if self.collect not in COLLECT:
            raise ValueError(f"collect must be one of {', '.join(COLLECT)}, got {self.collect!r}")
        if (self.collect == "policy") != bool(self.policy):
            raise ValueError(f"collect policy and a policy's folder go together, got {self.collect!r}, {self.policy!r}")
        check_batch(self.batch, self.observations)
        if self.names and self.samples < LEAST:
            raise ValueError(f"samples must be at least {LEAST}, got {self.samples}")


def learners() -> list[str]:
    """The models that learn from pictures, from moves between them, or from pictures and labels."""
    known = {name: inspect.signature(model).parameters for name, model in MODELS.items()}
    alone = [name for name, settings in known.items() if "shape" in settings and "frames" not in settings]
    return [name for name in alone if name not in NEEDY]


def build(job: PretrainJob) -> tuple[MovingWorld | Stored, Representation]:
    """The world and the model of a job; TypeError or ValueError where they do not fit."""
    found = open_world(job.world, **job.world_settings)
    world: MovingWorld | Stored = found if isinstance(found, Stored) else moving(found)
    if job.names:
        applicable(world, job.names)
    if job.policy and isinstance(world, Stored):
        raise ValueError("a policy has no moves to make among stored pictures: choose --collect factors")
    if job.model not in MODELS:
        representations.make(job.model)
    known = inspect.signature(MODELS[job.model]).parameters
    if job.model == "factor_bottleneck":
        raise ValueError("factor_bottleneck is given the factors, so there is nothing to pretrain for a policy")
    if "shape" not in known:
        raise ValueError(f"{job.model} does not learn from pictures; choose from {', '.join(learners())}")
    if "frames" in known:
        raise ValueError(f"{job.model} learns from clips, not from pictures; choose from {', '.join(learners())}")
    if job.policy and not (home(job.policy) / "policy.zip").exists():
        raise ValueError(f"{job.policy} is not the folder of a policy of benchmarks.policies: it has no policy.zip")
    given: dict[str, Any] = {"shape": tuple(world.shape), "steps": job.steps}
    given |= labels.settings(MODELS[job.model], world, job.labels)
    if isinstance(world, MovingWorld):
        space = world.action_space
        given["action_size"] = int(space.n) if isinstance(space, gym.spaces.Discrete) else space.shape[0]
    elif issubclass(MODELS[job.model], Predicts):
        raise ValueError(f"{job.model} learns from moves, and stored pictures have none: {job.world}")
    torch.manual_seed(job.seed)
    settings = {name: value for name, value in given.items() if name in known} | job.settings
    return world, representations.make(job.model, **settings)


def batches_of(
    data: Observations, world: World, model: Representation, size: int, names: str = ""
) -> Callable[..., Any]:
    """What `fit` draws batches from: pictures, or for models of dynamics dicts of x, u, x_next and y.

    A learner with labels gets dicts of x, y and labelled, y from the named factors (see `harness.labels`).
    A model with a content code gets two sets that differ in content: x shows the first class of the first categorical
    factor of which the data have two, y the second; without any, both show all.
    """
    pairs = isinstance(model, Embedding)
    told = labels.labelled(data.x, data.factors, world, model.settings, size, names, pairs)
    if told is not None:
        return told
    whole = torch.arange(len(data.x))
    rows_x, rows_y = whole, whole
    if "content_size" in model.settings:
        kinds = [k for k, factor in enumerate(world.factors) if factor.kind == "categorical"]
        classes = [column.unique()[:2] for column in data.factors[:, kinds].round().unbind(1)]
        for k, found in zip(kinds, classes, strict=True):
            if len(found) > 1:
                rows_x, rows_y = (whole[data.factors[:, k].round() == value] for value in found)
                break

    def pictures(generator: torch.Generator) -> Tensor:
        return data.x[torch.randint(len(data.x), (size,), generator=generator)]

    def transitions(generator: torch.Generator) -> dict[str, Tensor]:
        i = rows_x[torch.randint(len(rows_x), (size,), generator=generator)]
        j = rows_y[torch.randint(len(rows_y), (size,), generator=generator)]
        return {"x": data.x[i], "u": data.u[i], "x_next": data.x_next[i], "y": data.x[j]}

    return transitions if isinstance(model, Predicts) else pictures


def run(job: PretrainJob, folder: Path, resume: bool = True) -> dict[str, Any]:
    """Collect, train, save, score and draw; the result as `result.json` holds it."""
    timer, began = Timer(), time.process_time()
    if job.model == BASELINES:
        with timer("scoring"):
            world, generator = open_world(job.world, **job.world_settings), torch.Generator().manual_seed(TEST_SEED + 1)
            return describe(
                "pretrain", job, baseline_rows(world, job.names, generator, samples=job.samples), timer.seconds
            )
    world, model = build(job)
    with timer("collecting"):
        if job.policy and isinstance(world, MovingWorld):
            data = collect_by(home(job.policy), world, job.observations, job.seed)
        else:
            data = collect(world, job.observations, torch.Generator().manual_seed(job.seed), job.collect)
    with timer("training"):
        batches = batches_of(data, world, model, job.batch, job.labels)
        generator = torch.Generator().manual_seed(job.seed)
        options: dict[str, Any] = {"device": job.device, "decay": job.decay, "steady": job.steady, "resume": resume}
        options |= {"checkpoint_every": 500, "progress": bar()}
        fit(model, batches, job.steps, generator, folder, **options)
        representations.save(model, folder / "model", job.world, job.world_settings)
    model = representations.load(folder / "model")
    scores: dict[str, Any] = {}
    with timer("scoring"), torch.no_grad():
        tests = world.render(world.sample(1000, torch.Generator().manual_seed(TEST_SEED)))
        if isinstance(model, Decodes):
            decoded = torch.cat([model.decode(model.encode(batch)) for batch in tests.split(250)])
            scores["pixel_error"] = (decoded - pixels(tests)).square().mean().item()
            rows = (tests[:10], levels(decoded[:10]))
            write_figure(sheet(rows, ("seen", "decoded")), folder / "reconstruction.png", dpi=120)
        if job.names:
            generator = torch.Generator().manual_seed(TEST_SEED + 1)
            scores |= score(model.encode, world, job.names, generator, samples=job.samples)
    cpu = round(time.process_time() - began, 3)
    return describe("pretrain", job, scores, timer.seconds | {"cpu": cpu})
