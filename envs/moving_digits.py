"""Moving digits: two handwritten digits bounce in a frame, one drawn in red and one in green.

    p_k(t) = fold(p_k(0) + 0.1 t (sin a_k, cos a_k))    place in [0, 1]^2, start and heading a_k uniform
    fold(u) = 1 - |1 - (u mod 2)|                       an elastic wall at 0 and at 1, each axis on its own
    x_k = H(p_row) I_k H(p_column)^T                    I_k: the digit, m x m; x_k: its plane of the n x n picture
    H(p)_{ij} = max(0, 1 - |i - j - p (n - m)|)         i of the picture, j of the digit: a bilinear shift

The digits do not meet: each has a plane of its own and the blue one stays empty. Whitney and Fergus 2017, appendix C:
digits of 28 pixels in 64; their code moves 0.1 of the free range a frame. A place between pixels is blended here, where
theirs is cut to whole pixels.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from envs.draw.handwriting import SIDE, Handwriting, Source
from envs.files.idx import Split
from envs.world import Clip, Factor, VideoWorld

STEP = 0.1
BLOCK = 64  # pictures at a time: what lies between stays in the processor's cache


def fold(place: Tensor) -> Tensor:
    """Where a point that moves freely along a line is when walls at 0 and 1 reflect it; any shape."""
    return 1 - (1 - place.remainder(2)).abs()


class MovingDigits(VideoWorld):
    """Clips of two bouncing digits that share nothing but the frame, for factors that are predicted apart.

    Settings: `size` of the picture, 64, or 32 or 16 with digits of 14 or 7 pixels; `source`, `path` and `split` choose the
    handwriting, see `envs.draw.handwriting.Handwriting`. A picture is uint8 [3, size, size].

    Factors of digit k = 0 (red) and 1 (green): `digit_k` (the class), `example_k` (which of the class's pictures,
    counted round), `row_k` and `column_k` in [0, 1] of the free range. `content` names the factors that a clip keeps,
    `motion` those that change within it. In `sample` all are independent.
    """

    content = ("digit_0", "example_0", "digit_1", "example_1")
    motion = ("row_0", "column_0", "row_1", "column_1")

    def __init__(
        self,
        size: Literal[16, 32, 64] = 64,
        source: Source = "embedded",
        path: str | Path | None = None,
        split: Split = "all",
    ):
        self.size = size
        self.side = SIDE * size // 64
        self.handwriting = Handwriting(source, path, split)
        self.shape = (3, size, size)
        self.factors = tuple(
            factor
            for k in range(2)
            for factor in (
                Factor.categorical(f"digit_{k}", self.handwriting.classes),
                Factor.categorical(f"example_{k}", self.handwriting.examples),
                Factor.continuous(f"row_{k}", 0, 1, "free range"),
                Factor.continuous(f"column_{k}", 0, 1, "free range"),
            )
        )

    def clip(self, n: int, length: int, generator: torch.Generator) -> Clip:
        """`n` clips of `length` frames, on the generator's device; start and heading of every digit are uniform."""
        device = generator.device
        factors = self._draw(n, generator)[:, None].repeat(1, length, 1).unflatten(2, (2, 4))  # [n, T, digit, factor]
        heading = 2 * math.pi * torch.rand(n, 1, 2, generator=generator, device=device)
        time = torch.arange(length, device=device)[None, :, None, None]
        velocity = STEP * torch.stack([heading.sin(), heading.cos()], dim=-1)
        factors[..., 2:] = fold(factors[..., 2:] + time * velocity)
        factors = factors.flatten(2)
        frames = self.render(factors.flatten(0, 1)).unflatten(0, (n, length))
        return Clip(frames, factors)

    def _render(self, factors: Tensor) -> Tensor:
        out = factors.new_zeros(len(factors), 3, self.size, self.size, dtype=torch.uint8)
        for rows, pictures in zip(factors.float().split(BLOCK), out.split(BLOCK), strict=True):
            pictures[:, :2] = self._planes(rows.reshape(-1, 4)).unflatten(0, (-1, 2))
        return out

    def _planes(self, factors: Tensor) -> Tensor:
        """The planes float [n, size, size] in whole levels of single digits [n, (class, example, row, column)]."""
        ink = 255 * self.handwriting.pictures(factors[:, 0], factors[:, 1])
        if self.side < SIDE:
            ink = F.avg_pool2d(ink[:, None], SIDE // self.side)[:, 0]
        pixel = torch.arange(self.size, device=factors.device)[:, None]
        place = factors[:, 2:, None, None] * (self.size - self.side)  # [n, (row, column), 1, 1]
        hat = (1 - (pixel - pixel[: self.side].T - place).abs()).clamp(min=0)  # [n, 2, size, side]
        return torch.bmm(torch.bmm(hat[:, 0], ink), hat[:, 1].mT).round_()
