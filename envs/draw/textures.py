"""Grey textures of walls that repeat at their borders: stucco, boards, bricks, wood, panels and stains."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

KINDS = 6


@cache
def textures(count: int, side: int) -> Tensor:
    """`count` textures float32 [count, side, side] with mean 0 and standard deviation 1, the kinds in turn."""
    generator = torch.Generator().manual_seed(0)
    found = torch.stack([_texture(k % KINDS, side, generator) for k in range(count)])
    found = found - found.mean((1, 2), keepdim=True)
    return (found / found.std((1, 2), keepdim=True)).float()


def _texture(kind: int, side: int, generator: torch.Generator) -> Tensor:
    """One texture of a kind, some of its measures drawn."""
    fine, place = _noise(side, 0.8, 0.8, generator), torch.arange(side)
    period = side // (2 ** int(torch.randint(2, 4, (), generator=generator)))  # 4 or 8 boards a side
    across = place.remainder(period)
    if kind == 0:  # stucco
        return fine + _noise(side, 2.5, 2.5, generator)
    if kind in (1, 4):  # boards, lying or standing: a shadow at the edge, each a little darker towards it
        board = torch.where(across == 0, -4.0, 1.5 * across / period).expand(side, side)
        grain = _noise(side, 0.7, 8.0, generator)
        return board.T + 0.5 * grain if kind == 1 else board + 0.5 * grain.T
    if kind == 2:  # bricks in a running bond, twice as wide as high
        row = place // period
        shifted = place[None] + period * (row % 2)[:, None]
        mortar = (across < 2)[:, None] | (shifted.remainder(2 * period) < 2)
        brick = torch.randn(side, side, generator=generator)
        shade = brick[row[:, None], shifted.remainder(side) // (2 * period)]
        return torch.where(mortar, 2.5, 0.6 * shade) + 0.5 * fine
    if kind == 3:  # wood
        return _noise(side, 1.0, 12.0, generator) + 0.3 * fine
    return _noise(side, 7.0, 7.0, generator) + 0.15 * fine  # stains


def _noise(side: int, down: float, across: float, generator: torch.Generator) -> Tensor:
    """Periodic Gaussian noise [side, side] with these correlation lengths in pixels, and standard deviation 1."""
    white = torch.fft.rfft2(torch.randn(side, side, generator=generator, dtype=torch.float64))
    rows, columns = torch.fft.fftfreq(side).double()[:, None], torch.fft.rfftfreq(side).double()
    smooth = torch.exp(-2 * torch.pi**2 * ((rows * down) ** 2 + (columns * across) ** 2))
    found = torch.fft.irfft2(white * smooth, s=(side, side))
    return found / found.std()
