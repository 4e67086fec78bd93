"""The tables, figures and claims of `benchmarks.beta_sweep`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.harness.summary import Summary, intervals
from benchmarks.harness.table import DOWN, UP, Claim, Interval, Table, interval, over_seeds
from benchmarks.harness.words import arrow
from borders.files.pictures import write_figure

INTRODUCTION = (
    "Shapes: the metric names which one factor changed between two held-out pictures from their codes (Higgins et al. "
    "2016); the other scores are on held-out pictures too. Nats a picture: -log p(x | z) at a sample of the posterior.",
    "Digits: accuracy on held-out digits of a support vector machine that saw a share of the labels' codes; the "
    "autoencoder saw all training pictures. Error bars are standard deviations over seeds, as in the paper.",
    "A claim is that of a slope over beta, fitted for every seed, and shown where its 95 % interval over seeds is.",
)
SHAPE_COLUMNS = ("beta_vae_changed", "beta_vae_fixed", "factor_vae", "mig", "nll", "kl", "latents_used")

# model -> beta -> the scores of all seeds
Points = dict[str, dict[float, list[Mapping[str, float]]]]


def points(results: Sequence[Mapping[str, Any]], jobs: Sequence[Any], data: str) -> Points:
    """The scores of all seeds by model and beta, seeds in order."""
    found: Points = {}
    for result, job in zip(results, jobs, strict=True):
        if job.data == data:
            found.setdefault(job.model, {}).setdefault(job.beta, []).append(result["scores"])
    return found


def slope(by_beta: Mapping[float, Sequence[Mapping[str, float]]], name: str) -> Interval:
    """The slope of a score over beta, a straight line fitted to each seed's points, with its interval over seeds."""
    betas = sorted(by_beta)
    values = np.array([[scores[name] for scores in by_beta[beta]] for beta in betas])
    return interval(np.polyfit(betas, values, 1)[0].round(9).tolist())  # a level line is 0, not -1e-17


def shares(found: Points) -> list[str]:
    """The names of the accuracies of digits, smallest share of labels first."""
    names = {name for by_beta in found.values() for scores in by_beta.values() for name in scores[0]}
    return sorted((n for n in names if n.startswith("accuracy_")), key=lambda n: float(n.partition("_")[2]))


def headed(name: str) -> str:
    """A column's heading, with an arrow where one way is better."""
    ways = {"nll": DOWN, "kl": "", "latents_used": ""}
    return f"{name}{ways[name]}" if name in ways else f"{name}{UP}" if name.startswith("accuracy") else arrow(name)


def tables(shapes: Points, digit: Points) -> list[Table]:
    """A row per model and beta: means and intervals over seeds."""
    made = []
    for title, found, columns in (
        ("shapes2d, held-out pictures", shapes, SHAPE_COLUMNS),
        ("digits, held-out pictures", digit, (*shares(digit), "nll", "kl", "latents_used")),
    ):
        rows = [
            (model, f"{beta:g}", *(interval([s[c] for s in scores]).text(1 if c == "nll" else 3) for c in columns))
            for model, by_beta in found.items()
            for beta, scores in sorted(by_beta.items())
        ]
        if rows:
            count = len(next(iter(next(iter(found.values())).values())))
            made.append(Table(f"{title}; {over_seeds(count)}", ("model", "beta", *map(headed, columns)), tuple(rows)))
    return made


