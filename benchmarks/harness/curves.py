"""Learning curves over seeds: interquartile means, their bootstrap intervals, and steps to a threshold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from borders.files.pictures import write_figure

QUARTER = 0.25


def interquartile_mean(values: ArrayLike) -> NDArray[np.float64]:
    """The mean of the middle half over the first axis, [seeds, ...] -> [...] (Agarwal et al. 2021).

    A quarter of the seeds, rounded down, is cut at each end; of three seeds nothing is.
    """
    return np.asarray(stats.trim_mean(np.asarray(values, float), QUARTER, axis=0))


def interquartile_band(values: ArrayLike, resamples: int = 2000) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The 95 % percentile-bootstrap interval (low, high), each [...], of the interquartile mean of [seeds, ...].

    Seeds are drawn with replacement from a fixed seed of the generator. A single seed has no interval: both are NaN.
    """
    array = np.asarray(values, float)
    if len(array) < 2:
        empty = np.full(array.shape[1:], np.nan)
        return empty, empty
    found = stats.bootstrap(
        (array,),
        lambda drawn, axis: stats.trim_mean(drawn, QUARTER, axis=axis),
        axis=0,
        n_resamples=resamples,
        method="percentile",
        rng=np.random.default_rng(0),
    )
    return np.asarray(found.confidence_interval.low), np.asarray(found.confidence_interval.high)


def steps_to(steps: Sequence[int], success: Sequence[float], threshold: float) -> int | None:
    """The first of `steps` at which `success` is at least `threshold`; None where it never is."""
    return next((step for step, value in zip(steps, success, strict=True) if value >= threshold), None)


def draw_curves(
    curves: Mapping[str, Sequence[tuple[Sequence[float], Sequence[float]]]],
    path: Path,
    *,
    axis: str,
    threshold: float,
) -> None:
    """Write a PNG: for every name the interquartile mean over its seeds' curves (x, success), and its interval.

    Where seeds were evaluated at different x, as with wall time, x is the mean over the seeds.
    """
    figure = Figure(figsize=(7, 4.2), layout="constrained")
    plot = figure.add_subplot()
    for name, seeds in curves.items():
        x = np.mean([seed[0] for seed in seeds], axis=0)
        values = [seed[1] for seed in seeds]
        line = plot.plot(x, interquartile_mean(values), label=name)[0]
        low, high = interquartile_band(values)
        plot.fill_between(x, low, high, color=line.get_color(), alpha=0.2, linewidth=0)
    plot.axhline(threshold, color="black", linewidth=0.8, linestyle=":")
    plot.set(xlabel=axis, ylabel="success", ylim=(-0.02, 1.02))
    plot.legend(frameon=False)
    write_figure(figure, path, dpi=120)
