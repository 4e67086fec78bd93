"""What the board costs on more workers than one has, simulated from the processor seconds of its finished jobs.

A job that nobody has run yet is taken to last as long as the mean of those of its learner in its task, else of its learner
in other tasks, else of all.
"""

from __future__ import annotations

import dataclasses
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from benchmarks.harness.command import presets_of
from benchmarks.harness.options import Sweep
from benchmarks.harness.progress import duration
from benchmarks.harness.schedule import cost_table
from benchmarks.leaderboard.run import Job, Options, jobs, ledger
from borders.files import read_log


def planned(preset: str) -> list[Job]:
    """The jobs of a preset; ValueError for an unknown one."""
    known = presets_of("leaderboard")
    if preset not in known:
        raise ValueError(f"unknown preset {preset!r}; allowed are {', '.join(known)}")
    shared = {entry.name for entry in dataclasses.fields(Sweep)}
    values = known[preset]
    own = Sweep(preset=preset, **{key: value for key, value in values.items() if key in shared})
    return jobs(own, Options(**{key: value for key, value in values.items() if key not in shared}))


def durations(todo: Sequence[Job], lines: Sequence[Mapping[str, Any]]) -> tuple[list[float], int]:
    """The seconds of every job by a ledger's lines, and of how many they were measured; ValueError without any line."""
    if not lines:
        raise ValueError("the ledger has no job whose time is known")
    own: dict[str, float] = {}
    alike: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for line in lines:
        row, seconds = line["row"], float(line["result"]["seconds"]["cpu"])
        own[line["key"]] = seconds
        for group in ((row["model"], row["task"]), (row["model"],), ()):
            alike[group].append(seconds)

    def lasts(job: Job) -> float:
        found = own.get(job.key())
        groups = ((job.model, job.task), (job.model,), ())
        return found if found is not None else fmean(next(alike[group] for group in groups if group in alike))

    return [lasts(job) for job in todo], sum(job.key() in own for job in todo)


def part(words: Sequence[str]) -> str:
    """The page's part `<!-- cost PRESET WORKERS ... -->`: a row for each number of workers."""
    preset, *workers = words
    todo = planned(preset)
    lines = read_log(ledger(todo[0].ledger), "a ledger", ("key", "row", "result"))
    seconds, measured = durations(todo, lines)
    results = round(fmean(len(json.dumps(line["result"])) for line in lines) * len(todo))
    title = f"`{preset}`: {len(todo):,} jobs of one core, {duration(sum(seconds))} together, the longest "
    title += f"{duration(max(seconds))}; the times of {measured} are measured, of the others their learner's means:\n\n"
    return title + cost_table("", seconds, results, [int(count) for count in workers]).markdown()
