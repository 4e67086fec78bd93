"""What mvae and object_vae show: counting, the bound, and whose pixels change when a part of a code does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.harness.papers import Found, Told, by_row, claim, gap, over, pictures
from benchmarks.harness.table import DOWN, UP, Claim, Table, over_seeds

PUBLISHED = 0.726  # scenes counted right, new ones
STILL = 0.1  # of what the exchanged sprites' pixels change: others that change less stay as they are
CAPTIONS = {
    "scenes.png": "seen, decoded, and decoded from the prior",
    "exchange.png": "pairs of scenes, and what becomes of them when they exchange their objects of largest KL",
    "sequence.png": "scenes decoded by one object more in every row, in the order of their KL",
    "traversals.png": "the dimensions of one object, from -2.25 to 2.25",
    "maps.png": "KL maps early and late in training",
}
SHARES = {
    "exchange_inside": f"of an exchange, inside{UP}",
    "exchange_area": "area of inside",
    "exchange_others": f"a pixel of others, of one exchanged{DOWN}",
    "moved_inside": f"of a moved latent, in one sprite{UP}",
    "added_inside": f"of an object added, in one sprite{UP}",
    "each_once": f"first objects are the sprites{UP}",
    "surplus": f"a surplus object, of a first one{DOWN}",
}
Rows = Mapping[str, Sequence[Found]]


def tables(out: Path, results: Sequence[Found]) -> Told:
    """Tables, claims, and figures by caption."""
    rows = by_row(results)
    return Told(measured(rows), claims(rows), pictures(results, CAPTIONS))


def measured(rows: Rows) -> list[Table]:
    """Counting beside the published figures, the bound, and what changes."""
    some = next(iter(rows.values()))
    title = f"preset {some[0].job.preset}; {over_seeds(len(some))}"
    counting = {model: found for model, found in rows.items() if "count_test" in found[0].scores}
    made = [counted(counting, title)] if counting else []
    names = {"elbo": f"bound{UP}", "nll": f"-log p(x given z){DOWN}", "kl": "KL"}
    lines = [
        (model, *(over(found, name).text(1) for name in names), over(found, "pixel_error").text(4))
        for model, found in rows.items()
    ]
    columns = ("model", *names.values(), f"squared error of a pixel{DOWN}")
    made.append(Table(f"Nats of a new scene, {title}", columns, tuple(lines)))
    lines = [(model, *(cell(found, name) for name in SHARES)) for model, found in rows.items()]
    return [*made, Table(f"Where pictures change, %, {title}", ("model", *SHARES.values()), tuple(lines))]


def counted(rows: Rows, title: str) -> Table:
    """Scenes counted right, in all and by the number of sprites, with what is published and what could be."""
    scores = next(iter(rows.values()))[0].scores  # what is true of the scenes is so for all models
    by = [name for name in scores if name.removeprefix("count_").isdigit()]
    names = ("count_train", "count_test", "count_apart", *by)
    blank = ("-",) * (1 + len(by))
    lines = [("mvae, published", "74.4", "72.6", *blank)]
    lines += [(model, *(cell(found, name) for name in names)) for model, found in rows.items()]
    lines.append(("always the commonest number", "-", f"{100 * scores['commonest']:.1f}", *blank))
    lines.append(("all whose sprites can be seen", "-", f"{100 * scores['all_seen']:.1f}", *blank))
    apart = f"no overlap, {100 * scores['apart']:.0f} % of them{UP}"
    columns = ("counted by", "searched on", f"new scenes{UP}", apart, *(f"of {name[6:]}{UP}" for name in by))
    return Table(f"Scenes counted right, %, {title}", columns, tuple(lines))


def cell(found: Sequence[Found], name: str) -> str:
    """A share in per cent over seeds, or that a model has none."""
    return over(found, name, 100).text(1) if name in found[0].scores else "-"


def below(text: str, found: Sequence[Found], name: str, most: float) -> Claim:
    """A claim that a share is below `most`, by its interval."""
    share = over(found, name)
    shown = True if share.high < most else False if share.low >= most else None
    return Claim(text, shown, f"{over(found, name, 100).text(1)} %")


def claims(rows: Rows) -> list[Claim]:
    """What the paper says of its model, by intervals over seeds."""
    made = []
    for model, found in rows.items():
        if not model.startswith("mvae"):
            continue
        count = over(found, "count_test")
        shown = True if count.low >= PUBLISHED else False if count.high < PUBLISHED else None
        evidence = f"{over(found, 'count_test', 100).text(1)} %, published 72.6"
        made.append(Claim(f"{model} counts at least 72.6 % of new scenes right", shown, evidence))
        text = f"{model}: the exchanged sprite is the only one that changes, a pixel of others by less than a tenth as much"
        made.append(below(text, found, "exchange_others", STILL))
        text = (
            f"{model}: objects beyond the sprites decode to nothing, a tenth of the change of one of the first at most"
        )
        made.append(below(text, found, "surplus", STILL))
        sharper = over(found, "sharp"), over(found, "sharp_early")
        evidence = f"{over(found, 'sharp', 100).text(1)} % of a map's KL in the chosen places, early "
        evidence += f"{over(found, 'sharp_early', 100).text(1)} %"
        made.append(Claim(f"{model}: KL maps become sharp in training", sharper[0].low > sharper[1].high, evidence))
        if "object_vae" in rows:
            other = rows["object_vae"]
            made += [
                more(
                    f"{model}: more of an exchange's change is inside the exchanged sprites",
                    found,
                    other,
                    "exchange_inside",
                ),
                more(f"{model}: a moved latent changes one sprite only, more so", found, other, "moved_inside"),
            ]
    return made


def more(text: str, found: Sequence[Found], other: Sequence[Found], name: str) -> Claim:
    """A claim that a share is above object_vae's, by the interval of the differences seed by seed."""
    evidence = f"{over(found, name, 100).text(1)} % against {over(other, name, 100).text(1)} %"
    return claim(f"{text} than with object_vae", gap(found, other, name), evidence)
