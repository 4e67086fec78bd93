"""The board's figure: every code of every world, its control over its disentanglement and over what it tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

ACROSS = {"disentangled": "disentanglement, rank", "informativeness": "informativeness"}
WIDEST = 4  # worlds beside each other
LOOKS = {
    "pictures": ("o", "tab:blue"),
    "pictures and actions": ("^", "tab:orange"),
    "no learning": ("x", "0.45"),
    "own": ("*", "tab:red"),
}


def scatter(rows: Sequence[Mapping[str, Any]]) -> Figure:
    """A panel for every world and for each of the two; learned codes are filled, those of no learning are crosses.

    At most four worlds stand beside each other, the two panels of one below each other.
    """
    worlds = list(dict.fromkeys(row["task"] for row in rows))
    across = min(WIDEST, len(worlds))
    blocks = -(-len(worlds) // across)
    figure = Figure(figsize=(2.6 * across + 0.8, 2.6 * len(ACROSS) * blocks), layout="constrained")
    panels = figure.subplots(len(ACROSS) * blocks, across, sharey=True, squeeze=False)
    for place in range(across * blocks):
        block, column = divmod(place, across)
        pair = panels[len(ACROSS) * block : len(ACROSS) * (block + 1), column]
        if place >= len(worlds):
            for axes in pair:
                axes.set_visible(False)
            continue
        for axes, (key, label) in zip(pair, ACROSS.items(), strict=True):
            for stratum, (marker, colour) in LOOKS.items():
                mine = [
                    r
                    for r in rows
                    if r["task"] == worlds[place] and r["stratum"] == stratum and key in r and "control" in r
                ]
                if mine:
                    x, y = [r[key] for r in mine], [r["control"] for r in mine]
                    axes.scatter(x, y, s=22, marker=marker, color=colour, alpha=0.8, label=stratum)
            axes.set_xlabel(label, fontsize=8)
            axes.tick_params(labelsize=7)
            axes.axhline(0, color="0.85", linewidth=1, zorder=0)
            if not column:
                axes.set_ylabel("control: 0 random, 1 oracle", fontsize=8)
        pair[0].set_title(worlds[place], fontsize=9)
    handles, labels = panels[0][0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), fontsize=8, frameon=False)
    return figure
