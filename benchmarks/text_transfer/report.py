"""The tables, the claims and the sentences of `benchmarks.text_transfer`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.runs import job_folders
from benchmarks.harness.summary import Summary, by_row, first_figures, intervals
from benchmarks.harness.table import DOWN, UP, Claim, Interval, Table, interval, over_seeds
from borders.files import read_json

# Sentiment %, content %, perplexity, reverse perplexity and BLEU with the source, on Yelp.
PUBLISHED = {
    "attribute_transfer": (("Melnyk et al. 2017", "94.4", "77.1", "80.1", "-", "-"),),
    "cross_aligned": (
        ("Melnyk et al. 2017", "86.5", "38.3", "27.0", "-", "-"),
        ("Zhao et al. 2017", "77.1", "-", "65.9", "124.2", "17.75"),
    ),
    "text_ae": (("Zhao et al. 2017", "59.3", "-", "31.9", "68.9", "37.28"),),
    "arae": (
        ("lambda a, Zhao et al. 2017", "73.4", "-", "29.7", "70.1", "31.15"),
        ("lambda b, Zhao et al. 2017", "81.8", "-", "27.7", "77.0", "20.18"),
    ),
}
MAIN = {
    "transfer": f"{{}} %{UP}",
    "content": f"content %{UP}",
    "perplexity": f"perplexity{DOWN}",
    "reverse": f"reverse{DOWN}",
    "bleu": f"BLEU with the source{UP}",
    "same_bleu": f"BLEU said again{UP}",
}
PEOPLE = {"people_bleu": f"BLEU with people's{UP}"}
ORACLE = {
    "parsed_fluent": f"sentences %{UP}",
    "parsed_turned": f"with the other {{}} %{UP}",
    "parsed_kept": f"that kept their content %{UP}",
    "parsed_exact": f"both %{UP}",
    "mig": f"MIG of the code{UP}",
    "explicitness": f"explicitness{UP}",
}
MOVED = {
    "moved_stayed_sentiment": "there before %",
    "moved_sentiment": f"in the other sentiment's cluster %{UP}",
    "shifted_sentiment": "by the means' difference %",
    "moved_stayed_topic": "in its topic's before %",
    "moved_topic": f"in its topic's cluster %{UP}",
    "shifted_topic": "by the means' difference %",
}
BOTH = (("transfer", "{}"), ("content", "content"))
COMPARED = (  # a learner, its baseline, and the scores that should be greater
    ("attribute_transfer", "cross_aligned", BOTH),
    ("arae", "text_ae", (*BOTH[:1], ("", "{} times content"))),
    ("arae", "cross_aligned", BOTH[:1]),
)
SHARES = ("transfer", "content", "parsed_", "moved_", "shifted_")
TOPIC_LOST = 0.05  # share of the sentences whose codes may leave their topic's cluster
INTRODUCTION = (
    "Every learner is shown sentences of several classes, no two of which are a pair, and says test sentences in another. "
    "A classifier of n-grams and a language model that learned from the same real sentences judge them.",
)
Rows = Mapping[str, Sequence[Mapping[str, Any]]]


def summary(out: Path, jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims, figures and sentences of all jobs."""
    rows: Rows = by_row(results, [job.row for job in jobs])
    attribute = jobs[0].attribute
    kind, _, place = jobs[0].data.rpartition(":")
    about = f"{kind or Path(place).name}, preset {jobs[0].preset}; {over_seeds(len({j.seed for j in jobs}))}"
    columns = MAIN | (PEOPLE if "people_bleu" in results[0]["scores"] else {})
    known = [(name, each) for name, of in PUBLISHED.items() if name in rows and attribute == "sentiment" for each in of]
    blanks = ("-",) * (len(columns) - 5)
    first = [(f"{name}, on Yelp ({each[0]})", *each[1:], *blanks) for name, each in known]
    headings = ("model", *(name.format(attribute) for name in columns.values()))
    made = [Table(f"transferred, {about}", headings, (*first, *_lines(rows, columns)))]
    if any("parsed_exact" in each[0] for each in rows.values()):
        headings = ("model", *(name.format(attribute) for name in ORACLE.values()))
        made.append(Table(f"as the parser reads them, {about}", headings, _lines(rows, ORACLE)))
    moving = {name: each for name, each in rows.items() if "moved_sentiment" in each[0]}
    if moving:
        made.append(Table(f"where codes move, {about}", ("model", *MOVED.values()), _lines(moving, MOVED)))
    made += read(results[0], jobs[0].longest)
    said = sentences(out, jobs)
    captions = {"traversed.png": "codes of films and products, and where some are moved"}
    return Summary(
        f"Sentences with another {attribute}",
        INTRODUCTION,
        [*made, said],
        claims(rows, attribute),
        first_figures(jobs, out, captions=captions),
        intervals(rows),
        kept=made if results[0]["files"] else None,  # no sentence of somebody's files
    )


