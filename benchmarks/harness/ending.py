"""How a command ends: with one line where a user can mend what went wrong or stopped it, never with a traceback."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.harness.progress import line
from benchmarks.harness.runs import JobsFailed
from benchmarks.harness.table import Table, show
from borders.files import FolderInUse


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, Ctrl-C ends the program with one line and status 130, and SIGTERM behind a training's step with 143."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        line(str(stopped) or "stopped")
        gc.freeze()  # the end of the process need not look for cycles among all that was imported
        raise SystemExit(128 + getattr(stopped, "number", signal.SIGINT)) from None


@contextmanager
def plain_errors(*more: type[Exception]) -> Iterator[None]:
    """Inside, what a user can mend (TypeError, ValueError or one of `more`) ends the program with its message alone.

    So does what a run met: a loss that is no number, a full disk, a folder in use, jobs that failed; and see `stoppable`.
    """
    expected: tuple[type[Exception], ...] = (TypeError, ValueError, FloatingPointError, OSError, FolderInUse, *more)
    try:
        with stoppable():
            yield
    except JobsFailed as failed:
        rows = tuple((Path(folder).name, failure.error) for folder, failure in failed.failed.items())
        show([Table("Jobs that failed", ("job", "error"), rows)], ())
        raise SystemExit(f"error: {failed}") from None
    except expected as error:
        raise SystemExit(f"error: {error}") from error
