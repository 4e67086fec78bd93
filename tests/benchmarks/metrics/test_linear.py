import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from sklearn.svm import LinearSVC

from benchmarks.metrics import sap
from benchmarks.metrics.linear import _area, _nearest_mean


def test_sap_is_the_gap_of_squared_correlations():
    random = np.random.default_rng(0)
    factor = random.normal(size=(20_000, 1))
    code = np.concatenate([0.8 * factor + 0.6 * random.normal(size=factor.shape), random.normal(size=factor.shape)], 1)
    code[:, 1] = 0.6 * factor[:, 0] + 0.8 * code[:, 1]
    assert sap(code, factor, ["continuous"]) == pytest.approx(0.64 - 0.36, abs=0.02)


def test_sap_follows_an_angle_wherever_it_is_cut():
    angle = np.random.default_rng(0).uniform(0, 2 * np.pi, size=(5000, 1))
    kinds = [("circular", 2 * np.pi)]
    assert sap(angle, angle, kinds) > 0.99
    assert sap((angle + 2.0) % (2 * np.pi), angle, kinds) > 0.97
    assert sap(np.cos(2 * angle), angle, kinds) < 0.3


def test_nearest_mean_reads_classes_in_any_order():
    label = np.repeat([0, 1, 2], 50)
    place = np.array([5.0, -1.0, 2.0])[label]
    assert _nearest_mean(place, label) == pytest.approx(1)
    assert _nearest_mean(np.where(label == 2, 5.0, place), label) == pytest.approx(0.5)


def test_compat_sap_is_low_for_a_perfect_code_of_many_values(codes, factors, kinds):
    few, rows = codes["identity"][:900], factors[:900]
    assert sap(few, rows, kinds, compat=True) < 0.5 < sap(few, rows, kinds)


def test_area_equals_the_roc_curve():
    random = np.random.default_rng(0)
    positive = random.random(200) < 0.3
    margin = (random.normal(size=200) + positive).round(1)
    assert _area(margin, positive) == pytest.approx(roc_auc_score(positive, margin))


def test_compat_sap_is_that_of_the_library_with_codes_as_they_are_scaled():
    random = np.random.default_rng(0)
    factors = random.integers(10, size=(1500, 3))
    codes = np.concatenate([factors + 1.0, factors[:, :1] + random.normal(size=(1500, 1)), np.full((1500, 1), 3.0)], 1)
    found = np.zeros((5, 3))
    for i, k in np.ndindex(5, 3):
        model = LinearSVC(C=0.01, class_weight="balanced", max_iter=10_000, tol=1e-6)
        model.fit(codes[:1000, [i]], factors[:1000, k])
        found[i, k] = (model.predict(codes[1000:, [i]]) == factors[1000:, k]).mean()
    found.sort(axis=0)
    ours = sap(codes, factors, ["categorical"] * 3, compat=True)
    assert ours == pytest.approx((found[-1] - found[-2]).mean(), abs=0.004)  # two rows of 500 at a class border


def test_compat_sap_of_the_identity_code_of_ten_values():
    factors = np.random.default_rng(0).integers(10, size=(15_000, 5))
    assert sap(factors + 1.0, factors, ["categorical"] * 5, compat=True) == pytest.approx(0.178, abs=0.02)
