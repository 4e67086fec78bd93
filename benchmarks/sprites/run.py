"""Learners without labels on worlds of sprites: `python -m benchmarks.sprites --model all --world dsprites`.

Every model sees the same budget of pictures, drawn on the fly. A job trains one model with one seed, then measures it
on pictures of the whole world: reconstruction, latents in use, and every score. `--curve true` repeats a model over its
knob (beta, lambda_od, gamma) and draws score against reconstruction. `factor_bottleneck` is given the factors and
measured by the order in which they are let through.
"""

from __future__ import annotations

import dataclasses
import inspect
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import representations
from benchmarks.harness.autoencoding import BATCH, USED, Budget, described, draw, reconstruction, seeded
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import (
    Decaying,
    Graphed,
    Scored,
    Sweep,
    Trial,
    check_batch,
    check_graphed,
    check_keys,
    settings_of,
)
from benchmarks.harness.own import registered
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer
from benchmarks.metrics import baseline_rows, mig, score
from benchmarks.metrics.codes import applicable
from benchmarks.metrics.maps import position_folds, ranked, recovered
from benchmarks.sprites.figures import figures, kl_figure, stage_figure, write
from benchmarks.sprites.report import summary
from borders import Count, NonNegative, Positive, Share, checked
from borders.files import write_npz
from envs import WORLDS
from envs.stored import Stored, drawn, open_world
from envs.world import World
from representations import MODELS, Representation, Stepped, fit
from representations.devices import choose_device, choose_precision
from representations.parts.blur import blurred, width_at

LEARNERS = ("vae", "beta_vae", "capacity_vae", "dip_vae", "dip_vae_ii", "factor_vae", "factor_bottleneck")
SECOND = {"dip_vae_ii": ("dip_vae", {"kind": "II"})}  # second forms of a learner: its name there, and what differs
KNOBS = {"beta_vae": "beta", "dip_vae": "lambda_od", "dip_vae_ii": "lambda_od", "factor_vae": "gamma"}
COLOURS = ("red", "green", "blue")
STAGES = 8
WATCHED = 8
TEST_SEED = 10_000


@dataclass(frozen=True, kw_only=True)
class Blurred:
    """How coarse the pictures are that learners see at first."""

    blur: NonNegative = 0.0
    """Pixels: pictures are learned from through a Gaussian of this deviation, which clears."""
    blur_held: Share = 0.08
    """The share of the training for which it stays as it is."""
    blur_clear: Share = 0.6
    """The share of the training after which pictures are as they are."""


