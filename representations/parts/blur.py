"""From coarse to fine: pictures through a Gaussian that narrows as a training goes on."""

from __future__ import annotations

import torch
from torch import Tensor

from borders import NonNegative, Share, checked
from representations.model import Pictures, pixels

SHARP = 0.25  # pixels: a Gaussian as narrow as that leaves a picture as it is


@checked
def blurred(pictures: Pictures, width: NonNegative) -> Tensor:
    """Pictures [n, C, H, W] through a Gaussian of `width` pixels, float in [0, 1].

    Beyond its border a picture is black.
    """
    seen = pixels(pictures)
    if width <= SHARP:
        return seen
    down, across = (_gaussian(side, width, seen) for side in seen.shape[2:])
    return (down @ seen @ across.T).clamp(0, 1)


def width_at(share: Share, first: NonNegative, held: Share, clear: Share) -> float:
    """The width in pixels when `share` of a training is done: `first` until `held`, then by one factor a step down to 0.

    From `clear` on it is 0; shares are of the whole training.
    """
    if share >= clear or first <= SHARP:
        return 0.0
    done = max(0.0, (share - held) / (clear - held)) if clear > held else 0.0
    return first * (SHARP / first) ** done


def _gaussian(side: int, width: float, like: Tensor) -> Tensor:
    """Weights [side, side] of what comes to each place from each, which sum to 1 over all places within and beyond."""
    place = torch.arange(-side, side + 1, device=like.device, dtype=like.dtype)
    weights = (-0.5 * (place / width).square()).exp()
    weights = weights.where(weights > 1e-18, 0.0)  # a product of less is slow to compute
    offset = torch.arange(side, device=like.device)
    return (weights / weights.sum())[offset[:, None] - offset + side]
