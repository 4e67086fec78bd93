import math

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingClassifier

from benchmarks.metrics import completeness, dci, disentanglement
from benchmarks.metrics.boosting import BoostedClassifier

MATRIX = np.array([[3.0, 1.0], [0.0, 2.0], [0.0, 0.0]])


def entropy(*shares: float) -> float:
    return -sum(p * math.log(p) for p in shares if p > 0)


def test_disentanglement_and_completeness_of_a_matrix_by_hand():
    first = 1 - entropy(3 / 4, 1 / 4) / math.log(2)
    total, per_code = disentanglement(MATRIX)
    assert per_code == pytest.approx([first, 1, 0])
    assert total == pytest.approx((4 * first + 2 * 1) / 6)
    second = 1 - entropy(1 / 3, 2 / 3) / math.log(3)
    total, per_factor = completeness(MATRIX)
    assert per_factor == pytest.approx([1, second])
    assert total == pytest.approx((1 + second) / 2)


def test_equal_importance_scores_zero_and_nothing_scores_zero():
    assert disentanglement(np.ones((4, 3)))[0] == pytest.approx(0)
    assert completeness(np.ones((4, 3)))[0] == pytest.approx(0)
    assert disentanglement(np.zeros((4, 3)))[0] == 0
    assert completeness(np.ones((1, 3)))[0] == 1


def test_a_factor_that_no_dimension_holds_costs_the_common_completeness_nothing():
    half = np.eye(5)[:2]
    assert completeness(half)[0] == pytest.approx(0.4)
    assert completeness(half, compat=True)[0] == pytest.approx(1)
    assert completeness(MATRIX, compat=True)[0] == pytest.approx((3 * 1 + 3 * completeness(MATRIX)[1][1]) / 6)
    assert completeness(np.zeros((3, 2)), compat=True)[0] == 0


def test_boosted_classifiers_are_the_librarys_on_a_random_linear_code():
    random = np.random.default_rng(0)
    factors = np.stack([random.integers(size, size=700) for size in (2, 3, 6)], axis=1)
    codes = (factors / factors.std(axis=0)) @ random.normal(size=(3, 5)) + 0.3 * random.normal(size=(700, 5))
    ours, theirs = [], []
    for column in factors.T:
        model = BoostedClassifier(codes[:500], column[:500])
        exact = GradientBoostingClassifier(random_state=0).fit(codes[:500], column[:500])
        ours.append(model.importance)
        theirs.append(exact.feature_importances_)
        wrong = [(fitted.predict(codes[500:]) != column[500:]).mean() for fitted in (model, exact)]
        assert wrong[0] == pytest.approx(wrong[1], abs=0.03)  # a tie between two dimensions is broken at random there
    ours, theirs = np.stack(ours, axis=1), np.stack(theirs, axis=1)
    assert ours == pytest.approx(theirs, abs=0.01)
    assert disentanglement(ours)[0] == pytest.approx(disentanglement(theirs)[0], abs=0.01)


@pytest.mark.parametrize("regressor", ["lasso", "forest", "boosted"])
def test_a_perfect_code_with_dead_dimensions(regressor, codes, factors, kinds):
    found = dci(codes["dead"][:1500], factors[:1500], kinds, regressor=regressor)
    assert found.disentanglement > 0.96
    assert found.completeness > 0.96
    assert found.importance.shape == (10, 5)
    assert not found.importance[5:].any()
    assert found.rows == 1000
    assert regressor[:5] in found.regressor


def test_the_lasso_shrinks_by_its_penalty():
    random = np.random.default_rng(0)
    code = random.normal(size=(9000, 2))
    found = dci(code, code, ["continuous"] * 2)
    assert np.diag(found.importance) == pytest.approx([0.98, 0.98], abs=0.005)
    assert found.nrmse == pytest.approx([0.02, 0.02], abs=0.005)


def test_tuning_helps_the_informativeness(codes, factors, kinds):
    code, rows = codes["rotation"][:1500], factors[:1500]
    fixed, tuned = (dci(code, rows, kinds, tuned=choice).nrmse.mean() for choice in (False, True))
    assert tuned < fixed
    assert "tuned" in dci(code[:200], rows[:200], kinds, regressor="forest", tuned=True).regressor


def test_a_missing_factor_does_not_blur_the_others(codes, factors, kinds):
    code = codes["identity"][:3000, [0, 1, 4]]
    ours = dci(code, factors[:3000], kinds, regressor="forest")
    assert ours.disentanglement > 0.98
    assert ours.per_factor == pytest.approx([1, 1, 0, 0, 1], abs=0.02)
    assert dci(code, factors[:3000], kinds, regressor="forest", compat=True).disentanglement < 0.8


def test_zero_shot_error_is_measured_on_the_held_out_rows():
    random = np.random.default_rng(0)
    factor = random.uniform(-1, 1, size=(4000, 2))
    gap = (factor[:, 0] > 0.3) & (factor[:, 1] > 0.3)
    code = factor.copy()
    code[gap] *= -1
    found = dci(code, factor, ["continuous"] * 2, held_out=gap)
    assert (found.nrmse < 0.05).all()
    assert found.zero_shot is not None
    assert (found.zero_shot > 1.5).all()
    assert dci(code, factor).zero_shot is None


def test_zero_shot_errors_of_the_paper_are_over_the_spread_of_the_held_out_rows():
    random = np.random.default_rng(0)
    factor = random.uniform(0, 1, size=(3000, 2))
    gap = factor[:, 0] > 0.5  # half the range of the first factor, all of the second
    code = factor + random.normal(0, 0.1, size=factor.shape)
    ours, papers = (dci(code, factor, held_out=gap, compat=compat).zero_shot for compat in (False, True))
    assert ours is not None
    assert papers is not None
    spread = factor[~gap].std(0) / factor[gap].std(0)
    assert papers == pytest.approx(ours * spread, rel=0.05)
    blind = dci(random.normal(size=factor.shape), factor, held_out=gap, compat=True).zero_shot
    assert blind is not None
    assert blind[0] > 1.5  # the mean of the training rows is no guess there
    assert blind[1] == pytest.approx(1, abs=0.05)


def test_compat_boosted_trees_count_errors(codes, factors, kinds):
    rows = factors[:400, :2]
    found = dci(codes["identity"][:400], rows, kinds[:2], regressor="boosted", compat=True)
    assert found.nrmse == pytest.approx([0, 0], abs=0.02)
    assert found.disentanglement > 0.9
    constant = dci(np.zeros((400, 3)), rows, kinds[:2], regressor="boosted", compat=True)
    assert constant.nrmse == pytest.approx([2 / 3, 5 / 6], abs=0.12)


def test_settings_that_make_no_sense_are_refused(codes, factors, kinds):
    with pytest.raises(ValueError, match="regressor must be 'lasso', 'forest' or 'boosted', got 'ridge'"):
        dci(codes["noise"], factors, kinds, regressor="ridge")
    with pytest.raises(ValueError, match="one setting"):
        dci(codes["noise"], factors, kinds, regressor="boosted", tuned=True)
    with pytest.raises(ValueError, match="leaves 0 rows"):
        dci(codes["noise"], factors, kinds, held_out=np.ones(4000, dtype=bool))
    with pytest.raises(ValueError, match=r"bool \[4000\]"):
        dci(codes["noise"], factors, kinds, held_out=np.ones(10, dtype=bool))
