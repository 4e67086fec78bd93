"""What a planner is asked and what it answers.

    minimise   J(u) = sum_{t < T} cost(x_t, u_t) + final_cost(x_T)
    over       u_0 .. u_{T-1},  low <= u_t <= high
    where      x_{t+1} = dynamics(x_t, u_t),  x_0 given

B problems are solved at once. The functions act on rows: a planner calls them with any number N of rows, whose order
and number say nothing about the step or the problem they belong to. What a cost needs to know of either (a goal for
each problem, a reference or a weight for each step) is given in `context`; functions that change with the step itself
are told it where `timed` is set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float
from pydantic import AllowInfNan
from torch import Tensor

from borders import checked


class NonFiniteError(FloatingPointError, ValueError):
    """A rollout, a cost or a derivative left the finite numbers; the message names the step and the problem."""


Bound = Annotated[float, AllowInfNan()]


@checked
@dataclass(frozen=True)
class Problem:
    """Dynamics, cost and box of a planning problem; n states, m actions, N rows.

    dynamics(x [N, n], u [N, m]) -> [N, n]; cost(x, u) -> [N]; final_cost(x) -> [N]. All row by row, in torch, and
    differentiable where `ilqr` is to use them.

    low, high: None (free), a number, a tensor [m], or for bounds that change with the step or the problem a tensor
    [T, B, m], time first, whose T and B may be 1. An infinite bound is allowed.

    context: None, or a tensor that broadcasts to [B, T + 1, p]. Then the costs (and their derivatives, if given) get
    the row's context as last argument: cost(x, u, context [N, p]), final_cost(x, context [N, p]), entry T being the
    final one. [B, 1, p] holds a goal for every problem, [1, T + 1, p] a weight for every step.

    timed: whether dynamics and cost (and their derivatives, if given) get the rows' steps t [N], int64 from 0 to T - 1,
    as one more argument at the end: dynamics(x, u, t), cost(x, u, t), or cost(x, u, context, t).

    Derivatives are taken by `torch.func` unless given here:
    linearize(x, u) -> d dynamics/dx [N, n, n], d dynamics/du [N, n, m]; what may follow (an offset c) is not used;
    quadratize(x, u) -> gradient [N, n + m] and Hessian [N, n + m, n + m] of the cost in (x, u) joined;
    final_quadratize(x) -> gradient [N, n] and Hessian [N, n, n] of the final cost.

    Raises ValueError if low > high, or either is NaN or not of the stated shape.
    """

    dynamics: Callable[..., Tensor]
    cost: Callable[..., Tensor]
    final_cost: Callable[..., Tensor]
    low: Tensor | Bound | None = None
    high: Tensor | Bound | None = None
    context: Float[Tensor, "rows times p"] | None = None
    linearize: Callable[..., tuple[Tensor, ...]] | None = None
    quadratize: Callable[..., tuple[Tensor, Tensor]] | None = None
    final_quadratize: Callable[..., tuple[Tensor, Tensor]] | None = None
    timed: bool = False

    def __post_init__(self) -> None:
        low = torch.as_tensor(-math.inf if self.low is None else self.low)
        high = torch.as_tensor(math.inf if self.high is None else self.high)
        for name, bound in (("low", low), ("high", high)):
            if bound.is_meta or bound.is_complex() or bound.ndim not in (0, 1, 3) or bool(bound.isnan().any()):
                raise ValueError(f"{name} must be None, a number or a tensor [m] or [T, B, m] without NaN, got {bound}")
        try:
            crossed = low > high.to(low.device)
        except RuntimeError:
            raise ValueError(
                f"low and high must have shapes that go together, got {list(low.shape)} and {list(high.shape)}"
            ) from None
        if bool(crossed.any()):
            place = tuple(crossed.nonzero()[0].tolist())
            least, most = (float(bound.expand(crossed.shape)[place]) for bound in (low, high))
            where = f" at {list(place)}" if place else ""
            raise ValueError(f"low must not exceed high, got low={least:g} and high={most:g}{where}")

    @property
    def boxed(self) -> bool:
        """Whether the actions are bounded at all."""
        return self.low is not None or self.high is not None

    def box(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """The bounds with the dtype and device of actions `like` [B, T, m], to which they broadcast; infinite where free.

        They are [m], or where they change with step or problem [B, T, m] (batch first as the actions, either may be 1).
        Raises ValueError if a bound does not fit.
        """
        bounds = []
        for name, bound, free in (("low", self.low, -math.inf), ("high", self.high, math.inf)):
            value = torch.as_tensor(free if bound is None else bound, dtype=like.dtype, device=like.device)
            if value.ndim and value.shape[-1] != like.shape[-1]:
                raise ValueError(f"{name} must have m = {like.shape[-1]} entries, got {value.shape[-1]}")
            if value.ndim == 3:
                batch, steps, _ = like.shape
                if value.shape[0] not in (1, steps) or value.shape[1] not in (1, batch):
                    raise ValueError(
                        f"{name} must broadcast to [T = {steps}, B = {batch}, m], got the shape {list(value.shape)}"
                    )
                value = value.transpose(0, 1)
            bounds.append(value if value.ndim else value.expand(like.shape[-1]))
        return bounds[0], bounds[1]


@dataclass(frozen=True)
class Plan:
    """A planner's answer for B problems: states [B, T + 1, n], actions [B, T, m] inside the box, cost [B].

    converged: bool [B], whether the planner's own test of optimality was met; reason says for each problem why it
    stopped ("converged" where it did). iterations: int64 [B], the steps that each problem took.
    """

    states: Tensor
    actions: Tensor
    cost: Tensor
    converged: Tensor
    iterations: Tensor
    reason: tuple[str, ...]

    def best_of(self, starts: int) -> Plan:
        """The cheapest plan of every problem, where row s B + b is the plan of problem b from the s-th of the starts."""
        batch = len(self.cost) // starts
        place = torch.arange(batch, device=self.cost.device)
        best = self.cost.view(starts, batch).argmin(0) * batch + place
        return Plan(
            self.states[best],
            self.actions[best],
            self.cost[best],
            self.converged[best],
            self.iterations[best],
            tuple(self.reason[i] for i in best.tolist()),
        )


def check_answer(name: str, value: object) -> None:
    """Raise TypeError unless what the caller's function `name` returned is a tensor of floats."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        got = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must return a tensor of floats, got {got}")


def check_input(name: str, value: Tensor, shape: tuple[str, ...], *sizes: int | None) -> None:
    """Raise TypeError or ValueError unless `value` is a finite float tensor of the described shape.

    `sizes` gives the required size of each axis, None where any positive one will do.
    """
    if not isinstance(value, Tensor) or not value.is_floating_point() or value.layout != torch.strided or value.is_meta:
        got = f"{value.dtype}, {value.layout}, {value.device}" if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} must be a float tensor [{', '.join(shape)}], got {got}")
    right = value.ndim == len(shape) and all(
        size > 0 if wanted is None else size == wanted for size, wanted in zip(value.shape, sizes, strict=True)
    )
    if not right:
        wanted = ", ".join(s if size is None else f"{s} = {size}" for s, size in zip(shape, sizes, strict=True))
        raise ValueError(f"{name} must have the shape [{wanted}], none of them 0, got {tuple(value.shape)}")
    bad = ~value.isfinite()
    if bool(bad.any()):
        where = tuple(bad.nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {value[where].item()} at {where}")
