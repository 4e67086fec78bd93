"""The beta-VAE metric in both forms and the FactorVAE metric: guess from codes which factor was held, or changed.

And the matrix of interventions, which says what a factor drawn anew moves.

    changed   x = |z1 - z2| / max |z1 - z2|, all factors equal but k         Higgins et al. 2016, arXiv:1606.05579
    fixed     x = 1/L sum_l |z1_l - z2_l|, factor k equal in every pair      Higgins et al. 2017 (beta-VAE), sec. 3
              score of both: accuracy of a linear classifier x -> k
    matrix    M_ki = E |z_i - z'_i| / s_i, factor k drawn anew and all else left; in each M_.i one entry for a perfect code
    FactorVAE d = argmin_i Var_L(z_i / s_i), factor k equal in all L codes,  s_i = std of z_i over all codes
              score: accuracy of the majority table d -> k                   Kim & Mnih 2018, arXiv:1802.05983, sec. 4

Votes are drawn from one pool of codes by grouping rows that share a factor's value (an infinite factor: its quantile
bin), so that no picture is encoded twice; the published protocols render up to two million. Only `beta_vae_changed`
needs pictures of its own, for no pool holds two rows that differ in one factor alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression

from benchmarks.metrics.arrays import (
    Column,
    Described,
    Draws,
    Floats,
    Labels,
    alive,
    as_matrix,
    as_pair,
    classes,
    generator_or_default,
    standardised,
)
from benchmarks.metrics.importance import disentanglement
from borders import checked

CHUNK = 512


class Groups:
    """The rows of a pool sorted by the class of one factor; `rows` are those that share their class with another."""

    def __init__(self, label: Labels):
        self.order = np.argsort(label, kind="stable").astype(np.int32)
        sizes = np.bincount(label)
        self.size = sizes[label]
        self.start = (np.cumsum(sizes) - sizes)[label]
        self.place = np.empty(len(label), dtype=np.int64)
        self.place[self.order] = np.arange(len(label))
        self.rows = np.flatnonzero(self.size > 1)

    def partners(self, rows: Labels, generator: np.random.Generator) -> Labels:
        """For every row another row of the same class, uniformly."""
        size, start = self.size[rows], self.start[rows]
        step = 1 + (generator.random(len(rows), dtype=np.float32) * (size - 1)).astype(np.int64)
        return self.order[start + (self.place[rows] - start + np.minimum(step, size - 1)) % size]

    def members(self, rows: Labels, count: int, generator: np.random.Generator) -> Labels:
        """For every row `count` rows of the same class, uniformly with replacement: [len(rows), count]."""
        size = self.size[rows][:, None]
        step = (generator.random((len(rows), count), dtype=np.float32) * size).astype(np.int64)
        return self.order[self.start[rows][:, None] + np.minimum(step, size - 1)]


def _groups(factor: Floats, columns: tuple[Column, ...]) -> list[Groups]:
    groups = [Groups(classes(factor[:, k], column)) for k, column in enumerate(columns)]
    if not all(len(group.rows) for group in groups):
        raise ValueError("a factor has no two rows with the same value: draw more rows")
    return groups


def _chunks(count: int) -> Iterator[slice]:
    return (slice(start, min(start + CHUNK, count)) for start in range(0, count, CHUNK))


def _shares(points: int, factors: int) -> list[int]:
    """How many of `points` votes each factor gets: equal shares."""
    return [points // factors + (k < points % factors) for k in range(factors)]


def _accuracy(features: Floats, label: Labels, train: int, generator: np.random.Generator) -> float:
    """Accuracy of a linear classifier trained on a random `train` of the points and tested on the others."""
    order = generator.permutation(len(features))
    spread = features.std(axis=0)
    features = (features - features.mean(axis=0)) / np.where(spread > 0, spread, 1)
    fit, test = order[:train], order[train:]
    if len(np.unique(label[fit])) < 2:
        return float((label[test] == label[fit][0]).mean())
    model = LogisticRegression(C=10.0, tol=1e-3, max_iter=200).fit(features[fit], label[fit])
    return float(model.score(features[test], label[test]))


@checked
def beta_vae_fixed(
    codes: ArrayLike | torch.Tensor,
    factors: ArrayLike | torch.Tensor,
    kinds: Described | None = None,
    *,
    generator: np.random.Generator | None = None,
    train: Draws = 10_000,
    test: Draws = 5_000,
    pairs: Draws = 64,
) -> float:
    """Accuracy in [0, 1] of naming the factor that `pairs` pairs of codes share (Higgins et al. 2017).

    codes [n, D], factors [n, K], n >= 4. 1 for a perfect code, and for nearly any linear mixture of one: the score
    saturates. About 1/K for noise and exactly 1/K (equal shares) for a constant code. Dimensions are z-scored and
    constant ones dropped. Raises ValueError where no two rows share a factor's value.
    """
    code, factor, columns = as_pair(codes, factors, kinds, least=4)
    generator = generator_or_default(generator)
    scaled = standardised(code).astype(np.float32)
    if not scaled.shape[1]:
        return 1 / len(columns)
    features, label = [], []
    for k, (group, count) in enumerate(zip(_groups(factor, columns), _shares(train + test, len(columns)), strict=True)):
        for part in _chunks(count):
            rows = group.rows[generator.integers(len(group.rows), size=(part.stop - part.start) * pairs)]
            gap = scaled[rows]
            gap -= scaled[group.partners(rows, generator)]
            np.abs(gap, out=gap)
            features.append(gap.reshape(-1, pairs, scaled.shape[1]).mean(axis=1))
        label.append(np.full(count, k))
    return _accuracy(np.concatenate(features), np.concatenate(label), train, generator)


@checked
def beta_vae_changed(
    codes: ArrayLike | torch.Tensor,
    twins: ArrayLike | torch.Tensor,
    changed: ArrayLike | torch.Tensor,
    *,
    generator: np.random.Generator | None = None,
) -> float:
    """Accuracy in [0, 1] of naming the one factor in which two codes differ (Higgins et al. 2016).

    codes and twins [n, D]: codes of pictures whose factors are equal but for factor `changed` (int [n]); n >= 6, a
    random two thirds train. 1 for a perfect code; the share of the most frequent factor for a constant one.
    Dimensions are scaled by their spread over all codes and constant ones dropped; each difference is divided by its
    largest entry.
    """
    first, second = as_matrix(codes, "codes", least=6), as_matrix(twins, "twins", least=6)
    label = np.asarray(changed.cpu() if isinstance(changed, torch.Tensor) else changed)
    if first.shape != second.shape or label.shape != (len(first),) or label.dtype.kind not in "iu":
        raise ValueError(
            f"twins must have the shape of codes {first.shape} and changed must be int [{len(first)}], "
            f"got {second.shape} and {label.dtype} {label.shape}"
        )
    both = np.concatenate([first, second])
    kept = alive(both)
    if not kept.any():
        return float(np.bincount(label).max() / len(label))
    gap = np.abs(first - second)[:, kept] / both[:, kept].std(axis=0)
    most = gap.max(axis=1, keepdims=True)
    features = gap / np.where(most > 0, most, 1)
    return _accuracy(features, label, 2 * len(label) // 3, generator_or_default(generator))


@checked
def factor_vae(
    codes: ArrayLike | torch.Tensor,
    factors: ArrayLike | torch.Tensor,
    kinds: Described | None = None,
    *,
    generator: np.random.Generator | None = None,
    compat: bool = False,
    train: Draws = 10_000,
    test: Draws = 5_000,
    size: Draws = 64,
) -> float:
    """Accuracy in [0, 1] of naming the fixed factor by the code dimension that varies least (Kim & Mnih 2018).

    codes [n, D], factors [n, K], n >= 4. 1 for a perfect code at any scale, about 1/K for noise, exactly 1/K for a
    constant code. Constant dimensions are dropped, for 0/0 would win every vote. `compat` drops the dimensions whose
    standard deviation is below 0.05 instead, as is common, whatever the scale of the code; 0 when none is left.
    """
    code, factor, columns = as_pair(codes, factors, kinds, least=4)
    generator = generator_or_default(generator)
    kept = code.std(axis=0, ddof=1) >= 0.05 if compat else alive(code)
    if not kept.any():
        return 0.0 if compat else 1 / len(columns)
    scaled = standardised(code[:, kept]).astype(np.float32)
    votes = np.zeros((2, scaled.shape[1], len(columns)), dtype=np.int64)
    for part, points in enumerate((train, test)):
        shares = _shares(points, len(columns))
        for k, (group, count) in enumerate(zip(_groups(factor, columns), shares, strict=True)):
            for chunk in _chunks(count):
                rows = group.rows[generator.integers(len(group.rows), size=chunk.stop - chunk.start)]
                drawn = scaled[group.members(rows, size, generator)]
                mean = drawn.mean(axis=1)
                spread = np.einsum("nld,nld->nd", drawn, drawn) / size - mean**2
                votes[part, :, k] += np.bincount(spread.argmin(axis=1), minlength=scaled.shape[1])
    winner = votes[0].argmax(axis=1)
    return float(votes[1][np.arange(len(winner)), winner].sum() / votes[1].sum())


def intervention_matrix(
    codes: ArrayLike | torch.Tensor,
    pairs: Sequence[tuple[ArrayLike | torch.Tensor, ArrayLike | torch.Tensor]],
) -> Floats:
    """How far every dimension moves, in its own standard deviations, when one factor is drawn anew: [K, D].

    `codes` [n, D] say what a standard deviation is; `pairs` holds, for every factor, codes [m, D] before and after.
    Constant dimensions do not move. ValueError where shapes do not agree.
    """
    every = as_matrix(codes, "codes", least=2)
    kept = alive(every)
    spread = np.where(kept, every.std(axis=0), 1)
    rows = []
    for before, after in pairs:
        first, second = as_matrix(before, "codes before", least=1), as_matrix(after, "codes after", least=1)
        if first.shape != second.shape or first.shape[1] != every.shape[1]:
            raise ValueError(f"codes before and after must be [m, {every.shape[1]}], got {first.shape}, {second.shape}")
        rows.append(np.where(kept, np.abs(first - second).mean(axis=0) / spread, 0))
    return np.array(rows)


def intervention_score(matrix: Floats) -> float:
    """How far every dimension is moved by one factor alone, in [0, 1], of an intervention matrix [K, D].

    One minus the entropy (base K) of the shares in which the factors move a dimension, averaged with the weight of how
    far it is moved at all: disentanglement as in Eastwood & Williams 2018, of what moves in place of what predicts. 1 for
    a perfect code, however scaled, warped or copied; 0 for noise and for a constant code.
    """
    return disentanglement(matrix.T)[0]
