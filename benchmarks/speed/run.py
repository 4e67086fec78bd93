"""How fast everything is, measured: `python -m benchmarks.speed --only worlds,planners`.

Every figure is a median over repeats, by the clock and in processor time. On a machine that others use too the clock
says how busy they are; the processor time changes less. Figures from elsewhere were not measured in the same run: they
give the order of magnitude.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from benchmarks.harness.engines import Engine
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import TOGETHER, Common, Run, Timed, listed
from benchmarks.harness.runs import Timer, describe
from benchmarks.harness.summary import Summary
from benchmarks.harness.table import ENOUGH, Claim, Table
from benchmarks.speed.locally_linear import read
from benchmarks.speed.measures import ASKED, BARS, GROUPS
from benchmarks.speed.rows import LINEAR, Bar, Row, Sizes
from borders import checked

COLUMNS = ("figure", "run as", "unit", "by the clock", "by processor time", "bar", "elsewhere", "limited by, or how")
INTRODUCTION = (
    "By the clock: what one waits for. By processor time: what it costs, all threads of a process together; rates are "
    "things a second of it, summed over the processes, as if each had a core to itself.",
    "Figures from elsewhere were measured once, on one core, not in this run; times are CPU seconds. Scores are those of "
    "10,000 codes of 10 dimensions, by our own protocol and, where they were timed elsewhere, by the common one.",
)


@checked
@dataclass(frozen=True)
class Speed(Sizes):
    """What to measure."""

    only: str = ""
    """Groups, separated by commas: worlds, environments, planners, scores, training, sentences, clips, grasping, scaling;
    all but scaling unless told."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Run):
    """One group of measurements."""

    sizes: Sizes


def chosen_groups(only: str) -> list[str]:
    """The groups in a comma list, where it is empty all but those of `ASKED`; ValueError lists them where one is unknown."""
    usual = [name for name in GROUPS if name not in ASKED]
    chosen = listed(only) or usual
    unknown = [name for name in chosen if name not in GROUPS]
    if unknown:
        raise ValueError(f"unknown group {unknown[0]!r}; the groups are {', '.join(GROUPS)}")
    return chosen


def plan(own: Common, values: dict[str, Any]) -> Plan:
    """A job for every chosen group; ValueError for what is unknown, or a problem that cannot be read."""
    options = Speed(**values | {"problems": tuple(values["problems"])}, seed=own.seed or 0)
    sizes = Sizes(**{field.name: getattr(options, field.name) for field in fields(Sizes)})
    if sizes.ilqr:
        read(sizes.ilqr)
    chosen = chosen_groups(options.only)
    if "scaling" in chosen:
        Engine("ray").check()
    return Plan([Job(name, own.preset, sizes.seed, sizes=sizes) for name in chosen])


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Measure one group; the result as `result.json` holds it, `scores` by figure and by how it was run."""
    timer, load = Timer(), os.getloadavg()[0]
    with timer(job.model):
        rows = GROUPS[job.model](job.sizes)
    scores: dict[str, Any] = {}
    for row in rows:
        scores.setdefault(row.figure, {})[row.run_as] = asdict(row)
    return describe("speed", job, scores, timer.seconds) | {"load_average": load}


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
    if rows[0].unit == LINEAR:
        [only] = rows
        return Claim(bar.text, only.clock >= bar.value, f"{only.clock:.1f} %, {only.limit}")
    clock, processor = max(rows, key=lambda row: row.clock), max(rows, key=lambda row: row.processor)
    text = f"{number(clock.clock)} by the clock with {clock.run_as}; "
    text += f"{number(processor.processor)} by processor time with {processor.run_as}"
    return Claim(bar.text, clock.clock >= bar.value, text)


def summary(out: Path, jobs: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """The figures of all groups, and which reach their bars."""
    scores = {figure: rows for result in results for figure, rows in result["scores"].items()}
    whole = {"hardware": results[0]["hardware"], "load_average": results[0]["load_average"], "scores": scores}
    return Summary(
        title="Speed",
        introduction=INTRODUCTION,
        tables=[table(whole)],
        claims=claims(whole),
        repetitions=ENOUGH,  # every figure is a median over repeats
        more={"scores": scores, "load_average": whole["load_average"], "seed": jobs[0].seed},
    )


EXPERIMENT = Experiment("speed", Speed, plan, run, summary, Timed, fixed=TOGETHER)
main = EXPERIMENT.main
