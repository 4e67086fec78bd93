"""What independent_prediction shows: table 2 of Whitney & Fergus 2017, which digit a factor moves, and what can be steered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.papers import Found, Told, by_row, claim, gap, over, pictures
from benchmarks.harness.table import DOWN, UP, Claim, Interval, Table, over_seeds

FACTORED, ENTANGLED = "independent_prediction", "entangled_prediction"
APART, STEERED = f"{FACTORED}, drawn apart", f"{FACTORED}, steered"
PUBLISHED = {FACTORED: ("4.61", "0.75", "-2902"), ENTANGLED: ("4.66", "2.61", "-2896")}
HALF = 0.5  # of the information that the twin's parts have of each other
ABOUT = 1.1  # times the twin's nats
TWICE = 2 / 3  # of what a factor moves, where it moves its digit twice as much as the other
CAPTIONS = {
    "alone.png": "two clips as they are seen, as all factors move, and as one moves while the other is held",
    "alone.gif": "clips, a column each: as seen, as all factors move, and as one moves while the other is held",
    "correlations.png": "correlation of every number used (rows) with every number a frame later (columns)",
    "steered.gif": "digits on their way to a goal picture, below it",
}
CONTROL = (  # name, heading
    ("planned", f"CEM on its own transition{UP}"),
    ("placebo_ilqr", f"iLQR on a fitted model{UP}"),
    ("placebo_cem", f"CEM on it{UP}"),
    ("factor_axes", f"one factor set by its axes{UP}"),
    ("factor_readout", f"by a readout{UP}"),
    ("inverse_ridge", f"inverse model, ridge{UP}"),
    ("inverse_network", f"network{UP}"),
)
Rows = Mapping[str, Sequence[Found]]


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Tables, claims, and figures by caption."""
    rows = by_row(results)
    steered = {row: found for row, found in rows.items() if "planned" in found[0].scores}
    watched = {row: found for row, found in rows.items() if row not in steered}
    made = [*(measured(watched) if watched else []), *(driven(steered) if steered else [])]
    return Told(made, claims(rows), pictures(results, CAPTIONS))


def measured(rows: Rows) -> list[Table]:
    """Information and the bound beside the published table, and what factors move."""
    some = next(iter(rows.values()))
    title = f"preset {some[0].job.preset}; {over_seeds(len(some))}"
    lines: list[tuple[str, ...]] = [
        (f"{row}, published", *PUBLISHED[row], "-", "-", "-") for row in rows if row in PUBLISHED
    ]
    for row, found in rows.items():
        own, cross = (over(found, name).text(2) for name in ("own", "cross"))
        elbo, nats, kl = (over(found, name).text(1) for name in ("elbo", "nats", "kl"))
        lines.append((row, own, cross, elbo, nats, kl, over(found, "used").text(1)))
    heads = (f"own future, bits{UP}", f"the other's, bits{DOWN}", f"ELBO, nats a frame{UP}")
    columns: tuple[str, ...] = ("factors", *heads, f"without its constant{DOWN}", "of it KL", "numbers used")
    made = [Table(f"What factors tell of the next frame, {title}", columns, tuple(lines))]
    shares = [
        (row, *(over(found, name, 100).text(1) for name in ("share_red", "share_green", "least_own")))
        for row, found in rows.items()
    ]
    columns = ("factors", f"red digit's own{UP}", f"green digit's own{UP}", f"the lower one{UP}")
    made.append(Table(f"Of what a factor moves, the digit that it is matched with, %, {title}", columns, tuple(shares)))
    return made


def driven(rows: Rows) -> list[Table]:
    """The scores of the planner, and of what others do with the code."""
    some = next(iter(rows.values()))
    title = f"preset {some[0].job.preset}; {over_seeds(len(some))}"
    lines = [(row, *(over(found, name).text(2) for name, _ in CONTROL)) for row, found in rows.items()]
    columns = ("code", *(heading for _, heading in CONTROL))
    return [Table(f"Steered: 0 is chance, 1 who knows the places, {title}", columns, tuple(lines))]


def claims(rows: Rows) -> list[Claim]:
    """What the paper says of its factors, seed by seed, and that a planner can use what was learned."""
    made = []
    if FACTORED in rows and ENTANGLED in rows:
        own, twin = rows[FACTORED], rows[ENTANGLED]
        less = gap(scaled(twin, "cross", HALF), own, "cross", 1)
        evidence = f"{over(own, 'cross').text(2)} against {over(twin, 'cross').text(2)} bits"
        made.append(
            claim("its factors tell at most half as much of each other's future as the twin's parts", less, evidence)
        )
        near = gap(scaled(twin, "nats", ABOUT), own, "nats", 1)
        evidence = f"{over(own, 'nats').text(1)} against {over(twin, 'nats').text(1)} nats a frame without the constant"
        made.append(claim("at about its ELBO: error and KL cost at most a tenth more", near, evidence))
    for row, how in ((FACTORED, ""), (APART, "drawn apart, ")):
        if row in rows:
            share = over(rows[row], "least_own")
            text = f"{how}each factor moves one digit: its own changes at least twice as much as the other"
            made.append(
                claim(text, above(share, TWICE), f"{share.text(1, 100)} % of what the less faithful factor moves")
            )
    if STEERED in rows:
        score = over(rows[STEERED], "planned")
        text = "steered: a planner on its transition goes at least half the way from chance to who knows the places"
        made.append(claim(text, above(score, HALF), score.text(2)))
    return made


def scaled(rows: Sequence[Found], name: str, times: float) -> list[Found]:
    """The rows with one score so many times as large."""
    return [row._replace(scores={**row.scores, name: times * row.scores[name]}) for row in rows]


def above(value: Interval, least: float) -> Interval:
    """By how much a score is above a bound."""
    return Interval(value.mean - least, value.low - least, value.high - least, ())
