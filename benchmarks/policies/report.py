"""The table, the claims and the figures of `benchmarks.policies`."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.curves import draw_curves, interquartile_band, interquartile_mean
from benchmarks.harness.policy import SIGHTED, Policy
from benchmarks.harness.runs import job_folders
from benchmarks.harness.summary import Summary
from benchmarks.harness.table import DOWN, ENOUGH, UP, Claim, Table

MOST = 0.3  # of a step, that an encoder may add
INTRODUCTION = (
    "One algorithm learns from every encoder's view of the same environment, with one set of hyperparameters, chosen on the "
    "state; pixels have a set of their own, chosen on pixels. All see the goal as numbers beside their view, and none sees "
    "the achieved goal. Success is that of an episode's last state, of a policy without exploration noise, in episodes that "
    "are the same for every encoder; with noise, of one that draws its actions as in learning: a step that an obstacle "
    "blocks does not happen, and only noise gets past it.",
    "Seen before: transitions that the encoder was trained on, without reward. Seconds and milliseconds are CPU time of one "
    "core. Milliseconds are those of one step of every row: learning, the whole algorithm with its updates; acting, "
    "choosing actions, moving, drawing and encoding; encoding, the encoder's part of both, and what it adds to each.",
)
COLUMNS = (
    "encoder",
    f"steps to {{threshold:.0%}} success{DOWN}",
    f"success at the end{UP}",
    f"with noise{UP}",
    "seen before",
    "encoder, s",
    f"policy, s{DOWN}",
    f"learning, ms{DOWN}",
    f"acting, ms{DOWN}",
    f"encoding, ms (adds){DOWN}",
)


def table(results: Sequence[dict[str, Any]], jobs: Sequence[Policy]) -> Table:
    """One row per encoder: steps to the threshold, success at the end, time."""
    job, groups = jobs[0], grouped(results)
    rows = []
    for name, group in groups.items():
        reached = [result["scores"]["steps_to_threshold"] for result in group]
        good = [value for value in reached if value is not None]
        seen, trained = (mean(group, key) for key in ("pretrain_transitions", "pretrain_seconds"))
        encodes = mean(group, "encode_ms") > 0
        shares = [f"{added(group, step):.0%}" for step in ("step_ms", "act_ms")]
        rows.append(
            (
                name,
                middle(good, ",.0f") if len(good) == len(group) else f"> {job.steps:,} ({len(good)} of {len(group)})",
                *(middle(values(group, score), ".0%") for score in ("success", "success_with_noise")),
                f"{seen:,.0f}" if seen else "-",
                f"{trained:.0f}" if seen else "-",
                f"{mean(group, 'train_seconds'):.0f}",
                f"{mean(group, 'step_ms'):.2f}",
                f"{mean(group, 'act_ms'):.2f}",
                f"{mean(group, 'encode_ms'):.2f} ({' and '.join(shares)})" if encodes else "-",
            )
        )
    seeds = len(next(iter(groups.values())))
    title = f"{job.algorithm} on {job.env}, {job.rows} rows: interquartile mean [95 % bootstrap interval] over {seeds} seed(s)"
    return Table(title, tuple(column.format(threshold=job.threshold) for column in COLUMNS), tuple(rows))


def middle(values: Sequence[float], spec: str) -> str:
    """The interquartile mean of values, and its interval, for a table cell."""
    centre = format(float(interquartile_mean(values)), spec)
    low, high = interquartile_band(values)
    if len(values) < ENOUGH or not np.isfinite(low) or low == high:
        return centre
    return f"{centre} [{format(float(low), spec)}, {format(float(high), spec)}]"


def grouped(results: Sequence[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The results of every encoder, in the order of their first."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        groups.setdefault(result["model"], []).append(result)
    return groups


def mean(group: Sequence[dict[str, Any]], score: str) -> float:
    """The mean of a score over the seeds of one encoder."""
    return statistics.fmean(values(group, score))


def values(group: Sequence[dict[str, Any]], score: str) -> list[float]:
    """A score of every seed of one encoder."""
    return [result["scores"][score] for result in group]


def added(group: Sequence[dict[str, Any]], step: str) -> float:
    """What an encoder adds to a step, `step_ms` (of learning) or `act_ms`, as a share of that step without it."""
    encode = mean(group, "encode_ms")
    return encode / max(mean(group, step) - encode, 1e-9)


def claims(results: Sequence[dict[str, Any]], jobs: Sequence[Policy]) -> list[Claim]:
    """Whether every pretrained code beats pixels, and costs little."""
    job, groups, found = jobs[0], grouped(results), []
    for name, group in groups.items():
        if name in SIGHTED:
            continue
        if "pixels" in groups:
            found.append(_sooner(name, group, groups["pixels"], job))
        if job.frozen:
            for step, kind in (("step_ms", "learning"), ("act_ms", "acting alone")):
                share, ms = added(group, step), mean(group, "encode_ms")
                text = f"{name} adds less than {MOST:.0%} to the time of a step of {kind} of {job.rows} environments"
                evidence = f"{share:.0%}: {ms:.2f} ms more than {mean(group, step) - ms:.2f} ms"
                if "pixels" in groups:
                    evidence += f"; on pixels {mean(groups['pixels'], step):.2f} ms"
                found.append(Claim(text, share < MOST, evidence))
    return found


def _sooner(name: str, ours: Sequence[dict[str, Any]], pixels: Sequence[dict[str, Any]], job: Policy) -> Claim:
    reached = [[result["scores"]["steps_to_threshold"] for result in group] for group in (ours, pixels)]
    late = [value if value is not None else np.inf for value in reached[1]]
    sooner = None not in reached[0] and float(interquartile_mean(reached[0])) < float(interquartile_mean(late))
    told = ["; ".join("never" if value is None else f"{value:,}" for value in one) for one in reached]
    text = f"A policy on the code of {name} reaches {job.threshold:.0%} success in fewer steps than one on pixels"
    return Claim(text, sooner, f"steps by seed: {told[0]} on the code, {told[1]} on pixels of {job.steps:,}")


def figures(
    results: Sequence[dict[str, Any]], jobs: Sequence[Policy], folders: Sequence[Path], out: Path
) -> dict[str, Path]:
    """Draw the learning curves over steps and over time; return all pictures by caption."""
    curves = {name: [result["scores"]["curve"] for result in group] for name, group in grouped(results).items()}
    files = {}
    for key, axis in (("steps", "environment steps"), ("seconds", "CPU seconds of training")):
        path = out / f"success_by_{key}.png"
        series = {name: [(seed[key], seed["success"]) for seed in seeds] for name, seeds in curves.items()}
        draw_curves(series, path, axis=axis, threshold=jobs[0].threshold)
        files[f"Success against {axis}: interquartile mean and its 95 % bootstrap interval"] = path
    for job, folder in zip(jobs, folders, strict=True):
        if job.seed == jobs[0].seed:
            files[f"The policy on {job.model}, four episodes; the goal is green"] = folder / "policy.gif"
    return files


def summary(out: Path, jobs: Sequence[Policy], results: Sequence[dict[str, Any]]) -> Summary:
    """The table, the claims and the curves."""
    groups, folders, found = grouped(results), job_folders(out, jobs), table(results, jobs)
    minutes = sum(r["seconds"]["cpu"] + r["scores"]["pretrain_seconds"] for r in results) / 60
    scores = ("steps_to_threshold", "success", "success_with_noise", "step_ms", "act_ms", "encode_ms")
    return Summary(
        title="Policies on pretrained codes",
        introduction=INTRODUCTION,
        tables=[found],
        claims=claims(results, jobs),
        figures=figures(results, jobs, folders, out),
        kept=[Table("", found.columns, found.rows)],
        more={
            "model": ",".join(groups),
            "scores": {name: {score: values(group, score) for score in scores} for name, group in groups.items()},
            "cpu_minutes": round(minutes, 1),
        },
        after=f"{minutes:.1f} minutes of one core in all, encoders included",
    )
