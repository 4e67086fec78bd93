"""What a person sees while jobs run: which job of how many, what it does now, and a line for each that is done.

Everything goes to the standard error; lines that are written over each other go to terminals alone.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

_label: list[str] = []


@contextmanager
def shown(label: str) -> Iterator[None]:
    """Inside, bars and phases of this process carry the label."""
    _label.append(label)
    try:
        yield
    finally:
        _label.pop()


def bar() -> str | bool:
    """What `fit` is told of its progress bar: its label, or False where other jobs run at the same time."""
    return _label[-1] if _label else False


def phase(name: str) -> None:
    """Say on a terminal what the job does now; the next phase, bar or line is written over it."""
    if _label and sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{_label[-1]}: {name}")
        sys.stderr.flush()


def line(text: str) -> None:
    """Say something that stays, at the start of a line."""
    clear = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(f"{clear}{text}", file=sys.stderr, flush=True)


class Count:
    """Counts jobs that are done: a line for each, and on a terminal the time that is left behind it."""

    def __init__(self, total: int, done: int = 0):
        self.total, self.done, self.began, self.fresh = total, done, time.perf_counter(), 0

    def label(self, name: str) -> str:
        """The next job's label."""
        return f"{name} ({self.done + 1} of {self.total})"

    def finished(self, name: str, seconds: float | None = None) -> None:
        """Another job is done."""
        self.done, self.fresh = self.done + 1, self.fresh + 1
        spent = "" if seconds is None else f" in {duration(seconds)}"
        left = (time.perf_counter() - self.began) / self.fresh * (self.total - self.done)
        line(f"{name}: done{spent} ({self.done} of {self.total}{f', about {duration(left)} left' if left else ''})")

    def failed(self, name: str, error: str) -> None:
        """A job is over without a result."""
        line(f"{name}: FAILED, {error.partition(chr(10))[0]}")


def duration(seconds: float) -> str:
    """Seconds as a person says them: 12 s, 3 min, 2.5 h."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
