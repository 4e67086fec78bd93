"""Printed letters, for what was learned on digits to be tried on other glyphs."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor
from torch.nn import functional as F

from envs.draw.glyphs import HALF, fields
from envs.transformed_digits import SHIFT

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FONT = "DejaVuSansMono-Bold"  # no letter of which is wide
WIDE = 0.55  # heights from the middle of a letter to the border of where it stands


@cache
def letters(side: int) -> Tensor:
    """The alphabet as float pictures [26, 1, side, side] in [0, 1], in the middle of margins as wide as a shift."""
    distance, _ = fields(FONT, ALPHABET)
    ink = side - 2 * SHIFT
    axis = (torch.arange(ink) + 0.5) / ink * 2 - 1
    place = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1) * (WIDE / HALF)
    found = F.grid_sample(distance[:, None], place.expand(len(distance), -1, -1, -1), align_corners=True)
    pictures = (0.5 - found * ink / (2 * WIDE)).clamp(0, 1)
    return F.pad(pictures, (SHIFT,) * 4)
