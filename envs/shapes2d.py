"""2-D shapes of Peychev et al. 2017: 3 shapes x 16 x 16 positions x 6 scales x 60 rotations, 64 x 64 binary.

The paper counts 267,021 distinct pictures among the 276,480 combinations, but states no sizes. Two facts follow from
the count. The 60 rotations include both 0 and pi: without the second, a square would repeat after 30 of 60 steps and
46,080 pictures would go. And positions are not whole pixels: the pictures would then be shifted copies of one another
and their number a multiple of 256 = 16 x 16. So, with the square, the ellipse and the scales of dSprites,

    centre      (16 + 32 i / 15, 16 + 32 j / 15) pixels, y downward
    rotation    pi o / 59, counter-clockwise
    scale       0.5, 0.6 .. 1.0
    square      half-side 9.5997 scale
    ellipse     semi-axes 12.765 scale and 7.215 scale
    triangle    equilateral, circumradius 11.6195 scale, upright at rotation 0

where the triangle's size is fitted to the count. It gives 267,022. What is lost: the rotations 0 and pi are one picture
of a square or ellipse (3,072), and small shapes at neighbouring rotations cover the same pixels (6,386; modulo its
symmetry a square's angles are 1.5 degrees apart, a triangle's 1.0). No drawing of this kind meets an odd count such as
the published one: the mirror y -> 64 - y, rotation -> pi - rotation maps the set of pictures onto itself and no picture
onto itself, so they come in pairs. The published drawing must have had some small asymmetry.
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from torch import Tensor

from envs.draw.spans import (
    SIDE,
    ellipse_span,
    lattice_heights,
    lattice_rows,
    lattice_table,
    polygon_span,
    square_span,
    unpack,
)
from envs.dsprites import SCALES, classes
from envs.world import Factor, World

STEPS = 15
POSITIONS = tuple(i / STEPS for i in range(STEPS + 1))
ROTATIONS = tuple(math.pi * o / 59 for o in range(60))
SQUARE, ELLIPSE, TRIANGLE = 9.5997, (12.765, 7.215), 11.6195
DISTINCT = 267_022  # of 276,480; published: 267,021


class Shapes2D(World):
    """A white square, ellipse or triangle: shape, x, y, scale, rotation; pictures uint8 [n, 1, 64, 64] of 0 and 255.

    A value between two listed ones is drawn as the nearest. Rotation is ordinal, not circular: over [0, pi] a triangle
    does not come back to where it was.
    """

    def __init__(self) -> None:
        self.shape = (1, SIDE, SIDE)
        self.factors = (
            Factor.categorical("shape", 3),
            Factor.ordinal("x", POSITIONS, "of 32 pixels, rightward"),
            Factor.ordinal("y", POSITIONS, "of 32 pixels, downward"),
            Factor.ordinal("scale", SCALES),
            Factor.ordinal("rotation", ROTATIONS, "radian"),
        )

    def rows(self, factors: Tensor) -> Tensor:
        """The packed rows of factors [n, 5]: int64 [n, 64], bit c of row r set where the pixel is white."""
        shape, x, y, scale, rotation = classes(factors, self.factors).unbind(1)
        place = (shape * len(SCALES) + scale) * len(ROTATIONS) + rotation
        return lattice_rows(_table(factors.device), STEPS, place, x, y)

    def _render(self, factors: Tensor) -> Tensor:
        return unpack(self.rows(factors)).unsqueeze(1)


@lru_cache(maxsize=8)
def _table(device: torch.device) -> Tensor:
    """The spans of all shapes, scales and rotations for `lattice_rows`. Made once per device."""
    h = lattice_heights(STEPS)
    angle = torch.tensor(ROTATIONS, dtype=torch.float64)[:, None]
    # At rotation 0 the triangle points up: one side faces down, the others 120 degrees to either side of that.
    sides = angle[..., None] + torch.tensor([-math.pi / 2, math.pi / 6, 5 * math.pi / 6], dtype=torch.float64)
    spans = torch.full((3, len(SCALES), len(angle), len(h), 4), torch.inf, dtype=torch.float64)
    for k, scale in enumerate(SCALES):
        spans[0, k, ..., :2] = torch.stack(square_span(h, angle, SQUARE * scale), dim=-1)
        spans[1, k, ..., :2] = torch.stack(ellipse_span(h, angle, ELLIPSE[0] * scale, ELLIPSE[1] * scale), dim=-1)
        spans[2, k, ..., :2] = torch.stack(polygon_span(h, sides, TRIANGLE / 2 * scale), dim=-1)
    return lattice_table(spans, STEPS).to(device)
