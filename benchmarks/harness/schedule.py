"""What a sweep would cost on more workers than one has, from how long its jobs took: nothing is run.

An engine gives the next job in order to whichever worker is free first (list scheduling, Graham 1969):

    t_i          the seconds of job i
    makespan     when the last job ends                     max(max t, sum t / w) <= makespan <= sum t / w + (1 - 1 / w) max t
    idle         the share of the workers' time without a job, 1 - sum t / (w makespan)
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.harness.progress import duration
from benchmarks.harness.table import Table


@dataclass(frozen=True)
class Schedule:
    """How a sweep went on `workers`: `makespan` and `busy`, the sum of its jobs, in seconds."""

    workers: int
    makespan: float
    busy: float

    @property
    def idle(self) -> float:
        """The share of the workers' time until the end of the last job in which they had none."""
        return 1 - self.busy / (self.workers * self.makespan) if self.makespan else 0.0


def schedule(seconds: Sequence[float], workers: int) -> Schedule:
    """Jobs of so many seconds, in order, on `workers`; ValueError for fewer than one worker or for times that cannot be."""
    if workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    for taken in seconds:
        if not 0 <= taken < math.inf:
            raise ValueError(f"the seconds of a job must be finite and not negative, got {taken}")
    free = [0.0] * workers
    for taken in seconds:
        heapq.heapreplace(free, free[0] + taken)
    return Schedule(workers, max(free), math.fsum(seconds))


def cost_table(title: str, seconds: Sequence[float], results: int, workers: Sequence[int]) -> Table:
    """A row for each number of workers; `results` is how many bytes come back from all jobs together."""
    rows = []
    for count in workers:
        found = schedule(seconds, count)
        quicker = found.busy / found.makespan if found.makespan else 1.0
        moved = f"{results / 1e6:.1f} MB"
        rows.append((f"{count:,}", duration(found.makespan), f"{quicker:.1f}", f"{100 * found.idle:.0f} %", moved))
    return Table(
        title, ("workers", "until the last job ends", "times as fast as one", "idle", "results moved"), tuple(rows)
    )
