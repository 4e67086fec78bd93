"""A world to be controlled: states, actions in a box, starts, goals, and how far a state is from its goal.

    s = (f, n)                                   factors of the world, then distractors that nobody asks for
    f' = step(f, M u),   u in [-1, 1]^m           M: the identity, or a mix of the world's own actions
    n' = rho n + sqrt(1 - rho^2) e                every distractor moves by itself; uniform at first, e ~ N(0, 1 / 3)
    gap_k(s, g) in [0, 1]                         |f_k - g_k| over the range, of a circular factor over half the period
    distance    = mean of gap_k over the wanted factors

A goal is a whole state, but only its wanted factors count: classes, distractors and what else the task does not want are
drawn anew in it, so that whoever acts must know what to leave alone. A start is refused if it is solved already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym
import torch
from torch import Tensor

from envs import make_world
from envs.moves import moving
from envs.world import MovingWorld, Where

PERSISTENCE = 0.98  # rho
TOLERANCE = 0.05  # a factor with a smaller gap is at its goal
Act = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class TaskSpec:
    """A task by data: a world's name and settings, the wanted factors (all that move unless told), and its family."""

    world: str
    family: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()
    where: Where | None = None


def _exist(named: Mapping[str, Tensor]) -> Tensor:
    """Whether all the sprites of a scene exist: what does not exist cannot be moved."""
    return torch.stack([value > 0.5 for name, value in named.items() if name.startswith("exists_")]).all(0)


TASKS: dict[str, TaskSpec] = {
    "planar": TaskSpec("planar", "planar"),
    "planar_nuisance": TaskSpec("planar", "planar", {"nuisances": 2}),
    "maze_reach": TaskSpec("switch_maze", "maze", wanted=("row", "column")),
    "maze_both": TaskSpec("switch_maze", "maze"),
    "digit_grid": TaskSpec("digit_grid", "digits"),
    "blobs": TaskSpec("blobs", "blobs"),
    "dsprites": TaskSpec("dsprites", "sprites"),
    "color_dsprites": TaskSpec("color_dsprites", "sprites"),
    "shapes2d": TaskSpec("shapes2d", "shapes2d"),
    "objects3d": TaskSpec("objects3d", "objects3d"),
    "multi_sprites_1": TaskSpec("multi_sprites", "scenes", {"sprites": 1}, where=_exist),
    "multi_sprites_2": TaskSpec("multi_sprites", "scenes", {"sprites": 2}, where=_exist),
}


def make_task(name: str, distractors: int = 0, mixed: bool = False, seed: int = 0) -> ControlTask:
    """The task `name`; with `mixed` every action moves a mix of factors, drawn from `seed`. ValueError lists the names."""
    if name not in TASKS:
        raise ValueError(f"unknown task {name!r}; the tasks are {', '.join(TASKS)}")
    return ControlTask(TASKS[name], distractors, mixed, seed)


