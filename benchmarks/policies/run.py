"""Policies on pixels, the state and pretrained codes: `python -m benchmarks.policies`.

One algorithm learns from every encoder's view of the same environment. Its hyperparameters were chosen on the state, and
for pixels on pixels. All see the goal as numbers beside their view, and none sees the achieved goal. `--encoder
pixels,state,dyn_content,FOLDER` says which: a learner's name is pretrained on the environment's world, once for every
seed, and found again by the next command; a saved model's folder is taken as it is. A frozen code is computed once per
step, in the environment, so that the algorithm stores codes; they are standardised over pictures of the world.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
from gymnasium import spaces

from benchmarks.harness import pretraining as pretrain
from benchmarks.harness.command import merged, presets_of
from benchmarks.harness.curves import steps_to
from benchmarks.harness.encoders import is_path, paths_listed
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep, check_keys
from benchmarks.harness.policy import ALGORITHMS, SIGHTED, Policy, learner, view
from benchmarks.harness.runs import Timer, describe, key, sweep
from benchmarks.policies.measures import EVALUATION_SEED, clock_of, evaluate, film, step_times
from benchmarks.policies.report import summary
from borders.files import append_line, home, read_bytes, read_json, read_yaml, write_atomically
from envs import WORLDS
from envs.register import environment_of, register_named
from representations import MODELS, load
from representations.model import read_config
from representations.registry import find_model

DAY = 86400.0  # seconds that one waits for another that pretrains the same encoder
TASK_SETTINGS = ("protocol", "shape")


@dataclass(frozen=True)
class Policies(Sweep):
    """Compare encoders by how fast a policy learns from them."""

    encoder: str = "pixels,state,dyn_content"
    """pixels, state, a learner's name, or the folder of a saved model or of its run; or several, separated by commas."""
    encoders: str = "runs/encoders"
    """Where encoders that are named are kept, and found again."""
    world: str = ""
    """A name in envs.WORLDS, or that of a world of your own (--import), whose environment takes the place of env's."""


def run(job: Policy, folder: Path, resume: bool = True) -> dict[str, Any]:
    """Learn, evaluate on the way, time, film and save one policy; one that was broken off starts again."""
    timer = Timer()
    if job.model in MODELS:
        with timer("pretraining"):
            sweep(pretrain.run, [pretraining(job)], Path(job.encoder).parent, workers=1, patience=DAY)
    began = time.process_time()
    with timer("loading"):
        envs, kwargs = view(job, job.rows, job.seed)
        tests, _ = view(job, job.episodes, EVALUATION_SEED)
        policy = learner(job, envs, kwargs)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "log.jsonl").unlink(missing_ok=True)
    curve: dict[str, list[float]] = {"steps": [], "success": [], "return": [], "seconds": []}
    now, seconds = clock_of(policy), 0.0
    while policy.num_timesteps < job.steps:
        start = now()
        with timer("training"):
            policy.learn(job.every, reset_num_timesteps=False)
        seconds += now() - start
        with timer("evaluation"):
            success, reward = evaluate(policy, tests)
        for name, value in zip(curve, (policy.num_timesteps, success, reward, seconds), strict=True):
            curve[name].append(value)
        progress = {name: values[-1] for name, values in curve.items()}
        append_line(folder / "log.jsonl", json.dumps(progress))
    with timer("evaluation"):
        noisy, _ = evaluate(policy, tests, noise=True)
    with timer("timing"):
        times = step_times(policy, envs)
    scores = {
        "steps_to_threshold": steps_to(curve["steps"], curve["success"], job.threshold),  # type: ignore[arg-type]
        "success": curve["success"][-1],
        "success_with_noise": noisy,
        "return": curve["return"][-1],
        "train_seconds": seconds,
        "step_ms": 1000 * seconds * job.rows / policy.num_timesteps,
        **times,
        **pretrained(job),
        "curve": curve,
    }
    write_atomically(folder / "policy.zip", policy.save)
    with timer("film"):
        film(policy, view(job, 4, EVALUATION_SEED, render_mode="rgb_array")[0], folder / "policy.gif")
    return describe("policies", job, scores, timer.seconds | {"cpu": round(time.process_time() - began, 3)})


def pretraining(job: Policy) -> pretrain.PretrainJob:
    """The pretraining of the job's encoder, which is named: on its environment's world, with its seed."""
    register_named(job.env)
    world = gym.spec(job.env.rpartition(":")[2]).kwargs["world"]
    settings = {name: value for name, value in job.env_settings.items() if name not in TASK_SETTINGS}
    shared: dict[str, Any] = {"model": job.model, "preset": job.preset, "seed": job.seed, "device": job.device}
    known = [entry.name for entry in dataclasses.fields(pretrain.PretrainJob)]
    wrong = [name for name in job.pretrain if name not in known or name in shared]
    if wrong:
        allowed = ", ".join(name for name in known if name not in shared)
        raise ValueError(f"pretrain has no setting {wrong[0]!r}; its settings are {allowed}")
    return pretrain.PretrainJob(**shared | {"world": world, "world_settings": settings} | job.pretrain)


