"""Any world as a moving one: an action moves one of its factors."""

from __future__ import annotations

import gymnasium as gym
import torch
from torch import Tensor

from envs.world import MovingWorld, World


class Moves(MovingWorld):
    """A world whose actions move one factor a step: action 2 k lowers factor k, 2 k + 1 raises it.

    A finite factor goes to the neighbouring value, a continuous one a twentieth of its range; circular factors and
    classes wrap around, others stop at their ends.
    """

    def __init__(self, world: World):
        self.world = world
        self.factors, self.shape = world.factors, world.shape
        self.action_space = gym.spaces.Discrete(2 * len(world.factors))

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        return self.world.sample(n, generator)

    def _render(self, factors: Tensor) -> Tensor:
        return self.world.render(factors)

    def step(self, factors: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The next factors [n, K] after actions [n] in 0 .. 2 K - 1; ValueError for others."""
        if actions.shape != (len(factors),) or not ((actions >= 0) & (actions < 2 * len(self.factors))).all():
            raise ValueError(
                f"actions must be {len(factors)} whole numbers below {2 * len(self.factors)}, got {actions}"
            )
        following = factors.clone()
        for k, factor in enumerate(self.factors):
            chosen = actions // 2 == k
            sign = (actions[chosen] % 2) * 2 - 1
            value = factors[chosen, k]
            if factor.values:
                values = torch.tensor(factor.values, device=factors.device)
                index = (value[:, None] - values).abs().argmin(1) + sign
                wraps = factor.kind in ("categorical", "circular")
                index = index % len(values) if wraps else index.clamp(0, len(values) - 1)
                following[chosen, k] = values[index]
            else:
                value = value + sign * (factor.high - factor.low) / 20
                following[chosen, k] = (
                    value % factor.high if factor.kind == "circular" else value.clamp(factor.low, factor.high)
                )
        return following


def moving(world: World) -> MovingWorld:
    """The world itself where it moves, else the world with actions that move its factors."""
    return world if isinstance(world, MovingWorld) else Moves(world)
