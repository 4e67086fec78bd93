"""What an agent loses where it was not trained, code by code: the consumers `transfer` and `policy_transfer`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.harness.table import Table

PLACES = {
    "transfer_block_ridge": "new combinations, ridge",
    "transfer_block_network": "new combinations, network",
    "transfer_range_ridge": "new range, ridge",
    "transfer_range_network": "new range, network",
    "policy_block": "new combinations, PPO",
}


def transfer_table(rows: Sequence[dict[str, Any]]) -> Table | None:
    """For every row, averaged over tasks and seeds: the score where its agent was not trained, and in brackets that less the
    score of one that was trained there too, in the same tests. None where no row was asked for it.
    """
    names = [name for name in PLACES if any(f"{name}_seen" in row for row in rows)]
    if not names:
        return None
    lines = []
    for label in dict.fromkeys(row["row"] for row in rows):
        mine = [row for row in rows if row["row"] == label]
        cells = []
        for name in names:
            known = [(row[name], row[f"{name}_seen"]) for row in mine if f"{name}_seen" in row]
            new, seen = np.mean(known, axis=0) if known else (np.nan, np.nan)
            cells.append(f"{new:.2f} ({new - seen:+.2f})" if known else "-")
        lines.append((label, mine[0]["stratum"], *cells))
    title = "where an agent was not trained: its score (and that less the score of one that was, in the same tests)"
    return Table(title, ("row", "stratum", *(PLACES[name] for name in names)), tuple(lines))
