"""The ladder as a figure, and the hypotheses world by world."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from benchmarks.harness.evidence import effect
from borders.files.pictures import write_figure

PANELS = (
    ("blind to axes", ("placebo_ilqr", "inverse_ridge", "factor_readout")),
    ("sparse dynamics", ("sparse_50", "sparse_500", "sparse_5000")),
    ("set one factor", ("factor_axes", "factor_readout")),
    ("learned", ("policy_area", "inverse_network", "transfer_block_network")),
)
RESAMPLES = 500


def ladder(runs: Any, part: str, labels: Mapping[str, str]) -> Figure:
    """A panel for each kind of consumer: score by code, mean over worlds and its 95 % interval, worlds as points."""
    codes = runs.codes(part)
    known = [(title, [name for name in names if name in runs.names(part)]) for title, names in PANELS]
    known = [(title, names) for title, names in known if names]
    figure = Figure(figsize=(3.3 * len(known), 3.6), layout="constrained")
    panels = np.atleast_1d(figure.subplots(1, len(known), sharey=True))
    for axes, (title, names) in zip(panels, known, strict=True):
        for shift, name in zip(np.linspace(-0.15, 0.15, len(names)), names, strict=True):
            found = [
                effect({task: rows[code][name] for task, rows in runs.episodes[part].items()}, resamples=RESAMPLES)
                for code in codes
            ]
            x = np.arange(len(codes)) + shift
            bars = [[e.mean - e.low for e in found], [e.high - e.mean for e in found]]
            drawn = axes.errorbar(x, [e.mean for e in found], bars, fmt="o-", markersize=4, label=labels[name])
            for place, e in zip(x, found, strict=True):
                points = list(e.worlds.values())
                axes.scatter([place] * len(points), points, s=4, alpha=0.3, color=drawn.lines[0].get_color())
        axes.axhline(0, color="black", linewidth=0.6)
        axes.axhline(1, color="black", linewidth=0.6, linestyle=":")
        axes.set_title(title, fontsize=10)
        axes.set_xticks(range(len(codes)), [code.replace("_", "\n") for code in codes], fontsize=6)
        axes.set_ylim(bottom=-0.35)
        axes.legend(frameon=False, fontsize=6, loc="lower left")
    panels[0].set_ylabel("score: 0 random, 1 oracle", fontsize=9)
    return figure


def forest(tested: Sequence[Any]) -> Figure:
    """Aligned minus Haar by world, a panel for every score of a hypothesis, with the mean and its interval."""
    panels = [(f"{t.name}: {label}", found) for t in tested for label, found in t.effects.items()]
    worlds = list(panels[0][1].worlds)
    figure = Figure(figsize=(3.2 * len(panels), 0.25 * len(worlds) + 1.4), layout="constrained")
    drawn = np.atleast_1d(figure.subplots(1, len(panels), sharey=True))
    for axes, (title, found) in zip(drawn, panels, strict=True):
        axes.scatter([found.worlds[world] for world in worlds], range(len(worlds)), s=16)
        axes.errorbar(
            [found.mean], [-1], xerr=[[found.mean - found.low], [found.high - found.mean]], fmt="D", color="C3"
        )
        axes.axvline(0, color="black", linewidth=0.6)
        axes.axvspan(-0.05, 0.05, color="black", alpha=0.08, linewidth=0)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("aligned - haar", fontsize=8)
        axes.set_yticks([*range(len(worlds)), -1], [*worlds, "mean, 95 %"], fontsize=7)
    return figure


def draw(out: Path, runs: Any, tested: Sequence[Any], labels: Mapping[str, str]) -> dict[str, Path]:
    """Write the figures; captions and files."""
    figures = {}
    write_figure(ladder(runs, "ladder", labels), out / "ladder.png", dpi=130)
    figures["The ladder: score by code, from aligned to Haar; bars 95 % over worlds, small points single worlds"] = (
        out / "ladder.png"
    )
    if tested:
        write_figure(forest(tested), out / "worlds.png", dpi=130)
        figures["Aligned minus Haar by world; grey: too small to matter"] = out / "worlds.png"
    return figures
