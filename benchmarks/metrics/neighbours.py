"""Mutual information of real vectors from nearest neighbours, in bits.

    I(X; Y) = psi(k) + psi(n) - < psi(n_x + 1) + psi(n_y + 1) >

n_x(t) counts the points whose x lies closer to x_t than the k-th neighbour of (x_t, y_t) in the joint space, under the
maximum norm. Kraskov, Stoegbauer & Grassberger 2004, arXiv:cond-mat/0305641, eq. 8.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from scipy.spatial import cKDTree
from scipy.special import digamma

from benchmarks.metrics.arrays import Floats, Labels, alive, as_matrix, first_ranks, generator_or_default
from borders import Count, checked

ROWS = 1000


@checked
def kraskov(
    x: ArrayLike | torch.Tensor,
    y: ArrayLike | torch.Tensor,
    *,
    k: Count = 3,
    generator: np.random.Generator | None = None,
) -> float:
    """Mutual information of x [n, p] and y [n, q] in bits, n > k; may fall a little below 0 for independent vectors.

    Dimensions are z-scored and constant ones dropped (0 where none is left). The estimator needs continuous values,
    so a column with ties is replaced by its jittered ranks, ties broken at random, which keeps its information.
    Dependence beyond about log2(n) bits cannot be seen. Raises ValueError unless 1 <= k < n.
    """
    first, second = as_matrix(x, "x", least=k + 1), as_matrix(y, "y", least=k + 1)
    if len(first) != len(second):
        raise ValueError(f"x and y must have equally many rows, got {len(first)} and {len(second)}")
    generator = generator_or_default(generator)
    first, second = _smooth(first, generator), _smooth(second, generator)
    if not first.shape[1] or not second.shape[1]:
        return 0.0
    joint = np.concatenate([first, second], axis=1)
    radius = cKDTree(joint).query(joint, k=[k + 1], p=math.inf)[0][:, 0]
    inside = radius * (1 - 1e-10)  # strictly closer, whatever the rounding
    near = digamma(_count(first, inside)) + digamma(_count(second, inside))
    return float((digamma(k) + digamma(len(joint)) - near.mean()) / math.log(2))


def _count(points: Floats, radius: Floats) -> Labels:
    """n_x + 1: how many points lie within `radius` of every point, itself included."""
    if points.shape[1] == 1:
        ordered = np.sort(points[:, 0])
        right = np.searchsorted(ordered, points[:, 0] + radius, side="right")
        return right - np.searchsorted(ordered, points[:, 0] - radius, side="left")
    return cKDTree(points).query_ball_point(points, radius, p=math.inf, return_length=True)


def _smooth(values: Floats, generator: np.random.Generator) -> Floats:
    """The columns that vary, z-scored; a column with ties as its ranks, ties broken at random."""
    columns = []
    for column in values[:, alive(values)].T:
        ranks, distinct = first_ranks(column)
        if distinct < len(column):
            column = np.argsort(np.lexsort((generator.random(len(column)), ranks))) + generator.random(len(column))
        columns.append((column - column.mean()) / column.std())
    return np.stack(columns, axis=1) if columns else np.empty((len(values), 0))


@checked
def code_dependence(
    codes: ArrayLike | torch.Tensor, *, k: Count = 3, generator: np.random.Generator | None = None
) -> float:
    """Mean mutual information in bits over all pairs of dimensions of codes [n, D]: 0 where they are independent.

    A thousand random rows are used. At least 0; 0 where fewer than two dimensions vary.
    """
    code = as_matrix(codes, "codes", least=k + 1)
    generator = generator_or_default(generator)
    rows = generator.permutation(len(code))[:ROWS]
    code = code[rows][:, alive(code[rows])]
    pairs = [
        kraskov(code[:, [i]], code[:, [j]], k=k, generator=generator)
        for i in range(code.shape[1])
        for j in range(i + 1, code.shape[1])
    ]
    return max(0.0, float(np.mean(pairs))) if pairs else 0.0


@checked
def own_and_cross_information(
    now: ArrayLike | torch.Tensor,
    later: ArrayLike | torch.Tensor,
    groups: Sequence[Sequence[int]],
    *,
    k: Count = 3,
    generator: np.random.Generator | None = None,
) -> tuple[float, float]:
    """Mean information in bits that groups of dimensions of `now` [n, D] hold about the same group `later`, and about
    others.

    A factored model has the first large and the second near 0 ("Disentangling video with independent prediction", table
    2). Raises ValueError for fewer than two groups.
    """
    first, second = as_matrix(now, "now", least=k + 1), as_matrix(later, "later", least=k + 1)
    if len(groups) < 2:
        raise ValueError(f"groups must hold at least two lists of dimensions, got {groups}")
    generator = generator_or_default(generator)
    table = np.array([[kraskov(first[:, a], second[:, b], k=k, generator=generator) for b in groups] for a in groups])
    same = np.eye(len(groups), dtype=bool)
    return float(table[same].mean()), float(table[~same].mean())
