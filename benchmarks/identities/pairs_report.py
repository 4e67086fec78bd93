"""What sd_gan shows: table 1 of Donahue et al. 2018, with what made pairs differ by, and grids of both codes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.papers import Found, Told, by_row, claim, gap, over, pictures
from benchmarks.harness.table import DOWN, UP, Claim, Table, over_seeds

PUBLISHED = {"real": (".913", ".867"), "sd_dcgan": (".823", ".749"), "sd_began": (".928", ".857")}
HALF = 0.5  # of what real pictures of a person differ by: a generator with less ignores the observation code
CHANCE = 0.5
CAPTIONS = {"grid.png": "a row for each identity code, a column for each observation code"}
Rows = Mapping[str, Sequence[Found]]


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Tables, claims, and figures by caption."""
    rows = by_row(results)
    return Told(measured(rows), claims(rows), pictures(results, CAPTIONS))


def measured(rows: Rows) -> list[Table]:
    """Verification beside the published table, and what pairs differ by."""
    some = next(iter(rows.values()))
    title = f"preset {some[0].job.preset}; {over_seeds(len(some))}"
    lines: list[tuple[str, ...]] = [
        (f"{name}, published", *PUBLISHED[name], "-") for name in PUBLISHED if name == "real" or name in rows
    ]
    lines.append(("real", *(over(some, f"real_{name}").text(3) for name in ("auc", "accuracy", "pixel_auc"))))
    for model, found in rows.items():
        lines.append((model, *(over(found, f"made_{name}").text(3) for name in ("auc", "accuracy", "pixel_auc"))))
    columns: tuple[str, ...] = ("pairs", f"AUC of the verifier{UP}", f"accuracy{UP}", "AUC of pixel distances")
    made = [Table(f"Pairs of one person told from pairs of two, {title}", columns, tuple(lines))]
    names = ("within", "across")
    lines = [("real", *(over(some, f"real_{name}").text(3) for name in names), "-", over(some, "frechet_real").text(3))]
    for model, found in rows.items():
        share = over(shares(found), "share").text(2)
        lines.append(
            (model, *(over(found, f"made_{name}").text(3) for name in names), share, over(found, "frechet").text(3))
        )
    columns = (
        "pictures",
        "differ within a person, RMS of a pixel",
        "across people",
        "within, of what real ones do",
        f"Fréchet distance of the verifier's codes, of their variance{DOWN}",
    )
    return [*made, Table(f"What pairs differ by, {title}", columns, tuple(lines))]


def shares(found: Sequence[Found]) -> list[Found]:
    """The results with `share`: how much made pictures of a person differ, of what real ones do."""
    return [
        each._replace(scores={"share": each.scores["made_within"] / each.scores["real_within"], "half": HALF})
        for each in found
    ]


def claims(rows: Rows) -> list[Claim]:
    """Whether made pairs are verified above chance and above the control's, and whether that is worth anything."""
    made = []
    for model in ("sd_dcgan", "sd_began"):
        if model not in rows:
            continue
        found = rows[model]
        auc = over(found, "made_auc")
        shown = True if auc.low > CHANCE else False if auc.high <= CHANCE else None
        made.append(Claim(f"{model}: matched made pairs are verified above chance", shown, f"AUC {auc.text(3)}"))
        if "gan" in rows:
            evidence = f"AUC {auc.text(3)} against {over(rows['gan'], 'made_auc').text(3)}"
            more = gap(found, rows["gan"], "made_auc")
            made.append(claim(f"{model}: they are verified better than those of a GAN without pairs", more, evidence))
        each = shares(found)
        text = (
            f"{model}: the observation code is used, views of one identity differ by at least half of what real ones do"
        )
        made.append(claim(text, gap(each, each, "share", other="half"), over(each, "share").text(2)))
    return made
