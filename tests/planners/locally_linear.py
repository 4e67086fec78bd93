"""A seeded locally linear control problem of the form that learned latent models have, with analytic derivatives.

z' = A(z) z + B(z) u + c(z),    A = 0.95 I + 0.1 w r',  B = 0.15 I + 0.05 H_B,  c = 0.02 h_c
h = W_2 tanh(W_1 tanh(W_0 z + b_0) + b_1) + b_2 = (log-ish w, log-ish r, H_B, h_c),  w, r = softplus
cost  sum_{t < T} q |z_t - goal|^2 + r |u_t|^2,   |u| <= limit
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from planners import Problem

Weights = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]


def random_weights(generator: torch.Generator, hidden: int = 20, dtype: torch.dtype = torch.float64) -> Weights:
    """Weights and biases of the three layers 2 -> hidden -> hidden -> 10, uniform as in `torch.nn.Linear`."""
    drawn = []
    for inputs, outputs in ((2, hidden), (hidden, hidden), (hidden, 10)):
        for shape in ((outputs, inputs), (outputs,)):
            drawn.append((2 * torch.rand(shape, generator=generator, dtype=dtype) - 1) / inputs**0.5)
    return drawn[0], drawn[1], drawn[2], drawn[3], drawn[4], drawn[5]


def locally_linear(
    weights: Weights,
    goal: Tensor,
    limit: float | None,
    state_cost: float = 10.0,
    action_cost: float = 1.0,
    supplied: bool = False,
) -> Problem:
    """The problem with the given weights; `supplied` adds the analytic derivatives."""
    w0, b0, w1, b1, w2, b2 = weights
    identity = torch.eye(2, dtype=goal.dtype)

    # The constants 0.05 and 0.02 of B and c are folded into the last layer.
    scale = torch.cat([torch.ones(4), torch.full((4,), 0.05), torch.full((2,), 0.02)]).to(goal)
    into, middle, out, out_bias = w0.T, w1.T, (w2 * scale[:, None]).T, b2 * scale

    def parts(hidden: Tensor) -> tuple[Tensor, ...]:
        positive, b, c = torch.addmm(out_bias, hidden, out).split_with_sizes((4, 4, 2), 1)
        return *softplus(positive).split_with_sizes((2, 2), 1), b.view(-1, 2, 2), c

    def dynamics(z: Tensor, u: Tensor) -> Tensor:
        hidden = torch.tanh(torch.addmm(b1, torch.tanh(torch.addmm(b0, z, into)), middle))
        w, r, b, c = parts(hidden)
        moved = torch.add(torch.add(c, z, alpha=0.95), u, alpha=0.15) + (b * u.unsqueeze(1)).sum(2)
        return torch.addcmul(moved, w, (r * z).sum(1, keepdim=True), value=0.1)

    def cost(z: Tensor, u: Tensor) -> Tensor:
        return state_cost * (z - goal).square().sum(1) + action_cost * u.square().sum(1)

    def final_cost(z: Tensor) -> Tensor:
        return z.new_zeros(len(z))

    if not supplied:
        return Problem(dynamics, cost, final_cost, None if limit is None else -limit, limit)

    def linearize(z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        first = torch.tanh(torch.addmm(b0, z, into))
        second = torch.tanh(torch.addmm(b1, first, middle))
        w, r, b, _ = parts(second)
        tangents = torch.addcmul(into[:, None], into[:, None], first.square(), value=-1) @ middle
        slope = (torch.addcmul(tangents, tangents, second.square(), value=-1) @ out).permute(1, 2, 0)
        rate = slope[:, :4] * -torch.expm1(-torch.cat([w, r], 1)).unsqueeze(2)
        along = (r * z).sum(1)[:, None, None]
        turned = r + (rate[:, 2:] * z.unsqueeze(2)).sum(1)
        sheared = 0.1 * (rate[:, :2] * along + w.unsqueeze(2) * turned.unsqueeze(1))
        pushed = (slope[:, 4:8].unflatten(1, (2, 2)) * u[:, None, :, None]).sum(2)
        return 0.95 * identity + sheared + pushed + slope[:, 8:], 0.15 * identity + b

    bend = torch.block_diag(2 * state_cost * identity, 2 * action_cost * identity)

    def quadratize(z: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
        return torch.cat([2 * state_cost * (z - goal), 2 * action_cost * u], 1), bend.expand(len(z), 4, 4)

    def final_quadratize(z: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(z), z.new_zeros(len(z), 2, 2)

    return Problem(
        dynamics,
        cost,
        final_cost,
        None if limit is None else -limit,
        limit,
        linearize=linearize,
        quadratize=quadratize,
        final_quadratize=final_quadratize,
    )
