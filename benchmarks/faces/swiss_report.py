"""What the Swiss roll shows: the label in z, switched points, and the claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.papers import Found, Told, by_row, over, pictures
from benchmarks.harness.table import DOWN, UP, Claim, Table, over_seeds

COLUMNS = {
    "probe": (f"label read from z, %{DOWN}", 1, 100.0),
    "probe_mean": (f"from z's mean, %{DOWN}", 1, 100.0),
    "switched": (f"switched points on the other side, %{UP}", 1, 100.0),
    "error": (f"decoded, from the point{DOWN}", 2, 1.0),
    "off_decoded": (f"from the roll{DOWN}", 2, 1.0),
    "off_switched": (f"switched, from the roll{DOWN}", 2, 1.0),
}
HIDDEN = 0.55  # what a fresh network may read of a label whose halves are even


def tables(out: Path, results: Sequence[Found]) -> Told:
    """One table, the claims, and the first seed's pictures."""
    found = by_row(results)
    seeds = len({each.job.seed for each in results})
    lines = [
        (name, *(over(rows, key).text(digits, scale) for key, (_, digits, scale) in COLUMNS.items()))
        for name, rows in found.items()
    ]
    points = over(results, "probe_points").text(1, 100)
    title = (
        f"Swiss roll: labels and points, chance 50 %, from the points themselves {points} %, distances in the roll's units, "
        f"preset {results[0].job.preset}; {over_seeds(seeds)}"
    )
    made = Table(title, ("model", *(head for head, _, _ in COLUMNS.values())), tuple(lines))
    claims = []
    for name, rows in found.items():
        if rows[0].job.model == "csvae":
            read = over(rows, "probe")
            text = f"{name}: the label is not decodable from z (a fresh network is right in less than {HIDDEN:.0%})"
            claims.append(Claim(text, read.high < HIDDEN, f"{read.text(1, 100)} %"))
    return Told([made], claims, pictures(results, {"roll.png": "the roll, decoded and switched, and its codes"}))
