"""Codes whose scores theory knows: they prove a score, and they are the baseline rows of every table.

    identity       the factors, each scaled to [-1, 1]            every score near its best
    rotation       a random orthogonal mixture of them            all information, no separation
    copies         the factors twice                              no gap between best and second best
    constant       zeros                                          every score at its limit value
    random         Gaussian noise                                 the floor: what chance reaches
    random_linear  a random linear map of the true factors        what no learning reaches that is given the factors
    random_pixels  a random linear map of the picture             what no learning reaches that is given the picture
    pca            principal components of pictures               what linear learning reaches

All but `random_pixels` and `pca` read the true factors instead of pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from benchmarks.metrics.arrays import Seeds
from benchmarks.metrics.scoring import Encode, Samples, Values, score
from borders import Size, checked
from envs.world import World

CODE_SIZE = 10
PICTURES = 2000
BASELINES = ("random", "random_linear", "random_pixels")
READ_PICTURES = ("random_pixels", "pca")


def _identity(world: World, size: int, generator: torch.Generator) -> Encode:
    low = torch.tensor([factor.low for factor in world.factors], device=generator.device)
    high = torch.tensor([factor.high for factor in world.factors], device=generator.device)
    circular = torch.tensor([factor.kind == "circular" for factor in world.factors], device=generator.device)

    def encode(factors: Tensor) -> Tensor:
        # The two ends of a circle are one picture, so they have one code.
        at_end = circular & (factors >= high * (1 - 1e-6))
        return 2 * (torch.where(at_end, low, factors) - low) / (high - low).clamp_min(1e-12) - 1

    return encode


def _rotation(world: World, size: int, generator: torch.Generator) -> Encode:
    k = len(world.factors)
    turn = torch.linalg.qr(torch.randn(k, k, generator=generator, device=generator.device))[0]
    return _mixed(world, size, generator, turn)


def _copies(world: World, size: int, generator: torch.Generator) -> Encode:
    identity = _identity(world, size, generator)
    return lambda factors: identity(factors).repeat(1, 2)


def _constant(world: World, size: int, generator: torch.Generator) -> Encode:
    return lambda factors: factors.new_zeros(len(factors), size)


def _random(world: World, size: int, generator: torch.Generator) -> Encode:
    return lambda factors: torch.randn(len(factors), size, generator=generator, device=generator.device)


def _random_linear(world: World, size: int, generator: torch.Generator) -> Encode:
    mix = torch.randn(len(world.factors), size, generator=generator, device=generator.device)
    return _mixed(world, size, generator, mix)


def _mixed(world: World, size: int, generator: torch.Generator, mix: Tensor) -> Encode:
    identity = _identity(world, size, generator)
    return lambda factors: identity(factors) @ mix


def _random_pixels(world: World, size: int, generator: torch.Generator) -> Encode:
    pixels = math.prod(world.shape)
    mix = torch.randn(pixels, size, generator=generator, device=generator.device) / math.sqrt(pixels)
    return lambda pictures: pictures.flatten(1).float() @ mix


def _pca(world: World, size: int, generator: torch.Generator) -> Encode:
    pictures = world.render(world.sample(PICTURES, generator)).flatten(1).float().cpu().numpy()
    components = min(size, *pictures.shape)
    model = PCA(components, svd_solver="randomized", random_state=0).fit(pictures)
    # torch's product keeps pictures on their device; the mean picture only shifts the code.
    weight = torch.from_numpy(model.components_.astype(np.float32)).to(generator.device)
    return lambda batch: batch.flatten(1).float() @ weight.T


ORACLES: dict[str, Callable[[World, int, torch.Generator], Encode]] = {
    "identity": _identity,
    "rotation": _rotation,
    "copies": _copies,
    "constant": _constant,
    "random": _random,
    "random_linear": _random_linear,
    "random_pixels": _random_pixels,
    "pca": _pca,
}


@checked
def score_oracle(
    oracle: str,
    world: World,
    names: Sequence[str] | None,
    generator: torch.Generator,
    *,
    code_size: Size = CODE_SIZE,
    samples: Samples = 10_000,
    seeds: Seeds = 3,
    compat: bool = False,
) -> Values:
    """`score` of a key of `ORACLES`; `code_size` is that of constant, random, random_linear, random_pixels and pca codes.

    Raises ValueError for an unknown oracle or a code size below 1, and what `score` raises.
    """
    if oracle not in ORACLES:
        raise ValueError(f"unknown encoder {oracle!r}; the encoders are {', '.join(ORACLES)}")
    encode = ORACLES[oracle](world, code_size, generator)
    view: Encode | None = None if oracle in READ_PICTURES else lambda factors: factors
    return score(encode, world, names, generator, samples=samples, seeds=seeds, compat=compat, view=view)


@checked
def baseline_rows(
    world: World,
    names: Sequence[str] | None,
    generator: torch.Generator,
    *,
    code_size: Size = CODE_SIZE,
    samples: Samples = 10_000,
    seeds: Seeds = 3,
    compat: bool = False,
) -> dict[str, Values]:
    """The rows that every table of scores carries: noise and random linear maps of factors and of pictures, by name."""
    rows = {}
    for name in BASELINES:
        rows[name] = score_oracle(
            name, world, names, generator, code_size=code_size, samples=samples, seeds=seeds, compat=compat
        )
    return rows