@checked
@dataclass(frozen=True)
class Options(Budget, Scored, Decaying, Graphed, Blurred):
    """What a sweep over sprites can be told."""

    world: str = "dsprites"
    """dsprites, blobs, objects3d or another world of pictures, a folder of pictures, or an npz file (see envs.stored)."""
    pictures: Count = 150_000
    """How many pictures every model learns from."""
    budgets: dict[str, int] = field(default_factory=dict)
    """How many pictures where a model learns from more or fewer."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by model."""
    rises: dict[str, float] = field(default_factory=dict)
    """The share of the training over which a model's schedule rises: all unless told for a capacity, else none."""
    worlds: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by world."""
    blob_beta: Positive = 150.0
    """beta_vae's beta on the world blobs (figure 2 of Burgess et al. 2018)."""
    blob_rise: Share = 0.5
    """The share of the training over which it rises to that."""
    curve: bool = False
    """Repeat every model over the values of its knob in `curves`."""
    curves: dict[str, list[float]] = field(default_factory=dict)
    """Values of beta_vae's beta, dip_vae's lambda_od, factor_vae's gamma."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Trial, Budget, Decaying, Graphed, Blurred):
    """One model with its settings on one seed; `row` names the model and its knob, for instance "beta_vae (beta 4)"."""

    world: str
    pictures: Count
    scores: tuple[str, ...]
    settings: dict[str, Any]
    row: str
    world_settings: dict[str, Any] = field(default_factory=dict)
    rise: float | None = None


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError for an unknown model or a budget below one batch."""
    choose_precision(options.precision, choose_device(own.device))
    check_graphed(options.graphed, own.device)
    for option in ("settings", "budgets", "rises", "curves"):
        known = KNOBS if option == "curves" else (*LEARNERS, *registered().models)
        check_keys(option, getattr(options, option), known, "model")
    check_keys("worlds", options.worlds, tuple(WORLDS), "world")
    check_batch(options.batch, min([options.pictures, *options.budgets.values()]))
    names = (
        "world",
        *(known.name for kind in (Budget, Decaying, Graphed, Blurred) for known in dataclasses.fields(kind)),
    )
    shared: dict[str, Any] = {name: getattr(options, name) for name in names}
    shared |= own.told | {"world_settings": options.worlds.get(options.world, {})}
    shared["scores"] = tuple(options.names)
    shared |= {"blur": 0.0} if options.world == "blobs" else {}  # which are coarse as they are
    if not all(0 <= share <= 1 for share in (*options.rises.values(), options.blob_rise)):
        raise ValueError(f"rises and blob_rise must be shares from 0 to 1, got {options.rises}, {options.blob_rise}")
    if options.blur_held > options.blur_clear:
        raise ValueError(f"blur_held must be at most blur_clear, got {options.blur_held} and {options.blur_clear}")
    found = []
    for model in own.models((*LEARNERS, *registered().models)):
        settings, knob = dict(options.settings.get(model, {})), KNOBS.get(model, "")
        shared |= {"pictures": options.budgets.get(model, options.pictures), "rise": options.rises.get(model)}
        if options.world == "blobs" and model == "beta_vae":
            settings |= {"beta": options.blob_beta, "first_beta": 0.0, "easing": 0.0, "start": 1.0}
            shared["rise"] = options.blob_rise
        values = options.curves.get(model, []) if options.curve and knob else []
        for chosen in [settings | {knob: value} for value in values] or [settings]:
            value = chosen.get(knob, _default(model, knob)) if knob else ""
            row = f"{model} ({knob} {value:g})" if isinstance(value, (int, float)) else model
            found += [Job(model, seed=s, settings=chosen, row=row, **shared) for s in own.all_seeds()]
    return found


def learner(model: str) -> tuple[str, dict[str, Any]]:
    """The registered name of a model of `LEARNERS`, and the settings that make it."""
    return SECOND.get(model, (model, {}))


def _default(model: str, setting: str) -> Any:
    return inspect.signature(MODELS[learner(model)[0]]).parameters[setting].default


