"""Learners without labels on worlds of sprites: `python -m benchmarks.sprites --model all --world dsprites`.

Every model sees the same budget of pictures, drawn on the fly. A job trains one model with one seed, then measures it
on pictures of the whole world: reconstruction, latents in use, and every score. `--curve` repeats a model over its knob
(beta, lambda_od, gamma) and draws score against reconstruction. `factor_bottleneck` is given the factors and measured
by the order in which they are let through.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import representations
from benchmarks.autoencoding import draw, reconstruction
from benchmarks.command import Sweep, parse
from benchmarks.metrics import baseline_rows, score
from benchmarks.report import write_report
from benchmarks.runs import Timer, job_folder, say, sweep, write_result
from benchmarks.sprites_claims import claims, tables
from benchmarks.sprites_figures import curve_figure, figures, kl_figure, stage_figure, write
from benchmarks.table import show
from envs import make_world
from envs.world import World
from representations import MODELS, Representation, fit
from representations.fit import choose_device

LEARNERS = ("vae", "beta_vae", "capacity_vae", "dip_vae", "factor_vae", "factor_bottleneck")
KNOBS = {"beta_vae": "beta", "dip_vae": "lambda_od", "factor_vae": "gamma"}
BLOB_BETA = 150.0  # of figure 2 in Burgess et al. 2018
STAGES = 8
WATCHED = 8
TEST_SEED = 10_000


@dataclass(frozen=True)
class Options:
    """What a sweep over sprites can be told."""

    world: str = "dsprites"
    """dsprites, color_dsprites, blobs, objects3d or another world of pictures."""
    pictures: int = 150_000
    """How many pictures every model learns from."""
    batch: int = 64
    """Pictures a step."""
    samples: int = 10_000
    """Pictures in the pool behind the scores."""
    metric_seeds: int = 3
    """Metric seeds behind every score."""
    scores: str = ""
    """Scores, separated by commas; all unless told."""
    test: int = 2000
    """Pictures on which reconstruction is measured."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by model."""
    curve: bool = False
    """Repeat every model over the values of its knob in `curves`."""
    curves: dict[str, list[float]] = field(default_factory=dict)
    """Values of beta_vae's beta, dip_vae's lambda_od, factor_vae's gamma."""


