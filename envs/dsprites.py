"""dSprites: one white sprite on black, 3 shapes x 6 scales x 40 orientations x 32 x 32 positions, 64 x 64 pixels.

The published set (Matthey et al. 2017) holds pictures only; its geometry was measured. For the classes (s, o, i, j):

    centre       (16 + 32 i / 31, 16 + 32 j / 31) pixels, y downward
    orientation  2 pi o / 39, counter-clockwise on the screen
    scale        0.5, 0.6 .. 1.0
    square       half-side 9.5997 scale
    ellipse      semi-axes 12.765 scale and 7.215 scale
    heart        x = 9.6 scale sin^3 t,  y = scale (1.44 + 0.662 (13 cos t - 5 cos 2t - 2 cos 3t - cos 4t)),  y upward
    pixel        white where its centre (c + 0.5, r + 0.5) is inside

A table of 5 MB holds the spans of every row of every picture (envs/spans.py), so drawing is looking up.
Orientations 0 and 39 are the same picture, as in the published set: 18,432 of the 737,280 pictures occur twice.
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from envs.draw.spans import (
    SIDE,
    ellipse_span,
    lattice_heights,
    lattice_rows,
    lattice_table,
    outline_spans,
    square_span,
    unpack,
)
from envs.files.dsprites_file import find_file, read_file
from envs.world import Factor, World

SCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
ORIENTATIONS = tuple(2 * math.pi * o / 39 for o in range(40))
STEPS = 31
POSITIONS = tuple(i / STEPS for i in range(STEPS + 1))


def sprite_factors(scales: tuple[float, ...] = SCALES) -> tuple[Factor, ...]:
    """The five factors of one sprite in the published order; the shapes are square, ellipse and heart."""
    return (
        Factor.categorical("shape", 3),
        Factor.ordinal("scale", scales),
        Factor.circular("orientation", 2 * math.pi, values=ORIENTATIONS),
        Factor.ordinal("x", POSITIONS, unit="of 32 pixels, rightward"),
        Factor.ordinal("y", POSITIONS, unit="of 32 pixels, downward"),
    )


def classes(values: Tensor, factors: tuple[Factor, ...]) -> Tensor:
    """The index of the nearest listed value of each finite factor: int64 [n, K] of float [n, K]."""
    columns = []
    for column, factor in zip(values.unbind(1), factors, strict=True):
        listed = torch.tensor(factor.values, device=values.device, dtype=values.dtype)
        columns.append(torch.bucketize(column.contiguous(), (listed[1:] + listed[:-1]) / 2))
    return torch.stack(columns, dim=1)


def heart_outline(points: int = 256) -> Tensor:
    """The heart of scale 1 about its own origin, y upward: float64 [points, 2], in pixels."""
    t = torch.arange(points, dtype=torch.float64) * (2 * math.pi / points)
    y = 1.44 + 0.662 * (13 * t.cos() - 5 * (2 * t).cos() - 2 * (3 * t).cos() - (4 * t).cos())
    return torch.stack([9.6 * t.sin() ** 3, y], dim=1)


@lru_cache(maxsize=8)
def sprite_table(scales: tuple[float, ...], device: torch.device) -> Tensor:
    """The table of all shapes, scales and orientations for `lattice_rows`. Made once per device."""
    h = lattice_heights(STEPS)
    angle = torch.tensor(ORIENTATIONS, dtype=torch.float64)
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], dim=1).view(-1, 1, 2, 2)
    heart = (turn @ heart_outline()[..., None]).squeeze(-1)
    spans = torch.full((3, len(scales), len(angle), len(h), 4), torch.inf, dtype=torch.float64)
    for k, scale in enumerate(scales):
        spans[0, k, ..., :2] = torch.stack(square_span(h, angle[:, None], 9.5997 * scale), dim=-1)
        spans[1, k, ..., :2] = torch.stack(ellipse_span(h, angle[:, None], 12.765 * scale, 7.215 * scale), dim=-1)
        spans[2, k] = outline_spans(h, heart * scale)
    return lattice_table(spans, STEPS).to(device)


def sprite_rows(index: Tensor, scales: tuple[float, ...] = SCALES) -> Tensor:
    """The packed rows, int64 [n, 64], of sprites given by class indices [n, 5] (shape, scale, orientation, x, y)."""
    shape, scale, orientation, x, y = index.unbind(1)
    sprite = (shape * len(scales) + scale) * len(ORIENTATIONS) + orientation
    return lattice_rows(sprite_table(scales, index.device), STEPS, sprite, x, y)


class DSprites(World):
    """One white sprite: the factors shape, scale, orientation, x, y; pictures uint8 [n, 1, 64, 64] of 0 and 255.

    A value between two listed ones is drawn as the nearest. `path` names the published npz file or a folder that holds
    it; without it the file is looked for in the folder `DISCO_DATA`, and if there is none the pictures are drawn. A
    file shows the same world: same factors, stored pictures (packed, 377 MB of memory). Raises FileNotFoundError or
    ValueError for a missing or damaged file. Source: Matthey, Higgins, Hassabis and Lerchner, dSprites, 2017.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.factors = sprite_factors()
        self.shape = (1, SIDE, SIDE)
        file = find_file(path)
        self._stored = None if file is None else read_file(file)
        if self._stored is not None:
            self.factors = self._stored.factors(self.factors)
        self._sprite = self.factors

    def rows(self, factors: Tensor) -> Tensor:
        """The packed rows of factors [n, 5 or more]: int64 [n, 64], bit c of row r set where the pixel is white."""
        index = classes(factors[:, :5], self._sprite)
        return sprite_rows(index) if self._stored is None else self._stored.rows(index)

    def _render(self, factors: Tensor) -> Tensor:
        return unpack(self.rows(factors)).unsqueeze(1)


class ColorDSprites(DSprites):
    """A coloured sprite on black: dSprites' factors and a colour; pictures uint8 [n, 3, 64, 64].

    `colour="rgb"` adds the factors red, green and blue, each in [0.5, 1] so that no sprite is too dark to see;
    `colour="hue"` adds one circular factor of full saturation and value (0 red, 2 pi / 3 green). `path` as in DSprites.
    The colours of the published experiments are not stated; source: Burgess et al. 2018, coloured dSprites.
    """

    def __init__(self, colour: Literal["rgb", "hue"] = "rgb", path: str | Path | None = None) -> None:
        super().__init__(path)
        self.colour = colour
        self.shape = (3, SIDE, SIDE)
        if colour == "rgb":
            self.factors += tuple(Factor.continuous(name, 0.5, 1.0) for name in ("red", "green", "blue"))
        else:
            self.factors += (Factor.circular("hue", 2 * math.pi),)

    def _render(self, factors: Tensor) -> Tensor:
        colour = factors[:, 5:] if self.colour == "rgb" else hue_to_rgb(factors[:, 5])
        return paint(unpack(self.rows(factors), white=1), colour)


def hue_to_rgb(hue: Tensor) -> Tensor:
    """The fully saturated colours [n, 3] in [0, 1] of hues [n] in radian."""
    turn = hue[:, None] * (3 / math.pi) + torch.tensor([0.0, 4.0, 2.0], device=hue.device)
    return ((turn % 6 - 3).abs() - 1).clamp(0, 1)


def paint(masks: Tensor, colour: Tensor) -> Tensor:
    """Masks uint8 [n, H, W] of 0 and 1 in colours [n, 3] of [0, 1]: uint8 [n, 3, H, W]."""
    return masks[:, None] * (255 * colour).round().clamp(0, 255).to(torch.uint8)[:, :, None, None]
