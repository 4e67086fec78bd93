"""Fresh networks, which no learner met, that read labels from codes."""

from __future__ import annotations

import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor


def probe(codes: Tensor, labels: Tensor, test: Tensor, test_labels: Tensor, hidden: tuple[int, ...] = (64,)) -> float:
    """The accuracy on other codes of a network with layers of `hidden` units, fitted to codes [n, d] and labels [n]."""
    network = MLPClassifier(hidden, learning_rate_init=5e-3, early_stopping=True, max_iter=100, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = make_pipeline(StandardScaler(), network).fit(codes.numpy(), labels.numpy())
    return float(fitted.score(test.numpy(), test_labels.numpy()))
