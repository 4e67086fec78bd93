"""Signals: a training, or a command with its workers, is killed and stopped, and must continue as if nothing had been."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.faults.tally import PATIENCE, Tally, child, until
from benchmarks.faults.victim import CHECKPOINT, STEPS, difference, step_of, train, train_on
from borders.files import FolderInUse, claimed


def kills(folder: Path, count: int, seed: int) -> Tally:
    """SIGKILL at random moments; the end must be that of an unbroken run, to the last bit."""
    return _broken(folder, count, seed, [signal.SIGKILL])


def stops(folder: Path, count: int, seed: int) -> Tally:
    """SIGINT and SIGTERM, in turn."""
    return _broken(folder, max(count // 5, 2), seed, [signal.SIGINT, signal.SIGTERM])


def _broken(folder: Path, count: int, seed: int, numbers: list[signal.Signals]) -> Tally:
    tally, draws, run, runs, amid = Tally(), random.Random(seed), folder / "run-0", 0, 0
    train(folder / "whole")
    while tally.tried < count:
        before = step_of(run)
        code = struck(run, numbers[tally.tried % len(numbers)], draws.uniform(0, 0.1))
        amid += any(run.glob(".*.partial*"))
        after = step_of(run)
        back = f"the run went back from step {before} to {after}" if after < before else ""
        number = numbers[tally.tried % len(numbers)]
        ends = (-number,) if number == signal.SIGKILL else (128 + number,)
        if code != 0:  # at the end of a run it had ended before the blow
            tally.note(back or ("" if code in ends else f"{number.name} ended with {code}"))
        if code == 0 or after == STEPS:  # it had come to its end before the blow
            train(run)
            tally.lost += [text for text in [difference(run, folder / "whole")] if text]
            runs += 1
            run = folder / f"run-{runs}"
    train(run)
    tally.lost += [text for text in [difference(run, folder / "whole")] if text]
    tally.amid = amid if signal.SIGKILL in numbers else None
    return tally


def struck(folder: Path, number: int, wait: float) -> int | None:
    """Continue a run in another process and send it a signal a while after it went on; its exit code."""
    before = _written(folder)
    process = child(train_on, folder)
    until(lambda: not process.is_alive() or _written(folder) != before)
    time.sleep(wait)
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
    process.join(PATIENCE)
    return process.exitcode


def _written(folder: Path) -> tuple[int, int]:
    """Which file the checkpoint is: another one behind every step."""
    try:
        about = (folder / CHECKPOINT).stat()
        return about.st_ino, about.st_mtime_ns
    except FileNotFoundError:
        return 0, 0


def command(folder: Path, count: int, seed: int) -> Tally:
    """A command with two workers, stopped by Ctrl-C, SIGTERM and SIGKILL: no worker is left, and it continues."""
    tally = Tally()
    words = ["--preset=quick", "--model=vae", "--scores=", "--device=cpu", "--steps=2000", "--seeds=2", "--workers=2"]
    words += ['--settings={"channels": 2, "hidden": 8}', f"--out={folder / 'out'}"]
    call = [sys.executable, "-m", "benchmarks.pretrain", *words]
    told: dict[str, Any] = {"cwd": Path(__file__).parents[2], "text": True, "stdout": subprocess.DEVNULL}
    told["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # as a terminal starts it
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)):
        for left in (folder / "out").glob("*/.run.json"):  # of workers that were killed
            left.unlink()
        process = subprocess.Popen(call, stderr=subprocess.PIPE, **told)
        try:
            until(lambda: any((folder / "out").glob("*/.run.json")) or process.poll() is not None)  # noqa: B023
            process.send_signal(number)
            said = process.communicate(timeout=PATIENCE)[1]
        finally:
            process.kill()
        tally.note(
            "" if process.returncode == code else f"{number.name} ended with {process.returncode}: {_last(said)}"
        )
        tally.lost += [f"{number.name} left a traceback"] if "Traceback" in said else []
        until(lambda: all(_free(path) for path in (folder / "out").iterdir() if path.is_dir()))
    done = subprocess.run(call, stderr=subprocess.PIPE, **told)
    tally.note("" if done.returncode == 0 else f"the same command did not continue: {_last(done.stderr)}")
    return tally


def _last(said: str) -> str:
    return (said.strip().splitlines() or ["nothing"])[-1][:100]


def _free(folder: Path) -> bool:
    try:
        with claimed(folder, patience=0):
            return True
    except FolderInUse:
        return False
