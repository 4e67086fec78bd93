"""What is measured of codes and factors in a maze, and the batches that `icf` learns from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from sklearn.cluster import MeanShift
from torch import Tensor
from torch.nn import functional

from agents.factors import Composer, FactorAgent, FactorMPC, decompose
from benchmarks.harness.control import Agent
from benchmarks.metrics.arrays import least_squares
from envs.switch_maze import SwitchMaze
from planners import Plan, Problem, cem, ilqr

LEAST_MASS = 0.05  # share of the variations that a mode holds at least


@dataclass(frozen=True)
class Map:
    """Every state of a maze: factors [U, K], pictures [U, 3, 64, 64], successors long and allowed bool [U, actions]."""

    states: Tensor
    pictures: Tensor
    following: Tensor
    allowed: Tensor

    @classmethod
    def of(cls, world: SwitchMaze, permissible: bool) -> Map:
        """The map of a world; with `permissible` only actions that change something are allowed."""
        states, actions = world.lattice(), len(world.actions)
        index = {tuple(row.tolist()): i for i, row in enumerate(states)}
        after = world.step(states.repeat_interleave(actions, 0), torch.arange(actions).repeat(len(states)))
        following = torch.tensor([index[tuple(row.tolist())] for row in after]).view(len(states), actions)
        allowed = world.permissible(states) if permissible else torch.ones_like(following, dtype=torch.bool)
        return cls(states, world.render(states), following, allowed)

    def enumerated(self, batch: int, horizon: int, generator: torch.Generator, evenly: bool = False) -> dict[str, Any]:
        """All paths of `horizon` steps from `batch` states, or from every state where there are no more.

        `evenly` draws states, with replacement, so that each action finds one that it changes equally often: of every action
        that changes any, one of those states, uniformly.
        """
        start = torch.randperm(len(self.states), generator=generator)[:batch]
        if evenly:
            start = torch.multinomial(self.chances(), batch, replacement=True, generator=generator)
        nodes, allowed = [start[:, None]], []
        for _ in range(horizon):
            allowed.append(self.allowed[nodes[-1]])
            nodes.append(self.following[nodes[-1]].flatten(1))
        used, place = torch.cat([level.flatten() for level in nodes]).unique(return_inverse=True)
        parts = place.split([level.numel() for level in nodes])
        levels = tuple(part.view(level.shape) for part, level in zip(parts, nodes, strict=True))
        return {"pictures": self.pictures[used], "nodes": levels, "allowed": tuple(allowed)}

    def chances(self) -> Tensor:
        """The chance of every state [U] where states are drawn evenly."""
        changes = (self.following != torch.arange(len(self.states))[:, None]).double()
        changes = changes[:, changes.any(0)]
        return (changes / changes.sum(0)).mean(1)

    def sampled(self, model: Any, batch: int, epsilon: float, generator: torch.Generator) -> dict[str, Any]:
        """One path from each of `batch` random states, by the policy of a random factor."""
        model.eval()
        agent = FactorAgent(model, generator, model.horizon, epsilon)
        path = [torch.randint(len(self.states), (batch,), generator=generator)]
        actions, chances, allowed = [], [], []
        for _ in range(model.horizon):
            allowed.append(self.allowed[path[-1]])
            actions.append(agent.act(self.pictures[path[-1]], allowed[-1]))
            chances.append(agent.chances)
            path.append(self.following[path[-1], actions[-1]])
        model.train()
        whole = torch.stack(path, 1)
        used, place = whole.flatten().unique(return_inverse=True)
        found = {"pictures": self.pictures[used], "path": place.view(whole.shape), "noise": agent.noise}
        parts = {"actions": actions, "chances": chances, "allowed": allowed}
        return found | {name: torch.stack(part, 1) for name, part in parts.items()}


@dataclass(frozen=True)
class Variations:
    """What random factors did: changes h' - h [n, d], the state before and after long [n], the last action long [n]."""

    change: Tensor
    before: Tensor
    after: Tensor
    action: Tensor


def variations(model: Any, maze: Map, n: int, generator: torch.Generator) -> Variations:
    """`n` variations from random states, each by the policy of a random factor (figure 2a)."""
    agent = FactorAgent(model, generator, model.horizon)
    before = torch.randint(len(maze.states), (n,), generator=generator)
    now = before
    for _ in range(model.horizon):
        action = agent.act(maze.pictures[now], maze.allowed[now])
        now = maze.following[now, action]
    codes = model.encode(maze.pictures)
    return Variations(codes[now] - codes[before], before, now, action)


