"""How a code maps: is the map of positions unfolded, and does one feature tell one coordinate?"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from scipy.stats import rankdata
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


def recovered(codes: Tensor, values: Tensor, names: Sequence[str]) -> dict[str, float]:
    """The largest absolute correlation of every named column of values [n, k] with a feature [n, d].

    `corr_least` is the least of them, `features_used` the number of features that have one of them.
    """
    table = torch.corrcoef(torch.cat([values, codes], 1).T)[: len(names), len(names) :].abs().nan_to_num()
    best = table.amax(1).tolist()
    found = {f"corr_{name}": value for name, value in zip(names, best, strict=True)}
    return found | {"corr_least": min(best), "features_used": float(len(set(table.argmax(1).tolist())))}


def ranked(values: Tensor) -> Tensor:
    """Every column of values [n, k] by rank, float64 from 1, ties by their mean: of it correlations are Spearman's."""
    return torch.from_numpy(rankdata(values.cpu().numpy(), axis=0))
