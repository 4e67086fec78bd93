"""The tables, the claims and the report of `benchmarks.sprites`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.harness.summary import Summary, by_row, first_figures, intervals
from benchmarks.harness.table import DOWN, Claim, Interval, Table, interval, over_seeds
from benchmarks.harness.words import READS, WAYS, arrow, called
from benchmarks.metrics import SCORES
from benchmarks.sprites.figures import curve_figure, write

MAIN = ("beta_vae_fixed", "factor_vae", "mig", "sap", "modularity", "dci_lasso_disentanglement")
# Kumar et al. 2017, table 1, and Kim & Mnih 2017, figure 3: metric (one factor fixed), squared error a pixel, nats.
PUBLISHED = {
    "vae": "81.3 %, 0.0017 a pixel",
    "beta_vae (beta 4)": "80.7 %, 0.0032 a pixel",
    "beta_vae (beta 60)": "95.7 %, 0.0113 a pixel",
    "beta_vae (beta 7)": "over 60 nats",
    "dip_vae": "98.7 %, 0.0018 a pixel",
    "factor_vae (gamma 35)": "about 40 nats",
}

CAPTIONS = {
    "traversals.png": "every latent of one picture moved from -3 to 3, the most informative first, with its KL in nats",
    "reconstructions.png": "pictures, and what is drawn of their codes",
    "positions.png": "the mean of every latent where the sprite is; bands are a coordinate",
    "kl.png": "the KL of every latent against the capacity it was trained at",
    "stages.png": "what is drawn at even stages of the training, as the capacity rises",
}

INTRODUCTION = (
    "Nats a picture: -log p(x | z) at a sample of the posterior, pixels summed. Error a pixel: mean squared error at "
    "the posterior mean. Latents used: those with a mean KL above 0.1 nats.",
    "The published metric is beta_vae_fixed in per cent; Kim and Mnih leave shape out of theirs, these scores do not.",
    READS,
)

Scores = Mapping[str, Any]
Rows = dict[str, list[Scores]]


def mean_of(rows: Sequence[Scores], key: str) -> Interval:
    """Mean of a score over seeds with its interval."""
    return interval([row[key] for row in rows])


def tables(results: Sequence[Mapping[str, Any]], jobs: Sequence[Any], floor: Mapping[str, Scores]) -> list[Table]:
    """The models with the published figures beside them, all scores, and when factors come in.

    `floor` holds the scores of noise and of a random linear code by name.
    """
    rows = by_row(results, [job.row for job in jobs])
    scored = {row: found for row, found in rows.items() if "pixel_error" in found[0]}
    made = [_main(scored, results, jobs, floor), _all(scored, jobs[0].world, floor)] if scored else []
    return made + [_onsets(row, found) for row, found in rows.items() if row not in scored]


def _main(
    scored: Rows, results: Sequence[Mapping[str, Any]], jobs: Sequence[Any], floor: Mapping[str, Scores]
) -> Table:
    shown = [name for name in MAIN if name in next(iter(scored.values()))[0]]
    columns = ("model", f"nats a picture{DOWN}", f"error a pixel{DOWN}", "latents used", *map(arrow, shown))
    columns += (f"CPU seconds{DOWN}", "published")
    lines = []
    for row, found in scored.items():
        seconds = [r["processor"] for r, job in zip(results, jobs, strict=True) if job.row == row]
        published = PUBLISHED.get(row, PUBLISHED.get(row.split(" (")[0], "")) if jobs[0].world == "dsprites" else ""
        cells = [
            mean_of(found, key).text(digits) for key, digits in (("nll", 1), ("pixel_error", 4), ("latents_used", 1))
        ]
        cells += [mean_of(found, name).text(3) for name in shown]
        lines.append((row, *cells, interval(seconds).text(0), published))
    for name, scores in floor.items():
        lines.append((called(name), "-", "-", "-", *(f"{scores[key]:.3f}" for key in shown), "-", ""))
    seeds = over_seeds(len({job.seed for job in jobs}))
    title = f"{jobs[0].world}, preset {jobs[0].preset}, {jobs[0].pictures} pictures; {seeds}"
    return Table(title, columns, tuple(lines))


def _all(scored: Rows, world: str, floor: Mapping[str, Scores]) -> Table:
    first = next(iter(scored.values()))[0]
    keys = [key for key in first if key.startswith(tuple(SCORES)) and not key.endswith(("_low", "_high"))]
    lines = []
    for key in keys:
        cells = [mean_of(found, key).text(3) for found in scored.values()]
        lines.append((key, *cells, *(f"{scores[key]:.3f}" if key in scores else "-" for scores in floor.values())))
    columns = ("score", *scored, *map(called, floor))
    return Table(f"{world}: all scores; {WAYS}", columns, tuple(lines))


def _onsets(row: str, found: Sequence[Scores]) -> Table:
    names = [key.removeprefix("onset_") for key in found[0] if key.startswith("onset_")]
    lines = [(n, mean_of(found, f"onset_{n}").text(1), mean_of(found, f"kl_{n}").text(2)) for n in names]
    columns = ("factor", "above half a nat from capacity (nats)", "nats at the end")
    return Table(f"{row}: the order in which factors come in", columns, tuple(lines))


def claims(results: Sequence[Mapping[str, Any]], jobs: Sequence[Any]) -> list[Claim]:
    """What the papers say of the models that were run.

    A model is above another where the 95 % interval of the difference, seed by seed, is; of the rows of one model the
    first speaks for it. Where a model was run over its knob, the claims are those of the curves instead.
    """
    rows, world = by_row(results, [job.row for job in jobs]), jobs[0].world
    chosen: dict[str, list[Scores]] = {}
    for label, found in rows.items():
        chosen.setdefault(label.split(" (")[0], found)
    made = []
    if world == "blobs" and {"vae", "beta_vae"} <= chosen.keys():
        few, many = (mean_of(chosen[name], "latents_used") for name in ("beta_vae", "vae"))
        label = next(row for row in rows if row.startswith("beta_vae"))
        text = f"{label} represents the blob's position in 2 latents, the VAE in more"
        made.append(Claim(text, few.mean == 2 < many.mean, f"{few.text(1)} against {many.text(1)}"))
    if world == "blobs":
        return made
    made += [_colours(row, found) for row, found in rows.items() if "corr_red" in found[0]]
    if any(len(curve) > 1 for curve in curves(rows).values()):
        return curve_claims(curves(rows))
    if {"vae", "dip_vae"} <= chosen.keys():
        made.append(_dip(chosen["dip_vae"], chosen["vae"]))
    if {"beta_vae", "factor_vae"} <= chosen.keys():
        text = "FactorVAE: FactorVAE score above beta-VAE's at lower reconstruction error"
        made.append(_better(text, chosen["factor_vae"], chosen["beta_vae"], strictly=True))
    if {"beta_vae", "capacity_vae"} <= chosen.keys():
        text = "controlled capacity: better reconstruction than beta-VAE at equal or better FactorVAE score"
        made.append(_better(text, chosen["capacity_vae"], chosen["beta_vae"], strictly=False))
    if "factor_bottleneck" in chosen and {"x", "y", "scale", "shape", "orientation"} <= {
        key.removeprefix("onset_") for key in chosen["factor_bottleneck"][0]
    }:
        made.append(_order(chosen["factor_bottleneck"]))
    return made


def _colours(row: str, found: Sequence[Scores]) -> Claim:
    text = f"{row}: red, green and blue each in a latent of its own, absolute rank correlation at least 0.9"
    least = [scores["corr_least"] for scores in found]
    shown = all(scores["corr_least"] >= 0.9 and scores["features_used"] == 3 for scores in found)
    return Claim(text, shown, f"least of the three {interval(least).text(3)}, worst seed {min(least):.3f}")


def curves(rows: Rows) -> dict[str, Rows]:
    """Rows by the model they are of."""
    found: dict[str, Rows] = {}
    for label, scores in rows.items():
        found.setdefault(label.split(" (")[0], {})[label] = scores
    return found


def curve_claims(found: Mapping[str, Rows]) -> list[Claim]:
    """What figure 1 of Kumar et al. and figure 3 of Kim and Mnih say of the learners' curves, by means over seeds."""
    made = []
    if len(found.get("beta_vae", {})) > 1:
        ends = [mean_of(scores, "nll") for scores in found["beta_vae"].values()]
        text = "beta-VAE: reconstruction gets worse with every rise of beta"
        shown = all(a.mean < b.mean for a, b in pairwise(ends))
        made.append(Claim(text, shown, ", ".join(f"{end.mean:.1f}" for end in ends) + " nats"))
    for model, name, score in (
        ("dip_vae", "DIP-VAE", "beta_vae_fixed"),
        ("dip_vae_ii", "DIP-VAE-II", "beta_vae_fixed"),
        ("factor_vae", "FactorVAE", "factor_vae"),
    ):
        if {model, "beta_vae"} <= found.keys() and score in next(iter(found[model].values()))[0]:
            made.append(_tops(name, score, found[model], found["beta_vae"]))
    return made


