"""A batched scanline rasteriser with a depth buffer, for one mesh seen from many sides in parallel projection.

On the screen a triangle (p_0, p_1, p_2) covers the samples q whose barycentric coordinates are not negative,

    l_i(q) = cross(p_k - p_j, q - p_j) / cross(p_1 - p_0, p_2 - p_0),     (i, j, k) cyclic

and depth and brightness are affine over it. Along a row of samples each l_i is affine, so that a triangle leaves one
span of the row, found in closed form; no sample outside a triangle is ever looked at. Depth (high bits) and brightness
(low bits) share one integer: a scatter with the minimum leaves the brightness of the nearest surface in any order.
"""

from __future__ import annotations

import torch
from torch import Tensor

DEPTH_STEPS = 32766
SHADE_STEPS = 65535
EMPTY = 32767 << 16  # behind everything, and its brightness is 0
SLACK = 1e-4  # of a triangle: samples on a shared edge belong to both sides, so that no gap opens between them


def rasterise(corners: Tensor, side: int) -> Tensor:
    """The brightness of the nearest surface, 0 where there is none, as means of 2 x 2 samples: float32 [n, side, side].

    `corners` [n, F, 3, 4] are the triangles' corners (x, y, depth, brightness): x rightward and y downward in pixels,
    inside the screen, depth (smaller is nearer) and brightness in [0, 1]. Triangles that run clockwise on the screen
    (they show their back) are left out.
    """
    side = 2 * side  # from here on in samples; a sample is at (column + 0.5, row + 0.5)
    facing = doubled_area(corners.unbind(2)) < -1e-6
    picture = facing.nonzero()[:, 0]
    kept = corners.flatten(0, 1).index_select(0, facing.flatten().nonzero().squeeze(1))
    area = doubled_area(kept.unbind(1))
    x, y, depth, shade = kept.permute(2, 1, 0).contiguous()
    x, y, area = 2 * x, 2 * y, 4 * area
    # Slopes of l_0, l_1, l_2, depth and brightness along x and y, and their values at the screen's first sample.
    slope_x = torch.stack([y[1] - y[2], y[2] - y[0], y[0] - y[1]]) / area
    slope_y = torch.stack([x[2] - x[1], x[0] - x[2], x[1] - x[0]]) / area
    start = slope_x * (0.5 - x.roll(-1, 0)) + slope_y * (0.5 - y.roll(-1, 0))
    slope_x, slope_y, start = (_with_affine(field, depth, shade) for field in (slope_x, slope_y, start))

    triangle, row = runs((y.amin(0) - 0.5).ceil().long(), (y.amax(0) - 0.5).floor().long())
    slope_x = slope_x.index_select(1, triangle)
    start = torch.addcmul(start.index_select(1, triangle), slope_y.index_select(1, triangle), row.float())
    line, column = runs(*span(start[:3], slope_x[:3], side))
    start, slope_x = start[3:].index_select(1, line), slope_x[3:].index_select(1, line)
    depth, shade = start.addcmul_(slope_x, column.float()).clamp_(0, 1)
    key = ((depth * DEPTH_STEPS).int() << 16) | (shade * SHADE_STEPS).round_().int()
    sample = row.add_(picture.index_select(0, triangle), alpha=side).mul_(side).index_select(0, line).add_(column)
    nearest = torch.full((len(corners) * side * side,), EMPTY, dtype=torch.int32, device=corners.device)
    nearest.scatter_reduce_(0, sample, key, "amin")
    shades = (nearest & SHADE_STEPS).view(-1, side, side)
    rows = shades[:, 0::2] + shades[:, 1::2]
    return (rows[..., 0::2] + rows[..., 1::2]) / (4 * SHADE_STEPS)


def doubled_area(corners: tuple[Tensor, ...]) -> Tensor:
    """Twice the signed area of triangles by their corners [..., 2 or more], positive where they run clockwise."""
    a, b, c = corners
    return (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])


def _with_affine(field: Tensor, depth: Tensor, shade: Tensor) -> Tensor:
    """Barycentric values [3, P] with those of depth and brightness below them: [5, P]."""
    return torch.cat([field, (field * depth).sum(0, True), (field * shade).sum(0, True)])


def runs(first: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
    """The whole numbers first .. last of every run [m], one run after the other: their runs, and they themselves."""
    count = (last - first + 1).clamp_(min=0)
    owner = torch.repeat_interleave(count)
    shift = first - (count.cumsum(0) - count)
    return owner, torch.arange(len(owner), device=first.device).add_(shift.index_select(0, owner))


def span(value: Tensor, slope: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """The first and last column at which all of value + slope * column [3, R] are at least -SLACK: int64 [R]."""
    limit = (-SLACK - value) / slope
    low = torch.where(slope > 0, limit, -1.0).amax(0).ceil()
    high = torch.where(slope < 0, limit, float(side)).amin(0).floor()
    missed = ((slope == 0) & (value < -SLACK)).any(0)
    return low.clamp_(0, side).long(), high.clamp_(-1, side - 1).masked_fill_(missed, -1).long()