@dataclass(frozen=True)
class Job:
    """One model, one seed. `knob` is what tells rows of one model apart, for instance "beta 4"."""

    model: str
    preset: str
    seed: int
    world: str
    pictures: int
    batch: int
    samples: int
    metric_seeds: int
    scores: tuple[str, ...]
    test: int
    settings: dict[str, Any]
    knob: str = ""


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError for unknown models or a budget below one batch."""
    if not 2 <= options.batch <= options.pictures:
        raise ValueError(f"batch must be at least 2 and at most pictures, got {options.batch}, {options.pictures}")
    names = tuple(name.strip() for name in options.scores.split(",") if name.strip())
    shared = {key: getattr(options, key) for key in ("world", "pictures", "batch", "samples", "metric_seeds", "test")}
    found = []
    for seed in own.all_seeds():
        for model in own.models(LEARNERS):
            settings = dict(options.settings.get(model, {}))
            knob = KNOBS.get(model, "")
            if options.world == "blobs" and model == "beta_vae":
                settings["beta"] = BLOB_BETA
            values = options.curves.get(model, []) if options.curve and knob else []
            for chosen in [settings | {knob: value} for value in values] or [settings]:
                name = f"{knob} {chosen[knob]:g}" if knob in chosen else ""
                found.append(Job(model, own.preset, seed, **shared, scores=names, settings=chosen, knob=name))
    baseline = Job("baselines", own.preset, own.all_seeds()[0], **shared, scores=names, settings={})
    return [*found, baseline]


def build(job: Job, world: World) -> Representation:
    """The job's model for this world, its schedules as long as the training."""
    settings = dict(job.settings)
    if "steps" in inspect.signature(MODELS[job.model]).parameters:
        settings.setdefault("steps", job.pictures // job.batch)
    if job.model == "factor_bottleneck":
        settings |= {"low": tuple(f.low for f in world.factors), "high": tuple(f.high for f in world.factors)}
    return representations.make(job.model, shape=tuple(world.shape), **settings)


def run(job: Job, folder: Path, device: str = "auto") -> dict:
    """Train and measure one job in `folder`; continues where a killed run left a checkpoint."""
    world, timer = make_world(job.world), Timer()
    if job.model == "baselines":
        with timer("scoring"):
            found: dict[str, Any] = baseline_rows(
                world, job.scores or None, seeded(job.seed), samples=job.samples, seeds=job.metric_seeds
            )
        return write_result(folder, "sprites", job, found, timer.seconds)
    torch.manual_seed(job.seed)
    model = build(job, world)
    folder.mkdir(parents=True, exist_ok=True)
    with timer("training"):
        logs = train(model, job, world, folder, device)
    representations.save(model, folder / "model")
    if hasattr(model, "capacity"):
        names = world.names if job.model == "factor_bottleneck" else [f"z{i}" for i in range(model.code_size)]
        write(kl_figure(logs, names), folder / "kl.png")
        write(stage_figure(world.render(world.sample(WATCHED, seeded(TEST_SEED))), logs, folder), folder / "stages.png")
    if job.model == "factor_bottleneck":
        found = onsets(logs, world.names) | {"nll": logs[-1]["bound/nll"], "kl": logs[-1]["bound/kl"]}
    else:
        found = measure(model, job, world, folder, choose_device(device), timer)
    return write_result(folder, "sprites", job, found, timer.seconds)


def train(model: Any, job: Job, world: World, folder: Path, device: str) -> list[dict[str, float]]:
    """Fit the model to pictures of the world, or to factors and their pictures; leaves drawings at even stages."""
    given_factors, steps = job.model == "factor_bottleneck", job.pictures // job.batch
    watched = world.sample(WATCHED, seeded(TEST_SEED))
    seen = watched if given_factors else world.render(watched)
    stages = {round(steps * (k + 1) / STAGES) for k in range(STAGES)} if hasattr(model, "capacity") else set()

    def batches(generator: torch.Generator) -> Any:
        factors = world.sample(job.batch, generator)
        pictures = world.render(factors)
        return {"factors": factors, "pictures": pictures} if given_factors else pictures

    def look(step: int) -> None:
        if step in stages:
            codes = model.encode(seen.to(choose_device(device)))
            np.save(folder / f"stage-{step:07d}.npy", draw(model, codes).cpu().numpy())

    every = max(steps // 100, 1)
    return fit(
        model, batches, steps, seeded(job.seed), folder, device=device, resume=True, log_every=every, on_step=look
    )


def measure(model: Any, job: Job, world: World, folder: Path, device: torch.device, timer: Timer) -> dict[str, float]:
    """Reconstruction and scores of a trained model on pictures that no model was chosen by; draws its figures."""
    factors = world.sample(job.test, seeded(TEST_SEED + 1))
    pictures = world.render(factors).to(device)
    with timer("reconstruction"):
        torch.manual_seed(job.seed)
        found, kl = reconstruction(model.autoencoder, pictures)
    with timer("figures"):
        figures(model, world, factors, pictures, kl, folder)
    with timer("scoring"):
        names, generator = job.scores or None, seeded(TEST_SEED + 2)
        encode = partial(encode_on, model, device)
        return found | score(encode, world, names, generator, samples=job.samples, seeds=job.metric_seeds)


def encode_on(model: Representation, device: torch.device, pictures: Tensor) -> Tensor:
    """Codes of pictures, computed on `device`, on the CPU."""
    return model.encode(pictures.to(device)).cpu()


def onsets(logs: Sequence[dict[str, float]], names: Sequence[str], least: float = 0.5) -> dict[str, float]:
    """For every factor the capacity in nats from which its KL stays above `least` nats, and its KL at the end.

    A factor that never comes in gets the last capacity plus one nat.
    """
    found = {}
    for i, name in enumerate(names):
        below = [line["bound/capacity"] for line in logs if line[f"bound/kl_{i}"] <= least]
        later = [line["bound/capacity"] for line in logs if not below or line["bound/capacity"] > below[-1]]
        found[f"onset_{name}"] = later[0] if later else logs[-1]["bound/capacity"] + 1
        found[f"kl_{name}"] = logs[-1][f"bound/kl_{i}"]
    return found


def seeded(seed: int) -> torch.Generator:
    """A generator with this seed."""
    return torch.Generator().manual_seed(seed)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, run what has no result yet, print and write the report."""
    own, values = parse("sprites", Sweep, Options, arguments)
    own = own if own.model else dataclasses.replace(own, model="all")
    options = Options(**values)
    out = Path(own.out or f"runs/sprites-{options.world}")
    try:
        todo = jobs(own, options)
        for job in todo[:-1]:
            build(job, make_world(job.world))
    except (TypeError, ValueError) as error:
        raise SystemExit(f"error: {error}") from None
    results = sweep(partial(run, device=own.device), todo, out, own.engine, own.workers)
    found, said = tables(results, todo), claims(results, todo)
    pictures: dict[str, Path] = {}
    for job in todo:
        if job.seed == own.all_seeds()[0]:
            name = f"{job.model} {job.knob}".strip()
            for file in sorted(job_folder(out, job).glob("*.png")):
                pictures[f"{name}: {file.stem}, seed {job.seed}"] = file
    if options.curve:
        write(curve_figure(results, todo), out / "curve.png")
        pictures["score against reconstruction"] = out / "curve.png"
    introduction = (f"World {options.world}, {options.pictures} pictures a model in batches of {options.batch}.",)
    write_report(
        out / "report.html",
        f"Learners without labels on {options.world}",
        introduction,
        found,
        said,
        pictures,
        dataclasses.asdict(own) | dataclasses.asdict(options),
    )
    show(found, said)
    say(f"written to {out / 'report.html'}")


if __name__ == "__main__":
    main()
