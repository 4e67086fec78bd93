"""The tables, the claims and the report of `benchmarks.dci`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.harness.summary import Summary, by_row, first_figures, intervals
from benchmarks.harness.table import DOWN, UP, Claim, Table, interval, over_seeds

FACTORS = ("azimuth", "elevation", "red", "green", "blue")
AVERAGES = ("nrmse", "zero_shot", "disentanglement", "completeness")
WAYS = {"nrmse": DOWN, "zero_shot": DOWN, "disentanglement": UP, "completeness": UP}
CAPTIONS = {
    "hinton_lasso.png": "how much each code dimension (row) says of each factor (column), by the lasso (figure 6)",
    "hinton_forest.png": "the same by the random forest",
    "codes.png": "every factor against the two code dimensions that matter most for it (figure 4)",
    "traversals.png": "every code dimension moved over its range, the others at their medians",
    "samples.png": "pictures of the training set, and generated ones",
}
TITLES = {"nrmse": "test NRMSE", "zero_shot": "zero-shot NRMSE", "completeness": "completeness"}
# Eastwood & Williams 2018, tables 1 and 2: the row of every factor, the average, and the weighted average of D.
PUBLISHED: dict[str, dict[str, dict[str, tuple[float, ...]]]] = {
    "lasso": {
        "pca": {
            "nrmse": (0.99, 0.72, 0.42, 0.47, 0.46, 0.59),
            "zero_shot": (1.01, 1.78, 0.77, 0.91, 0.91, 1.05),
            "completeness": (0.83, 0.54, 0.14, 0.20, 0.19, 0.38),
            "disentanglement": (0.20,),
        },
        "infogan": {
            "nrmse": (0.50, 0.09, 0.09, 0.13, 0.09, 0.18),
            "zero_shot": (0.49, 0.20, 0.35, 0.21, 0.16, 0.28),
            "completeness": (0.56, 0.85, 0.80, 0.63, 0.78, 0.72),
            "disentanglement": (0.77,),
        },
    },
    "forest": {
        "pca": {
            "nrmse": (0.65, 0.41, 0.27, 0.34, 0.34, 0.40),
            "zero_shot": (0.71, 1.12, 0.86, 0.87, 0.81, 0.87),
            "completeness": (0.11, 0.45, 0.37, 0.49, 0.49, 0.38),
            "disentanglement": (0.35,),
        },
        "infogan": {
            "nrmse": (0.29, 0.06, 0.06, 0.08, 0.07, 0.11),
            "zero_shot": (0.30, 0.17, 0.30, 0.19, 0.14, 0.22),
            "completeness": (0.63, 0.97, 0.95, 0.92, 0.96, 0.89),
            "disentanglement": (0.93,),
        },
    },
}
CLOSE = 0.15  # how far an average may be from the published one and still reproduce it: their renderer is not public
INTRODUCTION = (
    "NRMSE: error of a factor predicted from the code over the factor's standard deviation, on rows not trained on; "
    "zero-shot rows show combinations that neither the model nor the regressor saw, and their errors are over their own "
    "standard deviation. 1 is the constant guess.",
    "The published InfoGAN rows are the best of ten runs, chosen by hand; ours are means over seeds, with the best beside.",
    "circular: the azimuth predicted as (cos, sin), and importances of what is not predicted at all left out.",
)

Scores = Mapping[str, float]


def best(rows: Sequence[Scores]) -> Scores:
    """The run with the greatest sum of D and C over both regressors."""
    return max(rows, key=lambda row: sum(row[f"{r}_{s}"] for r in PUBLISHED for s in AVERAGES[2:]))


def _text(rows: Sequence[Scores], name: str) -> str:
    return interval([row[name] for row in rows]).text(2)


def tables(jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """The averages of all models, and tables 1 and 2 of the paper by factor."""
    found = by_row(results, [job.model for job in jobs])
    count = max(len(rows) for rows in found.values())
    job = jobs[0]
    title = f"{job.side} x {job.side}, preset {job.preset}; {over_seeds(count)}"
    columns = ("code", *(f"{r}: {s.replace('_', ' ')}{WAYS[s]}" for r in PUBLISHED for s in AVERAGES))
    lines = []
    for model, rows in found.items():
        cells = (f"{PUBLISHED[r][model][s][-1]:.2f}" for r in PUBLISHED for s in AVERAGES)
        lines.append((f"{model}, published", *cells))
        lines.append((model, *(_text(rows, f"{r}_{s}") for r in PUBLISHED for s in AVERAGES)))
        if len(rows) > 1:
            lines.append((f"{model}, best", *(_text([best(rows)], f"{r}_{s}") for r in PUBLISHED for s in AVERAGES)))
        lines.append((f"{model}, circular", *(_text(rows, f"circular_{r}_{s}") for r in PUBLISHED for s in AVERAGES)))
    made = [Table(f"Averages, {title}", columns, tuple(lines))]
    for place, regressor in enumerate(PUBLISHED):
        for part in TITLES:
            lines = []
            for model, rows in found.items():
                lines.append((f"{model}, published", *(f"{v:.2f}" for v in PUBLISHED[regressor][model][part])))
                names = (*(f"{regressor}_{part}_{factor}" for factor in FACTORS), f"{regressor}_{part}")
                lines.append((model, *(_text(rows, name) for name in names)))
            made.append(
                Table(
                    f"Table {place + 1}, {regressor}: {TITLES[part]}{WAYS[part]}",
                    ("code", *FACTORS, "average"),
                    tuple(lines),
                )
            )
    return made


def claims(jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """What the paper says, decided by these runs, with both regressors."""
    found, made = by_row(results, [job.model for job in jobs]), []
    if "pca" in found:
        for part in (("nrmse", "disentanglement", "completeness"), ("zero_shot",)):
            far = {}
            for r, s in product(PUBLISHED, part):
                own = interval([row[f"{r}_{s}"] for row in found["pca"]]).mean
                far[f"{r} {s.replace('_', ' ')}"] = own, PUBLISHED[r]["pca"][s][-1]
            text = f"PCA: {', '.join(s.replace('_', '-') for s in part)} within {CLOSE} of the published row"
            evidence = ", ".join(f"{name} {own:.2f} / {theirs:.2f}" for name, (own, theirs) in far.items())
            made.append(Claim(text, all(abs(own - theirs) <= CLOSE for own, theirs in far.values()), evidence))
    if {"infogan", "pca"} <= found.keys():
        for name in AVERAGES:
            more = name in ("disentanglement", "completeness")
            gains = [interval(gain(found, f"{r}_{name}")) for r in PUBLISHED]
            shown = all(g.low > 0 if more else g.high < 0 for g in gains)
            label = {"nrmse": "test NRMSE", "zero_shot": "zero-shot NRMSE"}.get(name, name)
            text = f"InfoGAN: {label} {'above' if more else 'below'} PCA's"
            evidence = ", ".join(
                f"{r} {_text(found['infogan'], f'{r}_{name}')} against {_text(found['pca'], f'{r}_{name}')}"
                for r in PUBLISHED
            )
            made.append(Claim(text, shown, evidence))
    return made


def gain(found: Mapping[str, Sequence[Scores]], name: str) -> list[float]:
    """InfoGAN's score less PCA's, seed by seed."""
    return [a[name] - b[name] for a, b in zip(found["infogan"], found["pca"], strict=True)]


def summary(out: Path, jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and figures."""
    return Summary(
        title="DCI of InfoGAN and PCA",
        introduction=INTRODUCTION,
        tables=tables(jobs, results),
        claims=claims(jobs, results),
        figures=first_figures(jobs, out, captions=CAPTIONS),
        rows=intervals(by_row(results, [job.model for job in jobs])),
    )
