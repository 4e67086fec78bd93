"""DCI: disentanglement, completeness and informativeness from the importances of a regressor code -> factor.

    R_ij      importance of code dimension c_i for factor f_j               Eastwood & Williams 2018, sec. 2
    D_i       1 - H_K(P_i.),  P_ij = R_ij / sum_j R_ij                      entropy to base K
    D         sum_i rho_i D_i,  rho_i = sum_j R_ij / sum_ij R_ij            the weighted average of sec. 3
    C_j       1 - H_D(P~_.j), P~_ij = R_ij / sum_i R_ij                     entropy to base D
    NRMSE_j   sqrt(MSE_j / Var_j) on rows not trained on; 1 is the error of the constant guess (Var_j over those rows;
              for the zero-shot error over the training rows, where 1 is one standard deviation of the factor, or, as
              the paper has it, over the held-out rows, where 1 is the guess of their own mean)
    I         mean_j max(0, 1 - NRMSE_j)

The regressor (lasso, forest or boosted, see `regressors`) decides the numbers, so a result names it.
A circular factor is predicted as (cos, sin), a categorical one as one column per class, all others as numbers. The
importances for a factor that the regressor does not predict (under 2 % of its variance on test rows, or no more than
chance explains in few rows) are chance, and are set to 0; otherwise one stray weight gives noise D = 1, and a factor
that is missing from a code makes it look entangled.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import threadpool_limits

from benchmarks.metrics.arrays import (
    Column,
    Described,
    Floats,
    Labels,
    alive,
    as_matrix,
    as_pair,
    classes,
    generator_or_default,
    targets,
)
from benchmarks.metrics.regressors import (
    ConstantGuess,
    Predictor,
    Regressor,
    choose,
    describe,
    error_rate,
    fit_classifier,
    root_error,
)
from borders import checked

ROWS = 30
LEAST_VARIANCE = 0.02
CHANCE = 12.0  # (3.5 standard deviations)^2 of a correlation times the number of rows


@dataclass(frozen=True)
class DCI:
    """The scores and where they come from; K counts the factors that vary.

    `disentanglement`, `completeness`, `informativeness` in [0, 1]; `importance` [D, K]; `per_code` [D] and
    `per_factor` [K] are D_i and C_j; `nrmse` [K] on test rows, `zero_shot` [K] on the held-out rows, if there were
    any.
    """

    regressor: str
    rows: int
    disentanglement: float
    completeness: float
    informativeness: float
    importance: Floats
    per_code: Floats
    per_factor: Floats
    nrmse: Floats
    zero_shot: Floats | None


@checked
def disentanglement(importance: Floats) -> tuple[float, Floats]:
    """The weighted average D in [0, 1] and D_i [D] of a non-negative importance matrix [D, K]; D_i = 0 in an empty row.

    With one factor every dimension that matters has D_i = 1.
    """
    importance = _weights(importance)
    per_code = _certainty(importance)
    total = importance.sum()
    return float((importance.sum(axis=1) * per_code).sum() / total) if total > 0 else 0.0, per_code


@checked
def completeness(importance: Floats, *, compat: bool = False) -> tuple[float, Floats]:
    """The average C in [0, 1] and C_j [K] of a non-negative importance matrix [D, K]; C_j = 0 in an empty column.

    `compat` weighs the factors by their columns' sums, as the code since Locatello et al. 2019 does: a factor that no
    dimension holds then costs nothing.
    """
    importance = _weights(importance)
    if compat:
        return disentanglement(importance.T)
    per_factor = _certainty(importance.T)
    return float(per_factor.mean()), per_factor


def _weights(importance: Floats) -> Floats:
    """A checked importance matrix."""
    importance = as_matrix(importance, "importance", 1)
    if importance.min() < 0:
        raise ValueError(f"importance must not be negative, got {importance.min()}")
    return importance


def _certainty(rows: Floats) -> Floats:
    """1 - entropy of every row to the base of its length; 0 for an empty row, 1 for a filled row of one entry."""
    total = rows.sum(axis=1, keepdims=True)
    share = rows / np.where(total > 0, total, 1)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)
    return np.where(total[:, 0] > 0, 1 - entropy / math.log(max(rows.shape[1], 2)), 0.0)


@checked
def dci(
    codes: ArrayLike | torch.Tensor,
    factors: ArrayLike | torch.Tensor,
    kinds: Described | None = None,
    *,
    regressor: Regressor = "lasso",
    tuned: bool = False,
    compat: bool = False,
    held_out: NDArray[np.bool_] | None = None,
    generator: np.random.Generator | None = None,
) -> DCI:
    """DCI of codes [n, D] and factors [n, K], n >= 30; a random two thirds of the rows train, the rest measure NRMSE.

    `tuned` chooses the lasso's penalty or the forest's depth per factor on a third of the training rows, as the paper
    does (a fast fixed choice else: penalty 0.02, unlimited depth). `held_out` (bool [n]) marks factor combinations that
    are neither trained nor tested on: their error is `zero_shot`. `compat` keeps all importances, takes every factor as a
    plain number, and divides zero-shot errors by the spread of the held-out rows, as the paper does (its table 1c
    calls 1.78 of them worse than "the constant regressor"), and weighs completeness by importance; with "boosted" it is
    one classifier per factor, of 100 rounds of trees of depth 3, all factors as classes, whose impurity importances and
    error rate (in place of NRMSE) are the numbers common since Locatello et al. 2019.

    A perfect code has D and C near 1; noise and a constant code have 0 for D, C and I. Raises ValueError for an unknown
    regressor, or for `tuned` boosted trees. Eastwood & Williams 2018.
    """
    if tuned and regressor == "boosted":
        raise ValueError("tuned is for lasso and forest; boosted trees have one setting")
    code, factor, columns = as_pair(codes, factors, kinds, least=ROWS)
    classify = compat and regressor == "boosted"
    if compat and not classify:
        columns = tuple(Column("continuous") for _ in columns)
    generator = generator_or_default(generator)
    seen, unseen = _split(len(code), held_out)
    seen = generator.permutation(seen)
    train, test = seen[: 2 * len(seen) // 3], seen[2 * len(seen) // 3 :]
    kept = alive(code[train])
    spread = np.where(kept, code[train].std(axis=0), 1)
    scaled = ((code - code[train].mean(axis=0)) / spread)[:, kept]

    importance = np.zeros((code.shape[1], len(columns)))
    nrmse, zero_shot = np.ones(len(columns)), np.ones(len(columns))
    with threadpool_limits(1):
        for j, column in enumerate(columns):
            target: NDArray = classes(factor[:, j], column)[:, None] if classify else targets(factor[:, j], column)
            if not classify:
                target = target / math.sqrt(max(target[train].var(axis=0).sum(), 1e-12))
            predictor: Predictor = ConstantGuess(target[train], classify)
            if kept.any() and np.ptp(factor[train, j]) > 0:
                seen_codes, seen_target = scaled[train], target[train]
                fit = fit_classifier if classify else choose(regressor, tuned, seen_codes, seen_target, generator)
                predictor, importance[kept, j] = fit(seen_codes, seen_target, generator)
            error = error_rate if classify else root_error
            nrmse[j] = error(predictor, scaled[test], target[test], target[test])
            if not compat and 1 - nrmse[j] ** 2 < max(LEAST_VARIANCE, CHANCE / len(test)):
                importance[:, j] = 0
            if len(unseen):
                zero_shot[j] = error(predictor, scaled[unseen], target[unseen], target[unseen if compat else train])
    d, per_code = disentanglement(importance)
    c, per_factor = completeness(importance, compat=compat)
    return DCI(
        regressor=describe(regressor, tuned, classify),
        rows=len(train),
        disentanglement=d,
        completeness=c,
        informativeness=float(np.clip(1 - nrmse, 0, 1).mean()),
        importance=importance,
        per_code=per_code,
        per_factor=per_factor,
        nrmse=nrmse,
        zero_shot=zero_shot if len(unseen) else None,
    )


def _split(rows: int, held_out: NDArray[np.bool_] | None) -> tuple[Labels, Labels]:
    mask = np.zeros(rows, dtype=bool) if held_out is None else np.asarray(held_out)
    if mask.shape != (rows,) or mask.dtype != np.bool_:
        raise ValueError(f"held_out must be bool [{rows}], got {mask.dtype} {mask.shape}")
    if held_out is not None and not mask.any():
        raise ValueError("held_out marks no row: leave it out, or mark combinations that occur")
    if rows - mask.sum() < ROWS:
        raise ValueError(f"held_out leaves {rows - int(mask.sum())} rows to train and test on; {ROWS} are needed")
    return np.flatnonzero(~mask), np.flatnonzero(mask)
