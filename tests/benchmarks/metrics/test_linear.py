import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

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
