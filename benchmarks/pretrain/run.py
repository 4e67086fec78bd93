"""Pretrain a representation on a world, for a policy: `python -m benchmarks.pretrain --world planar --model beta_vae`.

Observations are collected once: from factors drawn at random, along a walk of random actions, or by a policy that
`benchmarks.policies` trained. A model is trained on them, scored on the world's true factors and on
reconstruction, and saved; its folder is what `benchmarks.policies --encoder` and `agents.sb3.policy_kwargs_for` take.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep
from benchmarks.harness.pretraining import BASELINES, PretrainJob, build, learners, run
from benchmarks.harness.runs import job_folders
from benchmarks.harness.summary import Summary, by_row, first_figures, intervals
from benchmarks.harness.table import DOWN, Table, interval, over_seeds
from benchmarks.harness.words import READS, arrow, called

INTRODUCTION = (
    "Error a pixel: mean squared error of the decoded code. Scores are of the true factors, over the whole world.",
    READS,
)


def table(jobs: Sequence[PretrainJob], results: Sequence[Mapping[str, Any]], floor: Mapping[str, Any]) -> Table:
    """One row per model, mean and interval over seeds, and the rows of codes that no learning made."""
    job = jobs[0]
    shown = [name for name in results[0]["scores"] if name.startswith(tuple(job.names or ["-"]))]
    shown = [name for name in shown if not name.endswith(("_low", "_high")) and "nrmse" not in name]
    rows = []
    for model in dict.fromkeys(job.model for job in jobs):
        found = [result for result in results if result["model"] == model]
        error = [result["scores"].get("pixel_error", float("nan")) for result in found]
        cells = [interval([result["scores"][name] for result in found]).text(3) for name in shown]
        seconds = interval([result["seconds"]["training"] for result in found]).text(0)
        rows.append((model, interval(error).text(4), *cells, seconds))
    for name, scores in floor.items():
        rows.append((called(name), "-", *(f"{scores[key]:.3f}" for key in shown), "-"))
    seeds = over_seeds(len({job.seed for job in jobs}))
    title = f"{job.world}: {job.observations} observations by {job.collect}, {job.steps} steps, {seeds}"
    return Table(title, ("model", f"error a pixel{DOWN}", *map(arrow, shown), f"training, s{DOWN}"), tuple(rows))


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command, each of which can be built, and beside them the scores of codes that no learning made."""
    chosen = own.models(learners(), "beta_vae")
    shared = own.told | values
    jobs = [PretrainJob(model=model, seed=seed, **shared) for model in chosen for seed in own.all_seeds()]
    for job in jobs:
        build(job)
    floor = PretrainJob(model=BASELINES, **shared | {"settings": {}, "collect": "factors", "policy": ""})
    return Plan(jobs, {"baselines": [floor]} if jobs[0].names else {})


def summary(out: Path, jobs: Sequence[PretrainJob], results: Sequence[Mapping[str, Any]]) -> Summary:
    """The table, pictures, and what to do with the models."""
    trained, floor = results[: len(jobs)], results[-1]["scores"] if len(results) > len(jobs) else {}
    folder = shlex.quote(str(job_folders(out, jobs)[0]))
    return Summary(
        title=f"Pretraining on {jobs[0].world}",
        introduction=INTRODUCTION,
        tables=[table(jobs, trained, floor)],
        figures=first_figures(
            jobs, out, captions={"reconstruction.png": "pictures seen, and decoded from their codes"}
        ),
        rows=intervals(by_row(trained)),
        more={"baselines": floor},
        after=f"next: python -m benchmarks.policies --encoder pixels,state,{folder}",
    )


EXPERIMENT = Experiment("pretrain", PretrainJob, plan, run, summary, models=learners)
main = EXPERIMENT.main
