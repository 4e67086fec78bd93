"""What the single and the batched environment share: spaces, goals, rewards, and the refusal of wrong actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from torch import Tensor

from envs.tasks import Task
from envs.world import Factor, MovingWorld, World

SCALE = 8


def spaces_of(world: MovingWorld, task: Task, goal_dict: bool, symbolic: bool) -> gym.Space:
    """The observations of one environment: pictures or factors, and with `goal_dict` the goal beside them."""
    channels, height, width = world.shape
    picture = gym.spaces.Box(0, 255, (height, width, channels), np.uint8)
    seen = _ranges(world.factors) if symbolic else picture
    if not goal_dict:
        return seen
    goal = _ranges(world.factors[task.goal_columns])
    return gym.spaces.Dict({"observation": seen, "achieved_goal": goal, "desired_goal": goal})


def _ranges(factors: Sequence[Factor]) -> gym.spaces.Box:
    low = np.array([factor.low for factor in factors], np.float32)
    return gym.spaces.Box(low, np.array([factor.high for factor in factors], np.float32))


def pictures_of(world: World, factors: Tensor) -> np.ndarray:
    """Pictures uint8 [n, H, W, C] of factor rows [n, K]."""
    return world.screens(factors).cpu().numpy()


def check_action(action: Any, space: gym.Space, shape: tuple[int, ...]) -> np.ndarray:
    """The action, or the actions of a batch, of this shape; ValueError unless each is in `space` (a box takes more)."""
    array = np.asarray(action)
    if array.shape != shape:
        raise ValueError(f"action must have shape {shape} for {space}, got {array.shape}: {action!r}")
    if isinstance(space, gym.spaces.Discrete):
        if array.dtype.kind not in "iu" or (array < 0).any() or (array >= space.n).any():
            raise ValueError(f"action must be of whole numbers from 0 to {space.n - 1}, got {action!r}")
    elif array.dtype.kind not in "fiu" or not np.isfinite(array.sum()):
        raise ValueError(f"action must hold finite numbers in {space}, got {action!r}")
    return array


def check_options(options: dict[str, Any] | None, known: tuple[str, ...]) -> None:
    """Raise TypeError unless the options of `reset` are a dict, ValueError for one that is not known."""
    if options is not None and not isinstance(options, dict):
        raise TypeError(f"reset takes its options as a dict with {', '.join(known)}, got {options!r}")
    for option in options or ():
        if option not in known:
            raise ValueError(f"reset has no option {option!r}; its options are {', '.join(known)}")


class Goals:
    """What both environments share: the reward of goal-conditioned learners, and the shown picture.

    `compute_reward` exists only in the dict form, since Stable-Baselines3 takes its presence for a declaration.
    """

    world: MovingWorld
    task: Task
    _generator: torch.Generator

    def _compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> Any:
        """The rewards of goals [n, d] (or [d]) had they been desired, as hindsight replay asks for them."""
        achieved, desired = self._as_goal("achieved_goal", achieved_goal), self._as_goal("desired_goal", desired_goal)
        if achieved.shape != desired.shape:
            raise ValueError(
                f"achieved_goal and desired_goal must be of one shape, got {achieved.shape}, {desired.shape}"
            )
        distance = np.asarray(self.task.distance(achieved, desired))
        return self.task.verdict(distance if distance.ndim else float(distance)).reward

    def _as_goal(self, name: str, given: Any) -> np.ndarray:
        """Goals as numbers [n, d] or [d]; TypeError or ValueError for anything else."""
        goals, size = np.asarray(given), len(self.world.factors[self.task.goal_columns])
        if goals.dtype.kind not in "fiu":
            raise TypeError(f"{name} must hold numbers, got {goals.dtype}")
        if goals.ndim not in (1, 2) or goals.shape[-1] != size:
            raise ValueError(f"{name} must have shape [n, {size}] or [{size}], got {list(goals.shape)}")
        if not np.isfinite(goals).all():
            raise ValueError(f"{name} must be finite, got {goals.tolist()}")
        return goals

    def _begin(self, n: int, options: dict[str, Any] | None) -> tuple[Tensor, Tensor]:
        """Start and goal of n episodes: the task's, unless `options` gives factor rows as "start" or "goal"."""
        check_options(options, ("start", "goal"))
        rows = list(self.task.begin(n, self._generator))
        for index, name in enumerate(("start", "goal")):
            if options and name in options:
                rows[index] = self._given(f"options[{name!r}]", options[name], n)
        return rows[0], rows[1]

    def _given(self, name: str, rows: Any, n: int) -> Tensor:
        """Factor rows [n, K], or one [K] for all, of states that can occur; ValueError for others."""
        given = torch.as_tensor(np.asarray(rows, np.float32))
        given = given.expand(n, -1).clone() if given.ndim == 1 else given
        given = self.world.within(given)
        if len(given) != n:
            raise ValueError(f"{name} must hold {n} factor rows, got {len(given)}")
        boxed = isinstance(self.world.action_space, gym.spaces.Box)
        for k, factor in enumerate(self.world.factors):
            if factor.values and (factor.kind == "categorical" or not boxed):
                values = torch.tensor(factor.values)
                nearest = values[(given[:, k, None] - values).abs().argmin(1)]
                if not torch.allclose(given[:, k], nearest, rtol=0, atol=1e-3):
                    raise ValueError(
                        f"{name}: factor {factor.name!r} must be one of {factor}, got {given[:, k].tolist()}"
                    )
        possible = self.world.possible(given)
        if not possible.all():
            raise ValueError(f"{name}: no state of this world is {given[~possible][0].tolist()} {self.world.names}")
        return given

    def _shown(self, picture: np.ndarray, goal: np.ndarray) -> np.ndarray:
        """An RGB picture, enlarged, with the goal's differing pixels tinted green."""
        shown = np.broadcast_to(picture, (*picture.shape[:2], 3)).copy()
        wanted = (goal != picture).any(-1) & (goal > picture).any(-1)
        shown[wanted] = (60, 160, 60)
        return shown.repeat(SCALE, 0).repeat(SCALE, 1) if len(shown) <= 80 else shown
