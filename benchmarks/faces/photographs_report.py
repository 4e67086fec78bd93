"""What switched photographs show: the judge, what the codes tell, and the claims."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.faces.attributes_report import CAPTIONS, JUDGED, TELLS, claims, table
from benchmarks.harness.papers import Found, Told, by_row, over, pictures
from benchmarks.harness.table import over_seeds

READ = {key: TELLS[key] for key in ("probe", "probe_mean")}


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Two tables, the claims, and the first seed's pictures."""
    found = by_row(results)
    about = f"preset {results[0].job.preset}; {over_seeds(len({each.job.seed for each in results}))}"
    judge, still = (over(results, key).text(1, 100) for key in ("judge", "still"))
    heads = (
        f"what a judge sees, which is right of {judge} % of labels, and of {still} % in pictures not switched",
        "what the codes tell, by chance 50 %",
    )
    parts = zip(heads, (JUDGED, READ), strict=True)
    made = [table(f"Photographs: {head}, {about}", found, columns) for head, columns in parts]
    return Told(made, claims(found, ("accuracy",)), pictures(results, CAPTIONS))
