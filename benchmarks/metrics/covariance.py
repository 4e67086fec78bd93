"""MAPC, CVR, TdV and UD90: scores of a code's covariance alone; they need no factors.

    C          sample covariance of the code [n, p]
    MAPC       2 / (p^2 - p) sum_{i<j} |C_ij| / sqrt(C_ii C_jj)
    CVR        sum_ij |C_ij| / tr C
    TdV        variance of the d dimensions of largest variance / total variance
    UD90       least number of dimensions that hold 90 % of the total variance

Kågebäck & Mogren 2018, "Disentanglement by penalizing correlation", sec. 3.1. The paper prints CVR with a factor 1 /
p^2 and calls 1 its optimum; only without the factor is a diagonal C at 1, and only so can its figures exceed 1.
`compat` gives the printed formula.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike

from benchmarks.metrics.arrays import Floats, alive, as_matrix
from borders import Count, Share, checked


def _covariance(codes: ArrayLike | torch.Tensor) -> Floats:
    """The covariance [p, p] of codes [n, p], with zeros for dimensions that are constant."""
    code = as_matrix(codes, "codes")
    kept = alive(code)
    return np.atleast_2d(np.cov(code, rowvar=False)) * np.outer(kept, kept)


@checked
def mapc(codes: ArrayLike | torch.Tensor) -> float:
    """Mean absolute Pearson correlation in [0, 1] over all pairs of dimensions of codes [n, p], n >= 2.

    0 for uncorrelated dimensions, 1 for copies. Constant dimensions are left out, for their correlation is undefined;
    0 where fewer than two are left.
    """
    covariance = _covariance(codes)
    variances = np.diag(covariance)
    kept = variances > 0
    if kept.sum() < 2:
        return 0.0
    scale = np.sqrt(variances[kept])
    correlation = np.abs(covariance[np.ix_(kept, kept)]) / np.outer(scale, scale)
    return float(correlation[np.triu_indices(len(scale), 1)].mean())


@checked
def cvr(codes: ArrayLike | torch.Tensor, *, compat: bool = False) -> float:
    """Covariance to variance ratio of codes [n, p], n >= 2: 1 without correlation, up to p for copies.

    1 for a constant code. `compat` divides by p^2.
    """
    covariance = _covariance(codes)
    total = np.trace(covariance)
    ratio = float(np.abs(covariance).sum() / total) if total > 0 else 1.0
    return ratio / len(covariance) ** 2 if compat else ratio


@checked
def tdv(codes: ArrayLike | torch.Tensor, d: Count) -> float:
    """Share in [0, 1] of the total variance in the `d` dimensions of codes [n, p] that vary most; 0 for a constant
    code.

    Raises ValueError unless d is at least 1; a `d` above p takes all dimensions.
    """
    covariance = _covariance(codes)
    variances = np.sort(np.diag(covariance))[::-1]
    return float(variances[:d].sum() / variances.sum()) if variances.sum() > 0 else 0.0


@checked
def ud90(codes: ArrayLike | torch.Tensor, share: Share = 0.9) -> int:
    """How many dimensions of codes [n, p] hold `share` of the total variance, 1 to p; 0 for a constant code."""
    covariance = _covariance(codes)
    variances = np.sort(np.diag(covariance))[::-1]
    if variances.sum() <= 0:
        return 0
    return int(np.searchsorted(np.cumsum(variances) / variances.sum(), share - 1e-12)) + 1
