"""What is measured of embeddings: whether neighbours are of one identity, and what a single dimension tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import rankdata
from torch import Tensor

from envs.characters import ATTRIBUTES
from representations.parts.separation import squared_distances

Floats = NDArray[np.float64]
KS = (1, 2, 5, 10)  # of recall at k
NEAR = (0.95, 0.9)  # areas that count as near 1
SCORES = ("mig", "sap", "modularity", "explicitness")


def recall(codes: Tensor, labels: Tensor, ks: Sequence[int]) -> dict[int, float]:
    """For each k the share of codes [n, d] that have one of their own label [n] among their k nearest others.

    Distances are Euclidean; on the unit sphere they order as cosines do (Ridgeway & Mozer 2018, section 2).
    """
    distance = squared_distances(codes.double(), codes.double()).fill_diagonal_(torch.inf)
    same = labels[distance.topk(max(ks), largest=False).indices] == labels[:, None]
    return {k: same[:, :k].any(1).double().mean().item() for k in ks}


def auc(codes: Floats, positive: NDArray[np.bool_]) -> Floats:
    """How well each dimension of codes [n, d] tells the rows `positive` [n] from the others: the area [d], 0.5 to 1.

    It is the probability that one of the first lies above one of the others, or below, whichever is larger; ties count half.
    Raises ValueError where there are none of either.
    """
    first, n = int(positive.sum()), len(codes)
    if not 0 < first < n:
        raise ValueError(f"positive must hold for some of the {n} rows and not for all, got {first}")
    above = (rankdata(codes, axis=0)[positive].sum(0) - first * (first + 1) / 2) / (first * (n - first))
    return np.maximum(above, 1 - above)


def values() -> list[tuple[int, int, str]]:
    """Every attribute value that is told: the attribute's column, the value, its name; one of an attribute's two."""
    return [
        (column, value, f"{name} {word}")
        for column, (name, words) in enumerate(ATTRIBUTES.items())
        for value, word in enumerate(words if len(words) > 2 else words[-1:])
    ]


def told(codes: Tensor, attributes: Tensor) -> dict[str, float]:
    """For every attribute value the AUC of the dimension of codes [n, d] that tells it best, of `attributes` [n, 7]."""
    found, rows = codes.double().numpy(), attributes.numpy()
    return {name: float(auc(found, rows[:, column] == value).max()) for column, value, name in values()}


def rotated(codes: Tensor, generator: torch.Generator) -> Tensor:
    """Codes [n, d] turned by a random rotation: the same distances, other dimensions."""
    turn = torch.linalg.qr(torch.randn(codes.shape[1], codes.shape[1], generator=generator, dtype=torch.float64)).Q
    return codes.double() @ turn


def told_of_strangers(
    codes: Tensor, attributes: Tensor, identity: Tensor, generator: torch.Generator
) -> dict[str, float]:
    """What `told` gives by chance: to every identity the attributes of another, drawn at random."""
    names, place = identity.unique(return_inverse=True)
    first = torch.zeros(len(names), dtype=torch.int64).scatter_(0, place, torch.arange(len(place)))
    shuffled = attributes[first][torch.randperm(len(names), generator=generator)]
    return told(codes, shuffled[place])


def near_one(areas: Mapping[str, float], least: float) -> float:
    """How many of the areas are at least `least`."""
    return float(sum(area >= least for area in areas.values()))


def best_threshold(matched: Tensor, other: Tensor) -> float:
    """The distance up to which pairs are called matched, so that as many as possible of both kinds are called rightly."""
    values, order = torch.cat([matched, other]).sort()
    right = torch.cat([torch.ones(len(matched)) / len(matched), -torch.ones(len(other)) / len(other)])[order].cumsum(0)
    best = int(right.argmax())
    beyond = values[min(best + 1, len(values) - 1)]
    return float((values[best] + beyond) / 2)


def verified(matched: Tensor, other: Tensor, threshold: float) -> dict[str, float]:
    """How well distances [n] of matched pairs and [m] of others tell them apart: `auc`, and `accuracy` at a threshold.

    The area is below 0.5 where matched pairs lie farther apart than others.
    """
    ranks = rankdata(torch.cat([matched, other]).double().numpy())[: len(matched)]
    below = 1 - (ranks.sum() - len(matched) * (len(matched) + 1) / 2) / (len(matched) * len(other))
    accuracy = ((matched <= threshold).double().mean() + (other > threshold).double().mean()) / 2
    return {"auc": float(below), "accuracy": accuracy.item()}
