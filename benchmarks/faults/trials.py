"""The faults: each trial does something to a run, counts how often, and says what was lost."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import representations
from benchmarks.faults.victim import CHECKPOINT, STEPS, Spoiled, difference, make, train, train_on
from benchmarks.harness.runs import ERROR, JobsFailed, claim_folder, plain, read_result, sweep
from borders.files import FolderInUse, claimed, read_npz, read_tensors, write_json, write_npz
from representations.fit import Stopped

PATIENCE = 600.0  # seconds for what takes one or two, on a machine that others use too


@dataclass
class Tally:
    """How often a fault was tried, and what was lost by it, in words."""

    tried: int = 0
    lost: list[str] = field(default_factory=list)
    skipped: str = ""

    def note(self, *lost: str) -> None:
        """One more was tried."""
        self.tried += 1
        self.lost += [text for text in lost if text]


@dataclass(frozen=True)
class Toy:
    """A job of a sweep that does nothing, or dies."""

    model: str
    preset: str = "quick"
    seed: int = 0


def child(call: Callable[..., object], *arguments: Any) -> Any:
    """A process that runs `call`, started from a fresh one that has imported what it needs."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks.faults.trials"])
    process = context.Process(target=_call, args=(call, *arguments), daemon=True)
    process.start()
    return process


def _call(call: Callable[..., object], *arguments: Any) -> None:
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a worker of a sweep ignores it, and its children inherit that
    try:
        call(*arguments)
    except Stopped as stopped:
        sys.exit(128 + stopped.number)


def step_of(folder: Path) -> int:
    """The step of the checkpoint in a run's folder, which must be whole; 0 where there is none."""
    path = folder / CHECKPOINT
    return int(read_tensors(path, "a checkpoint")[1]["step"]) if path.exists() else 0


def until(what: Callable[[], bool]) -> None:
    """Wait for something that is sure to come."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of it within {PATIENCE:.0f} seconds")
        time.sleep(0.002)


def struck(folder: Path, number: int, wait: float) -> int | None:
    """Continue a run in another process and send it a signal a while after it went on; its exit code."""
    before = step_of(folder)
    process = child(train_on, folder)
    until(lambda: not process.is_alive() or step_of(folder) > before)
    time.sleep(wait)
    with suppress(ProcessLookupError):
        os.kill(process.pid, number)
    process.join(PATIENCE)
    return process.exitcode


def kills(folder: Path, count: int, seed: int) -> Tally:
    """SIGKILL at random moments; the end must be that of an unbroken run, to the last bit."""
    return _broken(folder, count, seed, [signal.SIGKILL])


def stops(folder: Path, count: int, seed: int) -> Tally:
    """SIGINT and SIGTERM, in turn."""
    return _broken(folder, max(count // 5, 2), seed, [signal.SIGINT, signal.SIGTERM])


def _broken(folder: Path, count: int, seed: int, numbers: list[signal.Signals]) -> Tally:
    tally, draws, run, runs = Tally(), random.Random(seed), folder / "run-0", 0
    train(folder / "whole")
    while tally.tried < count:
        before = step_of(run)
        code = struck(run, numbers[tally.tried % len(numbers)], draws.uniform(0, 0.1))
        after = step_of(run)
        back = f"the run went back from step {before} to {after}" if after < before else ""
        number = numbers[tally.tried % len(numbers)]
        ends = (0, -number) if number == signal.SIGKILL else (0, 128 + number)
        tally.note(back or ("" if code in ends else f"{number.name} ended with {code}"))
        if code == 0 or after == STEPS:  # it had come to its end before the blow
            train(run)
            tally.lost += [text for text in [difference(run, folder / "whole")] if text]
            runs += 1
            run = folder / f"run-{runs}"
    train(run)
    tally.lost += [text for text in [difference(run, folder / "whole")] if text]
    return tally


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


def damage(folder: Path, count: int, seed: int) -> Tally:
    """Every file of a run emptied, cut, overwritten, flipped at one bit, replaced by a folder: named, never taken."""
    tally, run, job = Tally(), folder / "run", Toy("a")
    claim_folder(run, plain(job))
    train(run)
    write_json(run / "result.json", {"scores": {}})
    write_npz(run / "codes.npz", {"codes": np.arange(999.0)})
    readers: dict[str, Callable[[], object]] = {
        CHECKPOINT: lambda: train(run),
        "log.jsonl": lambda: train(run),
        "config.yaml": lambda: claim_folder(run, plain(job)),
        "result.json": lambda: read_result(run),
        "codes.npz": lambda: read_npz(run / "codes.npz", "codes"),
        "model/config.json": lambda: representations.load(run / "model"),
        "model/model.safetensors": lambda: representations.load(run / "model"),
    }
    for name, read in readers.items():
        path = run / name
        kept = path.read_bytes()
        for what, content in damages(kept, name.endswith((".safetensors", ".npz"))).items():
            path.unlink()
            path.mkdir() if content is None else path.write_bytes(content)
            tally.note(_named(read, path, what))
            path.rmdir() if content is None else path.unlink()
            path.write_bytes(kept)
        read()
    return tally


def damages(content: bytes, checked: bool) -> dict[str, bytes | None]:
    """Contents in place of a file's, None for a folder; a flipped bit only where a checksum can tell it."""
    half = len(content) // 2
    found: dict[str, bytes | None] = {"emptied": b"", "another file": b"\x80\x04K\x01.", "a folder": None}
    if checked:
        found |= {
            "cut": content[:half],
            "a flipped bit": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
        }
    else:
        found |= {"cut": b"{" + content[1:half], "a list": b"[1, 2]\n", "latin": b'{"a": "\xe9"}\n'}
    return found