def pretrained(job: Policy) -> dict[str, float]:
    """Transitions that the encoder saw and CPU seconds it took, where its folder tells; otherwise zeros."""
    run_folder = Path(job.encoder).parent
    found = {"pretrain_transitions": 0, "pretrain_seconds": 0.0}
    if job.encoder not in SIGHTED and (run_folder / "result.json").exists():
        seconds = read_json(run_folder / "result.json", "the result of benchmarks.pretrain", ("seconds",))["seconds"]
        found["pretrain_seconds"] = seconds.get("cpu", seconds.get("training", 0.0))
        trained = read_yaml(run_folder / "config.yaml", "the configuration of benchmarks.pretrain")
        drawn = trained.get("steps", 0) * trained.get("batch", 0)
        found["pretrain_transitions"] = min(trained.get("observations", 0), drawn)
    return found


def label(encoder: str) -> str:
    """The encoder's name in tables: its own, or model@weights for a folder. ValueError for what is neither."""
    known = (*SIGHTED, *(name for name, model in MODELS.items() if "shape" in inspect.signature(model).parameters))
    if encoder in known:
        return encoder
    if not home(encoder).is_dir():
        allowed = ", ".join(known)
        raise ValueError(f"encoder must be a saved model's folder or one of {allowed}, got {encoder!r}")
    folder = find_model(encoder)
    load(folder)
    weights = hashlib.sha256(read_bytes(folder / "model.safetensors", "the weights of a saved model")).hexdigest()[:6]
    return f"{read_config(folder)[0]}@{weights}"


def placed(options: Policies, values: dict[str, Any]) -> dict[str, Any]:
    """The job's values with the environment of the chosen world; ValueError for what nothing can act in.

    The preset's settings of its own environment are left out for another.
    """
    if options.world:
        if values["env"] != Policy.env:
            raise ValueError(f"give --world or --env, not both, got {options.world!r} and {values['env']!r}")
        if options.world not in WORLDS and is_path(options.world):
            raise ValueError(
                f"a policy has no moves to make among stored pictures: --world takes a name, {', '.join(WORLDS)}, or that "
                f"of a world of your own (--import), got {options.world!r}; see pretrain for folders and files"
            )
        values = values | {"env": f"envs:{environment_of(options.world)}"}
    if values["env"] == Policy.env:
        return values
    usual = presets_of("policies")[options.preset].get("env_settings", {})
    kept = {name: value for name, value in values["env_settings"].items() if usual.get(name) != value}
    return values | {"env_settings": kept}


def plan(options: Policies, values: dict[str, Any]) -> Plan:
    """The jobs that were asked for; ValueError or TypeError where something does not fit."""
    values = placed(options, values)
    encoders = paths_listed(options.encoder)
    if options.model or not encoders:
        raise ValueError("name what to compare with --encoder: pixels, state, learners or saved models' folders")
    every = dict(values["settings"])
    pixels_own = every.pop("pixels", {})
    check_keys("settings", every, tuple(ALGORITHMS), "algorithm")
    check_keys("settings.pixels", pixels_own, tuple(ALGORITHMS), "algorithm")
    usual, own = (given.get(values["algorithm"], {}) for given in (every, pixels_own))
    jobs = []
    for encoder in encoders:
        shared = options.told | values | {"settings": merged(usual, own) if encoder == "pixels" else usual}
        for seed in options.all_seeds():
            job = Policy(model=label(encoder), encoder=encoder, seed=seed, **shared)
            if encoder in MODELS:
                first = pretraining(job)
                pretrain.build(first)
                kept = home(options.encoders) / f"{first.world}-{encoder}-seed{seed}-{key(first)}"
                job = dataclasses.replace(job, encoder=str(kept / "model"))
            else:
                place = encoder if encoder in SIGHTED else str(find_model(encoder))
                job = dataclasses.replace(job, encoder=place, pretrain={})
            jobs.append(job)
    pixels = dataclasses.replace(jobs[0], encoder="pixels")
    check_actions(pixels.algorithm, view(pixels, 1, 0)[0].action_space)
    return Plan(jobs)


def check_actions(algorithm: str, space: gym.Space) -> None:
    """Raise ValueError where an algorithm cannot act in a space."""
    wants = {"sac": spaces.Box, "dqn": spaces.Discrete}.get(algorithm)
    if wants is not None and not isinstance(space, wants):
        raise ValueError(f"{algorithm} needs {wants.__name__} actions, and the environment has {space}; ppo takes both")


EXPERIMENT = Experiment("policies", Policy, plan, run, summary, Policies, errors=(gym.error.Error,))
main = EXPERIMENT.main
