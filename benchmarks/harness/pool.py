"""Processes of this machine that compute rows, and outlive neither their task nor their parent.

Every worker is a pool of one (joblib's loky), so that a worker that dies takes its own row with it and no other. A worker
ends soon after its parent, however that ends, and Ctrl-C is the parent's alone to answer.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import TerminatedWorkerError

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
WATCH = 0.2  # seconds between looks at the parent
GRACE = 0.7  # seconds that workers have to save their state


@dataclass(frozen=True)
class Failure:
    """Why a row has no result: the error in a line, where it came from, and itself unless the process died."""

    error: str
    details: str = ""
    exception: BaseException | None = None


def failure(error: BaseException) -> Failure:
    """What to say of an exception."""
    if isinstance(error, TerminatedWorkerError):
        codes = str(error).rpartition("are {")[2].rpartition("}")[0] or "an unknown signal"
        return Failure(f"its process was killed by {codes} (the system does so where memory is short)")
    cause = error.__cause__ if type(error.__cause__).__name__ == "_RemoteTraceback" else error
    details = str(cause) if cause is not error else "".join(traceback.format_exception(error))
    return Failure(f"{type(error).__name__}: {error}", details, error)


def in_processes(call: Callable[..., Any], rows: Sequence[tuple[Any, ...]], workers: int) -> Iterator[tuple[int, Any]]:
    """`call(*row)` for every row, `workers` at a time: the row's place and the result or `Failure`, as they come.

    Where the loop around this is left before its end, as by Ctrl-C, workers get SIGTERM and a moment to save their state.
    """
    todo, idle = deque(enumerate(rows)), [_Worker() for _ in range(min(workers, len(rows)))]
    busy: dict[Future, tuple[int, _Worker]] = {}
    everyone = list(idle)
    try:
        while todo or busy:
            while todo and idle:
                worker = idle.pop()
                place, row = todo.popleft()
                busy[worker.submit(call, row)] = place, worker
            for future in wait(busy, return_when=FIRST_COMPLETED).done:
                place, worker = busy.pop(future)
                error = future.exception()
                if isinstance(error, TerminatedWorkerError):
                    worker.replace()
                idle.append(worker)
                yield place, future.result() if error is None else failure(error)
    finally:
        for worker in everyone:
            worker.signal(signal.SIGTERM if busy else None)
        if busy:
            wait(busy, timeout=GRACE)
        for worker in everyone:
            worker.end(bool(busy))


def keep_memory() -> None:
    """Let this process keep the memory that it frees, where its C library is glibc; elsewhere nothing.

    glibc otherwise may give a training step's activations back to the system and take them again page by page, or not, as
    they happen to lie: a tenth to a fifth of a training's time.
    """
    with suppress(OSError, AttributeError, TypeError):
        mallopt, trim, mmap = ctypes.CDLL(None).mallopt, -1, -3
        mallopt(trim, 1 << 30)
        if not mallopt(mmap, 1 << 30):
            mallopt(mmap, 1 << 25)  # the most that older ones take


class _Worker:
    """A process that computes one row at a time."""

    def __init__(self) -> None:
        self.process: int | None = None
        self.pool: ProcessPoolExecutor | None = None

    def submit(self, call: Callable[..., Any], row: tuple[Any, ...]) -> Future:
        if self.pool is None:
            self.pool = ProcessPoolExecutor(1, initializer=_begin, initargs=(os.getpid(),), env=ONE_THREAD)
            self.process = self.pool.submit(os.getpid).result()
        return self.pool.submit(call, *row)

    def replace(self) -> None:
        """Forget a process that died."""
        self.end(True)
        self.pool = self.process = None

    def signal(self, number: int | None) -> None:
        if number is not None and self.process is not None:
            with suppress(ProcessLookupError):
                os.kill(self.process, number)

    def end(self, now: bool) -> None:
        if now:
            self.signal(signal.SIGKILL)
        if self.pool is not None:
            self.pool.shutdown(wait=not now)


def _begin(parent: int) -> None:
    """What a worker does first: leave Ctrl-C to its parent, and watch it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    """End with the parent: SIGTERM, which a training answers by saving its state, and soon the end without question."""
    while os.getppid() == parent:
        time.sleep(WATCH)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE)
    os._exit(1)
