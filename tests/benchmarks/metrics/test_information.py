import math

import numpy as np
import pytest

from benchmarks.metrics import mig, modularity, mutual_information


def rows(table: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """Codes and factors [n, 1] with the counts of a table [code, factor]."""
    pairs = [(i, j) for i, line in enumerate(table) for j, count in enumerate(line) for _ in range(count)]
    code, factor = np.array(pairs).T
    return code[:, None], factor[:, None]


def test_information_of_a_table_by_hand():
    code, factor = rows([[30, 10], [10, 30]])
    plain = math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    assert mutual_information(code, factor, compat=True).values == pytest.approx(plain)
    # Miller-Madow: (2 + 2 - 4 - 1) / 2n more, for 2 + 2 - 4 cells and one for the margins' own term.
    assert mutual_information(code, factor).values == pytest.approx(plain + (2 + 2 - 4 - 1) / 160)


def test_mig_of_two_codes_and_one_factor_by_hand():
    first, factor = rows([[40, 0], [0, 40]])
    second = np.where(np.arange(80)[:, None] % 4 == 0, 1 - first, first)
    joint = math.log(2) + 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    expected = (math.log(2) - joint) / math.log(2)
    assert mig(np.concatenate([first, second], axis=1), factor, compat=True) == pytest.approx(expected)


def test_modularity_by_the_formula_written_a_second_way(codes, factors, kinds):
    values = mutual_information(codes["rotation"], factors, kinds, compat=True).values
    scores = []
    for row in values:
        template = np.zeros_like(row)
        template[row.argmax()] = row.max()
        scores.append(1 - ((row - template) ** 2).sum() / (row.max() ** 2 * (len(row) - 1)))
    assert modularity(codes["rotation"], factors, kinds, compat=True) == pytest.approx(np.mean(scores))


def test_the_common_modularity_counts_dimensions_that_say_nothing():
    factors = np.random.default_rng(0).integers(10, size=(6000, 5)).astype(float)
    dead = np.concatenate([factors, np.full(factors.shape, 3.0)], axis=1)
    assert modularity(dead, factors, compat=True) == pytest.approx(0.5, abs=1e-3)
    assert modularity(dead, factors) > 0.99


def test_noise_has_no_information_once_the_bias_is_gone(codes, factors, kinds):
    plain = mutual_information(codes["noise"], factors, kinds, compat=True)
    ours = mutual_information(codes["noise"], factors, kinds)
    assert ours.values.mean() < 0.3 * plain.values.mean()
    assert not ours.significant.any()
    assert modularity(codes["noise"], factors, kinds, compat=True) > 0.5


def test_an_outlier_ruins_equal_width_bins_only(codes, factors, kinds):
    code = codes["identity"].copy()
    code[0] = 1e6
    assert mig(code, factors, kinds, compat=True) < 0.05
    assert mig(code, factors, kinds) > 0.97


def test_equal_width_bins_miss_a_perfect_code(codes, factors, kinds):
    fine = np.linspace(0, 1, 40)[np.random.default_rng(0).integers(40, size=(4000, 2))]
    assert 0.75 < mig(fine, fine, compat=True) < 0.95
    assert mig(fine, fine) > 0.97


def test_a_trace_of_another_factor_in_a_code_of_few_values_is_no_information():
    factors = np.random.default_rng(0).integers(5, size=(2000, 2)).astype(float)
    traced = factors + 0.02 * factors[:, ::-1]
    assert len(np.unique(traced[:, 0])) == 25
    assert mig(traced, factors) > 0.97
    assert modularity(traced, factors) > 0.97
    assert mig(factors @ np.array([[1.0, 1.0], [-1.0, 1.0]]), factors) < 0.05  # turned by 45 degrees


def test_few_values_are_information_however_they_are_spaced():
    factors = np.random.default_rng(0).integers(30, size=(4000, 2)).astype(float)
    assert mig(np.exp(factors / 5), factors) == pytest.approx(mig(factors, factors))
    assert mig(np.exp(factors / 5), factors) > 0.97
