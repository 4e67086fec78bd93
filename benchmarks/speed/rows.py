"""What a measurement of speed is: its size, its figures, and the bars they should reach."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
from annotated_types import MinLen

from benchmarks.harness.timing import in_turn
from borders import Count, Natural, checked
from representations import fit

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


@checked
@dataclass(frozen=True)
class Sizes:
    """How much work a measurement is: the defaults, or less to see that everything runs."""

    repeats: Count = 5
    """Timed calls behind every median; a call of more than ten seconds of processor time is timed once."""
    batch: Count = 256
    """Pictures that a world draws at once."""
    single_steps: Count = 1000
    """Steps of one environment."""
    num_envs: Count = 1024
    """Environments moved as one batch."""
    vector_steps: Count = 40
    """Steps of that batch."""
    problems: Annotated[tuple[Count, ...], MinLen(1)] = (32, 256)
    """Problems planned as one batch."""
    codes: Count = 10_000
    """Codes that are scored."""
    train_steps: Count = 15
    """Steps of training."""
    train_batch: Count = 64
    """Pictures a step of training."""
    jobs: Count = 8
    """Trainings of the sweep that is to scale."""
    job_steps: Count = 450
    """Steps of each of them: half a minute of a core."""
    ilqr: Path | None = None
    """An npz file with a locally linear problem; a generated one unless given."""
    seed: Natural = 0
    """Seed of everything that is drawn."""

    def generator(self) -> torch.Generator:
        """A generator with the seed."""
        return torch.Generator().manual_seed(self.seed)


def beside_bare(
    name: str,
    unit: str,
    model: Callable[[], Any],
    bare_loop: Callable[..., None],
    batches: Callable[[torch.Generator], Any],
    batch: int,
    sizes: Sizes,
    limit: str,
    elsewhere: str = "",
) -> list[Row]:
    """What of a training is done a second by `fit` and by a bare loop in turn, and the share that `fit` reaches of it.

    `bare_loop(model, batches, steps, generator)` trains as one would by hand: no logs, no checkpoints, no checks.
    """
    torch.manual_seed(sizes.seed)
    told: dict[str, Any] = {"device": "cpu", "progress": False}
    fitting = partial(fit, model(), batches, sizes.train_steps, sizes.generator(), **told)
    bare = partial(bare_loop, model(), batches, sizes.train_steps, sizes.generator())
    fitted, plain, ratio = in_turn(fitting, bare, sizes.repeats)
    made = batch * sizes.train_steps
    return [
        Row(f"{name}: fit", ONE, unit, made / fitted.clock, made / fitted.processor, elsewhere, limit),
        Row(f"{name}: bare loop", ONE, unit, made / plain.clock, made / plain.processor, "", limit),
        Row(f"{name}: share", ONE, "%", 100 * plain.clock / fitted.clock, 100 * ratio, "", "logs, checks"),
    ]
