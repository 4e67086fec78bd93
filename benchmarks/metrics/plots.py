"""Pictures of a code: Hinton diagrams, traversals, position heat maps, correlation maps.

Every function takes plain arrays and gives a matplotlib `Figure` that belongs to no window; `figure.savefig(path)` or
`figure.clear()` is the caller's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from benchmarks.metrics.arrays import Floats, as_matrix

BINS = 16


def hinton(matrix: ArrayLike | torch.Tensor, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """A square per entry of `matrix` [rows, columns], its area the magnitude: white above 0, black below, on grey.

    With a DCI importance matrix a row shows what a code dimension is about, a column what a factor is spread over.
    Raises ValueError where names and shape differ.
    """
    values = _named(matrix, rows, columns)
    figure, axes = _axes(0.45 * len(columns) + 1.2, 0.45 * len(rows) + 1.0)
    axes.set_facecolor("0.55")
    largest = np.abs(values).max() or 1.0
    for i, j in np.ndindex(*values.shape):
        side = 0.92 * float(np.sqrt(abs(values[i, j]) / largest))
        colour = "white" if values[i, j] > 0 else "black"
        axes.add_patch(Rectangle((j - side / 2, i - side / 2), side, side, facecolor=colour, edgecolor="none"))
    axes.set(xlim=(-0.6, len(columns) - 0.4), ylim=(len(rows) - 0.4, -0.6), aspect="equal")
    _name_ticks(axes, rows, columns)
    return figure


def traversals(
    pictures: torch.Tensor, kl: ArrayLike | torch.Tensor | None = None, names: Sequence[str] | None = None
) -> Figure:
    """A grid of `pictures` [D, T, C, H, W] (uint8, C = 1 or 3): a row for each code dimension moved through T values.

    With `kl` [D] (mean KL of each dimension's posterior, in nats) the most informative dimension comes first and
    every row carries its figure; `names` label the rows as given. Raises ValueError for another shape.
    """
    if pictures.ndim != 5 or pictures.shape[2] not in (1, 3) or pictures.dtype != torch.uint8:
        raise ValueError(f"pictures must be uint8 [D, T, 1 or 3, H, W], got {pictures.dtype} {tuple(pictures.shape)}")
    count, steps, channels, height, width = pictures.shape
    labels = list(names) if names is not None else [f"$z_{{{i}}}$" for i in range(count)]
    order = np.arange(count)
    if kl is not None:
        weight = as_matrix(torch.as_tensor(kl).reshape(-1, 1), "kl", least=1)[:, 0]
        if len(weight) != count:
            raise ValueError(f"kl must have {count} entries, got {len(weight)}")
        order = np.argsort(-weight, kind="stable")
        labels = [f"{label}  {value:.2f}" for label, value in zip(labels, weight, strict=True)]
    padded = torch.nn.functional.pad(pictures.cpu(), (1, 1, 1, 1), value=128)[torch.from_numpy(order.copy())]
    grid = padded.permute(0, 3, 1, 4, 2).reshape(count * (height + 2), steps * (width + 2), channels)
    figure, axes = _axes(0.6 * steps + 1.2, 0.6 * count * height / width + 0.4)
    axes.imshow(grid.expand(-1, -1, 3).numpy(), interpolation="nearest")
    axes.set_yticks([(i + 0.5) * (height + 2) for i in range(count)], [labels[i] for i in order])
    axes.set_xticks([])
    axes.tick_params(length=0)
    return figure


def position_heat_map(codes: ArrayLike | torch.Tensor, positions: ArrayLike | torch.Tensor) -> Figure:
    """One small map per dimension of codes [n, D]: its mean where an object is at `positions` [n, 2] (x right, y down).

    A dimension that holds x shows vertical bands, one that holds neither coordinate is even. 16 x 16 cells; white where
    no row falls, red above and blue below the dimension's mean, on one scale for all dimensions, so that idle ones are pale.
    """
    code, place = as_matrix(codes, "codes", least=1), as_matrix(positions, "positions", least=1)
    if place.shape != (len(code), 2):
        raise ValueError(f"positions must have shape [{len(code)}, 2], got {place.shape}")
    low, spread = place.min(axis=0), np.ptp(place, axis=0)
    cell = np.minimum((BINS * (place - low) / np.where(spread > 0, spread, 1)).astype(int), BINS - 1)
    flat = cell[:, 1] * BINS + cell[:, 0]
    filled = np.bincount(flat, minlength=BINS**2)
    across = min(code.shape[1], 5)
    down = -(-code.shape[1] // across)
    figure = Figure(figsize=(1.5 * across, 1.65 * down), layout="constrained")
    with np.errstate(invalid="ignore"):
        means = [np.bincount(flat, weights=v - v.mean(), minlength=BINS**2) / filled for v in code.T]
    largest = max(float(np.nanmax(np.abs(means))), 1e-12)
    for i, mean in enumerate(means):
        axes = figure.add_subplot(down, across, i + 1)
        axes.imshow(mean.reshape(BINS, BINS), cmap="RdBu_r", norm=TwoSlopeNorm(0, -largest, largest))
        axes.set_title(f"$z_{{{i}}}$", fontsize=9)
        axes.set(xticks=[], yticks=[])
    return figure


def correlation_map(
    matrix: ArrayLike | torch.Tensor, names: Sequence[str], columns: Sequence[str] | None = None
) -> Figure:
    """A correlation matrix [rows, columns] in [-1, 1]: red for +1, white for 0, blue for -1.

    `columns` names the columns where they are other than the rows (codes now against codes later). Raises ValueError
    where names and shape differ.
    """
    across = names if columns is None else columns
    values = _named(matrix, names, across)
    figure, axes = _axes(0.35 * len(across) + 1.8, 0.35 * len(names) + 1.0)
    picture = axes.imshow(values, cmap="RdBu_r", vmin=-1, vmax=1)
    figure.colorbar(picture, ax=axes, shrink=0.8, ticks=[-1, 0, 1])
    _name_ticks(axes, names, across)
    return figure


def _named(matrix: ArrayLike | torch.Tensor, rows: Sequence[str], columns: Sequence[str]) -> Floats:
    values = as_matrix(matrix, "matrix", least=1)
    if values.shape != (len(rows), len(columns)):
        raise ValueError(f"matrix has shape {values.shape}, but there are {len(rows)} x {len(columns)} names")
    return values


def _axes(width: float, height: float) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.08))
    return figure, figure.add_subplot()


def _name_ticks(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    axes.set_xticks(range(len(columns)), columns, rotation=45, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(rows)), rows)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
