"""What linear_constraints shows: Table 1, and pictures that were asked for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.papers import Found, Told, by_variant, over
from benchmarks.harness.table import DOWN, UP, Claim, Table, interval, over_seeds

PUBLISHED = {"AE, separate": "39.1", "AE, joint": "70.1", "VAE, separate": "76.5", "VAE, joint": "79.1"}
READ = {"accuracy": f"accuracy %{UP}", "probe": f"linear probe %{UP}", "error": f"squared error{DOWN}"}
ASKED = {
    "judge": f"judge, real pictures %{UP}",
    "reached_centred": f"classes reached %{UP}",
    "reached_last": f"with last-class ratios %{UP}",
    "asked_0.99": f"asked at 0.99 %{UP}",
    "asked_0.9": f"at 0.9 %{UP}",
    "exact": f"own estimate off by{DOWN}",
    "either": f"either of two at 0.5 %{UP}",
    "edited": f"class edited %{UP}",
}
NUMBERS = {
    "r2_shear": f"shear read, R²{UP}",
    "r2_thickness": f"thickness read, R²{UP}",
    "asked_shear": f"shear asked, R²{UP}",
    "asked_thickness": f"thickness asked, R²{UP}",
    "kept_shear": f"class kept, shear edited %{UP}",
    "kept_thickness": f"class kept, thickness edited %{UP}",
    "held": f"styles held, class edited, R²{UP}",
}
AGREES = 0.9  # of the judge's verdicts: pictures are classified as requested


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Two tables of classes, one of numbers; the claims; the first seed's pictures."""
    found = by_variant(results)
    preset = results[0].job.preset
    title = f"preset {preset}; {over_seeds(len({each.job.seed for each in results}))}"
    made = [
        _table(found, READ, f"linear_constraints: the class read off the code, {title}", "published %", PUBLISHED),
        _table(found, ASKED, f"linear_constraints: pictures that were asked for, {title}"),
        _table(found, NUMBERS, f"linear_constraints: numbers beside the class, {title}"),
    ]
    first = results[0].job.seed
    pictures = {
        f"linear_constraints, {each.job.variant}: {caption}": each.folder / name
        for name, caption in (
            ("asked.png", "pictures asked for by a distribution over classes, in the styles of ten pictures"),
            ("edited.png", "pictures, and one attribute of each edited"),
        )
        for each in results
        if each.job.seed == first and "joint" in each.job.variant
    }
    return Told([table for table in made if table.rows], claims(found), pictures)


def _table(
    found: dict[str, list[Found]],
    columns: dict[str, str],
    title: str,
    more: str = "",
    published: dict[str, str] | None = None,
) -> Table:
    known = [name for name in columns if any(name in rows[0].scores for rows in found.values())]
    lines = []
    for variant, rows in found.items():
        if not any(name in rows[0].scores for name in known):
            continue
        cell = [
            over(rows, name).text(*((1, 100) if "%" in columns[name] else (2,))) if name in rows[0].scores else "-"
            for name in known
        ]
        told = [(published or {}).get(variant.removesuffix(", 2"), "-")] if more else []
        lines.append((variant, *told, *cell))
    return Table(title, ("training, dimensions", *([more] if more else []), *(columns[n] for n in known)), tuple(lines))


def claims(found: dict[str, list[Found]]) -> list[Claim]:
    """Joint training against separate, and requests against verdicts."""
    made = []
    for kind in ("AE", "VAE"):
        joint, apart = found.get(f"{kind}, joint, 2"), found.get(f"{kind}, separate, 2")
        if joint and apart:
            paired = zip(joint, apart, strict=True)
            gain = interval([a.scores["accuracy"] - b.scores["accuracy"] for a, b in paired])
            evidence = f"{over(joint, 'accuracy').text(1, 100)} against {over(apart, 'accuracy').text(1, 100)} %"
            made.append(Claim(f"{kind} of two dimensions: joint training is above separate", gain.low > 0, evidence))
    for kind in ("AE", "VAE"):
        for variant, rows in found.items():
            if variant.startswith(f"{kind}, joint") and "edited" in rows[0].scores:
                share = over(rows, "asked_0.99")
                text = f"{variant}: at least 90 % of pictures asked for by class are classified as requested"
                evidence = f"{share.text(1, 100)} %; of real pictures {over(rows, 'judge').text(1, 100)} %"
                made.append(Claim(text, share.low >= AGREES, evidence))
    return made
