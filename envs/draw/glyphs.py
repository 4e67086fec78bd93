"""Printed digits as distances to their outlines, from the fonts that matplotlib ships.

    s(p) = distance from p to the outline, above 0 outside; p counted in heights of the digit from its box's middle, y down

A digit is where s < 0; where s < w its strokes are 2 w wider. Between the points of its grid s is bilinear.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import KDTree
from torch import Tensor

FONTS: dict[str, tuple[str, ...]] = {
    "train": (
        "DejaVuSans",
        "DejaVuSans-Bold",
        "DejaVuSansMono-Bold",
        "DejaVuSerif",
        "DejaVuSerif-Bold",
        "DejaVuSerif-Italic",
        "STIXGeneral",
        "STIXGeneralBol",
        "cmr10",
        "cmb10",
    ),
    "test": ("STIXGeneralBolIta", "STIXGeneralItalic", "cmss10", "cmti10", "cmtt10"),
}
HALF = 0.8  # heights from a digit's middle to the border of its grid
GRID = 48  # points a side
STEP = 0.005  # heights between the points of an outline that distances are measured to


@cache
def fields(font: str, symbols: str = "0123456789") -> tuple[Tensor, Tensor]:
    """The distances float32 [symbols, GRID, GRID] of a font's symbols, and their widths [symbols], both in heights."""
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    file = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{font}.ttf")
    paths = [TextPath((0, 0), symbol, size=100, prop=FontProperties(fname=str(file))) for symbol in symbols]
    found = [_field([np.asarray(part, np.float64) for part in path.to_polygons()]) for path in paths]
    return torch.from_numpy(np.stack([field for field, _ in found])).float(), torch.tensor([w for _, w in found])


def _field(polygons: list[NDArray]) -> tuple[NDArray, float]:
    """The distances [GRID, GRID] of closed polygons [k, 2], y up, and their width, in heights."""
    corners = np.concatenate(polygons)
    low, high = corners.min(0), corners.max(0)
    height = high[1] - low[1]
    placed = [(part - (low + high) / 2) / height * (1, -1) for part in polygons]
    starts = np.concatenate(placed)
    ends = np.concatenate([np.roll(part, -1, 0) for part in placed])
    axis = np.linspace(-HALF, HALF, GRID)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)  # rows are y
    counts = 1 + (np.linalg.norm(ends - starts, axis=1) / STEP).astype(int)
    share = np.concatenate([np.arange(count) / count for count in counts])[:, None]
    outline = np.repeat(starts, counts, 0) * (1 - share) + np.repeat(ends, counts, 0) * share
    distance = KDTree(outline).query(points)[0]
    # Inside, by how many sides the ray to the right crosses: an odd number.
    x, y = points[:, :1], points[:, 1:]
    between = (starts[:, 1] > y) != (ends[:, 1] > y)
    rise = np.where(ends[:, 1] == starts[:, 1], 1.0, ends[:, 1] - starts[:, 1])
    crossing = starts[:, 0] + (y - starts[:, 1]) / rise * (ends[:, 0] - starts[:, 0])
    inside = (between & (x < crossing)).sum(1) % 2 == 1
    return np.where(inside, -distance, distance).reshape(GRID, GRID), float((high - low)[0] / height)