def linear_r2(codes: Tensor, values: Tensor) -> list[float]:
    """R2 of every column of values [n, k], linear in codes [n, d]."""
    design = torch.cat([codes, torch.ones(len(codes), 1)], 1).double()
    values = values.double()
    residual = values - design @ least_squares(design, values)
    return (1 - residual.square().sum(0) / (values - values.mean(0)).square().sum(0)).tolist()


def clusters(codes: Tensor, maze: Map) -> dict[str, float]:
    """Whether every change of state that one action makes is one change of the code, wherever it is made (figure 5a).

    Means over the kinds of change: `clustered`, the share of places where h' - h is nearest to the mean of its own kind;
    `added`, the share where the code nearest to h + that mean is the next state's.
    """
    before = torch.arange(len(codes))[:, None].expand_as(maze.following)
    changed = maze.following != before
    before, after = before[changed], maze.following[changed]
    change = codes[after] - codes[before]
    kinds, kind = (maze.states[after] - maze.states[before]).unique(dim=0, return_inverse=True)
    member = functional.one_hot(kind, len(kinds)).to(codes)
    share = member / member.sum(0)
    mean = share.T @ change
    own = torch.cdist(change, mean).argmin(1) == kind
    right = torch.cdist(codes[before] + mean[kind], codes).argmin(1) == after
    values = [(share.T @ hit.to(codes)).mean().item() for hit in (own, right)]
    return dict(zip(("clustered", "added"), values, strict=True))


def modes(found: Variations, maze: Map) -> dict[str, float]:
    """The modes of the variations by mean shift, and whether they are the four moves.

    Flat kernel of half the variations' root mean square. `modes` counts those that hold at least 5 %; `mode_purity` is the
    share of variations that have the change of state that is commonest in their mode; `moves_found` counts the
    unit moves (left, right, up, down) that are the commonest in some mode; `modes_match` is 1 if the modes are these four;
    `kinds` counts the changes of state that are at least 5 % of the variations each.
    """
    change = found.change.numpy()
    width = 0.5 * float(np.sqrt((change**2).sum(1).mean()))
    moved = (maze.states[found.after] - maze.states[found.before]).long()
    common = float((moved.unique(dim=0, return_counts=True)[1] >= LEAST_MASS * len(moved)).sum())
    if width < 1e-6:
        return {"modes": 1.0, "mode_purity": 0.0, "moves_found": 0.0, "modes_match": 0.0, "kinds": common}
    labels = MeanShift(bandwidth=width, bin_seeding=True).fit(change).labels_
    units = [(0, -1), (0, 1), (-1, 0), (1, 0)]
    wanted = {(*unit, *[0] * (moved.shape[1] - 2)) for unit in units}
    kinds, pure, count = set(), 0, 0
    for label in np.unique(labels):
        rows, counts = moved[torch.from_numpy(labels == label)].unique(dim=0, return_counts=True)
        pure += int(counts.max())
        if counts.sum() >= LEAST_MASS * len(labels):
            count += 1
            kinds.add(tuple(rows[counts.argmax()].tolist()))
    purity = pure / len(labels)
    matched = float(count == 4 and kinds == wanted and purity >= 0.95)
    return {
        "modes": float(count),
        "mode_purity": purity,
        "moves_found": float(len(kinds & wanted)),
        "modes_match": matched,
        "kinds": common,
    }


def prediction(model: Any, maze: Map, n: int, generator: torch.Generator) -> dict[str, float]:
    """Whether T(h, phi) names the state that the factor's likeliest actions lead to.

    `predicted_state`: share in which the nearest code of all states is that state's; `predicted_pixels`: mean squared
    error a pixel of the decoded prediction against that state's picture, `same_pixels` against it of the unchanged picture.
    """
    before = torch.randint(len(maze.states), (n,), generator=generator)
    codes = model.encode(maze.pictures)
    factor = model.draw_factors(codes[before], 1, generator)[0][:, 0]
    now = before
    for _ in range(model.horizon):
        now = maze.following[now, model.log_policy(codes[now], factor, maze.allowed[now]).argmax(-1)]
    guess = model.predict(codes[before], factor)
    pictures = maze.pictures.float() / 255
    error = (model.decode(guess) - pictures[now]).square().mean().item()
    return {
        "predicted_state": (torch.cdist(guess, codes).argmin(1) == now).float().mean().item(),
        "predicted_pixels": error,
        "same_pixels": (pictures[before] - pictures[now]).square().mean().item(),
        "reconstruction": (model.decode(codes) - pictures).square().mean().item(),
    }


