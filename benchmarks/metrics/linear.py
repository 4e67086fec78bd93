"""SAP and explicitness: scores of what a linear reader finds in a code.

    SAP           1/K sum_k (S_(1)k - S_(2)k)       S_ik how well c_i alone predicts f_k linearly
                                                    Kumar et al. 2018, arXiv:1711.00848, sec. 3
    S_ik          corr(c_i, f_k)^2                                   for a number
                  max over cuts t of corr(c_i, (f_k - t) mod P)^2    for an angle of period P
                  balanced accuracy of the nearest class mean        for a class; chance counts as 0
    explicitness  mean ROC-AUC, class against rest, of a multinomial logistic regression on z-scored codes
                                                    Ridgeway & Mozer 2018, arXiv:1802.05312, sec. 3

One number can follow an angle only where the circle is cut open; any cut is as good as any other.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.stats import rankdata
from sklearn.linear_model import LogisticRegression

from benchmarks.metrics import line_svm
from benchmarks.metrics.arrays import (
    Column,
    Described,
    Floats,
    Labels,
    alive,
    as_pair,
    classes,
    generator_or_default,
    standardised,
)
from borders import checked

SVM_C = 0.01


@checked
def sap(
    codes: ArrayLike | torch.Tensor,
    factors: ArrayLike | torch.Tensor,
    kinds: Described | None = None,
    *,
    compat: bool = False,
) -> float:
    """Separated attribute predictability in [0, 1]: does one code dimension predict a factor better than any other?

    codes [n, D], factors [n, K], n >= 4. Close to 1 for a perfect code, 0 for a constant or a doubled one. With D = 1
    the runner-up counts as 0. `compat`: accuracy of a linear support vector classifier (C = 0.01, balanced) per
    dimension, as it is scaled, and factor on the last third of the rows, all factors as classes: a perfect code stays
    far below 1 there, because a line cannot single out a middle class. Kumar et al. 2018, arXiv:1711.00848.
    """
    code, factor, columns = as_pair(codes, factors, kinds, least=4)
    table = np.zeros((code.shape[1] + 1, len(columns)))
    kept = np.flatnonzero(alive(code))
    scaled = standardised(code)
    for k, column in enumerate(columns):
        if compat:
            table[:-1, k] = _svc_accuracy(code, classes(factor[:, k], column))
        else:
            table[kept, k] = _separate(scaled, factor[:, k], column)
    table.sort(axis=0)
    return float((table[-1] - table[-2]).mean())


def _separate(scaled: Floats, values: Floats, column: Column) -> Floats:
    """S_ik of all z-scored dimensions [n, D] for one factor [n]: [D]."""
    if column.kind == "categorical":
        return np.array([_nearest_mean(dimension, classes(values, column)) for dimension in scaled.T])
    if column.kind == "circular":
        return _best_cut(scaled, values % column.period, column.period)
    return (scaled.T @ (values - values.mean()) / len(scaled)) ** 2 / values.var()


def _best_cut(scaled: Floats, angle: Floats, period: float) -> Floats:
    """The largest squared correlation with an angle over all cuts: a cut at t adds a period to the angles below t."""
    order = np.argsort(angle)
    angle, scaled = angle[order] - angle.mean(), scaled[order]
    cut = np.flatnonzero(np.concatenate(([True], angle[1:] > angle[:-1])))  # so many angles lie below the cut
    below = cut / len(angle)
    total = np.concatenate([np.zeros((1, scaled.shape[1] + 1)), np.cumsum(np.column_stack([scaled, angle]), axis=0)])
    joint = (scaled.T @ angle + period * total[cut, :-1]) / len(angle)
    variance = angle.var() + period**2 * below * (1 - below) + 2 * period * total[cut, -1] / len(angle)
    return (joint**2 / np.maximum(variance, 1e-12)[:, None]).max(axis=0)


def _nearest_mean(dimension: Floats, label: Labels) -> float:
    """Balanced accuracy of the nearest class mean, rescaled so that chance is 0."""
    sizes = np.bincount(label)
    means = np.bincount(label, weights=dimension) / sizes
    order = np.argsort(means)
    guess = order[np.searchsorted((means[order][1:] + means[order][:-1]) / 2, dimension)]
    recall = np.bincount(label[guess == label], minlength=len(sizes)) / sizes
    return max(0.0, float(recall.mean() * len(sizes) - 1) / (len(sizes) - 1))


def _svc_accuracy(code: Floats, label: Labels) -> Floats:
    """Accuracy on the last third of the rows of a support vector classifier of every dimension [n, D] by itself: [D]."""
    train = 2 * len(label) // 3
    present, known = np.unique(label[:train], return_inverse=True)
    if len(present) < 2:
        return np.full(code.shape[1], (label[train:] == label[0]).mean())
    place = np.full(int(label.max()) + 1, -1)
    place[present] = np.arange(len(present))
    values = torch.from_numpy(np.ascontiguousarray(code.T))
    truth = torch.from_numpy(place[label[train:]])
    return line_svm.accuracy(values[:, :train], torch.from_numpy(known), values[:, train:], truth, SVM_C).numpy()


@checked
def explicitness(
    codes: ArrayLike | torch.Tensor,
    factors: ArrayLike | torch.Tensor,
    kinds: Described | None = None,
    *,
    generator: np.random.Generator | None = None,
) -> float:
    """Explicitness in [0, 1]: can a linear classifier read every value of every factor off the whole code?

    codes [n, D], factors [n, K], n >= 6; a random two thirds of the rows train, the rest are ranked. 1 where every
    value stands out, 0.5 for noise and for a constant code. Infinite factors are cut into 20 quantile bins. Ridgeway
    & Mozer 2018, arXiv:1802.05312.
    """
    code, factor, columns = as_pair(codes, factors, kinds, least=6)
    scaled = standardised(code)
    if not scaled.shape[1]:
        return 0.5
    shuffled = generator_or_default(generator).permutation(len(code))
    train, test = shuffled[: 2 * len(code) // 3], shuffled[2 * len(code) // 3 :]
    areas = []
    for k, column in enumerate(columns):
        label = classes(factor[:, k], column)
        if len(np.unique(label[train])) < 2:
            continue
        model = LogisticRegression(C=1.0, tol=1e-2, max_iter=100).fit(scaled[train], label[train])
        margins = model.decision_function(scaled[test]).reshape(len(test), -1)
        if margins.shape[1] == 1:
            margins = np.concatenate([-margins, margins], axis=1)
        else:
            margins = margins - np.logaddexp.reduce(margins, axis=1, keepdims=True)
        areas.append(np.mean([_area(margins[:, m], label[test] == c) for m, c in enumerate(model.classes_)]))
    return float(np.mean(areas)) if areas else 0.5


def _area(margin: Floats, positive: np.ndarray) -> float:
    """Area under the ROC curve by rank sums; 0.5 where one side is empty."""
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        return 0.5
    return float((rankdata(margin)[positive].sum() - hits * (hits + 1) / 2) / math.prod((hits, misses)))
