"""A policy learned by trial on a frozen code: PPO sees (z, z_goal) and is paid for the way it makes.

    reward_t = (distance(s_t, g) - distance(s_{t + 1}, g)) / 0.05

Given flat pictures in place of codes, and their shape, the policy reads both pictures through convolutions of its own, end
to end. What it must not see (`avoid`) it neither starts in, nor is sent to, nor enters.

The curve of its score over the steps, on starts and goals that are never trained on, gives the area under it, and how many
steps it takes to a threshold. Schulman et al. 2017, by Stable-Baselines3.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from gymnasium.vector.utils import batch_space
from stable_baselines3 import PPO
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor

from agents.sb3_batch import BatchedVecEnv
from benchmarks.metrics.control.task import Act, ControlTask
from envs.world import Where
from representations.parts.networks import conv_encoder

ROWS = 64
SETTINGS: dict[str, Any] = {
    "n_steps": 10,
    "batch_size": 160,
    "n_epochs": 6,
    "learning_rate": 1e-3,
    "gamma": 0.8,
    "gae_lambda": 0.8,
    "policy_kwargs": {"log_std_init": -0.5},
}
PAY = 0.05


class CodeEnv(gym.vector.VectorEnv):
    """`ROWS` episodes of `steps` steps in a task, seen through a code; all end, and begin again, in the same step."""

    metadata: ClassVar[dict[str, Any]] = {"autoreset_mode": gym.vector.AutoresetMode.SAME_STEP}  # type: ignore[misc]

    def __init__(
        self,
        task: ControlTask,
        encode: Callable[[Tensor], Tensor],
        steps: int,
        seed: int,
        avoid: Where | None = None,
    ):
        self.task, self.encode, self.steps, self.num_envs, self.avoid = task, encode, steps, ROWS, avoid
        self.generator = torch.Generator().manual_seed(seed)
        self._begin()
        self.single_observation_space = gym.spaces.Box(-np.inf, np.inf, (self._seen().shape[1],), np.float32)
        self.single_action_space = gym.spaces.Box(-1, 1, (task.action_size,), np.float32)
        self.observation_space = batch_space(self.single_observation_space, ROWS)
        self.action_space = batch_space(self.single_action_space, ROWS)

    def _begin(self) -> None:
        avoid = self.avoid
        outside: Where | None = None if avoid is None else lambda named: ~avoid(named)
        self.states, self.goals = self.task.begin(ROWS, self.generator, outside, outside)
        self.aims = self.encode(self.goals)
        self.distance, self.count = self.task.gaps(self.states, self.goals).mean(1), 0

    def _seen(self) -> np.ndarray:
        return torch.cat([self.encode(self.states), self.aims], 1).float().numpy()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:  # type: ignore[override]
        """New episodes in every row, from the generator that the environment was made with."""
        self._begin()
        return self._seen(), {}

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step in every row."""
        after = self.task.step(self.states, torch.as_tensor(actions, dtype=torch.float64), self.generator)
        if self.avoid is not None:
            after = torch.where(self.task.holds(self.avoid, after)[:, None], self.states, after)
        self.states = after
        distance = self.task.gaps(self.states, self.goals).mean(1)
        reward, self.distance = ((self.distance - distance) / PAY).numpy(), distance
        self.count += 1
        ended = np.full(ROWS, self.count == self.steps)
        info: dict[str, Any] = {}
        if ended.all():
            info = {"final_obs": self._seen(), "_final_obs": ended, "final_info": {}, "_final_info": ended}
            self._begin()
        return self._seen(), reward, np.zeros(ROWS, bool), ended, info


class TwoPictures(BaseFeaturesExtractor):
    """A picture and its goal's, flat and one behind the other, through one stack of convolutions."""

    def __init__(self, space: gym.spaces.Box, shape: tuple[int, int, int]):
        super().__init__(space, 64)
        self.shape = (2 * shape[0], *shape[1:])
        self.network = conv_encoder(self.shape, 64, 16, 128)

    def forward(self, observations: Tensor) -> Tensor:
        """Features [n, 64] of rows [n, 2 C H W]."""
        return self.network(observations.unflatten(1, self.shape))


def learn(
    task: ControlTask,
    encode: Callable[[Tensor], Tensor],
    judge: Callable[[Callable[[Tensor], Act]], Tensor],
    *,
    steps: int,
    every: int,
    episode: int,
    seed: int,
    avoid: Where | None = None,
    shape: tuple[int, int, int] | None = None,
) -> tuple[list[int], list[Tensor]]:
    """Train for `steps` environment steps; after `every` of them `judge(goals -> act)` gives the scores of 200 episodes.

    `shape` says that codes are flat pictures (C, H, W); `avoid` is where training never is. Returns the steps and the
    scores of the curve.
    """
    settings = dict(SETTINGS)
    if shape is not None:
        reads = {"features_extractor_class": TwoPictures, "features_extractor_kwargs": {"shape": shape}}
        settings["policy_kwargs"] = settings["policy_kwargs"] | reads
    with torch.random.fork_rng(devices=[]):
        env = BatchedVecEnv(CodeEnv(task, encode, episode, 100_003 + seed, avoid))
        policy = PPO("MlpPolicy", env, seed=seed, device="cpu", verbose=0, **settings)

        def aimed(goals: Tensor) -> Act:
            aims = encode(goals)

            def act(states: Tensor) -> Tensor:
                seen = torch.cat([encode(states), aims], 1).float().numpy()
                return torch.from_numpy(policy.predict(seen, deterministic=True)[0]).double()

            return act

        at: list[int] = []
        curve: list[Tensor] = []
        while policy.num_timesteps < steps:
            policy.learn(every, reset_num_timesteps=False)
            at.append(int(policy.num_timesteps))
            curve.append(judge(aimed))
    return at, curve
