"""What goes into a score: codes c [n, D], factors f [n, K], and of what kind every factor is.

    alive     dimension i of a code is alive when std(c_i) > 1e-6 max |c_i|   (scaling changes nothing)
    classes   f_k -> 0 .. m - 1       the values of a finite factor, quantile bins of an infinite one
    targets   f_k -> [n, m]           what a regressor predicts: a number, (cos, sin) of an angle, a column per class

A circular factor is never cut open in `targets`, and a class index is never treated as a number: both are faults of
scores that see plain integers only.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, cast, get_args

import numpy as np
import torch
from annotated_types import Interval
from numpy.typing import ArrayLike, NDArray

from envs.world import Factor, Kind

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]
Described = Sequence[Factor | str | tuple[str, float]]

BINS = 20
LARGEST = 1e100
Draws = Annotated[int, Interval(ge=1, le=10**6)]  # of the points on which a classifier is trained or tested
Seeds = Annotated[int, Interval(ge=1, le=1000)]


@dataclass(frozen=True)
class Column:
    """The kind of one factor, and the period of a circular one."""

    kind: Kind
    period: float = math.nan


def least_squares(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """The weights [d, k], of several the least, with which x [n, d] comes closest to y [n, k]: equal in every process.

    By LAPACK's gelsd. The default of `torch.linalg.lstsq` on a CPU, gelsy, takes its pivots from memory that nobody has
    set, and so its last bits change from call to call.
    """
    return torch.linalg.lstsq(x.cpu(), y.cpu(), driver="gelsd").solution.to(x.device)


def as_matrix(values: ArrayLike | torch.Tensor, name: str, least: int = 2) -> Floats:
    """`values` as float64 [n, columns].

    Raises TypeError for what is no numeric array, ValueError for another shape than [n >= least, columns >= 1], a NaN,
    an infinity or a number beyond 1e100, whose powers no float64 holds (the message names the first one).
    """
    try:
        array = values.detach().cpu() if isinstance(values, torch.Tensor) else values
        array = np.asarray(array.double() if isinstance(array, torch.Tensor) and array.is_floating_point() else array)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be numeric, of shape [n, columns]: {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be numeric, got an array of {array.dtype}")
    if array.ndim != 2 or not array.shape[1]:
        raise ValueError(f"{name} must have shape [n, columns], got {array.shape}")
    if len(array) < least:
        raise ValueError(f"{name} must have at least {least} rows for this score, got {len(array)}")
    array = array.astype(np.float64)
    bad = ~(np.abs(array) <= LARGEST)
    if bad.any():
        row, column = np.argwhere(bad)[0]
        raise ValueError(
            f"{name}[{row}, {column}] is {array[row, column]}; all {name} must be finite and within {LARGEST:g}"
        )
    return array


def as_columns(kinds: Described | None, factors: Floats) -> tuple[Column, ...]:
    """The kind of every factor column.

    `kinds` holds one entry per column: a `Factor`, the name of a kind, or `("circular", period)`. None makes every
    factor a number (ordinal where few values occur, else continuous); a class index or an angle must be declared,
    because no array can tell them from a number. Raises ValueError for an unknown kind, a wrong count, a circular
    factor without a period, or values outside a `Factor`'s range.
    """
    if kinds is None:
        return tuple(Column("continuous") for _ in range(factors.shape[1]))
    if len(kinds) != factors.shape[1]:
        raise ValueError(f"kinds must describe {factors.shape[1]} factor columns, got {len(kinds)} entries")
    return tuple(_column(entry, factors[:, k], k) for k, entry in enumerate(kinds))


def _column(entry: Factor | str | tuple[str, float], values: Floats, k: int) -> Column:
    if isinstance(entry, Factor):
        low, high = float(values.min()), float(values.max())
        if low < entry.low - 1e-4 or high > entry.high + 1e-4:
            raise ValueError(
                f"factor {entry.name!r} must lie in [{entry.low:g}, {entry.high:g}], got {low:g} to {high:g}"
            )
        return Column(entry.kind, entry.high if entry.kind == "circular" else math.nan)
    name, period = (entry, math.nan) if isinstance(entry, str) else entry
    if name not in get_args(Kind):
        raise ValueError(f"kinds[{k}] must be a Factor or one of {', '.join(get_args(Kind))}, got {name!r}")
    if name == "circular" and not 0 < period < math.inf:
        raise ValueError(f"kinds[{k}] must be ('circular', period) with a positive finite period, got {entry!r}")
    return Column(cast(Kind, name), period)


def as_pair(
    codes: ArrayLike | torch.Tensor, factors: ArrayLike | torch.Tensor, kinds: Described | None, least: int = 2
) -> tuple[Floats, Floats, tuple[Column, ...]]:
    """Checked codes [n, D], factors [n, K] and the kinds of the factors that vary.

    A factor with a single value says nothing about a code and is left out; ValueError if none is left, if the rows do
    not match, or for anything `as_matrix` and `as_columns` refuse.
    """
    code, factor = as_matrix(codes, "codes", least), as_matrix(factors, "factors", least)
    if len(code) != len(factor):
        raise ValueError(f"codes and factors must have equally many rows, got {len(code)} and {len(factor)}")
    columns = as_columns(kinds, factor)
    varies = np.ptp(factor, axis=0) > 0
    if not varies.any():
        raise ValueError("no factor varies: every factor column holds a single value")
    return code, factor[:, varies], tuple(c for c, kept in zip(columns, varies, strict=True) if kept)


def alive(codes: Floats) -> NDArray[np.bool_]:
    """Which dimensions of `codes` [n, D] vary at all, bool [D]; unchanged by scaling a dimension."""
    return codes.std(axis=0) > 1e-6 * np.abs(codes).max(axis=0)


def standardised(codes: Floats) -> Floats:
    """The alive dimensions of `codes`, each with mean 0 and variance 1: [n, D alive]."""
    kept = codes[:, alive(codes)]
    return (kept - kept.mean(axis=0)) / kept.std(axis=0)


def first_ranks(values: Floats) -> tuple[Labels, int]:
    """For every entry of `values` [n] how many entries are smaller, int [n], and how many distinct values there are."""
    order = np.argsort(values)
    ordered = values[order]
    new = np.concatenate(([True], ordered[1:] != ordered[:-1]))
    ranks = np.empty(len(values), dtype=np.int64)
    ranks[order] = np.maximum.accumulate(np.where(new, np.arange(len(values)), 0))
    return ranks, int(new.sum())


def classes(values: Floats, column: Column) -> Labels:
    """Class labels 0 .. m - 1 of one factor column, int [n].

    The distinct values, where it is categorical or has few of them (at most 20 or sqrt(n), and each twice on average);
    else 20 quantile bins, sqrt(n) for small n. Angles a whole period apart are one value.
    """
    n = len(values)
    if column.kind == "circular":
        values = np.round(values / column.period * 1e6) % 1e6
    ranks, distinct = first_ranks(values)
    few = distinct <= max(BINS, math.isqrt(n)) and 2 * distinct <= n
    if not (few or column.kind == "categorical"):
        ranks = ranks * min(BINS, max(2, math.isqrt(n))) // n
    return np.unique(ranks, return_inverse=True)[1].astype(np.int64)


def targets(values: Floats, column: Column) -> Floats:
    """What a regressor of one factor column predicts, [n, m], with mean 0 and variances summing to 1."""
    if column.kind == "circular":
        angle = 2 * math.pi * values / column.period
        columns = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    elif column.kind == "categorical":
        columns = (values[:, None] == np.unique(values)).astype(np.float64)
    else:
        columns = values[:, None]
    columns = columns - columns.mean(axis=0)
    return columns / math.sqrt(columns.var(axis=0).sum())


def generator_or_default(generator: np.random.Generator | None) -> np.random.Generator:
    """The caller's generator, or a fresh one seeded with 0."""
    return np.random.default_rng(0) if generator is None else generator
