"""The board's figure: every code of every world, its control over its disentanglement and over what it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

ACROSS = {"disentangled": "disentanglement, rank", "informativeness": "informativeness"}
LOOKS = {
    "pictures": ("o", "tab:blue"),
    "pictures and actions": ("^", "tab:orange"),
    "no learning": ("x", "0.45"),
    "own": ("*", "tab:red"),
}


def scatter(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel for every world and for each of the two; learned codes are filled, those of no learning are crosses."""
    worlds = list(dict.fromkeys(row["task"] for row in rows))
    figure = Figure(figsize=(2.6 * len(worlds) + 0.8, 5.2), layout="constrained")
    panels = figure.subplots(len(ACROSS), len(worlds), sharey=True, squeeze=False)
    for line, (key, label) in zip(panels, ACROSS.items(), strict=True):
        for axes, world in zip(line, worlds, strict=True):
            for stratum, (marker, colour) in LOOKS.items():
                mine = [
                    r for r in rows if r["task"] == world and r["stratum"] == stratum and key in r and "control" in r
                ]
                if mine:
                    x, y = [r[key] for r in mine], [r["control"] for r in mine]
                    axes.scatter(x, y, s=22, marker=marker, color=colour, alpha=0.8, label=stratum)
            axes.set_xlabel(label, fontsize=8)
            axes.tick_params(labelsize=7)
            axes.axhline(0, color="0.85", linewidth=1, zorder=0)
        line[0].set_ylabel("control: 0 random, 1 oracle", fontsize=8)
    for axes, world in zip(panels[0], worlds, strict=True):
        axes.set_title(world, fontsize=9)
    handles, labels = panels[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
    return figure
