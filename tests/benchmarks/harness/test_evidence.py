import numpy as np
import pytest
from scipy import stats

from benchmarks.harness.evidence import (
    HELPS,
    HURTS,
    SAME,
    UNKNOWN,
    Effect,
    effect,
    hierarchical,
    holm,
    interquartile,
    probability_of_improvement,
    sign_flips,
    smallest_detectable,
)


@pytest.mark.parametrize("worlds", [2, 5, 10, 12])
def test_worlds_limit_how_small_p_can_be(worlds):
    """Fact 3: all W differences above 0 give the least one-sided p, 2^-W."""
    assert sign_flips(np.linspace(0.1, 1, worlds)) == pytest.approx(2.0**-worlds)
    assert sign_flips(-np.linspace(0.1, 1, worlds)) == pytest.approx(1.0)


def test_no_difference_at_all_has_p_1():
    assert sign_flips(np.zeros(12)) == 1.0


def test_the_interval_has_the_spread_of_worlds_where_nothing_else_varies():
    means = np.random.default_rng(0).standard_normal(20)
    drawn = hierarchical(np.broadcast_to(means[:, None, None], (20, 3, 5)), 4000, np.random.default_rng(1))
    assert drawn.std() == pytest.approx(means.std() / np.sqrt(20), rel=0.05)
    assert drawn.mean() == pytest.approx(means.mean(), abs=0.02)


def test_every_level_is_drawn_anew():
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((8, 4, 50))
    for shape in ((8, 1, 1), (1, 4, 1), (1, 1, 50)):
        part = np.broadcast_to(noise[tuple(slice(None if s > 1 else 1) for s in shape)], noise.shape)
        assert hierarchical(part, 300, np.random.default_rng(1)).std() > 0.01


def test_the_smallest_detectable_effect_has_the_power_it_is_made_for():
    worlds, spread = 12, 0.3
    least = smallest_detectable(spread, worlds)
    critical = stats.t.ppf(0.95, worlds - 1)
    power = stats.nct.sf(critical, worlds - 1, least / spread * np.sqrt(worlds))
    assert power == pytest.approx(0.8, abs=1e-3)
    assert np.isnan(smallest_detectable(0.3, 1))


def around(mean, half, p=0.001):
    return Effect(mean, mean - half, mean + half, mean - 0.8 * half, mean + 0.8 * half, p, 0.1, 0.1, {})


@pytest.mark.parametrize(
    ("found", "p", "said"),
    [
        (around(0.3, 0.1), None, HELPS),
        (around(0.3, 0.1), 0.2, UNKNOWN),  # what is adjusted decides
        (around(0.3, 0.4), None, UNKNOWN),
        (around(-0.3, 0.1), None, HURTS),
        (around(0.01, 0.03), None, SAME),
        (around(0.03, 0.03), None, UNKNOWN),
        (around(0.0, 0.2), None, UNKNOWN),  # absence of evidence is no evidence of absence
    ],
)
def test_a_verdict_is_yes_no_or_not_measured_well_enough(found, p, said):
    assert found.verdict(0.05, 0.05, p) == said


def test_an_effect_is_the_mean_over_worlds_whatever_their_episodes_do():
    generator = np.random.default_rng(0)
    found = effect({f"w{i}": 0.2 + 0.1 * generator.standard_normal((3, 40)) for i in range(10)}, resamples=500)
    assert found.mean == pytest.approx(0.2, abs=0.02)
    assert found.low < found.inner_low < found.mean < found.inner_high < found.high
    assert found.p == pytest.approx(2**-10)
    assert found.verdict(0.05) == HELPS


def test_differences_that_cannot_be_stacked_are_refused():
    with pytest.raises(ValueError, match=r"alike in every world"):
        effect({"a": np.zeros((2, 3)), "b": np.zeros((2, 4))})


def test_holm_counts_what_was_not_tested():
    assert holm([0.01, 0.02, float("nan")]) == pytest.approx([0.03, 0.04, 1.0])
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def test_interquartile_mean_and_probability_of_improvement():
    scores = np.arange(16.0).reshape(4, 4)
    mean, low, high = interquartile(scores)
    assert mean == pytest.approx(np.arange(4, 12).mean())
    assert low <= mean <= high
    assert probability_of_improvement(scores + 100, scores)[0] == 1.0
    assert probability_of_improvement(scores, scores)[0] == 0.5
