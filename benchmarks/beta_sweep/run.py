"""What a weight on the KL term does, over its values (Peychev et al. 2017): `python -m benchmarks.beta_sweep --model all`.

Four autoencoders: dense or convolutional, plain or denoising. On shapes2d, whose distinct pictures are split 70:15:15, the
metric of one changed factor is measured over beta on held-out pictures (figure 1). On digits a support vector machine
names the digit from the plain ones' codes, over beta and over the share of the labels it is given (figure 2).
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.svm import SVC
from torch import Tensor

import representations
from benchmarks.beta_sweep.data import digits, encoded, shapes_pool, split_shapes
from benchmarks.beta_sweep.report import summary
from benchmarks.harness.autoencoding import Budget, described, reconstruction, seeded
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep, Trial, check_batch, listed
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer
from benchmarks.metrics.scoring import score_pool
from borders import Count, NonNegative, checked
from envs import make_world
from representations import Representation, fit
from representations.devices import choose_device, choose_precision

AUTOENCODERS: dict[str, dict[str, Any]] = {
    "dense": {"network": "dense"},
    "conv": {"network": "conv"},
    "dense_denoising": {"network": "dense", "noise": 0.2},
    "conv_denoising": {"network": "conv", "noise": 0.2},
}
DATA = ("shapes2d", "digits")
SCORES = ("beta_vae_changed", "beta_vae_fixed", "factor_vae", "mig")
TEST_SEED = 10_000


@checked
@dataclass(frozen=True)
class Options(Budget):
    """What the sweep can be told."""

    data: str = "shapes2d,digits"
    """shapes2d (figure 1), digits (figure 2), or both."""
    betas: tuple[float, ...] = (0.0, 1.0, 2.5, 5.0)
    """Weights of the KL term on shapes2d."""
    digit_betas: tuple[float, ...] = (0.0, 0.1, 0.5, 1.0, 2.0, 4.0)
    """Weights of the KL term on digits."""
    pictures: Count = 25_000
    """Pictures of shapes that every model learns from, drawn from the training part."""
    digit_pictures: Count = 40_000
    """Pictures of digits that every model learns from, drawn from the training part."""
    shares: tuple[float, ...] = (0.1, 0.3, 0.5, 1.0)
    """Shares of the labels that the classifier of digits is given."""
    source: str = "embedded"
    """Where digits come from: embedded, mnist or fashion_mnist."""
    path: str | None = None
    """The folder of mnist or fashion_mnist; DISCO_DATA unless told."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of all models."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Trial, Budget):
    """One autoencoder with one beta on one seed."""

    data: str
    beta: NonNegative
    pictures: Count
    shares: tuple[float, ...]
    source: str
    path: str | None
    settings: dict[str, Any]


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of the sweep; ValueError for an unknown model or data, or a budget below one batch."""
    check_batch(options.batch, min(options.pictures, options.digit_pictures))
    if not options.shares or not all(0 < share <= 1 for share in options.shares):
        raise ValueError(f"shares must be above 0 and at most 1, got {options.shares}")
    choose_precision(options.precision, choose_device(own.device))
    chosen = listed(options.data)
    if not chosen or not set(chosen) <= set(DATA):
        raise ValueError(f"data must name any of {', '.join(DATA)}, got {options.data!r}")
    if "digits" in chosen:
        digits(options.source, options.path, "test")
    names = ("source", "path", *(known.name for known in dataclasses.fields(Budget)))
    shared: dict[str, Any] = {name: getattr(options, name) for name in names}
    shared |= own.told | {"shares": tuple(options.shares)}
    found = []
    for data in chosen:
        shapes = data == "shapes2d"
        shared["pictures"] = options.pictures if shapes else options.digit_pictures
        for model in own.models(tuple(AUTOENCODERS)):
            settings = AUTOENCODERS[model] | options.settings
            if not shapes and settings.get("noise"):
                continue  # figure 2 has the plain ones
            for beta in options.betas if shapes else options.digit_betas:
                found += [
                    Job(model, seed=s, data=data, beta=beta, settings=settings, **shared) for s in own.all_seeds()
                ]
    return found


def build(job: Job) -> Representation:
    """The job's autoencoder."""
    shape = (1, 64, 64) if job.data == "shapes2d" else (1, 28, 28)
    return representations.make("disentangled_autoencoder", shape=shape, beta=job.beta, **job.settings)


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train and measure one job in `folder`; the result as `result.json` holds it."""
    began, timer = time.process_time(), Timer()
    torch.manual_seed(job.seed)
    model: Any = build(job)
    with timer("data"):
        train, test = _pictures(job)
    with timer("training"):
        steps = job.pictures // job.batch
        options: dict[str, Any] = {"device": job.device, "precision": job.precision, "resume": resume, "decay": True}
        options["progress"] = bar()
        fit(model, train, steps, seeded(job.seed), folder, log_every=max(steps // 20, 1), **options)
        representations.save(model, folder / "model", job.data)
    model = representations.load(folder / "model").to(choose_device(job.device))
    with timer("scoring"):
        torch.manual_seed(job.seed)
        scores, _ = reconstruction(model.autoencoder, test.to(choose_device(job.device)))
        if job.data == "shapes2d":
            pool = shapes_pool(model, job.samples, seeded(TEST_SEED))
            scores |= score_pool(pool, SCORES, seeded(TEST_SEED + 1), seeds=job.metric_seeds)
        else:
            scores |= classified(model, job)
    return described("beta_sweep", job, scores, timer, began)


def _pictures(job: Job) -> tuple[Any, Tensor]:
    """Batches of the training part, and the test pictures for reconstruction."""
    draw = seeded(TEST_SEED + 2)
    if job.data == "shapes2d":
        world, parts = make_world("shapes2d"), split_shapes().factors
        given = parts["train"]
        test = world.render(parts["test"][torch.randperm(len(parts["test"]), generator=draw)[: job.test]])
        return lambda g: world.render(given[torch.randint(len(given), (job.batch,), generator=g)]), test
    given, _ = digits(job.source, job.path, "train")
    held, _ = digits(job.source, job.path, "test")
    test = held[torch.randperm(len(held), generator=draw)[: job.test]]
    return lambda g: given[torch.randint(len(given), (job.batch,), generator=g)], test


def classified(model: Representation, job: Job) -> dict[str, float]:
    """Accuracy on the test digits of a support vector machine (RBF kernel, C = 1) on codes, by share of the labels."""
    (train, label), (test, truth) = (digits(job.source, job.path, part) for part in ("train", "test"))
    device = choose_device(job.device)
    codes, held = encoded(model, train.to(device)), encoded(model, test.to(device))
    order = np.random.default_rng(job.seed).permutation(len(label))
    found = {}
    for share in job.shares:
        given = order[: max(round(share * len(order)), 2 * len(np.unique(label)))]
        found[f"accuracy_{share:g}"] = float(SVC().fit(codes[given], label[given]).score(held, truth))
    return found


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command, each of which can be built."""
    todo = jobs(own, Options(**values))
    for job in todo:
        build(job)
    return Plan(todo)


EXPERIMENT = Experiment("beta_sweep", Options, plan, run, summary, models=tuple(AUTOENCODERS))
main = EXPERIMENT.main
