"""Results by cell of a paper's tables: one model in one variant, over seeds."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.digits.job import Found
from benchmarks.harness.table import Interval, interval

Cells = dict[tuple[str, str], list[Found]]


def cells_of(results: Sequence[Found]) -> Cells:
    """The results of every model and variant, over seeds."""
    found: Cells = {}
    for each in results:
        found.setdefault((each.job.model, each.job.variant), []).append(each)
    return found


def by_variant(results: Sequence[Found]) -> dict[str, list[Found]]:
    """The results of every variant of one model, over seeds."""
    return {variant: rows for (_, variant), rows in cells_of(results).items()}


def over(rows: Sequence[Found], name: str, scale: float = 1) -> Interval:
    """A score over seeds, `scale` times as large."""
    return interval([scale * row.scores[name] for row in rows])


def gap(first: Sequence[Found], second: Sequence[Found], name: str = "error") -> Interval:
    """How many points larger a score is in the first cell, seed by seed."""
    both = {row.job.seed: row.scores[name] for row in second}
    return interval([100 * (row.scores[name] - both[row.job.seed]) for row in first if row.job.seed in both])
