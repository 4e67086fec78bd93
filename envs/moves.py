"""Any world as a moving one: an action moves one of its factors, or all that can move, each by its own amount.

    discrete   action 2 k lowers factor k by a step, 2 k + 1 raises it
    box        f_k' = f_k + d_k u_k,   u in [-1, 1]^m, one entry for every factor that is not a class

A step d_k goes to the neighbouring value of a finite factor (the mean spacing in the box, which stops between values too)
and is a twentieth of the range of a continuous one. Circular factors and classes wrap around, others stop at their ends.
"""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from envs.world import Factor, MovingWorld, World

PART = 20  # steps over the range of a continuous factor


class Moves(MovingWorld):
    """A world whose actions move its factors; `box` takes a continuous action for all of them at once.

    In the box, classes stay as they are, actions beyond [-1, 1] are clipped, and a state that would not be `possible`
    is not entered. `moved` holds the columns that the entries of an action move. Raises ValueError for a box over
    a world that has nothing but classes.
    """

    action_space: gym.spaces.Box | gym.spaces.Discrete

    def __init__(self, world: World, box: bool = False):
        self.world, self.box = world, box
        self.factors, self.shape = world.factors, world.shape
        kept = range(len(world.factors))
        self.moved = tuple(k for k in kept if not box or world.factors[k].kind != "categorical")
        if not self.moved:
            raise ValueError(f"a box of actions needs a factor that is not a class, the world has {world.names}")
        self.action_space = (
            gym.spaces.Box(-1, 1, (len(self.moved),), np.float32) if box else gym.spaces.Discrete(2 * len(self.moved))
        )

    def possible(self, factors: Tensor) -> Tensor:
        """As in the world itself."""
        return self.world.possible(factors)

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        return self.world.sample(n, generator)

    def _render(self, factors: Tensor) -> Tensor:
        return self.world.render(factors)

    def screens(self, factors: Tensor) -> Tensor:
        """As in the world itself."""
        return self.world.screens(factors)

    def step(self, factors: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The next factors [n, K] after actions [n] in 0 .. 2 K - 1, or [n, m] in the box; ValueError for others."""
        following = self._in_box(factors, actions) if self.box else self._discrete(factors, actions)
        return torch.where(self.possible(following)[:, None], following, factors)

    def _in_box(self, factors: Tensor, actions: Tensor) -> Tensor:
        columns = list(factors.unbind(1))
        for k, push in zip(self.moved, actions.to(factors).clamp(-1, 1).unbind(1), strict=True):
            factor = self.factors[k]
            value = columns[k] + _step(factor) * push
            columns[k] = value % factor.high if factor.kind == "circular" else value.clamp(factor.low, factor.high)
        return torch.stack(columns, 1)

    def _discrete(self, factors: Tensor, actions: Tensor) -> Tensor:
        following = factors.clone()
        for k, factor in enumerate(self.factors):
            chosen = actions // 2 == k
            sign = (actions[chosen] % 2) * 2 - 1
            value = factors[chosen, k]
            if factor.values:
                values = torch.tensor(factor.values, device=factors.device, dtype=factors.dtype)
                index = (value[:, None] - values).abs().argmin(1) + sign
                wraps = factor.kind in ("categorical", "circular")
                index = index % len(values) if wraps else index.clamp(0, len(values) - 1)
                following[chosen, k] = values[index]
            else:
                value = value + sign * _step(factor)
                following[chosen, k] = (
                    value % factor.high if factor.kind == "circular" else value.clamp(factor.low, factor.high)
                )
        return following


def moving(world: World, box: bool = False) -> MovingWorld:
    """The world itself where it moves, else the world with actions that move its factors.

    With `box` the actions are a Box: a world whose own actions are discrete gets those of `Moves` in their place.
    """
    if isinstance(world, MovingWorld) and not (box and isinstance(world.action_space, gym.spaces.Discrete)):
        return world
    return Moves(world.world if isinstance(world, Moves) else world, box)


def _step(factor: Factor) -> float:
    """How far an action of size 1 moves a factor: the mean spacing of its values, or a part of its range."""
    if not factor.values:
        return (factor.high - factor.low) / PART
    return (factor.values[-1] - factor.values[0]) / max(len(factor.values) - 1, 1)
