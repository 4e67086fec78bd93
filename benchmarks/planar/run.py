"""The planar task from pixels to the goal: `python -m benchmarks.planar --model dyn_content`.

Set X shows the agent as one shape, with actions; set Y as another, without. A model learns from both, is asked to
reconstruct and to predict pictures of both, and then drives the agent to the goal picture of either set.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from agents import LatentMPC
from benchmarks.harness.control import Drive, drive
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep, Trial
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe
from benchmarks.metrics.arrays import least_squares
from benchmarks.metrics.maps import folds
from benchmarks.planar.figures import figure_3, latent_maps, run_gif
from benchmarks.planar.report import summary
from borders import Count, NonNegative, Positive, checked
from envs.planar import REACH, Planar
from envs.tasks import PlanarTask
from planners import ilqr
from representations import fit, load, make, save
from representations.parts.terms import bernoulli_nll

MODELS = ("dyn_content", "rce", "e2c")
BOUNDS = ("oracle", "random")
T = 40


@checked
@dataclass(frozen=True)
class PlanarJob(Trial):
    """One model on one seed of the planar task."""

    model: str = "dyn_content"
    noise: NonNegative = 0.0
    """Standard deviation of the dynamics in pixels per axis, in training and in planning."""
    protocol: str = "rce"
    """rce: corner to opposite corner, no overlap with obstacles; pcc: starts, goals and validity rule of published code."""
    x_shape: str = "tee"
    """The agent's shape in set X: square, tee, cross or another of envs.planar."""
    y_shape: str = "cross"
    """The agent's shape in set Y."""
    triples: Count = 8000
    """Triples (x, u, x') in set X."""
    pictures: Count = 2000
    """Pictures in set Y."""
    published_moves: bool = False
    """Only moves as in the data of PCC's code: nothing blocks them, and they are whole pixels within 0.1 on both axes."""
    steps: Count = 3000
    """Steps of training."""
    batch: Count = 100
    """Triples, and pictures of set Y, a step."""
    hidden: Count = 300
    """Units of a hidden layer."""
    learning_rate: Positive = 1e-3
    """Adam's, taken linearly to zero."""
    unfold: NonNegative = 10.0
    """Weight of the inverse model that keeps the map from folding; 0 leaves the loss as printed."""
    plain: bool = False
    """The recipe as printed, without what unfolds the map (rce and e2c)."""
    runs: Count = 20
    """Planned runs for each set."""
    horizon: Count = 10
    """Steps that a plan looks ahead."""
    starts: Count = 4
    """First guesses of every plan; the best is kept."""
    iterations: Count = 5
    """Iterations of iLQR for every step."""

    def __post_init__(self) -> None:
        """Refuse what would fail only after training."""
        PlanarTask(self.world(), self.protocol)

    def world(self) -> Planar:
        """The world that both sets are drawn from."""
        return Planar(self.noise, self.protocol == "pcc", (self.x_shape, self.y_shape))


@dataclass(frozen=True)
class Triples:
    """Factors, actions and next factors of n transitions, and their pictures."""

    factors: Tensor
    actions: Tensor
    following: Tensor
    x: Tensor
    x_next: Tensor


