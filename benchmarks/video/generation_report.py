"""What mocogan and vgan show: table 1 of Tulyakov et al. 2017, what ACD cannot see, and swaps of content and motion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.papers import Found, Told, by_row, claim, gap, over, pictures
from benchmarks.harness.table import DOWN, UP, Claim, Interval, Table, over_seeds

PUBLISHED = {"real": "0", "vgan": "5.02", "mocogan": "1.79"}
HALF = 0.5  # of the variance
CAPTIONS = {
    "made.png": "made clips, every second frame, below two real ones",
    "made.gif": "made clips",
    "swaps.png": "three contents along three paths",
    "swaps.gif": "a row for each content, a column for each path",
}
SCORES = (  # name, heading, digits, scale
    ("acd", f"ACD{DOWN}", 2, 1),
    ("colour_spread", "colours of two clips apart", 0, 1),
    ("acd_share", f"ACD of that, %{DOWN}", 1, 100),
    ("seen", f"frames with a shape, %{UP}", 1, 100),
    ("area", "area, pixels", 1, 1),
    ("area_distance", f"from real ones{DOWN}", 1, 1),
    ("pieces", f"in pieces{DOWN}", 2, 1),
    ("path", "path, pixels", 0, 1),
    ("path_distance", f"from real ones{DOWN}", 0, 1),
)
CODE_SCORES = {
    "mig": "mig",
    "dci_lasso_disentanglement": "DCI disentanglement",
    "dci_lasso_completeness": "completeness",
    "dci_lasso_informativeness": "informativeness",
}
Rows = Mapping[str, Sequence[Found]]


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Tables, claims, and figures by caption."""
    rows = by_row(results)
    return Told(measured(rows), claims(rows), pictures(results, CAPTIONS))


def measured(rows: Rows) -> list[Table]:
    """The scores of clips beside the published table, and what swapped clips go with."""
    some = next(iter(rows.values()))
    settings = some[0].job.settings
    title = f"preset {some[0].job.preset}; {over_seeds(len(some))}"
    trained = settings.get("frames", 16)
    lines: list[tuple[str, ...]] = [
        (f"{name}, published", "16", acd, *["-"] * (len(SCORES) - 1)) for name, acd in PUBLISHED.items()
    ]
    lines.append(("real", str(trained), *cells(some, "real_")))
    for model, found in rows.items():
        lines.append((model, str(trained), *cells(found)))
        if "long_acd" in found[0].scores:
            lines.append((model, str(3 * trained), *cells(found, "long_")))
            lines.append((model, f"last {trained} of {3 * trained}", *cells(found, "end_")))
    columns = ("clips", "frames", *(heading for _, heading, *_ in SCORES))
    made = [Table(f"Made clips, {title}", columns, tuple(lines))]
    lines = [
        (model + also, *(over(found, prefix + name).text(3) for name in CODE_SCORES))
        for model, found in rows.items()
        for also, prefix in (("", "code_"), (", untrained", "untrained_"))
    ]
    columns = ("judge of clips", *(f"{heading}{UP}" for heading in CODE_SCORES.values()))
    coded = Table(f"Codes of real clips' frames, against the world's factors, {title}", columns, tuple(lines))
    for model, found in rows.items():
        if "colour_with_content" in found[0].scores:
            shares = [
                (kind, *(over(found, f"{kind}_with_{which}", 100).text(1) for which in ("content", "motion")))
                for kind in ("colour", "area", "path")
            ]
            columns = ("of clips", "with content, %", "with motion, %")
            made.append(Table(f"{model}, swapped: what the variance goes with, {title}", columns, tuple(shares)))
    return [*made, coded]


def cells(found: Sequence[Found], prefix: str = "") -> list[str]:
    """A row's scores."""
    return [
        over(found, prefix + name, scale).text(digits) if prefix + name in found[0].scores else "-"
        for name, _, digits, scale in SCORES
    ]


def claims(rows: Rows) -> list[Claim]:
    """What the paper says of mocogan, seed by seed."""
    if "mocogan" not in rows:
        return []
    made, own = [], rows["mocogan"]
    if "vgan" in rows:
        other = rows["vgan"]
        told = (
            ("mocogan has a lower ACD than vgan", "acd", "acd", 1, 2),
            ("also as a share of how far the colours of its clips are apart", "acd_share", "acd_share", 100, 1),
            ("its clips of three times the length have a lower ACD than vgan's", "long_acd", "acd", 1, 2),
        )
        for text, name, theirs, scale, digits in told:
            evidence = f"{over(own, name, scale).text(digits)} against {over(other, theirs, scale).text(digits)}"
            made.append(claim(text, gap(other, own, theirs, 1, name), evidence))
    for kind, which in (("colour", "content"), ("path", "motion")):
        share = over(own, f"{kind}_with_{which}")
        text = f"mocogan, swapped: more than half of the variance of a clip's {kind} goes with {which}"
        more = Interval(share.mean - HALF, share.low - HALF, share.high - HALF, ())
        made.append(claim(text, more, f"{share.text(1, 100)} %"))
    return made
