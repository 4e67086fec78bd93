"""What a measurement of speed is: its size, its figures, and the bars they should reach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

ONE, TWO_THREADS, TWO_PROCESSES = "1 process, 1 thread", "1 process, 2 threads", "2 processes, 1 thread each"


@dataclass(frozen=True)
class Row:
    """One figure: `clock` and `processor` are per second, or seconds (milliseconds) of each, as `unit` says."""

    figure: str
    run_as: str
    unit: str
    clock: float
    processor: float
    elsewhere: str = ""
    limit: str = ""


@dataclass(frozen=True)
class Bar:
    """What a figure should reach: at least (rates) or at most (times) `value`, in the best way to run it."""

    figure: str
    value: float
    text: str


@dataclass(frozen=True)
class Sizes:
    """How much work a measurement is: the defaults, or less to see that everything runs."""

    repeats: int = 5
    batch: int = 256
    single_steps: int = 1000
    num_envs: int = 1024
    vector_steps: int = 40
    problems: tuple[int, ...] = (32, 256)
    codes: int = 10_000
    train_steps: int = 15
    train_batch: int = 64
    ilqr: Path | None = None
    seed: int = 0

    def generator(self) -> torch.Generator:
        """A generator with the seed."""
        return torch.Generator().manual_seed(self.seed)
