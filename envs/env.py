"""The Gymnasium face of every world: a world, a task, and nothing else; `envs.vector` has the batched one.

Observations are uint8 pictures H x W x C. A world without dynamics is wrapped in `Moves`, so that an action moves one of its
factors.
"""

from __future__ import annotations

import copy
from typing import Any, ClassVar, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
import torch

from borders import unchecked
from envs.goals import Goals, check_action, pictures_of, spaces_of
from envs.moves import moving
from envs.tasks import Task
from envs.world import World


@runtime_checkable
class MovesOne(Protocol):
    """An ability of worlds that can move and draw one state faster than a batch of one; the numbers are the same."""

    def move_one(self, factors: tuple[float, ...], action: tuple[float, ...]) -> tuple[float, ...]:
        """The next factors, without noise."""
        ...

    def draw_one(self, factors: tuple[float, ...]) -> np.ndarray:
        """A fresh picture, uint8 H x W x C."""
        ...


class WorldEnv(gym.Env, Goals):
    """One episode at a time in `world` with `task`.

    The observation is the picture, or where `symbolic` the factors, float32 [K] within their ranges; with `goal_dict` it
    is a dict of that, the achieved and the desired goal. Box actions outside
    the space are clipped; discrete ones outside it and actions that are not finite or of another shape raise ValueError,
    as do starts and goals that cannot occur. `info` holds `factors`,
    `goal_factors`, `distance`, `success` (and `is_success` for Stable-Baselines3); `reset` adds `goal`, the goal's picture.
    An episode does not end by itself: `gym.make` limits its length.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 10}  # type: ignore[misc]

    def __init__(
        self,
        world: World,
        task: Task,
        render_mode: str | None = None,
        goal_dict: bool = False,
        symbolic: bool = False,
    ):
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.world, self.task, self.render_mode, self.goal_dict = moving(world), task, render_mode, goal_dict
        self.symbolic = symbolic
        self.observation_space = spaces_of(self.world, task, goal_dict, symbolic)
        self.action_space = copy.deepcopy(self.world.action_space)
        self._factors: np.ndarray | None = None
        noisy = bool(getattr(self.world, "noise", 0))
        self._quick = self.world if isinstance(self.world, MovesOne) and not noisy else None
        if self._quick is not None:  # what these are given was checked, and a step is quicker than their borders
            self._move_one, self._draw_one = unchecked(self._quick.move_one), unchecked(self._quick.draw_one)
        self._generator = torch.Generator()
        if goal_dict:
            self.compute_reward = self._compute_reward

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A new episode; the seed fixes its start, its goal and its noise, `options` may give "start" or "goal" factors."""
        super().reset(seed=seed)
        self._generator.manual_seed(int(self.np_random.integers(2**31)))
        start, goal = self._begin(1, options)
        self._factors, self._goal = start[0].numpy(), goal[0].numpy()
        self._wanted = self._goal[self.task.goal_columns]
        self._goal_picture = pictures_of(self.world, goal)[0]
        observation, _, info = self._look()
        info["goal"] = self._goal_picture.copy()
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step of the world."""
        if self._factors is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        array = check_action(action, self.action_space, self.action_space.shape or ())
        if self._quick is not None:
            self._factors = np.array(
                self._move_one(tuple(self._factors.tolist()), tuple(array.reshape(-1).tolist())), np.float32
            )
        else:
            actions = torch.as_tensor(array[None], dtype=torch.int64 if array.ndim == 0 else torch.float32)
            self._factors = self.world.step(torch.from_numpy(self._factors)[None], actions, self._generator)[0].numpy()
        observation, reward, info = self._look()
        return observation, reward, False, False, info

    def render(self) -> np.ndarray | None:
        """The current state as an enlarged RGB picture, the goal in green; None without a render mode."""
        if self._factors is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        return None if self.render_mode is None else self._shown(self._picture(), self._goal_picture)

    def _picture(self) -> np.ndarray:
        assert self._factors is not None
        if self._quick is not None:
            return self._draw_one(tuple(self._factors.tolist()))
        return pictures_of(self.world, torch.from_numpy(self._factors)[None])[0]

    def _look(self) -> tuple[Any, float, dict[str, Any]]:
        assert self._factors is not None
        achieved = self._factors[self.task.goal_columns]
        verdict = self.task.verdict(float(self.task.distance(achieved, self._wanted)))
        info = {
            "factors": self._factors.copy(),
            "goal_factors": self._goal.copy(),
            "distance": verdict.distance,
            "success": verdict.success,
            "is_success": verdict.success,
        }
        seen = self._factors.copy() if self.symbolic else self._picture()
        if not self.goal_dict:
            return seen, verdict.reward, info
        observation = {
            "observation": seen,
            "achieved_goal": achieved.copy(),
            "desired_goal": self._wanted.copy(),
        }
        return observation, verdict.reward, info
