"""The Gymnasium face of every world: a world, a task, and nothing else.

`WorldVectorEnv` moves a whole batch at once; `WorldEnv` is the single environment. Observations are uint8 pictures
H x W x C. A world without dynamics is wrapped in `Moves`, so that an action moves one of its factors.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from torch import Tensor

from borders import unchecked
from envs.moves import moving
from envs.tasks import Task, Verdict
from envs.world import Factor, MovingWorld, World

SCALE = 8


@runtime_checkable
class MovesOne(Protocol):
    """An ability of worlds that can move and draw one state faster than a batch of one; the numbers are the same."""

    def move_one(self, factors: tuple[float, ...], action: tuple[float, ...]) -> tuple[float, ...]:
        """The next factors, without noise."""
        ...

    def draw_one(self, factors: tuple[float, ...]) -> np.ndarray:
        """A fresh picture, uint8 H x W x C."""
        ...


def _spaces(world: MovingWorld, task: Task, goal_dict: bool, symbolic: bool) -> gym.Space:
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


def _pictures(world: World, factors: Tensor) -> np.ndarray:
    return world.screens(factors).cpu().numpy()


def _check_action(action: Any, space: gym.Space, shape: tuple[int, ...]) -> np.ndarray:
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
    """Raise ValueError for an option of `reset` that is not known."""
    for option in options or ():
        if option not in known:
            raise ValueError(f"reset has no option {option!r}; its options are {', '.join(known)}")


def autoreset(mode: AutoresetMode | str) -> AutoresetMode:
    """Gymnasium's mode of that name or value, SAME_STEP or NEXT_STEP; ValueError for others."""
    known = {
        key: found for found in (AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP) for key in (found.name, found.value)
    }
    name = mode.name if isinstance(mode, AutoresetMode) else mode
    if name not in known:
        raise ValueError(f"autoreset_mode must be 'SAME_STEP' or 'NEXT_STEP', got {mode!r}")
    return known[name]


class _Goals:
    """What both environments share: the reward of goal-conditioned learners, and the shown picture.

    `compute_reward` exists only in the dict form, since Stable-Baselines3 takes its presence for a declaration.
    """

    world: MovingWorld
    task: Task
    _generator: torch.Generator

    def _compute_reward(self, achieved_goal: np.ndarray, desired_goal: np.ndarray, info: Any) -> Any:
        """The rewards of goals [n, d] (or [d]) had they been desired, as hindsight replay asks for them."""
        distance = np.asarray(self.task.distance(achieved_goal, desired_goal))
        return self.task.verdict(distance if distance.ndim else float(distance)).reward

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


class WorldEnv(gym.Env, _Goals):
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
        self.observation_space = _spaces(self.world, task, goal_dict, symbolic)
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
        self._goal_picture = _pictures(self.world, goal)[0]
        observation, _, info = self._look()
        info["goal"] = self._goal_picture.copy()
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One step of the world."""
        if self._factors is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        array = _check_action(action, self.action_space, self.action_space.shape or ())
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
        return _pictures(self.world, torch.from_numpy(self._factors)[None])[0]

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


class WorldVectorEnv(gym.vector.VectorEnv, _Goals):
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

    def __init__(
        self,
        world: World,
        task: Task,
        num_envs: int,
        max_episode_steps: int | None = None,
        render_mode: str | None = None,
        goal_dict: bool = False,
        symbolic: bool = False,
        autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    ):
        if num_envs < 1:
            raise ValueError(f"num_envs must be at least 1, got {num_envs}")
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        self.metadata = {**self.metadata, "autoreset_mode": autoreset(autoreset_mode)}  # type: ignore[misc]
        self._same_step = self.metadata["autoreset_mode"] == AutoresetMode.SAME_STEP
        self.num_envs, self.max_episode_steps, self.goal_dict = num_envs, max_episode_steps, goal_dict
        self.symbolic = symbolic
        self.world, self.task, self.render_mode = moving(world), task, render_mode
        self.single_observation_space = _spaces(self.world, task, goal_dict, symbolic)
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
        info["goal"] = _pictures(self.world, self._goals)
        return self._observation(self._factors), info

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step in every row; rows that end, or ended in NEXT_STEP, start a new episode."""
        if self._factors is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        array = _check_action(actions, self.single_action_space, self.action_space.shape or ())
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
            info["goal"], info["_goal"] = _pictures(self.world, self._goals), fresh.copy()
        self._factors = factors
        return self._observation(factors), reward, terminated, truncated, info

    def render(self) -> tuple[np.ndarray, ...] | None:
        """Every row's state as an enlarged RGB picture; None without a render mode."""
        if self._factors is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        if self.render_mode is None:
            return None
        states, goals = _pictures(self.world, self._factors), _pictures(self.world, self._goals)
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
        seen = factors.numpy().copy() if self.symbolic else _pictures(self.world, factors)
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
