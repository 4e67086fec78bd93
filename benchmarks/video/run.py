"""Learners of clips: `python -m benchmarks.video --part generation`.

    generation    mocogan, vgan: whether what is made keeps its content while it moves, and whether the two can be swapped
    prediction    independent_prediction, entangled_prediction: whether each factor is one object, and can be steered

A job trains one model with one seed. Parts are modules of this room with settings of their own, `--papers.PART.NAME VALUE`;
without --part all run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep
from benchmarks.harness.papers import Job, Paper, models_of, part_jobs, run_paper, summarise
from benchmarks.harness.summary import Summary
from benchmarks.video import generation, prediction
from borders import checked

PARTS: dict[str, Paper] = {"generation": generation, "prediction": prediction}
INTRODUCTION = (
    "Clips of one coloured shape on black. The average content distance (ACD) is the mean distance of a shape's colours in "
    "two frames of one clip, of 255 a channel; real clips have none. A model that makes one dull clip has none either: how "
    "much colours differ between clips, how large shapes are and how far they go stands beside it.",
    "Clips of two digits that bounce, one red and one green. The twin of independent_prediction has one transition for all "
    "numbers of its code, and as many weights; its parts are the best of twenty random partitions.",
)


@checked
@dataclass(frozen=True)
class Options:
    """What the learners of clips can be told."""

    part: str = ""
    """generation, prediction; all parts unless told."""
    papers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by part."""


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError or TypeError for an unknown part or model, and for settings that a part refuses."""
    return part_jobs(PARTS, options.part, own, options.papers)


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    return run_paper("video", PARTS, job, folder, resume)


def summary(out: Path, todo: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and figures, part by part."""
    return summarise("Learners of clips", INTRODUCTION, PARTS, out, todo, results)


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command."""
    return Plan(jobs(own, Options(**values)))


EXPERIMENT = Experiment("video", Options, plan, run, summary, models=models_of(PARTS))
main = EXPERIMENT.main
