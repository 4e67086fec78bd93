"""Scenes learned as sets of objects: `python -m benchmarks.objects --model mvae`.

    scenes    mvae, object_vae: counting, exchanged entities, objects decoded one by one, traversals, the bound

A job trains one model with one seed. Settings are those of `Sizes`, `--papers.scenes.NAME VALUE`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep
from benchmarks.harness.papers import Job, Paper, models_of, paper_jobs, run_paper, summarise
from benchmarks.harness.summary import Summary
from benchmarks.objects import scenes
from borders import checked

PAPERS: dict[str, Paper] = {"scenes": scenes}
INTRODUCTION = (
    "Learners see scenes of coloured sprites, drawn anew at every step. What changes in a picture when a part of its code does "
    "is held against the renderer's masks: inside is where the sprite that the part belongs to stands, and the pixels that "
    "touch it. The part is an mvae's object of largest KL; of an object_vae it is as many dimensions, those of largest KL in "
    "the scene at hand.",
)


@checked
@dataclass(frozen=True)
class Options:
    """What the learners of objects can be told."""

    papers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of the scenes."""


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command."""
    return Plan(paper_jobs(PAPERS, own, Options(**values).papers))


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    return run_paper("objects", PAPERS, job, folder, resume)


def summary(out: Path, todo: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and figures."""
    return summarise("Scenes as sets of objects", INTRODUCTION, PAPERS, out, todo, results)


EXPERIMENT = Experiment("objects", Options, plan, run, summary, models=models_of(PAPERS))
main = EXPERIMENT.main
