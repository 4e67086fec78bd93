"""The classifiers of single numbers against scikit-learn's solver of the same problem."""

import numpy as np
import pytest
import torch
from sklearn.svm import LinearSVC

from benchmarks.metrics import line_svm


def drawn(classes: int, seed: int, n: int = 600):
    random = np.random.default_rng(seed)
    label = np.concatenate([np.arange(classes), random.integers(classes, size=n - classes) ** 2 % classes])
    label = np.unique(label, return_inverse=True)[1]
    values = np.stack([label + random.normal(size=n), -3.0 * label + random.normal(size=n), random.normal(size=n)])
    return values.round(2), label  # rounded, so that rows tie


@pytest.mark.parametrize("classes", [2, 3, 7])
@pytest.mark.parametrize("c", [0.01, 10.0])
def test_slopes_and_offsets_are_those_of_scikit_learn(classes, c):
    values, label = drawn(classes, seed=classes)
    w, b = line_svm.fit(torch.from_numpy(values), torch.from_numpy(label), c)
    for i, dimension in enumerate(values):
        model = LinearSVC(C=c, class_weight="balanced", dual=False, tol=1e-12, max_iter=10_000)
        model.fit(dimension[:, None], label)
        mine = (w[i, 1:], b[i, 1:]) if w.shape[1] == 2 else (w[i], b[i])
        np.testing.assert_allclose(mine[0], model.coef_[:, 0], atol=1e-5, rtol=1e-4)
        np.testing.assert_allclose(mine[1], model.intercept_, atol=1e-5, rtol=1e-4)


def test_two_classes_are_one_problem_seen_from_both_sides():
    values, label = drawn(2, seed=0)
    w, b = line_svm.fit(torch.from_numpy(values), torch.from_numpy(label), 0.1)
    torch.testing.assert_close(w[:, 0], -w[:, 1])
    torch.testing.assert_close(b[:, 0], -b[:, 1])


def test_accuracy_is_that_of_scikit_learn_on_rows_not_trained_on():
    values, label = drawn(5, seed=1, n=900)
    train, test = values[:, :600], values[:, 600:]
    rows = [torch.from_numpy(part) for part in (train, label[:600], test, label[600:])]
    found = line_svm.accuracy(*rows, 0.01)
    for i in range(len(values)):
        model = LinearSVC(C=0.01, class_weight="balanced", dual=False, tol=1e-12).fit(train[i][:, None], label[:600])
        assert found[i].item() == pytest.approx(model.score(test[i][:, None], label[600:]), abs=1e-9)
