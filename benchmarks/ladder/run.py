"""The ladder: `python -m benchmarks.ladder`. Codes of equal information, from aligned to thoroughly mixed, for six consumers.

No encoder is trained and no picture is drawn: a code is the true state, whitened and seen through a map (`codes`), so that
what differs between two codes is where their axes point, and nothing else. A job is one code of one world with one seed;
starts, goals, data and noise are those of the seed, the same for all codes.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval

from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Run, Sweep
from benchmarks.harness.runs import Timer, describe
from benchmarks.ladder.codes import CODES, code, oracle
from benchmarks.ladder.report import summary
from benchmarks.metrics import dci, mig, modularity, sap
from benchmarks.metrics.control import CONSUMERS, TASKS, Bench, Sizes, make_task
from borders import checked

ROWS = 1000  # states that a code's factor scores are measured on


@checked
@dataclass(frozen=True)
class Options:
    """What the ladder can be told."""

    tasks: str = "all"
    """Tasks, separated by commas, or all."""
    parts: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By name: codes, consumers, distractors (their number), and mixed (whether an action moves a mix of factors)."""
    sizes: dict[str, Any] = field(default_factory=dict)
    """Episodes and their length, data, and how long consumers learn."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Run):
    """One code (`model`) of one task in one part with one seed."""

    part: str
    task: str
    distractors: Annotated[int, Interval(ge=0, le=1000)]
    mixed: bool
    consumers: tuple[str, ...]
    sizes: Sizes


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep, seed by seed; ValueError for an unknown task, code or consumer, or a setting that is none."""
    tasks = tuple(TASKS) if options.tasks == "all" else tuple(options.tasks.split(","))
    known = {entry.name for entry in dataclasses.fields(Sizes)}
    for name, part in options.parts.items():
        missing = [key for key in ("codes", "consumers", "distractors") if key not in part]
        if missing:
            raise ValueError(f"parts: {name!r} must say its codes, consumers and distractors; {missing[0]} is missing")
    for given, allowed, what in (
        (tasks, TASKS, "task"),
        (options.sizes, known, "size"),
        *((part, ("codes", "consumers", "distractors", "mixed"), "entry of a part") for part in options.parts.values()),
        *((part["codes"], CODES, "code") for part in options.parts.values()),
        *((part["consumers"], CONSUMERS, "consumer") for part in options.parts.values()),
    ):
        for name in given:
            if name not in allowed:
                raise ValueError(f"unknown {what} {name!r}; allowed are {', '.join(sorted(allowed))}")
    sizes = Sizes(**options.sizes)
    chosen = own.models(tuple(CODES))
    return [
        Job(
            name,
            own.preset,
            seed,
            part=part,
            task=task,
            distractors=about["distractors"],
            mixed=about.get("mixed", False),
            consumers=tuple(about["consumers"]),
            sizes=sizes,
        )
        for seed in own.all_seeds()
        for part, about in options.parts.items()
        for task in tasks
        for name in about["codes"]
        if name in chosen
    ]


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Score one code: the scores of every consumer, episode by episode, and of its factors."""
    timer = Timer()
    with timer("making"):
        task = make_task(job.task, job.distractors, job.mixed, job.seed)
        truth = oracle(task)
        encode = code(job.model, truth, task, job.seed)
        bench = Bench(task, encode, job.seed, job.sizes)
    scores: dict[str, Any] = {"episodes": {}, "numbers": {}}
    for name in job.consumers:
        with timer(name):
            found = CONSUMERS[name](bench)
        scores["episodes"] |= {key: [round(v, 7) for v in values.tolist()] for key, values in found.episodes.items()}
        scores["numbers"] |= found.numbers
    with timer("factors"):
        scores["factors"] = factor_scores(bench, truth.factors)
    return describe("ladder", job, scores, timer.seconds)


def factor_scores(bench: Bench, columns: Sequence[int]) -> dict[str, float]:
    """Disentanglement of the code with regard to the factors that are in it."""
    states = bench.task.sample(ROWS, bench.generator(9))
    codes, values = bench.encode(states).numpy(), states[:, list(columns)].numpy()
    kinds = [bench.task.factors[k] for k in columns]
    found = {
        f"dci_{name}": dci(codes, values, kinds, regressor=name, generator=np.random.default_rng(bench.seed))  # type: ignore[arg-type]
        for name in ("lasso", "forest")
    }
    return {
        "dci_lasso": found["dci_lasso"].disentanglement,
        "dci_forest": found["dci_forest"].disentanglement,
        "informativeness": max(entry.informativeness for entry in found.values()),
        "mig": mig(codes, values, kinds),
        "sap": sap(codes, values, kinds),
        "modularity": modularity(codes, values, kinds),
    }


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command."""
    return Plan(jobs(own, Options(**values)))


EXPERIMENT = Experiment("ladder", Options, plan, run, summary, models=tuple(CODES), fixed=("device",))
main = EXPERIMENT.main
