"""From results to what a person reads: means with intervals, the table, the claims."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable
from scipy import stats


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    values: tuple[float, ...]

    def text(self, digits: int = 2, scale: float = 1.0, unit: str = "") -> str:
        """Mean and interval, for a table cell."""
        if not math.isfinite(self.mean):
            return "-"
        if len(self.values) == 1 or self.low == self.high:
            return f"{self.mean * scale:.{digits}f}{unit}"
        return f"{self.mean * scale:.{digits}f}{unit} [{self.low * scale:.{digits}f}, {self.high * scale:.{digits}f}]"


def interval(values: Sequence[float]) -> Interval:
    """Mean of `values` and its 95 % percentile-bootstrap interval (seeded); the mean itself where all agree."""
    numbers = np.asarray(values, float)
    mean = float(numbers.mean()) if len(numbers) else math.nan
    if len(numbers) < 2 or not np.isfinite(mean) or np.ptp(numbers) == 0:
        return Interval(mean, mean, mean, tuple(numbers.tolist()))
    found = stats.bootstrap((numbers,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(0))
    low, high = found.confidence_interval
    return Interval(mean, float(low), float(high), tuple(numbers.tolist()))


@dataclass(frozen=True)
class Claim:
    """Something a paper says, whether these runs show it, and the figures that decide it."""

    text: str
    shown: bool
    evidence: str


@dataclass(frozen=True)
class Table:
    """A titled table of text cells."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table in Markdown."""
        lines = [self.columns, tuple("---" for _ in self.columns), *self.rows]
        return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def show(tables: Sequence[Table], claims: Sequence[Claim]) -> None:
    """Print tables and claims to the terminal."""
    console = Console(width=None if Console().is_terminal else 180)
    for table in tables:
        rich = RichTable(title=table.title, title_justify="left")
        for index, column in enumerate(table.columns):
            rich.add_column(column, justify="left" if index == 0 else "right")
        for row in table.rows:
            rich.add_row(*row)
        console.print(rich)
    for claim in claims:
        console.print(f"{'shown    ' if claim.shown else 'NOT SHOWN'}  {claim.text} ({claim.evidence})", markup=False)
