"""Binary shapes as spans of pixel rows, packed 64 pixels to an integer.

A row of a shape is at most two spans of pixels. Around the shape's centre (cx, cy), y downward, the row r crosses it at
the height h = cy - (r + 0.5) (up is positive) where

    (u, h) is inside   <=>   u in [a_1, b_1] u [a_2, b_2],     u = (c + 0.5) - cx

A pixel is white where its centre is inside. The 64 pixels of a row are the bits of one int64, column 0 the lowest, so
that a picture is 64 integers; `unpack` turns every byte of them into 8 pixels by a table of 256 entries. Memory traffic
is then the only cost of a picture.

Where the centre is at (16 + 32 i / L, 16 + 32 j / L) with whole i and j, row r lies at the height

    h = 15.5 + (32 j - L r) / L

so that all rows of all positions lie on one lattice of 1/L pixel, and so do the columns. A table over the shapes and
that lattice holds the spans of every row of every picture in whole numbers: column c is inside the span (a, b) when

    ceil(L (a + 15.5))  <=  L c - 32 i  <=  floor(L (b + 15.5))
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

SIDE = 64
REACH = 14  # pixels: no shape in a table goes farther from its centre, and so none leaves the picture


def square_span(h: Tensor, angle: Tensor, half_side: Tensor | float) -> tuple[Tensor, Tensor]:
    """Where the horizontal line at height `h` crosses a square about the origin, turned counter-clockwise by `angle`.

    Returns the ends (a, b) of u, with a > b where the line misses. All arguments broadcast.
    """
    return polygon_span(h, angle[..., None] + torch.arange(4, device=h.device) * (torch.pi / 2), half_side)


def polygon_span(h: Tensor, normals: Tensor, inradius: Tensor | float) -> tuple[Tensor, Tensor]:
    """The crossing of the line at height `h` with {p : p . (cos n, sin n) <= inradius for every angle n in `normals`}.

    `normals` has one more dimension than `h`, the last. Returns (a, b), with a > b where the line misses.
    """
    low = torch.full_like(h * normals[..., 0], -torch.inf)
    high = torch.full_like(low, torch.inf)
    for normal in normals.unbind(-1):
        slope, room = normal.cos(), inradius - h * normal.sin()
        level = slope.abs() < 1e-12
        limit = room / torch.where(level, 1.0, slope)
        high = torch.where(level | (slope < 0), high, torch.minimum(high, limit))
        low = torch.where(level | (slope > 0), low, torch.maximum(low, limit))
        high = torch.where(level & (room < 0), -torch.inf, high)
    return low, high


def ellipse_span(h: Tensor, angle: Tensor, major: Tensor | float, minor: Tensor | float) -> tuple[Tensor, Tensor]:
    """The crossing of the line at height `h` with an ellipse of these semi-axes, its major axis turned by `angle`.

    With p = cos^2/A^2 + sin^2/B^2, q = cos sin (1/A^2 - 1/B^2), r = sin^2/A^2 + cos^2/B^2 the ellipse is
    p u^2 + 2 q u h + r h^2 <= 1. Returns (a, b), with a > b where the line misses.
    """
    cos, sin = angle.cos(), angle.sin()
    p = (cos / major) ** 2 + (sin / minor) ** 2
    q = cos * sin * (1 / major**2 - 1 / minor**2)
    r = (sin / major) ** 2 + (cos / minor) ** 2
    root = (q * h) ** 2 - p * (r * h**2 - 1)
    half = torch.where(root < 0, -torch.inf, root.clamp(min=0).sqrt())
    return (-q * h - half) / p, (-q * h + half) / p


def outline_spans(h: Tensor, outline: Tensor) -> Tensor:
    """The crossings [S, H, 4] of lines at heights `h` [H] with closed outlines [S, M, 2], from left to right.

    Inside is from the first to the second and from the third to the fourth; a missing crossing is infinite.
    """
    x, y = outline.unbind(-1)
    x2, y2 = x.roll(-1, -1), y.roll(-1, -1)
    above = y[:, None, :] > h[:, None]
    shape, line, edge = (above != above.roll(-1, -1)).nonzero(as_tuple=True)
    x, y, x2, y2 = (end[shape, edge] for end in (x, y, x2, y2))
    u = x + (h[line] - y) / (y2 - y) * (x2 - x)
    row = shape * len(h) + line
    order = u.argsort()
    order = order[row[order].argsort(stable=True)]
    row, u = row[order], u[order]
    rank = torch.arange(len(row), device=h.device) - torch.searchsorted(row, row)
    crossings = torch.full((len(outline) * len(h), 4), torch.inf, dtype=h.dtype, device=h.device)
    crossings[row, rank] = u
    return crossings.view(len(outline), len(h), 4)


def lattice_heights(steps: int) -> Tensor:
    """The heights of the lattice's rows that a shape can touch, upward: float64 [levels], for L = `steps`."""
    return 15.5 + torch.arange(_lowest(steps), _lowest(steps) + _levels(steps), dtype=torch.float64) / steps


def lattice_table(spans: Tensor, steps: int) -> Tensor:
    """Spans [..., levels, 4] at `lattice_heights` in columns, twice (first, beyond): int16 [shapes * levels, 4]."""
    first = (steps * (spans[..., 0::2] + 15.5)).ceil()
    beyond = (steps * (spans[..., 1::2] + 15.5)).floor() + 1
    empty = ~(first < beyond) | first.isinf()
    ends = torch.stack([first.masked_fill(empty, 0), beyond.masked_fill(empty, 0)], dim=-1)
    return ends.to(torch.int16).view(-1, 4)


def lattice_rows(table: Tensor, steps: int, shape: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """The packed rows, int64 [n, 64], of shapes by their place in the table at positions x = i and y = j, all [n]."""
    level = 32 * y[:, None] - steps * torch.arange(SIDE, device=y.device) - _lowest(steps)
    level = level.clamp_(0, _levels(steps) - 1)
    spans = table.index_select(0, (shape[:, None] * _levels(steps) + level).flatten()).view(-1, SIDE, 4)
    # The quotient of two small whole numbers is rounded correctly, so that its ceiling is exact.
    column = (spans.float() + (32 * x)[:, None, None]).div_(steps).ceil_().long()
    first, beyond, first2, beyond2 = column.unbind(-1)
    return pack(first, beyond) | pack(first2, beyond2)


def _lowest(steps: int) -> int:
    return -steps * (REACH + 16)


def _levels(steps: int) -> int:
    return steps * (2 * REACH + 1)


def pack(first: Tensor, last: Tensor) -> Tensor:
    """Rows whose pixels first <= c < last are set, for column numbers in 0 .. 63 (63 itself stays empty): int64."""
    one = torch.ones((), dtype=torch.int64, device=first.device)
    return (one << last) - (one << first)


def unpack(rows: Tensor, white: int = 255, step: Literal[1, 2] = 1) -> Tensor:
    """The pictures of packed rows, int64 [n, h]: uint8 [n, h, 64 / step] with the value `white` where a bit is set.

    Of every row each `step`-th pixel is drawn.
    """
    byte = torch.arange(256, device=rows.device)
    pixels = (byte[:, None] >> torch.arange(0, 8, step, device=rows.device) & 1).to(torch.uint8) * white
    table = pixels.view(torch.int64 if step == 1 else torch.int32).squeeze(1)
    picked = table.index_select(0, rows.contiguous().view(torch.uint8).flatten().long())
    return picked.view(torch.uint8).view(*rows.shape, SIDE // step)
