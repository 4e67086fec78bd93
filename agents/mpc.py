"""Model-predictive control on a code: encode, plan, apply the first action, look again.

    minimise  sum_t |B+ (z_t - z_goal)|^2 + r |u_t|^2 + k sum_j max(0, w_j - |B+ z_t - p_j|)^2    over u_0 .. u_{H-1} in the box

z_goal is the code of the goal's picture and B+ the pseudo-inverse of the model's mean B, so that distances are measured in
actions: how much one would have to push to cover them. The code may then be stretched, sheared or padded with content
that no action moves, and the cost is the same.

The balls (p_j, w_j) are walls. A locally linear model sees little of an obstacle, and a planner that trusts it pushes
against the same wall for ever. Two things are known of walls without being told. Where none of the pictures that the model
was trained on has its code, there may be a reason: `voids` finds such balls. And where an action was tried and the code
hardly moved, the point it would have led to is avoided for the rest of the episode.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from scipy.spatial import Delaunay, QhullError
from torch import Tensor

from borders import NonNegative, Positive, Real, Size, Width, checked, unchecked
from planners import Plan, Problem
from planners.problem import NonFiniteError
from planners.rollout import expand_context, rollout, total_cost
from representations.model import Predicts


class Controllable(Predicts, Protocol):
    """A representation with a model of how actions of size `action_size` move its code."""

    action_size: int

    def encode(self, observations: Tensor) -> Tensor:
        """The codes [n, d] of pictures."""
        ...


Planner = Callable[[Problem, Tensor, Tensor], Plan]


class LatentMPC:
    """Acts on a batch of episodes towards the goal pictures `goal` [n, C, H, W].

    `planner(problem, x0, actions)` is `ilqr` or anything of its signature. Every step is planned `horizon` steps ahead,
    from `starts` first guesses per episode: the last plan shifted by a step, and constant actions drawn at random; the
    plan with the lowest cost is taken. `low`, `high` bound the actions (by default the planar task's box), `effort` is
    r, `caution` is k. `seen` are pictures the model was trained on, in which voids are looked for; `memory` is how many
    walls are remembered (0: none), each of `width` in the unit of the actions.
    A goal that one action covers is gone to straight, unless the last action was blocked: at the border of the world the
    model's own drift would hold the plan off. An episode within `near` of its goal, in that unit, stays still:
    neighbouring pictures' codes err by about as much, and chasing them would lead out again ("still" is the action of the box
    nearest to 0). `plan` holds the last plans. Everything is on the device and in the precision of the model's codes;
    random guesses are drawn on the generator's device.
    """

    @checked
    def __init__(
        self,
        model: Controllable,
        planner: Planner,
        goal: Tensor,
        *,
        low: Real = -3.0,
        high: Real = 3.0,
        generator: torch.Generator | None = None,
        horizon: Size = 10,
        starts: Size = 6,
        effort: NonNegative = 0.1,
        seen: Tensor | None = None,
        memory: Width = 12,
        width: Positive = 3.0,
        caution: NonNegative = 100.0,
        near: NonNegative = 1.0,
    ):
        for name, pictures in (("goal", goal), ("seen", seen)):
            if pictures is not None and not len(pictures):
                raise ValueError(f"{name} must hold at least one picture, got none")
        if not low <= high:
            raise ValueError(f"low must not exceed high, got low={low}, high={high}")
        self.model, self.planner, self.starts = model, planner, starts
        self.low, self.high, self.effort, self.width, self.caution = low, high, effort, width, caution
        self.near = near
        self.memory = memory
        self.generator = generator or torch.Generator().manual_seed(0)
        action_size = model.action_size
        with torch.no_grad():
            self.goal = model.encode(goal)
            known = self.goal if seen is None else model.encode(seen)
            _, b, _ = model.linearize(known, known.new_zeros(len(known), action_size))
            self.metric = torch.linalg.pinv(b.mean(0))
            found = known.new_zeros(0, action_size + 1) if seen is None else voids(known @ self.metric.T)
        nowhere = known.new_full((memory, action_size + 1), 1e6)
        nowhere[:, -1] = 0
        self.walls = torch.cat([found, nowhere]).repeat(len(goal), 1, 1)
        self.still = known.new_zeros(action_size).clamp(low, high)
        self.shifted = self.still.repeat(len(goal), horizon, 1)
        self.plan: Plan | None = None
        self._last: tuple[Tensor, Tensor] | None = None
        self._stuck = known.new_zeros(len(goal), dtype=torch.bool)

    def act(self, observation: Tensor) -> Tensor:
        """The actions [n, m] for pictures [n, C, H, W]; raises ValueError unless there is one picture for each goal."""
        n, (horizon, m) = len(self.goal), self.shifted.shape[1:]
        with torch.no_grad():
            code = self.model.encode(observation)
        if len(code) != n:
            raise ValueError(f"observation must hold {n} pictures, one for each goal, got {len(code)}")
        self._remember(code)
        source = self.generator
        drawn = torch.rand(self.starts - 1, n, 1, m, generator=source, device=source.device, dtype=code.dtype)
        guesses = drawn.to(code.device) * (self.high - self.low) + self.low
        actions = torch.cat([self.shifted[None], guesses.expand(-1, -1, horizon, -1)]).flatten(0, 1)
        self.plan = self._planned(code.repeat(self.starts, 1), actions).best_of(self.starts)
        self.shifted = torch.cat([self.plan.actions[:, 1:], self.plan.actions[:, -1:]], 1)
        gap = self._measure(self.goal - code)
        reachable = ((gap >= self.low) & (gap <= self.high)).all(1) & ~self._stuck
        action = torch.where(reachable[:, None], gap, self.plan.actions[:, 0])
        arrived = torch.linalg.vector_norm(gap, dim=1) < self.near
        action = torch.where(arrived[:, None], self.still, action)
        self._last = (self._measure(code), action)
        return action

    def _planned(self, codes: Tensor, actions: Tensor) -> Plan:
        """Plans of all guesses [S n, H, m] from codes [S n, d].

        Far from what it has seen a learned model may lead anywhere: a guess that it carries out of all bounds gives way to
        another of its episode. Raises NonFiniteError where an episode has none.
        """
        problem = self._problem()
        try:
            return self.planner(problem, codes, actions)
        except NonFiniteError:
            tried = actions.transpose(0, 1)
            states = rollout(problem, codes, tried)
            cost = total_cost(problem, states, tried, expand_context(problem, len(tried), len(codes)))
            usable = (states.isfinite().flatten(2).all(2).all(0) & cost.isfinite()).view(self.starts, -1)
            if bool(usable.all()) or not bool(usable.any(0).all()):
                raise
            rows = torch.arange(len(codes), device=codes.device).view(self.starts, -1)
            other = rows.gather(0, usable.int().argmax(0, keepdim=True))
            return self.planner(problem, codes, actions[torch.where(usable, rows, other).flatten()])

    def _measure(self, code: Tensor) -> Tensor:
        """Codes [n, d] in the unit of the actions [n, m]."""
        return code @ self.metric.T

    def _remember(self, code: Tensor) -> None:
        """Note where the last action would have led, in the episodes that it did not move."""
        if self._last is None or not self.memory:
            return
        before, action = self._last
        moved = torch.linalg.vector_norm(self._measure(code) - before, dim=1)
        pushed = torch.linalg.vector_norm(action, dim=1)
        stuck = self._stuck = (pushed > 1) & (moved < 0.25 * pushed)
        wall = torch.cat([before + action, torch.full_like(action[:, :1], self.width)], 1)
        known, noted = self.walls.split((self.walls.shape[1] - self.memory, self.memory), 1)
        noted = torch.where(stuck[:, None, None], torch.cat([noted[:, 1:], wall[:, None]], 1), noted)
        self.walls = torch.cat([known, noted], 1)

    def _problem(self) -> Problem:
        """The planning problem; its context holds each episode's goal and walls."""
        metric, (m, d) = self.metric, self.metric.shape
        parts = (self.goal, self.walls.flatten(1))
        sizes = [part.shape[1] for part in parts]
        context = torch.cat(parts, 1).repeat(self.starts, 1)[:, None]

        def terms(code: Tensor, about: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            """What is squared: the way to go [N, m], and the depth in every wall [N, J, 1] with its slope [N, J, d]."""
            goal, walls = about.split(sizes, -1)
            centres, widths = walls.unflatten(-1, (-1, m + 1)).split((m, 1), -1)
            gap = (code @ metric.T)[:, None] - centres
            distance = torch.linalg.vector_norm(gap, dim=-1, keepdim=True)
            depth = (widths - distance).clamp(min=0)
            return (code - goal) @ metric.T, depth, -(gap / distance.clamp(min=1e-6)) * (depth > 0) @ metric

        def final_cost(code: Tensor, about: Tensor) -> Tensor:
            way, depth, _ = terms(code, about)
            return way.square().sum(1) + self.caution * depth.square().sum((1, 2))

        def final_quadratize(code: Tensor, about: Tensor) -> tuple[Tensor, Tensor]:
            way, depth, slope = terms(code, about)
            bend = metric.T @ metric + self.caution * slope.mT @ slope
            return 2 * (way @ metric + self.caution * (slope.mT @ depth)[..., 0]), 2 * bend

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
        dynamics, slopes = unchecked(model.predict), unchecked(model.linearize)  # the planner looks at what they give
        return Problem(dynamics, cost, final_cost, *box, context, slopes, quadratize, final_quadratize)


def voids(points: Tensor, least: float = 1.75, margin: float = 0.75) -> Tensor:
    """Balls without any of `points` [N, m] inside their convex hull, the largest first and not overlapping: [J, m + 1].

    They are circumscribed balls of Delaunay cells; those of a radius below `least` are left out, and `margin` is added to
    the radius in the last column. Units are those of the points; for m = 2 or 3. None are found for m = 1, nor in
    points that span no volume: fewer than m + 1, all equal, or on a line.
    """
    size = points.shape[1]
    none = points.new_zeros(0, size + 1)
    if size not in (2, 3):
        return none
    unique = np.unique(points.detach().double().cpu().numpy().round(3), axis=0)
    try:
        mesh = Delaunay(unique)
    except (QhullError, ValueError):  # a flat hull, or no points at all
        return none
    corners = unique[mesh.simplices]
    edges = corners[:, 1:] - corners[:, :1]
    squares = 0.5 * (edges**2).sum(-1)
    solid = np.abs(np.linalg.det(edges)) > 1e-9
    offsets = np.linalg.solve(edges[solid], squares[solid][..., None])[..., 0]
    centres, radii = corners[solid, 0] + offsets, np.linalg.norm(offsets, axis=1)
    keep = (radii >= least) & (mesh.find_simplex(centres) >= 0)
    balls: list[tuple[float, ...]] = []
    for index in np.argsort(-radii[keep]):
        centre, radius = centres[keep][index], radii[keep][index]
        if all(np.linalg.norm(centre - ball[:-1]) >= max(ball[-1] - margin, radius) for ball in balls):
            balls.append((*centre, radius + margin))
    return points.new_tensor(balls).reshape(-1, size + 1)
