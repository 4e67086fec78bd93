"""What switched faces show: the judge, the true pictures, what the codes tell, and the claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.papers import Found, Told, by_row, gap, over, pictures
from benchmarks.harness.table import DOWN, UP, Claim, Table, over_seeds

Columns = Mapping[str, tuple[str, int, float]]
JUDGED: Columns = {
    "accuracy": (f"switched, seen as wanted, %{UP}", 1, 100.0),
    "on": ("put on", 1, 100.0),
    "off": ("taken off", 1, 100.0),
    "rest": (f"the other attribute as it was, %{UP}", 1, 100.0),
    "judge_decoded": (f"decoded with its own labels, %{UP}", 1, 100.0),
}
TRUE: Columns = {
    "identity": (f"from the true picture{DOWN}", 2, 1000.0),
    "identity_there": (f"where that differs from the seen one{DOWN}", 1, 1000.0),
    "decoded_there": ("the true one decoded, there", 1, 1000.0),
    "error": (f"decoded, from the seen one{DOWN}", 2, 1000.0),
}
TELLS: Columns = {
    "probe": (f"label read from z, %{DOWN}", 1, 100.0),
    "probe_mean": (f"from z's mean, %{DOWN}", 1, 100.0),
    "style_z": ("style read from z, %", 1, 100.0),
    "style_w": (f"style read from w, %{UP}", 1, 100.0),
    "mig": (f"MIG{UP}", 3, 1.0),
    "disentanglement": (f"DCI disentanglement{UP}", 2, 1.0),
}
CAPTIONS = {
    "switched.png": "attributes switched",
    "styles.png": "styles given to others",
    "plane.png": "one face over the plane of styles",
}
NAMES = {
    "accuracy": ("switched attributes are seen as wanted more often", 100.0, "points"),
    "identity": ("switched pictures are nearer to the true ones", -1000.0, "thousandths less"),
}


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Three tables, the claims, and the first seed's pictures."""
    found = by_row(results)
    about = f"preset {results[0].job.preset}; {over_seeds(len({each.job.seed for each in results}))}"
    still, true, chance = (over(results, key).text(1, 100) for key in ("still", "true", "style_chance"))
    nothing, there = (over(results, key).text(1, 1000) for key in ("nothing", "nothing_there"))
    heads = (
        f"what a judge sees, {true} % in true switched pictures, {still} % in unswitched ones",
        f"squared error of a pixel, in thousandths; of a picture that is left as it was {nothing}, there {there}",
        f"what the codes tell, labels by chance 50 %, styles {chance} %",
    )
    parts = zip(heads, (JUDGED, TRUE, TELLS), strict=True)
    made = [table(f"Faces: {head}, {about}", found, columns) for head, columns in parts]
    beside = {"switched.png": f"{CAPTIONS['switched.png']}, beside the true pictures"}
    return Told(made, claims(found), pictures(results, CAPTIONS | beside))


def table(title: str, found: Mapping[str, Sequence[Found]], columns: Columns) -> Table:
    """A line a row of the results, with `columns` by the name of a score: a head, digits and a factor."""
    lines = []
    for name, rows in found.items():
        cells = (
            over(rows, key).text(digits, scale) if key in rows[0].scores else "-"
            for key, (_, digits, scale) in columns.items()
        )
        lines.append((name, *cells))
    return Table(title, ("model", *(head for head, _, _ in columns.values())), tuple(lines))


def claims(found: Mapping[str, Sequence[Found]], keys: Sequence[str] = tuple(NAMES)) -> list[Claim]:
    """csvae against the two others of the paper's weights, seed by seed, by the judge and by the true pictures."""
    made = []
    ours = {name: rows for name, rows in found.items() if rows[0].job.model == "csvae"}
    others = {rows[0].job.model: rows for rows in reversed(list(found.values())) if rows[0].job.model != "csvae"}
    for key in keys:
        text, scale, unit = NAMES[key]
        for name, rows in ours.items():
            for other, base in sorted(others.items()):
                gain = gap(rows, base, key, scale)
                made.append(Claim(f"{name}: {text} than by {other}", gain.low > 0, f"{gain.text(1)} {unit}"))
    return made
