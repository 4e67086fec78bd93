"""Independently controllable factors: `python -m benchmarks.maze --model icf,icf_discrete`.

`icf` learns in the switch maze, from every state and without reward, a code, factors and their policies, and then goes to goal
pictures by composing factors. `icf_discrete` learns features of two digits on a grid from what eight actions change.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Repeated, Scored, Sweep, Trial
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe
from benchmarks.maze.figures import digit_figure, maze_figures
from benchmarks.maze.measures import Map, clusters, linear_r2, modes, prediction, success, variations
from benchmarks.maze.report import summary
from benchmarks.metrics import score
from benchmarks.metrics.maps import recovered
from benchmarks.metrics.scoring import Samples
from borders import Count, Natural, Positive, Share, checked
from envs.digit_grid import DigitGrid
from envs.switch_maze import SwitchMaze
from representations import fit, load, make, save

MODELS = ("icf", "icf_discrete")
DIRECTIONS = ("left", "right", "up", "down")
# On the digit grid, whose hundreds of handwritings are classes to the others, which take minutes for them.
QUICK_SCORES = ("factor_vae", "mig", "sap", "modularity", "dci_lasso", "mapc", "cvr", "tdv", "ud90")


@dataclass(frozen=True)
class Setting:
    """An experiment: settings of the maze and of `icf`, whether the paper allows only actions that change something (A.2),
    whether states are drawn `evenly` (see `Map`), and how many times as long it trains as the others."""

    maze: dict[str, Any]
    icf: dict[str, Any]
    permissible: bool = False
    evenly: bool = False
    longer: float = 1.0


EXPERIMENTS = {
    "moves": Setting(
        {"blocks": 1, "switches": 0, "actions": (*DIRECTIONS, "up", "down+left")}, {"code_size": 2}, permissible=True
    ),
    "switches": Setting(
        {"size": 4, "blocks": 1, "switches": 2, "shades": 2, "actions": (*DIRECTIONS, "pass", "toggle")},
        {
            "code_size": 4,
            "noise_size": 4,
            "axes": 2,
            "width": 0.5,
            "ridge": 1.0,
            "closeness": 0.3,
            "prior": 1.0,
            "hold": 1.0,
            "blur": 0.15,
            "alike": 0.2,
            "reconstruction": 1.0,
        },
        evenly=True,
    ),
    "steps": Setting(
        {"size": 4, "blocks": 1, "switches": 1, "shades": 2, "actions": (*DIRECTIONS, "pass", "toggle")},
        {
            "code_size": 3,
            "noise_size": 3,
            "horizon": 3,
            "kernel": "directed",
            "axes": 2,
            "floor": 0.03,
            "ridge": 1.0,
            "closeness": 0.3,
            "prior": 1.0,
            "hold": 1.0,
            "drawn_first": True,
            "blank": True,
            "blur": 0.05,
            "alike": 0.2,
            "reconstruction": 4.0,
        },
        evenly=True,
        longer=4 / 3,
    ),
}
PRINTED = {"estimator": "sampled", "whiten": False, "alike": 0.0}
PRINTED_ICF = {
    "closeness": 0.0,
    "prior": 0.0,
    "hold": 0.0,
    "drawn_first": False,
    "blank": False,
    "settle": 1.0,
    "axes": 0,
    "blur": 0.0,
    "output": "hypercube",
    "width": 1.0,
    "floor": 1e-3,
    "entropy": 0.1,
    "constant": False,
    "spread": 0.0,
    "selectivity": 1.0,
    "reconstruction": 1.0,
    "normalise": False,
    "decoder_rate": 1.0,
}
PRINTED_DISCRETE = {"kernel": "directed", "signed": False, "attend": False, "code_size": 8, "normalise": False}


@checked
@dataclass(frozen=True)
class MazeJob(Trial, Scored, Repeated):
    """One model on one seed."""

    model: str = "icf"
    experiment: str = "moves"
    """moves (section 4.1: a redundant up, a composite down+left), switches (B.2), steps (4.2: policies of 3 steps)."""
    recipe: Literal["robust", "printed"] = "robust"
    """robust: exact expectations, whitened changes, factors alike everywhere at first; printed: the paper's."""
    layout: Natural = 0
    """Seed of the maze's blocks and switches."""
    size: Literal[32, 64] = 64
    """Pixels of the digit grid's pictures."""
    cells: Count = 4
    """Cells of the digit grid's sides."""
    steps: Count = 1500
    """Steps of training in the maze; a third more for policies of three steps."""
    digit_steps: Count = 2000
    """Steps of training on the digit grid."""
    batch: Count = 64
    """States a step in the maze."""
    digit_batch: Count = 8
    """States a step on the digit grid."""
    samples: Count = 64
    """Factors a state."""
    channels: Count = 8
    """Channels of the first convolution in the maze."""
    digit_channels: Count = 8
    """Channels of the first convolution on the digit grid."""
    learning_rate: Positive = 1e-3
    """Adam's in the maze, taken linearly to zero."""
    digit_rate: Positive = 4e-3
    """Adam's on the digit grid, taken linearly to zero."""
    epsilon: Share = 0.1
    """Share of uniform actions where paths are sampled."""
    pairs: Count = 100
    """Start and goal pairs."""
    pool: Samples = 2000
    """Pictures behind the scores of disentanglement."""
    metric_seeds: Count = 1
    """Metric seeds behind every score."""
    scores: str = ""
    """Scores, separated by commas; unless told all in the maze, and the quick ones on the digit grid."""

    def __post_init__(self) -> None:
        """Refuse what would fail only after training."""
        if self.experiment not in EXPERIMENTS:
            raise ValueError(f"experiment must be one of {', '.join(EXPERIMENTS)}, got {self.experiment!r}")
        super().__post_init__()

    def maze(self) -> SwitchMaze:
        """The maze of the experiment."""
        return SwitchMaze(layout=self.layout, **EXPERIMENTS[self.experiment].maze)