def _tops(name: str, score: str, ours: Rows, other: Rows) -> Claim:
    text = f"{name}: the best {score} of its curve is above beta-VAE's best, at lower reconstruction error"
    best, rival = (max(rows, key=lambda label: mean_of(rows[label], score).mean) for rows in (ours, other))
    a, b = mean_of(ours[best], score), mean_of(other[rival], score)
    nll, worse = mean_of(ours[best], "nll"), mean_of(other[rival], "nll")
    evidence = f"{best}: {a.text(3)} at {nll.text(1)} nats, {rival}: {b.text(3)} at {worse.text(1)}"
    return Claim(text, a.mean > b.mean and nll.mean < worse.mean, evidence)


def _dip(ours: Sequence[Scores], vae: Sequence[Scores]) -> Claim:
    text = "DIP-VAE: metric (one factor fixed) above the VAE's at a reconstruction error within 10 % of it"
    if "beta_vae_fixed" not in ours[0]:
        return Claim(text, None, "beta_vae_fixed was not asked for")
    metric, base = mean_of(ours, "beta_vae_fixed"), mean_of(vae, "beta_vae_fixed")
    error, other = mean_of(ours, "pixel_error"), mean_of(vae, "pixel_error")
    shown = gain(ours, vae, "beta_vae_fixed").low > 0 and error.mean <= 1.1 * other.mean and learned(ours, vae)
    evidence = f"{metric.text(3)} against {base.text(3)}, error a pixel {error.text(4)} against {other.text(4)}"
    return Claim(text, shown, evidence)


