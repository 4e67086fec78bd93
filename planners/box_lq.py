"""The linear-quadratic problem with a box, which iLQR solves at every iteration.

    minimise   1/2 sum_{t < T} w_t' L_t w_t + 1/2 y_T' V_T y_T         w = (1, dx, du),  y = (1, dx)
    over       low_t <= du_t <= high_t
    where      y_{t+1} = F_t w_t,  dx_0 = 0

The leading 1 carries the linear terms, so that one matrix product does what is usually written as five:

    Q_t = L_t + F_t' V_{t+1} F_t                          [Tassa et al. 2012, eq. 5]
    G_t = -Q_uu^-1 Q_uy,  du = G_t y                      [eq. 6: the columns of G are the gains k and K]
    V_t = Q_yy + Q_yu G_t                                 [eq. 6 in eq. 5: the value of the minimum]

The box is met by the primal-dual active set method over the whole sequence. With some entries of du held at a bound b
(substituted, which changes F and L) the problem has the exact solution above. Then entries that leave the box are held,
held ones whose multiplier dJ/du pulls inwards are freed, until nothing changes, and the answer is exact [Hintermueller,
Ito and Kunisch 2002]. The first sweeps look for such entries along states that clamped actions reach, which needs fewer
sweeps; later ones follow the method to the letter, which cycles more rarely. Box-DDP [Tassa, Mansard and Todorov 2014]
clamps at the old states instead, and so needs several iterations even where the dynamics are linear.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

CLAMPED_SWEEPS, MAX_SWEEPS = 8, 30


@dataclass(frozen=True)
class Policy:
    """du = gains (1, dx): gains [T, B, m, 1 + n]; what is gained by it, [B]; the active set and whether it settled.

    active: int8 [T, B, m], -1 and 1 where an action is held at its lower and upper bound. settled: bool [B].
    """

    gains: Tensor
    gain: Tensor
    active: Tensor
    settled: Tensor

    def take(self, index: Tensor) -> Policy:
        """The policies of some of the B problems."""
        return Policy(self.gains[:, index], self.gain[index], self.active[:, index], self.settled[index])


def solve(
    transition: Tensor, stage: Tensor, final: Tensor, low: Tensor, high: Tensor, active: Tensor, boxed: bool
) -> Policy:
    """Solve B problems: F [T, B, 1 + n, 1 + n + m], L [T, B, 1 + n + m, 1 + n + m], V_T [B, 1 + n, 1 + n].

    low, high [T, B, m] bound du where `boxed`; `active` is the first guess of the active set.
    """
    steps, size = len(stage), final.shape[-1]
    slack = 64 * torch.finfo(low.dtype).eps
    values: list[Tensor] = [final] * (steps + 1)
    policies: list[tuple[Tensor, ...]] = [()] * steps
    if not boxed:
        _backward(transition, stage, values, policies)
        return Policy(_gains(policies, size), values[0][:, 0, 0] / -2, active, torch.ones_like(low[0, :, 0]) > 0)
    changed = steps
    for sweep in range(MAX_SWEEPS):
        held, free = _held(low, high, active)
        _backward(*_substitute(transition[:changed], stage[:changed], held[:changed], free[:changed]), values, policies)
        gains = _gains(policies, size)
        gains[..., 0] += held
        inside = (low, high) if sweep < CLAMPED_SWEEPS else None
        w, moves = _forward(transition, gains, inside)
        slope = _slope(transition, stage, torch.stack(values[1:]), w)
        below = torch.where(active < 0, slope > -slack * (1 + slope.abs()), moves < low - slack * (1 + low.abs()))
        above = torch.where(active > 0, slope < slack * (1 + slope.abs()), moves > high + slack * (1 + high.abs()))
        following = above.to(torch.int8) - below.to(torch.int8)
        moved = (following != active).any(2)
        if not bool(moved.any()):
            break
        changed = int(moved.any(1).nonzero()[-1]) + 1
        active = following
    return Policy(gains, values[0][:, 0, 0] / -2, active, ~moved.any(0))


def _held(low: Tensor, high: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
    """The value of every held entry (0 elsewhere), and 1 for every free one (0 elsewhere)."""
    return torch.where(active < 0, low, torch.where(active > 0, high, 0)), (active == 0).to(low.dtype)


def _substitute(transition: Tensor, stage: Tensor, held: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """F and L after du = held + free du': the held entries of du' act on nothing and cost 1/2 du'^2."""
    size = transition.shape[2]
    keep = torch.nn.functional.pad(free, (size, 0), value=1.0)
    b = held.unsqueeze(3)
    f = transition * keep.unsqueeze(2)
    f[..., 0] += (transition[..., size:] @ b).squeeze(3)
    pulled = (stage[..., size:] @ b).squeeze(3)
    cost = stage * keep.unsqueeze(2) * keep.unsqueeze(3)
    cost[..., 0] += pulled * keep
    cost[..., 0, :] += pulled * keep
    cost[..., 0, 0] += (pulled[..., size:] * held).sum(2)
    cost.diagonal(dim1=2, dim2=3)[..., size:] += 1 - free
    return f, cost


