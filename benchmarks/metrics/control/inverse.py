"""Inverse models: the action from a code and a goal's code, learned from where trajectories led (hindsight).

    data       trajectories of random actions that persist;  pairs (z_t, z_{t + h}), h >= 1, and the action u_t between
    ridge      u = clip(R (z, g, 1))
    network    u = clip(N(z, g)),  two hidden layers of 64 rectifiers, Adam

Ghosh et al. 2021 (goal-conditioned supervised learning), with random data in place of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from benchmarks.metrics.control.task import ControlTask
from envs.world import Where

LENGTH, JITTER = 20, 0.3
PAIRS, BATCH, RATE, WIDTH = 20_000, 256, 2e-3, 64
PENALTY = 1e-3  # of the ridge, for each row
Inverse = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Pairs:
    """Codes [n, d], codes reached later [n, d], and the first action on the way [n, m]."""

    code: Tensor
    reached: Tensor
    action: Tensor


def gather(
    task: ControlTask,
    encode: Callable[[Tensor], Tensor],
    trajectories: int,
    generator: torch.Generator,
    avoid: Where | None = None,
) -> Pairs:
    """Hindsight pairs from random trajectories of 20 steps; none of them touches a state for which `avoid` is true."""
    outside: Where | None = None if avoid is None else lambda named: ~avoid(named)
    states = [task.sample(trajectories, generator, outside)]
    drift = 2 * torch.rand(trajectories, task.action_size, generator=generator, dtype=torch.float64) - 1
    actions = []
    for _ in range(LENGTH):
        noise = torch.randn(drift.shape, generator=generator, dtype=torch.float64)
        actions.append((drift + JITTER * noise).clamp(-1, 1))
        states.append(task.step(states[-1], actions[-1], generator))
    path = torch.stack(states, 1)
    first = torch.randint(LENGTH, (PAIRS,), generator=generator)
    left = torch.rand(PAIRS, generator=generator)
    last = first + 1 + (left * (LENGTH - first)).long()
    row = torch.randint(trajectories, (PAIRS,), generator=generator)
    codes = encode(path.flatten(0, 1)).view(*path.shape[:2], -1)
    kept = torch.ones(PAIRS, dtype=torch.bool)
    if avoid is not None:
        entered = task.holds(avoid, path.flatten(0, 1)).view(path.shape[:2]).long().cumsum(1)
        kept = entered[row, last] == 0  # trajectories start outside
    row, first, last = row[kept], first[kept], last[kept]
    return Pairs(codes[row, first], codes[row, last], torch.stack(actions, 1)[row, first])


def ridge(pairs: Pairs) -> Inverse:
    """The ridge regression of the action, in closed form; it rotates with the code."""
    x = torch.cat([pairs.code, pairs.reached], 1)
    middle, height = x.mean(0), pairs.action.mean(0)
    centred = x - middle
    gram = centred.T @ centred + PENALTY * len(x) * torch.eye(x.shape[1], dtype=x.dtype)
    weight = torch.linalg.solve(gram, centred.T @ (pairs.action - height))
    return lambda code, goal: ((torch.cat([code, goal], 1) - middle) @ weight + height).clamp(-1, 1)


def network(pairs: Pairs, steps: int, seed: int) -> Inverse:
    """A small network for the action, in single precision."""
    x, y = torch.cat([pairs.code, pairs.reached], 1).float(), pairs.action.float()
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = nn.Sequential(
            nn.Linear(x.shape[1], WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(), nn.Linear(WIDTH, y.shape[1])
        )
    optimizer = torch.optim.Adam(layers.parameters(), RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        rows = torch.randint(len(x), (BATCH,), generator=generator)
        loss = (layers(x[rows]) - y[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    @torch.no_grad()
    def act(code: Tensor, goal: Tensor) -> Tensor:
        return layers(torch.cat([code, goal], 1).float()).double().clamp(-1, 1)

    return act
