"""The Swiss roll: labelled points, not pictures, on a rolled-up strip (Klys, Snell and Zemel 2018, figure 2).

    (t cos t, h, t sin t),    t in [1.5 pi, 4.5 pi],  h in [0, 21]

with t and h uniform, the customary scale. A plane across the roll, t cos t = `split`, gives the label 1 to what lies
below it. The paper's text does not say where its plane stands; the default halves the points.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from borders import Real
from envs.world import Factor, World

HALF = 3.1311  # the median of t cos t


class SwissRoll(World):
    """Points of the roll with the factors angle (radian) and height; `render` gives float32 [n, 3], not pictures.

    `split` is where the labelling plane crosses the first coordinate.
    """

    def __init__(self, split: Real = HALF) -> None:
        self.split = split
        self.shape = (3,)
        self.factors = (
            Factor.continuous("angle", 1.5 * math.pi, 4.5 * math.pi, "radian"),
            Factor.continuous("height", 0.0, 21.0),
        )

    def label(self, points: Tensor) -> Tensor:
        """The labels of points [n, 3]: int64 [n], 1 below the plane and 0 elsewhere."""
        return (points[:, 0] < self.split).long()

    def _render(self, factors: Tensor) -> Tensor:
        angle, height = factors.float().unbind(1)
        return torch.stack([angle * angle.cos(), height, angle * angle.sin()], dim=1)
