"""Search spaces: what values an option may take, and how the next points are chosen.

A space maps options to a list of choices, or to a range {low, high} with `log: true` for a logarithmic scale and
`step: s` for a lattice low, low + s, ...; a range of two whole numbers holds whole numbers.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Point = dict[str, Any]
METHODS = ("grid", "random", "optuna")


@dataclass(frozen=True)
class Range:
    """The numbers from `low` to `high`; whole ones where both are, or those of a lattice where `step` is given."""

    low: float
    high: float
    log: bool = False
    step: float | None = None

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            if isinstance(getattr(self, name), bool) or not isinstance(getattr(self, name), (int, float)):
                raise ValueError(f"a range's {name} must be a number, got {getattr(self, name)!r}")
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"a range needs finite low < high, got {self.low}, {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a logarithmic range needs low above 0, got {self.low}")
        if self.step is not None and (self.log or not 0 < self.step <= self.high - self.low):
            raise ValueError(f"step must be above 0, at most high - low, and without log, got {self.step}")

    @property
    def whole(self) -> bool:
        """Whether the range holds whole numbers only."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step or 1))

    def lattice(self) -> list[float]:
        """All values of a range with a step, or of whole numbers; ValueError for a range that has no end of them."""
        if self.step is None and (self.log or not self.whole):
            raise ValueError(f"a grid needs choices or a step, got the range from {self.low} to {self.high}")
        step = self.step or 1
        count = math.floor((self.high - self.low) / step + 1e-9) + 1
        return [self.low + i * step for i in range(count)]

    def draw(self, draws: np.random.Generator) -> float:
        """A value drawn uniformly, on a logarithmic scale where `log` says so."""
        if self.step is not None:
            return self.lattice()[draws.integers(len(self.lattice()))]
        if self.log:
            found = math.exp(draws.uniform(math.log(self.low), math.log(self.high + 1 if self.whole else self.high)))
            return min(int(found), int(self.high)) if self.whole else found
        return (
            int(draws.integers(int(self.low), int(self.high) + 1)) if self.whole else draws.uniform(self.low, self.high)
        )


Choices = list[Any] | Range


def read_space(space: Mapping[str, Any]) -> dict[str, Choices]:
    """The space of a file; ValueError names the option and what is allowed."""
    found: dict[str, Choices] = {}
    for option, values in space.items():
        if isinstance(values, list) and values:
            found[option] = values
        elif isinstance(values, dict) and {"low", "high"} <= set(values) <= {"low", "high", "log", "step"}:
            try:
                found[option] = Range(**values)
            except ValueError as error:
                raise ValueError(f"{option}: {error}") from None
        else:
            raise ValueError(f"{option} needs a list of choices or a range {{low: a, high: b}}, got {values!r}")
    if not found:
        raise ValueError("space must name at least one option")
    return found


def grid(space: Mapping[str, Choices]) -> list[Point]:
    """All points of a space of choices and lattices, the last option fastest."""
    axes = [values.lattice() if isinstance(values, Range) else values for values in space.values()]
    return [dict(zip(space, point, strict=True)) for point in itertools.product(*axes)]


def at_random(space: Mapping[str, Choices], count: int, seed: int) -> list[Point]:
    """`count` points drawn independently; the first k of more points are the k points of fewer."""
    found = []
    for index in range(count):
        draws = np.random.default_rng([seed, index])
        found.append(
            {
                option: values.draw(draws) if isinstance(values, Range) else values[draws.integers(len(values))]
                for option, values in space.items()
            }
        )
    return found


class Tree:
    """Points by Optuna's tree-structured Parzen estimator (Bergstra et al. 2011), asked for in batches.

    The same seed, batches and scores give the same points, so that a search that was broken off is replayed from its
    finished trials. ImportError says what to install where Optuna is missing.
    """

    def __init__(self, space: Mapping[str, Choices], maximize: bool, seed: int):
        try:
            import optuna
        except ImportError:
            raise ImportError("search 'optuna' needs the package optuna: pip install -e '.[cluster]'") from None
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        kinds = optuna.distributions
        self._axes: dict[str, Any] = {}
        for option, values in space.items():
            if not isinstance(values, Range):
                self._axes[option] = kinds.CategoricalDistribution(tuple(range(len(values))))
            elif values.whole:
                step = int(values.step or 1)
                self._axes[option] = kinds.IntDistribution(int(values.low), int(values.high), values.log, step)
            else:
                self._axes[option] = kinds.FloatDistribution(values.low, values.high, values.log, values.step)
        self._space, self._failed = space, optuna.trial.TrialState.FAIL
        direction = optuna.study.StudyDirection.MAXIMIZE if maximize else optuna.study.StudyDirection.MINIMIZE
        self._study = optuna.create_study(direction=direction, sampler=optuna.samplers.TPESampler(seed=seed))
        self._asked: list[Any] = []

    def ask(self, count: int) -> list[Point]:
        """The next `count` points."""
        self._asked = [self._study.ask(self._axes) for _ in range(count)]
        return [
            {
                option: values if isinstance(c := self._space[option], Range) else c[values]
                for option, values in p.items()
            }
            for p in (trial.params for trial in self._asked)
        ]

    def tell(self, scores: Sequence[float | None]) -> None:
        """The scores of the points that were asked for last; None for a trial that failed."""
        for trial, score in zip(self._asked, scores, strict=True):
            if score is None or not math.isfinite(score):
                self._study.tell(trial, state=self._failed)
            else:
                self._study.tell(trial, score)


def words(point: Mapping[str, Any]) -> Iterator[str]:
    """A point as options of a command line."""
    for option, value in point.items():
        text = str(value).lower() if isinstance(value, bool) else str(value)
        yield f"--{option}={text}"
