"""Learners that know which pictures are of one identity: `python -m benchmarks.identities --model f_statistic`.

    embedding    f_statistic, triplet, histogram, binomial_deviance: who is in the picture, and what single dimensions tell

    pairs        sd_dcgan, sd_began and a GAN without pairs: whether pairs made with one identity code show one person

A job trains one model with one seed. Parts are modules of this room with settings of their own, `--papers.PART.NAME VALUE`.
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
from benchmarks.identities import embedding, pairs
from borders import checked

PARTS: dict[str, Paper] = {"embedding": embedding, "pairs": pairs}
INTRODUCTION = (
    "Embeddings learn from pictures of four fifths of the identities, and who is in them; neighbours are looked for among the "
    "pictures of the others. An AUC is that of the dimension of the code which tells an attribute's value best from its other "
    "values, in either direction: of 22 dimensions the best is above 0.5 by chance, as the last column says.",
    "GANs learn from pairs of pictures of one identity; whether the pairs that they make match says a verifier that learned "
    "from real pictures of other people.",
)


@checked
@dataclass(frozen=True)
class Options:
    """What the learners of identities can be told."""

    papers: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by part."""


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command."""
    return Plan(paper_jobs(PARTS, own, Options(**values).papers))


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    return run_paper("identities", PARTS, job, folder, resume)


def summary(out: Path, todo: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and figures, part by part."""
    return summarise("Learners that know identities", INTRODUCTION, PARTS, out, todo, results)


EXPERIMENT = Experiment("identities", Options, plan, run, summary, models=models_of(PARTS))
main = EXPERIMENT.main
