"""Regressors code -> factor that also say how important every code dimension was; `importance` makes scores of them.

    lasso     |weights| of a lasso on z-scores; a factor of several targets takes the norm over them
    forest    impurity decrease in a random forest of 10 trees (counting splits, as the paper words it, rewards the dead
              dimensions that deep trees split on at random)
    boosted   rise of the squared error when c_i is shuffled, in histogram gradient-boosted trees

Eastwood & Williams 2018 use the first two and choose penalty and depth on a validation set.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.linear_model import Lasso

from benchmarks.metrics.arrays import Floats, Labels
from benchmarks.metrics.boosting import DEPTH, ROUNDS, BoostedClassifier

Regressor = Literal["lasso", "forest", "boosted"]

ALPHA = 0.02
ALPHAS = (0.3, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)
TREES = 10
DEPTHS = (2, 4, 8, 12, 16, None)


class Predictor(Protocol):
    """A fitted regressor of one factor."""

    def predict(self, codes: Floats) -> Floats:
        """The targets [n, m] of codes [n, D]."""


Fit = Callable[[Floats, Floats, np.random.Generator], tuple[Predictor, Floats]]


class ConstantGuess:
    """The guess without a code: the mean of the targets [n, m], or the most frequent class [n, 1]."""

    def __init__(self, target: NDArray, classify: bool):
        self.guess = np.array([np.bincount(target[:, 0]).argmax()]) if classify else target.mean(axis=0)

    def predict(self, codes: Floats) -> Floats:
        """The guess for every row of codes [n, D]: [n] for a single target, else [n, m]."""
        return np.repeat(self.guess[None] if len(self.guess) > 1 else self.guess, len(codes), axis=0)


def describe(regressor: Regressor, tuned: bool, classify: bool) -> str:
    """The regressor in words, for the reader of a table."""
    if classify:
        return f"{ROUNDS} rounds of boosted trees of depth {DEPTH}"
    settings = {
        "lasso": "lasso, penalty tuned" if tuned else f"lasso {ALPHA}",
        "forest": f"forest of {TREES}, depth tuned" if tuned else f"forest of {TREES}",
        "boosted": f"{ROUNDS} histogram-boosted trees",
    }
    return settings[regressor]


def root_error(predictor: Predictor, codes: Floats, target: Floats, scale: Floats) -> float:
    """Root of the squared error over the variance of `scale`, the targets of the test rows or of the training rows.

    1 where `scale` does not vary.
    """
    variance = scale.var(axis=0).sum()
    guess = predictor.predict(codes).reshape(target.shape)
    return math.sqrt(((guess - target) ** 2).mean(axis=0).sum() / variance) if variance > 1e-12 else 1.0


def error_rate(predictor: Predictor, codes: Floats, target: Floats, scale: Floats) -> float:
    """Share of wrong classes; `scale` is not used."""
    return float((predictor.predict(codes) != target[:, 0]).mean())


def choose(regressor: Regressor, tuned: bool, codes: Floats, target: Floats, generator: np.random.Generator) -> Fit:
    """How one factor is fitted: the default, or with `tuned` the setting that is best on the last third of the rows."""
    options = FITS[regressor]
    if not tuned:
        return options[0]
    fit, validate = slice(0, 2 * len(codes) // 3), slice(2 * len(codes) // 3, None)
    errors = [
        root_error(option(codes[fit], target[fit], generator)[0], codes[validate], target[validate], target[validate])
        for option in options[1:]
    ]
    return options[1 + int(np.argmin(errors))]


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
        return model, np.maximum(model.feature_importances_, 0)  # rounding leaves -1e-17 where a dimension is of no use

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


def fit_classifier(codes: Floats, target: Labels, generator: np.random.Generator) -> tuple[Predictor, Floats]:
    """The common boosted-trees protocol: a classifier of the classes [n, 1], and its importances [D]."""
    model = BoostedClassifier(codes, target[:, 0])
    return model, model.importance


# The first entry is the fast default, the others are what `tuned` chooses from.
FITS: dict[str, tuple[Fit, ...]] = {
    "lasso": (_lasso(ALPHA), *(_lasso(alpha) for alpha in ALPHAS)),
    "forest": (_forest(None), *(_forest(depth) for depth in DEPTHS)),
    "boosted": (_fit_boosted,),
}