class ControlTask:
    """The task of a `TaskSpec`: batched, states float64 [n, K + distractors], actions float64 [n, m] in [-1, 1].

    `moved` are the columns that actions move, `wanted` those among them that a goal asks for, `steps` [m] how far an
    action of size 1 moves each of `moved` at most, in the factor's unit.
    """

    def __init__(self, spec: TaskSpec, distractors: int = 0, mixed: bool = False, seed: int = 0):
        if distractors < 0:
            raise ValueError(f"distractors must not be negative, got {distractors}")
        world = moving(make_world(spec.world, **spec.settings), box=True)
        self.world: MovingWorld = world
        self.distractors, self.where, self.spec = distractors, spec.where, spec
        self.factors, self.names = world.factors, world.names
        assert isinstance(world.action_space, gym.spaces.Box)  # as asked for
        self.reach = torch.as_tensor(world.action_space.high, dtype=torch.float64)
        self.action_size = len(self.reach)
        spans = [f.high / 2 if f.kind == "circular" else (f.high - f.low or 1.0) for f in self.factors]
        self.spans = torch.tensor(spans, dtype=torch.float64)
        generator = torch.Generator().manual_seed(1_000_003 + seed)
        self.moved, self.steps = self._responses(generator)
        wanted = spec.wanted or tuple(self.names[k] for k in self.moved)
        self.wanted = tuple(self.names.index(name) for name in wanted)
        self.mixed = mixed
        self.mix = _mix(self.action_size, generator) if mixed else torch.eye(self.action_size, dtype=torch.float64)

    def _responses(self, generator: torch.Generator) -> tuple[tuple[int, ...], Tensor]:
        """Which column every entry of the world's action moves, and how far: found by trying."""
        states = self.world.sample(256, generator, self.where)
        columns, sizes = [], []
        for j in range(self.action_size):
            action = torch.zeros(len(states), self.action_size)
            action[:, j] = self.reach[j]
            moved = self.world.step(states, action) - states
            for k, factor in enumerate(self.factors):
                if factor.kind == "circular":
                    moved[:, k] = _shortest(moved[:, k], factor.high)
            size, column = moved.abs().amax(0).max(0)
            columns.append(int(column))
            sizes.append(float(size))
        return tuple(columns), torch.tensor(sizes, dtype=torch.float64)

    def sample(self, n: int, generator: torch.Generator, where: Where | None = None) -> Tensor:
        """`n` states; `where` is an expression over the named factors, as worlds take it."""
        chosen = [test for test in (self.where, where) if test is not None]
        both: Where | None = (lambda named: torch.stack([test(named) for test in chosen]).all(0)) if chosen else None
        factors = self.world.sample(n, generator, both).double()
        noise = 2 * torch.rand(n, self.distractors, generator=generator, dtype=torch.float64) - 1
        return torch.cat([factors, noise], 1)

    def step(self, states: Tensor, actions: Tensor, generator: torch.Generator) -> Tensor:
        """The next states after `actions`, which are clipped into the box."""
        k = len(self.factors)
        pushes = actions.clamp(-1, 1) @ self.mix.T * self.reach
        factors = self.world.step(states[:, :k], pushes, generator)
        kick = torch.randn(len(states), self.distractors, generator=generator, dtype=torch.float64) / 3**0.5
        noise = PERSISTENCE * states[:, k:] + (1 - PERSISTENCE**2) ** 0.5 * kick
        return torch.cat([factors, noise], 1)

    def ways(self, states: Tensor, goals: Tensor) -> Tensor:
        """The signed way from states to goals along every factor, [n, K]; the short way round a circle."""
        way = (goals - states)[:, : len(self.factors)].clone()
        for k, factor in enumerate(self.factors):
            if factor.kind == "circular":
                way[:, k] = _shortest(way[:, k], factor.high)
        return way

    def gaps(self, states: Tensor, goals: Tensor) -> Tensor:
        """How far the wanted factors are from their goals, each in [0, 1]: [n, wanted]."""
        return (self.ways(states, goals).abs() / self.spans)[:, list(self.wanted)]

    def begin(
        self, n: int, generator: torch.Generator, start: Where | None = None, goal: Where | None = None
    ) -> tuple[Tensor, Tensor]:
        """`n` starts and goals, none of them solved; `start` and `goal` restrict where they are drawn."""
        starts: list[Tensor] = []
        goals: list[Tensor] = []
        while sum(len(rows) for rows in starts) < n:
            first, last = self.sample(2 * n, generator, start), self.sample(2 * n, generator, goal)
            open_ = (self.gaps(first, last) > TOLERANCE).any(1)
            starts.append(first[open_])
            goals.append(last[open_])
        return torch.cat(starts)[:n], torch.cat(goals)[:n]

    def oracle(self, goals: Tensor, generator: torch.Generator, only: Tensor | None = None) -> Act:
        """One who knows state and steps: straight to the goals along the wanted factors, where `only` [n, wanted] is true.

        Where a move led nowhere, because an obstacle is in the way, it steps aside at random for three steps.
        """
        at = [self.moved.index(k) for k in self.wanted]
        last: tuple[Tensor, Tensor] | None = None
        aside = torch.zeros(len(goals), dtype=torch.long)
        detour = torch.zeros(len(goals), self.action_size, dtype=torch.float64)

        def act(states: Tensor) -> Tensor:
            nonlocal last, aside, detour
            way = self.ways(states, goals)[:, list(self.wanted)]
            push = torch.zeros_like(detour)
            push[:, at] = (way if only is None else torch.where(only, way, 0)) / self.steps[at]
            action = torch.linalg.solve(self.mix, push.T).T
            action = action / action.abs().amax(1, keepdim=True).clamp(min=1) if self.mixed else action.clamp(-1, 1)
            if last is not None:
                moved = (self.ways(last[0], states)[:, list(self.moved)] / self.steps).abs().amax(1)
                stuck = (moved < 0.1 * last[1].abs().amax(1)) & (last[1].abs().amax(1) > 0.1)
                aside = torch.where(stuck, 3, (aside - 1).clamp(min=0))
                fresh = 2 * torch.rand(detour.shape, generator=generator, dtype=torch.float64) - 1
                detour = torch.where(stuck[:, None], fresh, detour)
                action = torch.where(aside[:, None] > 0, detour, action)
            last = states, action
            return action

        return act

    def drive(self, act: Act, starts: Tensor, steps: int, generator: torch.Generator) -> Tensor:
        """The states [n, steps + 1, K + distractors] that `act(states) -> actions` leads through."""
        path = [starts]
        for _ in range(steps):
            path.append(self.step(path[-1], act(path[-1]), generator))
        return torch.stack(path, 1)

    def block(self, generator: torch.Generator) -> Where:
        """A quarter of all combinations of the first two wanted factors: both above their medians."""
        rows = self.sample(4096, generator)
        first, second = self.wanted[:2]
        a, b = float(rows[:, first].median()), float(rows[:, second].median())
        names = self.names[first], self.names[second]
        return lambda named: (named[names[0]] > a) & (named[names[1]] > b)

    def half(self, generator: torch.Generator) -> Where:
        """The upper half of the first wanted factor."""
        rows = self.sample(4096, generator)
        name, middle = self.names[self.wanted[0]], float(rows[:, self.wanted[0]].median())
        return lambda named: named[name] > middle

    def holds(self, where: Where, states: Tensor) -> Tensor:
        """Whether an expression over the named factors is true of states [n, ...]: bool [n]."""
        return where({name: states[:, k] for k, name in enumerate(self.names)})


def _shortest(way: Tensor, period: float) -> Tensor:
    """A way around a circle, in [-period / 2, period / 2)."""
    return (way + period / 2) % period - period / 2


def _mix(size: int, generator: torch.Generator) -> Tensor:
    """A random orthogonal matrix, shrunk so that it maps the box [-1, 1]^m into itself."""
    turn = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))[0]
    return turn / turn.abs().sum(1).max()
