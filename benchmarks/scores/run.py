"""All scores of codes: `python -m benchmarks.scores --world dsprites --encoder identity,rotation`.

Codes that theory knows, saved models (`--encoder FOLDER`), or codes that somebody else computed (`--codes FILE.npz`). Every
table of a world carries the rows of noise and of random linear codes: several scores are high for them too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.encoders import is_path, paths_listed
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Common, Trial, listed
from benchmarks.harness.own import model_name
from benchmarks.harness.runs import Timer, describe
from benchmarks.harness.summary import Summary
from benchmarks.harness.table import Table
from benchmarks.harness.words import READS, arrow, called
from benchmarks.metrics import ORACLES, PROTOCOLS, SCORES, score, score_codes, score_oracle
from benchmarks.metrics.codes import applicable, code_pool, read_codes
from benchmarks.metrics.oracles import BASELINES
from benchmarks.metrics.scoring import Samples, chosen_scores
from borders import Count, checked
from borders.files import home
from envs.stored import open_world
from representations import load
from representations.registry import find_model

INTRODUCTION = "A cell is the mean over the metric seeds, in brackets the least and the greatest."


@checked
@dataclass(frozen=True)
class Scores:
    """What to score."""

    world: str = "dsprites"
    """A name in envs.WORLDS, a folder of pictures, or an npz file of them with factors (see envs.stored)."""
    encoder: str = "identity"
    """Codes that theory knows, by name, or folders of saved models or of runs; or several, separated by commas."""
    codes: str = ""
    """An npz file with codes [n, D], factors [n, K], kinds and names (see benchmarks.metrics.codes), in place of encoders."""
    names: str = ""
    """Scores, separated by commas; all that apply unless told."""
    samples: Samples = 10_000
    """Factor rows in the pool."""
    code_size: Count = 10
    """Dimensions of the constant, random, random_linear, random_pixels and pca codes."""
    compat: bool = False
    """Give the published protocols' numbers instead of ours."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Trial):
    """One code, by the name or the path in `encoder`, or of the file `codes`; `seed` draws the pool."""

    encoder: str
    codes: str
    world: str
    names: tuple[str, ...]
    metric_seeds: Count
    samples: Count
    code_size: Count
    compat: bool


def plan(own: Common, values: dict[str, Any]) -> Plan:
    """A job for every code, the baselines last; ValueError for what cannot be read or does not apply."""
    options = Scores(**values)
    names = tuple(listed(options.names))
    chosen_scores(names or None)
    shared: dict[str, Any] = {**own.told, "seed": own.seed or 0, "codes": ""}
    shared |= {"metric_seeds": own.seeds or 3, "samples": options.samples, "code_size": options.code_size}
    shared |= {"compat": options.compat, "world": options.world, "names": names}
    if options.codes:
        file = home(options.codes)
        codes, factors, kinds, called = read_codes(file)
        code_pool(codes, factors, kinds, names or None, factor_names=called)
        return Plan([Job(model=file.stem, encoder="", **shared | {"codes": str(file), "world": ""})])
    world = open_world(options.world)
    names = applicable(world, names or None)
    jobs = []
    for encoder in paths_listed(options.encoder):
        if encoder in BASELINES:
            continue
        if encoder in ORACLES:
            jobs.append(Job(model=encoder, encoder=encoder, **shared | {"names": names}))
        elif is_path(encoder):
            folder = find_model(encoder)
            model = load(folder)
            pictures = world.render(world.sample(2, torch.Generator().manual_seed(0)))
            model.encode(pictures)  # a model of other pictures says so
            jobs.append(Job(model=model_name(folder), encoder=str(folder), **shared | {"names": names}))
        else:
            known = ", ".join(ORACLES)
            raise ValueError(f"unknown encoder {encoder!r}; the encoders are {known}, or a saved model's folder")
    floor = [Job(model=name, encoder=name, **shared | {"names": names}) for name in BASELINES]
    return Plan([*jobs, *floor])


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Score one code; the result as `result.json` holds it."""
    timer, generator = Timer(), torch.Generator().manual_seed(job.seed)
    options: dict[str, Any] = {"seeds": job.metric_seeds, "compat": job.compat}
    with timer("scoring"):
        if job.codes:
            codes, factors, kinds, names = read_codes(job.codes)
            found = score_codes(codes, factors, kinds, job.names or None, generator, factor_names=names, **options)
        elif job.encoder in ORACLES:
            options |= {"code_size": job.code_size, "samples": job.samples}
            found = score_oracle(job.encoder, open_world(job.world), job.names, generator, **options)
        else:
            options["samples"] = job.samples
            found = score(load(job.encoder), open_world(job.world), job.names, generator, **options)
    return describe("scores", job, found, timer.seconds)


def _score_of(key: str) -> str | None:
    """The score that a value of a result belongs to."""
    return next((name for name in sorted(SCORES, key=len, reverse=True) if key.startswith(name)), None)


def table(scores: Mapping[str, Mapping[str, float]], job: Job) -> Table:
    """A row per score and a column per code: mean, and in brackets the least and greatest over the metric seeds."""
    protocol = "published protocols" if job.compat else "our protocols"
    first = next(iter(scores.values()))
    samples = f"{first['samples']:.0f} samples, {job.metric_seeds} metric seeds"
    title = f"{job.world or job.codes}: {protocol}, {samples}"
    keys = [key for key in first if _score_of(key) and not key.endswith(("_low", "_high"))]
    rows = tuple(
        (
            arrow(key),
            *(f"{row[key]:.3f} [{row[key + '_low']:.3f}, {row[key + '_high']:.3f}]" for row in scores.values()),
        )
        for key in keys
    )
    return Table(title, ("score", *map(called, scores)), rows)


def summary(out: Path, jobs: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """The scores, and the protocols behind them."""
    scores = {job.model: result["scores"] for job, result in zip(jobs, results, strict=True)}
    used = {name: pair[jobs[0].compat] for name, pair in PROTOCOLS.items()}
    shown = {_score_of(key) for key in next(iter(scores.values()))}
    rows = tuple((name, used[name]) for name in SCORES if name in shown)
    return Summary(
        title="Scores of codes",
        introduction=(INTRODUCTION, *(() if jobs[0].codes else (READS,))),
        tables=[table(scores, jobs[0]), Table("Protocols", ("score", "protocol"), rows)],
        more={"scores": scores, "protocols": used, "seed": jobs[0].seed},
    )


EXPERIMENT = Experiment("scores", Scores, plan, run, summary, Common)
main = EXPERIMENT.main
