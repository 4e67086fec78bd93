"""Observations of a moving world for pretraining: drawn all over it, along random walks, or by a policy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from benchmarks.harness.policy import restore
from envs.stored import Stored
from envs.world import MovingWorld

Act = Callable[[Tensor], Tensor]
EPISODE = 40


@dataclass(frozen=True)
class Observations:
    """Transitions: pictures x, x_next uint8 [n, C, H, W], actions u [n, m] (one-hot if discrete), factors [n, K]."""

    x: Tensor
    u: Tensor
    x_next: Tensor
    factors: Tensor


def collect(
    world: MovingWorld | Stored, n: int, generator: torch.Generator, how: str = "factors", act: Act | None = None
) -> Observations:
    """`n` transitions of a moving world (`envs.moves.moving` makes one of any).

    With "factors" every transition starts from its own draw of the world; with "walk" a draw starts an episode of 40
    steps, 64 of them at a time. `act` gives actions for pictures uint8 [b, C, H, W]; without it they are uniform. Stored
    pictures have no moves: each is its own successor.
    """
    if isinstance(world, Stored):
        factors, seen = world.draw(n, generator)
        return Observations(seen, torch.zeros(n, 0), seen, factors)
    rows = n if how == "factors" else min(n, 64)
    length = 1 if how == "factors" else EPISODE
    parts: list[tuple[Tensor, ...]] = []
    while sum(len(part[0]) for part in parts) < n:
        factors = world.sample(rows, generator)
        for _ in range(length):
            actions = uniform(world.action_space, rows, generator) if act is None else act(world.render(factors))
            following = world.step(factors, actions, generator)
            parts.append((factors, actions, following))
            factors = following
    return _observations(world, parts, n)


def collect_by(folder: Path, world: MovingWorld, n: int, seed: int) -> Observations:
    """`n` transitions of the world along episodes of a saved policy's task, its actions drawn as when it learned.

    ValueError where the policy lives in another world.
    """
    policy, envs = restore(folder, min(n, 64), seed)
    if envs.get_attr("world")[0].factors != world.factors:
        raise ValueError(f"the policy in {folder} was trained in another world")
    seen: Any = envs.reset()
    now = _factors(envs.unwrapped.reset_infos)
    parts: list[tuple[Tensor, ...]] = []
    while sum(len(part[0]) for part in parts) < n:
        actions, _ = policy.predict(seen, deterministic=False)
        seen, _, dones, infos = envs.step(actions)
        after = _factors(infos)
        parts.append((now, torch.from_numpy(actions), after))
        now = torch.where(torch.from_numpy(dones)[:, None], _factors(envs.unwrapped.reset_infos), after)
    return _observations(world, parts, n)


def _factors(infos: Sequence[Mapping[str, Any]]) -> Tensor:
    return torch.from_numpy(np.stack([info["factors"] for info in infos]))


def _observations(world: MovingWorld, parts: Sequence[tuple[Tensor, ...]], n: int) -> Observations:
    """The first `n` of transitions in pieces (factors, actions, next factors)."""
    before, u, after = (torch.cat(part)[:n] for part in zip(*parts, strict=True))
    if isinstance(world.action_space, gym.spaces.Discrete):
        u = torch.nn.functional.one_hot(u.long(), int(world.action_space.n)).float()
    return Observations(world.render(before), u, world.render(after), before)


def uniform(space: gym.Space, n: int, generator: torch.Generator) -> Tensor:
    """`n` actions drawn uniformly from a box or a discrete space."""
    if isinstance(space, gym.spaces.Discrete):
        return torch.randint(int(space.n), (n,), generator=generator)
    assert isinstance(space, gym.spaces.Box)
    low, high = torch.from_numpy(space.low), torch.from_numpy(space.high)
    return low + (high - low) * torch.rand(n, *low.shape, generator=generator)
