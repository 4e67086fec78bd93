"""Others: two processes on one folder, and workers of a sweep that die or fail."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import representations
from benchmarks.faults.tally import PATIENCE, Tally, Toy, child, until
from benchmarks.faults.victim import difference, make, train
from benchmarks.harness.runs import ERROR, JobsFailed, sweep
from borders.files import FolderInUse, claimed


def shared(folder: Path, count: int, seed: int) -> Tally:
    """Two processes on one run (the second is told who has it), and two that save one model (both succeed)."""
    tally, run = Tally(), folder / "run"
    train(folder / "whole")
    process = child(_hold, run)
    until((run / "held").exists)
    try:
        train(run)
        tally.note("two processes had one folder")
    except FolderInUse as error:
        tally.note("" if f"process {process.pid} " in str(error) else f"nobody was told who: {error}")
    process.kill()
    process.join()
    train(run)
    tally.note(difference(run, folder / "whole"))
    pair = [child(_save_often, folder / "model", count) for _ in range(2)]
    for process in pair:
        process.join(PATIENCE)
        tally.note("" if process.exitcode == 0 else f"a writer ended with {process.exitcode}")
    representations.load(folder / "model")
    return tally


def _hold(folder: Path) -> None:
    with claimed(folder):
        (folder / "held").touch()
        time.sleep(PATIENCE)


def _save_often(folder: Path, count: int) -> None:
    for _ in range(count):
        representations.save(make(), folder)


def dying(folder: Path, count: int, seed: int) -> Tally:
    """A worker of a sweep that dies, and a job that fails: recorded, the others finish, the same call mends it."""
    tally, jobs = Tally(), [Toy("a"), Toy("dies"), Toy("fails"), Toy("b")]
    try:
        sweep(_toy, jobs, folder / "sweep", workers=2)
        tally.note("a sweep with two jobs that fail said nothing")
    except JobsFailed as failed:
        tally.note("" if len(failed.failed) == 2 else f"{len(failed.failed)} jobs failed, not 2")
    finished = sorted(path.parent.name.partition("-")[0] for path in (folder / "sweep").glob("*/result.json"))
    tally.note("" if finished == ["a", "b"] else f"finished were {finished}")
    recorded = len(list((folder / "sweep").glob(f"*/{ERROR}")))
    tally.note("" if recorded == 2 else f"{recorded} errors were recorded")
    (folder / "mended").touch()
    again = [result["model"] for result in sweep(_toy, jobs, folder / "sweep", workers=2)]
    tally.note("" if again == [job.model for job in jobs] else f"the same call gave {again}")
    return tally


def _toy(job: Toy, folder: Path, resume: bool) -> dict[str, Any]:
    if job.model in ("dies", "fails") and not (folder.parent.parent / "mended").exists():
        if job.model == "fails":
            raise ValueError("a job that fails")
        os.kill(os.getpid(), signal.SIGKILL)
    return {"scores": {}, "model": job.model}