def _better(text: str, ours: Sequence[Scores], other: Sequence[Scores], strictly: bool) -> Claim:
    if "factor_vae" not in ours[0]:
        return Claim(text, None, "factor_vae was not asked for")
    score, base = mean_of(ours, "factor_vae"), mean_of(other, "factor_vae")
    nll, worse = mean_of(ours, "nll"), mean_of(other, "nll")
    more = gain(ours, other, "factor_vae")
    shown = (more.low > 0 if strictly else more.mean >= 0) and gain(ours, other, "nll").high < 0
    evidence = f"{score.text(3)} against {base.text(3)}, {nll.text(1)} against {worse.text(1)} nats"
    return Claim(text, shown and learned(ours, other), evidence)


def gain(ours: Sequence[Scores], other: Sequence[Scores], key: str) -> Interval:
    """The difference of a score between two models, seed by seed, with its interval."""
    return interval([a[key] - b[key] for a, b in zip(ours, other, strict=True)])


def learned(*models: Sequence[Scores]) -> bool:
    """Whether every model uses a latent at all on every seed: before that, no comparison says anything."""
    return all(scores["latents_used"] >= 1 for found in models for scores in found)


def _order(found: Sequence[Scores]) -> Claim:
    text = "capacity goes to position first, then scale, then shape and rotation"
    at = {name: mean_of(found, f"onset_{name}") for name in ("x", "y", "scale", "shape", "orientation")}
    position = max(at["x"].mean, at["y"].mean)
    shown = position < at["scale"].mean < min(at["shape"].mean, at["orientation"].mean)
    return Claim(text, shown, ", ".join(f"{name} from {value.text(1)}" for name, value in at.items()) + " nats")


def summary(out: Path, jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, claims and figures; the last of the results is that of codes that no learning made."""
    results, floor = results[: len(jobs)], results[-1]["scores"]
    rows = by_row(results, [job.row for job in jobs])
    figures = first_figures(jobs, out, "row", CAPTIONS)
    if any(len(curve) > 1 for curve in curves(rows).values()):
        write(curve_figure(results, jobs), out / "curve.png")
        figures["Score against reconstruction: a line for each model, its knob beside every point"] = out / "curve.png"
    return Summary(
        title=f"Learners without labels: {jobs[0].world}",
        introduction=INTRODUCTION,
        tables=tables(results, jobs, floor),
        claims=claims(results, jobs),
        figures=figures,
        rows=intervals(rows),
        more={"baselines": floor},
    )
