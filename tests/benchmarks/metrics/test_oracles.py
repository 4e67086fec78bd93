"""Every score on codes that theory knows, and on what no score accepts."""

import numpy as np
import pytest
import torch

from benchmarks.metrics import beta_vae_fixed, dci, explicitness, factor_vae, mig, modularity, sap

QUICK = {"train": 1000, "test": 500}
SCORES = {
    "mig": mig,
    "sap": sap,
    "modularity": modularity,
    "explicitness": explicitness,
    "beta_vae_fixed": lambda *a: beta_vae_fixed(*a, **QUICK),
    "factor_vae": lambda *a: factor_vae(*a, **QUICK),
    "dci_lasso_d": lambda *a: dci(*a).disentanglement,
    "dci_lasso_c": lambda *a: dci(*a).completeness,
    "dci_forest_d": lambda *a: dci(*a, regressor="forest").disentanglement,
    "dci_forest_i": lambda *a: dci(*a, regressor="forest").informativeness,
}
CONSTANT = {"explicitness": 0.5, "beta_vae_fixed": 0.2, "factor_vae": 0.2}
SATURATED = ("explicitness", "beta_vae_fixed", "dci_forest_i")


@pytest.mark.parametrize("name", SCORES)
def test_a_perfect_code_scores_near_one_with_or_without_dead_dimensions(name, codes, factors, kinds):
    least = 0.93 if name == "explicitness" else 0.97
    assert SCORES[name](codes["identity"], factors, kinds) > least
    assert SCORES[name](codes["dead"], factors, kinds) > least


@pytest.mark.parametrize("name", SCORES)
def test_a_constant_code_has_the_documented_limit_value(name, codes, factors, kinds):
    assert SCORES[name](codes["constant"], factors, kinds) == CONSTANT.get(name, 0.0)


@pytest.mark.parametrize("name", SCORES)
def test_noise_scores_what_chance_reaches(name, codes, factors, kinds):
    assert SCORES[name](codes["noise"], factors, kinds) == pytest.approx(CONSTANT.get(name, 0.0), abs=0.06)


@pytest.mark.parametrize("name", [name for name in SCORES if name not in SATURATED])
def test_a_rotation_lowers_scores_of_separation(name, codes, factors, kinds):
    score = SCORES[name]
    assert score(codes["rotation"], factors, kinds) < score(codes["identity"], factors, kinds) - 0.05


@pytest.mark.parametrize("name", ["mig", "sap"])
def test_copies_leave_no_gap(name, codes, factors, kinds):
    assert SCORES[name](codes["copies"], factors, kinds) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("name", SCORES)
def test_order_scale_sign_and_offset_of_dimensions_do_not_matter(name, codes, factors, kinds):
    random = np.random.default_rng(3)
    code = codes["rotation"]
    order = random.permutation(code.shape[1])
    other = code[:, order] * random.choice([-1, 1], size=5) * np.array([0.01, 0.05, 1.0, 3.0, 100.0]) + 2
    before, after = SCORES[name](code, factors, kinds), SCORES[name](other, factors, kinds)
    assert after == pytest.approx(before, abs=0.03)


@pytest.mark.parametrize("name", SCORES)
def test_torch_tensors_and_numpy_arrays_are_one(name, codes, factors, kinds):
    few, rows = codes["rotation"][:500], factors[:500]
    expected = SCORES[name](few, rows, kinds)
    assert SCORES[name](torch.from_numpy(few), torch.from_numpy(rows), kinds) == expected


@pytest.mark.parametrize("name", SCORES)
def test_fewer_codes_than_factors_and_a_single_dimension_give_finite_numbers(name, codes, factors, kinds):
    for width in (1, 2):
        assert 0 <= SCORES[name](codes["identity"][:600, :width], factors[:600], kinds) <= 1


@pytest.mark.parametrize("name", SCORES)
def test_one_factor_gives_a_finite_number(name, codes, factors, kinds):
    assert 0 <= SCORES[name](codes["identity"][:600], factors[:600, :1], kinds[:1]) <= 1


@pytest.mark.parametrize("name", SCORES)
def test_one_sample_nan_and_rows_that_do_not_match_are_refused(name, codes, factors, kinds):
    code, rows = codes["identity"][:60].copy(), factors[:60]
    with pytest.raises(ValueError, match="at least"):
        SCORES[name](code[:1], rows[:1], kinds)
    with pytest.raises(ValueError, match="equally many rows"):
        SCORES[name](code[:50], rows, kinds)
    code[3, 2] = np.nan
    with pytest.raises(ValueError, match=r"codes\[3, 2\] is nan"):
        SCORES[name](code, rows, kinds)


def test_factors_that_no_score_can_use_are_refused(codes, factors, kinds):
    code = codes["identity"]
    beyond = factors.copy()
    beyond[0, 4] = 7.0
    with pytest.raises(ValueError, match=r"'y' must lie in \[0, 1\], got 0 to 7"):
        mig(code, beyond, kinds)
    with pytest.raises(ValueError, match="no factor varies"):
        mig(code, np.ones_like(factors))
    with pytest.raises(ValueError, match="must describe 5 factor columns, got 2"):
        mig(code, factors, kinds[:2])
    with pytest.raises(ValueError, match="categorical, ordinal, continuous, circular, got 'angle'"):
        mig(code, factors, ["angle"] * 5)
    with pytest.raises(ValueError, match="positive finite period"):
        mig(code, factors, ["circular"] * 5)
    with pytest.raises(ValueError, match=r"shape \[n, columns\], got \(4000,\)"):
        mig(code[:, 0], factors)
    with pytest.raises(TypeError, match="must be numeric"):
        mig(code.astype(str), factors)


def test_a_constant_factor_is_left_out(codes, factors, kinds):
    still = factors.copy()
    still[:, 0] = 1.0
    assert mig(codes["identity"], still, kinds) == pytest.approx(mig(codes["identity"], factors[:, 1:], kinds[1:]))


def test_an_angle_is_one_value_at_both_ends_of_its_period(factors):
    turn = factors[:, 2:3]
    wrapped = np.where(turn == 0, 2 * np.pi, turn)
    circle = np.concatenate([np.cos(turn), np.sin(turn)], axis=1)
    for kinds in (["continuous"], [("circular", 2 * np.pi)]):
        assert mig(circle, turn, kinds) < 0.3
    assert dci(circle, wrapped, [("circular", 2 * np.pi)]).nrmse[0] < 0.05
    assert dci(circle, wrapped, ["continuous"]).nrmse[0] > 0.5
