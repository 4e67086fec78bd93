"""Are straight axes worth something? For saved models of one's own: MIG, and setting one factor by its axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.harness.correlation import partial_spearman, permutation_p
from benchmarks.harness.table import Claim

LEAST = 6  # rows a world
LEVEL = 0.05


def straight_axes(worlds: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Claim]:
    """Two claims about the rows of each world, where it has `LEAST` or more: MIG goes with setting one factor by its axis,
    and with what that gains over a random rotation of the code. Rank correlations inside a world, one-sided permutations
    over its codes, by Bonferroni: shown, or undecided.
    """
    known = {
        task: [row for row in rows if {"mig", "factor_axes", "rotated_factor_axes"} <= row.keys()]
        for task, rows in worlds.items()
    }
    known = {task: rows for task, rows in known.items() if len(rows) >= LEAST}
    if not known:
        return []
    found = []
    for says, less in (("setting one factor by its axis", 0.0), ("what it gains over a rotation of the code", 1.0)):
        pairs = {}
        for task, rows in known.items():
            x = np.array([row["mig"] for row in rows])
            y = np.array([row["factor_axes"] - less * row["rotated_factor_axes"] for row in rows])
            pairs[task] = x, y, np.empty((len(rows), 0)), [task] * len(rows)
        r = float(np.mean([partial_spearman(x, y, given) for x, y, given, _ in pairs.values()]))
        p = permutation_p(pairs)
        count = sum(len(rows) for rows in known.values())
        evidence = f"rank correlation {r:+.2f}, permuted p = {p:.2g}, of 2; {count} codes, {len(known)} world"
        evidence += "s" if len(known) > 1 else ""
        text = f"codes of your own: {says} goes with MIG"
        found.append(Claim(text, True if 2 * p <= LEVEL else None, evidence, repetitions=count))  # over codes
    return found
