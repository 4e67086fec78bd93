import math

import numpy as np
import pytest

from benchmarks.metrics import code_dependence, kraskov, own_and_cross_information


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
def test_correlated_gaussians_have_the_closed_form(correlation):
    random = np.random.default_rng(0)
    x = random.normal(size=(4000, 1))
    y = correlation * x + math.sqrt(1 - correlation**2) * random.normal(size=x.shape)
    bits = -0.5 * math.log2(1 - correlation**2)
    assert kraskov(x, y) == pytest.approx(bits, abs=0.06)
    assert kraskov(5 * x, -0.1 * y + 3) == pytest.approx(kraskov(x, y), abs=1e-6)


def test_vectors_add_their_information():
    random = np.random.default_rng(0)
    x = random.normal(size=(4000, 2))
    y = 0.8 * x + 0.6 * random.normal(size=x.shape)
    assert kraskov(x, y) == pytest.approx(2 * -0.5 * math.log2(0.36), abs=0.12)


def test_discrete_values_keep_their_information():
    value = np.random.default_rng(0).integers(4, size=(3000, 1))
    other = np.random.default_rng(1).integers(4, size=(3000, 1))
    assert kraskov(value, value) == pytest.approx(2, abs=0.15)
    assert kraskov(value, other) == pytest.approx(0, abs=0.06)
    assert kraskov(value, np.ones_like(value)) == 0


def test_dependence_of_dimensions(codes):
    assert code_dependence(codes["noise"]) == pytest.approx(0, abs=0.03)
    assert code_dependence(codes["copies"]) > 0.3
    assert code_dependence(codes["constant"]) == 0


def test_groups_know_their_own_future():
    random = np.random.default_rng(0)
    now = random.normal(size=(1000, 4))
    later = now @ np.kron(np.eye(2), [[0.8, 0.6], [-0.6, 0.8]]) + 0.1 * random.normal(size=now.shape)
    own, cross = own_and_cross_information(now, later, [[0, 1], [2, 3]])
    assert own > 3
    assert cross == pytest.approx(0, abs=0.1)
    with pytest.raises(ValueError, match="at least two"):
        own_and_cross_information(now, later, [[0, 1]])


def test_impossible_neighbours_are_refused():
    with pytest.raises(ValueError, match="at least 4 rows"):
        kraskov(np.eye(3), np.eye(3))
    with pytest.raises(ValueError, match="k must be at least 1"):
        kraskov(np.eye(3), np.eye(3), k=0)
