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
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import joblib
import torch
import yaml

from representations.model import write_atomically

PACKAGES = ("torch", "numpy", "scipy", "gymnasium", "scikit-learn", "stable-baselines3")


class Job(Protocol):
    """What a sweep is made of: a frozen dataclass that says which model, preset and seed it is."""

    model: str
    preset: str
    seed: int


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

    own = Path(__file__).resolve().parent.parent
    if Path(envs.__file__ or "").resolve().parent.parent != own:
        raise ImportError(
            f"`envs` was imported from {envs.__file__}, not from {own}: another installed package has the same name; "
            f"run from the checkout's folder, or uninstall it"
        )


def key(job: Any) -> str:
    """A short name for a configuration, the same in every process."""
    text = json.dumps(dataclasses.asdict(job), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def job_folder(out: Path, job: Any) -> Path:
    """The folder of one job in a sweep's folder."""
    return out / f"{job.model}-seed{job.seed}-{key(job)}"


def versions() -> dict[str, str]:
    """Python's, the packages' and our own revision's versions."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "missing"
    root = Path(__file__).parent
    revision = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True)
    found["revision"] = revision.stdout.strip() or "unknown"
    return found


def hardware() -> dict[str, Any]:
    """The processor, its cores, this process's threads, and the GPU if there is one."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.split(":", 1)[1].strip() for line in cpuinfo.read_text().splitlines() if "model name" in line]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def write_result(folder: Path, benchmark: str, job: Job, scores: dict[str, Any], seconds: dict[str, float]) -> dict:
    """Write `config.yaml` and `result.json`; return what the latter holds."""
    folder.mkdir(parents=True, exist_ok=True)
    result = {
        "benchmark": benchmark,
        "model": job.model,
        "preset": job.preset,
        "seed": job.seed,
        "scores": scores,
        "seconds": seconds,
        "versions": versions(),
        "hardware": hardware(),
    }
    config = yaml.safe_dump(json.loads(json.dumps(dataclasses.asdict(job), default=str)), sort_keys=False)  # type: ignore[call-overload]
    write_atomically(folder / "config.yaml", lambda path: path.write_text(config))
    text = json.dumps(result, indent=2) + "\n"
    write_atomically(folder / "result.json", lambda path: path.write_text(text))
    return result


def sweep(run: Callable[[Any, Path], dict], jobs: Sequence[Any], out: Path, engine: str = "local", workers: int = 0) -> list[dict]:
    """Run every job that has no result yet, `workers` at a time (0: one per core), and return all results in order.

    `run(job, folder)` gives a result. `engine` is "local" (joblib's processes, one thread each) or "ray".
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"the output {out} is a file, not a folder")
    foreign = out.exists() and any(out.iterdir()) and not any(out.rglob("config.yaml")) and not (out / ".disco").exists()
    if foreign:
        raise ValueError(f"the output folder {out} is not empty and not a run of disco; name a new or an empty one")
    out.mkdir(parents=True, exist_ok=True)
    (out / ".disco").touch()
    open_jobs = [job for job in jobs if not (job_folder(out, job) / "result.json").exists()]
    workers = min(workers or os.cpu_count() or 1, max(len(open_jobs), 1))
    if engine == "ray":
        _by_ray(run, open_jobs, out)
    elif engine == "local":
        if workers == 1:
            for job in open_jobs:
                _alone(run, job, out, os.cpu_count() or 1)
        else:
            threads = max((os.cpu_count() or 1) // workers, 1)
            joblib.Parallel(n_jobs=workers, backend="loky")(joblib.delayed(_alone)(run, job, out, threads) for job in open_jobs)
    else:
        raise ValueError(f"engine must be 'local' or 'ray', got {engine!r}")
    return [json.loads((job_folder(out, job) / "result.json").read_text()) for job in jobs]


def _alone(run: Callable[[Any, Path], dict], job: Any, out: Path, threads: int) -> None:
    """Run one job with a deliberate number of threads."""
    torch.set_num_threads(1 if threads < 4 else threads // 2)
    run(job, job_folder(out, job))


def _by_ray(run: Callable[[Any, Path], dict], jobs: Sequence[Any], out: Path) -> None:
    try:
        import ray
    except ImportError:
        raise ImportError("engine 'ray' needs the package ray: pip install -e '.[cluster]'") from None
    ray.init(runtime_env={"working_dir": str(Path(__file__).resolve().parent.parent)}, ignore_reinit_error=True)
    remote = ray.remote(_alone).options(num_cpus=1, num_gpus=1 if torch.cuda.is_available() else 0, max_retries=2)
    waiting = [remote.remote(run, job, out.resolve(), 1) for job in jobs]
    while waiting:
        done, waiting = ray.wait(waiting)
        ray.get(done)


def say(text: str) -> None:
    """Print a line for a person, at once."""
    print(text, file=sys.stderr, flush=True)
