"""How fast everything is, measured: `python -m benchmarks.speed --only worlds,planners`.

Every figure is a median over repeats, by the clock and in processor time. On a machine that others use too the clock
says how busy they are; the processor time changes less. Figures from elsewhere were not measured in the same run: they
give the order of magnitude.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from jsonargparse import auto_cli
from rich.console import Console

from benchmarks.harness.command import plain_errors
from benchmarks.harness.report import write_report
from benchmarks.harness.runs import Timer, check_neighbours, describe, plain
from benchmarks.harness.table import Claim, Table, show
from benchmarks.speed.measures import BARS, GROUPS
from benchmarks.speed.rows import Bar, Row, Sizes
from representations.files import write_json

COLUMNS = ("figure", "run as", "unit", "by the clock", "by processor time", "bar", "elsewhere", "limited by, or how")
INTRODUCTION = (
    "By the clock: what one waits for. By processor time: what it costs, all threads of a process together; rates are "
    "things a second of it, summed over the processes, as if each had a core to itself.",
    "Figures from elsewhere were measured once, on one core, not in this run; times are CPU seconds. Scores are those of "
    "10,000 codes of 10 dimensions, by our own protocol and, where they were timed elsewhere, by the common one.",
)


@dataclass(frozen=True)
class Speed:
    """What to measure.

    Args:
        only: groups, separated by commas: worlds, environments, planners, scores, training, grasping; empty for all.
        repeats: timed calls behind every median; a call of more than ten seconds of processor time is timed once.
        ilqr: an npz file with a locally linear problem; a generated one unless given.
        seed: seed of everything that is drawn.
        out: the folder for result.json and report.html.
    """

    only: str = ""
    repeats: int = 5
    ilqr: Path | None = None
    seed: int = 0
    out: Path = Path("runs/speed")

    def __post_init__(self) -> None:
        if self.repeats < 1:
            raise ValueError(f"repeats must be at least 1, got {self.repeats}")
        chosen_groups(self.only)


def chosen_groups(only: str) -> list[str]:
    """The groups in a comma list, all where it is empty; ValueError lists them where one is unknown."""
    chosen = [name.strip() for name in only.split(",") if name.strip()] or list(GROUPS)
    unknown = [name for name in chosen if name not in GROUPS]
    if unknown:
        raise ValueError(f"unknown group {unknown[0]!r}; the groups are {', '.join(GROUPS)}")
    return chosen


def run(settings: Speed, sizes: Sizes) -> dict[str, Any]:
    """Measure the chosen groups; the result as `result.json` holds it, `scores` by figure and by how it was run."""
    timer, load = Timer(), os.getloadavg()[0]
    scores: dict[str, Any] = {}
    for name in chosen_groups(settings.only):
        with timer(name):
            rows = GROUPS[name](sizes)
        for row in rows:
            scores.setdefault(row.figure, {})[row.run_as] = asdict(row)
    about: Any = SimpleNamespace(model="", preset="default", seed=settings.seed)
    result = describe("speed", about, scores, timer.seconds)
    return result | {"load_average": load, "settings": plain(settings)}


def rows_of(result: dict[str, Any]) -> list[Row]:
    """The rows of a result."""
    return [Row(**row) for runs in result["scores"].values() for row in runs.values()]


def number(value: float) -> str:
    """Three digits, or whole thousands with commas."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(result: dict[str, Any]) -> Table:
    """Every figure beside its bar and what was measured elsewhere."""
    bars = {bar.figure: number(bar.value) for bar in BARS}
    hardware = result["hardware"]
    cells = tuple(
        (
            row.figure,
            row.run_as,
            row.unit,
            number(row.clock),
            number(row.processor),
            bars.get(row.figure, ""),
            row.elsewhere,
            row.limit,
        )
        for row in rows_of(result)
    )
    load = f"load average {result['load_average']:.1f} at the start"
    title = f"Speed on {hardware['processor']}, {hardware['cores']} cores, {load}; medians"
    return Table(title, COLUMNS, cells)


def claims(result: dict[str, Any]) -> list[Claim]:
    """Every bar whose figure was measured: reached by the clock, in the best of the ways to run it, or not."""
    found = []
    for bar in BARS:
        rows = [row for row in rows_of(result) if row.figure == bar.figure]
        if rows:
            found.append(_claim(bar, rows))
    return found


def _claim(bar: Bar, rows: Sequence[Row]) -> Claim:
    if rows[0].unit in ("s", "ms/problem"):
        best = min(rows, key=lambda row: row.processor)
        return Claim(bar.text, best.processor <= bar.value, f"{number(best.processor)} {best.unit} of processor time")
    if rows[0].unit == "%":
        [only] = rows
        return Claim(bar.text, only.processor >= bar.value, f"{only.processor:.1f} % by processor time")
    clock, processor = max(rows, key=lambda row: row.clock), max(rows, key=lambda row: row.processor)
    text = f"{number(clock.clock)} by the clock with {clock.run_as}; "
    text += f"{number(processor.processor)} by processor time with {processor.run_as}"
    return Claim(bar.text, clock.clock >= bar.value, text)


def publish(result: dict[str, Any], out: Path) -> None:
    """Write `result.json` and `report.html`, print the table and what reaches its bar."""
    out.mkdir(parents=True, exist_ok=True)
    tables, decided = [table(result)], claims(result)
    write_json(out / "result.json", result | {"claims": [asdict(claim) for claim in decided]})
    write_report(out / "report.html", "Speed", INTRODUCTION, tables, decided, {}, result["settings"])
    show(tables, decided)
    print(f"report: {out / 'report.html'}")


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    check_neighbours()
    torch.set_num_threads(1)
    with plain_errors():
        settings = auto_cli(Speed, args=arguments, description=(__doc__ or "").splitlines()[0])
        sizes = Sizes(repeats=settings.repeats, ilqr=settings.ilqr, seed=settings.seed)
        with Console().status(f"measuring {', '.join(chosen_groups(settings.only))}"):
            result = run(settings, sizes)
        publish(result, settings.out)
