"""Shape motion: one flat square or circle travels across a black picture along a Bezier curve.

    p(t) = sum_i C(4, i) t^i (1 - t)^(4 - i) P_i        0 <= t <= 1, P_i in [0, 1]^2, a quartic Bezier curve
    P_0, P_4                                            long axis 1 and 0, cross axis the same number: a uniform one,
                                                        rounded to a whole pixel
    P_1, P_2, P_3                                       uniform in [0, 1]^2
    centre = floor(h / 2 + p (61 - h))                  pixels; h is the side, so [0, 1] is the shape's free range
    square: every pixel offset in (-h / 2, h / 2]^2     h^2 pixels
    circle: those with |y|^2.1 + |x|^2.1 <= (h / 2)^2.1 47, 79, 111, 151 pixels

The long axis is the rows (the shape rises from the bottom) or the columns (it goes from right to left). No plain disc
has the four published areas; the exponent 2.1 has them all. Geometry as read off the published clips of MoCoGAN
(Tulyakov et al. 2017): 64 x 64 pixels, one colour of 8 bits a channel, no anti-aliasing, never clipped; shapes keep to
the rows and columns 1 to 61. All frames of 96 published clips are drawn exactly.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from envs.world import Clip, Factor, VideoWorld

SIDES = (8.0, 10.0, 12.0, 14.0)
EXPONENT = 2.1
SPAN = 61  # pixels that the published shapes keep to, the first row and column left out
WHOLE = 1e-4  # pixels: what rounding may take from a place that is a whole pixel


def bezier(points: Tensor, times: Tensor) -> Tensor:
    """The quartic Bezier curves of control `points` [n, 5, d] at `times` [T] in [0, 1]: [n, T, d]."""
    t, s = times, 1 - times
    basis = torch.stack([s**4, 4 * t * s**3, 6 * t**2 * s**2, 4 * t**3 * s, t**4], dim=1)
    return torch.einsum("ti,nid->ntd", basis, points)


class ShapeMotion(VideoWorld):
    """Clips of a coloured square or circle in motion, for separating what moves from how it moves.

    Settings: `size` 64, or 32 which keeps every second pixel of both axes. A picture is uint8 [3, size, size].

    Factors: `shape` (0 square, 1 circle); `red`, `green`, `blue` in [0, 1], drawn as level floor(256 v), so uniform
    over the 256; `size`, the side in pixels of the 64-pixel picture; `row` and `column` in [0, 1] of the range that
    keeps the shape inside. `content` names the factors that a clip keeps, `motion` those that change within it. In
    `sample` all are independent.
    """

    content = ("shape", "red", "green", "blue", "size")
    motion = ("row", "column")

    def __init__(self, size: Literal[32, 64] = 64):
        self.size = size
        self.shape = (3, size, size)
        self.factors = (
            Factor.categorical("shape", 2),
            *(Factor.continuous(colour, 0, 1, "intensity") for colour in ("red", "green", "blue")),
            Factor.ordinal("size", SIDES, "pixel"),
            Factor.continuous("row", 0, 1, "free range"),
            Factor.continuous("column", 0, 1, "free range"),
        )

    @staticmethod
    def centres(factors: Tensor) -> Tensor:
        """The (row, column) of the centres for factors [..., K], in pixels of the 64-pixel picture: long [..., 2]."""
        side = factors[..., 4:5]
        return torch.floor(side / 2 + factors[..., 5:7].clamp(0, 1) * (SPAN - side) + WHOLE).long()

    @staticmethod
    def motion_kind(factors: Tensor) -> Tensor:
        """Which way whole clips [n, T, K] travel, T at least 2: long [n], 0 for upwards, 1 for right to left."""
        travel = (factors[:, -1, 5:7] - factors[:, 0, 5:7]).abs()
        return (travel[:, 1] > travel[:, 0]).long()

    def clip(self, n: int, length: int, generator: torch.Generator) -> Clip:
        """`n` clips that run the whole curve in `length` even steps of t; on the generator's device.

        The published clips have 32 frames; the paper's 16 are every second one: `frames[:, ::2]`.
        """
        device = generator.device
        content = self._draw(n, generator)[:, :5]
        points = torch.rand(n, 5, 2, generator=generator, device=device)
        free = SPAN - content[:, 4:5]
        points[:, 0] = (points[:, 0] * free).round() / free
        points[:, 4] = points[:, 0]  # the cross axis ends where it starts
        long_axis = torch.randint(2, (n,), generator=generator, device=device)
        every = torch.arange(n, device=device)
        points[every, 0, long_axis] = 1.0
        points[every, 4, long_axis] = 0.0
        path = bezier(points, torch.linspace(0, 1, length, device=device)).clamp(0, 1)
        factors = torch.cat([content[:, None].expand(n, length, 5), path], dim=2)
        frames = self.render(factors.flatten(0, 1)).unflatten(0, (n, length))
        return Clip(frames, factors)

    def _render(self, factors: Tensor) -> Tensor:
        device = factors.device
        centre = self.centres(factors)[:, :, None]  # [n, 2, 1]
        half = factors[:, None, 4:5] / 2
        offset = torch.arange(0, 64, 64 // self.size, device=device) - centre  # [n, 2, size]
        # A pixel is inside where the terms of its row and its column add to at most 1; a square's terms are all zero.
        term = (offset.abs() / half) ** EXPONENT * factors[:, None, :1].round()
        term.masked_fill_((offset <= -half) | (offset > half), 2.0)
        inside = term[:, 0, :, None] <= 1 - term[:, 1, None, :]
        level = (factors[:, 1:4] * 256).floor().clamp(0, 255).to(torch.uint8)
        return inside.view(torch.uint8)[:, None] * level[:, :, None, None]
