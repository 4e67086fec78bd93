"""Attributes of faces switched, and given another face's style (Klys et al. 2018, sections 4.3 and 5.3 to 5.4).

What a switched picture should look like is known here: the renderer draws the same face, in the same pose and light, with the
attribute switched. Faces to learn from, to judge by and to measure on are different people.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import torch
from annotated_types import Interval, MinLen
from torch import Tensor

import representations
from benchmarks.faces.attributes_report import tables
from benchmarks.faces.codes import posterior, sampled, switch
from benchmarks.faces.figures import figures
from benchmarks.faces.judge import Judge, judge_of
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.harness.probes import probe
from benchmarks.metrics import score_codes
from borders import Count, NonNegative, Positive, Share, Size, checked
from envs.faces import ATTRIBUTES, Faces
from envs.faces.world import Attribute
from representations import Representation
from representations.model import pixels
from representations.parts.attributes import Network

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("csvae", "cond_vae", "cond_vae_info")
TRAIN_SEED, TEST_SEED, PROBE_SEED = 1_000, 10_000, 30_000
PAPERS = 10.0  # b_4 of the paper
LEAST = 300  # test pictures: fewer hold too few of either kind of both labels to be probed


@checked
@dataclass(frozen=True)
class Sizes:
    """What the faces are, how long a model trains on how many, its networks and weights, and on how many it is measured."""

    steps: Count
    batch: Count
    pool: Count
    test: Annotated[int, Interval(ge=LEAST, le=10**6)]
    judge_steps: Count
    size: Literal[32, 64] = 32
    pose: Annotated[float, Interval(ge=0.01, le=1)] = 0.3
    present: Share = 1 / 3
    attributes: Annotated[tuple[Attribute, ...], MinLen(1)] = ("glasses", "facial_hair")
    network: Network = "conv"
    hidden: Size = 256
    channels: Size = 32
    z_size: Size = 32
    w_size: Size = 2
    learning_rate: Positive = 5e-4
    hides: Annotated[tuple[NonNegative, ...], MinLen(1)] = (10.0,)
    """b_4, a cell for each, of models with an adversary; the paper has 10."""
    hide: NonNegative = 10.0
    """That of a cell."""


class Faced(NamedTuple):
    """Pictures uint8 [n, 3, size, size], their factor rows [n, F], and their labels, float [n, K]."""

    pictures: Tensor
    rows: Tensor
    labels: Tensor


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings that cannot be used."""
    sizes = sized(Sizes, "attributes", settings)
    world_of(sizes)
    for model in MODELS:
        build(model, sizes)


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """A cell, and of models with an adversary one for every weight b_4."""
    if model == "cond_vae":
        return [("faces", settings)]
    hides = sized(Sizes, "attributes", settings).hides
    return [("faces" if hide == PAPERS else f"faces, b4 = {hide:g}", settings | {"hide": hide}) for hide in hides]


def world_of(sizes: Sizes) -> Faces:
    """The faces of a cell."""
    return Faces(sizes.size, sizes.present, sizes.pose, sizes.attributes)


def build(model: str, sizes: Sizes) -> Representation:
    """The model of a cell."""
    settings: dict[str, Any] = {"shape": (3, sizes.size, sizes.size), "attributes": len(sizes.attributes)}
    settings |= {name: getattr(sizes, name) for name in ("z_size", "network", "hidden", "channels", "learning_rate")}
    own = {"csvae": ("w_size", "hide"), "cond_vae": (), "cond_vae_info": ("hide",)}[model]
    return representations.make(model, **settings, **{name: getattr(sizes, name) for name in own})


def faces(world: Faces, n: int, seed: int) -> Faced:
    """`n` faces of the world, drawn from `seed`."""
    rows = world.sample(n, seeded(seed))
    return Faced(world.render(rows), rows, rows[:, places(world)])


def places(world: Faces) -> list[int]:
    """The columns of the attributes."""
    return [world.names.index(name) for name in world.attributes]


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train a cell's model, switch attributes of other people, and draw it."""
    sizes = sized(Sizes, "attributes", job.settings)
    world = world_of(sizes)
    pool = faces(world, sizes.pool, TRAIN_SEED + job.seed)
    torch.manual_seed(job.seed)
    model = build(job.model, sizes)

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = torch.randint(sizes.pool, (sizes.batch,), generator=generator)
        return {"x": pool.pictures[chosen], "y": pool.labels[chosen]}

    settings = {name: getattr(sizes, name) for name in ("size", "present", "pose", "attributes")}
    model = trained(model, batches, sizes.steps, job, folder, resume, "faces", settings, decay=True)
    judge = judge_of(sizes.size, sizes.attributes, sizes.pose, sizes.judge_steps)
    test, other = faces(world, sizes.test, TEST_SEED), faces(world, 2 * sizes.test, PROBE_SEED)
    figures(model, world, test, folder)
    return switched(model, world, judge, test) | read(model, world, test, other)


def turned(world: Faces, faced: Faced, name: Attribute, donors: Tensor) -> tuple[Tensor, Tensor]:
    """Labels and factor rows with the attribute `name` switched, its style that of the faces `donors` [n]."""
    rows, labels = faced.rows.clone(), faced.labels.clone()
    at, k = world.names.index(name), world.attributes.index(name)
    rows[:, at] = labels[:, k] = 1 - labels[:, k]
    for style in ATTRIBUTES[name]:
        place = world.names.index(style.name)
        rows[:, place] = faced.rows[donors, place]
    return labels, rows


