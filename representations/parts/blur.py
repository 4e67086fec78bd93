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

    At the border the Gaussian is cut and made whole again, so that a picture of one colour keeps it.
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
    """Weights [side, side], whose rows sum to 1."""
    place = torch.arange(side, device=like.device, dtype=like.dtype)
    weights = (-0.5 * ((place[:, None] - place) / width).square()).exp()
    return weights / weights.sum(1, keepdim=True)
