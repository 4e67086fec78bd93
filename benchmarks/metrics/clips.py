"""What clips of one flat-coloured shape on black show: its colour, area and place in every frame, and whether it keeps them.

    S_t    the pixels of frame t whose brightest channel is above `FAINT`, |S_t| its area
    c_t    the mean colour of S_t, from 0 to 255 a channel;   p_t  the mean place of S_t
    ACD    the mean of |c_s - c_t| over the pairs s < t of a clip's frames that have a shape     (Tulyakov et al. 2017, sec. 4)

A clip that stands still has an ACD of 0, and so has one colour for all clips: ACD says something only beside how much
colours differ between clips, how large the shape is and how far it goes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import UInt8
from scipy.stats import wasserstein_distance
from torch import Tensor

from borders import checked

FAINT = 32  # of 255: a pixel that is nowhere brighter is background
Clips = UInt8[Tensor, "n T 3 H W"]


@dataclass(frozen=True)
class Track:
    """What is seen in every frame of clips, float64: `colour` [n, T, 3], `place` [n, T, 2] (row, column), `area` [n, T].

    `spread` [n, T] is how far pixels lie from the place, root mean square, in that of a disc of the same area: 1 for a
    disc, 1.02 for a square, more for a shape in pieces. A frame without a shape has the area and spread 0, the colour
    black and the place in the picture's middle.
    """

    colour: Tensor
    place: Tensor
    area: Tensor
    spread: Tensor

    @property
    def seen(self) -> Tensor:
        """Which frames have a shape, bool [n, T]."""
        return self.area > 0


@checked
def track(clips: Clips) -> Track:
    """What is seen in clips uint8 [n, T, 3, H, W]."""
    height, width = clips.shape[3:]
    inside = (clips.amax(2) > FAINT).double()
    area = inside.sum((2, 3))
    count = area.clamp(min=1)
    colour = torch.einsum("ntchw,nthw->ntc", clips.double(), inside) / count[..., None]
    rows, columns = (torch.arange(side, dtype=torch.float64, device=clips.device) for side in (height, width))
    down, across = inside.sum(3), inside.sum(2)
    place = torch.stack([down @ rows, across @ columns], 2) / count[..., None]
    square = (down @ rows.square() + across @ columns.square()) / count - place.square().sum(2)
    spread = (2 * torch.pi * square.clamp(min=0) / count).sqrt()
    middle = place.new_tensor([(height - 1) / 2, (width - 1) / 2])
    return Track(colour, torch.where(area[..., None] > 0, place, middle), area, spread)


def content_distance(found: Track) -> Tensor:
    """ACD [n] of every clip, in units of 255; NaN for a clip with less than two frames that have a shape."""
    pairs = (found.seen[:, :, None] & found.seen[:, None, :]).triu(1)
    apart = torch.cdist(found.colour, found.colour, compute_mode="donot_use_mm_for_euclid_dist")
    return (apart * pairs).sum((1, 2)) / pairs.sum((1, 2))


def path_length(found: Track) -> Tensor:
    """How far the shape goes in every clip [n], in pixels: T - 1 times its mean step; NaN where no two frames show it."""
    both = found.seen[:, 1:] & found.seen[:, :-1]
    steps = (found.place[:, 1:] - found.place[:, :-1]).norm(dim=2)
    return both.shape[1] * (steps * both).sum(1) / both.sum(1)


def clip_scores(clips: Clips, real: Clips) -> dict[str, float]:
    """ACD of clips uint8 [n, T, 3, H, W] with what it needs beside it, some compared with `real` ones of as many frames.

    `acd` and `colour_spread`, the mean distance of two clips' mean colours, are in units of 255, and `acd_share` is their
    ratio; `seen` the share of frames with a shape; `area`, `path` means in pixels, and `pieces` the mean of `Track.spread`;
    `area_distance`, `path_distance` the Wasserstein distances of frames' areas and clips' paths to those of real clips.
    Figures of clips without a shape are NaN.
    """
    found, true = track(clips), track(real)
    whole = found.seen.any(1)
    mean = (found.colour * found.seen[..., None]).sum(1)[whole] / found.seen.sum(1)[whole, None]
    acd, spread = content_distance(found).nanmean().item(), mean_distance(mean)
    path, far = path_length(found), path_length(true)
    return {
        "acd": acd,
        "colour_spread": spread,
        "acd_share": acd / spread if spread else float("nan"),
        "seen": found.seen.double().mean().item(),
        "area": found.area[found.seen].mean().item(),
        "area_distance": _apart(found.area.flatten(), true.area.flatten()),
        "path": path.nanmean().item(),
        "path_distance": _apart(path, far),
        "pieces": found.spread[found.seen].mean().item(),
    }


def mean_distance(rows: Tensor) -> float:
    """The mean Euclidean distance of two different ones of the rows [n, d]; NaN where there are not two."""
    return torch.pdist(rows).mean().item()


def shares_of_variance(values: Tensor) -> tuple[float, float]:
    """Which shares of the variance of values [n, m, d] rows and columns have, each by itself; NaN where nothing varies.

    Of a full design the sum of squares is that of rows, of columns and of both together (the two-way analysis of
    variance); of random numbers the first two are (n - 1) / (n m - 1) and (m - 1) / (n m - 1).
    """
    mean = values.mean((0, 1))
    total = (values - mean).square().sum()
    rows = values.shape[1] * (values.mean(1) - mean).square().sum()
    columns = values.shape[0] * (values.mean(0) - mean).square().sum()
    return (rows / total).item(), (columns / total).item()


def _apart(first: Tensor, second: Tensor) -> float:
    """The Wasserstein distance of two sets of numbers, those that are NaN left out; NaN where none are left."""
    sets = [each[each.isfinite()].cpu().numpy() for each in (first, second)]
    return float(wasserstein_distance(*sets)) if all(map(np.size, sets)) else float("nan")
