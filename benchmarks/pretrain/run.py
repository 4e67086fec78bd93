"""Pretrain a representation on a world, for a policy: `python -m benchmarks.pretrain --world planar --model beta_vae`.

Observations are collected once: from factors drawn at random, along a walk of random actions, or by a policy that
`benchmarks.policies` trained. A model is trained on them, scored on the world's true factors and on
reconstruction, and saved; its folder is what `benchmarks.policies --encoder` and `agents.sb3.policy_kwargs_for` take.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.command import Sweep, parse, plain_errors
from benchmarks.harness.pretraining import TEST_SEED, PretrainJob, build, learners, run
from benchmarks.harness.report import write_report
from benchmarks.harness.runs import job_folders, key, plain, sweep
from benchmarks.harness.table import Table, interval, show
from benchmarks.metrics import baseline_rows

INTRODUCTION = (
    "Error a pixel: mean squared error of the decoded code. Scores are of the true factors, over the whole world.",
    "noise and random_linear are codes that no learning made: several scores are high for them too.",
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
        rows.append(({"random": "noise"}.get(name, name), "-", *(f"{scores[key]:.3f}" for key in shown), "-"))
    seeds = len({job.seed for job in jobs})
    title = f"{job.world}: {job.observations} observations by {job.collect}, {job.steps} steps, {seeds} seed(s)"
    return Table(title, ("model", "error a pixel", *shown, "training, s"), tuple(rows))


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    own, values = parse("pretrain", Sweep, PretrainJob, arguments)
    with plain_errors():
        chosen = dataclasses.replace(own, model=own.model or "beta_vae")
        shared = {"preset": own.preset, "device": own.device} | values
        jobs = [
            PretrainJob(model=m, seed=seed, **shared) for m in chosen.models(learners()) for seed in own.all_seeds()
        ]
        worlds = [build(job)[0] for job in jobs]
        models = "-".join(dict.fromkeys(job.model for job in jobs))
        out = Path(own.out or f"runs/pretrain-{jobs[0].world}-{models}-{own.preset}-{key(jobs[0])}-{len(jobs)}")
        results = sweep(run, jobs, out, own.engine, own.workers, own.resume)
    names, generator = jobs[0].names, torch.Generator().manual_seed(TEST_SEED + 1)
    floor = baseline_rows(worlds[0], names, generator, samples=jobs[0].samples) if names else {}
    found, folders = table(jobs, results, floor), job_folders(out, jobs)
    show([found], [])
    pictures = {
        f"{job.model}, seed {job.seed}: seen and decoded": folder / "reconstruction.png"
        for job, folder in zip(jobs, folders, strict=True)
        if (folder / "reconstruction.png").exists()
    }
    title = f"Pretraining on {jobs[0].world}"
    write_report(out / "report.html", title, INTRODUCTION, [found], [], pictures, plain(jobs[0]))
    print(f"report: {out / 'report.html'}")
    print(f"next: python -m benchmarks.policies --encoder pixels,state,{folders[0] / 'model'}")
