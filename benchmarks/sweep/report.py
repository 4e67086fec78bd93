"""What a search found: its trials, the best first, and the score over every option."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.harness.progress import duration
from benchmarks.harness.summary import Summary
from benchmarks.harness.table import DOWN, UP, Table
from borders.files.pictures import write_figure

ACROSS = 3


def summary(
    out: Path,
    search: Any,
    trials: Sequence[Any],
    results: Sequence[Mapping[str, Any]],
    failed: Mapping[int, tuple[Mapping[str, Any], str]],
) -> Summary:
    """The trials as a table, those that failed with their error, and a figure."""
    scores = [result["scores"][search.score] for result in results]
    order = np.argsort(scores, kind="stable")[:: -1 if search.maximize else 1]
    options = list(search.space)
    rows = [
        (
            str(trials[k].seed),
            f"{scores[k]:.4g}",
            *(shown(trials[k].point[name]) for name in options),
            duration(sum(results[k]["seconds"].values())),
        )
        for k in order.tolist()
    ]
    rows += [
        (str(number), f"failed: {why}", *(shown(point[name]) for name in options), "-")
        for number, (point, why) in failed.items()
    ]
    columns = ("trial", f"{search.score}{UP if search.maximize else DOWN}", *options, "time")
    best = trials[int(order[0])]
    drawn = out / "options.png"
    write_figure(figure(search.score, options, [trial.point for trial in trials], scores), drawn)
    return Summary(
        title=f"Settings of {search.benchmark} by {search.score}",
        introduction=(f"{len(trials)} trials finished, {len(failed)} failed. The best: {best.point}.",),
        tables=[Table(f"{search.benchmark}, {search.method}: the best first", columns, tuple(rows))],
        figures={"The score of every trial over each option": drawn},
        more={
            "best": best.point,
            "best_score": scores[int(order[0])],
            "failed": {str(k): why for k, (_, why) in failed.items()},
        },
    )


def shown(value: Any) -> str:
    """A value of an option in a cell."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def figure(score: str, options: Sequence[str], points: Sequence[Mapping[str, Any]], scores: Sequence[float]) -> Figure:
    """A panel for each option: the score of every trial over its value."""
    across = min(len(options), ACROSS)
    down = -(-len(options) // across)
    drawn = Figure(figsize=(3.4 * across, 2.6 * down), layout="constrained")
    for place, option in enumerate(options):
        axes = drawn.add_subplot(down, across, place + 1)
        values = [point[option] for point in points]
        numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
        axes.plot(values if numbers else [str(value) for value in values], scores, ".")
        if numbers and min(values) > 0 and max(values) > 20 * min(values):
            axes.set_xscale("log")
        axes.set_xlabel(option, fontsize=8)
        axes.set_ylabel(score, fontsize=8)
        axes.tick_params(labelsize=7)
    return drawn
