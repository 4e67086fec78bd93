"""Learners with labels on digits: `python -m benchmarks.digits --model linear_constraints`.

A job trains one model in one cell of its paper's tables with one seed, and measures what the paper measures. Each paper is
a module of this room with settings of its own, `--papers.PAPER.NAME VALUE`; without --model all of them run.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.digits import capacities, constraints, mechanisms, paired, structured
from benchmarks.digits.job import Found, Job, Paper
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep, check_keys
from benchmarks.harness.runs import Timer, describe, job_folders
from benchmarks.harness.summary import Summary, intervals
from benchmarks.harness.table import ENOUGH, Claim, Table
from borders import checked

PAPERS: dict[str, Paper] = {
    "constraints": constraints,
    "structured": structured,
    "paired": paired,
    "mechanisms": mechanisms,
    "capacities": capacities,
}
OWNERS = {model: name for name, paper in PAPERS.items() for model in paper.MODELS}
INTRODUCTION = (
    "Every model learns from pictures of digits, and from labels of all, some or none of them; accuracies and errors are of "
    "pictures that no model saw, of writers that no model saw.",
)


@checked
@dataclass(frozen=True)
class Options:
    """What the learners with labels can be told."""

    data: str = ""
    """A folder with the files of MNIST, Fashion-MNIST or SVHN; the embedded digits unless told."""
    papers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by paper."""


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError or TypeError for an unknown model, and for settings that a paper refuses."""
    check_keys("papers", options.papers, PAPERS, "paper")
    found = []
    for model in dataclasses.replace(own, model=own.model or "all").models(tuple(OWNERS)):
        name = OWNERS[model]
        settings = dict(options.papers.get(name, {}))
        seeds = settings.pop("seeds", own.seeds)
        PAPERS[name].check(settings, options.data)
        told = own if own.seeds is not None or own.seed is not None else dataclasses.replace(own, seeds=seeds)
        for variant, cell in PAPERS[name].variants(model, settings):
            chosen = dict(cell)
            few = chosen.pop("seeds", None)
            shared: dict[str, Any] = {"paper": name, "variant": variant, "data": options.data, "settings": chosen}
            found += [Job(model, own.preset, seed, own.device, **shared) for seed in told.all_seeds()[:few]]
    return found


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    timer = Timer()
    with timer("job"):
        scores = PAPERS[job.paper].run(job, folder, resume)
    return describe("digits", job, scores, timer.seconds)


def summary(out: Path, todo: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and figures, paper by paper; claims are decided by a paper's own number of seeds."""
    found = [
        Found(job, folder, result["scores"])
        for job, folder, result in zip(todo, job_folders(out, todo), results, strict=True)
    ]
    tables: list[Table] = []
    claims: list[Claim] = []
    figures: dict[str, Path] = {}
    rows: dict[str, list[Mapping[str, float]]] = {}
    for name in dict.fromkeys(job.paper for job in todo):
        own = [each for each in found if each.job.paper == name]
        told = PAPERS[name].tables(out, own)
        seeds = len({each.job.seed for each in own})
        tables += told.tables
        claims += [claim if todo[0].preset == "quick" else claim.decided_by("", seeds) for claim in told.claims]
        figures |= told.pictures
        for each in own:
            numbers = {key: value for key, value in each.scores.items() if isinstance(value, (int, float))}
            rows.setdefault(each.job.row, []).append(numbers)
    return Summary(
        "Learners with labels: digits", INTRODUCTION, tables, claims, figures, intervals(rows), repetitions=ENOUGH
    )


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command."""
    return Plan(jobs(own, Options(**values)))


EXPERIMENT = Experiment("digits", Options, plan, run, summary, models=tuple(OWNERS), errors=(OSError,))
main = EXPERIMENT.main
