"""What embeddings show: recall at k (figure 2), and how well single dimensions tell attribute values (figure 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.harness.papers import Found, Told, by_row, claim, gap, over, pictures
from benchmarks.harness.table import UP, Claim, Table, over_seeds
from benchmarks.identities.measures import KS, NEAR, SCORES
from borders.files.pictures import write_figure
from envs.characters import ATTRIBUTES

PUBLISHED = {"f_statistic": "90.5 ± 0.4", "triplet": "-", "histogram": "86.3 ± 0.6", "binomial_deviance": "-"}
CAPTIONS = {
    "neighbours.png": "held-out characters and their nine nearest pictures, how many of them are of the same one",
    "ends.png": "for each attribute the dimension that tells it best, AUC: pictures at its lower end, and at its upper end",
}
Rows = Mapping[str, Sequence[Found]]


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Tables, claims, and figures by caption."""
    rows = by_row(results)
    figure = distributions(rows)
    write_figure(figure, out / "auc.png")
    figures = {
        "AUCs of the attribute values, all seeds: the share of them that is at least so large (figure 3)": out
        / "auc.png"
    }
    return Told(measured(rows), claims(rows), figures | pictures(results, CAPTIONS))


def measured(rows: Rows) -> list[Table]:
    """Recall, AUCs with their controls, AUCs by attribute, and scores on the true factors."""
    some = next(iter(rows.values()))
    title = f"preset {some[0].job.preset}; {over_seeds(len(some))}"
    count = round(some[0].scores["values"])
    lines = [(f"{model}, published", "people (CUHK03)", PUBLISHED[model], *["-"] * (len(KS) - 1)) for model in rows]
    lines += [
        (model, "characters", *(over(found, f"recall_{k}", 100).text(1) for k in KS)) for model, found in rows.items()
    ]
    made = [Table(f"Held-out identities, {title}", ("model", "of", *(f"recall@{k} %{UP}" for k in KS)), tuple(lines))]
    columns = ["model"]
    columns += [f"values with an AUC from {least:g}, of {count}{UP}" for least in NEAR]
    columns += [f"mean AUC{UP}", f"rotated: from {NEAR[0]:g}", f"from {NEAR[1]:g}", "mean AUC"]
    columns += [f"untrained: from {NEAR[1]:g}", "mean AUC", "by chance: mean AUC"]
    high, low = (round(100 * least) for least in NEAR)
    lines = []
    for model, found in rows.items():
        cells = [over(found, f"own_{high}").text(1), over(found, f"own_{low}").text(1), over(found, "own_auc").text(3)]
        cells += [over(found, f"rotated_{k}").text(1) for k in (high, low)] + [over(found, "rotated_auc").text(3)]
        cells += [over(found, f"untrained_{low}").text(1), over(found, "untrained_auc").text(3)]
        lines.append((model, *cells, over(found, "chance_auc").text(3)))
    made.append(Table(f"Attribute values told by a single dimension, {title}", tuple(columns), tuple(lines)))
    lines = [(model, *(over(found, f"auc_{name}").text(2) for name in ATTRIBUTES)) for model, found in rows.items()]
    heads = tuple(f"{name}, {len(words)} values{UP}" for name, words in ATTRIBUTES.items())
    made.append(Table(f"Mean AUC by attribute, {title}", ("model", *heads), tuple(lines)))
    lines = [(model, *(over(found, name).text(3) for name in SCORES)) for model, found in rows.items()]
    heads = tuple(f"{name}{UP}" for name in SCORES)
    made.append(Table(f"Scores on all ten factors, {title}", ("model", *heads), tuple(lines)))
    return made


def claims(rows: Rows) -> list[Claim]:
    """What the paper says of the F statistic, by the intervals of differences, seed by seed."""
    if "f_statistic" not in rows:
        return []
    made, own = [], rows["f_statistic"]
    low = round(100 * NEAR[1])
    for other in ("triplet", "histogram"):
        if other in rows:
            more = gap(own, rows[other], f"own_{low}", 1)
            text = f"f_statistic has more attribute values with an AUC from {NEAR[1]:g} on one dimension than {other}"
            made.append(
                claim(
                    text, more, f"{over(own, f'own_{low}').text(1)} against {over(rows[other], f'own_{low}').text(1)}"
                )
            )
            more = gap(own, rows[other], "own_auc", 1)
            evidence = f"{over(own, 'own_auc').text(3)} against {over(rows[other], 'own_auc').text(3)}"
            made.append(claim(f"the mean AUC of f_statistic's values is above that of {other}", more, evidence))
    more = gap(own, own, "own_auc", 1, "rotated_auc")
    evidence = f"mean AUC {over(own, 'own_auc').text(3)} against {over(own, 'rotated_auc').text(3)}"
    made.append(
        claim("it is the axes: f_statistic's own dimensions tell more than those of its code rotated", more, evidence)
    )
    for other in ("triplet", "histogram"):
        if other in rows:
            more = gap(own, rows[other], "recall_1")
            evidence = f"{over(own, 'recall_1', 100).text(1)} % against {over(rows[other], 'recall_1', 100).text(1)} %"
            made.append(claim(f"f_statistic has a higher recall@1 than {other}", more, evidence))
    return made


def distributions(rows: Rows) -> Figure:
    """For each model the share of values, over all seeds, whose AUC is at least x; f_statistic's rotated code beside it."""
    figure = Figure(figsize=(6.4, 3.6), layout="constrained")
    axes = figure.add_subplot()

    def line(found: Sequence[Found], kind: str, **look: str) -> None:
        areas = np.sort(np.concatenate([list(row.scores["areas"][kind].values()) for row in found]))
        axes.step(areas, 1 - np.arange(len(areas)) / len(areas), where="pre", **look)  # type: ignore[arg-type]

    for model, found in rows.items():
        line(found, "own", label=model)
    if "f_statistic" in rows:
        line(rows["f_statistic"], "rotated", label="f_statistic, rotated", color="grey")
        line(rows["f_statistic"], "untrained", label="untrained", color="grey", linestyle="--")
        line(rows["f_statistic"], "chance", label="by chance", color="grey", linestyle=":")
    axes.set(xlabel="AUC of the best dimension", ylabel="share of attribute values", xlim=(0.5, 1), ylim=(0, 1.02))
    axes.legend(fontsize=8)
    return figure