def claims(shapes: Points, digit: Points) -> list[Claim]:
    """What the paper says of every autoencoder that was swept over at least two values of beta."""
    made = []
    for model, by_beta in shapes.items():
        if len(by_beta) > 1:
            found = slope(by_beta, "beta_vae_changed")
            ends = [interval([s["beta_vae_changed"] for s in by_beta[b]]).text(3) for b in (min(by_beta), max(by_beta))]
            evidence = f"{ends[0]} at beta {min(by_beta):g}, {ends[1]} at {max(by_beta):g}; slope {found.text(4)}"
            made.append(Claim(f"{model}: the metric rises with beta", found.low > 0, evidence))
    names = shares(digit)
    for model, by_beta in digit.items():
        above = {beta: scores for beta, scores in by_beta.items() if beta > 0}
        if len(above) > 1:
            found = slope(above, names[-1])
            ends = [interval([s[names[-1]] for s in above[b]]).text(3) for b in (min(above), max(above))]
            evidence = f"{ends[0]} at beta {min(above):g}, {ends[1]} at {max(above):g}; slope {found.text(4)}"
            text = f"{model}: the classifier's accuracy falls with beta (above 0)"
            made.append(Claim(text, found.high < 0, evidence))
            more = [
                interval([a[names[-1]] - a[names[0]] for scores in by_beta.values() for a in scores]),
                interval([s[names[0]] for scores in by_beta.values() for s in scores]),
            ]
            if len(names) > 1:
                share = [name.partition("_")[2] for name in (names[0], names[-1])]
                text = f"{model}: accuracy rises with the share of the labels ({share[0]} to {share[1]})"
                evidence = f"{more[1].text(3)} rises by {more[0].text(3)}, over all betas and seeds"
                made.append(Claim(text, more[0].low > 0, evidence))
    return made


def metric_figure(found: Points) -> Figure:
    """Figure 1: the metric over beta, a panel per autoencoder, means and standard deviations over seeds."""
    return _panels(found, {"beta_vae_changed": None}, "accuracy of naming the changed factor")


def accuracy_figure(found: Points) -> Figure:
    """Figure 2: accuracy on digits over beta, a panel per autoencoder, a line per share of labels."""
    lines = {name: f"{float(name.partition('_')[2]):.0%} of labels" for name in shares(found)}
    return _panels(found, lines, "accuracy")


def _panels(found: Points, lines: Mapping[str, str | None], what: str) -> Figure:
    """A panel per autoencoder, in it a line over beta per score of `lines`, which gives its label."""
    figure = Figure(figsize=(3.6 * len(found), 3.1), layout="constrained")
    first = None
    for index, (model, by_beta) in enumerate(found.items()):
        first = axes = figure.add_subplot(1, len(found), index + 1, sharey=first)
        for name, label in lines.items():
            _line(axes, by_beta, name, label)
        axes.set(title=model, xlabel="beta", ylabel=what if index == 0 else "")
        if any(lines.values()):
            axes.legend(fontsize=7, loc="lower left")
    return figure


def _line(axes: Any, by_beta: Mapping[float, Sequence[Mapping[str, float]]], name: str, label: str | None) -> None:
    betas = sorted(by_beta)
    values = [[scores[name] for scores in by_beta[beta]] for beta in betas]
    mean, spread = [float(np.mean(v)) for v in values], [float(np.std(v)) for v in values]
    axes.errorbar(betas, mean, yerr=spread, fmt="o-", markersize=4, capsize=3, label=label)


def summary(out: Path, jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and the paper's figures."""
    shapes, digit = (points(results, jobs, data) for data in ("shapes2d", "digits"))
    drawn = {}
    for found, draw, name, caption in (
        (shapes, metric_figure, "metric.png", "How often the changed factor is named from codes, over beta (figure 1)"),
        (digit, accuracy_figure, "accuracy.png", "How often a digit is named from its code, over beta (figure 2)"),
    ):
        if found:
            write_figure(draw(found), out / name)
            drawn[caption] = out / name
    rows = {
        f"{data}: {model} (beta {beta:g})": scores
        for data, found in (("shapes2d", shapes), ("digits", digit))
        for model, by_beta in found.items()
        for beta, scores in by_beta.items()
    }
    return Summary(
        title="A weight on the KL term",
        introduction=INTRODUCTION,
        tables=tables(shapes, digit),
        claims=claims(shapes, digit),
        figures=drawn,
        rows=intervals(rows),
        more={"processor": sum(r["processor"] for r in results)},
    )
