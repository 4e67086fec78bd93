"""Does x go with y beyond what z explains, in several worlds at once?

    rho_w        partial Spearman correlation in world w: ranks, less what the ranks of z explain linearly
    z_w          atanh rho_w, variance 1 / (n_w - k - 3), k variables given             (Fisher)
    pooled       random effects over worlds, interval and p by Hartung and Knapp        (statsmodels)
    permutation  x shuffled inside every group (a world and a learner), one-sided
    corrected    the partial correlation had the given variable been measured without error: its correlations over the
                 root of its reliability                                                 (Spearman 1904)

A variable that is measured with error explains too little, and leaves a partial correlation where there is none: with r = .8
of information with both others and reliabilities of .9 and .8, .15 to .26. Hence the curve over reliabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from scipy.linalg import orth
from statsmodels.stats.meta_analysis import combine_effects

Floats = NDArray[np.float64]
RELIABILITIES = (0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)


@dataclass(frozen=True)
class Pooled:
    """A correlation over worlds with its 95 % interval and one-sided p; `spread` is the deviation between worlds (of z)."""

    r: float
    low: float
    high: float
    p: float
    spread: float
    worlds: Mapping[str, float]


def _residuals(ranks: Floats, given: Floats) -> Floats:
    """What the ranks of `given` [n, k] do not explain of the ranks [..., n], linearly."""
    design = np.column_stack([np.ones(len(given)), *(stats.rankdata(column) for column in given.T)])
    basis = orth(design)
    return ranks - (ranks @ basis) @ basis.T


def _correlations(ranks: Floats, y: Floats, given: Floats) -> Floats:
    """The partial rank correlation [m] of y [n] with each row of ranks [m, n]; 0 where nothing of either is left."""
    left, right = _residuals(ranks, given), _residuals(stats.rankdata(y), given)
    scale = np.linalg.norm(left, axis=1) * np.linalg.norm(right)
    left_over = scale > 1e-9 * len(y) ** 2
    return np.where(left_over, left @ right / np.where(left_over, scale, 1), 0).clip(-1, 1)


def partial_spearman(x: ArrayLike, y: ArrayLike, given: ArrayLike) -> float:
    """The rank correlation of x [n] and y [n] given [n, k], k >= 0; 0 where nothing of either is left."""
    a, b = np.asarray(x, np.float64), np.asarray(y, np.float64)
    z = np.asarray(given, np.float64).reshape(len(a), -1)
    return float(_correlations(stats.rankdata(a)[None], b, z)[0])


def pool(correlations: Mapping[str, float], counts: Mapping[str, int], given: int) -> Pooled:
    """Random effects over worlds of partial correlations of `counts` rows each, `given` variables held.

    Raises ValueError where a world has too few rows for Fisher's z.
    """
    short = [world for world, n in counts.items() if n - given <= 3]
    if short:
        raise ValueError(f"{short[0]} has {counts[short[0]]} rows; {given + 4} are needed for {given} given variables")
    z = np.arctanh(np.clip(list(correlations.values()), -0.999, 0.999))
    variance = np.array([1 / (counts[world] - given - 3) for world in correlations])
    if len(z) < 2:
        half = 1.96 * variance[0] ** 0.5
        p = float(stats.norm.sf(z[0] / variance[0] ** 0.5))
        r, low, high = (float(np.tanh(v)) for v in (z[0], z[0] - half, z[0] + half))
        return Pooled(r, low, high, p, float("nan"), dict(correlations))
    found = combine_effects(z, variance, method_re="iterated", use_t=True)
    mean, error = float(found.mean_effect_re), float(found.sd_eff_w_re_hksj)
    half = float(stats.t.ppf(0.975, len(z) - 1)) * error
    p = float(stats.t.sf(mean / error, len(z) - 1)) if error > 0 else 0.5
    r, low, high = (float(np.tanh(v)) for v in (mean, mean - half, mean + half))
    return Pooled(r, low, high, p, float(found.tau2) ** 0.5, dict(correlations))


def permutation_p(
    worlds: Mapping[str, tuple[Floats, Floats, Floats, Sequence[str]]], resamples: int = 2000, seed: int = 0
) -> float:
    """The one-sided p of the mean partial correlation over worlds, x being shuffled inside every group of a world.

    Each world gives x [n], y [n], given [n, k] and the group of every row.
    """
    generator = np.random.default_rng(seed)
    total = np.zeros(1 + resamples)
    for x, y, given, groups in worlds.values():
        group = np.unique(list(groups), return_inverse=True)[1]
        ranks = np.tile(stats.rankdata(x), (1 + resamples, 1))
        drawn = np.argsort(group + generator.random((resamples, len(group))), axis=1)  # by group, inside it at random
        ranks[1:, np.argsort(group, kind="stable")] = ranks[0][drawn]
        total += _correlations(ranks, np.asarray(y, np.float64), given)
    observed = total[0] - 1e-12 * len(worlds)
    return float((1 + (total[1:] >= observed).sum()) / (1 + resamples))


def within_and_between(x: ArrayLike, y: ArrayLike, groups: Sequence[str]) -> tuple[float, float]:
    """The rank correlations inside groups (less their means) and of the groups' means: they may differ in sign (Simpson).

    NaN where there are too few groups, or none with two rows.
    """
    a, b = stats.rankdata(np.asarray(x)), stats.rankdata(np.asarray(y))
    names = np.array(groups)
    means = np.array([[a[names == g].mean(), b[names == g].mean()] for g in dict.fromkeys(groups)])
    centred = [
        (a[names == g] - a[names == g].mean(), b[names == g] - b[names == g].mean()) for g in dict.fromkeys(groups)
    ]
    left, right = np.concatenate([c[0] for c in centred]), np.concatenate([c[1] for c in centred])
    scale = np.linalg.norm(left) * np.linalg.norm(right)
    within = float(left @ right / scale) if scale > 1e-9 else float("nan")
    varies = len(means) > 2 and np.ptp(means[:, 0]) > 0 and np.ptp(means[:, 1]) > 0
    return within, float(np.corrcoef(means.T)[0, 1]) if varies else float("nan")


def corrected(xy: float, xz: float, yz: float, reliability: float) -> float:
    """The partial correlation of x and y given z, z being measured with this reliability; NaN where none can be so."""
    a, b = xz / reliability**0.5, yz / reliability**0.5
    if abs(a) >= 1 or abs(b) >= 1:
        return float("nan")
    found = (xy - a * b) / ((1 - a**2) * (1 - b**2)) ** 0.5
    return found if abs(found) <= 1 else float("nan")


def smallest_correlation(count: int, given: int, power: float = 0.8, level: float = 0.05) -> float:
    """The partial correlation of so many rows that a one-sided test at `level` finds with this power."""
    if count - given <= 3:
        return float("nan")
    return float(np.tanh((stats.norm.ppf(1 - level) + stats.norm.ppf(power)) / (count - given - 3) ** 0.5))
