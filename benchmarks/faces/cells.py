"""What a cell of faces is, drawn or photographed: its training, its model, and what is read from codes of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from annotated_types import Interval, MinLen
from torch import Tensor

import representations
from benchmarks.faces.codes import posterior, sampled, switch
from benchmarks.faces.judge import Judge
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.papers import Settings
from benchmarks.harness.probes import probe
from borders import Count, NonNegative, Positive, Size
from representations import Representation
from representations.model import pixels
from representations.parts.attributes import Network

MODELS = ("csvae", "cond_vae", "cond_vae_info")
PROBE_SEED = 30_000
PAPERS = 10.0  # b_4 of the paper
LEAST = 300  # test pictures: fewer hold too few of either kind of both labels to be probed


@dataclass(frozen=True, kw_only=True)
class Cell:
    """How long a model trains, its networks and weights, and on how many faces it is measured."""

    steps: Count
    batch: Count
    test: Annotated[int, Interval(ge=LEAST, le=10**6)]
    judge_steps: Count
    size: Literal[32, 64] = 32
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


class Labelled(NamedTuple):
    """Pictures uint8 [n, 3, size, size] and their labels, float [n, K]."""

    pictures: Tensor
    labels: Tensor


def cells(model: str, name: str, hides: tuple[float, ...], settings: Settings) -> list[tuple[str, Settings]]:
    """A cell, and of models with an adversary one for every weight b_4."""
    if model == "cond_vae":
        return [(name, settings)]
    return [(name if hide == PAPERS else f"{name}, b4 = {hide:g}", settings | {"hide": hide}) for hide in hides]


def build(model: str, sizes: Cell, attributes: int) -> Representation:
    """The model of a cell."""
    settings: dict[str, Any] = {"shape": (3, sizes.size, sizes.size), "attributes": attributes}
    settings |= {name: getattr(sizes, name) for name in ("z_size", "network", "hidden", "channels", "learning_rate")}
    own = {"csvae": ("w_size", "hide"), "cond_vae": (), "cond_vae_info": ("hide",)}[model]
    return representations.make(model, **settings, **{name: getattr(sizes, name) for name in own})


@torch.no_grad()
def switched(model: Any, judge: Judge, test: Labelled, k: int) -> dict[str, float]:
    """What the judge says of pictures whose attribute `k` is switched, by the prior's mean where there is a w.

    `accuracy` is the share of pictures whose attribute it sees as wanted, the two directions, `on` and `off`, counting alike;
    `rest` that of the other attributes, `still` that of decoded pictures that were not switched.
    """
    x, y = test
    wanted = y.clone()
    wanted[:, k] = 1 - y[:, k]
    comes, seen = wanted[:, k] > 0.5, judge(switch(model, x, y, wanted))
    right, rest = seen[:, k] == wanted[:, k], [j for j in range(y.shape[1]) if j != k]
    told = {
        "on": right[comes].float().mean().item(),
        "off": right[~comes].float().mean().item(),
        "rest": (seen == wanted)[:, rest].float().mean().item() if rest else 1.0,
        "still": (judge(switch(model, x, y, y)) == wanted)[:, k].float().mean().item(),
    }
    return told | {"accuracy": (told["on"] + told["off"]) / 2}


@torch.no_grad()
def decoded(model: Any, judge: Judge, test: Labelled) -> dict[str, float]:
    """Of decoded pictures: how often the judge sees their labels, and their squared error."""
    x, y = test
    found = switch(model, x, y, y)
    return {"judge_decoded": _balanced(judge(found) == y, y), "error": squared_error(found, x).mean().item()}


def squared_error(pictures: Tensor, true: Tensor) -> Tensor:
    """The squared error of every pixel, over channels: [n, H, W]."""
    return (pixels(pictures) - pixels(true)).square().mean(1)


def _balanced(right: Tensor, labels: Tensor) -> float:
    """How often [n, K] is right, either value of each label counting alike."""
    return sum(right[labels == value].float().mean().item() for value in (0, 1)) / 2


@torch.no_grad()
def labels_read(model: Any, test: Labelled, other: Labelled) -> dict[str, float]:
    """The accuracy of fresh networks that read labels from z of as many faces with an attribute as without.

    `probe` is that from samples of the posterior, `probe_mean` that from its mean; both over attributes.
    """
    first, second = posterior(model, *other), posterior(model, *test)
    z, z_test = sampled(first, seeded(PROBE_SEED + 1)), sampled(second, seeded(PROBE_SEED + 2))
    probes, means = [], []
    for k in range(test.labels.shape[1]):
        fit, ask = even(other.labels[:, k]), even(test.labels[:, k])
        label, label_test = other.labels[fit, k], test.labels[ask, k]
        probes.append(probe(z[fit], label, z_test[ask], label_test))
        means.append(probe(first[0][fit], label, second[0][ask], label_test))
    return {"probe": sum(probes) / len(probes), "probe_mean": sum(means) / len(means)}


def even(labels: Tensor) -> Tensor:
    """The numbers of as many rows with a label [n] as without, those with it first."""
    there, absent = ((labels > 0.5) == value for value in (True, False))
    count = min(int(there.sum()), int(absent.sum()))
    return torch.cat([part.nonzero()[:count, 0] for part in (there, absent)])
