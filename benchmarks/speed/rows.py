"""What a measurement of speed is: its size, its figures, and the bars they should reach."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch

ONE, TWO_THREADS, TWO_PROCESSES = "1 process, 1 thread", "1 process, 2 threads", "2 processes, 1 thread each"
LINEAR = "% of linear"  # the unit of an efficiency


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
    """Timed calls behind every median; a call of more than ten seconds of processor time is timed once."""
    batch: int = 256
    """Pictures that a world draws at once."""
    single_steps: int = 1000
    """Steps of one environment."""
    num_envs: int = 1024
    """Environments moved as one batch."""
    vector_steps: int = 40
    """Steps of that batch."""
    problems: tuple[int, ...] = (32, 256)
    """Problems planned as one batch."""
    codes: int = 10_000
    """Codes that are scored."""
    train_steps: int = 15
    """Steps of training."""
    train_batch: int = 64
    """Pictures a step of training."""
    jobs: int = 2
    """Trainings of the sweep that is to scale."""
    job_steps: int = 750
    """Steps of each of them: a minute of a core."""
    ilqr: Path | None = None
    """An npz file with a locally linear problem; a generated one unless given."""
    seed: int = 0
    """Seed of everything that is drawn."""

    def __post_init__(self) -> None:
        for name in (
            "repeats",
            "batch",
            "single_steps",
            "num_envs",
            "vector_steps",
            "codes",
            "train_steps",
            "train_batch",
            "jobs",
            "job_steps",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.problems or min(self.problems) < 1:
            raise ValueError(f"problems must be at least 1 each, got {self.problems}")

    def generator(self) -> torch.Generator:
        """A generator with the seed."""
        return torch.Generator().manual_seed(self.seed)
