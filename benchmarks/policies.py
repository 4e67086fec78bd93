"""Policies on pixels, the state and pretrained codes: `python -m benchmarks.policies --encoder pixels,state,FOLDER`.

One algorithm with one set of hyperparameters learns from every encoder's view of the same environment. All see the goal
as numbers beside their view, and none sees the achieved goal. A frozen code is computed once per step, in the
environment, so that the algorithm stores codes; they are standardised over pictures of the world. Success is that of an
episode's last state, of a policy without exploration noise, in episodes that are the same for every encoder.
"""

from __future__ import annotations

import hashlib
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3 import DQN, PPO, SAC
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

import envs as _register  # noqa: F401
from agents.sb3 import EncodeVec, SmallExtractor, Standardised, make_batched, policy_kwargs_for
from benchmarks.command import Sweep, parse
from benchmarks.curves import draw_curves, interquartile_band, interquartile_mean, steps_to
from benchmarks.report import write_report
from benchmarks.runs import Timer, describe, job_folders, plain, sweep
from benchmarks.table import Claim, Table, show
from representations import load
from representations.model import read_config

ALGORITHMS: dict[str, type[BaseAlgorithm]] = {"ppo": PPO, "sac": SAC, "dqn": DQN}
SIGHTED = ("pixels", "state")
PICTURES = 2000  # of the world, over which a code is standardised
MOST = 0.3  # of a step, that an encoder may add
EVALUATION_SEED = 10_000


@dataclass(frozen=True)
class Policies(Sweep):
    """Compare encoders by how fast a policy learns from them."""

    encoder: str = "pixels,state"
    """pixels, state, or a saved model's folder; or several, separated by commas."""


