"""From results to what a person reads: means with intervals, the table, the claims."""

from __future__ import annotations

import codecs
import dataclasses
import math
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table as RichTable
from scipy import stats

UP, DOWN = " ↑", " ↓"  # behind a column's heading: which way is better
ENOUGH = 3  # values from which a bootstrap interval means something
PLAIN = {"±": "+-", "°": " deg", "→": "->", "↑": "^", "↓": "v", "≥": ">=", "≤": "<=", "…": "..."}


def _spelled(error: UnicodeError) -> tuple[str, int]:
    """What stands for characters that a terminal's encoding lacks."""
    assert isinstance(error, UnicodeEncodeError)
    text = "".join(PLAIN.get(c, unicodedata.normalize("NFKD", c)) for c in error.object[error.start : error.end])
    return text.encode("ascii", "replace").decode("ascii"), error.end


codecs.register_error("spelled", _spelled)


def tolerate_encodings() -> None:
    """Let the terminal print what its encoding lacks in other words, so that no table ends a run."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="spelled")


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and its 95 % bootstrap interval; of two values, which have none, the values themselves."""

    mean: float
    low: float
    high: float
    values: tuple[float, ...]

    def text(self, digits: int = 2, scale: float = 1.0, unit: str = "") -> str:
        """Mean and interval, for a table cell; of two values the mean and both of them, in round brackets."""
        if not math.isfinite(self.mean):
            return "-"
        mean, low, high = (f"{value * scale:.{digits}f}" for value in (self.mean, self.low, self.high))
        if len(self.values) == 1 or self.low == self.high:
            return f"{mean}{unit}"
        return f"{mean}{unit} [{low}, {high}]" if len(self.values) >= ENOUGH else f"{mean}{unit} ({low}, {high})"


def interval(values: Sequence[float]) -> Interval:
    """Mean of `values` and its 95 % percentile-bootstrap interval (seeded); the mean itself where all agree."""
    numbers = np.asarray(values, float)
    mean = float(numbers.mean()) if len(numbers) else math.nan
    if len(numbers) < 2 or not np.isfinite(mean) or np.ptp(numbers) == 0:
        return Interval(mean, mean, mean, tuple(numbers.tolist()))
    if len(numbers) < ENOUGH:
        return Interval(mean, float(numbers.min()), float(numbers.max()), tuple(numbers.tolist()))
    found = stats.bootstrap((numbers,), np.mean, method="percentile", n_resamples=9999, rng=np.random.default_rng(0))
    low, high = found.confidence_interval
    return Interval(mean, float(low), float(high), tuple(numbers.tolist()))


def over_seeds(count: int) -> str:
    """What a table's cells are, for its title: a value, a mean with both values, or a mean with its interval."""
    if count == 1:
        return "1 seed"
    return f"mean {'[95 % interval]' if count >= ENOUGH else '(both values)'} over {count} seeds"


@dataclass(frozen=True)
class Claim:
    """Something a paper says, whether these runs show it (None: they cannot decide), and the figures that decide it."""

    text: str
    shown: bool | None
    evidence: str
    repetitions: int | None = None
    """Behind it, where they are other than the run's seeds."""

    @property
    def verdict(self) -> str:
        """Shown, not shown or undecided."""
        return verdict(self.shown)

    def plain(self) -> dict[str, object]:
        """The claim as `result.json` keeps it."""
        return {"text": self.text, "shown": self.shown, "evidence": self.evidence, "verdict": self.verdict}

    def decided_by(self, preset: str, seeds: int) -> Claim:
        """The claim as runs of a preset with so many seeds can decide it: undecided where they are too few or too short."""
        seeds = self.repetitions or seeds
        if preset == "quick":
            why = "preset quick decides nothing"
        elif seeds < ENOUGH:
            why = f"{seeds} seed{'s' * (seeds > 1)}: too few for an interval"
        else:
            return self
        return dataclasses.replace(self, shown=None, evidence=f"{self.evidence}; {why}")


def verdict(shown: bool | None) -> str:
    """Shown, not shown or undecided."""
    return "undecided" if shown is None else "shown" if shown else "not shown"


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

    def widths(self) -> list[int]:
        """How wide every column is if nothing folds."""
        lines = (self.columns, *self.rows)
        return [max(len(line[k]) for line in lines) for k in range(len(self.columns))]

    def named_by(self) -> int:
        """How many of the first columns it takes to tell the rows apart."""
        return next(
            (k for k in range(1, len(self.columns)) if len({row[:k] for row in self.rows}) == len(self.rows)), 1
        )

    def least_widths(self) -> list[int]:
        """How wide every column must be: a whole row name, or the longest word."""
        names = self.named_by()
        words = [_longest_word(line[k] for line in (self.columns, *self.rows)) for k in range(len(self.columns))]
        whole = [max((len(row[k]) for row in self.rows), default=0) for k in range(names)]
        return [*map(max, words[:names], whole), *words[names:]]

    def fitted(self, width: int) -> list[int]:
        """How wide every column is in so much space: at least as wide as it must be, and no wider than it needs."""
        found, wanted = self.least_widths(), self.widths()
        for _ in range(width - around(len(found)) - sum(found)):
            place = max(range(len(found)), key=lambda k: wanted[k] - found[k])
            found[place] += wanted[place] > found[place]
        return found

    def parts(self, width: int) -> list[Table]:
        """Tables at most `width` characters wide, if cells and headings fold between words, each with the row names."""
        least, names = self.least_widths(), tuple(range(self.named_by()))
        found: list[list[int]] = []
        for k in range(len(names), len(self.columns)):
            together = (*names, *(found[-1] if found else ()), k)
            if found and sum(least[j] for j in together) + around(len(together)) <= width:
                found[-1].append(k)
            else:
                found.append([k])
        if len(found) < 2:
            return [self]
        tables = []
        for number, columns in enumerate(found):
            kept = [tuple(line[k] for k in (*names, *columns)) for line in (self.columns, *self.rows)]
            tables.append(Table(self.title if number == 0 else "", kept[0], tuple(kept[1:])))
        return tables


def around(columns: int) -> int:
    """How many characters the lines and spaces around so many columns take."""
    return 3 * columns + 1


def _longest_word(cells: Iterable[str]) -> int:
    return max((len(word) for cell in cells for word in cell.split()), default=0)


def show(tables: Sequence[Table], claims: Sequence[Claim]) -> None:
    """Print tables and claims: on a terminal as wide as it is, elsewhere every row on one line."""
    console = Console()
    if not console.is_terminal:
        whole = [max(sum(table.widths()) + around(len(table.columns)), len(table.title)) for table in tables]
        console = Console(width=max([80, *whole]))
    for table in tables:
        for part in table.parts(console.width):
            rich = RichTable(title=part.title or None, title_justify="left")
            for index, (column, wide) in enumerate(zip(part.columns, part.fitted(console.width), strict=True)):
                rich.add_column(column, justify="left" if index < part.named_by() else "right", width=wide)
            for row in part.rows:
                rich.add_row(*row)
            console.print(rich, markup=False)
    for claim in claims:
        print(f"{claim.verdict:<9}  {claim.text} ({claim.evidence})")
