"""The linear-quadratic problem with a box, which iLQR solves at every iteration.

    minimise   1/2 sum_{t < T} w_t' L_t w_t + 1/2 y_T' V_T y_T         w = (1, dx, du),  y = (1, dx)
    over       low_t <= du_t <= high_t
    where      y_{t+1} = F_t w_t,  dx_0 = 0

The leading 1 carries the linear terms, so that one matrix product does what is usually written as five:

    Q_t = L_t + F_t' V_{t+1} F_t                          [Tassa et al. 2012, eq. 5]
    G_t = argmin over du = G y of w' Q_t w                [eq. 6: gains (k, K) as the columns of G]
    V_t = S' Q_t S,  S = [I; G]                           [eq. 11, in the form that needs no exact minimum]

The box is met by the primal-dual active set method over the whole sequence: with some entries of du fixed at a bound
the problem is solved exactly by one backward pass; entries that leave the box are fixed, fixed entries whose multiplier
Q_u w pulls inwards are freed, until nothing changes, and then the answer is exact [Hintermueller, Ito and Kunisch 2002]. Box-DDP [Tassa, Mansard and Todorov 2014] clamps at the old states instead, and so needs several
iterations even where the dynamics are linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Policy:
    """du = gains (1, dx): gains [T, B, m, 1 + n]; what is gained by it, [B]; the active set and whether it settled.

    active: int8 [T, B, m], -1 and 1 where an action is held at its lower and upper bound. settled: bool [B].
    """

    gains: Tensor
    gain: Tensor
    active: Tensor
    settled: Tensor


def solve(
    transition: Tensor, stage: Tensor, final: Tensor, low: Tensor, high: Tensor, active: Tensor, sweeps: int
) -> Policy:
    """Solve B problems: F [T, B, 1 + n, 1 + n + m], L [T, B, 1 + n + m, 1 + n + m], V_T [B, 1 + n, 1 + n].

    low, high [T, B, m] bound du; `active` is the first guess of the active set. At most `sweeps` active sets are tried.
    A problem that is not convex comes back with gains that are not finite.
    """
    slack = 64 * torch.finfo(low.dtype).eps
    settled = torch.zeros(low.shape[1], dtype=torch.bool, device=low.device)
    for _ in range(sweeps):
        gains, reach, value, pull = backward(transition, stage, final, low, high, active)
        moves = (gains @ reach).squeeze(3)
        slope = (pull @ torch.cat([reach, moves.unsqueeze(3)], 2)).squeeze(3)
        below = torch.where(active < 0, slope > -slack * (1 + slope.abs()), moves < low - slack * (1 + low.abs()))
        above = torch.where(active > 0, slope < slack * (1 + slope.abs()), moves > high + slack * (1 + high.abs()))
        following = above.to(torch.int8) - below.to(torch.int8)
        settled = (following == active).all(2).all(0)
        if bool(settled.all()):
            break
        active = following
    return Policy(gains, -value / 2, active, settled)


def backward(
    transition: Tensor, stage: Tensor, final: Tensor, low: Tensor, high: Tensor, active: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """One backward pass with the active set fixed, and the states (1, dx) that its policy reaches.

    Gives the gains [T, B, m, 1 + n], the states [T, B, 1 + n, 1], twice the optimal cost [B] and the rows Q_u
    [T, B, m, 1 + n + m] of the multipliers.
    """
    size = final.shape[-1]
    held = torch.zeros(*low.shape, size, dtype=low.dtype, device=low.device)
    held[..., 0] = torch.where(active < 0, low, torch.where(active > 0, high, 0))
    free = (active == 0).to(low.dtype)
    both = free.unsqueeze(3) * free.unsqueeze(2)
    unit = torch.diag_embed(1 - free)
    identity = torch.eye(size, dtype=low.dtype, device=low.device).expand_as(final)
    value, gains, pulls, selectors = final, [], [], []
    steps = (transition, stage, held, -free.unsqueeze(3), both, unit)
    for f, cost, fixed, minus, mask, one in zip(*(part.flip(0).unbind(0) for part in steps), strict=True):
        q = torch.baddbmm(cost, f.mT, value @ f)
        pull = q[:, size:]
        right = torch.baddbmm(pull[:, :, :size], pull[:, :, size:], fixed) * minus
        factor = torch.linalg.cholesky_ex(torch.addcmul(one, pull[:, :, size:], mask)).L
        gain = fixed + torch.cholesky_solve(right, factor)
        selector = torch.cat([identity, gain], 1)
        value = selector.mT @ (q @ selector)
        gains.append(gain)
        pulls.append(pull)
        selectors.append(selector)
    closed = transition @ torch.stack(selectors[::-1])
    state = identity[:, :, :1]
    reach = [state]
    for step in closed[:-1].unbind(0):
        state = step @ state
        reach.append(state)
    return torch.stack(gains[::-1]), torch.stack(reach), value[:, 0, 0], torch.stack(pulls[::-1])
