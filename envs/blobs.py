"""A Gaussian blob on a black canvas; its position is all there is to know (Burgess et al. 2018, figure 2).

    pixel(r, c) = exp(-((c + 0.5 - x)^2 + (r + 0.5 - y)^2) / (2 sigma^2)),    255 at the brightest

The figure states neither the size of the blob nor of the canvas; here sigma is 3 pixels on 64 x 64, and positions keep
four sigma from the border, so that the blob is never clipped, unless told.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from borders import NonNegative
from envs.world import Factor, World

SIDE = 64


class Blobs(World):
    """A blob at x and y, in pixels, rightward and downward: pictures uint8 [n, 1, 64, 64].

    `sigma` is the blob's standard deviation in pixels, and its centre keeps `margin` of them from the border; `sigma` and
    the room between the margins must be above 0, and margins not negative. Below 4 the border cuts some of the blob off.
    """

    def __init__(self, sigma: Annotated[float, Interval(ge=0.01, le=SIDE)] = 3.0, margin: NonNegative = 4.0) -> None:
        if margin * sigma >= SIDE / 2:
            raise ValueError(f"margin times sigma must be below {SIDE / 2:g} pixels, got {margin} times {sigma}")
        self.sigma = sigma
        self.shape = (1, SIDE, SIDE)
        least = margin * sigma
        self.factors = tuple(Factor.continuous(name, least, SIDE - least, "pixel") for name in ("x", "y"))

    def _render(self, factors: Tensor) -> Tensor:
        pixel = torch.arange(SIDE, device=factors.device) + 0.5
        across, down = torch.exp(-((pixel - factors[..., None]) ** 2) / (2 * self.sigma**2)).unbind(1)
        return (255 * down[:, None, :, None] * across[:, None, None, :]).round().to(torch.uint8)
