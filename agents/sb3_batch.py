"""Natively batched environments for Stable-Baselines3, which takes no `gymnasium.vector.VectorEnv` itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3.common.vec_env import VecEnv


class BatchedVecEnv(VecEnv):
    """Stable-Baselines3's face of a natively batched environment, such as `gym.make_vec("envs:disco/Planar-v0", 64)`.

    The environment must start episodes again within the step that ends them. A finished row's info is that of its last
    state, with `terminal_observation` and `TimeLimit.truncated`; that of the new episode is in `reset_infos`. One seed,
    the first, fixes all rows; attributes and methods are those of the whole batch, the same for every index.
    """

    def __init__(self, env: gym.vector.VectorEnv):
        mode = env.metadata.get("autoreset_mode")
        if mode != gym.vector.AutoresetMode.SAME_STEP:
            raise ValueError(f"the environment's autoreset_mode must be SAME_STEP, got {mode}")
        self.env = env
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)

    def reset(self) -> Any:
        """The first observations of new episodes in every row."""
        observations, info = self.env.reset(seed=self._seeds[0], options=self._options[0] or None)
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = _rows(info, self.num_envs)
        return observations

    def step_async(self, actions: np.ndarray) -> None:
        """Keep the actions [n, ...] for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> Any:
        """Observations, rewards [n], dones [n] and one info per row."""
        observations, rewards, terminated, truncated, info = self.env.step(self._actions)
        infos, dones = _rows(info, self.num_envs), terminated | truncated
        if dones.any():
            final = _rows(info["final_info"], self.num_envs)
            last = info["final_obs"]
            for row in np.flatnonzero(dones).tolist():
                self.reset_infos[row], infos[row] = infos[row], final[row]
                infos[row]["terminal_observation"] = row_of(last, row)
                infos[row]["TimeLimit.truncated"] = bool(truncated[row] and not terminated[row])
        return observations, rewards.astype(np.float32), dones, infos

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """A picture of every row for human eyes."""
        return self.env.render() or [None] * self.num_envs  # type: ignore[return-value]

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The batch's attribute, once per index."""
        return [getattr(self.env, attr_name)] * self._count(indices)

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Set the batch's attribute; it cannot differ between rows."""
        if self._count(indices) != self.num_envs:
            raise ValueError(f"{attr_name} belongs to all {self.num_envs} rows and cannot be set in {indices}")
        setattr(self.env, attr_name, value)

    def env_method(self, method_name: str, *method_args: Any, indices: Any = None, **method_kwargs: Any) -> list[Any]:
        """The result of calling the batch's method once, repeated once per index."""
        return [getattr(self.env, method_name)(*method_args, **method_kwargs)] * self._count(indices)

    def env_is_wrapped(self, wrapper_class: type[gym.Wrapper], indices: Any = None) -> list[bool]:
        """Never: a batch has no wrappers of single environments."""
        return [False] * self._count(indices)

    def _count(self, indices: Any) -> int:
        return len(list(self._get_indices(indices)))


def _rows(info: dict[str, Any], n: int) -> list[dict[str, Any]]:
    """One dict per row of a batch's info; entries with a mask `_name` only in the rows that it marks."""
    names = [name for name in info if not name.startswith(("_", "final_"))]
    everywhere = [name for name in names if f"_{name}" not in info]
    if not everywhere:
        rows: list[dict[str, Any]] = [{} for _ in range(n)]
    else:
        rows = [
            dict(zip(everywhere, values, strict=True))
            for values in zip(*(info[name] for name in everywhere), strict=True)
        ]
    for name in names:
        if f"_{name}" in info:
            for row in np.flatnonzero(info[f"_{name}"]):
                rows[row][name] = info[name][row]
    return rows


def row_of(observations: Any, row: int) -> Any:
    """One row of a batch of observations, an array or a dict of arrays."""
    if isinstance(observations, dict):
        return {key: value[row] for key, value in observations.items()}
    return observations[row]
