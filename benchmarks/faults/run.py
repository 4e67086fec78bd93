"""What is lost when something goes wrong: `python -m benchmarks.faults`.

A small training is killed and stopped at random moments, its disk filled, its files damaged, its numbers spoiled, its
folder wanted by two, the workers of a sweep killed. Every fault is a job, which counts how often it was tried, and what
was lost by it: a checkpoint, a model, a result, or the numbers of an unbroken run, to the last bit.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.faults.trials import TRIALS
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import ALONE, Common, Run
from benchmarks.harness.runs import Timer, describe
from benchmarks.harness.summary import Summary
from benchmarks.harness.table import ENOUGH, Claim, Table
from borders import Count, checked

INTRODUCTION = (
    "Every trial compares with a run that nothing happened to, to the last bit of its weights and its log.",
)


@checked
@dataclass(frozen=True)
class Faults:
    """What to try."""

    only: str = ""
    """Faults, separated by commas: kills, stops, command, full_disk, file_limit, damage, shared, dying, spoiled; all
    unless told."""
    kills: Count = 50
    """How often a run is killed; the others follow it."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Run):
    """One fault."""

    kills: Count


def plan(own: Common, values: dict[str, Any]) -> Plan:
    """A job for every fault; ValueError for an unknown one."""
    options = Faults(**values)
    chosen = [name.strip() for name in options.only.split(",") if name.strip()] or list(TRIALS)
    unknown = [name for name in chosen if name not in TRIALS]
    if unknown:
        raise ValueError(f"unknown fault {unknown[0]!r}; the faults are {', '.join(TRIALS)}")
    return Plan([Job(name, own.preset, own.seed or 0, kills=options.kills) for name in chosen])


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Try one fault, in a folder that nothing was tried in before."""
    timer, place = Timer(), folder / "trial"
    shutil.rmtree(place, ignore_errors=True)
    with timer("trying"):
        tally = TRIALS[job.model](place, job.kills, job.seed)
    shutil.rmtree(place, ignore_errors=True)
    return describe("faults", job, vars(tally), timer.seconds)


def summary(out: Path, jobs: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """How often each was tried, and what was lost."""
    scores = {result["model"]: result["scores"] for result in results}
    rows, claims = [], []
    for name, found in scores.items():
        lost = "; ".join(dict.fromkeys(found["lost"])) or "nothing"
        told = (TRIALS[name].__doc__ or "").partition("\n")[0].rstrip(".")
        tried = f"{found['tried']}" + (f", {found['amid']} amid a write" if found.get("amid") is not None else "")
        rows.append((name, told, tried, f"skipped: {found['skipped']}" if found["skipped"] else lost))
        shown = None if found["skipped"] else not found["lost"]
        claims.append(Claim(f"{name}: nothing is lost", shown, f"{found['tried']} tried, {len(found['lost'])} losses"))
    return Summary(
        title="Faults",
        introduction=INTRODUCTION,
        tables=[Table("What was tried, and what was lost", ("fault", "what happens", "tried", "lost"), tuple(rows))],
        claims=claims,
        repetitions=ENOUGH,  # each is tried again and again
        more={"scores": scores, "seed": jobs[0].seed},
    )


EXPERIMENT = Experiment("faults", Faults, plan, run, summary, Common, fixed=ALONE)
main = EXPERIMENT.main
