"""Experiments as data: a frozen dataclass in, a folder with `result.json` out, and a sweep as a list of them.

A finished job is a file keyed by its configuration, so that a sweep that was broken off continues where it stopped.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import joblib
import torch

from benchmarks.harness.rooms import CHECKOUT
from representations.files import read_json, read_yaml, write_json, write_yaml

PACKAGES = ("torch", "numpy", "scipy", "gymnasium", "scikit-learn", "stable-baselines3")


class Job(Protocol):
    """What a sweep is made of: a frozen dataclass that says which model, preset and seed it is."""

    @property
    def model(self) -> str:
        """The model's name."""
        ...

    @property
    def preset(self) -> str:
        """The preset's name."""
        ...

    @property
    def seed(self) -> int:
        """The seed."""
        ...


@dataclass
class Timer:
    """Seconds by phase: `with timer("training"): ...`."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Add the time spent inside to `phase`."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[phase] = round(self.seconds.get(phase, 0.0) + time.perf_counter() - began, 3)


def check_neighbours() -> None:
    """Raise ImportError if `envs` is another package's: our rooms only work beside each other."""
    import envs

    own = CHECKOUT
    if Path(envs.__file__ or "").resolve().parent.parent != own:
        raise ImportError(
            f"`envs` was imported from {envs.__file__}, not from {own}: another installed package has the same name; "
            f"run from the checkout's folder, or uninstall it"
        )


def key(job: Any) -> str:
    """A short name for a configuration, the same in every process."""
    text = json.dumps(dataclasses.asdict(job), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def job_folders(out: Path, jobs: Sequence[Any]) -> list[Path]:
    """Where each job of a sweep lives: a single one in `out` itself, several in folders of it, keyed by configuration."""
    if len(jobs) == 1:
        return [out]
    return [out / f"{job.model}-seed{job.seed}-{key(job)}" for job in jobs]


def versions() -> dict[str, str]:
    """Python's, the packages' and our own revision's versions."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "missing"
    return found | {"revision": revision()}


def revision() -> str:
    """The checkout's revision as git names it; "unknown" where there is no git, or no repository of it."""
    try:
        said = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=CHECKOUT, capture_output=True, text=True)
    except OSError:
        return "unknown"
    return said.stdout.strip() or "unknown"


def hardware() -> dict[str, Any]:
    """The processor, its cores, this process's threads, and the GPU if there is one."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
            if "model name" in line
        ]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def describe(benchmark: str, job: Job, scores: dict[str, Any], seconds: dict[str, float]) -> dict[str, Any]:
    """What `result.json` holds."""
    return {
        "benchmark": benchmark,
        "model": job.model,
        "preset": job.preset,
        "seed": job.seed,
        "scores": scores,
        "seconds": seconds,
        "versions": versions(),
        "hardware": hardware(),
    }


def plain(job: Any) -> dict[str, Any]:
    """A dataclass as plain data for YAML and JSON."""
    return json.loads(json.dumps(dataclasses.asdict(job), default=str))


def claim_folder(folder: Path, job: Any) -> None:
    """Make a job's folder and write its `config.yaml`; ValueError if it is not a folder, or holds something else."""
    config = folder / "config.yaml"
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"the output {folder} is a file, not a folder")
    if config.exists():
        if read_yaml(config, "the configuration of a run") != plain(job):
            raise ValueError(f"{folder} holds a run of another configuration (see its config.yaml); name another --out")
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(f"the output folder {folder} is not empty and not a run; name a new or an empty one")
    folder.mkdir(parents=True, exist_ok=True)
    write_yaml(config, plain(job))


def sweep(
    run: Callable[[Any, Path, bool], dict[str, Any]],
    jobs: Sequence[Any],
    out: Path,
    engine: str = "local",
    workers: int = 0,
    resume: bool = True,
) -> list[dict[str, Any]]:
    """Run every job that has no `result.json` yet, `workers` at a time (0: one per core); return all results in order.

    `run(job, folder, resume)` gives the result that is written. `engine` is "local" (joblib's processes, one thread each)
    or "ray". `resume=False` runs finished jobs again, from the start.
    """
    if engine not in ("local", "ray"):
        raise ValueError(f"engine must be 'local' or 'ray', got {engine!r}")
    folders = job_folders(out, jobs)
    if len(jobs) > 1 and out.is_dir() and any(out.iterdir()) and not any(out.glob("*/config.yaml")):
        raise ValueError(f"the output folder {out} is not empty and not a sweep; name a new or an empty one")
    for job, folder in zip(jobs, folders, strict=True):
        claim_folder(folder, job)
    todo = [
        (job, folder)
        for job, folder in zip(jobs, folders, strict=True)
        if not (resume and (folder / "result.json").exists())
    ]
    workers = min(workers or os.cpu_count() or 1, max(len(todo), 1))
    if engine == "ray":
        _by_ray(run, todo, resume)
    elif workers == 1:
        for job, folder in todo:
            _alone(run, job, folder, resume)
    else:
        parallel = joblib.Parallel(n_jobs=workers, backend="loky")
        parallel(joblib.delayed(_alone)(run, job, folder, resume) for job, folder in todo)
    return [read_json(folder / "result.json", "the result of a run", ("scores",)) for folder in folders]


def _alone(run: Callable[[Any, Path, bool], dict[str, Any]], job: Any, folder: Path, resume: bool) -> None:
    """Run one job on one thread: the networks are small, and more threads only wait for each other."""
    torch.set_num_threads(1)
    write_json(folder / "result.json", run(job, folder, resume))


def _by_ray(run: Callable[[Any, Path, bool], dict[str, Any]], todo: Sequence[tuple[Any, Path]], resume: bool) -> None:
    try:
        import ray
    except ImportError:
        raise ImportError("engine 'ray' needs the package ray: pip install -e '.[cluster]'") from None
    ray.init(runtime_env={"working_dir": str(CHECKOUT)}, ignore_reinit_error=True)
    remote = ray.remote(_alone).options(num_cpus=1, num_gpus=1 if torch.cuda.is_available() else 0, max_retries=2)
    waiting = [remote.remote(run, job, folder.resolve(), resume) for job, folder in todo]
    while waiting:
        done, waiting = ray.wait(waiting)
        ray.get(done)
