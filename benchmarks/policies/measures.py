"""What is measured of a policy: success, time, and a film of four episodes."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from agents.sb3 import EncodeVec
from borders.files.pictures import write_animation

EVALUATION_SEED = 10_000


def evaluate(policy: BaseAlgorithm, envs: VecEnv, noise: bool = False) -> tuple[float, float]:
    """Mean success at the end, and mean return, of one episode per row; the same episodes at every call.

    With `noise` the policy draws its actions as it does in learning.
    """
    envs.seed(EVALUATION_SEED)
    seen: Any = envs.reset()
    success: dict[int, bool] = {}
    returns: dict[int, float] = {}
    while len(success) < envs.num_envs:
        actions, _ = policy.predict(seen, deterministic=not noise)
        seen, _, dones, infos = envs.step(actions)
        for row in np.flatnonzero(dones).tolist():
            success.setdefault(row, bool(infos[row]["success"]))
            returns.setdefault(row, float(infos[row]["episode"]["r"]))
    return statistics.fmean(success.values()), statistics.fmean(returns.values())


def step_times(policy: BaseAlgorithm, envs: VecEnv) -> dict[str, float]:
    """Milliseconds of one step of every row without learning: `act_ms`, and `encode_ms` of it the encoder's.

    A step of acting is the policy's choice of actions, the environments' move and drawing, and the encoder's pass over
    the new pictures. `encode_ms` is 0 where the environments do not encode.
    """
    seen: Any = envs.reset()
    now = clock_of(policy)

    def act() -> None:
        nonlocal seen
        actions, _ = policy.predict(seen, deterministic=False)
        seen = envs.step(actions)[0]

    encode = 0.0
    if isinstance(envs, EncodeVec):
        pictures = envs.venv.reset()
        encode = _milliseconds(lambda: envs.encode(pictures), now)
        seen = envs.reset()
    return {"act_ms": _milliseconds(act, now), "encode_ms": encode}


def clock_of(policy: BaseAlgorithm) -> Callable[[], float]:
    """Seconds of this process's CPU, in which other work on the machine does not count; of the wall with a GPU."""
    return time.process_time if policy.device.type == "cpu" else time.perf_counter


def _milliseconds(call: Callable[[], object], now: Callable[[], float], repeats: int = 200) -> float:
    """The mean over calls, after a few that warm up."""
    for _ in range(10):
        call()
    began = now()
    for _ in range(repeats):
        call()
    return 1000 * (now() - began) / repeats


def film(policy: BaseAlgorithm, envs: VecEnv, path: Path) -> None:
    """Write a GIF of the next episode of every row, side by side; the environments' render mode is rgb_array."""
    seen: Any = envs.reset()
    frames, dones = [], np.zeros(envs.num_envs, bool)
    while not dones.any():
        images: Any = envs.get_images()
        frames.append(np.concatenate([np.pad(i, ((0, 0), (0, 8), (0, 0)), constant_values=128) for i in images], 1))
        actions, _ = policy.predict(seen, deterministic=True)
        seen, _, dones, _ = envs.step(actions)
    write_animation(frames, path, milliseconds=100)
