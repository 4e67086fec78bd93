"""Attributes in subspaces of their own: `python -m benchmarks.faces --model csvae`.

A job trains one model on the Swiss roll or on faces with one seed, and measures what becomes of switched labels. The parts
are modules of this room with settings of their own, `--papers.PART.NAME VALUE`: without --part the roll and drawn faces run,
with --data photographs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faces import attributes, photographs, swiss
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep, listed
from benchmarks.harness.papers import Job, Paper, models_of, part_jobs, run_paper, summarise
from benchmarks.harness.summary import Summary
from borders import checked

DRAWN: dict[str, Paper] = {"swiss": swiss, "attributes": attributes}
TAKEN: dict[str, Paper] = {"photographs": photographs}
PARTS = DRAWN | TAKEN
INTRODUCTION = (
    "Labels say whether an attribute is there; a model is to switch it, in whichever style, and leave all else as it is. "
    "Judges, probes and the renderer, which knows the true picture, are independent of the models.",
)


@checked
@dataclass(frozen=True)
class Options:
    """What the learners of attributes can be told."""

    part: str = ""
    """swiss or attributes, both unless told; photographs, of `data`."""
    papers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by part."""
    data: str = ""
    """A folder with the files of CelebA: then photographs are switched."""


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError or TypeError for an unknown part or model, and for settings that a part refuses."""
    for name in listed(options.part):
        if name in DRAWN and options.data:
            raise ValueError(f"part {name} is drawn: it has no data, got {options.data!r}")
        if name in TAKEN and not options.data:
            raise ValueError(f"part {name} needs --data, a folder with the files of CelebA")
    names = options.part or ",".join(TAKEN if options.data else DRAWN)
    return part_jobs(PARTS, names, own, options.papers, options.data)


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    return run_paper("faces", PARTS, job, folder, resume)


def summary(out: Path, todo: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and figures, part by part."""
    return summarise("Attributes in subspaces: faces", INTRODUCTION, PARTS, out, todo, results)


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command."""
    return Plan(jobs(own, Options(**values)))


EXPERIMENT = Experiment("faces", Options, plan, run, summary, models=models_of(PARTS), errors=(OSError,))
main = EXPERIMENT.main
