"""Handwritten digits, 28 x 28, whose style is known because it was put there.

    x(p) = T_w I_{c, i}(A^-1 (p - d))         p: the place from the picture's centre, columns to the right, rows up
    A    = s R(theta) [[1, k], [0, 1]]        scale s, rotation counter-clockwise, shear: upright strokes lean right
    d    = (column, -row)                     shift
    T_w I = (1 - w) I + w max_5 I  for w >= 0,   (1 + w) I - w min_5 I  for w < 0

max_5 and min_5 are the extremes over a pixel and its four neighbours, so w moves every edge outwards by w pixels. The
picture between pixels is bilinear. In the neutral style every value is 0 and s = 1, and x is the source picture itself.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from envs.draw.handwriting import SIDE, Handwriting, Source
from envs.files.idx import Split
from envs.world import Factor, World

STYLES: dict[str, tuple[Factor, float]] = {
    factor.name: (factor, neutral)
    for factor, neutral in (
        (Factor.continuous("rotation", -math.pi / 6, math.pi / 6, "radian"), 0.0),
        (Factor.continuous("scale", 0.7, 1.1, "ratio"), 1.0),
        (Factor.continuous("shear", -0.4, 0.4, "ratio"), 0.0),
        (Factor.continuous("thickness", -0.5, 1.0, "pixel"), 0.0),
        (Factor.continuous("row", -3, 3, "pixel"), 0.0),
        (Factor.continuous("column", -3, 3, "pixel"), 0.0),
    )
}


class Digits(World):
    """Handwritten digits by class, example and style; a picture is uint8 [1, 28, 28].

    Settings: `style` names the style factors in use, any of `STYLES` (the others stay neutral; with none the world is
    the plain data set); `source`, `path` and `split` choose the handwriting, see `envs.draw.handwriting.Handwriting`.

    Factors: `digit` (the class), `example` (which of the class's pictures, counted round where the class has fewer than
    the largest), then the styles in the order they were named. Raises ValueError for an unknown or repeated style.
    """

    def __init__(
        self,
        style: tuple[str, ...] = ("rotation", "scale", "shear", "thickness"),
        source: Source = "embedded",
        path: str | Path | None = None,
        split: Split = "all",
    ):
        if len(set(style)) < len(style) or not set(style) <= set(STYLES):
            raise ValueError(f"style must name each of {tuple(STYLES)} at most once, got {style}")
        self.style = style
        self.handwriting = Handwriting(source, path, split)
        self.shape = (1, SIDE, SIDE)
        self.factors = (
            Factor.categorical("digit", self.handwriting.classes),
            Factor.categorical("example", self.handwriting.examples),
            *(STYLES[name][0] for name in style),
        )

    def _render(self, factors: Tensor) -> Tensor:
        drawn = dict(zip(self.style, factors[:, 2:].float().unbind(1), strict=True))
        rotation, scale, shear, thickness, row, column = (
            drawn.get(name, torch.full_like(factors[:, 0], neutral, dtype=torch.float32))
            for name, (_, neutral) in STYLES.items()
        )
        ink = thicken(self.handwriting.pictures(factors[:, 0], factors[:, 1]), thickness)
        ink = warp(ink, rotation, scale, shear, torch.stack([row, column], dim=1))
        return (ink * 255).round().to(torch.uint8)[:, None]


def thicken(ink: Tensor, width: Tensor) -> Tensor:
    """`ink` [n, H, W] with every edge moved outwards by `width` [n] in [-1, 1] pixels."""
    padded = F.pad(ink, (1, 1, 1, 1))
    near = (padded[:, :-2, 1:-1], padded[:, 2:, 1:-1], padded[:, 1:-1, :-2], padded[:, 1:-1, 2:])
    most = least = ink
    for neighbour in near:
        most, least = torch.maximum(most, neighbour), torch.minimum(least, neighbour)
    w = width[:, None, None]
    return ink + w.clamp(min=0) * (most - ink) + w.clamp(max=0) * (ink - least)


def warp(ink: Tensor, rotation: Tensor, scale: Tensor, shear: Tensor, shift: Tensor) -> Tensor:
    """`ink` [n, H, H], sheared, rotated and scaled about its centre (each [n]), then shifted by (row, column)."""
    cos, sin = rotation.cos() / scale, rotation.sin() / scale
    side = ink.shape[1]
    axis = torch.arange(side, device=ink.device) - (side - 1) / 2
    right = axis - shift[:, 1, None, None]  # [n, 1, H]
    down = axis[:, None] - shift[:, 0, None, None]  # [n, H, 1]
    # A^-1 = [[1, -k], [0, 1]] R(-theta) / s; the rows point down, which turns the signs of its second row and column.
    by_right = torch.stack([cos + shear * sin, sin], dim=1)[:, None, None]
    by_down = torch.stack([shear * cos - sin, cos], dim=1)[:, None, None]
    source = right[..., None] * by_right + down[..., None] * by_down  # [n, H, H, (right, down)]
    return F.grid_sample(ink[:, None], source * (2 / side), align_corners=False)[:, 0]
