"""Derivatives of a problem along B trajectories, all steps and problems in one call.

    J = [df/dx, df/du]              [N, n, n + m]
    g, H = first and second derivative of the cost in z = (x, u): [N, n + m] and [N, n + m, n + m]

Where the caller gives none they are exact, by reverse mode: the functions act row by row, so one vector-Jacobian
product with a unit vector in every row yields one row of every Jacobian, and `vmap` runs over the unit vectors only.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.func import grad, vjp, vmap

from .problem import Problem
from .rollout import context_rows, rows, step_rows


def jacobian(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Tensor]:
    """The value [N, k] and the derivative [N, k, d] of a function of rows [N, d] -> [N, k]."""
    value, pull = vjp(function, at)  # type: ignore[misc]
    count, size = value.shape
    units = torch.eye(size, dtype=value.dtype, device=value.device)[:, None].expand(size, count, size)
    return value, vmap(lambda unit: pull(unit)[0])(units).transpose(0, 1)


def gradient_and_hessian(function: Callable[[Tensor], Tensor], at: Tensor) -> tuple[Tensor, Tensor]:
    """First [N, d] and second [N, d, d] derivative of a function of rows [N, d] -> [N]."""
    return jacobian(grad(lambda z: function(z).sum()), at)


def linearize(problem: Problem, states: Tensor, actions: Tensor) -> Tensor:
    """J [T, B, n, n + m] along states [T + 1, B, n] and actions [T, B, m]."""
    x, u = rows(states[:-1], actions)
    step = step_rows(problem, actions)
    if problem.linearize is None:
        n = x.shape[1]
        _, joined = jacobian(lambda z: problem.dynamics(z[:, :n], z[:, n:], *step), torch.cat([x, u], 1))
    else:
        parts = problem.linearize(x, u, *step)[:2]
        n, both = x.shape[1], x.shape[1] + u.shape[1]
        demand_shapes("linearize", parts, (len(x), n, n), (len(x), n, both - n))
        joined = torch.cat(parts, 2)
    return joined.view(*actions.shape[:2], *joined.shape[1:])


def quadratize(problem: Problem, states: Tensor, actions: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    """g [T, B, n + m] and H [T, B, n + m, n + m] of the cost."""
    x, u = rows(states[:-1], actions)
    extra = (*context_rows(context, slice(0, -1)), *step_rows(problem, actions))
    if problem.quadratize is None:
        n = x.shape[1]
        slope, bend = gradient_and_hessian(lambda z: problem.cost(z[:, :n], z[:, n:], *extra), torch.cat([x, u], 1))
    else:
        slope, bend = problem.quadratize(x, u, *extra)
        both = x.shape[1] + u.shape[1]
        demand_shapes("quadratize", (slope, bend), (len(x), both), (len(x), both, both))
    shape = actions.shape[:2]
    return slope.view(*shape, -1), bend.view(*shape, *bend.shape[1:])


def quadratize_final(problem: Problem, state: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
    """g [B, n] and H [B, n, n] of the final cost at state [B, n]."""
    extra = context_rows(context, slice(-1, None))
    if problem.final_quadratize is None:
        return gradient_and_hessian(lambda x: problem.final_cost(x, *extra), state)
    slope, bend = problem.final_quadratize(state, *extra)
    demand_shapes("final_quadratize", (slope, bend), state.shape, (*state.shape, state.shape[1]))
    return slope, bend


def demand_shapes(name: str, parts: tuple[Tensor, ...], *shapes: tuple[int, ...]) -> None:
    """Raise ValueError unless what the caller's function `name` returned has these shapes."""
    if tuple(tuple(part.shape) for part in parts) != shapes:
        wanted, got = (" and ".join(str(list(s)) for s in of) for of in (shapes, [part.shape for part in parts]))
        raise ValueError(f"{name} must return tensors {wanted}, got {got}")


def bend_of_dynamics(problem: Problem, states: Tensor, actions: Tensor, costates: Tensor) -> Tensor:
    """The second derivative of costates' f in (x, u), [T, B, n + m, n + m], for costates [T, B, n] of the next states."""
    x, u, weight = rows(states[:-1], actions, costates)
    n, step = x.shape[1], step_rows(problem, actions)
    _, bend = gradient_and_hessian(
        lambda z: (problem.dynamics(z[:, :n], z[:, n:], *step) * weight).sum(1), torch.cat([x, u], 1)
    )
    return bend.view(*actions.shape[:2], *bend.shape[1:])


def convex(hessian: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest positive semidefinite matrices to [..., k, k], and which of them [...] were indefinite.

    Those that are semidefinite stay as they are, of others the negative eigenvalues are set to 0.
    """
    size = hessian.shape[-1]
    slack = 16 * torch.finfo(hessian.dtype).eps * (1 + hessian.abs().amax((-2, -1), keepdim=True))
    shifted = hessian + slack * torch.eye(size, dtype=hessian.dtype, device=hessian.device)
    indefinite = torch.linalg.cholesky_ex(shifted).info != 0
    if not bool(indefinite.any()):
        return hessian, indefinite
    values, vectors = torch.linalg.eigh(hessian[indefinite])
    fixed = hessian.clone()
    fixed[indefinite] = vectors * values.clamp(min=0).unsqueeze(1) @ vectors.mT
    return fixed, indefinite
