"""A seeded locally linear control problem of the form that learned latent models have, with analytic derivatives.

z' = A(z) z + B(z) u + c(z),    A = 0.95 I + 0.1 w r',  B = 0.15 I + 0.05 H_B,  c = 0.02 h_c
h = W_2 tanh(W_1 tanh(W_0 z + b_0) + b_1) + b_2 = (log-ish w, log-ish r, H_B, h_c),  w, r = softplus
cost  sum_{t < T} q |z_t - goal|^2 + r |u_t|^2,   |u| <= limit

`LocallyLinear` holds such a problem with its starts: generated from a seed, or read from an npz file.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.functional import softplus

from borders.files import read_npz
from planners import Problem

Weights = tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]
LAYERS = ("net_0", "net_2", "head")


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


@dataclass(frozen=True)
class LocallyLinear:
    """A problem and its starts x0 [n, 2], to be planned over `horizon` steps; `source` says where it comes from."""

    weights: Weights
    goal: Tensor
    limit: float
    state_cost: float
    action_cost: float
    x0: Tensor
    horizon: int
    source: str

    def problem(self, supplied: bool) -> Problem:
        """What a planner is asked, with analytic derivatives or without."""
        return locally_linear(self.weights, self.goal, self.limit, self.state_cost, self.action_cost, supplied)


def generated(n: int, horizon: int, generator: torch.Generator) -> LocallyLinear:
    """A problem with random weights and `n` normal starts."""
    x0 = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    goal = torch.tensor([1.0, -0.5], dtype=torch.float64)
    return LocallyLinear(random_weights(generator), goal, 1.0, 10.0, 1.0, x0, horizon, "generated")


def read(path: Path) -> LocallyLinear:
    """The problem in an npz file: `net_0`, `net_2`, `head` (`_weight`, `_bias`), goal, limit, q, r, x0, horizon.

    ValueError says which file is not such a problem, and why.
    """
    what = "an npz file with a locally linear problem"
    path = path.expanduser()
    arrays = read_npz(path, what)
    try:
        data = {name: torch.as_tensor(array, dtype=torch.float64) for name, array in arrays.items()}
        w = [data[f"{layer}_{kind}"] for layer in LAYERS for kind in ("weight", "bias")]
        numbers = [data[name].item() for name in ("limit", "q", "r", "horizon")]
        goal, x0 = data["goal"], data["x0"]
    except (ValueError, TypeError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path} should be {what}, but it is not: {error!r}") from None
    if x0.ndim != 2 or x0.shape[1] != 2 or goal.shape != (2,):
        raise ValueError(f"{path}: x0 must be [n, 2] and goal [2], got {list(x0.shape)} and {list(goal.shape)}")
    weights = (w[0], w[1], w[2], w[3], w[4], w[5])
    return LocallyLinear(weights, goal, numbers[0], numbers[1], numbers[2], x0, int(numbers[3]), path.name)
