"""Model-predictive control on a code: encode, plan, apply the first action, look again.

    minimise  sum_t |B+ (z_t - z_goal)|^2 + r |u_t|^2 + k sum_j max(0, w - |B+ z_t - p_j|)^2    over u_0 .. u_{H-1} in the box

z_goal is the code of the goal's picture and B+ the pseudo-inverse of the model's B there, so that distances are measured
in actions: how much one would have to push to cover them. The code may then be stretched, sheared or padded with
content that no action moves, and the cost is the same.

The points p_j are remembered walls. A locally linear model sees little of an obstacle, and a planner that trusts it pushes
against the same wall for ever. So where an action was tried and the code hardly moved, the point it would have led to is
avoided, by a bump of width w, for the rest of the episode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from planners import Plan, Problem
from representations.model import Predicts


class Controllable(Predicts, Protocol):
    """A representation with a model of how actions move its code."""

    def encode(self, observations: Tensor) -> Tensor:
        """The codes [n, d] of pictures."""
        ...


Planner = Callable[[Problem, Tensor, Tensor], Plan]


class LatentMPC:
    """Acts on a batch of episodes towards the goal pictures `goal` [n, C, H, W].

    `planner(problem, x0, actions)` is `ilqr` or anything of its signature. Every step is planned `horizon` steps ahead,
    from `starts` first guesses per episode: the last plan shifted by a step, and constant actions drawn at random; the
    plan with the lowest cost is taken. `low`, `high` bound the actions, `effort` is r, `caution` is k, `width` is w in the
    unit of the actions, and `memory` is how many walls are remembered (0: none). `plan` holds the last plans.
    """

    def __init__(
        self,
        model: Controllable,
        planner: Planner,
        goal: Tensor,
        *,
        low: float,
        high: float,
        action_size: int,
        generator: torch.Generator,
        horizon: int = 10,
        starts: int = 6,
        effort: float = 0.1,
        memory: int = 12,
        width: float = 3.0,
        caution: float = 100.0,
    ):
        if horizon < 1 or starts < 1 or memory < 0:
            raise ValueError(f"horizon and starts must be at least 1, memory 0, got {horizon}, {starts}, {memory}")
        self.model, self.planner, self.starts, self.generator = model, planner, starts, generator
        self.low, self.high, self.effort, self.width, self.caution = low, high, effort, width, caution
        with torch.no_grad():
            self.goal = model.encode(goal)
            _, b, _ = model.linearize(self.goal, torch.zeros(len(goal), action_size))
            self.metric = torch.linalg.pinv(b)
        self.walls = torch.full((len(goal), memory, action_size), 1e6)
        self.shifted = torch.zeros(len(goal), horizon, action_size)
        self.plan: Plan | None = None
        self._last: tuple[Tensor, Tensor] | None = None

    def act(self, observation: Tensor) -> Tensor:
        """The actions [n, m] for pictures [n, C, H, W]; raises ValueError unless there is one picture for each goal."""
        n, (horizon, m) = len(self.goal), self.shifted.shape[1:]
        with torch.no_grad():
            code = self.model.encode(observation)
        if len(code) != n:
            raise ValueError(f"observation must hold {n} pictures, one for each goal, got {len(code)}")
        self._remember(code)
        guesses = torch.rand(self.starts - 1, n, 1, m, generator=self.generator) * (self.high - self.low) + self.low
        actions = torch.cat([self.shifted[None], guesses.expand(-1, -1, horizon, -1)]).flatten(0, 1)
        plans = self.planner(self._problem(), code.repeat(self.starts, 1), actions)
        best = plans.cost.view(self.starts, n).argmin(0) * n + torch.arange(n)
        self.plan = Plan(
            plans.states[best],
            plans.actions[best],
            plans.cost[best],
            plans.converged[best],
            plans.iterations[best],
            tuple(plans.reason[i] for i in best.tolist()),
        )
        self.shifted = torch.cat([self.plan.actions[:, 1:], self.plan.actions[:, -1:]], 1)
        self._last = (self._measure(code), self.plan.actions[:, 0])
        return self.plan.actions[:, 0]

    def _measure(self, code: Tensor) -> Tensor:
        """Codes [n, d] in the unit of the actions [n, m]."""
        return (self.metric @ code[..., None])[..., 0]

    def _remember(self, code: Tensor) -> None:
        """Note where the last action would have led, in the episodes that it did not move."""
        if self._last is None or not self.walls.shape[1]:
            return
        before, action = self._last
        moved = torch.linalg.vector_norm(self._measure(code) - before, dim=1)
        pushed = torch.linalg.vector_norm(action, dim=1)
        stuck = (pushed > 1) & (moved < 0.25 * pushed)
        wall = torch.where(stuck[:, None], before + action, 1e6)
        self.walls = torch.where(stuck[:, None, None], torch.cat([self.walls[:, 1:], wall[:, None]], 1), self.walls)

    def _problem(self) -> Problem:
        """The planning problem; its context holds each episode's goal, metric and walls."""
        m, d = self.metric.shape[1:]
        parts = (self.goal, self.metric.flatten(1), self.walls.flatten(1))
        sizes = [part.shape[1] for part in parts]
        context = torch.cat(parts, 1).repeat(self.starts, 1)[:, None]

        def terms(code: Tensor, about: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
            """What is squared: the way to go [N, m, 1], and the depth in every wall [N, J, 1], with their slopes."""
            goal, metric, walls = about.split(sizes, -1)
            metric = metric.unflatten(-1, (m, d))
            way = metric @ (code - goal)[..., None]
            gap = (metric @ code[..., None]).mT - walls.unflatten(-1, (-1, m))
            distance = torch.linalg.vector_norm(gap, dim=-1, keepdim=True)
            depth = (self.width - distance).clamp(min=0)
            return way, metric, depth, -(gap / distance.clamp(min=1e-6)) * (depth > 0) @ metric

        def final_cost(code: Tensor, about: Tensor) -> Tensor:
            way, _, depth, _ = terms(code, about)
            return way.square().sum((1, 2)) + self.caution * depth.square().sum((1, 2))

        def final_quadratize(code: Tensor, about: Tensor) -> tuple[Tensor, Tensor]:
            way, metric, depth, slope = terms(code, about)
            bend = metric.mT @ metric + self.caution * slope.mT @ slope
            return 2 * (metric.mT @ way + self.caution * slope.mT @ depth)[..., 0], 2 * bend

        def cost(code: Tensor, action: Tensor, about: Tensor) -> Tensor:
            return final_cost(code, about) + self.effort * action.square().sum(-1)

        def quadratize(code: Tensor, action: Tensor, about: Tensor) -> tuple[Tensor, Tensor]:
            slope, bend = final_quadratize(code, about)
            whole = code.new_zeros(len(code), d + m, d + m)
            whole[:, :d, :d] = bend
            whole[:, range(d, d + m), range(d, d + m)] = 2 * self.effort
            return torch.cat([slope, 2 * self.effort * action], -1), whole

        model = self.model
        box = (self.low, self.high)
        return Problem(model.predict, cost, final_cost, *box, context, model.linearize, quadratize, final_quadratize)
