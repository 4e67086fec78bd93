"""The residual networks of the improved Wasserstein GAN (Gulrajani et al. 2017, 64 x 64), as in its published program.

A block is shortcut(x) + body(x); the body is normalise, ReLU, 3 x 3 convolution, twice, and the shortcut a 1 x 1
convolution. Upwards, the picture is doubled before the shortcut's and the body's first convolution; downwards, it is
averaged over 2 x 2 pixels before the shortcut's and behind the body's second. The generator normalises over the
batch, the critic over each picture (the gradient penalty needs rows that do not depend on each other).
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn


class _Block(nn.Module):
    """Maps [n, inputs, H, W] -> [n, outputs, 2 H, 2 W] (up) or [n, outputs, H / 2, W / 2]."""

    def __init__(self, inputs: int, outputs: int, up: bool):
        super().__init__()
        middle = outputs if up else inputs
        resize = nn.Upsample(scale_factor=2) if up else nn.AvgPool2d(2)
        self.shortcut = nn.Sequential(resize, nn.Conv2d(inputs, outputs, 1))
        first = nn.Conv2d(inputs, middle, 3, padding=1, bias=False)
        second = nn.Conv2d(middle, outputs, 3, padding=1)
        for layer in (first, second):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if up:
            norms: tuple[nn.Module, nn.Module] = nn.BatchNorm2d(inputs), nn.BatchNorm2d(middle)
            self.body = nn.Sequential(norms[0], nn.ReLU(), resize, first, norms[1], nn.ReLU(), second)
        else:
            norms = nn.GroupNorm(1, inputs), nn.GroupNorm(1, middle)
            self.body = nn.Sequential(norms[0], nn.ReLU(), first, norms[1], nn.ReLU(), second, resize)

    def forward(self, maps: Tensor) -> Tensor:
        return self.shortcut(maps) + self.body(maps)


def _doublings(shape: tuple[int, ...]) -> int:
    side = shape[1]
    if shape[1] != shape[2] or side < 8 or side & (side - 1):
        raise ValueError(
            f"residual networks need square pictures of 8, 16, 32, 64 ... pixels a side, got {tuple(shape)}"
        )
    return side.bit_length() - 3


def residual_generator(inputs: int, shape: tuple[int, ...], channels: int = 64) -> nn.Sequential:
    """[n, inputs] -> logits [n, C, H, W]: from 4 x 4 maps of 8 `channels` up by blocks of 8, 4, 2 and 1 `channels`.

    Raises ValueError unless the picture is square with a power of two of pixels a side.
    """
    count = _doublings(shape)
    widths = [channels * min(2 ** (count - k), 8) for k in range(count + 1)]
    widths[0] = widths[1] if count > 3 else widths[0]
    blocks = [_Block(wide, narrow, up=True) for wide, narrow in pairwise(widths)]
    last = nn.Conv2d(channels, shape[0], 3, padding=1)
    start = nn.Sequential(nn.Linear(inputs, 16 * widths[0]), nn.Unflatten(1, (widths[0], 4, 4)))
    return nn.Sequential(start, *blocks, nn.BatchNorm2d(channels), nn.ReLU(), last)


def residual_trunk(shape: tuple[int, ...], channels: int = 64) -> nn.Sequential:
    """Pictures [n, C, H, W] -> features [n, 16 * 8 channels] at 64 x 64: blocks of 2, 4, 8 and 8 `channels` downwards.

    Raises ValueError unless the picture is square with a power of two of pixels a side.
    """
    count = _doublings(shape)
    widths = [channels * min(2**k, 8) for k in range(count + 1)]
    blocks = [_Block(narrow, wide, up=False) for narrow, wide in pairwise(widths)]
    return nn.Sequential(nn.Conv2d(shape[0], channels, 3, padding=1), *blocks, nn.Flatten())
