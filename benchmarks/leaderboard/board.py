"""The leaderboard as data: every finished job a row, with the ranks and means that are derived from its scores."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import rankdata

from benchmarks.harness.own import model_name
from benchmarks.leaderboard.rows import HONESTY, LEARNERS, PIXELS

PRIMARY = ("dci_lasso", "dci_forest", "mig")
CONTROL = ("placebo_ilqr", "sparse", "factor_axes", "inverse_network", "policy_area")
STRATA = tuple(dict.fromkeys(learner.stratum for learner in LEARNERS.values()))
Row = dict[str, Any]


@dataclass(frozen=True)
class Board:
    """One dict a finished job: row, learner, stratum, task, seed, and all scores as numbers."""

    rows: list[Row]

    def controlled(self, stratum: str) -> dict[str, list[Row]]:
        """Those rows of a stratum that have a mean of control, as they have where one of `CONTROL` was asked for."""
        found = {task: [row for row in rows if "control" in row] for task, rows in self.stratum(stratum).items()}
        return {task: rows for task, rows in found.items() if rows}

    def stratum(self, name: str) -> dict[str, list[Row]]:
        """The rows of a stratum by task, of a setting with several seeds the first seed's."""
        found: dict[str, list[Row]] = {}
        first = min(row["seed"] for row in self.rows)
        for row in self.rows:
            if row["stratum"] == name and row["seed"] == first:
                found.setdefault(row["task"], []).append(row)
        return found


def board(jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> Board:
    """The rows of finished jobs, with the ranks and means that are derived from their scores."""
    rows: list[Row] = []
    folders = {job.settings["folder"] for job in jobs if "folder" in job.settings}
    called = Counter(model_name(folder) for folder in folders)
    for job, result in zip(jobs, results, strict=True):
        scores = result["scores"]
        learner = LEARNERS.get(job.model)
        row: Row = {
            "row": _name(job, called),
            "learner": job.model,
            "stratum": learner.stratum if learner else "no learning" if job.model in (*HONESTY, PIXELS) else "own",
            "task": job.task,
            "seed": job.seed,
            "settings": ", ".join(f"{k}={v}" for k, v in job.settings.items() if learner and k in learner.searched),
            **{k: v for k, v in scores.items() if isinstance(v, int | float)},
            "traversal": scores.get("traversal"),
            **scores["control"],
            **{f"rotated_{k}": v for k, v in scores.get("rotated", {}).items()},
        }
        for prefix in ("", "rotated_"):
            sparse = [v for k, v in row.items() if k.startswith(f"{prefix}sparse_")]
            if sparse:
                row[f"{prefix}sparse"] = float(np.mean(sparse))
        known = [row[name] for name in CONTROL if name in row]
        if known and job.model != PIXELS:  # one agent alone is no mean of many
            row["control"] = float(np.mean(known))
        rows.append(row)
    for task in {row["task"] for row in rows}:
        here = [row for row in rows if row["task"] == task and all(name in row for name in PRIMARY)]
        ranks = [rankdata([row[name] for row in here]) for name in PRIMARY]
        for row, rank in zip(here, np.mean(ranks, axis=0), strict=True):
            row["disentangled"] = float((rank - 1) / max(len(here) - 1, 1))
    return Board(rows)


def _name(job: Any, called: Mapping[str, int]) -> str:
    """What a row is called: a learner with its setting's number, a saved model of one's own by its folder, whole if need be."""
    if "folder" in job.settings:
        folder = job.settings["folder"]
        return f"own: {model_name(folder) if called[model_name(folder)] == 1 else folder}"
    learner = LEARNERS.get(job.model)
    return job.model + (f" {job.number}" if learner and learner.searched else "")
