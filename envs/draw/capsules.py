"""Figures made of tapered capsules, seen in parallel projection and drawn in flat tones with a dark outline.

A capsule runs from p to q, with the radius r_p at one end and r_q at the other. On the screen, at a sample s,

    t = clamp((s - p) . (q - p) / |q - p|^2, 0, 1)
    d = |s - p - t (q - p)| - (r_p + t (r_q - r_p))

A sample with d < 0 has the tone of the capsule's material, one with 0 <= d < outline that of the line around it; where several
do so, the capsule counts whose middle is nearest. What is kept is the tone of each sample and not its colour, so that one
map serves every choice of colours.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

GROUND, LINE = 0, 1  # tones; a material m has the tones 2 m (lit) and 2 m + 1 (in its own shade)
LIGHT = (-0.6, -0.8)  # where light comes from, rightward and downward
CHUNK = 16  # maps painted at a time, so that the work stays in the processor's cache


def seen(points: Tensor, yaw: Tensor, pitch: float) -> Tensor:
    """Points [n, ..., 3] (x, y up, z forward) of a figure turned by `yaw` [n]: rightward, downward and near, [n, ..., 3].

    At yaw 0 it faces the camera, at pi / 2 the right of the screen; the camera looks down by `pitch` radian.
    """
    turn = yaw.view(-1, *[1] * (points.ndim - 2))
    x, y, z = points.unbind(-1)
    right, near = x * turn.cos() + z * turn.sin(), z * turn.cos() - x * turn.sin()
    up = y * math.cos(pitch) - near * math.sin(pitch)
    return torch.stack([right, -up, near * math.cos(pitch) + y * math.sin(pitch)], -1)


def paint(ends: Tensor, radii: Tensor, materials: Tensor, side: int, outline: float) -> Tensor:
    """The tones of figures on side x side samples: uint8 [n, side, side].

    `ends` [n, P, 2, 3] are the capsules' ends on the screen (rightward, downward, near), the screen being the unit square;
    `radii` [n, P, 2]; `materials` [n, P], from 1 on, 0 for a capsule that is not there. Radii and `outline` are in sides.
    """
    maps = torch.full((len(ends), side, side), GROUND, dtype=torch.uint8)
    axis = (torch.arange(side) + 0.5) / side
    for tones, end, radius, material in zip(
        *(each.split(CHUNK) for each in (maps, ends, radii, materials)), strict=True
    ):
        nearest = torch.full(tones.shape, -math.inf)
        for k in range(end.shape[1]):
            low, high = (end[:, k, :, :2] - radius[:, k, :, None], end[:, k, :, :2] + radius[:, k, :, None])
            first = ((low.amin((0, 1)) - outline) * side).floor().long().clamp(0, side).tolist()
            last = ((high.amax((0, 1)) + outline) * side).ceil().long().clamp(0, side).tolist()
            columns, rows = (slice(a, b) for a, b in zip(first, last, strict=True))  # where one of the chunk can be
            across, down = axis[None, None, columns], axis[None, rows, None]
            (px, py), (qx, qy) = (end[:, k, j, :2, None, None].unbind(1) for j in range(2))
            p, q = radius[:, k, :, None, None].unbind(1)
            length = ((qx - px) ** 2 + (qy - py) ** 2).clamp(min=1e-9)
            t = (((across - px) * (qx - px) + (down - py) * (qy - py)) / length).clamp_(0, 1)
            aside, below = across - px - t * (qx - px), down - py - t * (qy - py)
            wide = p + t * (q - p)
            distance = (aside.square() + below.square()).sqrt_() - wide
            shade = aside * LIGHT[0] + below * LIGHT[1] < -0.35 * wide
            near, there = end[:, k, :, 2].mean(1)[:, None, None], material[:, k, None, None]
            tone = torch.where(distance < 0, 2 * there + shade, LINE).to(torch.uint8)
            window = (slice(None), rows, columns)
            shown = (distance < outline) & (there > 0) & (near > nearest[window])
            tones[window] = torch.where(shown, tone, tones[window])
            nearest[window] = torch.where(shown, near, nearest[window])
    return maps
