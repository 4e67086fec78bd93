"""Rollouts and costs of B problems over T steps, time first: states [T + 1, B, n], actions [T, B, m]."""

from __future__ import annotations

import torch
from torch import Tensor

from .problem import NonFiniteError, Problem, check_answer


def expand_context(problem: Problem, steps: int, batch: int) -> Tensor | None:
    """The context as [T + 1, B, p], or None; raises ValueError if it does not broadcast to [B, T + 1, p]."""
    context = problem.context
    if context is None:
        return None
    if context.ndim != 3 or context.shape[0] not in (1, batch) or context.shape[1] not in (1, steps + 1):
        raise ValueError(
            f"context must broadcast to [B = {batch}, T + 1 = {steps + 1}, p], got shape {tuple(context.shape)}"
        )
    return context.expand(batch, steps + 1, -1).transpose(0, 1)


def rollout(problem: Problem, start: Tensor, actions: Tensor) -> Tensor:
    """The states [T + 1, B, n] that actions [T, B, m] lead to from start [B, n]."""
    states = [start]
    for t, action in enumerate(actions.unbind(0)):
        states.append(problem.dynamics(states[-1], action, *at_step(problem, t, action)))
    return torch.stack(states)


def stage_costs(problem: Problem, states: Tensor, actions: Tensor, context: Tensor | None) -> Tensor:
    """The cost of every step and problem, [T, B]."""
    extra = (*context_rows(context, slice(0, -1)), *step_rows(problem, actions))
    return problem.cost(*rows(states[:-1], actions), *extra).view(actions.shape[:2])


def total_cost(problem: Problem, states: Tensor, actions: Tensor, context: Tensor | None) -> Tensor:
    """J of every problem: [B]."""
    last = problem.final_cost(states[-1], *context_rows(context, slice(-1, None)))
    return stage_costs(problem, states, actions, context).sum(0) + last


def first_plan(problem: Problem, start: Tensor, actions: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    """`rollout` and `total_cost` of the actions that a planner starts from or ends with.

    Raises ValueError where a function returns a wrong shape, NonFiniteError at the first state or cost that is not
    finite.
    """
    batch, width = start.shape
    here = at_step(problem, 0, start)
    after = problem.dynamics(start, actions[0], *here)
    check_answer("dynamics", after)
    if after.shape != start.shape:
        raise ValueError(f"dynamics must return [N, n] = {(batch, width)}, got {tuple(after.shape)}")
    states = rollout(problem, start, actions)
    demand_finite("dynamics", "the state after", states[1:])
    costs = problem.cost(start, actions[0], *context_rows(context, slice(0, 1)), *here)
    last = problem.final_cost(states[-1], *context_rows(context, slice(-1, None)))
    for name, value in (("cost", costs), ("final_cost", last)):
        check_answer(name, value)
        if value.shape != (batch,):
            raise ValueError(f"{name} must return [N] = {(batch,)}, got {tuple(value.shape)}")
    each = stage_costs(problem, states, actions, context)
    demand_finite("cost", "the cost at", each)
    demand_finite("final_cost", "the cost at", last[None], first=len(actions))
    return states, each.sum(0) + last


def at_step(problem: Problem, step: int, like: Tensor) -> tuple[Tensor, ...]:
    """What the functions are told of the step of all rows of `like` [N, k]: the step [N], or nothing."""
    if not problem.timed:
        return ()
    return (torch.full(like.shape[:1], step, dtype=torch.int64, device=like.device),)


def step_rows(problem: Problem, actions: Tensor) -> tuple[Tensor, ...]:
    """What the functions are told of the steps of actions [T, B, m] as rows: the steps [T B], or nothing."""
    if not problem.timed:
        return ()
    steps, batch, _ = actions.shape
    return (torch.arange(steps, device=actions.device).repeat_interleave(batch),)


def rows(*values: Tensor) -> tuple[Tensor, ...]:
    """Tensors [T, B, k] as rows [T B, k]."""
    return tuple(value.reshape(-1, value.shape[-1]) for value in values)


def context_rows(context: Tensor | None, steps: slice) -> tuple[Tensor, ...]:
    """The context of some steps as rows, to be appended to a cost's arguments; empty where there is none."""
    return () if context is None else rows(context[steps])


def demand_finite(source: str, what: str, value: Tensor, *, first: int = 0, index: Tensor | None = None) -> None:
    """Raise NonFiniteError naming the first step and problem at which `value` [T, B, ...] is not finite.

    `first` is the step of the first row, `index` [B] the numbers of the problems where they are not 0 to B - 1.
    """
    bad = ~value.isfinite().flatten(2).all(2) if value.ndim > 2 else ~value.isfinite()
    if bool(bad.any()):
        step, place = bad.nonzero()[0].tolist()
        problem = place if index is None else int(index[place])
        raise NonFiniteError(
            f"{source} is not finite: {what} step {first + step} of problem {problem} is {value[step, place]}"
        )
