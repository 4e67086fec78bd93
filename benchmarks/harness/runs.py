"""Experiments as data: a frozen dataclass in, a folder with `result.json` out, and a sweep as a list of them.

A finished job is a file keyed by its configuration, so that a sweep that was broken off continues where it stopped.
"""

from __future__ import annotations

import dataclasses
import datetime
import hashlib
import json
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from benchmarks.harness.engines import Engine
from benchmarks.harness.machine import hardware, versions
from benchmarks.harness.pool import Failure
from benchmarks.harness.progress import Count, line, phase, shown
from benchmarks.harness.rooms import CHECKOUT
from borders.files import claimed, read_json, read_yaml, set_aside, write_json, write_yaml
from representations.stopping import Stopped

RESULT = "result.json"
ERROR = "error.json"
PATIENCE = 5.0  # seconds, longer than workers outlive a parent that was killed


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
    def __call__(self, name: str) -> Iterator[None]:
        """Add the time spent inside to the phase `name`."""
        phase(name)
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 3)


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
    text = json.dumps(plain(job), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def job_folders(out: Path, jobs: Sequence[Any]) -> list[Path]:
    """Where each job of a sweep lives: a single one in `out` itself, several in folders of it, keyed by configuration."""
    return [out] if len(jobs) == 1 else [out / folder_name(job) for job in jobs]


def folder_name(job: Any) -> str:
    """The name of a job's folder beside others."""
    return f"{job.model}-seed{job.seed}-{key(job)}"


def describe(benchmark: str, job: Job, scores: dict[str, Any], seconds: dict[str, float]) -> dict[str, Any]:
    """What `result.json` holds."""
    return {
        "benchmark": benchmark,
        "model": job.model,
        "preset": job.preset,
        "seed": job.seed,
        "scores": scores,
        "seconds": seconds,
        "date": datetime.datetime.now().isoformat(" ", "minutes"),
        "versions": versions(),
        "hardware": hardware(),
    }


def plain(job: Any) -> Any:
    """A dataclass, or a list or a dictionary with such, as plain data for YAML and JSON."""
    return json.loads(json.dumps(job, default=_plain))


def _plain(value: Any) -> Any:
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else str(value)


def claim_folder(folder: Path, about: Mapping[str, Any]) -> None:
    """Make a run's or a sweep's folder and write its `config.yaml`.

    ValueError where it cannot be made, is not a folder or not a run's, or holds a run of other settings, which are named.
    """
    config = folder / "config.yaml"
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"the output {folder} is a file, not a folder")
    if config.exists():
        changed = differences(read_yaml(config, "the configuration of a run"), about)
        if changed:
            raise ValueError(
                f"{folder} holds a run of another configuration: {'; '.join(changed[:4])}. Name another --out"
            )
    elif folder.exists() and any(not path.name.startswith(".") for path in folder.iterdir()):
        raise ValueError(f"the output folder {folder} is not empty and not a run; name a new or an empty one")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_yaml(config, dict(about))
    except OSError as error:
        raise ValueError(f"the output folder {folder} cannot be written: {error.strerror or error}") from None


def differences(old: Any, new: Any, name: str = "") -> list[str]:
    """What differs between two nests of dictionaries: "key: old -> new" for each."""
    if not (isinstance(old, Mapping) and isinstance(new, Mapping)):
        return [] if old == new else [f"{name}: {old} -> {new}"]
    keys = dict.fromkeys([*old, *new])
    absent = "(not there)"
    return [
        line
        for key in keys
        for line in differences(old.get(key, absent), new.get(key, absent), f"{name}.{key}" if name else str(key))
    ]


Run = Callable[[Any, Path, bool], dict[str, Any]]


def sweep(
    run: Run,
    jobs: Sequence[Any],
    out: Path,
    engine: Engine | str = "local",
    workers: int = 0,
    resume: bool = True,
    patience: float = PATIENCE,
) -> list[dict[str, Any]]:
    """Run every job that has no `result.json` yet, `workers` at a time (0: one per core); return all results in order.

    `run(job, folder, resume)` gives the result that is written. `engine` is "local" (joblib's processes, one thread each),
    "ray", or an `Engine`. `resume=False` runs finished jobs again, from the start. See `compute` for jobs that fail.
    """
    folders = job_folders(out, jobs)
    if len(jobs) > 1 and out.is_dir() and any(out.iterdir()) and not any(out.glob("*/config.yaml")):
        raise ValueError(f"the output folder {out} is not empty and not a sweep; name a new or an empty one")
    for job, folder in zip(jobs, folders, strict=True):
        claim_folder(folder, plain(job))
    compute(run, list(zip(jobs, folders, strict=True)), engine, workers, resume, patience)
    return [read_result(folder) for folder in folders]


