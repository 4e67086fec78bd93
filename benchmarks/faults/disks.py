"""Disks: one that fills up, and a limit on the size of files, while a training writes."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import representations
from benchmarks.faults.tally import Tally
from benchmarks.faults.victim import STEPS, difference, step_of, train


def full_disk(folder: Path, count: int, seed: int) -> Tally:
    """A disk that fills up while checkpoints and models are written (a small tmpfs, which needs root)."""
    tally = Tally()
    disk = folder / "disk"
    mount = shutil.which("mount"), shutil.which("umount")
    if disk.is_mount():  # left by a trial that was killed
        subprocess.run([mount[1] or "umount", str(disk)], capture_output=True)
    disk.mkdir(parents=True, exist_ok=True)
    command = [mount[0] or "mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)]
    if None in mount or os.geteuid() or subprocess.run(command, capture_output=True).returncode:
        return Tally(skipped="only root may mount a small disk")
    try:
        train(folder / "whole")
        for k in range(max(count // 5, 2)):
            run, filler = disk / f"run-{k}", disk / "filler"
            train(run, steps=STEPS // 2)
            good = step_of(run)
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            filler.write_bytes(bytes(max(free - 4096 * (k % 3), 0)))
            tally.note(_fails(run, errno.ENOSPC), _whole(run, good))
            filler.unlink()
            train(run)
            tally.lost += [text for text in [difference(run, folder / "whole")] if text]
            shutil.rmtree(run)
    finally:
        subprocess.run([mount[1] or "umount", str(disk)], capture_output=True)
    return tally


def file_limit(folder: Path, count: int, seed: int) -> Tally:
    """A limit on the size of files, which any user may set: a checkpoint or model is cut short."""
    tally = Tally()
    train(folder / "whole")
    for k in range(max(count // 5, 2)):
        run = folder / f"run-{k}"
        train(run, steps=STEPS // 2)
        good = step_of(run)
        with limited(2000 + 500 * k):
            tally.note(_fails(run, errno.EFBIG), _whole(run, good))
        train(run)
        tally.lost += [text for text in [difference(run, folder / "whole")] if text]
    return tally


@contextmanager
def limited(size: int) -> Iterator[None]:
    """Inside, this process writes no file of more than `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _fails(run: Path, number: int) -> str:
    """What is wrong with how the run failed: it must be an OSError of this number."""
    try:
        train(run)
    except OSError as error:
        return "" if error.errno == number else f"the error was {error!r}"
    return "it went on as if nothing had happened"


def _whole(run: Path, good: int) -> str:
    """What is lost of a run whose last good checkpoint was that of a step."""
    left = [path.name for path in run.rglob(".*.partial*")]
    if left:
        return f"half a file was left: {left[0]}"
    try:
        representations.load(run / "model")
        return "" if step_of(run) >= good else f"the checkpoint went back to step {step_of(run)}"
    except ValueError as error:
        return str(error)
