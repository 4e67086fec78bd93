"""Handwritten digits that one of several mechanisms has changed (Parascandolo et al. 2017, appendix C).

    picture = M_m(canonical(digit, example)),   m = 0: the canonical picture itself

    shifts     M x(p) = x(p - 4 d),  d one of the eight directions, 0 where nothing was
    inversion  M x = 1 - x
    noise      M x = clip(x + e, 0, 1),  e ~ N(0, 0.25) at every pixel

The canonical digit stands in the middle of a picture with a margin as wide as a shift, so that none is cut. Of noise there
are `GRAINS` fields, and which one a picture gets is told by its factors: the same factors are always the same picture.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np
import torch
from annotated_types import MinLen
from torch import Tensor
from torch.nn import functional as F

from envs.draw.handwriting import SIDE, Handwriting, Source
from envs.files.idx import Split
from envs.world import Factor, World

SHIFT = 4  # pixels
GRAINS = 1024
EMPTY = 2  # pixels at every edge of the handwriting that are blank, or nearly
DIRECTIONS: dict[str, tuple[int, int]] = {  # rows down, columns to the right
    "up": (-1, 0),
    "down": (1, 0),
    "left": (0, -1),
    "right": (0, 1),
    "up_left": (-1, -1),
    "up_right": (-1, 1),
    "down_left": (1, -1),
    "down_right": (1, 1),
}
Mechanism = Literal[
    "up", "down", "left", "right", "up_left", "up_right", "down_left", "down_right", "inversion", "noise"
]
MECHANISMS: tuple[Mechanism, ...] = get_args(Mechanism)


class TransformedDigits(World):
    """Digits as they are and as mechanisms change them; a picture is uint8 [1, side, side].

    Settings: the `mechanisms` in use, in the order of their class index from 1 on; `side` 32 (digits of 24 pixels) or 24
    (of 16); `source`, `path` and `split` choose the handwriting, see `envs.draw.handwriting.Handwriting`.

    Factors: `mechanism` (0 for none), `digit` (the class), `example` (which of its pictures, counted round). Raises
    ValueError for a mechanism that is unknown or named twice.
    """

    def __init__(
        self,
        mechanisms: Annotated[tuple[Mechanism, ...], MinLen(1)] = MECHANISMS,
        side: Literal[20, 24, 32] = 32,
        source: Source = "embedded",
        path: str | Path | None = None,
        split: Split = "all",
    ):
        if len(set(mechanisms)) < len(mechanisms):
            raise ValueError(f"mechanisms must name each of {MECHANISMS} at most once, got {mechanisms}")
        self.mechanisms, self.side = mechanisms, side
        self.handwriting = Handwriting(source, path, split)
        self.shape = (1, side, side)
        self.factors = (
            Factor.categorical("mechanism", len(mechanisms) + 1),
            Factor.categorical("digit", self.handwriting.classes),
            Factor.categorical("example", self.handwriting.examples),
        )

    def _render(self, factors: Tensor) -> Tensor:
        mechanism, digit, example = factors.round().long().unbind(1)
        ink = self.handwriting.pictures(factors[:, 1], factors[:, 2])[:, None, EMPTY:-EMPTY, EMPTY:-EMPTY]
        if self.side - 2 * SHIFT < SIDE - 2 * EMPTY:
            size = self.side - 2 * SHIFT
            ink = F.interpolate(ink, (size, size), mode="bilinear", antialias=True).clamp(0, 1)
        pictures = F.pad(ink, (SHIFT,) * 4)
        grain = (example * self.handwriting.classes + digit) % GRAINS
        for index, name in enumerate(self.mechanisms, 1):
            rows = mechanism == index
            pictures[rows] = transform(pictures[rows], name, grain[rows])
        return (pictures * 255).round().to(torch.uint8)


def transform(pictures: Tensor, mechanism: str, grain: Tensor) -> Tensor:
    """Float pictures [n, C, H, W] in [0, 1] as a mechanism of `MECHANISMS` leaves them.

    `grain` [n] in 0 .. GRAINS - 1 chooses the field of the noise.
    """
    if mechanism == "inversion":
        return 1 - pictures
    if mechanism == "noise":
        return (pictures + _fields(pictures.shape[1:], pictures.device)[grain]).clamp(0, 1)
    down, right = (SHIFT * step for step in DIRECTIONS[mechanism])
    height, width = pictures.shape[-2:]
    padded = F.pad(pictures, (SHIFT,) * 4)
    return padded[..., SHIFT - down : SHIFT - down + height, SHIFT - right : SHIFT - right + width]


def _fields(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """The noise: float32 [GRAINS, C, H, W], of standard deviation one half, the same on every machine."""
    if shape not in _KNOWN:
        drawn = np.random.default_rng(0).standard_normal((GRAINS, *shape), np.float32)
        _KNOWN[shape] = torch.from_numpy(0.5 * drawn)
    return _KNOWN[shape].to(device)


_KNOWN: dict[tuple[int, ...], Tensor] = {}