def published_moves(world: Planar, n: int, shape: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """n starts, factors, with actions [n, 2] as the published code of PCC draws them (Levine et al. 2020).

    Starts are free whole positions and actions uniform; kept are those that move the picture by the action, within 0.1
    pixels on both axes, with nothing in the way.
    """
    lattice = world.lattice(shape)
    quiet = Planar(0.0, world.compat, world.shapes, world.nuisances)
    starts, moves = lattice[:0], torch.zeros(0, 2)
    while len(starts) < n:
        factors = lattice[torch.randint(len(lattice), (32 * n,), generator=generator)]
        actions = (2 * torch.rand(32 * n, 2, generator=generator) - 1) * REACH
        shift = quiet.step(factors, actions)[:, :2].round() - factors[:, :2]
        kept = ((shift - actions).abs() <= 0.1).all(1)
        starts, moves = torch.cat([starts, factors[kept]]), torch.cat([moves, actions[kept]])
    return starts[:n], moves[:n]


def triples(
    world: Planar, n: int, shape: int, generator: torch.Generator, draw: Callable[..., Any] | None = None
) -> Triples:
    """n transitions, the agent drawn as `shape`: positions in shuffled passes over all free ones, actions uniform.

    So 2,000 pictures hold each of the 1,099 free positions at least once. `draw` gives other starts and actions.
    """
    if draw is not None:
        factors, actions = draw(world, n, shape, generator)
        following = world.step(factors, actions, generator)
        return Triples(factors, actions, following, world.render(factors), world.render(following))
    lattice = world.lattice(shape)
    passes = [torch.randperm(len(lattice), generator=generator) for _ in range(-(-n // len(lattice)))]
    factors = lattice[torch.cat(passes)[:n]]
    actions = (2 * torch.rand(n, 2, generator=generator) - 1) * 3
    following = world.step(factors, actions, generator)
    return Triples(factors, actions, following, world.render(factors), world.render(following))


def run(job: PlanarJob, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, score, drive and draw one model on one seed; the result as `result.json` holds it."""
    timer = Timer()
    world = job.world()
    generator = torch.Generator().manual_seed(job.seed)
    with timer("data"):
        draw = published_moves if job.published_moves else None
        x, y = triples(world, job.triples, 0, generator, draw), triples(world, job.pictures, 1, generator, draw)
        held_out = [triples(world, 2000, shape, generator) for shape in (0, 1)]
    if job.model in BOUNDS:
        with timer("planning"):
            drives = [_drive(job, world, set_, None, x.x) for set_ in (0, 1)]
        scores = {f"{name}_{k}": v for name, d in zip("xy", drives, strict=True) for k, v in _success(d, job).items()}
        return describe("planar", job, scores, timer.seconds)
    with timer("training"):
        model = _train(job, x, y, folder, resume)
        shown: dict[str, Any] = {
            "noise": job.noise,
            "compat": job.protocol == "pcc",
            "shapes": [job.x_shape, job.y_shape],
        }
        save(model, folder / "model", "planar", shown)
    model = load(folder / "model")
    scores = {}
    with timer("scoring"), torch.no_grad():
        for name, data in zip("xy", held_out, strict=True):
            scores |= {f"{name}_{k}": v for k, v in _pictures(model, data).items()}
            scores |= {f"{name}_map_{k}": v for k, v in map_quality(model, world, "xy".index(name)).items()}
    with timer("planning"):
        drives = [_drive(job, world, set_, model, x.x) for set_ in (0, 1)]
        for name, driven in zip("xy", drives, strict=True):
            scores |= {f"{name}_{k}": v for k, v in _success(driven, job).items()}
    with timer("figures"), torch.no_grad():
        figure_3(model, world, folder / "figure_3.png", torch.Generator().manual_seed(job.seed))
        latent_maps(model, world, folder / "maps.png")
        for name, driven in zip("xy", drives, strict=True):
            run_gif(model, world, driven, folder / f"run_{name}.gif")
    return describe("planar", job, {k: scores[k] for k in sorted(scores)}, timer.seconds)


def _train(job: PlanarJob, x: Triples, y: Triples, folder: Path, resume: bool) -> Any:
    settings: dict[str, Any] = {"hidden": job.hidden, "learning_rate": job.learning_rate}
    settings |= {"steps": job.steps, "unfold": job.unfold}
    if job.model != "dyn_content":
        settings["plain"] = job.plain
    torch.manual_seed(job.seed)
    model = make(job.model, **settings)
    data = (x.x, x.actions, x.x_next, y.x)

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        i = torch.randint(len(x.x), (job.batch,), generator=generator)
        j = torch.randint(len(y.x), (job.batch,), generator=generator)
        return {"x": data[0][i], "u": data[1][i], "x_next": data[2][i], "y": data[3][j]}

    generator = torch.Generator().manual_seed(job.seed)
    options: dict[str, Any] = {
        "device": job.device,
        "decay": True,
        "resume": resume,
        "checkpoint_every": 500,
        "progress": bar(),
    }
    fit(model, batches, job.steps, generator, folder, **options)
    return model.cpu()


def _pictures(model: Any, data: Triples) -> dict[str, float]:
    """Reconstruction and prediction loss in nats a picture, on held-out transitions."""
    code = model.encode(data.x)
    now, then = (pictures.float() / 255 for pictures in (data.x, data.x_next))
    return {
        "reconstruction": bernoulli_nll(model.decoder(code), now).mean().item(),
        "prediction": bernoulli_nll(model.decoder(model.predict(code, data.actions)), then).mean().item(),
    }


def map_quality(model: Any, world: Planar, shape: int) -> dict[str, float]:
    """How well the first two numbers of the code map the plane.

    `r2`: of the codes, linear in the position; `neighbours`: share of the 8 nearest positions that are among the 8
    nearest codes; `folds`: share of the map's triangles, between neighbouring positions, whose orientation is flipped.
    """
    positions = torch.cartesian_prod(*[torch.arange(2.0, 39.0)] * 2)
    free = world.free(positions)
    factors = torch.cat([positions, torch.full((len(positions), 1), float(shape))], 1)
    code = model.encode(world.render(factors))[:, :2]
    kept, place = code[free].double(), positions[free].double()
    design = torch.cat([place, torch.ones(len(place), 1).double()], 1)
    residual = kept - design @ least_squares(design, kept)
    r2 = 1 - (residual**2).sum() / ((kept - kept.mean(0)) ** 2).sum()
    near = [cKDTree(points.numpy()).query(points.numpy(), 9)[1][:, 1:] for points in (place, kept)]
    shared = np.mean([len(set(a) & set(b)) / 8 for a, b in zip(*near, strict=True)])
    return {"r2": r2.item(), "neighbours": float(shared), "folds": folds(code.view(37, 37, 2), free.view(37, 37))}


class TrueState:
    """The oracle's model: its observation is the factor row, its code the position, its dynamics the free plane."""

    action_size = 2

    def encode(self, observations: Tensor) -> Tensor:
        """The position [n, 2]."""
        return observations[:, :2]

    def predict(self, code: Tensor, action: Tensor) -> Tensor:
        """Where the action leads."""
        return code + action

    def linearize(self, code: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A = B = I, c = 0."""
        identity = torch.eye(2).expand(len(code), 2, 2)
        return identity, identity, torch.zeros_like(code)


@dataclass
class Dither:
    """Acts at random."""

    n: int
    generator: torch.Generator

    def act(self, observation: Tensor) -> Tensor:
        """Uniform actions [n, 2]."""
        return (2 * torch.rand(self.n, 2, generator=self.generator) - 1) * 3


def _drive(job: PlanarJob, world: Planar, set_: int, model: Any, seen: Tensor) -> Drive:
    """The planned runs of one set; `model` None takes the oracle or the random agent."""
    generator = torch.Generator().manual_seed(1000 + job.seed)
    task = PlanarTask(world, job.protocol, world.shapes[set_])
    options: dict[str, Any] = {"generator": generator}
    options |= {"horizon": job.horizon, "starts": job.starts}
    planner = partial(ilqr, iterations=job.iterations)
    if job.model == "random":
        return drive(world, task, lambda goals: Dither(len(goals), generator), job.runs, T, generator)
    if job.model == "oracle":
        states = world.sample(job.triples, torch.Generator().manual_seed(0))
        make_agent = partial(LatentMPC, TrueState(), planner, seen=states, **options)
        return drive(world, task, make_agent, job.runs, T, generator, observe=lambda factors: factors)
    return drive(world, task, partial(LatentMPC, model, planner, seen=seen, **options), job.runs, T, generator)


def _success(driven: Drive, job: PlanarJob) -> dict[str, float]:
    """The measures of control; success is holding the goal, or with noise, where nothing can hold it, reaching it."""
    scores = driven.scores()
    return scores | {"success": scores["reached" if job.noise else "held"]}


def plan(own: Sweep, settings: dict[str, Any]) -> Plan:
    """The jobs of the command, and beside them the bounds of what can be reached on the same seeds."""
    models = own.models((*MODELS, *BOUNDS), "dyn_content")
    settings = settings | own.told
    jobs = [PlanarJob(**settings, model=model, seed=seed) for model in models for seed in own.all_seeds()]
    missing = [model for model in BOUNDS if model not in models]
    bounds = [dataclasses.replace(jobs[0], model=model, seed=seed) for model in missing for seed in own.all_seeds()]
    return Plan(jobs, {"bounds": bounds})


EXPERIMENT = Experiment("planar", PlanarJob, plan, run, summary, models=(*MODELS, *BOUNDS))
main = EXPERIMENT.main
