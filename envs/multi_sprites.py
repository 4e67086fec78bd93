"""Scenes of several coloured sprites that may overlap, a fixed bound on their number (Nash et al. 2017, appendix A).

    picture = min(1, sum over k of exists_k colour_k mask_k)

Every sprite is drawn independently, including whether it exists; colours that overlap are summed and clipped at one.
The paper states neither sizes nor the range of the colours: sprites are those of dSprites, colours uniform in [0, 1]^3.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from torch import Tensor

from envs.draw.spans import SIDE, unpack
from envs.dsprites import SCALES, classes, sprite_factors, sprite_rows
from envs.world import Factor, World

MOST = 128  # sprites whose colours, up to 255 each, sum within 16 bits
CHUNK = 64  # scenes drawn at a time, so that their pictures stay in the processor's cache


class MultiSprites(World):
    """Up to `sprites` coloured sprites (the paper has 3 and 8): pictures uint8 [n, 3, side, side].

    Nine factors a sprite, in this order and numbered from 0: exists_k (0 or 1, even odds), shape_k, scale_k,
    orientation_k, x_k, y_k, red_k, green_k, blue_k. `size` in (0, 1] multiplies dSprites' scales 0.5 .. 1; `side` 32 keeps
    every second pixel of both axes. The other factors of a sprite that does not exist change nothing. Raises ValueError
    for impossible settings.
    """

    def __init__(
        self,
        sprites: Annotated[int, Interval(ge=1, le=MOST)] = 3,
        size: Annotated[float, Interval(ge=1e-3, le=1)] = 1.0,
        side: Literal[32, 64] = 64,
    ) -> None:
        self.sprites, self.size, self.side = sprites, size, side
        self.shape = (3, side, side)
        self._scales = tuple(size * s for s in SCALES)
        self._sprite = sprite_factors(self._scales)
        colours = tuple(Factor.continuous(name, 0.0, 1.0) for name in ("red", "green", "blue"))
        one = (Factor.categorical("exists", 2), *self._sprite, *colours)
        self.factors = tuple(replace(factor, name=f"{factor.name}_{k}") for k in range(sprites) for factor in one)

    def masks(self, factors: Tensor) -> Tensor:
        """Which pixels each sprite covers, uint8 [n, sprites, side, side] of 0 and 1, none where it does not exist."""
        each = factors.reshape(-1, 9)
        there = (each[:, 0] > 0.5).nonzero().squeeze(1)
        step: Literal[1, 2] = 1 if self.side == SIDE else 2
        rows = torch.zeros(len(each), self.side, dtype=torch.int64, device=each.device)
        rows[there] = sprite_rows(classes(each[there, 1:6], self._sprite), self._scales)[:, ::step]
        return unpack(rows, 1, step).view(-1, self.sprites, self.side, self.side)

    def _render(self, factors: Tensor) -> Tensor:
        pictures = torch.empty(len(factors), *self.shape, dtype=torch.uint8, device=factors.device)
        for picture, rows in zip(pictures.split(CHUNK), factors.split(CHUNK), strict=True):
            masks = self.masks(rows).short().flatten(2).unsqueeze(2)
            colours = (255 * rows.view(-1, self.sprites, 9)[:, :, 6:]).round().clamp(0, 255).short().unsqueeze(3)
            total = masks[:, 0] * colours[:, 0]
            for k in range(1, self.sprites):
                total.addcmul_(masks[:, k], colours[:, k])
            picture.copy_(total.clamp_(max=255).view_as(picture))
        return pictures
