"""The leaderboard's tables, hypothesis 3, and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata, spearmanr

from benchmarks.harness.correlation import (
    RELIABILITIES,
    Pooled,
    corrected,
    partial_spearman,
    permutation_p,
    pool,
    smallest_correlation,
    within_and_between,
)
from benchmarks.harness.evidence import effect
from benchmarks.harness.summary import Summary
from benchmarks.harness.table import Claim, Interval, Table
from benchmarks.leaderboard.board import STRATA, Board, Row, board
from benchmarks.leaderboard.figures import scatter
from benchmarks.leaderboard.page import write_page
from benchmarks.leaderboard.straight import straight_axes
from benchmarks.leaderboard.transfer import transfer_table
from borders.files.pictures import write_figure

Floats = NDArray[np.float64]
GIVEN = ("informativeness", "reconstruction", "active")
MARGIN = 0.05
LEVEL = 0.05
TESTS = 3  # hypotheses of the family, of which this is one: Holm's first step
COLUMNS = (
    ("disentangled", "disentanglement, rank", 2),
    ("dci_lasso", "DCI, lasso", 2),
    ("mig", "MIG", 2),
    ("informativeness", "informativeness", 2),
    ("reconstruction", "pixels explained", 2),
    ("active", "active axes", 1),
    ("placebo_ilqr", "full model", 2),
    ("sparse", "sparse models", 2),
    ("factor_axes", "set one factor", 2),
    ("inverse_network", "inverse model", 2),
    ("policy_area", "PPO, area", 2),
    ("control", "control", 2),
)
HEADINGS = {key: heading for key, heading, _ in COLUMNS} | {
    "dci_forest": "DCI, forest",
    "interventions": "intervention matrix",
    "rank_agreement": "code and action distance agree",
    "condition": "condition of the actions' effect",
}
INTRODUCTION = (
    "Every row is a code: an encoder that was trained on pictures of a world and frozen, or one that no learning made. Control "
    "scores are 0 for a random policy and 1 for an agent that knows the state, and are not clipped.",
    "Disentanglement is the mean rank, within a world, of DCI (lasso, forest) and MIG, from 0 to 1. Learners that see actions "
    "are a stratum of their own, and never pooled with the others.",
)


def board_table(found: Board) -> Table:
    """Every row, its scores averaged over tasks and seeds, best control first."""
    names = list(dict.fromkeys(row["row"] for row in found.rows))
    lines = []
    for name in names:
        mine = [row for row in found.rows if row["row"] == name]
        cells = [
            f"{np.mean([row[key] for row in mine]):.{digits}f}" if all(key in row for row in mine) else "-"
            for key, _, digits in COLUMNS
        ]
        lines.append((name, mine[0]["stratum"], *cells))
    lines.sort(key=lambda line: -float("-inf" if line[-1] == "-" else line[-1]))
    tasks = ", ".join(dict.fromkeys(row["task"] for row in found.rows))
    return Table(f"means over {tasks}", ("row", "stratum", *(heading for _, heading, _ in COLUMNS)), tuple(lines))


def _arrays(rows: Sequence[Row]) -> tuple[Floats, Floats, Floats, list[str]]:
    x = np.array([row["disentangled"] for row in rows])
    y = np.array([row["control"] for row in rows])
    given = np.array([[row[name] for name in GIVEN] for row in rows])
    return x, y, given, [row["learner"] for row in rows]


def hypothesis(found: Board, stratum: str) -> tuple[Claim, Table | None]:
    """H3 in one stratum: disentanglement and control, given what could explain it; and the curve over reliabilities."""
    says = f"H3, {stratum}: disentanglement goes with control beyond informativeness, reconstruction and active axes"
    here = found.controlled(stratum)
    worlds = {task: _arrays(rows) for task, rows in here.items() if len(rows) > len(GIVEN) + 3}
    if not worlds:
        count = max((len(rows) for rows in here.values()), default=0)
        return Claim(says, None, f"{count} rows a world: {len(GIVEN) + 4} are the least"), None
    counts = {task: len(arrays[0]) for task, arrays in worlds.items()}
    pooled = pool({task: partial_spearman(x, y, z) for task, (x, y, z, _) in worlds.items()}, counts, len(GIVEN))
    p = permutation_p(worlds)
    splits = [within_and_between(x, y, groups) for x, y, _, groups in worlds.values()]
    within, between = (_mean_known([split[k] for split in splits]) for k in (0, 1))
    free = sum(counts.values()) - (len(counts) - 1) * (len(GIVEN) + 3)
    least = smallest_correlation(free, len(GIVEN), level=LEVEL / TESTS)
    several = any(len(groups) > len(set(groups)) for *_, groups in worlds.values())
    permuted = f"permuted {p:.2g}" if several else "nothing to permute with one setting a learner"
    evidence = (
        f"partial Spearman {pooled.r:+.2f} [{pooled.low:+.2f}, {pooled.high:+.2f}], p = {pooled.p:.2g}, {permuted}, "
        f"of {TESTS} hypotheses; {len(counts)} worlds, {sum(counts.values())} rows, spread between worlds {pooled.spread:.2f}; "
        f"within learners {within}, between {between}; least correlation to be seen {least:.2f}"
    )
    return Claim(says, _decided(pooled, p), evidence), _curve(worlds, stratum)


def _mean_known(values: Sequence[float]) -> str:
    known = [value for value in values if np.isfinite(value)]
    return f"{np.mean(known):+.2f}" if known else "not known"


def _decided(pooled: Pooled, p: float) -> bool | None:
    """Shown by both tests, not shown where the interval lies below 0 or near it, else undecided."""
    if max(pooled.p, p) * TESTS <= LEVEL and pooled.low > 0:
        return True
    return False if pooled.high < MARGIN else None


def _curve(worlds: Mapping[str, tuple[Floats, Floats, Floats, list[str]]], stratum: str) -> Table:
    """The mean partial correlation given informativeness alone, had that been measured with some reliability."""
    cells = []
    for reliability in RELIABILITIES:
        values = []
        for x, y, given, _ in worlds.values():
            xy, xz, yz = (
                float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
                for a, b in ((x, y), (x, given[:, 0]), (y, given[:, 0]))
            )
            values.append(corrected(xy, xz, yz, reliability))
        known = [v for v in values if np.isfinite(v)]
        cells.append(f"{np.mean(known):+.2f}" if known else "-")
    title = f"{stratum}: correlation given informativeness, by the reliability that its measurement is taken to have"
    return Table(title, tuple(f"{r:g}" for r in RELIABILITIES), (tuple(cells),))


def rotation_table(found: Board) -> Table | None:
    """Every learned code against its own Haar rotation, which tells the same: what its axes are worth."""
    lines = []
    for stratum in dict.fromkeys(row["stratum"] for row in found.rows):
        for name in ("sparse", "factor_axes"):
            rows = {
                task: np.array([[r[name] - r[f"rotated_{name}"]] for r in mine if f"rotated_{name}" in r])
                for task, mine in found.stratum(stratum).items()
            }
            rows = {task: values for task, values in rows.items() if len(values)}
            if not rows:
                continue
            least = min(len(values) for values in rows.values())
            one = effect({task: values[:least] for task, values in rows.items()}, resamples=1000)
            lines.append((f"{stratum}: {name}", str(least), one.text(), f"{one.detectable:.3f}", one.verdict(MARGIN)))
    columns = ("code - its own rotation", "rows a world", "mean [95 %]", "least to be seen", "its axes")
    return Table("what a code's own axes are worth", columns, tuple(lines)) if lines else None


def correlates_table(found: Board) -> Table | None:
    """What goes with control among learned codes of a stratum: the mean over worlds of rank correlations, one by one."""
    worlds = {s: [rows for rows in found.controlled(s).values() if len(rows) > 3] for s in STRATA}
    worlds = {stratum: rows for stratum, rows in worlds.items() if rows}
    lines = []
    for name in (
        "disentangled",
        "dci_lasso",
        "dci_forest",
        "mig",
        "interventions",
        *GIVEN,
        "rank_agreement",
        "condition",
    ):
        cells = []
        for rows in worlds.values():
            pairs = [([r[name] for r in here], [r["control"] for r in here]) for here in rows if name in here[0]]
            known = [float(spearmanr(x, y).statistic) for x, y in pairs if len(set(x)) > 1]
            cells.append(f"{np.mean(known):+.2f}" if known else "-")
        lines.append((HEADINGS.get(name, name), *cells))
    title = "what goes with control: rank correlation inside a world, mean over worlds (exploratory)"
    return Table(title, ("score", *worlds), tuple(lines)) if worlds else None


def repeat_table(found: Board) -> Table | None:
    """How far a row's scores repeat: on two samples of one code, and where its setting was trained with other seeds.

    A repeat's reliability is the share of the variance inside a world that is not between seeds of one setting (the
    intraclass correlation of single seeds).
    """
    lines = []
    learned = [row for row in found.rows if row["stratum"] != "no learning"]
    split: dict[str, list[Row]] = {}
    for row in learned:
        if "informativeness_1" in row:
            split.setdefault(row["task"], []).append(row)
    halves = [
        float(np.corrcoef([[r[f"informativeness_{i}"] for r in rows] for i in (1, 2)])[0, 1])
        for rows in split.values()
        if len(rows) > 2
    ]
    if halves:
        lines.append(("informativeness", "two samples", str(len(halves)), f"{np.mean(halves):.2f}"))
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in learned:
        groups.setdefault((row["task"], row["row"]), []).append(row)
    seeds = {key: rows for key, rows in groups.items() if len(rows) > 1}
    for name in ("disentangled", "informativeness", "control"):
        if not all(name in row for row in learned):
            continue
        values = {
            task: [[r[name] for r in rows] for (where, _), rows in seeds.items() if where == task]
            for task in dict.fromkeys(task for task, _ in seeds)
        }
        known = [intraclass(np.array(rows)) for rows in values.values() if len(rows) > 1]
        if known:
            count = min(len(rows[0]) for rows in values.values())
            lines.append((name, f"{count} seeds", str(len(known)), f"{np.mean(known):.2f}"))
    columns = ("score", "measured on", "worlds", "reliability")
    return Table("how far scores repeat (mean over worlds)", columns, tuple(lines)) if lines else None


def intraclass(values: Floats) -> float:
    """The intraclass correlation (one-way, single) of values [settings, seeds]: 1 where seeds agree, 0 by chance."""
    n, k = values.shape
    between = k * values.mean(1).var(ddof=1)
    within = ((values - values.mean(1, keepdims=True)) ** 2).sum() / (n * (k - 1))
    return float((between - within) / max(between + (k - 1) * within, 1e-12))


def summary(out: Path, jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, the verdict, and the page `board.html`."""
    found = board(jobs, results)
    tested = [hypothesis(found, stratum) for stratum in STRATA if found.controlled(stratum)]
    tables = [board_table(found), *(curve for _, curve in tested if curve)]
    tables += [table for make in (correlates_table, rotation_table, repeat_table) if (table := make(found))]
    tables += [table] if (table := transfer_table(found.rows)) else []
    claims = [claim for claim, _ in tested] + straight_axes(found.stratum("own"))
    write_page(out / "board.html", found.rows, claims, INTRODUCTION)
    write_figure(scatter(found.rows), out / "board.png")
    rows = {
        name: {
            key: _interval(values)
            for key, _, _ in COLUMNS
            if (values := [r[key] for r in found.rows if r["row"] == name and key in r])
        }
        for name in dict.fromkeys(row["row"] for row in found.rows)
    }
    return Summary(
        title="The leaderboard: factors and control",
        introduction=INTRODUCTION,
        tables=tables,
        claims=claims,
        rows=rows,
        figures={"every code: its control over its disentanglement, and over what it tells": out / "board.png"},
        repetitions=len({row["task"] for row in found.rows}),  # H3 is over worlds
        after=f"page with charts: {out / 'board.html'}",
    )


def _interval(values: Sequence[float]) -> Interval:
    """The mean over worlds, from the least to the greatest."""
    return Interval(float(np.mean(values)), min(values), max(values), tuple(values))
