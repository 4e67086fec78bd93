"""The Gymnasium face of every world, a whole batch at once."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from torch import Tensor

from borders import Count, checked
from envs.goals import Goals, check_action, pictures_of, spaces_of
from envs.moves import moving
from envs.tasks import Task, Verdict
from envs.world import World


def autoreset(mode: AutoresetMode | str) -> AutoresetMode:
    """Gymnasium's mode of that name or value, SAME_STEP or NEXT_STEP; ValueError for others."""
    known = {
        key: found for found in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP) for key in (found.name, found.value)
    }
    name = mode.name if isinstance(mode, AutoresetMode) else mode
    if name not in known:
        raise ValueError(f"autoreset_mode must be 'SAME_STEP' or 'NEXT_STEP', got {mode!r}")
    return known[name]


class WorldVectorEnv(gym.vector.VectorEnv, Goals):
    """`num_envs` episodes moved as one batch; episodes that reach `max_episode_steps` start again by themselves.

    Observations are those of `WorldEnv`, a row each; an action that is refused changes no row. `autoreset_mode` says when:

    SAME_STEP: the observation is the new episode's first, and `info["final_obs"]` holds the last ones [num_envs, ...] of the
    rows that `info["_final_obs"]` marks, `info["final_info"]` their factors and success.
    NEXT_STEP: the next step starts the new episode, whatever the action, with reward 0; Gymnasium's wrappers want this.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]
        "render_modes": ["rgb_array"],
        "render_fps": 10,
        "autoreset_mode": AutoresetMode.SAME_STEP,
    }

    @checked
    def __init__(
        self,
        world: World,
        task: Task,
        num_envs: Count,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        goal_dict: bool = False,
        symbolic: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ):
        if max_episode_steps is not None and max_episode_steps < 1 and max_episode_steps != -1:
            raise ValueError(f"max_episode_steps must be at least 1, or -1 for no limit, got {max_episode_steps}")
        if max_episode_steps == -1:  # as `gymnasium.make` has it
            max_episode_steps = None
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.metadata = {**self.metadata, "autoreset_mode": autoreset(autoreset_mode)}  # type: ignore[misc]
        self._same_step = self.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        self.num_envs, self.max_episode_steps, self.goal_dict = num_envs, max_episode_steps, goal_dict
        self.symbolic = symbolic
        self.world, self.task, self.render_mode = moving(world), task, render_mode
        self.single_observation_space = spaces_of(self.world, task, goal_dict, symbolic)
        self.single_action_space = copy.deepcopy(self.world.action_space)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._generator = torch.Generator()
        self._factors: Tensor | None = None
        if goal_dict:
            self.compute_reward = self._compute_reward

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:  # type: ignore[override]
        """New episodes in every row; one seed fixes them all, `options` may give "start" or "goal" factors."""
        super().reset(seed=seed)
        self._generator.manual_seed(int(self.np_random.integers(2**31)))
        self._factors, self._goals = self._begin(self.num_envs, options)
        self._steps, self._ended = np.zeros(self.num_envs, np.int64), np.zeros(self.num_envs, bool)
        info = self._info(self._factors, self.task.judge(self._factors, self._goals))
        info["goal"] = pictures_of(self.world, self._goals)
        return self._observation(self._factors), info

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step in every row; rows that end, or ended in NEXT_STEP, start a new episode."""
        if self._factors is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        array = check_action(actions, self.single_action_space, self.action_space.shape or ())
        dtype = torch.float32 if array.ndim > 1 else torch.int64
        factors = self.world.step(self._factors, torch.as_tensor(array, dtype=dtype), self._generator)
        self._steps += 1
        fresh = self._ended
        if fresh.any():
            factors = self._restart(factors, fresh)
        verdict = self.task.judge(factors, self._goals)
        reward, info = verdict.reward.numpy(), self._info(factors, verdict)
        reward[fresh] = 0
        terminated = np.zeros(self.num_envs, bool)
        truncated = self._steps >= self.max_episode_steps if self.max_episode_steps else terminated.copy()
        if self._same_step and truncated.any():
            info |= {
                "final_obs": self._observation(factors),
                "_final_obs": truncated.copy(),
                "final_info": dict(info),
                "_final_info": truncated.copy(),
            }
            factors, fresh = self._restart(factors, truncated), truncated
            info |= self._info(factors, self.task.judge(factors, self._goals))
        elif not self._same_step:
            self._ended = truncated.copy()
        if fresh.any():
            info["goal"], info["_goal"] = pictures_of(self.world, self._goals), fresh.copy()
        self._factors = factors
        return self._observation(factors), reward, terminated, truncated, info

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Every row's state as an enlarged RGB picture; None without a render mode."""
        if self._factors is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        if self.render_mode is None:
            return None
        states, goals = pictures_of(self.world, self._factors), pictures_of(self.world, self._goals)
        return tuple(self._shown(state, goal) for state, goal in zip(states, goals, strict=True))

    def _restart(self, factors: Tensor, rows: np.ndarray) -> Tensor:
        """The factors with new episodes in the marked rows, which get new goals and a count of 0 too."""
        chosen = torch.from_numpy(rows)
        starts, goals = self.task.begin(int(rows.sum()), self._generator)
        factors, self._goals = factors.clone(), self._goals.clone()
        factors[chosen], self._goals[chosen] = starts, goals
        self._steps[rows] = 0
        return factors

    def _observation(self, factors: Tensor) -> Any:
        seen = factors.numpy().copy() if self.symbolic else pictures_of(self.world, factors)
        if not self.goal_dict:
            return seen
        return {
            "observation": seen,
            "achieved_goal": factors[:, self.task.goal_columns].numpy().copy(),
            "desired_goal": self._goals[:, self.task.goal_columns].numpy().copy(),
        }

    def _info(self, factors: Tensor, verdict: Verdict) -> dict[str, Any]:
        success = verdict.success.numpy()
        return {
            "factors": factors.numpy().copy(),
            "goal_factors": self._goals.numpy().copy(),
            "distance": verdict.distance.numpy(),
            "success": success,
            "is_success": success,
        }