def donors(faced: Faced, k: int, generator: torch.Generator) -> Tensor:
    """For every face another with attribute `k`: their numbers [n]."""
    having = (faced.labels[:, k] > 0.5).nonzero()[:, 0]
    return having[torch.randint(len(having), (len(faced.labels),), generator=generator)]


@torch.no_grad()
def switched(model: Any, world: Faces, judge: Judge, test: Faced) -> dict[str, float]:
    """What the judge and the true pictures say of pictures with one attribute switched, over attributes; by attribute too.

    `accuracy` is the share of switched pictures whose attribute the judge sees as wanted, the two directions counting alike;
    `identity` the mean squared error of a pixel against the true picture, and `identity_there` where that differs from the
    picture that was switched. csvae is given a donor's style for these, and the mean of the prior for the judge.
    """
    x, y = test.pictures, test.labels
    decoded = switch(model, x, y, y)
    found = {"judge_decoded": _balanced(judge(decoded) == y, y), "error": _error(decoded, x).mean().item()}
    each: list[dict[str, float]] = []
    for k, name in enumerate(world.attributes):
        donor = donors(test, k, seeded(TEST_SEED + 1))
        wanted, rows = turned(world, test, name, donor)
        true = world.render(rows)
        plain = switch(model, x, y, wanted)
        codes = posterior(model, x, y)
        styled = switch(model, x, y, wanted, codes[2][donor]) if len(codes) > 2 else plain
        comes, seen = wanted[:, k] > 0.5, judge(plain)
        right, rest = seen[:, k] == wanted[:, k], [j for j in range(y.shape[1]) if j != k]
        changed = (pixels(true) - pixels(x)).abs().amax(1) > 0.05
        told = {
            "on": right[comes].float().mean().item(),
            "off": right[~comes].float().mean().item(),
            "rest": (seen == wanted)[:, rest].float().mean().item() if rest else 1.0,
            "true": (judge(true) == wanted)[:, k].float().mean().item(),
            "still": (judge(decoded) == wanted)[:, k].float().mean().item(),
            "identity": _error(styled, true).mean().item(),
            "identity_there": _error(styled, true)[changed].mean().item(),
            "decoded_there": _error(switch(model, true, wanted, wanted), true)[changed].mean().item(),
            "nothing": _error(x, true).mean().item(),
            "nothing_there": _error(x, true)[changed].mean().item(),
        }
        told["accuracy"] = (told["on"] + told["off"]) / 2
        each.append(told)
        found |= {f"{name}_{key}": told[key] for key in ("on", "off", "accuracy")}
    return found | {key: sum(told[key] for told in each) / len(each) for key in each[0]}


def _error(pictures: Tensor, true: Tensor) -> Tensor:
    """The squared error of every pixel, over channels: [n, H, W]."""
    return (pixels(pictures) - pixels(true)).square().mean(1)


def _balanced(right: Tensor, labels: Tensor) -> float:
    """How often [n, K] is right, either value of each label counting alike."""
    return sum(right[labels == value].float().mean().item() for value in (0, 1)) / 2


@torch.no_grad()
def read(model: Any, world: Faces, test: Faced, other: Faced) -> dict[str, float]:
    """What fresh networks read from the codes of test faces, and how the code that is told no label is disentangled.

    `probe` is the accuracy on labels from z, of as many faces with an attribute as without, over attributes; `style_z` and
    `style_w` that on classes of style among faces that have it, `style_chance` that of the most frequent class.
    """
    first, second = posterior(model, other.pictures, other.labels), posterior(model, test.pictures, test.labels)
    z, z_test = sampled(first, seeded(PROBE_SEED + 1)), sampled(second, seeded(PROBE_SEED + 2))
    probes, means, styles = [], [], {"style_z": [], "style_w": [], "style_chance": []}  # type: ignore[var-annotated]
    for k, name in enumerate(world.attributes):
        fit, ask = even(other.labels[:, k]), even(test.labels[:, k])
        label, label_test = other.labels[fit, k], test.labels[ask, k]
        probes.append(probe(z[fit], label, z_test[ask], label_test))
        means.append(probe(first[0][fit], label, second[0][ask], label_test))
        style = ATTRIBUTES[name][0]  # of each attribute a class: rims, beard, grin, crown
        place = world.names.index(style.name)
        fit, ask = ((part.labels[:, k] > 0.5).nonzero()[:, 0] for part in (other, test))
        given, wanted = other.rows[fit, place], test.rows[ask, place]
        styles["style_z"].append(probe(first[0][fit], given, second[0][ask], wanted))
        styles["style_chance"].append(torch.bincount(wanted.long()).max().item() / len(wanted))
        if len(first) > 2:
            part = slice(k * model.w_size, (k + 1) * model.w_size)
            styles["style_w"].append(probe(first[2][fit, part], given, second[2][ask, part], wanted))
    codes = torch.cat([model.encode(part) for part in test.pictures.split(500)])
    scored = score_codes(codes, test.rows, list(world.factors), ["mig", "dci_lasso"])
    found = {"probe": sum(probes) / len(probes), "probe_mean": sum(means) / len(means)}
    found |= {name: sum(values) / len(values) for name, values in styles.items() if values}
    return found | {"mig": scored["mig"], "disentanglement": scored["dci_lasso_disentanglement"]}


def even(labels: Tensor) -> Tensor:
    """The numbers of as many rows with a label [n] as without, those with it first."""
    there, absent = ((labels > 0.5) == value for value in (True, False))
    count = min(int(there.sum()), int(absent.sum()))
    return torch.cat([part.nonzero()[:count, 0] for part in (there, absent)])