def _named(read: Callable[[], object], path: Path, what: str) -> str:
    """What is wrong with the answer to a damaged file: it must be a ValueError that names it."""
    try:
        read()
    except ValueError as error:
        return "" if path.name in str(error) else f"{path.name} {what}: an error without its name, {error}"
    except Exception as error:
        return f"{path.name} {what}: {error!r}"
    return f"{path.name} {what}: taken as if it were whole"


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


def spoiled(folder: Path, count: int, seed: int) -> Tally:
    """NaN in a loss, a gradient or a weight: named, and the last good state kept."""
    tally, draws = Tally(), random.Random(seed)
    for what in ("loss", "gradient", "weight"):
        for k in range(max(count // 10, 1)):
            run, model = folder / f"{what}-{k}", make()
            model.objectives = Spoiled(model, what, draws.randrange(150, STEPS)).objectives  # type: ignore[method-assign]
            try:
                train(run, model=model, checkpoint_every=50)
                tally.note(f"a {what} that is no number went unnoticed")
            except FloatingPointError as error:
                tally.note("" if "the last good state" in str(error) else f"no good state was named: {error}")
            bad = [
                name for name, value in read_tensors(run / CHECKPOINT, "it")[0].items() if not value.isfinite().all()
            ]
            tally.lost += [f"the checkpoint holds NaN in {bad[0]}"] if bad else []
            tally.lost += ["a spoiled model was saved"] if (run / "model").exists() else []
    return tally


def command(folder: Path, count: int, seed: int) -> Tally:
    """A command with two workers, stopped by Ctrl-C, SIGTERM and SIGKILL: no worker is left, and it continues."""
    tally = Tally()
    words = ["--preset=quick", "--model=vae", "--scores=", "--device=cpu", "--steps=3000", "--seeds=2", "--workers=2"]
    words += ['--settings={"channels": 2, "hidden": 8}', f"--out={folder / 'out'}"]
    call = [sys.executable, "-m", "benchmarks.pretrain", *words]
    told: dict[str, Any] = {"cwd": Path(__file__).parents[2], "text": True, "stdout": subprocess.DEVNULL}
    told["preexec_fn"] = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)  # as a terminal starts it
    for number, code in ((signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM), (signal.SIGKILL, -signal.SIGKILL)):
        process = subprocess.Popen(call, stderr=subprocess.PIPE, **told)
        try:
            until(lambda: len(list((folder / "out").glob("*/.run.json"))) == 2 or process.poll() is not None)  # noqa: B023
            process.send_signal(number)
            said = process.communicate(timeout=PATIENCE)[1]
        finally:
            process.kill()
        tally.note(
            "" if process.returncode == code else f"{number.name} ended with {process.returncode}: {said[-300:]}"
        )
        tally.lost += [f"{number.name} left a traceback"] if "Traceback" in said else []
        until(lambda: all(_free(path) for path in (folder / "out").iterdir() if path.is_dir()))
    done = subprocess.run(call, stderr=subprocess.PIPE, **told)
    tally.note("" if done.returncode == 0 else f"the same command did not continue: {done.stderr[-300:]}")
    return tally


def _free(folder: Path) -> bool:
    try:
        with claimed(folder, patience=0):
            return True
    except FolderInUse:
        return False


TRIALS: dict[str, Callable[[Path, int, int], Tally]] = {
    "kills": kills,
    "stops": stops,
    "command": command,
    "full_disk": full_disk,
    "file_limit": file_limit,
    "damage": damage,
    "shared": shared,
    "dying": dying,
    "spoiled": spoiled,
}
