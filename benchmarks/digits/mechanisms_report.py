"""What causal_mechanisms shows: experts and mechanisms, digits restored, letters, and the claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.papers import Found, Told, by_variant, over
from benchmarks.harness.table import DOWN, UP, Claim, Table, interval

PUBLISHED = {
    "own": ("7 of 10", "-", "-", "-"),
    "accuracy_restored": ("99 or nearly", "99 or nearly", "at most 72", "-"),
    "undone": ("-", "-", "-", "1"),
}
COMPETED = {
    "own": "runs with an expert for each mechanism",
    "experts_used": "experts in use",
    "won_by_own": f"won by a mechanism's expert %{UP}",
    "undone": f"mechanisms undone{UP}",
}
RESTORED = {
    "accuracy_transformed": "judge, transformed %",
    "accuracy_restored": f"restored %{UP}",
    "accuracy_clean": "canonical %",
    "error_before": "error of a pixel, before",
    "error_after": f"after{DOWN}",
    "mig": "MIG",
    "explicitness": f"explicitness{UP}",
}
LETTERS = {
    "letters_transformed": "told, transformed %",
    "letters_restored": f"told, restored %{UP}",
    "letters_same_expert": f"won by the digits' expert %{UP}",
    "letters_undone": f"mechanisms undone{UP}",
}
PERCENT = {"won_by_own", *(name for name in (*RESTORED, *LETTERS) if name.startswith(("accuracy", "letters_")))}
PERCENT -= {"letters_undone"}
POINTS = 0.02  # of the judge's accuracy: how near to canonical digits restored ones must come
MOST = 0.7  # of the runs: the paper's share
Cells = Mapping[str, Sequence[Found]]


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Three tables, the claims, and the first seed's pictures."""
    found = by_variant(results)
    job = results[0].job
    about = f"preset {job.preset}, {len(job.settings.get('mechanisms') or range(10))} mechanisms"
    made = [
        _table(found, COMPETED, f"causal_mechanisms: who undoes what, {about}; mean [95 % interval] over seeds"),
        _table(found, RESTORED, f"causal_mechanisms: test digits, {about}"),
        _table(found, LETTERS, f"causal_mechanisms: printed letters, which no expert saw, {about}"),
    ]
    pictures: dict[str, Path] = {}
    for place, (variant, rows) in enumerate(found.items()):
        names = {"wins.png": "who won what"}
        if not place:
            names = {
                "experts.png": "what every expert makes of a digit under every mechanism; the winner's is framed",
                "restored.png": "test digits as seen, as the winner restores them, and as they were",
                "letters.png": "the same of printed letters",
                "iterations.png": "restored digits that the judge tells, and who wins each mechanism, as experts compete",
            } | names
        if variant != "one net":
            first = min(rows, key=lambda each: each.job.seed)
            kept = {name: told for name, told in names.items() if (first.folder / name).exists()}
            pictures |= {f"causal_mechanisms, {variant}: {told}": first.folder / name for name, told in kept.items()}
    return Told(made, claims(found), pictures)


def _table(found: Cells, columns: Mapping[str, str], title: str) -> Table:
    published = {name: cell for name, cell in PUBLISHED.items() if name in columns}
    lines = []
    for place, (variant, rows) in enumerate(found.items()):
        line = [variant, str(len(rows))]
        for name in columns:
            if name not in rows[0].scores:
                text = "-"
            elif name == "own":
                text = f"{sum(row.scores[name] for row in rows):.0f} of {len(rows)}"
            else:
                text = over(rows, name).text(*((1, 100) if name in PERCENT else (3,) if "error" in name else (2,)))
            if name in published:
                text += f" ({published[name][place]})"
            line.append(text)
        lines.append(tuple(line))
    heads = [f"{title} (published)" if name in published else title for name, title in columns.items()]
    return Table(title, ("experts", "runs", *heads), tuple(lines))


def claims(found: Cells) -> list[Claim]:
    """An expert for each mechanism, digits as well told as canonical ones, and what too few experts and one net miss."""
    rows = list(found.values())
    main, many, few, single = rows if len(rows) == 4 else (rows[0], None, None, None)
    own = sum(each.scores["own"] for each in main)
    lost = interval([each.scores["accuracy_restored"] - each.scores["accuracy_clean"] for each in main])
    made = [
        Claim(
            "each mechanism is won by one expert of its own in at least 7 of 10 runs",
            own >= MOST * len(main),
            f"{own:.0f} of {len(main)} runs; {over(main, 'experts_used').text(1)} experts in use",
        ),
        Claim(
            "the judge's accuracy on restored digits is within 2 points of that on canonical ones",
            lost.low >= -POINTS,
            f"{lost.text(1, 100)} points; transformed {over(main, 'accuracy_transformed').text(1, 100)} %",
        ),
        Claim(
            "what was learned on digits undoes the mechanisms of letters",
            over(main, "letters_restored").low > over(main, "letters_transformed").high,
            f"{over(main, 'letters_restored').text(1, 100)} % told, from {over(main, 'letters_transformed').text(1, 100)} %; "
            f"{over(main, 'letters_same_expert').text(1, 100)} % won by the digits' expert",
        ),
    ]
    if many and few and single:
        idle = [many[0].job.settings["experts"] - each.scores["experts_used"] for each in many]
        rest = interval([each.scores["accuracy_restored"] - each.scores["accuracy_clean"] for each in many])
        made += [
            Claim(
                "too many experts: some stay idle, and restored digits are told as well as canonical ones, within 2 points",
                min(idle) > 0 and rest.low >= -POINTS,
                f"{interval(idle).text(1)} idle; {rest.text(1, 100)} points",
            ),
            _below("too few experts", few, main, "accuracy_restored", 100, "%"),
            _below("one net", single, main, "undone", 1, "mechanisms undone"),
        ]
    return made


def _below(name: str, rows: Sequence[Found], main: Sequence[Found], score: str, scale: int, unit: str) -> Claim:
    """That a control does worse than as many experts as there are mechanisms."""
    less, more = over(rows, score), over(main, score)
    text = f"{name}: " + ("digits are told worse" if unit == "%" else "fewer mechanisms are undone")
    digits = 1
    return Claim(text, less.high < more.low, f"{less.text(digits, scale)} against {more.text(digits, scale)} {unit}")
