"""Mutual information gap and modularity: scores of the information every code dimension holds about every factor.

    I_ik   mutual information of code dimension c_i and factor f_k, in nats, from a contingency table
    MIG    1/K sum_k (I_(1)k - I_(2)k) / H(f_k)                          Chen et al. 2018, arXiv:1802.04942, eq. 6
    mod_i  1 - sum_{k not k*} I_ik^2 / (I_ik*^2 (K - 1)),  k* = argmax   Ridgeway & Mozer 2018, arXiv:1802.05312, sec. 3

Published implementations cut a code into 20 equal-width bins, so that a perfect code scores 0.9, one outlier sends the
score to 0 and noise has information. Here a code is cut at quantiles into twice as many bins as the factor has values, a
code of few values between them (`_levels`), and the entropies carry the Miller-Madow term, which takes the positive bias
of the plain estimate away:

    H = H_plain + (m - 1) / 2n        m occupied cells, n rows            Miller 1955
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from benchmarks.metrics.arrays import BINS, Described, Floats, Labels, alive, as_pair, classes, first_ranks
from borders import checked


@dataclass(frozen=True)
class Information:
    """`values` [D, K] and `entropy` [K] in nats; `significant` [D, K] where independence does not explain the value."""

    values: Floats
    entropy: Floats
    significant: NDArray[np.bool_]


@checked
def mutual_information(
    codes: ArrayLike | torch.Tensor,
    factors: ArrayLike | torch.Tensor,
    kinds: Described | None = None,
    *,
    compat: bool = False,
) -> Information:
    """Mutual information of every code dimension with every (varying) factor.

    codes [n, D], factors [n, K]; `kinds` as in `as_columns`. `significant` is Pearson's chi-squared test at level
    0.001 over all D K pairs together. A constant dimension has information 0. `compat`: 20 equal-width bins per code,
    the plain estimate.
    """
    code, factor, columns = as_pair(codes, factors, kinds)
    labels = [classes(factor[:, k], column) for k, column in enumerate(columns)]
    sizes = [int(label.max()) + 1 for label in labels]
    values = np.zeros((code.shape[1], len(labels)))
    significant = np.zeros(values.shape, dtype=bool)
    level = 1 - 0.001 / values.size
    for i in np.flatnonzero(alive(code)):
        cuts = _equal_width(code[:, i], sizes) if compat else _quantiles(code[:, i], sizes)
        for k, cut in enumerate(cuts):
            joint = np.bincount(cut * sizes[k] + labels[k], minlength=(int(cut.max()) + 1) * sizes[k])
            joint = joint.reshape(-1, sizes[k])
            joint = joint[joint.any(axis=1)]
            values[i, k] = _information(joint, correct=not compat)
            significant[i, k] = _pearson(joint) > chi2.ppf(level, max((joint.shape[0] - 1) * (joint.shape[1] - 1), 1))
    entropy = np.array([_entropy(np.bincount(label), correct=not compat) for label in labels])
    return Information(np.clip(values, 0, entropy), entropy, significant)


def _quantiles(values: Floats, sizes: list[int]) -> list[Labels]:
    """`values` cut once for every factor size: into equally filled bins, or where they are few as `_levels` says."""
    n = len(values)
    ranks, distinct = first_ranks(values)
    if distinct <= max(BINS, 2 * math.isqrt(n)):
        return [_levels(values, size) for size in sizes]
    bins = {size: min(max(BINS, 2 * size), max(2, math.isqrt(n))) for size in sizes}
    cut = {count: ranks * count // n for count in set(bins.values())}
    return [cut[bins[size]] for size in sizes]


def _levels(values: Floats, size: int) -> Labels:
    """Labels of few distinct values: the values themselves where they are no more than the factor's `size`.

    Where they are more, runs of values no wider than half the spacing of an evenly coded factor: a code that holds a
    trace of a second factor has a value for every pair, but nobody would read the second off it.
    """
    levels, labels = np.unique(values, return_inverse=True)
    if len(levels) <= size:
        return labels
    low, high = np.quantile(values, (0.01, 0.99))  # an outlier does not make all others one
    starts = [levels[0]]
    for level in levels:
        if level > starts[-1] + (high - low) / (2 * size):
            starts.append(level)
    return np.searchsorted(np.array(starts), values, side="right") - 1


def _equal_width(values: Floats, sizes: list[int]) -> list[Labels]:
    edges = np.linspace(values.min(), values.max(), BINS + 1)[1:-1]
    return [np.digitize(values, edges)] * len(sizes)


def _information(joint: Labels, correct: bool) -> float:
    """Mutual information in nats of a contingency table of counts."""
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    return _entropy(rows, correct) + _entropy(columns, correct) - _entropy(joint.ravel(), correct)


def _pearson(joint: Labels) -> float:
    """Pearson's chi-squared; unlike 2 n I its mean under independence is right in sparse tables too."""
    expected = np.outer(joint.sum(axis=1), joint.sum(axis=0)) / joint.sum()
    return float(((joint - expected) ** 2 / expected).sum())


def _entropy(counts: NDArray[np.integer], correct: bool) -> float:
    occupied = counts[counts > 0].astype(np.float64)
    n = occupied.sum()
    value = math.log(n) - float((occupied * np.log(occupied)).sum()) / n
    return value + (len(occupied) - 1) / (2 * n) if correct else value


@checked
def mig(
    codes: ArrayLike | torch.Tensor,
    factors: ArrayLike | torch.Tensor,
    kinds: Described | None = None,
    *,
    compat: bool = False,
) -> float:
    """Mutual information gap in [0, 1]: is each factor in one code dimension alone?

    codes [n, D], factors [n, K], n >= 2. 1 for a code that holds every factor in one dimension of its own; 0 for a
    constant code, for noise, and for a code that holds everything twice. With D = 1 the runner-up counts as 0.
    `compat` gives the number of the common 20-bin protocol. Chen et al. 2018, arXiv:1802.04942.
    """
    found = mutual_information(codes, factors, kinds, compat=compat)
    ranked = np.sort(np.concatenate([found.values, np.zeros((1, len(found.entropy)))]), axis=0)
    return float(((ranked[-1] - ranked[-2]) / found.entropy).mean())


@checked
def modularity(
    codes: ArrayLike | torch.Tensor,
    factors: ArrayLike | torch.Tensor,
    kinds: Described | None = None,
    *,
    compat: bool = False,
) -> float:
    """Modularity in [0, 1]: does each code dimension know about one factor only?

    codes [n, D], factors [n, K], n >= 2. The mean over the dimensions that know about some factor (chi-squared test);
    0 where none does, so noise and a constant code score 0; 1 with a single factor. `compat`: 20 equal-width bins and
    every dimension, where noise scores about 0.7 and a constant dimension counts as 0. Ridgeway & Mozer 2018, arXiv:1802.05312.
    """
    found = mutual_information(codes, factors, kinds, compat=compat)
    squares = found.values**2
    best, others = squares.max(axis=1), max(squares.shape[1] - 1, 1)
    informed = best > 0 if compat else found.significant.any(axis=1)
    per_code = np.zeros(len(best))
    per_code[informed] = 1 - (squares.sum(axis=1) - best)[informed] / (best[informed] * others)
    counted = np.ones_like(informed) if compat else informed
    return float(per_code[counted].mean()) if counted.any() else 0.0
