"""The data of the beta sweep: the distinct pictures of shapes2d in three parts, and digits with labels.

shapes2d    276,480 combinations of factors, 267,022 distinct pictures; within every shape and scale a random 70 %
            train, 15 % validate and 15 % test, and a picture drawn by several combinations is in one part only
digits      the training and the test pictures of a source of handwriting, each once
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.metrics.scoring import Pool
from envs.draw.handwriting import Handwriting, Source
from envs.dsprites import classes
from envs.shapes2d import Shapes2D
from representations import Representation

PARTS = ("train", "validation", "test")
SHARES = (0.70, 0.15, 0.15)
BATCH = 500


@dataclass(frozen=True)
class Split:
    """One factor row per distinct picture, by part; and for every combination its picture [n] and that one's part [n]."""

    factors: dict[str, Tensor]
    picture: NDArray[np.int64]
    part: NDArray[np.int8]


def combinations(world: Shapes2D) -> Tensor:
    """Every combination of factor values [276480, 5], the last factor fastest."""
    return torch.cartesian_prod(*(torch.tensor(factor.values) for factor in world.factors)).float()


def place(world: Shapes2D, factors: Tensor) -> NDArray[np.int64]:
    """The rows [n] that factors [n, 5] have in `combinations`."""
    index = classes(factors, world.factors).numpy()
    return np.ravel_multi_index(tuple(index.T), tuple(len(factor.values) for factor in world.factors))


@lru_cache(maxsize=2)
def split_shapes(seed: int = 0) -> Split:
    """The three parts of shapes2d; `seed` shuffles. A few seconds, once a process."""
    world = Shapes2D()
    factors = combinations(world)
    rows = torch.cat([world.rows(chunk) for chunk in factors.split(8192)])
    whole = np.ascontiguousarray(rows.numpy()).view(f"V{rows.shape[1] * rows.element_size()}").ravel()
    _, first, picture = np.unique(whole, return_index=True, return_inverse=True)
    kind = classes(factors, world.factors).numpy()[first]
    stratum = kind[:, 0] * len(world.factors[3].values) + kind[:, 3]
    shuffled = np.random.default_rng(seed).permutation(len(first))
    part = np.zeros(len(first), np.int8)
    for s in np.unique(stratum):
        own = shuffled[stratum[shuffled] == s]
        cuts = np.round(np.cumsum(SHARES) * len(own)).astype(int)
        part[own[cuts[0] : cuts[1]]], part[own[cuts[1] :]] = 1, 2
    found = {name: factors[np.sort(first[part == k])] for k, name in enumerate(PARTS)}
    return Split(found, picture, part[picture])


def pairs(split: Split, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    """Test pictures [m, 5], test pictures that differ from them in one factor [m, 5], and which factor [m].

    About `n` of every factor. Both pictures of a pair are held out, and they are not the same picture.
    """
    world = Shapes2D()
    test, found = split.factors["test"], []
    for k, factor in enumerate(world.factors):
        tries = torch.randint(len(test), (60 * n,), generator=generator)
        first, second = test[tries], test[tries].clone()
        second[:, k] = factor.sample(len(tries), generator)
        a, b = place(world, first), place(world, second)
        kept = np.flatnonzero((split.part[b] == 2) & (split.picture[a] != split.picture[b]))[:n]
        found.append((first[kept], second[kept], np.full(len(kept), k)))
    ones, others, changed = zip(*found, strict=True)
    return torch.cat(ones), torch.cat(others), np.concatenate(changed)


@torch.no_grad()
def encoded(model: Representation, pictures: Tensor) -> NDArray[np.float64]:
    """The codes [n, d] of pictures, in batches."""
    return torch.cat([model.encode(part).cpu() for part in pictures.split(BATCH)]).double().numpy()


def shapes_pool(model: Representation, samples: int, generator: torch.Generator) -> Pool:
    """Codes of `samples` test pictures, and of pairs of test pictures that differ in one factor, a fifth as many each."""
    world, split = Shapes2D(), split_shapes()
    rows = torch.randint(len(split.factors["test"]), (samples,), generator=generator)
    factors = split.factors["test"][rows]
    first, second, changed = pairs(split, samples // 5, generator)
    return Pool(
        codes=encoded(model, world.render(factors)),
        factors=factors.double().numpy(),
        kinds=world.factors,
        first=encoded(model, world.render(first)),
        second=encoded(model, world.render(second)),
        changed=changed,
    )


@lru_cache(maxsize=4)
def digits(source: Source, path: str | Path | None, part: str) -> tuple[Tensor, NDArray[np.int64]]:
    """Pictures uint8 [n, 1, 28, 28] and labels [n] of the train or test part of a source of handwriting."""
    hand = Handwriting(source, path, "train" if part == "train" else "test")
    label = torch.repeat_interleave(torch.arange(hand.classes), hand.counts)
    example = torch.cat([torch.arange(int(count)) for count in hand.counts])
    pictures = (hand.pictures(label.float(), example.float()) * 255).round().to(torch.uint8)
    return pictures[:, None], label.numpy()
