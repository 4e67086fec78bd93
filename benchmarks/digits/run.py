"""Learners with labels on digits: `python -m benchmarks.digits --model linear_constraints`.

A job trains one model in one cell of its paper's tables with one seed, and measures what the paper measures. Each paper is
a module of this room with settings of its own, `--papers.PAPER.NAME VALUE`; without --model all of them run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.digits import capacities, constraints, mechanisms, paired, structured
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep
from benchmarks.harness.papers import Job, Paper, models_of, paper_jobs, run_paper, summarise
from benchmarks.harness.summary import Summary
from borders import checked

PAPERS: dict[str, Paper] = {
    "constraints": constraints,
    "structured": structured,
    "paired": paired,
    "mechanisms": mechanisms,
    "capacities": capacities,
}
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
    return paper_jobs(PAPERS, own, options.papers, options.data)


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    return run_paper("digits", PAPERS, job, folder, resume)


def summary(out: Path, todo: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and figures, paper by paper."""
    return summarise("Learners with labels: digits", INTRODUCTION, PAPERS, out, todo, results)


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command."""
    return Plan(jobs(own, Options(**values)))


EXPERIMENT = Experiment("digits", Options, plan, run, summary, models=models_of(PAPERS), errors=(OSError,))
main = EXPERIMENT.main
