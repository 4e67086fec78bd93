import numpy as np
import pytest

from benchmarks.metrics import beta_vae_changed, factor_vae
from benchmarks.metrics.interventions import Groups, intervention_matrix, intervention_score


def test_partners_share_the_class_and_are_other_rows():
    random = np.random.default_rng(0)
    label = np.array([0, 1, 0, 2, 1, 0, 3])
    groups = Groups(label)
    assert sorted(groups.rows) == [0, 1, 2, 4, 5]
    rows = np.repeat(groups.rows, 200)
    partners = groups.partners(rows, random)
    assert (label[partners] == label[rows]).all()
    assert (partners != rows).all()
    assert set(partners[rows == 0]) == {2, 5}
    members = groups.members(rows, 30, random)
    assert (label[members] == label[rows][:, None]).all()
    assert set(members[rows == 0].ravel()) == {0, 2, 5}


def changed_pairs(factors: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    changed = random.integers(factors.shape[1], size=len(factors))
    twins = factors.copy()
    rows = np.arange(len(factors))
    twins[rows, changed] = factors[random.permutation(len(factors)), changed] + 1e-3
    return factors, twins, changed


def test_the_factor_that_changed_is_seen_in_a_perfect_code():
    first, second, changed = changed_pairs(np.random.default_rng(1).normal(size=(3000, 4)))
    assert beta_vae_changed(first, second, changed) > 0.99
    assert beta_vae_changed(first * [1, 10, 100, -1], second * [1, 10, 100, -1], changed) > 0.99
    noise = np.random.default_rng(2).normal(size=(2, 3000, 4))
    assert beta_vae_changed(*noise, changed) == pytest.approx(0.25, abs=0.05)
    share = np.bincount(changed).max() / len(changed)
    assert beta_vae_changed(0 * first, 0 * first, changed) == pytest.approx(share)


def test_pairs_of_different_shapes_are_refused():
    code = np.random.default_rng(1).normal(size=(30, 4))
    with pytest.raises(ValueError, match="twins must have the shape"):
        beta_vae_changed(code, code[:, :3], np.zeros(30, dtype=int))
    with pytest.raises(ValueError, match="changed must be int"):
        beta_vae_changed(code, code, np.zeros(30))


def test_a_small_scale_does_not_kill_a_perfect_code(codes, factors, kinds):
    small = 0.04 * codes["identity"]
    assert factor_vae(small, factors, kinds, train=500, test=500) > 0.97
    assert factor_vae(small, factors, kinds, train=500, test=500, compat=True) == 0


def test_the_common_protocol_keeps_a_deviation_of_a_twentieth(codes, factors, kinds):
    assert factor_vae(0.2 * codes["identity"], factors, kinds, train=500, test=500, compat=True) > 0.97
    assert factor_vae(0.06 * codes["identity"], factors, kinds, train=500, test=500, compat=True) > 0.97


def test_factors_without_shared_values_are_refused():
    lone = np.arange(8.0)[:, None]
    with pytest.raises(ValueError, match="no two rows"):
        factor_vae(lone, lone, ["categorical"])


def moved_one_by_one(factors: np.ndarray, encode) -> np.ndarray:
    """The intervention matrix of `encode`, every column drawn anew among the factors' own values."""
    random = np.random.default_rng(3)
    pairs = []
    for k in range(factors.shape[1]):
        twins = factors.copy()
        twins[:, k] = random.permutation(factors[:, k])
        pairs.append((encode(factors), encode(twins)))
    return intervention_matrix(encode(factors), pairs)


def test_the_intervention_score_is_1_where_one_factor_moves_an_axis_and_0_where_all_do():
    factors = np.random.default_rng(1).normal(size=(2000, 4))
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(4, 4)))[0]
    perfect = {
        "identity": lambda f: f,
        "scaled, with a dead axis": lambda f: f[:, [2, 0, 1, 3, 3]] * [1, -10, 100, 0.01, 0],
        "warped": lambda f: np.sinh(f),
        "copies": lambda f: np.concatenate([f, f], axis=1),
    }
    for name, encode in perfect.items():
        assert intervention_score(moved_one_by_one(factors, encode)) == pytest.approx(1), name
    even = moved_one_by_one(factors, lambda f: f.sum(axis=1, keepdims=True))
    assert intervention_score(even) < 0.001  # every factor moves the only axis as far
    assert intervention_score(moved_one_by_one(factors, lambda f: 0 * f)) == 0
    random = np.random.default_rng(4)
    assert intervention_score(moved_one_by_one(factors, lambda f: random.normal(size=f.shape))) < 0.001
    assert 0.01 < intervention_score(moved_one_by_one(factors, lambda f: f @ turn)) < 0.6


def test_the_intervention_matrix_is_in_standard_deviations_and_refuses_other_shapes():
    factors = np.random.default_rng(1).normal(size=(4000, 2))
    matrix = moved_one_by_one(factors, lambda f: f * [1, 100])
    # the mean distance of two independent normal draws is 2 / sqrt(pi)
    assert matrix == pytest.approx(np.eye(2) * 2 / np.sqrt(np.pi), abs=0.05)
    with pytest.raises(ValueError, match=r"must be \[m, 2\]"):
        intervention_matrix(factors, [(factors[:, :1], factors[:, :1])])
