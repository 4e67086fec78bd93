"""What a policy is given in `benchmarks.policies`: its experiment, what its encoder shows, and a saved one restored."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from pickle import UnpicklingError
from typing import Any
from zipfile import BadZipFile

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC, HerReplayBuffer
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

import envs as _register  # noqa: F401
from agents.sb3 import EncodeVec, SmallExtractor, Standardised, make_batched, policy_kwargs_for
from benchmarks.harness.options import Trial
from borders import Count, checked
from borders.files import check_file, read_yaml
from envs.register import register_named
from representations import load

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"ppo": PPO, "sac": SAC, "dqn": DQN}
SIGHTED = ("pixels", "state")
PICTURES = 2000  # of the world, over which a code is standardised


@checked
@dataclass(frozen=True, kw_only=True)
class Policy(Trial):
    """One policy on one encoder."""

    encoder: str
    env: str = "envs:disco/Planar-v0"
    """One of our environments' ids."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the world and its task, such as {protocol: pcc}."""
    algorithm: str = "ppo"
    """ppo, sac (actions in a box) or dqn (discrete actions)."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Hyperparameters by algorithm, such as {ppo: {gamma: 0.9}}, in place of the preset's; below `pixels` those that
    pixels alone have in place of these, as in {pixels: {ppo: {learning_rate: 0.001}}}."""
    hindsight: bool = False
    """Learn from goals relabelled in hindsight as well (HER; sac and dqn)."""
    steps: Count = 80_000
    """Environment steps."""
    rows: Count = 64
    """Environments moved as one batch."""
    every: Count = 2048
    """Environment steps between evaluations."""
    episodes: Count = 100
    """Episodes of an evaluation."""
    threshold: float = 0.9
    """The success that counts as learned."""
    frozen: bool = True
    """Keep a pretrained encoder as it is; otherwise the policy's gradients go on into it."""
    pretrain: dict[str, Any] = field(default_factory=dict)
    """Settings of benchmarks.pretrain for encoders that are named, not given as a folder."""

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}, got {self.algorithm!r}")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold must be in (0, 1], got {self.threshold}")
        if self.hindsight and self.algorithm == "ppo":
            raise ValueError("hindsight needs a replay buffer: choose algorithm sac or dqn")


class SeeFactors(VecEnvWrapper):
    """The true factors in place of the picture: what a perfect code would show."""

    def __init__(self, venv: VecEnv):
        factors = venv.get_attr("world")[0].factors
        low, high = (np.array([getattr(factor, end) for factor in factors], np.float32) for end in ("low", "high"))
        assert isinstance(venv.observation_space, spaces.Dict)
        seen = venv.observation_space.spaces | {"observation": spaces.Box(low, high)}
        super().__init__(venv, spaces.Dict(seen))

    def reset(self) -> Any:
        """The first factors of every row."""
        return self.venv.reset() | {"observation": self._first()}  # type: ignore[operator]

    def step_wait(self) -> Any:
        """One step."""
        observations, rewards, dones, infos = self.venv.step_wait()
        now = self._first() if dones.any() else None
        factors = np.stack([info["factors"] for info in infos])
        if now is not None:
            for row in np.flatnonzero(dones).tolist():
                infos[row]["terminal_observation"]["observation"] = factors[row].copy()
            factors = np.where(dones[:, None], now, factors)
        return observations | {"observation": factors}, rewards, dones, infos  # type: ignore[operator]

    def _first(self) -> np.ndarray:
        """The factors at the start of every row's episode, where a row was just reset."""
        batch = self.unwrapped
        return np.stack([info["factors"] for info in batch.reset_infos])


def view(job: Policy, rows: int, seed: int, render_mode: str | None = None) -> tuple[VecEnv, dict[str, Any]]:
    """The environments as the job's encoder shows them, and the `policy_kwargs` that go with it."""
    register_named(job.env)
    plain = make_batched(job.env, rows, seed, render_mode=render_mode, goal_dict=True, **job.env_settings)
    small = {"features_extractor_class": SmallExtractor}
    if job.encoder == "pixels":
        return plain, small
    if job.encoder == "state":
        return SeeFactors(plain), small
    world = plain.get_attr("world")[0]
    pictures = world.render(world.sample(PICTURES, torch.Generator().manual_seed(0)))
    model = Standardised(load(job.encoder), pictures)
    return (EncodeVec(plain, model), small) if job.frozen else (plain, policy_kwargs_for(model, frozen=False))


def learner(job: Policy, envs: VecEnv, policy_kwargs: dict[str, Any]) -> BaseAlgorithm:
    """The job's algorithm, untrained, on environments as its encoder shows them."""
    settings = dict(job.settings)
    policy_kwargs = policy_kwargs | settings.pop("policy_kwargs", {})
    if job.hindsight:  # the replay must hold a finished episode before it is drawn from
        length = envs.get_attr("max_episode_steps")[0]
        settings["replay_buffer_class"] = HerReplayBuffer
        settings["learning_starts"] = max(settings.get("learning_starts", 100), (length + 1) * envs.num_envs)
    kind: Any = ALGORITHMS[job.algorithm]
    device = "cpu" if job.device == "auto" else job.device  # the networks are so small that a CPU is the faster
    return kind("MultiInputPolicy", envs, policy_kwargs=policy_kwargs, seed=job.seed, device=device, **settings)


def restore(folder: Path, rows: int, seed: int) -> tuple[BaseAlgorithm, VecEnv]:
    """The policy in the folder of a finished run, and environments as it sees them; ValueError for another folder.

    Nothing in the folder is executed: the policy is built from its configuration as if it were new, and takes tensors
    alone from `policy.zip`, whose pickled part stays unread; the environment must be known already (see `check_known`).
    """
    file = folder / "policy.zip"
    try:
        values = read_yaml(folder / "config.yaml", "the configuration of a policy of benchmarks.policies")
        check_file(file, "a policy of benchmarks.policies")
        job = Policy(**{entry.name: values[entry.name] for entry in fields(Policy)} | {"device": "cpu", "seed": seed})
        check_known(job.env)
        if job.algorithm != "ppo":  # a replay that nobody fills
            job = replace(job, settings=job.settings | {"buffer_size": rows})
        envs, policy_kwargs = view(job, rows, seed)
        policy = learner(job, envs, policy_kwargs)
        policy.set_parameters(str(file), device="cpu")
        return policy, envs
    except UnpicklingError:
        raise ValueError(f"{file} should be a policy of benchmarks.policies, but it holds more than tensors") from None
    except (KeyError, TypeError, ValueError, RuntimeError, OSError, BadZipFile) as error:
        raise ValueError(f"{folder} is not the folder of a policy of benchmarks.policies: {error!r}") from None


def check_known(env: str) -> None:
    """Raise ValueError unless `env` is the id of a registered environment: "disco/Planar-v0", or "envs:" before it.

    A module before the colon is imported by Gymnasium, so it must have been imported already, as `--import` does.
    """
    register_named(env)
    module, _, name = env.rpartition(":")
    if (module and module not in sys.modules) or name not in gym.registry:
        raise ValueError(f"the environment {env!r} is not known here; name its module with --import to trust it")
