"""DCI: disentanglement, completeness and informativeness from the importances of a regressor code -> factor.

    R_ij      importance of code dimension c_i for factor f_j               Eastwood & Williams 2018, sec. 2
    D_i       1 - H_K(P_i.),  P_ij = R_ij / sum_j R_ij                      entropy to base K
    D         sum_i rho_i D_i,  rho_i = sum_j R_ij / sum_ij R_ij            the weighted average of sec. 3
    C_j       1 - H_D(P~_.j), P~_ij = R_ij / sum_i R_ij                     entropy to base D
    NRMSE_j   sqrt(MSE_j / Var_j) on rows not trained on; 1 is the error of the constant guess
    I         mean_j max(0, 1 - NRMSE_j)

The regressor decides the numbers, so a result names it:

    lasso     |weights| of a lasso on z-scores; a factor of several targets takes the norm over them
    forest    impurity decrease in a random forest of 10 trees (counting splits, as the paper words it, rewards the dead
              dimensions that deep trees split on at random)
    boosted   rise of the squared error when c_i is shuffled, in histogram gradient-boosted trees

A circular factor is predicted as (cos, sin), a categorical one as one column per class, all others as numbers. The
importances for a factor that the regressor does not predict (under 2 % of its variance on test rows) are chance, and
are set to 0; otherwise one stray weight gives noise D = 1, and a factor that is missing from a code makes it look
entangled.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Lasso
from threadpoolctl import threadpool_limits

from benchmarks.metrics.arrays import (
    Column,
    Described,
    Floats,
    Labels,
    alive,
    as_pair,
    classes,
    generator_or_default,
    targets,
)

Regressor = Literal["lasso", "forest", "boosted"]

ALPHA = 0.02
ALPHAS = (0.3, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
TREES = 10
DEPTHS = (2, 4, 8, 12, 16, None)
ROUNDS = 100
LEAST_VARIANCE = 0.02


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


def disentanglement(importance: Floats) -> tuple[float, Floats]:
    """The weighted average D in [0, 1] and D_i [D] of a non-negative importance matrix [D, K]; D_i = 0 in an empty row.

    With one factor every dimension that matters has D_i = 1.
    """
    per_code = _certainty(importance)
    total = importance.sum()
    return float((importance.sum(axis=1) * per_code).sum() / total) if total > 0 else 0.0, per_code


def completeness(importance: Floats) -> tuple[float, Floats]:
    """The average C in [0, 1] and C_j [K] of a non-negative importance matrix [D, K]; C_j = 0 in an empty column."""
    per_factor = _certainty(importance.T)
    return float(per_factor.mean()), per_factor


def _certainty(rows: Floats) -> Floats:
    """1 - entropy of every row to the base of its length; 0 for an empty row, 1 for a filled row of one entry."""
    total = rows.sum(axis=1, keepdims=True)
    share = rows / np.where(total > 0, total, 1)
    entropy = -(share * np.log(np.where(share > 0, share, 1))).sum(axis=1)
    return np.where(total[:, 0] > 0, 1 - entropy / math.log(max(rows.shape[1], 2)), 0.0)


class Predictor(Protocol):
    """A fitted regressor of one factor."""

    def predict(self, codes: Floats) -> Floats:
        """The targets [n, m] of codes [n, D]."""


Fit = Callable[[Floats, Floats, np.random.Generator], tuple[Predictor, Floats]]


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
    """DCI of codes [n, D] and factors [n, K], n >= 6; a random two thirds of the rows train, the rest measure NRMSE.

    `tuned` chooses the lasso's penalty or the forest's depth per factor on a third of the training rows, as the paper
    does (a fast fixed choice else: penalty 0.02, unlimited depth). `held_out` (bool [n]) marks factor combinations that
    are neither trained nor tested on: their error is `zero_shot`. `compat` keeps all importances and takes every
    factor as a plain number, as the paper does; with "boosted" it is one classifier of 100 depth-3 trees per factor,
    all factors as classes, whose impurity importances and error rate (in place of NRMSE) are the numbers common since
    Locatello et al. 2019; that takes minutes.

    A perfect code has D and C near 1; noise and a constant code have 0 for D, C and I. Raises ValueError for an unknown
    regressor, or for `tuned` boosted trees. Eastwood & Williams 2018.
    """
    if regressor not in FITS:
        raise ValueError(f"regressor must be one of {', '.join(FITS)}, got {regressor!r}")
    if tuned and regressor == "boosted":
        raise ValueError("tuned is for lasso and forest; boosted trees have one setting")
    code, factor, columns = as_pair(codes, factors, kinds, least=6)
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
            if not kept.any() or not np.ptp(factor[train, j]):
                continue
            if classify:
                target: NDArray = classes(factor[:, j], column)[:, None]
                predictor, importance[kept, j] = _fit_classifier(scaled[train], target[train], generator)
            else:
                target = targets(factor[:, j], column)
                predictor, importance[kept, j] = _fitted(regressor, tuned, scaled, target, train, generator)
            error = _error_rate if classify else _nrmse
            nrmse[j] = error(predictor, scaled[test], target[test], target[train])
            if not compat and nrmse[j] ** 2 > 1 - LEAST_VARIANCE:
                importance[:, j] = 0
            if len(unseen):
                zero_shot[j] = error(predictor, scaled[unseen], target[unseen], target[train])
    d, per_code = disentanglement(importance)
    c, per_factor = completeness(importance)
    return DCI(
        regressor=_describe(regressor, tuned, classify),
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
    if rows - mask.sum() < 6:
        raise ValueError(f"held_out leaves {rows - int(mask.sum())} rows to train and test on; 6 are needed")
    return np.flatnonzero(~mask), np.flatnonzero(mask)


def _describe(regressor: Regressor, tuned: bool, classify: bool) -> str:
    if classify:
        return f"{ROUNDS} boosted depth-3 classifiers"
    settings = {
        "lasso": "lasso, penalty tuned" if tuned else f"lasso {ALPHA}",
        "forest": f"forest of {TREES}, depth tuned" if tuned else f"forest of {TREES}",
        "boosted": f"{ROUNDS} histogram-boosted trees",
    }
    return settings[regressor]


def _nrmse(predictor: Predictor, codes: Floats, target: Floats, train: Floats) -> float:
    guess = predictor.predict(codes).reshape(target.shape)
    return math.sqrt(((guess - target) ** 2).mean(axis=0).sum() / train.var(axis=0).sum())


def _error_rate(predictor: Predictor, codes: Floats, target: Floats, train: Floats) -> float:
    return float((predictor.predict(codes) != target[:, 0]).mean())


def _fitted(
    regressor: Regressor, tuned: bool, scaled: Floats, target: Floats, train: Labels, generator: np.random.Generator
) -> tuple[Predictor, Floats]:
    """The regressor of one factor; with `tuned`, the setting that is best on a third of the training rows."""
    options = FITS[regressor]
    if not tuned:
        return options[0](scaled[train], target[train], generator)
    fit, validate = train[: 2 * len(train) // 3], train[2 * len(train) // 3 :]
    errors = [
        _nrmse(option(scaled[fit], target[fit], generator)[0], scaled[validate], target[validate], target[fit])
        for option in options[1:]
    ]
    return options[1 + int(np.argmin(errors))](scaled[train], target[train], generator)


def _lasso(alpha: float) -> Fit:
    def fit(codes: Floats, target: Floats, generator: np.random.Generator) -> tuple[Predictor, Floats]:
        model = Lasso(alpha=alpha, precompute=True).fit(codes, target)
        return model, np.linalg.norm(model.coef_.reshape(target.shape[1], -1), axis=0)

    return fit


def _forest(depth: int | None) -> Fit:
    def fit(codes: Floats, target: Floats, generator: np.random.Generator) -> tuple[Predictor, Floats]:
        seed = int(generator.integers(2**31))
        model = RandomForestRegressor(TREES, max_depth=depth, random_state=seed, n_jobs=1)
        model.fit(codes, target if target.shape[1] > 1 else target[:, 0])
        return model, model.feature_importances_

    return fit


class _Boosted:
    """One boosted regressor per target column."""

    def __init__(self, codes: Floats, target: Floats):
        self.models = [
            HistGradientBoostingRegressor(max_iter=ROUNDS, early_stopping=False).fit(codes, column)
            for column in target.T
        ]

    def predict(self, codes: Floats) -> Floats:
        return np.stack([model.predict(codes) for model in self.models], axis=1)


def _fit_boosted(codes: Floats, target: Floats, generator: np.random.Generator) -> tuple[Predictor, Floats]:
    model = _Boosted(codes, target)
    # Shuffling trained rows mirrors what impurity measures: how much this very model leans on a dimension.
    rows = generator.permutation(len(codes))[:2000]
    codes, target = codes[rows], target[rows]
    base = ((model.predict(codes) - target) ** 2).sum(axis=1).mean()
    rise = np.empty(codes.shape[1])
    for i in range(codes.shape[1]):
        shuffled = codes.copy()
        shuffled[:, i] = generator.permutation(shuffled[:, i])
        rise[i] = ((model.predict(shuffled) - target) ** 2).sum(axis=1).mean() - base
    rise = np.maximum(rise, 0)
    return model, rise / max(rise.sum(), 1e-12)


def _fit_classifier(codes: Floats, target: Labels, generator: np.random.Generator) -> tuple[Predictor, Floats]:
    model = GradientBoostingClassifier(n_estimators=ROUNDS, random_state=int(generator.integers(2**31)))
    model.fit(codes, target[:, 0])
    return model, model.feature_importances_


# The first entry is the fast default, the others are what `tuned` chooses from.
FITS: dict[str, tuple[Fit, ...]] = {
    "lasso": (_lasso(ALPHA), *(_lasso(alpha) for alpha in ALPHAS)),
    "forest": (_forest(None), *(_forest(depth) for depth in DEPTHS)),
    "boosted": (_fit_boosted,),
}
