"""What a set of worlds can say of a difference: yes, no, or not measured well enough.

d[w, s, e]     a difference of two scores in world w, seed s (which draws the code as well) and episode e, paired
mean           of the worlds' means, for worlds limit what can be said, and models do not
p              sign flips of the worlds' means, one-sided: at least 2^-W
interval       hierarchical bootstrap: worlds, then seeds in them, then episodes in those (Davison and Hinkley 1997)
equivalence    the 90 % interval lies within +- margin (two one-sided tests)
detectable     the effect that a one-sided t test over as many worlds, as different as these, would find in 4 of 5 cases
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from benchmarks.harness.curves import interquartile_mean

Floats = NDArray[np.float64]
CHUNK = 100  # resamples at a time, so that their rows stay in memory
HELPS, HURTS, SAME, UNKNOWN = "helps", "hurts", "makes no difference", "not measured well enough"


@dataclass(frozen=True)
class Effect:
    """A mean difference over worlds with its 95 % and 90 % intervals; `worlds` are their means, by name.

    `p` is one-sided, by sign flips; `spread` the standard deviation between worlds; `detectable` the smallest effect that
    could have been seen. Both are NaN for a single world.
    """

    mean: float
    low: float
    high: float
    inner_low: float
    inner_high: float
    p: float
    spread: float
    detectable: float
    worlds: Mapping[str, float]

    def verdict(self, margin: float, level: float = 0.05, p: float | None = None) -> str:
        """In words; `p` is the p-value to decide by where it was adjusted for several hypotheses.

        A difference within the margin is called none even where it is surely not 0; one whose interval lies below 0 hurts.
        """
        if max(abs(self.inner_low), abs(self.inner_high)) <= margin:
            return SAME
        if (self.p if p is None else p) <= level and self.low > 0:
            return HELPS
        return HURTS if self.high < 0 else UNKNOWN

    def text(self, digits: int = 3) -> str:
        """Mean and 95 % interval."""
        return f"{self.mean:+.{digits}f} [{self.low:+.{digits}f}, {self.high:+.{digits}f}]"


def effect(differences: Mapping[str, ArrayLike], *, resamples: int = 2000, seed: int = 0, power: float = 0.8) -> Effect:
    """The effect in paired differences by world, each [seeds, episodes] of the same shape.

    Raises ValueError for no world, or shapes that differ.
    """
    arrays = [np.asarray(values, np.float64) for values in differences.values()]
    if not arrays or any(a.ndim != 2 or a.shape != arrays[0].shape or not a.size for a in arrays):
        raise ValueError(f"differences must be [seeds, episodes] alike in every world, got {[a.shape for a in arrays]}")
    stacked = np.stack(arrays)
    means = stacked.mean((1, 2))
    drawn = hierarchical(stacked, resamples, np.random.default_rng(seed))
    low, inner_low, inner_high, high = np.quantile(drawn, (0.025, 0.05, 0.95, 0.975)).tolist()
    spread = float(means.std(ddof=1)) if len(means) > 1 else float("nan")
    return Effect(
        float(means.mean()),
        low,
        high,
        inner_low,
        inner_high,
        sign_flips(means),
        spread,
        smallest_detectable(spread, len(means), power),
        dict(zip(differences, means.tolist(), strict=True)),
    )


def sign_flips(means: ArrayLike) -> float:
    """The one-sided p-value that worlds' mean differences [W] are above 0: all sign patterns, at most 2^16 of them."""
    values = np.asarray(means, np.float64)
    if not np.any(values):
        return 1.0
    if len(values) < 2:
        return 0.5 if values[0] > 0 else 1.0
    found = stats.permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        alternative="greater",
        n_resamples=2**16,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def hierarchical(values: Floats, resamples: int, generator: np.random.Generator) -> Floats:
    """Bootstrapped means [resamples] of [worlds, seeds, episodes], every level drawn anew inside the one above."""
    worlds, seeds, episodes = values.shape
    found = []
    for start in range(0, resamples, CHUNK):
        n = min(CHUNK, resamples - start)
        world = generator.integers(worlds, size=(n, worlds, 1, 1))
        run = generator.integers(seeds, size=(n, worlds, seeds, 1))
        episode = generator.integers(episodes, size=(n, worlds, seeds, episodes))
        found.append(values[world, run, episode].mean((1, 2, 3)))
    return np.concatenate(found)


def smallest_detectable(spread: float, worlds: int, power: float = 0.8, level: float = 0.05) -> float:
    """The mean that a one-sided t test at `level` finds with this power, where worlds' means spread so much."""
    if worlds < 2 or not np.isfinite(spread):
        return float("nan")
    size = TTestPower().solve_power(nobs=worlds, alpha=level, power=power, alternative="larger")
    return float(np.squeeze(size)) * spread


def holm(p: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the given order; what was not tested counts with p = 1."""
    return multipletests([1.0 if not np.isfinite(value) else value for value in p], method="holm")[1].tolist()


def interquartile(values: ArrayLike, resamples: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """The interquartile mean over all worlds and seeds of [worlds, seeds], and its 95 % stratified-bootstrap interval.

    Seeds are drawn anew within every world (Agarwal et al. 2021).
    """
    array = np.asarray(values, np.float64)
    generator = np.random.default_rng(seed)
    pick = generator.integers(array.shape[1], size=(resamples, *array.shape))
    drawn = array[np.arange(array.shape[0])[:, None], pick].reshape(resamples, -1)
    low, high = np.quantile(interquartile_mean(drawn.T), (0.025, 0.975))
    return float(interquartile_mean(array.ravel())), float(low), float(high)


def probability_of_improvement(
    better: ArrayLike, worse: ArrayLike, resamples: int = 2000, seed: int = 0
) -> tuple[float, float, float]:
    """How likely a run of one is above a run of the other in the same world, ties counting half, with its 95 % interval.

    Both are [worlds, seeds]; the mean over worlds, and the stratified bootstrap of Agarwal et al. 2021.
    """
    first, second = np.asarray(better, np.float64), np.asarray(worse, np.float64)
    generator = np.random.default_rng(seed)

    def chance(a: Floats, b: Floats) -> Floats:
        above = (a[..., :, None] > b[..., None, :]) + 0.5 * (a[..., :, None] == b[..., None, :])
        return above.mean((-3, -2, -1))

    rows = np.arange(len(first))[:, None]
    a = first[rows, generator.integers(first.shape[1], size=(resamples, *first.shape))]
    b = second[rows, generator.integers(second.shape[1], size=(resamples, *second.shape))]
    low, high = np.quantile(chance(a, b), (0.025, 0.975))
    return float(chance(first, second)), float(low), float(high)
