"""What class_conditional shows: Tables 1 and 2, the styles, and the claims."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.papers import Found, Told, by_variant, over
from benchmarks.harness.table import DOWN, UP, Claim, Interval, Table, interval, over_seeds

WITHOUT, ON_Z, ON_W, TAUGHT = (
    "without L_class",
    "L_class, classifier on z",
    "L_class, classifier on w",
    "L_class, w taught too",
)
PLAIN = "beta = gamma = 1, C = 0"
PUBLISHED_1 = {WITHOUT: ("37", "31"), ON_W: ("30", "45")}  # MNIST
PUBLISHED_2 = {PLAIN: "44", ON_W: "45"}
CLASS = {
    "accuracy_z": f"class read from z %{DOWN}",
    "accuracy_w": f"from w %{UP}",
    "mean_z": f"from z's mean %{DOWN}",
    "mean_w": f"from w's mean %{UP}",
}
REST = {
    "shear_z": "shear from z, R²",
    "shear_w": "from w",
    "thickness_z": "thickness from z, R²",
    "thickness_w": "from w",
    "nll": f"reconstruction, nats{DOWN}",
    "kl_z": "KL of z",
    "kl_w": "KL of w",
    "mig": f"MIG{UP}",
    "disentanglement": f"DCI disentanglement{UP}",
}
Cells = Mapping[str, Sequence[Found]]


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Tables 1 and 2, one of all else, the claims, and the first seed's pictures."""
    found = by_variant(results)
    seeds = len({each.job.seed for each in results})
    about = f"preset {results[0].job.preset}; {over_seeds(seeds)}"
    lines = [_line(name, rows, CLASS, PUBLISHED_1.get(name, ("-", "-"))) for name, rows in found.items()]
    heads = ("model", "published, z %", "w %", *CLASS.values())
    made = [Table(f"class_conditional: table 1, the class as fresh networks read it, {about}", heads, tuple(lines))]
    second = [
        (name, PUBLISHED_2[name], over(found[name], "accuracy_w").text(1, 100)) for name in PUBLISHED_2 if name in found
    ]
    if second:
        title = f"class_conditional: table 2, the class read from w, {about}"
        made.append(Table(title, ("model", "published %", f"ours %{UP}"), tuple(second)))
    lines = [_line(name, rows, REST, ()) for name, rows in found.items()]
    made.append(Table(f"class_conditional: what else the codes hold, {about}", ("model", *REST.values()), tuple(lines)))
    first = results[0].job.seed
    pictures = {
        f"class_conditional, {each.job.variant}: {caption}": each.folder / name
        for each in results
        if each.job.seed == first and each.job.variant in (WITHOUT, TAUGHT)
        for name, caption in (
            ("swaps.png", "ten pictures with the z or the w of another, or as another class"),
            ("traversals.png", "the latents of largest KL moved"),
        )
    }
    return Told(made, claims(found), pictures)


def _line(name: str, rows: Sequence[Found], columns: Mapping[str, str], before: tuple[str, ...]) -> tuple[str, ...]:
    cell = [over(rows, key).text(*_digits(key)) if key in rows[0].scores else "-" for key in columns]
    return (name, *before, *cell)


def _digits(key: str) -> tuple[int, float]:
    if key in CLASS:
        return 1, 100.0
    return (1, 1.0) if key.startswith(("nll", "kl")) else (2, 1.0)


def claims(found: Cells) -> list[Claim]:
    """The class in w and in z, with L_class and without, seed by seed; and weights of 1."""
    made = []
    base = found.get(WITHOUT)
    for variant in (ON_Z, ON_W, TAUGHT):
        rows = found.get(variant)
        if not base or not rows:
            continue
        up, down = (_gain(rows, base, f"accuracy_{code}") for code in "wz")
        evidence = f"w {up.text(1, 100)} points, z {down.text(1, 100)} points"
        made.append(Claim(f"{variant}: class accuracy on w rises and on z falls", up.low > 0 > down.high, evidence))
    plain, ours = found.get(PLAIN), found.get(ON_W)
    if plain and ours:
        gain = _gain(ours, plain, "accuracy_w")
        text = "capacities: w tells the class better than with beta = gamma = 1 and C = 0"
        made.append(Claim(text, gain.low > 0, f"{gain.text(1, 100)} points"))
    return made


def _gain(rows: Sequence[Found], base: Sequence[Found], name: str) -> Interval:
    other = {each.job.seed: each.scores[name] for each in base}
    return interval([each.scores[name] - other[each.job.seed] for each in rows if each.job.seed in other])