def build(job: Job, world: World) -> Representation:
    """The job's model for this world, its schedules as long as the training."""
    name, form = learner(job.model)
    settings = form | job.settings
    steps, known = job.pictures // job.batch, inspect.signature(MODELS[name]).parameters
    for schedule, share in (("steps", 1.0), ("warmup", 0.0)):
        if schedule in known:
            settings.setdefault(schedule, round(steps * (share if job.rise is None else job.rise)))
    if job.model == "factor_bottleneck":
        settings |= {"low": tuple(f.low for f in world.factors), "high": tuple(f.high for f in world.factors)}
    return representations.make(name, shape=tuple(world.shape), **settings)


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it.

    Beside what every result holds it says the precision it was computed in, and the seconds of processor time.
    """
    began, timer = time.process_time(), Timer()
    return described("sprites", job, _scores(job, folder, resume, timer), timer, began)


def _scores(job: Job, folder: Path, resume: bool, timer: Timer) -> dict[str, Any]:
    world = open_world(job.world, **job.world_settings)
    if job.model == "baselines":
        with timer("scoring"):
            options: dict[str, Any] = {"samples": job.samples, "seeds": job.metric_seeds}
            return baseline_rows(world, job.scores or None, seeded(job.seed), **options)
    torch.manual_seed(job.seed)
    model: Any = build(job, world)
    with timer("training"):
        logs = train(model, job, world, folder, resume)
        representations.save(model, folder / "model", job.world, job.world_settings)
    model = representations.load(folder / "model")
    if hasattr(model, "capacity"):
        names = world.names if job.model == "factor_bottleneck" else [f"z{i}" for i in range(model.code_size)]
        write(kl_figure(logs, names), folder / "kl.png")
        write(stage_figure(world.render(world.sample(WATCHED, seeded(TEST_SEED))), logs, folder), folder / "stages.png")
    if job.model == "factor_bottleneck":
        return onsets(logs, world.names) | {"nll": logs[-1]["bound/nll"], "kl": logs[-1]["bound/kl"]}
    return measure(model.to(choose_device(job.device)), job, world, folder, timer)


def train(model: Any, job: Job, world: World, folder: Path, resume: bool) -> list[dict[str, float]]:
    """Fit the model to pictures of the world, or to factors and their pictures; leaves drawings at even stages."""
    given_factors, steps = job.model == "factor_bottleneck", job.pictures // job.batch
    device = choose_device(job.device)
    watched = world.sample(WATCHED, seeded(TEST_SEED))
    seen = watched if given_factors else world.render(watched)
    stages = {round(steps * (k + 1) / STAGES) for k in range(STAGES)} if hasattr(model, "capacity") else set()

    def batches(generator: torch.Generator, step: int) -> Any:
        factors, pictures = drawn(world, job.batch, generator)
        if given_factors:
            return {"factors": factors, "pictures": pictures}
        width = width_at(step / steps, job.blur, job.blur_held, job.blur_clear)
        return blurred(pictures.to(device), width) if job.blur else pictures

    def look(step: int) -> None:
        if step in stages:
            codes = model.encode(seen.to(device))
            drawn = draw(model, codes).cpu().numpy()
            write_npz(folder / f"stage-{step:07d}.npz", {"pictures": drawn})

    options: dict[str, Any] = {"device": job.device, "resume": resume, "log_every": max(steps // 100, 1)}
    options |= {"precision": job.precision, "decay": job.decay, "steady": job.steady, "progress": bar()}
    options["graphed"] = job.graphed
    return fit(model, Stepped(batches), steps, seeded(job.seed), folder, on_step=look, **options)


def measure(model: Any, job: Job, world: World, folder: Path, timer: Timer) -> dict[str, float]:
    """Reconstruction and scores of a trained model on pictures of the whole world; draws its figures."""
    device = choose_device(job.device)
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
        if {"x", "y"} <= set(world.names) and not isinstance(world, Stored):  # which has no lattice of positions
            found["folds"] = position_folds(encode, world, seeded(TEST_SEED + 3))
        if set(COLOURS) <= set(world.names):
            colours = factors[:, [world.names.index(name) for name in COLOURS]]
            with torch.no_grad():
                codes = torch.cat([encode(part) for part in pictures.split(BATCH)])
            opened = codes * (kl > USED).cpu()  # the mean of a closed latent is no code
            found |= recovered(ranked(opened), ranked(colours), COLOURS)  # of ranks: what is dark bends its axis
        found |= score(encode, world, names, generator, samples=job.samples, seeds=job.metric_seeds)
        if "mig" in found:
            found["mig_sampled"] = sampled_mig(model.autoencoder, world, job.samples, seeded(TEST_SEED + 4), device)
        return found


@torch.no_grad()
def sampled_mig(
    autoencoder: torch.nn.Module, world: World, samples: int, generator: torch.Generator, device: torch.device
) -> float:
    """MIG of codes drawn from the posterior, z ~ q(z | x), as Chen et al. 2018 (arXiv:1802.04942) define it.

    The mean of a latent that is closed moves by next to nothing, and yet tells in which order pictures are: MIG of means
    takes that for knowledge, samples drown it.
    """
    factors, pictures = drawn(world, samples, generator)
    found = []
    for part in pictures.split(BATCH):
        mean, logvar = (value.cpu() for value in autoencoder.posterior(part.to(device)))  # type: ignore[operator]
        noise = torch.randn(mean.shape, generator=generator)
        found.append(mean + noise * (0.5 * logvar).exp())
    return mig(torch.cat(found), factors, list(world.factors))


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


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command, each of which can be built, and beside them the codes that no learning made."""
    todo = jobs(own, Options(**values))
    world = open_world(todo[0].world, **todo[0].world_settings)
    names = applicable(world, todo[0].scores or None)
    todo = [dataclasses.replace(job, scores=names) for job in todo] if isinstance(world, Stored) else todo
    for job in todo:
        with settings_of(job.model):
            model = build(job, world)
        if job.model not in LEARNERS and not hasattr(model, "autoencoder"):
            raise ValueError(
                f"sprites measures learners that have an autoencoder, and {job.model} has none; see pretrain"
            )
    return Plan(
        todo, {"baselines": [dataclasses.replace(todo[0], model="baselines", seed=0, settings={}, row="baselines")]}
    )


EXPERIMENT = Experiment("sprites", Options, plan, run, summary, models=LEARNERS)
main = EXPERIMENT.main
