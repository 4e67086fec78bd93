"""How a code maps the plane: is the map of positions unfolded?"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks.metrics.arrays import least_squares
from benchmarks.metrics.scoring import BATCH
from envs.world import World

ELSEWHERE = 24
SIDE = 12


def folds(grid: Tensor, known: Tensor | None = None) -> float:
    """The share of triangles that a map of the plane flips, beside most of them: 0 for a plain map, near 0.5 for noise.

    `grid` [..., rows, columns, 2] holds where neighbouring points of a lattice are mapped; a triangle is a point, its
    neighbour to the right and the one below. `known` [rows, columns] leaves out triangles with an unknown corner.
    """
    right, down = (grid[..., :-1, 1:, :] - grid[..., :-1, :-1, :]), (grid[..., 1:, :-1, :] - grid[..., :-1, :-1, :])
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    if known is not None:
        area = area[..., known[:-1, :-1] & known[:-1, 1:] & known[1:, :-1]]
    flipped = (area < 0).double().mean().item()
    return min(flipped, 1 - flipped)


@torch.no_grad()
def position_folds(encode: Callable[[Tensor], Tensor], world: World, generator: torch.Generator) -> float:
    """`folds` of the positions that a linear map reads from the codes of a world with the factors x and y.

    A lattice of 12 x 12 positions is encoded at 24 draws of all other factors, and one least-squares map from code to
    position is fitted to all of them; a code without position, the same everywhere, gives 0.
    """
    axes = [world.names.index(name) for name in ("x", "y")]
    lines = [torch.linspace(world.factors[k].low, world.factors[k].high, SIDE) for k in axes]
    place = torch.cartesian_prod(*lines)
    rows = world.sample(ELSEWHERE, generator).repeat_interleave(len(place), 0)
    rows[:, axes] = place.repeat(ELSEWHERE, 1)
    codes = torch.cat([encode(world.render(batch)) for batch in rows.split(BATCH)]).double()
    design = torch.cat([codes, torch.ones(len(codes), 1, dtype=torch.float64)], 1)
    read = design @ least_squares(design, rows[:, axes].double())
    return folds(read.view(ELSEWHERE, SIDE, SIDE, 2))
