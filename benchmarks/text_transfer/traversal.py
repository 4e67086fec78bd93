"""Where codes go that are moved from one sentiment to the other: into its cluster, and within their topic's.

What Larsson et al. 2017 show by a picture (figure 2) is measured here: a moved code is what most of its nearest neighbours
are, among codes of real sentences. The shift by the difference of the two sentiments' means stands beside the traversal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from borders import Count, checked

MARKS = "osD^vP"


@checked
def neighbours_say(codes: Tensor, labels: Tensor, moved: Tensor, k: Count = 15) -> Tensor:
    """The most frequent of the labels [n] of the k codes [n, d] that are nearest to each of `moved` [m, d]: [m].

    A code that is itself among `codes`, at no distance, does not count for itself. ValueError for fewer than k + 1 codes.
    """
    if len(codes) <= k:
        raise ValueError(f"there must be more than k = {k} codes, got {len(codes)}")
    distance = torch.cdist(moved.double(), codes.double())
    near = labels[distance.masked_fill(distance < 1e-6, torch.inf).topk(k, largest=False).indices]
    return near.mode(1).values


def journey(
    codes: Tensor, sentiments: Tensor, topics: Tensor, start: Tensor, moved: Tensor, targets: Tensor, own: Tensor
) -> dict[str, float]:
    """Shares in [0, 1] of the moved codes [m, d] that are in the cluster of their target sentiment and of their topic.

    codes [n, d] are those of real sentences of sentiments [n] and topics [n]; `start` [m, d] where the moved ones were,
    `targets` and `own` [m] their target sentiments and their topics. `stayed_` is what their places were before.
    """
    found = {}
    for name, where in (("", moved), ("stayed_", start)):
        sentiment, topic = (neighbours_say(codes, labels, where) for labels in (sentiments, topics))
        found[f"{name}sentiment"] = (sentiment == targets).float().mean().item()
        found[f"{name}topic"] = (topic == own).float().mean().item()
        found[f"{name}both"] = ((sentiment == targets) & (topic == own)).float().mean().item()
    return found


def shifted(codes: Tensor, sentiments: Tensor, start: Tensor, targets: Tensor) -> Tensor:
    """Codes [m, d] moved by the difference of the means of the target's codes and of all others': [m, d]."""
    means = {t: codes[sentiments == t].mean(0) - codes[sentiments != t].mean(0) for t in targets.unique().tolist()}
    return start + torch.stack([means[t] for t in targets.tolist()])


def figure_2(
    codes: Tensor,
    sentiments: Tensor,
    topics: Tensor,
    start: Tensor,
    moved: Tensor,
    names: Sequence[str],
    sides: Sequence[str] = ("negative", "positive"),
) -> Figure:
    """The first two principal components of codes [n, d], a mark a topic and a colour a sentiment, and arrows of moved ones."""
    centre = codes.mean(0)
    _, _, axes_ = torch.linalg.svd((codes - centre).double(), full_matrices=False)
    flat, first, last = (((c - centre).double() @ axes_[:2].T).numpy() for c in (codes, start, moved))
    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.add_subplot()
    for topic in topics.unique().tolist():
        for side, colour in zip(range(len(sides)), ("tab:red", "tab:green"), strict=True):
            rows = ((topics == topic) & (sentiments == side)).numpy()
            label = f"{names[topic]}, {sides[side]}"
            mark = MARKS[topic % len(MARKS)]
            axes.scatter(
                flat[rows, 0], flat[rows, 1], s=14, marker=mark, c=colour, alpha=0.35, linewidths=0, label=label
            )
    for a, b in zip(first, last, strict=True):
        axes.annotate("", np.asarray(b), np.asarray(a), arrowprops={"arrowstyle": "->", "color": "black"})  # type: ignore[arg-type]
    axes.set(xlabel="first principal component", ylabel="second")
    axes.legend(fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure
