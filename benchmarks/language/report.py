"""The tables, the claims, the figures and the report of `benchmarks.language`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.harness.runs import job_folders
from benchmarks.harness.summary import Summary, by_row, intervals
from benchmarks.harness.table import DOWN, UP, Claim, Table, interval, over_seeds
from borders.files import read_json, read_npz
from borders.files.pictures import write_figure
from envs.text.english import PROTOTYPES

# Clustering error, then perplexities of R, D, F, P: tables 2 and 1 of the paper, on Europarl.
PUBLISHED = {
    "R-1024": ("149", "1.05", "-", "-", "-"),
    "R-D-1024": ("22", "1.04", "2.02", "-", "-"),
    "R-D-F-1024": ("24", "1.04", "2.02", "1.86", "-"),
    "R-D-256": ("29", "1.07", "2.02", "-", "-"),
    "R-D-P-256": ("3", "1.14", "2.05", "-", "1.10"),
}
SAID = {"copied": f"said again, %{UP}", "halfway": f"sentences half way, %{UP}", "summed": f"sums right, %{UP}"}
LISTED = ("R-D-P-256", "R-D-1024")  # the two models of the paper's tables 4 to 6
WIDE = 96  # characters of a listed line
INTRODUCTION = (
    "A model is named by its decoders (R replicates, D German, F French, P parts of speech) and the size of its code. "
    "Clustering error: of 1,400 sentences of 14 prototypes those beside their cluster, best of 100 K-means.",
    "Said again, half way, sums: shares that the world's parser reads as meant; the paper lists examples only.",
)


def tables(jobs: Sequence[Any], results: Sequence[Mapping[str, Any]], folders: Sequence[Path]) -> list[Table]:
    """The clustering errors beside the published ones, the scores of the codes, and the listings of the first seed."""
    seeds = len({job.seed for job in jobs})
    found = intervals(by_row(results))
    title = f"{jobs[0].data.partition(':')[0]}, preset {jobs[0].preset}; {over_seeds(seeds)}"
    rows: list[tuple[str, ...]] = []
    for model, scores in found.items():
        rows.append((f"{model}, published (Europarl)", *PUBLISHED[model]))
        told = [scores[name].text(2) if name in scores else "-" for name in map("perplexity_{}".format, "RDFP")]
        rows.append((model, scores["clustering_error"].text(0), *told))
    columns = ("model", f"clustering error{DOWN}", *(f"perplexity {name}{DOWN}" for name in "RDFP"))
    made = [Table(title, columns, tuple(rows))]
    known = next(iter(found.values()))
    names = [name for name in SCORES if name in known]
    if "copied" in known:
        columns = ("model", *SAID.values(), *(f"{SCORES[name]}{UP}" for name in names))
        cells = [
            (model, *(s[k].text(1, 100) for k in SAID), *(s[k].text(3) for k in names)) for model, s in found.items()
        ]
        made.append(Table("What codes say, and scores on the factors of clauses", columns, tuple(cells)))
    return made + read(jobs, results) + listings(jobs, folders)


def read(jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> list[Table]:
    """What of files was read, by the first job; nothing of a world."""
    if jobs[0].data == "sentences":
        return []
    found = results[0]
    columns = (
        "sentences",
        f"longer than {jobs[0].length} symbols, left out",
        "empty in a language",
        "unknown characters, %",
    )
    counts = (*(f"{found[name]:,}" for name in ("sentences", "too_long", "empty")), f"{100 * found['unknown']:.2f}")
    return [Table("What was read to learn from", columns, (counts,))]


SCORES = {
    "mig": "MIG",
    "sap": "SAP",
    "modularity": "modularity",
    "explicitness": "explicitness",
    "dci_lasso_disentanglement": "DCI disentanglement",
    "dci_lasso_informativeness": "informativeness",
}


def listings(jobs: Sequence[Any], folders: Sequence[Path]) -> list[Table]:
    """What two models say between sentences and of sums, of the first seed."""
    first = {job.model: folder for job, folder in zip(jobs, folders, strict=True) if job.seed == jobs[0].seed}
    chosen = [model for model in LISTED if model in first] or list(first)[:2]
    told = [read_json(first[model] / "listings.json", "what a model says") for model in chosen]
    between = [
        tuple(map(_cut, lines))
        for parts in zip(*(each["between"] for each in told), strict=True)
        for lines in zip(*parts, strict=True)
    ]
    sums = [
        (*parts[0][:3], *(_cut(part[3]) for part in parts))
        for parts in zip(*(each["sums"] for each in told), strict=True)
    ]
    seed = f"seed {jobs[0].seed}"
    return [
        Table(f"Between two sentences, twice; {seed}", tuple(chosen), tuple(between)),
        Table(f"s1 - s2 + s3; {seed}", ("s1", "s2", "s3", *chosen), tuple(sums)),
    ]


def _cut(line: str) -> str:
    """A line, no longer than the longest of a listing need be: a model that has not learned to end goes on."""
    return line if len(line) <= WIDE else f"{line[: WIDE - 3]}..."


def claims(results: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """What the paper says, decided by these runs, seed by seed."""
    errors = {model: [s["clustering_error"] for s in scores] for model, scores in by_row(results).items()}
    made = []
    for fewer, more, text in (
        ("R-1024", "R-D-1024", "a German decoder lowers the clustering error"),
        (
            "R-D-1024",
            "R-D-F-1024",
            "a French decoder beside it lowers it further (in the paper it does not: 22 and 24)",
        ),
        ("R-D-256", "R-D-P-256", "a decoder of parts of speech lowers it"),
    ):
        if {fewer, more} <= errors.keys():
            fall = interval([a - b for a, b in zip(errors[fewer], errors[more], strict=True)])
            evidence = f"{fewer} {_mean(errors[fewer])}, {more} {_mean(errors[more])}, lower by {fall.text(0)}"
            made.append(Claim(text, fall.low > 0, evidence))
    if "R-D-P-256" in errors and len(errors) > 1:
        others = [min(of) for of in zip(*(e for m, e in errors.items() if m != "R-D-P-256"), strict=True)]
        lowest = sum(own < other for own, other in zip(errors["R-D-P-256"], others, strict=True))
        text = "of all models the one with parts of speech has the lowest clustering error, with every seed"
        made.append(Claim(text, lowest == len(others), f"{lowest} of {len(others)} seeds"))
    return made


def _mean(values: Sequence[float]) -> str:
    return interval(values).text(0)


def picture(folders: Mapping[str, Path]) -> Figure:
    """The codes of the prototypes on their two principal axes, a panel a model, a colour a prototype."""
    across = min(len(folders), 3)
    down = -(-len(folders) // across)
    figure = Figure(figsize=(3.2 * across + 1.2, 3.0 * down), layout="constrained")
    colours = [f"C{k}" for k in range(10)] + ["black", "gold", "navy", "lime"]
    for place, (model, folder) in enumerate(folders.items()):
        kept = read_npz(folder / "codes.npz", "codes of the prototypes")
        axes = figure.add_subplot(down, across, place + 1)
        for k, name in enumerate(PROTOTYPES):
            points = kept["points"][kept["labels"] == k]
            axes.scatter(points[:, 0], points[:, 1], s=4, color=colours[k], label=name)
        axes.set_title(model, fontsize=9)
        axes.set(xticks=[], yticks=[])
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize=7, markerscale=2)
    return figure


def summary(out: Path, jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and the picture of the codes."""
    folders = job_folders(out, jobs)
    first = {job.model: folder for job, folder in zip(jobs, folders, strict=True) if job.seed == jobs[0].seed}
    write_figure(picture(first), out / "codes.png")
    caption = f"Codes of the prototypes on their two principal axes, a colour a prototype, seed {jobs[0].seed}"
    return Summary(
        title="Language multitasking",
        introduction=INTRODUCTION,
        tables=tables(jobs, results, folders),
        claims=claims(results),
        figures={caption: out / "codes.png"},
        rows=intervals(by_row(results)),
    )