@dataclass(frozen=True)
class Policy:
    """One policy on one encoder."""

    model: str
    encoder: str
    preset: str = "default"
    seed: int = 0
    device: str = "auto"
    env: str = "envs:disco/Planar-v0"
    """One of our environments' ids."""
    env_settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the world and its task, such as {protocol: pcc}."""
    algorithm: str = "ppo"
    """ppo, sac (actions in a box) or dqn (discrete actions)."""
    settings: dict[str, Any] = field(default_factory=dict)
    """The algorithm's hyperparameters, the same for every encoder."""
    steps: int = 200_000
    """Environment steps."""
    rows: int = 64
    """Environments moved as one batch."""
    every: int = 4096
    """Environment steps between evaluations."""
    episodes: int = 100
    """Episodes of an evaluation."""
    threshold: float = 0.9
    """The success that counts as learned."""
    frozen: bool = True
    """Keep a pretrained encoder as it is; otherwise the policy's gradients go on into it."""

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm must be one of {', '.join(ALGORITHMS)}, got {self.algorithm!r}")
        for name in ("steps", "rows", "every", "episodes"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not 0 < self.threshold <= 1:
            raise ValueError(f"threshold must be in (0, 1], got {self.threshold}")


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


def run(job: Policy, folder: Path, resume: bool = True) -> dict[str, Any]:
    """Learn, evaluate on the way, time, film and save one policy; one that was broken off starts again."""
    timer = Timer()
    with timer("loading"):
        envs, kwargs = view(job, job.rows, job.seed)
        tests, _ = view(job, job.episodes, EVALUATION_SEED)
        settings = dict(job.settings)
        kwargs = kwargs | settings.pop("policy_kwargs", {})
        kind: Any = ALGORITHMS[job.algorithm]
        policy = kind(
            "MultiInputPolicy", envs, policy_kwargs=kwargs, seed=job.seed, device=device(job.device), **settings
        )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.jsonl").unlink(missing_ok=True)
    curve: dict[str, list[float]] = {"steps": [], "success": [], "return": [], "seconds": []}
    while policy.num_timesteps < job.steps:
        with timer("training"):
            policy.learn(job.every, reset_num_timesteps=False)
        with timer("evaluation"):
            success, reward = evaluate(policy, tests)
        for key, value in zip(curve, (policy.num_timesteps, success, reward, timer.seconds["training"]), strict=True):
            curve[key].append(value)
        progress = {key: values[-1] for key, values in curve.items()}
        with (folder / "log.jsonl").open("a") as log:
            log.write(json.dumps(progress) + "\n")
    reached = steps_to(curve["steps"], curve["success"], job.threshold)  # type: ignore[arg-type]
    step = timer.seconds["training"] * job.rows / policy.num_timesteps
    scores = {
        "steps_to_threshold": reached,
        "success": curve["success"][-1],
        "return": curve["return"][-1],
        "steps_per_second": job.rows / step,
        "step_ms": 1000 * step,
        "encode_ms": encode_ms(envs),
        "curve": curve,
    }
    policy.save(folder / "policy.zip")
    with timer("film"):
        film(policy, job, folder / "policy.gif")
    return describe("policies", job, scores, timer.seconds)


def device(name: str) -> str:
    """Stable-Baselines3's networks are small: the CPU is the faster device for them unless another is asked for."""
    return "cpu" if name == "auto" else name


def evaluate(policy: BaseAlgorithm, envs: VecEnv) -> tuple[float, float]:
    """Mean success at the end, and mean return, of one episode per row; the same episodes at every call."""
    envs.seed(EVALUATION_SEED)
    seen: Any = envs.reset()
    success: dict[int, bool] = {}
    returns: dict[int, float] = {}
    while len(success) < envs.num_envs:
        actions, _ = policy.predict(seen, deterministic=True)
        seen, _, dones, infos = envs.step(actions)
        for row in np.flatnonzero(dones).tolist():
            success.setdefault(row, bool(infos[row]["success"]))
            returns.setdefault(row, float(infos[row]["episode"]["r"]))
    return statistics.fmean(success.values()), statistics.fmean(returns.values())


def encode_ms(envs: VecEnv, repeats: int = 30) -> float:
    """Milliseconds, the median, that the encoder takes for one picture of every row; 0 without an encoder."""
    if not isinstance(envs, EncodeVec):
        return 0.0
    pictures = envs.venv.reset()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        envs.encode(pictures)
        times.append(1000 * (time.perf_counter() - began))
    return statistics.median(times)


def film(policy: BaseAlgorithm, job: Policy, path: Path) -> None:
    """Write a GIF of four episodes side by side."""
    envs, _ = view(job, 4, EVALUATION_SEED, render_mode="rgb_array")
    seen: Any = envs.reset()
    frames, dones = [], np.zeros(4, bool)
    while not dones.any():
        frames.append(np.concatenate([np.pad(image, ((0, 0), (0, 8), (0, 0))) for image in envs.get_images()], 1))  # type: ignore[arg-type]
        actions, _ = policy.predict(seen, deterministic=True)
        seen, _, dones, _ = envs.step(actions)
    imageio.imwrite(path, np.stack(frames), extension=".gif", duration=100, loop=0)


def label(encoder: str) -> str:
    """The encoder's name in tables: pixels, state, or model@weights for a folder. ValueError for a foreign folder."""
    if encoder in SIGHTED:
        return encoder
    folder = Path(encoder)
    if not folder.is_dir():
        raise ValueError(f"encoder must be {', '.join(SIGHTED)} or a saved model's folder, got {encoder!r}")
    load(folder)
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()[:6]
    return f"{read_config(folder)[0]}@{weights}"


def tables(results: Sequence[dict], jobs: Sequence[Policy]) -> list[Table]:
    """One row per encoder: steps to the threshold, success at the end, time."""
    job = jobs[0]
    columns = (
        "encoder",
        f"steps to {job.threshold:.0%} success",
        "seeds that reach it",
        "success at the end",
        "training, s",
        "steps / s",
        f"a step of {job.rows}, ms",
        "encoder, ms",
        "encoder adds",
    )
    rows = []
    for name, group in grouped(results).items():
        reached = [result["scores"]["steps_to_threshold"] for result in group]
        good = [value for value in reached if value is not None]
        mean = {
            key: statistics.fmean(result["scores"][key] for result in group)
            for key in ("steps_per_second", "step_ms", "encode_ms")
        }
        rows.append(
            (
                name,
                middle(good, ",.0f") if len(good) == len(group) else f"> {job.steps:,}",
                f"{len(good)} of {len(group)}",
                middle([result["scores"]["success"] for result in group], ".0%"),
                f"{statistics.fmean(result['seconds']['training'] for result in group):.0f}",
                f"{mean['steps_per_second']:,.0f}",
                f"{mean['step_ms']:.1f}",
                f"{mean['encode_ms']:.1f}" if mean["encode_ms"] else "-",
                f"{added(group):.0%}" if mean["encode_ms"] else "-",
            )
        )
    seeds = len(next(iter(grouped(results).values())))
    title = f"{job.algorithm} on {job.env}: interquartile mean [95 % bootstrap interval] over {seeds} seeds"
    return [Table(title, columns, tuple(rows))]


def middle(values: Sequence[float], spec: str) -> str:
    """The interquartile mean of values, and its interval, for a table cell."""
    mean = format(float(interquartile_mean(values)), spec)
    low, high = interquartile_band(values)
    if not np.isfinite(low) or low == high:
        return mean
    return f"{mean} [{format(float(low), spec)}, {format(float(high), spec)}]"


def grouped(results: Sequence[dict]) -> dict[str, list[dict]]:
    """The results of every encoder, in the order of their first."""
    groups: dict[str, list[dict]] = {}
    for result in results:
        groups.setdefault(result["model"], []).append(result)
    return groups


def added(group: Sequence[dict]) -> float:
    """What an encoder adds to a step of learning, as a share of that step without it."""
    encode = statistics.fmean(result["scores"]["encode_ms"] for result in group)
    step = statistics.fmean(result["scores"]["step_ms"] for result in group)
    return encode / max(step - encode, 1e-9)


def claims(results: Sequence[dict], jobs: Sequence[Policy]) -> list[Claim]:
    """Whether every pretrained code beats pixels, and costs little."""
    job, groups, found = jobs[0], grouped(results), []
    for name, group in groups.items():
        if name in SIGHTED:
            continue
        if "pixels" in groups:
            ours, theirs = (
                [result["scores"]["steps_to_threshold"] for result in one] for one in (group, groups["pixels"])
            )
            late = [value if value is not None else np.inf for value in theirs]
            better = None not in ours and float(interquartile_mean(ours)) < float(interquartile_mean(late))
            told = ["; ".join("never" if value is None else f"{value:,}" for value in one) for one in (ours, theirs)]
            text = f"A policy on the code of {name} reaches {job.threshold:.0%} success in fewer steps than on pixels"
            found.append(Claim(text, better, f"steps by seed: {told[0]} on the code, {told[1]} on pixels"))
        if job.frozen:
            text = f"{name} adds less than {MOST:.0%} to the time of a step of {job.rows} environments"
            found.append(Claim(text, added(group) < MOST, f"it adds {added(group):.0%} to a step of learning"))
    return found


def figures(results: Sequence[dict], jobs: Sequence[Policy], out: Path) -> dict[str, Path]:
    """Draw the learning curves over steps and over time; return all pictures by caption."""
    curves = {name: [result["scores"]["curve"] for result in group] for name, group in grouped(results).items()}
    files = {}
    for key, axis in (("steps", "environment steps"), ("seconds", "seconds of training")):
        path = out / f"success_by_{key}.png"
        series = {name: [(seed[key], seed["success"]) for seed in seeds] for name, seeds in curves.items()}
        draw_curves(series, path, axis=axis, threshold=jobs[0].threshold)
        files[f"Success against {axis}: interquartile mean and its 95 % bootstrap interval"] = path
    for job, folder in zip(jobs, job_folders(out, jobs), strict=True):
        if job.seed == jobs[0].seed:
            files[f"The policy on {job.model}, four episodes; the goal is green"] = folder / "policy.gif"
    return files


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, run, print, report."""
    options, values = parse("policies", Policies, Policy, arguments)
    encoders = [name.strip() for name in options.encoder.split(",") if name.strip()]
    try:
        if options.model or not encoders:
            raise ValueError("name what to compare with --encoder: pixels, state or saved models' folders")
        shared = {"preset": options.preset, "device": options.device} | values
        names = {encoder: label(encoder) for encoder in encoders}
        jobs = [
            Policy(model=names[encoder], encoder=encoder, seed=seed, **shared)
            for encoder in encoders
            for seed in options.all_seeds()
        ]
        envs, _ = view(jobs[0], 1, 0)
        check_actions(jobs[0].algorithm, envs.action_space)
        out = Path(options.out or "runs/policies")
        results = sweep(run, jobs, out, options.engine, options.workers, options.resume)
    except (ValueError, TypeError, gym.error.Error) as error:
        raise SystemExit(f"error: {error}") from None
    found, said = tables(results, jobs), claims(results, jobs)
    show(found, said)
    write_report(
        out / "report.html",
        "Policies on pretrained codes",
        [(__doc__ or "").partition("\n\n")[2]],
        found,
        said,
        figures(results, jobs, out),
        [plain(job) for job in jobs],
    )
    print(f"written to {out / 'report.html'}")


def check_actions(algorithm: str, space: gym.Space) -> None:
    """Raise ValueError where an algorithm cannot act in a space."""
    wants = {"sac": spaces.Box, "dqn": spaces.Discrete}.get(algorithm)
    if wants is not None and not isinstance(space, wants):
        raise ValueError(f"{algorithm} needs {wants.__name__} actions, and the environment has {space}; ppo takes both")


if __name__ == "__main__":
    main()
