"""Scores of codes that somebody else computed: from arrays, or from a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from benchmarks.metrics.arrays import Described, as_matrix
from benchmarks.metrics.scoring import LEAST, SCORES, Pool, Values, chosen_scores, score_pool
from borders.files import home, read_npz
from envs.stored import Stored, described
from envs.world import World

OF_PAIRS = ("beta_vae_changed",)  # need pairs of pictures that differ in one factor
OF_CODES = ("mapc", "cvr", "ud90", "code_dependence")  # look at the code alone
WHAT = "codes [n, D] with factors [n, K] and their kinds, as numpy.savez writes them"


def score_codes(
    codes: ArrayLike | Tensor,
    factors: ArrayLike | Tensor | None,
    kinds: Described | None = None,
    names: Sequence[str] | None = None,
    generator: torch.Generator | None = None,
    *,
    factor_names: Sequence[str] | None = None,
    seeds: int = 3,
    compat: bool = False,
) -> Values:
    """All scores that apply to codes [n, D] of factors [n, K], n at least 100, as `score` gives them.

    `kinds` has an entry for every factor: a `Factor`, "categorical", "ordinal", "continuous" or ("circular", period); without
    it every factor is a number. Without factors only scores of the code itself apply. `beta_vae_changed` never does: it
    needs pairs of pictures. ValueError for a named score that does not apply, and for what `score` refuses.
    """
    pool, chosen = code_pool(codes, factors, kinds, names, factor_names=factor_names)
    drawn = torch.Generator().manual_seed(0) if generator is None else generator
    return score_pool(pool, chosen, drawn, seeds=seeds, compat=compat)


def code_pool(
    codes: ArrayLike | Tensor,
    factors: ArrayLike | Tensor | None,
    kinds: Described | None = None,
    names: Sequence[str] | None = None,
    *,
    factor_names: Sequence[str] | None = None,
) -> tuple[Pool, tuple[str, ...]]:
    """Codes and factors as a pool without pairs, and the named scores or all that apply: see `score_codes`."""
    code = as_matrix(codes, "codes", LEAST)
    known: tuple[str, ...] = OF_CODES
    values, found = np.zeros((len(code), 0)), ()
    if factors is not None:
        known = tuple(name for name in SCORES if name not in OF_PAIRS)
        values, found = described(as_matrix(factors, "factors"), kinds, factor_names)  # type: ignore[assignment]
        if len(values) != len(code):
            raise ValueError(f"codes and factors must have equally many rows, got {len(code)} and {len(values)}")
        if not np.ptp(values, axis=0).any():
            raise ValueError("no factor varies: every factor column holds a single value")
    chosen = chosen_scores(names) if names is not None else known
    wrong = [name for name in chosen if name not in known]
    if wrong:
        why = "needs pairs of pictures" if wrong[0] in OF_PAIRS else "needs factors"
        raise ValueError(f"{wrong[0]} does not apply to these codes, it {why}; {', '.join(known)} apply")
    empty = code[:0]
    return Pool(code, values, found, empty, empty, np.zeros(0, np.int64)), chosen


def applicable(world: World, names: Sequence[str] | None) -> tuple[str, ...]:
    """The named scores of a world, or all that apply to it; ValueError where a named one does not.

    Stored pictures show no combination that is not there, so they have no pairs; some have no factors.
    """
    known = tuple(SCORES)
    if isinstance(world, Stored):
        known = tuple(name for name in SCORES if name not in OF_PAIRS) if world.known else OF_CODES
    chosen = known if names is None else chosen_scores(names)
    for name in chosen:
        if name not in known:
            raise ValueError(f"{name} does not apply to these pictures, only {', '.join(known)} do")
    return chosen


def read_codes(path: str | Path) -> tuple[np.ndarray, np.ndarray | None, Described | None, list[str] | None]:
    """The arrays of an npz file: codes, and where it has them factors, kinds and names.

    `kinds` are words, "circular:6.2832" for an angle with its period. ValueError says what is wrong with the file.
    """
    file = home(path)
    arrays = read_npz(file, WHAT)
    if "codes" not in arrays:
        raise ValueError(f"{file} should hold {WHAT}, but it has no array 'codes', only {', '.join(arrays)}")
    kinds = [str(word) for word in arrays["kinds"].reshape(-1).tolist()] if "kinds" in arrays else None
    names = [str(name) for name in arrays["names"].reshape(-1).tolist()] if "names" in arrays else None
    return arrays["codes"], arrays.get("factors"), kinds, names