def _lines(rows: Rows, columns: Mapping[str, str]) -> tuple[tuple[str, ...], ...]:
    return tuple((name, *(_cell(each, key) for key in columns)) for name, each in rows.items())


def _cell(each: Sequence[Mapping[str, Any]], key: str) -> str:
    if key not in each[0]:
        return "-"
    share = key.startswith(SHARES)
    digits = 1 if share or key in MAIN or key in PEOPLE else 2
    return interval([scores[key] for scores in each if key in scores]).text(digits, 100 if share else 1)


def sentences(out: Path, jobs: Sequence[Any]) -> Table:
    """Test sentences of the first seed, and what each learner made of them."""
    first = [
        (job, folder) for job, folder in zip(jobs, job_folders(out, jobs), strict=True) if job.seed == jobs[0].seed
    ]
    told = {job.row: read_json(folder / "samples.json", "samples of a run")["samples"] for job, folder in first}
    lines = zip(*told.values(), strict=True)
    rows = tuple((each[0]["from"], *(one["to"] or "(nothing)" for one in each)) for each in lines)
    return Table(f"the first seed's sentences, seed {jobs[0].seed}", ("source", *told), rows)


def read(result: Mapping[str, Any], longest: int) -> list[Table]:
    """What of files was read and what left out; nothing of a world."""
    if not result["files"]:
        return []
    lines = [(n, *(f"{of[k]:,}" for k in ("sentences", "empty", "too_long"))) for n, of in result["files"].items()]
    unknown = ", ".join(f"{name} {100 * share:.1f} %" for name, share in result["unknown"].items())
    columns = ("file", "sentences", "empty lines left out", f"longer than {longest} words, left out")
    return [Table(f"what was read; words that are unknown: {unknown}", columns, tuple(lines))]


def claims(rows: Rows, attribute: str = "sentiment") -> list[Claim]:
    """attribute_transfer and arae against their baselines, seed by seed; and where sentiment_mmd moves codes."""
    made = []
    for name, other, scores in COMPARED:
        ours, base = rows.get(name), rows.get(other)
        if ours and base:
            made += [
                _gain(f"{name}'s {word.format(attribute)} is above {other}'s", ours, base, k) for k, word in scores
            ]
    ours, base = rows.get("arae"), rows.get("cross_aligned")
    if ours and base and all("perplexity" in each for each in (*ours, *base)):
        less = interval([b["perplexity"] - a["perplexity"] for a, b in zip(ours, base, strict=True)])
        made.append(Claim("arae's perplexity is below cross_aligned's", less.low > 0, f"by {less.text(1)}"))
    whole = rows.get("attribute_transfer")
    for name, each in rows.items():
        if whole and name.startswith("attribute_transfer without "):
            loss = name.rpartition(" ")[2]
            made.append(
                _gain(f"attribute_transfer needs {loss}: {attribute} times content falls without it", whole, each)
            )
    moving = rows.get("sentiment_mmd")
    if moving and "moved_sentiment" in moving[0]:
        there = interval([each["moved_sentiment"] for each in moving])
        before = interval([each["moved_stayed_sentiment"] for each in moving])
        text = "sentiment_mmd: most traversed codes lie in the other sentiment's cluster"
        made.append(Claim(text, there.low > 0.5, f"{_percent(there)} % of them, {_percent(before)} % before"))
        kept = interval([each["moved_topic"] - each["moved_stayed_topic"] for each in moving])
        text = f"sentiment_mmd: under {100 * TOPIC_LOST:.0f} % of the traversed codes leave their topic's cluster"
        made.append(Claim(text, kept.low > -TOPIC_LOST, f"{kept.text(1, 100)} points"))
    return made


def _gain(text: str, ours: Sequence[Mapping[str, Any]], base: Sequence[Mapping[str, Any]], key: str = "") -> Claim:
    """That a score, or transfer times content, is greater, seed by seed."""
    first, second = ([s[key] if key else s["transfer"] * s["content"] for s in each] for each in (ours, base))
    gain = interval([a - b for a, b in zip(first, second, strict=True)])
    return Claim(text, gain.low > 0, f"{gain.text(1, 100)} points")


def _percent(of: Interval) -> str:
    return of.text(1, 100)
