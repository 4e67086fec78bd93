"""How a call is timed: alone, on several threads, in several processes, or in turn with another."""

from __future__ import annotations

import multiprocessing
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Barrier

import torch

ENOUGH = 10.0  # seconds of processor time: a call that takes longer is timed once
PATIENCE = 300.0  # seconds until a process that waits for its neighbours gives up


@dataclass(frozen=True)
class Work:
    """A call that is ready to be timed, and how many things it makes."""

    call: Callable[[], object]
    things: int


@dataclass(frozen=True)
class Cost:
    """Seconds: by the clock, and of the processor, all threads of the process together."""

    clock: float
    processor: float


@dataclass(frozen=True)
class Rate:
    """Things a second by the clock, and things a second of processor time, summed over the processes."""

    clock: float
    processor: float


def once(call: Callable[[], object]) -> Cost:
    """What one call costs."""
    clock, processor = time.perf_counter(), time.process_time()
    call()
    return Cost(time.perf_counter() - clock, max(time.process_time() - processor, 1e-9))


def median(costs: list[Cost]) -> Cost:
    """The median cost, by the clock and of the processor each."""
    return Cost(statistics.median(c.clock for c in costs), statistics.median(c.processor for c in costs))


def timed(call: Callable[[], object], repeats: int) -> Cost:
    """The median cost of a call over `repeats`, behind one that warms up; of that one alone where it takes long."""
    first = once(call)
    return first if first.processor > ENOUGH else median([once(call) for _ in range(repeats)])


def in_turn(first: Callable[[], object], second: Callable[[], object], repeats: int) -> tuple[Cost, Cost, float]:
    """The median costs of two calls made in turn, and the median of the second's processor time over the first's."""
    once(first), once(second)
    pairs = [(once(first), once(second)) for _ in range(repeats)]
    ratio = statistics.median(b.processor / a.processor for a, b in pairs)
    return median([a for a, _ in pairs]), median([b for _, b in pairs]), ratio


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute on `count` of torch's threads, then on as many as the caller had."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def rate(make: Callable[[], Work], repeats: int, threads: int = 1) -> Rate:
    """How fast the work is done in this process on `threads` of torch's threads."""
    with torch_threads(threads):
        work = make()
        cost = timed(work.call, repeats)
    return Rate(work.things / cost.clock, work.things / cost.processor)


def rates_beside(makes: list[Callable[[], Work]], repeats: int, processes: int) -> list[Rate]:
    """How fast `processes` of one thread each do the same work at the same time, summed, for every work in turn."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager, ProcessPoolExecutor(processes, mp_context=context) as pool:
        barrier = manager.Barrier(processes)
        found = []
        for make in makes:
            waiting = [pool.submit(_together, barrier, make, repeats) for _ in range(processes)]
            rates = [future.result() for future in waiting]
            found.append(Rate(sum(r.clock for r in rates), sum(r.processor for r in rates)))
    return found


def _together(barrier: Barrier, make: Callable[[], Work], repeats: int) -> Rate:
    torch.set_num_threads(1)
    work = make()
    work.call()
    barrier.wait(PATIENCE)
    cost = timed(work.call, repeats)
    return Rate(work.things / cost.clock, work.things / cost.processor)
