"""Learners that know which pictures are of one identity: `python -m benchmarks.identities --model f_statistic`.

    embedding    f_statistic, triplet, histogram, binomial_deviance: who is in the picture, and what single dimensions tell

    pairs        sd_dcgan, sd_began and a GAN without pairs: whether pairs made with one identity code show one person

A job trains one model with one seed. Parts have settings of their own, `--parts.PART.NAME VALUE`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep, check_keys
from benchmarks.harness.runs import Timer, describe, job_folders
from benchmarks.harness.summary import Summary, intervals
from benchmarks.harness.table import Claim, Table
from benchmarks.identities import embedding, embedding_report, pairs, pairs_report
from benchmarks.identities.job import Found, Job
from borders import checked

PARTS: dict[str, Any] = {"embedding": embedding, "pairs": pairs}
REPORTS: dict[str, Any] = {"embedding": embedding_report, "pairs": pairs_report}
OWNERS = {model: name for name, part in PARTS.items() for model in part.MODELS}
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

    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by part."""


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError or TypeError for an unknown model, and for settings that a part refuses."""
    check_keys("parts", options.parts, PARTS, "part")
    found = []
    for model in own.models(tuple(OWNERS)):
        name = OWNERS[model]
        settings = options.parts.get(name, {})
        PARTS[name].check(settings)
        found += [Job(model, own.preset, seed, own.device, part=name, settings=settings) for seed in own.all_seeds()]
    return found


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    timer = Timer()
    scores = PARTS[job.part].run(job, folder, resume, timer)
    return describe("identities", job, scores, timer.seconds)


def summary(out: Path, todo: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and figures."""
    found = [
        Found(job, folder, result["scores"])
        for job, folder, result in zip(todo, job_folders(out, todo), results, strict=True)
    ]
    rows: dict[str, list[Mapping[str, float]]] = {}
    for each in found:
        numbers = {key: value for key, value in each.scores.items() if isinstance(value, (int, float))}
        rows.setdefault(each.job.model, []).append(numbers)
    tables: list[Table] = []
    claims: list[Claim] = []
    figures: dict[str, Path] = {}
    for name in dict.fromkeys(job.part for job in todo):
        told = REPORTS[name].told(out, [each for each in found if each.job.part == name])
        tables, claims, figures = tables + told[0], claims + told[1], figures | told[2]
    return Summary("Learners that know identities", INTRODUCTION, tables, claims, figures, intervals(rows))


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command."""
    return Plan(jobs(own, Options(**values)))


EXPERIMENT = Experiment("identities", Options, plan, run, summary, models=tuple(OWNERS))
main = EXPERIMENT.main