def _backward(transition: Tensor, stage: Tensor, values: list[Tensor], policies: list[tuple[Tensor, ...]]) -> None:
    """Fill in V_t and the elimination of du_t for all t below the number of steps given, from V at that step on.

    The actions are eliminated one after another, the last one first: entry i of du becomes -g_i of (1, dx) and of the
    entries before it, and what is left of Q in the end is V.
    """
    steps, size, every = len(stage), transition.shape[2], transition.shape[3]
    value = values[steps]
    into, across, costs = transition.mT.unbind(0), transition.unbind(0), stage.unbind(0)
    for t in range(steps - 1, -1, -1):
        q = torch.baddbmm(costs[t], into[t], torch.bmm(value, across[t])).permute(1, 2, 0)
        solution = []
        for i in range(every - 1, size - 1, -1):
            pull = q[i, :i]
            g = pull / q[i, i]
            q = torch.addcmul(q[:i, :i], pull.unsqueeze(1), g, value=-1)
            solution.append(g)
        value = q.permute(2, 0, 1)
        values[t], policies[t] = value, tuple(solution)


def _gains(policies: list[tuple[Tensor, ...]], size: int) -> Tensor:
    """G [T, B, m, 1 + n] from the eliminations of every step."""
    rows: list[Tensor] = []
    for i in range(len(policies[0]) - 1, -1, -1):
        g = torch.stack([policy[i] for policy in policies])
        row = -g[:, :size]
        for j, earlier in enumerate(rows):
            row = torch.addcmul(row, g[:, size + j, None], earlier, value=-1)
        rows.append(row)
    return torch.stack(rows, 1).permute(0, 3, 1, 2)


def _forward(transition: Tensor, gains: Tensor, box: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
    """The w = (1, dx, du) [T, B, 1 + n + m, 1] that the gains lead to, clamped into `box`, and du before that."""
    state = torch.zeros_like(transition[0, :, :, :1])
    state[:, 0] = 1
    asked, reached = [], []
    bounds = [(None, None)] * len(gains) if box is None else zip(*(b.unsqueeze(3).unbind(0) for b in box), strict=True)
    for f, gain, (least, most) in zip(transition.unbind(0), gains.unbind(0), bounds, strict=True):
        move = torch.bmm(gain, state)
        w = torch.cat([state, move if box is None else torch.clamp(move, least, most)], 1)
        state = torch.bmm(f, w)
        asked.append(move)
        reached.append(w)
    return torch.stack(reached), torch.stack(asked).squeeze(3)


def _slope(transition: Tensor, stage: Tensor, after: Tensor, w: Tensor) -> Tensor:
    """dJ/du [T, B, m], the multipliers of the held entries: Q_u w, with V_{t+1} `after` every step."""
    size = transition.shape[2]
    pull = stage[..., size:, :] @ w + transition[..., size:].mT @ (after @ (transition @ w))
    return pull.squeeze(3)