def cem_planner(generator: torch.Generator) -> Callable[[Problem, Tensor, Tensor], Plan]:
    """`cem` with the signature of `ilqr`."""

    def plan(problem: Problem, x0: Tensor, actions: Tensor) -> Plan:
        options: dict[str, Any] = {"samples": 48, "elites": 8, "iterations": 4, "actions": actions}
        return cem(problem, x0, horizon=actions.shape[1], generator=generator, **options)

    return plan


class Dither:
    """Acts at random."""

    def __init__(self, actions: int, generator: torch.Generator):
        self.actions, self.generator = actions, generator

    def act(self, observation: Tensor) -> Tensor:
        """Uniform actions long [n]."""
        return torch.randint(self.actions, (len(observation),), generator=self.generator)


def travel(agent: Agent, maze: Map, start: Tensor, goal: Tensor, steps: int) -> Tensor:
    """The states long [n, steps + 1] that an agent comes through; a goal that is reached is not left again."""
    now, path = start, [start]
    for _ in range(steps):
        action = agent.act(maze.pictures[now])
        now = torch.where(now == goal, now, maze.following[now, action])
        path.append(now)
    return torch.stack(path, 1)


def shortest(maze: Map, start: Tensor, goal: Tensor) -> Tensor:
    """The fewest actions from start to goal, long [n]."""
    reach = torch.eye(len(maze.states), dtype=torch.bool)
    distance = torch.full(reach.shape, -1)
    distance[reach] = 0
    for step in range(1, len(maze.states)):
        grown = reach.clone()
        for action in range(maze.following.shape[1]):
            grown |= reach[maze.following[:, action]]
        distance[grown & ~reach] = step
        if torch.equal(grown, reach):
            break
        reach = grown
    return distance[start, goal]


@torch.no_grad()
def success(model: Any, maze: Map, pairs: int, steps: int, seed: int) -> tuple[dict[str, float], Tensor]:
    """Shares of `pairs` random start and goal states that are brought together within `steps` steps, and composed paths.

    `composed`: by `Composer`; `greedy`: by one that does not look ahead; `sequence`: by the factors of `decompose`, followed
    without comparing with the goal again; `ilqr`, `cem`: by `FactorMPC` on T; `dither`: by random actions. `detour`: steps
    of the composed paths that arrive, over the fewest possible, 0 where none arrives.
    """
    generator = torch.Generator().manual_seed(seed)
    start = torch.randint(len(maze.states), (pairs,), generator=generator)
    goal = (start + torch.randint(1, len(maze.states), (pairs,), generator=generator)) % len(maze.states)
    pictures = maze.pictures[goal]
    box: dict[str, Any] = {"generator": generator, "horizon": 5, "starts": 2, "effort": 0.05, "width": 1.0, "near": 0.1}
    box |= {"low": -model.reach, "high": model.reach}
    agents: dict[str, Agent] = {
        "composed": Composer(model, pictures, generator, depth=steps, hold=model.horizon),
        "greedy": Composer(model, pictures, generator, depth=1, hold=model.horizon),
        "ilqr": FactorMPC(model, partial(ilqr, iterations=4), pictures, **box),
        "cem": FactorMPC(model, cem_planner(generator), pictures, **box),
        "dither": Dither(maze.following.shape[1], generator),
    }
    paths = {name: travel(agent, maze, start, goal, steps) for name, agent in agents.items()}
    scores = {name: (path[:, -1] == goal).float().mean().item() for name, path in paths.items()}
    codes = model.encode(maze.pictures)
    way = decompose(model, codes[start], codes[goal], generator, depth=steps)
    now = start
    for t in range(way.factors.shape[1]):
        for _ in range(model.horizon):
            action = model.log_policy(codes[now], way.factors[:, t]).argmax(-1)
            now = torch.where(way.steps > t, maze.following[now, action], now)
    arrived = paths["composed"][:, -1] == goal
    taken = (paths["composed"] != goal[:, None]).sum(1)[arrived].double()
    scores["sequence"] = (now == goal).float().mean().item()
    scores["detour"] = (taken / shortest(maze, start, goal)[arrived]).mean().item() if arrived.any() else 0.0
    return scores, paths["composed"]