def run(job: MazeJob, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one model on one seed; the result as `result.json` holds it."""
    return _run_digits(job, folder, resume) if job.model == "icf_discrete" else _run_maze(job, folder, resume)


def _run_maze(job: MazeJob, folder: Path, resume: bool) -> dict[str, Any]:
    timer, world = Timer(), job.maze()
    experiment = EXPERIMENTS[job.experiment]
    steps = round(job.steps * experiment.longer)
    shown = Map.of(world, experiment.permissible)
    maze = Map.of(world, experiment.permissible and job.recipe == "printed")  # see digit_batch
    settings = experiment.icf | {"actions": len(world.actions), "samples": job.samples, "steps": steps}
    settings |= {"channels": job.channels, "learning_rate": job.learning_rate}
    if job.recipe == "printed":
        settings |= PRINTED | PRINTED_ICF | ({"output": "sphere"} if job.experiment == "steps" else {})
    elif settings.get("horizon", 1) > 1:
        settings["samples"] = min(job.samples, 16)
    torch.manual_seed(job.seed)
    model: Any = make("icf", **settings)

    def batches(generator: torch.Generator) -> dict[str, Any]:
        if model.estimator == "sampled":
            return maze.sampled(model, job.batch, job.epsilon, generator)
        return maze.enumerated(job.batch, model.horizon, generator, experiment.evenly)

    with timer("training"):
        logs = _fit(job, model, batches, steps, folder, resume)
        save(model, folder / "model", "switch_maze", {"layout": job.layout, **experiment.maze})
    model = load(folder / "model")
    generator = torch.Generator().manual_seed(1000 + job.seed)
    with timer("measuring"), torch.no_grad():
        codes = model.encode(maze.pictures)
        found = variations(model, shown, 1000, generator)
        r2 = linear_r2(codes, maze.states)
        scores = {f"r2_{name}": value for name, value in zip(world.names, r2, strict=True)}
        scores |= recovered(codes, maze.states, world.names)
        scores |= modes(found, maze) | clusters(codes, maze) | prediction(model, maze, 500, generator)
        scores["selectivity"] = logs[-1]["icf/selectivity"]
    with timer("planning"):
        reached, paths = success(model, maze, job.pairs, 6 * world.size, job.seed)
        scores |= reached
    with timer("figures"), torch.no_grad():
        maze_figures(model, world, maze, found, paths, folder, generator)
    with timer("scoring"):
        scores |= _scores(job, model, world)
    return describe("maze", job, scores, timer.seconds)


def _run_digits(job: MazeJob, folder: Path, resume: bool) -> dict[str, Any]:
    timer, world = Timer(), DigitGrid(job.cells, job.size)
    settings: dict[str, Any] = {"shape": world.shape, "steps": job.digit_steps, "channels": job.digit_channels}
    settings |= {"learning_rate": job.digit_rate} | (PRINTED | PRINTED_DISCRETE if job.recipe == "printed" else {})
    torch.manual_seed(job.seed)
    model: Any = make("icf_discrete", **settings)

    def batches(generator: torch.Generator) -> dict[str, Any]:
        return digit_batch(world, model, job.digit_batch, job.epsilon, generator)

    with timer("training"):
        logs = _fit(job, model, batches, job.digit_steps, folder, resume)
        save(model, folder / "model", "digit_grid", {"cells": job.cells, "size": job.size})
    model = load(folder / "model")
    with timer("measuring"), torch.no_grad():
        factors = world.sample(2000, torch.Generator().manual_seed(1000 + job.seed))
        codes = torch.cat([model.encode(world.render(part)) for part in factors.split(500)])
        scores = recovered(codes, factors[:, :4], ("y1", "x1", "y2", "x2")) | {
            "selectivity": logs[-1]["icf/selectivity"]
        }
        r2 = linear_r2(codes, factors[:, :4])
        scores |= {f"r2_{name}": value for name, value in zip(world.names[:4], r2, strict=True)}
        scores |= policy_purity(model, world, factors[:500])
    with timer("figures"):
        digit_figure(codes, factors, folder / "features.png")
    with timer("scoring"):
        scores |= _scores(job, model, world)
    return describe("maze", job, scores, timer.seconds)


def _fit(job: MazeJob, model: Any, batches: Any, steps: int, folder: Path, resume: bool) -> list[dict[str, float]]:
    options: dict[str, Any] = {"device": job.device, "resume": resume, "decay": True, "log_every": max(steps // 40, 1)}
    options["progress"] = bar()
    logs = fit(model, batches, steps, torch.Generator().manual_seed(job.seed), folder, **options)
    model.cpu()
    return logs


def digit_batch(world: DigitGrid, model: Any, n: int, epsilon: float, generator: torch.Generator) -> dict[str, Tensor]:
    """What `icf_discrete` learns from: states, and the pictures after every action, or after one of a random policy.

    Every action may be taken, also where the grid ends and it changes nothing (only the paper's first experiment forbids
    that). Were they forbidden, a feature's policy would do something else at the border, and a code turned against rows and
    columns, by 30 degrees on 4 x 4 cells, would have the largest selectivity.
    """
    factors = world.sample(n, generator)
    pictures, allowed = world.render(factors), torch.ones(n, 8, dtype=torch.bool)
    if model.estimator == "enumerated":
        after = world.step(factors.repeat_interleave(8, 0), torch.arange(8).repeat(n))
        return {"pictures": pictures, "after": world.render(after).unflatten(0, (n, 8)), "allowed": allowed}
    model.eval()
    with torch.no_grad():
        log_pi = model.log_policies(model.encode(pictures), allowed)
    model.train()
    which = torch.randint(log_pi.shape[1], (n,), generator=generator)
    free = allowed.float() / allowed.sum(1, keepdim=True)
    chances = (1 - epsilon) * log_pi[torch.arange(n), which].exp() + epsilon * free
    actions = torch.multinomial(chances, 1, generator=generator)
    after = world.render(world.step(factors, actions[:, 0]))[:, None]
    parts = {"actions": actions[:, 0], "chances": chances.gather(1, actions)[:, 0]}
    return {"pictures": pictures, "after": after, "allowed": allowed} | parts


def policy_purity(model: Any, world: DigitGrid, factors: Tensor) -> dict[str, float]:
    """How many of the eight actions are the commonest choice of some policy, and the mean probability of that choice."""
    log_pi = model.log_policies(model.encode(world.render(factors)))
    mean = log_pi.exp().mean(0)
    return {"actions_named": float(len(set(mean.argmax(1).tolist()))), "policy_share": mean.amax(1).mean().item()}


def _scores(job: MazeJob, model: Any, world: Any) -> dict[str, float]:
    generator = torch.Generator().manual_seed(2000 + job.seed)
    names = job.names or (list(QUICK_SCORES) if isinstance(world, DigitGrid) else None)
    return score(model.encode, world, names, generator, samples=job.pool, seeds=job.metric_seeds)


def plan(own: Sweep, settings: dict[str, Any]) -> Plan:
    """The jobs of the command."""
    models = own.models(MODELS, "icf")
    settings = settings | own.told
    jobs = [MazeJob(**settings, model=model, seed=seed) for model in models for seed in own.all_seeds()]
    jobs[0].maze(), DigitGrid(jobs[0].cells, jobs[0].size)
    return Plan(jobs)


EXPERIMENT = Experiment("maze", MazeJob, plan, run, summary, models=MODELS)
main = EXPERIMENT.main
