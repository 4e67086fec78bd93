"""Acting by factors: a factor phi names a change of the code, and its policy pi(. | h, phi) makes it.

`FactorAgent` follows random factors, which is how the data of `icf` are gathered. `Composer` goes to a goal by adding factor
vectors: of the factors that could be followed here it takes the one whose change leads nearest to the goal's code (Thomas
et al. 2018, appendix B.2). `FactorMPC` leaves the choice to a planner, for which phi is the action and T(h, phi) the dynamics.
"""

from __future__ import annotations

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


class Composer:
    """Goes to the goal pictures `goal` [n, C, H, W] by adding changes T(h, phi) - h to the code.

    At every step `samples` factors are drawn. One is taken that leads nearest to the goal's code, not counting places
    where a step led nowhere before; a place that was visited before counts `patience` steps farther away for every visit,
    so that dead ends are left. The action is the likeliest one of the factor's policy. A place is a ball of half a step.
    """

    @checked
    def __init__(
        self,
        model: Controls,
        goal: Tensor,
        generator: torch.Generator,
        samples: Size = 64,
        memory: Size = 64,
        patience: NonNegative = 1.0,
    ):
        self.model, self.generator, self.samples, self.patience = model, generator, samples, patience
        with torch.no_grad():
            self.goal = model.encode(goal)
        self.places = self.goal.new_full((len(goal), memory, self.goal.shape[1]), 1e6)
        self.costs = self.goal.new_zeros(len(goal), memory)
        self.next = 0
        self._last: tuple[Tensor, Tensor] | None = None

    @torch.no_grad()
    def act(self, observation: Tensor) -> Tensor:
        """Actions long [n]; raises ValueError unless there is one picture for each goal."""
        if len(observation) != len(self.goal):
            raise ValueError(
                f"observation must hold {len(self.goal)} pictures, one for each goal, got {len(observation)}"
            )
        code = self.model.encode(observation)
        factor, _ = self.model.draw_factors(code, self.samples, self.generator)
        there = self.model.predict(code[:, None].expand_as(factor), factor)
        step = (there - code[:, None]).norm(dim=-1).median()
        if self._last is not None:
            before, aim = self._last
            stuck = (code - before).norm(dim=1) < 0.25 * (aim - before).norm(dim=1)
            self._note(torch.where(stuck[:, None], aim, before), torch.where(stuck, 1e3, self.patience * step))
        near = torch.cdist(there, self.places) < 0.5 * step
        price = (there - self.goal[:, None]).norm(dim=-1) + (near * self.costs[:, None]).sum(-1)
        best = price.argmin(1)
        rows = torch.arange(len(code), device=code.device)
        self._last = (code, there[rows, best])
        return self.model.log_policy(code, factor[rows, best]).argmax(-1)

    def _note(self, place: Tensor, cost: Tensor) -> None:
        slot = self.next % self.places.shape[1]
        self.places[:, slot], self.costs[:, slot] = place, cost
        self.next += 1


@torch.no_grad()
@checked
def decompose(
    model: Controls, start: Tensor, goal: Tensor, steps: Count, generator: torch.Generator, samples: Size = 64
) -> tuple[Tensor, Tensor]:
    """Write the way between codes [n, d] as a sequence of at most `steps` factors, without looking again.

    Factor vectors are added, T(h, phi) each time, as long as that leads nearer. Returns factors [n, steps, d] and bool
    [n, steps], which of them belong to the sequence.
    """
    code, found, used = start, [], []
    for _ in range(steps):
        factor, _ = model.draw_factors(code, samples, generator)
        there = model.predict(code[:, None].expand_as(factor), factor)
        distance, best = (there - goal[:, None]).norm(dim=-1).min(1)
        rows = torch.arange(len(code), device=code.device)
        nearer = distance < (code - goal).norm(dim=1)
        found.append(factor[rows, best])
        used.append(nearer)
        code = torch.where(nearer[:, None], there[rows, best], code)
    return torch.stack(found, 1), torch.stack(used, 1)


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
