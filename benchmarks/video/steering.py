"""Digits that actions push: clips to learn from, a planner on what was learned, and the scores of every code.

    row', column' = row, column + u / 20,   u in [-1, 1]^4

A goal picture shows the same two digits elsewhere. The planner is the cross-entropy method on the learner's own transition;
distances of codes are measured in actions (`agents.mpc`). Scores are 0 for actions at random and 1 for one who knows places.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agents.mpc import LatentMPC
from benchmarks.harness.films import write_wall
from benchmarks.metrics.control import CONSUMERS, Bench, ControlTask, Sizes
from benchmarks.metrics.control.task import TaskSpec
from envs.moving_digits import MovingDigits
from planners import Plan, Problem, cem
from representations.independent_prediction import Prediction

KINDS = ("placebo", "factor", "inverse")  # of consumers of a code
SEEN, HORIZON, SHOWN = 200, 4, 6
PLANNING: dict[str, Any] = {"samples": 32, "elites": 6, "iterations": 3}


class Pushes:
    """The task of bringing digits to the places of a goal, and clips of `frames` pictures of digits pushed at random."""

    def __init__(self, world: MovingDigits, frames: int):
        self.world, self.frames = world, frames
        self.task = ControlTask(TaskSpec("moving_digits", "clips", {"size": world.size}))

    def render(self, states: Tensor) -> Tensor:
        """Pictures uint8 [n, C, H, W] of states [n, K]."""
        return self.world.render(states.float())

    def batches(self, n: int) -> Callable[[torch.Generator], dict[str, Tensor]]:
        """What `fit` draws from: `n` clips `x` and the actions `u` between their frames."""

        def draw(generator: torch.Generator) -> dict[str, Tensor]:
            states, actions = [self.task.sample(n, generator)], []
            for _ in range(self.frames - 1):
                actions.append(2 * torch.rand(n, self.task.action_size, generator=generator, dtype=torch.float64) - 1)
                states.append(self.task.step(states[-1], actions[-1], generator))
            pictures = self.render(torch.cat(states)).unflatten(0, (self.frames, n)).transpose(0, 1)
            return {"x": pictures, "u": torch.stack(actions, 1).float()}

        return draw


def cem_planner(generator: torch.Generator) -> Callable[[Problem, Tensor, Tensor], Plan]:
    """`cem` with the signature of `ilqr`."""
    return lambda problem, x0, actions: cem(
        problem, x0, horizon=actions.shape[1], generator=generator, actions=actions, **PLANNING
    )


def steered_scores(model: Prediction, pushes: Pushes, seed: int, episodes: int, folder: Path) -> dict[str, float]:
    """How far the planner comes on the learner's own transition, and how far every consumer comes with its code."""

    @torch.no_grad()
    def encode(states: Tensor) -> Tensor:
        return torch.cat([model.encode(pushes.render(part)).double() for part in states.split(500)])

    sizes = Sizes(
        episodes=episodes,
        transitions=40 * episodes,
        labels=max(20, 2 * episodes),
        trajectories=4 * episodes,
        network=100,
    )
    bench = Bench(pushes.task, encode, seed, sizes)
    test = bench.test
    kept = [k for k in range(len(pushes.task.factors)) if k not in pushes.task.wanted]
    goals = test.goals.clone()
    goals[:, kept] = test.starts[:, kept]
    generator = bench.generator(400)
    agent = LatentMPC(
        model,
        cem_planner(generator),
        pushes.render(goals),
        low=-1.0,
        high=1.0,
        generator=generator,
        horizon=HORIZON,
        starts=1,
        seen=pushes.render(pushes.task.sample(SEEN, bench.generator(401))),
        memory=0,
        near=0.5,
    )
    act = lambda states: agent.act(pushes.render(states)).double()  # noqa: E731
    path = pushes.task.drive(act, test.starts, sizes.length, bench.generator(402))
    raw = -pushes.task.gaps(path[:, -1], goals).mean(1)
    found = {"planned": ((raw - test.random) / (test.oracle - test.random)).mean().item()}
    few = path[:SHOWN]
    shown = torch.stack([pushes.render(few.flatten(0, 1)).unflatten(0, few.shape[:2])] * 2)
    shown[1] = pushes.render(goals[:SHOWN])[:, None]
    write_wall(shown, folder / "steered.gif", 150)
    for kind in KINDS:
        found |= {name: scores.mean().item() for name, scores in CONSUMERS[kind](bench).episodes.items()}
    return found
