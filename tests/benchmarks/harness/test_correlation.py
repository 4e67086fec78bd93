from itertools import permutations, product

import numpy as np
import pytest
from scipy import stats

from benchmarks.harness.correlation import (
    corrected,
    partial_spearman,
    permutation_p,
    pool,
    smallest_correlation,
    within_and_between,
)


def drawn(n=4000, seed=0):
    """Information z, and x and y that are noisy functions of it alone."""
    generator = np.random.default_rng(seed)
    z = generator.standard_normal(n)
    x, y = (0.8 * z + 0.6 * generator.standard_normal(n) for _ in range(2))
    return x, y, z


def test_without_anything_given_it_is_spearmans():
    x, y, _ = drawn(100)
    assert partial_spearman(x, y, np.zeros((100, 0))) == pytest.approx(stats.spearmanr(x, y).statistic)


def test_what_is_given_is_taken_out_but_only_as_well_as_it_is_measured():
    """Fact 2: partial correlation alone misleads where information is measured with error."""
    x, y, z = drawn()
    assert partial_spearman(x, y, z) == pytest.approx(0, abs=0.05)
    noise = np.random.default_rng(1).standard_normal(len(z))
    noisy = 0.8**0.5 * z + 0.2**0.5 * noise  # reliability 0.8
    assert 0.15 < partial_spearman(x, y, noisy) < 0.35
    xy, xz, yz = (np.corrcoef(a, b)[0, 1] for a, b in ((x, y), (x, noisy), (y, noisy)))
    assert corrected(xy, xz, yz, 0.8) == pytest.approx(0, abs=0.06)
    assert corrected(xy, xz, yz, 1.0) > 0.15
    assert np.isnan(corrected(0.5, 0.9, 0.5, 0.7))
    assert np.isnan(corrected(0.2, 0.8, 0.8, 0.7))  # it would be -8


def test_a_constant_says_nothing():
    assert partial_spearman(np.ones(20), np.arange(20.0), np.zeros((20, 0))) == 0


def test_worlds_are_pooled_with_the_spread_between_them():
    alike = pool({f"w{i}": 0.3 for i in range(10)}, {f"w{i}": 34 for i in range(10)}, 3)
    assert alike.r == pytest.approx(0.3)
    apart = pool({f"w{i}": 0.3 + 0.5 * (-1) ** i for i in range(10)}, {f"w{i}": 34 for i in range(10)}, 3)
    assert apart.high - apart.low > 2 * (alike.high - alike.low)
    assert apart.spread > 0.3
    assert pool({"w": 0.5}, {"w": 40}, 0).p < 0.001
    with pytest.raises(ValueError, match="7 are needed"):
        pool({"w": 0.5}, {"w": 6}, 3)


def test_a_permutation_inside_groups_is_blind_to_differences_between_them():
    generator = np.random.default_rng(0)
    groups = ["a"] * 20 + ["b"] * 20
    level = np.repeat([0.0, 5.0], 20)
    x, y = (level + generator.standard_normal(40) for _ in range(2))
    assert permutation_p({"w": (x, y, np.zeros((40, 0)), groups)}, resamples=200) > 0.05
    inside = generator.standard_normal(40)
    assert permutation_p({"w": (inside, inside, np.zeros((40, 0)), groups)}, resamples=200) < 0.02


def test_the_p_of_permutations_is_the_share_of_all_that_could_be():
    generator = np.random.default_rng(3)
    x, y, given = generator.standard_normal(6), generator.standard_normal(6), generator.standard_normal((6, 1))
    groups = ["b", "a", "b", "a", "b", "a"]
    observed = partial_spearman(x, y, given)
    found = []
    for first, second in product(permutations([0, 2, 4]), permutations([1, 3, 5])):
        drawn = np.empty(6)
        drawn[[0, 2, 4]], drawn[[1, 3, 5]] = x[list(first)], x[list(second)]
        found.append(partial_spearman(drawn, y, given) >= observed - 1e-12)
    share = float(np.mean(found))
    assert 0.05 < share < 0.95
    told = permutation_p({"w": (x, y, given, groups)}, resamples=20_000)
    assert told == pytest.approx(share, abs=0.015)  # four standard errors
    assert told == permutation_p({"w": (x, y, given, groups)}, resamples=20_000)


def test_a_partial_correlation_is_that_of_what_least_squares_leaves():
    generator = np.random.default_rng(4)
    x, y = generator.standard_normal((2, 30))
    given = generator.standard_normal((30, 3))
    given[:, 2] = given[:, 1]  # a variable that stands there twice explains nothing more
    design = np.column_stack([np.ones(30), *(stats.rankdata(z) for z in given[:, :2].T)])
    left, right = (
        r - design @ np.linalg.lstsq(design, r, rcond=None)[0] for r in (stats.rankdata(x), stats.rankdata(y))
    )
    assert partial_spearman(x, y, given) == pytest.approx(np.corrcoef(left, right)[0, 1])


def test_simpsons_paradox_is_seen():
    groups = [g for g in "abcd" for _ in range(10)]
    steps = np.tile(np.arange(10.0), 4)
    level = np.repeat([0.0, 20.0, 40.0, 60.0], 10)
    within, between = within_and_between(level + steps, level - steps, groups)
    assert within < -0.9
    assert between > 0.9


def test_the_smallest_correlation_has_the_power_it_is_made_for():
    least = smallest_correlation(300, 3)
    z = np.arctanh(least) * (300 - 6) ** 0.5
    assert stats.norm.sf(stats.norm.ppf(0.95) - z) == pytest.approx(0.8)
    assert np.isnan(smallest_correlation(5, 3))
