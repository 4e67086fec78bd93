"""Acting by factors: a factor phi names a change of the code, and its policy pi(. | h, phi) makes it.

`FactorAgent` follows random factors, which is how the data of `icf` are gathered. `decompose` writes the way between two
codes as a sum of factor vectors (Thomas et al. 2018, appendix B.2), and `Composer` goes it. `FactorMPC` leaves the choice to
a planner, for which phi is the action and T(h, phi) the dynamics.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from agents.mpc import Controllable, LatentMPC, Planner
from borders import Count, NonNegative, Share, Size, checked


class Controls(Controllable, Protocol):
    """A representation with factors of size `action_size`, their policies, and `predict(code, factor)`."""

    def draw_factors(self, code: Tensor, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """`n` factors [B, n, action_size] of every code [B, d], and the noise behind them."""
        ...

    def log_policy(self, code: Tensor, factor: Tensor, allowed: Tensor | None = None) -> Tensor:
        """log pi(a | h, phi): [..., actions]."""
        ...


class FactorAgent:
    """Follows a random factor for `hold` steps, then another.

    With probability `epsilon` an action is uniform instead. `noise` [n, m], `factor` [n, d] and `chances` [n] of the last
    actions say what was followed and how likely each action was.
    """

    @checked
    def __init__(self, model: Controls, generator: torch.Generator, hold: Count = 1, epsilon: Share = 0.0):
        self.model, self.generator, self.hold, self.epsilon = model, generator, hold, epsilon
        self.left = 0

    @torch.no_grad()
    def act(self, observation: Tensor, allowed: Tensor | None = None) -> Tensor:
        """Actions long [n] for pictures [n, C, H, W]; `allowed` bool [n, actions] excludes some."""
        code = self.model.encode(observation)
        if allowed is not None and (allowed.dtype != torch.bool or allowed.shape[:-1] != code.shape[:1]):
            raise ValueError(f"allowed must be bool [{len(code)}, actions], got {allowed.dtype} {list(allowed.shape)}")
        if not self.left:
            factor, noise = self.model.draw_factors(code, 1, self.generator)
            self.factor, self.noise, self.left = factor[:, 0], noise[:, 0], self.hold
        self.left -= 1
        logits = self.model.log_policy(code, self.factor)
        if allowed is not None and allowed.shape != logits.shape:
            raise ValueError(f"allowed must have shape {list(logits.shape)}, got {list(allowed.shape)}")
        chances = self.model.log_policy(code, self.factor, allowed).exp() if allowed is not None else logits.exp()
        free = torch.ones_like(chances) if allowed is None else allowed.to(chances)
        chances = (1 - self.epsilon) * chances + self.epsilon * free / free.sum(1, keepdim=True)
        action = torch.multinomial(chances.to(self.generator.device), 1, generator=self.generator).to(chances.device)
        self.chances = chances.gather(1, action)[:, 0]
        return action[:, 0]


@dataclass(frozen=True)
class Way:
    """Ways of at most `depth` steps: factors, the codes they lead to, [n, depth, d] each, and their lengths long [n]."""

    factors: Tensor
    codes: Tensor
    steps: Tensor


@torch.no_grad()
@checked
def decompose(
    model: Controls,
    start: Tensor,
    goal: Tensor,
    generator: torch.Generator,
    depth: Size = 24,
    width: Size = 16,
    samples: Size = 32,
) -> Way:
    """Write the way between codes [n, d] as a sequence of at most `depth` factors, without looking again.

    Breadth first: from each of up to `width` imagined codes `samples` factors are followed, T(h, phi), and what lies half a
    step or more from all that was imagined before is followed on. A step is the mean length of the changes from the start,
    each of the weight of its square, so that factors which change nothing there do not count. The way ends at the nearest
    code where the goal first comes within half a step, or else at the nearest of all, which may be the start. It may lead
    away from the goal at first: a switch is set where it is.
    """
    return _Tree(model, start, goal, generator, width, samples).grown(depth).way(0)


class _Tree:
    """What `decompose` imagines. Of all nodes: `codes` [n, m, d], the `factors` that led there, `parent`, `level` and `cost`.

    `price` gives what is added [n, m] to the distance of codes [n, m, d] from the goal; `barred` says of steps, from codes
    [n, m, d] to others, which are not taken.
    """

    def __init__(
        self,
        model: Controls,
        start: Tensor,
        goal: Tensor,
        generator: torch.Generator,
        width: int,
        samples: int,
        price: Callable[[Tensor], Tensor] | None = None,
        barred: Callable[[Tensor, Tensor], Tensor] | None = None,
    ):
        self.model, self.goal, self.generator = model, goal, generator
        self.width, self.samples, self.price, self.barred = width, samples, price, barred
        self.rows = torch.arange(len(start), device=start.device)
        self.codes, self.factors = start[:, None], start.new_zeros(len(start), 1, model.action_size)
        self.parent = self.level = torch.zeros_like(self.rows)[:, None]
        self.distance, self.cost = self._worth(self.codes)
        self.lives = torch.ones_like(self.cost, dtype=torch.bool)  # of the nodes of the last level, which are followed
        self.step = start.new_zeros(())

    def _worth(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """The distance of codes [n, m, d] from the goal, and with their price."""
        distance = (codes - self.goal[:, None]).norm(dim=-1)
        return distance, distance + self.price(codes) if self.price else distance

    def grown(self, depth: int) -> _Tree:
        """The tree with `depth` levels, or fewer where every goal is found or nothing is new."""
        for level in range(1, depth + 1):
            self.lives = self.lives & (self.distance.amin(1, keepdim=True) >= self.step / 2)
            if self.lives.any():
                self._grow(level)
        return self

    def _grow(self, level: int) -> None:
        first = self.codes.shape[1] - self.lives.shape[1]
        front = self.codes[:, first:]
        flat = self.model.draw_factors(front.flatten(0, 1), self.samples, self.generator)[0]
        tried = flat.unflatten(0, front.shape[:2])
        there = self.model.predict(front[:, :, None].expand(*tried.shape[:3], -1), tried)
        if level == 1:
            lengths = (there - front[:, :, None]).norm(dim=-1)
            self.step = lengths.pow(3).sum() / lengths.square().sum().clamp(min=1e-12)
        there, tried = there.flatten(1, 2), tried.flatten(1, 2)
        distance, worth = self._worth(there)
        fresh = self.lives.repeat_interleave(self.samples, 1)
        if self.barred:
            fresh = fresh & ~self.barred(front.repeat_interleave(self.samples, 1), there)
        fresh = fresh & (torch.cdist(there, self.codes).amin(-1) >= self.step / 2)
        picks: list[Tensor] = []
        alive: list[Tensor] = []
        while len(picks) < self.width and (fresh.any() or not picks):
            pick = worth.masked_fill(~fresh, torch.inf).argmin(1)
            picks.append(pick)
            alive.append(fresh[self.rows, pick])
            fresh = fresh & ((there - there[self.rows, pick][:, None]).norm(dim=-1) >= self.step / 2)
        pick, self.lives = torch.stack(picks, 1), torch.stack(alive, 1)
        chosen = self.rows[:, None], pick
        reached = torch.where(self.lives[..., None], there[chosen], self.codes[:, :1])
        self.codes = torch.cat([self.codes, reached], 1)
        self.factors = torch.cat([self.factors, tried[chosen]], 1)
        self.parent = torch.cat([self.parent, first + pick // self.samples], 1)
        self.level = torch.cat([self.level, torch.full_like(pick, level)], 1)
        for name, found in (("distance", distance), ("cost", worth)):
            values = found[chosen].masked_fill(~self.lives, torch.inf)
            setattr(self, name, torch.cat([getattr(self, name), values], 1))

    def way(self, least: int) -> Way:
        """The ways from the root to the best nodes of level `least` or more; of no steps where nobody can go."""
        cost = self.cost.masked_fill(self.level < least, torch.inf)
        found = (self.distance < self.step / 2) & cost.isfinite()
        soonest = self.level.masked_fill(~found, self.level.max() + 1).amin(1, keepdim=True)
        node = cost.masked_fill(found.any(1, keepdim=True) & (self.level != soonest), torch.inf).argmin(1)
        steps = self.level[self.rows, node]
        depth = int(self.level.max())
        factors = self.factors.new_zeros(len(steps), depth, self.factors.shape[-1])
        codes = self.codes.new_zeros(len(steps), depth, self.codes.shape[-1])
        for at in range(depth - 1, -1, -1):
            on = self.rows[steps > at]
            factors[on, at], codes[on, at] = self.factors[on, node[on]], self.codes[on, node[on]]
            node[on] = self.parent[on, node[on]]
        return Way(factors, codes, steps)


class Composer:
    """Goes to the goal pictures `goal` [n, C, H, W] by adding changes T(h, phi) - h to the code.

    It follows the way that `decompose` writes, with the likeliest action of every factor's policy, and writes another where
    that ends, or where the code is half a step from the one that was imagined. A step that led nowhere is not tried again; a
    place that was visited before counts `patience` steps farther away for every visit, so that dead ends are left. A place
    is a ball of half a step. Of both the last `memory` are known. A `depth` of 1 does not look ahead. Every factor is
    followed for `hold` steps, the model's horizon.
    """

    @checked
    def __init__(
        self,
        model: Controls,
        goal: Tensor,
        generator: torch.Generator,
        samples: Size = 32,
        memory: Size = 64,
        patience: NonNegative = 1.0,
        depth: Size = 24,
        width: Size = 16,
        hold: Count = 1,
    ):
        self.model, self.generator, self.patience, self.hold = model, generator, patience, hold
        self.samples, self.depth, self.width = samples, depth, width
        with torch.no_grad():
            self.goal = model.encode(goal)
        n, size = self.goal.shape
        self.before, self.aims = (self.goal.new_full((n, memory, size), 1e6) for _ in range(2))
        self.failed = torch.zeros(n, memory, dtype=torch.bool, device=self.goal.device)
        self.next, self.taken, self.step = 0, 0, self.goal.new_zeros(())
        self.factors, self.codes = self.goal.new_zeros(n, depth, model.action_size), self.goal.new_zeros(n, depth, size)
        self.left = torch.zeros(n, dtype=torch.long, device=self.goal.device)  # steps of the way that are not taken yet
        self._last: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def act(self, observation: Tensor) -> Tensor:
        """Actions long [n]; raises ValueError unless there is one picture for each goal."""
        if len(observation) != len(self.goal):
            raise ValueError(
                f"observation must hold {len(self.goal)} pictures, one for each goal, got {len(observation)}"
            )
        code = self.model.encode(observation)
        if self.taken % self.hold == 0:
            self.factor = self._next(code)
        self.taken += 1
        return self.model.log_policy(code, self.factor).argmax(-1)

    def _next(self, code: Tensor) -> Tensor:
        """The factors to follow from here, which become part of the past."""
        if self._last is not None:
            before, aim = self._last
            stuck = (code - before).norm(dim=1) < 0.25 * (aim - before).norm(dim=1)
            slot = self.next % self.failed.shape[1]
            self.before[:, slot], self.aims[:, slot], self.failed[:, slot] = before, aim, stuck
            self.next += 1
            self.left[(code - aim).norm(dim=1) >= self.step / 2] = 0
        if not self.left.all():
            self._think(code, (self.left == 0).nonzero()[:, 0])
        factor, aim = self.factors[:, 0], self.codes[:, 0]
        self.factors, self.codes, self.left = self.factors.roll(-1, 1), self.codes.roll(-1, 1), self.left - 1
        self._last = (code, aim)
        return factor

    def _think(self, code: Tensor, rows: Tensor) -> None:
        """Write new ways for some rows long [m] of the codes."""
        before, aims, failed, radius = self.before[rows], self.aims[rows], self.failed[rows, None], self.step / 2

        def price(codes: Tensor) -> Tensor:
            visits = ((torch.cdist(codes, before) < radius) & ~failed).sum(-1)
            return self.patience * self.step * visits

        def barred(codes: Tensor, to: Tensor) -> Tensor:
            return ((torch.cdist(codes, before) < radius) & (torch.cdist(to, aims) < radius) & failed).any(-1)

        options = (self.width, self.samples, price, barred)
        tree = _Tree(self.model, code[rows], self.goal[rows], self.generator, *options)
        way = tree.grown(self.depth).way(1)
        lost = rows[way.steps == 0]
        self.failed[lost] = False
        self.step, self.left[rows] = tree.step, way.steps.clamp(min=1)
        depth = way.codes.shape[1]
        self.factors[rows, :depth], self.codes[rows, :depth] = way.factors, way.codes
        self.factors[lost, 0] = self.model.draw_factors(code[lost], 1, self.generator)[0][:, 0]


class FactorMPC:
    """Model-predictive control in which a factor is the action: the planner's first phi is followed for one step.

    `options` are `LatentMPC`'s; its box is that of the factors, [-1, 1] unless told.
    """

    def __init__(self, model: Controls, planner: Planner, goal: Tensor, **options: object):
        self.model = model
        self.inner = LatentMPC(model, planner, goal, **{"low": -1.0, "high": 1.0, **options})  # type: ignore[arg-type]

    @torch.no_grad()
    def act(self, observation: Tensor) -> Tensor:
        """Actions long [n] for pictures [n, C, H, W]."""
        factor = self.inner.act(observation)
        return self.model.log_policy(self.model.encode(observation), factor).argmax(-1)
