"""Codes of equal information: the true state, whitened, then seen through a map.

    phi(s)      numbers as they are, an angle as (cos, sin), a class of m as m - 1 columns, a distractor as it is
    w(s)        phi, whitened within every factor's own block: mean 0, covariance I (up to how factors depend on each other)
    z(s)        T(w(s)); every T is injective, drawn anew for every seed, and leaves every axis at variance 1

    aligned             z = w                        shear            unit upper triangle, random order of the axes
    signed_permutation  z = P w, P signed            nonlinear_mix    Haar, asinh along every axis, Haar, whitened again
    monotone_warp       z_i = h_i(w_i)               copies           z = (w, w)
    block_rotation      Haar on what the task wants and, apart, on all the rest
    across_45           pairs of a wanted and another axis, each turned by 45 degrees
    haar                z = Q w, Q uniform over the orthogonal matrices (Mezzadri 2007)

Classes of more than 10 values are no part of a code: nothing moves them, and no one asks for them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import ortho_group
from torch import Tensor

from benchmarks.metrics.control.task import ControlTask

MOST_CLASSES = 10
ROWS = 20_000  # states that the whitening is estimated on
Map = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Oracle:
    """The whitened true state: `encode(states [n, S]) -> [n, d]`, and which of the d axes belong to wanted factors.

    `factors` are the columns of the world's factors that are in the code at all.
    """

    encode: Map
    wanted: Tensor
    factors: tuple[int, ...]

    @property
    def size(self) -> int:
        """d."""
        return len(self.wanted)


def oracle(task: ControlTask) -> Oracle:
    """The whitened true state of a task, estimated on 20,000 states from a fixed seed."""
    states = task.sample(ROWS, torch.Generator().manual_seed(7))
    parts: list[Map] = []
    wanted: list[bool] = []
    kept: list[int] = []
    for column in range(states.shape[1]):
        raw = _raw(task, states, column)
        if raw is None:
            continue
        seen = raw(states)
        mean, root = seen.mean(0), _inverse_root(torch.cov(seen.T).reshape(seen.shape[1], -1))
        parts.append(lambda s, raw=raw, mean=mean, root=root: (raw(s) - mean) @ root)  # type: ignore[misc]
        wanted += [column in task.wanted] * seen.shape[1]
        kept += [column] * (column < len(task.factors))
    return Oracle(lambda s: torch.cat([part(s) for part in parts], 1), torch.tensor(wanted), tuple(kept))


def _raw(task: ControlTask, states: Tensor, column: int) -> Map | None:
    """The columns [n, c] of one factor or distractor before whitening; None where it is left out."""
    if column >= len(task.factors):
        return lambda s: s[:, column : column + 1]
    factor = task.factors[column]
    if bool((states[:, column] == states[0, column]).all()) or (
        factor.kind == "categorical" and len(factor.values) > MOST_CLASSES
    ):
        return None
    if factor.kind == "circular":
        turn = 2 * math.pi / factor.high
        return lambda s: torch.stack([(turn * s[:, column]).cos(), (turn * s[:, column]).sin()], 1)
    if factor.kind == "categorical":
        classes = torch.arange(len(factor.values) - 1, dtype=torch.float64)
        return lambda s: (s[:, column, None] == classes).double()
    return lambda s: s[:, column : column + 1]


def _inverse_root(covariance: Tensor) -> Tensor:
    """The symmetric inverse square root of a covariance."""
    values, vectors = torch.linalg.eigh(covariance)
    return vectors / values.sqrt() @ vectors.T


def _haar(size: int, random: np.random.Generator) -> Tensor:
    """A uniformly drawn orthogonal matrix [size, size]."""
    if size < 2:
        return torch.full((size, size), float(random.choice([-1, 1])), dtype=torch.float64)
    return torch.from_numpy(np.asarray(ortho_group.rvs(size, random_state=random)))


def _linear(matrix: Tensor) -> Map:
    return lambda w: w @ matrix.T


def _aligned(oracle: Oracle, seen: Tensor, random: np.random.Generator) -> Map:
    return lambda w: w


def _signed_permutation(oracle: Oracle, seen: Tensor, random: np.random.Generator) -> Map:
    order = torch.from_numpy(random.permutation(oracle.size))
    sign = torch.from_numpy(random.choice([-1.0, 1.0], oracle.size))
    return lambda w: w[:, order] * sign


def _monotone_warp(oracle: Oracle, seen: Tensor, random: np.random.Generator) -> Map:
    """Half of the axes, drawn at random, are stretched at their ends (sinh), the others in the middle (asinh)."""
    stretched = torch.from_numpy(random.permutation(oracle.size) < oracle.size / 2)
    warp: Map = lambda w: torch.where(stretched, torch.sinh(1.5 * w), torch.asinh(3 * w))  # noqa: E731
    mean, scale = warp(seen).mean(0), warp(seen).std(0)
    return lambda w: (warp(w) - mean) / scale


def _block_rotation(oracle: Oracle, seen: Tensor, random: np.random.Generator) -> Map:
    matrix = torch.eye(oracle.size, dtype=torch.float64)
    for block in (oracle.wanted, ~oracle.wanted):
        at = block.nonzero()[:, 0]
        matrix[at[:, None], at] = _haar(len(at), random)
    return _linear(matrix)


def _across_45(oracle: Oracle, seen: Tensor, random: np.random.Generator) -> Map:
    inside = random.permutation(oracle.wanted.nonzero()[:, 0].numpy())
    outside = random.permutation((~oracle.wanted).nonzero()[:, 0].numpy())
    matrix = torch.eye(oracle.size, dtype=torch.float64)
    for i, j in zip(inside.tolist(), outside.tolist(), strict=False):
        matrix[i, i] = matrix[j, j] = matrix[j, i] = math.sqrt(0.5)
        matrix[i, j] = -math.sqrt(0.5)
    return _linear(matrix)


def _rotated(oracle: Oracle, seen: Tensor, random: np.random.Generator) -> Map:
    return _linear(_haar(oracle.size, random))


def _shear(oracle: Oracle, seen: Tensor, random: np.random.Generator) -> Map:
    matrix = torch.from_numpy(np.triu(random.standard_normal((oracle.size,) * 2) / math.sqrt(oracle.size), 1))
    order = torch.from_numpy(random.permutation(oracle.size))
    matrix = (matrix + torch.eye(oracle.size, dtype=torch.float64))[order][:, order]
    return _linear(matrix / matrix.norm(dim=1, keepdim=True))


def _nonlinear_mix(oracle: Oracle, seen: Tensor, random: np.random.Generator) -> Map:
    first, second = _haar(oracle.size, random), _haar(oracle.size, random)
    bend: Map = lambda w: torch.asinh(2 * w @ first.T) @ second.T  # noqa: E731
    mean, root = bend(seen).mean(0), _inverse_root(torch.cov(bend(seen).T))
    return lambda w: (bend(w) - mean) @ root


def _copies(oracle: Oracle, seen: Tensor, random: np.random.Generator) -> Map:
    return lambda w: torch.cat([w, w], 1)


CODES: dict[str, Callable[[Oracle, Tensor, np.random.Generator], Map]] = {
    "aligned": _aligned,
    "signed_permutation": _signed_permutation,
    "monotone_warp": _monotone_warp,
    "block_rotation": _block_rotation,
    "across_45": _across_45,
    "haar": _rotated,
    "shear": _shear,
    "nonlinear_mix": _nonlinear_mix,
    "copies": _copies,
}
LADDER = tuple(CODES)[:6]
APPENDIX = tuple(CODES)[6:]


def code(name: str, oracle: Oracle, task: ControlTask, seed: int) -> Map:
    """The code `name` of a task's states, its map drawn from `seed`."""
    seen = oracle.encode(task.sample(ROWS, torch.Generator().manual_seed(7)))
    mapped = CODES[name](oracle, seen, np.random.default_rng([seed, list(CODES).index(name)]))
    return lambda states: mapped(oracle.encode(states))
