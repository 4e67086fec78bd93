"""The tables and the claims of `benchmarks.sprites`: results in, published figures beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from benchmarks.metrics import SCORES
from benchmarks.table import Claim, Interval, Table, interval

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

Scores = Mapping[str, Any]
Rows = dict[str, list[Scores]]


class Described(Protocol):
    """What a row's name is made of."""

    model: str
    knob: str
    world: str


def labelled(results: Sequence[Mapping[str, Any]], jobs: Sequence[Any]) -> Rows:
    """The scores of all seeds by row, the baselines left out; a row is a model and its knob."""
    rows: Rows = {}
    for result, job in zip(results, jobs, strict=True):
        if job.model != "baselines":
            rows.setdefault(f"{job.model} ({job.knob})" if job.knob else job.model, []).append(result["scores"])
    return rows


def over_seeds(rows: Sequence[Scores], key: str) -> Interval:
    """Mean of a score over seeds with its interval."""
    return interval([row[key] for row in rows])


def tables(results: Sequence[Mapping[str, Any]], jobs: Sequence[Any]) -> list[Table]:
    """The models with reconstruction and main scores beside the published figures; all scores; when factors come in."""
    rows, world = labelled(results, jobs), jobs[0].world
    baselines: Mapping[str, Scores] = results[-1]["scores"]
    seconds: dict[str, list[float]] = {}
    for result, job in zip(results, jobs, strict=True):
        seconds.setdefault(f"{job.model} ({job.knob})" if job.knob else job.model, []).append(
            sum(result["seconds"].values())
        )
    scored = {label: found for label, found in rows.items() if "pixel_error" in found[0]}
    made = []
    if scored:
        first = next(iter(scored.values()))[0]
        shown = [name for name in MAIN if name in first]
        columns = ("model", "nats a picture", "error a pixel", "latents used", *shown, "seconds", "published")
        lines = []
        for label, found in scored.items():
            published = PUBLISHED.get(label, PUBLISHED.get(label.split(" (")[0], "")) if world == "dsprites" else ""
            lines.append(
                (
                    label,
                    over_seeds(found, "nll").text(1),
                    over_seeds(found, "pixel_error").text(4),
                    over_seeds(found, "latents_used").text(1),
                    *(over_seeds(found, name).text(3) for name in shown),
                    interval(seconds[label]).text(0),
                    published,
                )
            )
        for name, row in baselines.items():
            cells = [f"{row[key]:.3f}" for key in shown]
            lines.append(({"random": "noise"}.get(name, name), "-", "-", "-", *cells, "-", ""))
        made.append(Table(f"{world}: mean over seeds and 95 % interval", columns, tuple(lines)))
        keys = [key for key in first if key.startswith(tuple(SCORES)) and not key.endswith(("_low", "_high"))]
        every = tuple(
            (
                key,
                *(over_seeds(f, key).text(3) for f in scored.values()),
                *(f"{b[key]:.3f}" for b in baselines.values()),
            )
            for key in keys
        )
        made.append(Table(f"{world}: all scores", ("score", *scored, "noise", "random_linear"), every))
    for label, found in rows.items():
        names = [key.removeprefix("onset_") for key in found[0] if key.startswith("onset_")]
        if names:
            columns = ("factor", "comes in at capacity (nats)", "nats at the end")
            lines = [
                (name, over_seeds(found, f"onset_{name}").text(1), over_seeds(found, f"kl_{name}").text(2))
                for name in names
            ]
            made.append(Table(f"{label} on {world}: the order in which factors come in", columns, tuple(lines)))
    return made


def claims(results: Sequence[Mapping[str, Any]], jobs: Sequence[Any]) -> list[Claim]:
    """What the papers say of the models that were run; means over seeds decide."""
    rows, world = labelled(results, jobs), jobs[0].world
    chosen: dict[str, list[Scores]] = {}
    for label, found in rows.items():
        chosen.setdefault(label.split(" (")[0], found)
    made = []
    if world == "blobs" and {"vae", "beta_vae"} <= chosen.keys():
        few, many = (over_seeds(chosen[name], "latents_used") for name in ("beta_vae", "vae"))
        text = "beta-VAE (beta 150) represents the blob's position in 2 latents, the VAE in more"
        made.append(Claim(text, few.mean == 2 < many.mean, f"{few.text(1)} against {many.text(1)}"))
    if world == "blobs":
        return made
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


def _dip(ours: Sequence[Scores], vae: Sequence[Scores]) -> Claim:
    text = "DIP-VAE: metric (one factor fixed) above the VAE's at a reconstruction error within 10 % of it"
    if "beta_vae_fixed" not in ours[0]:
        return Claim(text, False, "beta_vae_fixed was not asked for")
    metric, base = over_seeds(ours, "beta_vae_fixed"), over_seeds(vae, "beta_vae_fixed")
    error, other = over_seeds(ours, "pixel_error"), over_seeds(vae, "pixel_error")
    evidence = f"{metric.text(3)} against {base.text(3)}, error a pixel {error.text(4)} against {other.text(4)}"
    return Claim(text, metric.mean > base.mean and error.mean <= 1.1 * other.mean, evidence)


def _better(text: str, ours: Sequence[Scores], other: Sequence[Scores], strictly: bool) -> Claim:
    if "factor_vae" not in ours[0]:
        return Claim(text, False, "factor_vae was not asked for")
    score, base = over_seeds(ours, "factor_vae"), over_seeds(other, "factor_vae")
    nll, worse = over_seeds(ours, "nll"), over_seeds(other, "nll")
    above = score.mean > base.mean if strictly else score.mean >= base.mean
    evidence = f"{score.text(3)} against {base.text(3)}, {nll.text(1)} against {worse.text(1)} nats"
    return Claim(text, above and nll.mean < worse.mean, evidence)


def _order(found: Sequence[Scores]) -> Claim:
    text = "capacity goes to position first, then scale, then shape and rotation"
    at = {name: over_seeds(found, f"onset_{name}") for name in ("x", "y", "scale", "shape", "orientation")}
    position = max(at["x"].mean, at["y"].mean)
    shown = position < at["scale"].mean < min(at["shape"].mean, at["orientation"].mean)
    return Claim(text, shown, ", ".join(f"{name} from {value.text(1)}" for name, value in at.items()) + " nats")
