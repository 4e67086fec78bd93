"""What the trials share: what they count, jobs that do nothing, processes, and waiting."""

from __future__ import annotations

import multiprocessing
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from representations.stopping import Stopped

PATIENCE = 600.0  # seconds for what takes one or two, on a machine that others use too


@dataclass
class Tally:
    """How often a fault was tried, and what was lost by it, in words."""

    tried: int = 0
    lost: list[str] = field(default_factory=list)
    skipped: str = ""
    amid: int | None = None
    """How many blows fell into a write: half a file was left, beside the whole one."""

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


def until(what: Callable[[], bool]) -> None:
    """Wait for something that is sure to come."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing came of it within {PATIENCE:.0f} seconds")
        time.sleep(0.002)