def compute(
    run: Run,
    placed: Sequence[tuple[Any, Path]],
    engine: Engine | str = "local",
    workers: int = 0,
    resume: bool = True,
    patience: float = PATIENCE,
) -> None:
    """Run jobs in their folders, which are claimed, those that are finished left out, and say which is done.

    A job that raises an exception, or whose process dies, leaves an `error.json` in its folder, and the others go on;
    `JobsFailed` says so at the end, but the exception of a job that is alone leaves as it is. Without `resume` old results
    are set aside before anything begins. A folder that another process computes in is waited for, `patience` seconds.
    """
    engine = Engine(engine, workers) if isinstance(engine, str) else engine
    if not resume:
        for _, folder in placed:
            set_aside(folder / RESULT)
    todo = [(job, folder) for job, folder in placed if not (resume and (folder / RESULT).exists())]
    count = Count(len(placed), len(placed) - len(todo))
    if count.done and todo:
        line(f"{count.done} of {len(placed)} jobs are finished already; continuing with the others")
    if not todo:
        line(
            f"all {len(placed)} jobs are finished already: their report is made anew; --no-resume would run them again"
        )
    alone = engine.name == "local" and engine.at_once(len(todo)) == 1
    failed: dict[str, Failure] = {}

    def note(job: Any, folder: Path, found: float | Failure) -> None:
        if not isinstance(found, Failure):
            return count.finished(title(job), found)
        failed[str(folder)] = found
        with suppress(OSError):  # a full disk may be why it failed
            write_json(folder / ERROR, {"job": title(job), "error": found.error, "details": found.details})
        count.failed(title(job), found.error)

    try:
        if alone:
            for job, folder in todo:
                for _, found in engine.map(_alone, [(run, job, folder, resume, count.label(title(job)), patience)]):
                    note(job, folder, found)
        else:
            rows = [(run, job, folder.resolve(), resume, "", patience) for job, folder in todo]
            for place, found in engine.map(_alone, rows):
                note(*todo[place], found)
    except KeyboardInterrupt as stopped:
        jobs = f"{count.done} of {len(placed)} jobs are finished; " if len(placed) > 1 else ""
        where = str(stopped).partition(";")[0] or "stopped"
        raise Stopped(f"{where}; {jobs}the same command continues", getattr(stopped, "number", signal.SIGINT)) from None
    if failed:
        [*_, last] = failed.values()
        if len(placed) == 1 and last.exception is not None:
            raise last.exception
        raise JobsFailed(failed, len(placed))


class JobsFailed(RuntimeError):
    """Some jobs of a sweep have no result: `failed` says why, by folder."""

    def __init__(self, failed: Mapping[str, Failure], total: int) -> None:
        super().__init__(
            f"{len(failed)} of {total} jobs failed; the same command runs them again, see each one's {ERROR}"
        )
        self.failed = dict(failed)


def title(job: Any) -> str:
    """What a job is called where its progress is told."""
    return f"{getattr(job, 'row', None) or job.model}, seed {job.seed}"


def read_result(folder: Path) -> dict[str, Any]:
    """The content of a finished job's `result.json`."""
    return read_json(folder / RESULT, "the result of a run", ("scores",))


def _alone(run: Run, job: Any, folder: Path, resume: bool, label: str, patience: float) -> float:
    """Run one job and write its result; the seconds it took. With a label its progress is shown."""
    began = time.perf_counter()
    with claimed(folder, patience), shown(label) if label else nullcontext():
        if not (resume and (folder / RESULT).exists()):  # another process may have finished it meanwhile
            (folder / ERROR).unlink(missing_ok=True)
            write_json(folder / RESULT, run(job, folder, resume))
    return time.perf_counter() - began
