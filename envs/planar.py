"""The planar world: an agent among six round obstacles, seen from above.

    s = (row, column) in pixels                                       position, in [1.5, 38.5]^2
    s' = clip(s + clip(u, -3, 3) + n, 1.5, 38.5),  n ~ N(0, noise^2)   unless the agent would overlap an obstacle
    picture(s, shape)                                                 40 x 40 pixels, agent and obstacles white

Where the noise-free move is blocked the agent stays at s; where only the noise is blocked, the noise has no effect.
An agent at s is drawn in the 3 x 3 pixels around pixel (round row, round column), counted from 0; an obstacle is the 21
pixels whose centres, (i + 0.5, j + 0.5), lie within 2.5 pixels of its own. The map is the one of Watter et al. (2015),
used by Banijamali et al. (2017) and by papers after them.

A nuisance is a grey blob behind agent and obstacles, 140 exp(-d^2 / 18) at d pixels from its place, which nothing moves.
"""

from __future__ import annotations

from typing import Annotated

import gymnasium as gym
import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor

from envs.world import Factor, MovingWorld

SIZE = 40
REACH = 3.0
LOW, HIGH = 1.5, 38.5
CELLS = SIZE - 2
OBSTACLES = ((20.5, 5.5), (20.5, 13.5), (20.5, 27.5), (20.5, 35.5), (10.5, 20.5), (30.5, 20.5))
RADIUS = 2.5
SHAPES = {
    "square": ((1, 1, 1), (1, 1, 1), (1, 1, 1)),
    "cross": ((0, 1, 0), (1, 1, 1), (0, 1, 0)),
    "ring": ((1, 1, 1), (1, 0, 1), (1, 1, 1)),
    "tee": ((1, 1, 1), (0, 1, 0), (0, 1, 0)),
    "pair": ((1, 1, 0), (1, 1, 0), (0, 0, 0)),  # the 2 x 2 pixels of published code (Levine et al. 2020)
}
DEFAULT_SHAPES = ("square", "cross", "ring", "tee")
BLOB_PEAK, BLOB_SIGMA, MOST_NUISANCES = 140, 3.0, 16


class Planar(MovingWorld):
    """The planar task's world. Factors: row and column (pixels), agent shape, then `row_k`, `column_k` of nuisance k.

    `noise` is the standard deviation of the dynamics in pixels per axis. `compat` takes the rules of published code: only
    an obstacle's centre inside the agent's box blocks a move, so that the agent may graze obstacles, and noise may push
    it anywhere on the map, out of which no blocked move leads; the default blocks whatever would be drawn over an
    obstacle. `shapes` are names from `SHAPES`. `nuisances` is the number of grey blobs, 0 to 16, whose places are
    uniform in every sample and stay: factors that are seen, and that no action moves and no task asks for.

    `sample` draws free whole positions, 2 .. 38 on each axis, as published data do; `step` leaves them.
    """

    def __init__(
        self,
        noise: Annotated[float, Interval(ge=0, le=100)] = 0.0,
        compat: bool = False,
        shapes: tuple[str, ...] = DEFAULT_SHAPES,
        nuisances: Annotated[int, Interval(ge=0, le=MOST_NUISANCES)] = 0,
    ):
        unknown = [shape for shape in shapes if shape not in SHAPES]
        if unknown or not shapes:
            raise ValueError(f"shapes must be some of {', '.join(SHAPES)}, got {list(shapes)}")
        self.noise, self.compat, self.shapes, self.nuisances = noise, compat, tuple(shapes), nuisances
        self.shape = (1, SIZE, SIZE)
        self.action_space = gym.spaces.Box(-REACH, REACH, (2,), np.float32)
        self.factors = (
            Factor.continuous("row", LOW, HIGH, "pixel"),
            Factor.continuous("column", LOW, HIGH, "pixel"),
            Factor.categorical("shape", len(shapes)),
            *(
                Factor.continuous(f"{axis}_{k}", LOW, HIGH, "pixel")
                for k in range(nuisances)
                for axis in ("row", "column")
            ),
        )
        self._pictures, self._free_cells = _draw_all(self.shapes)
        self._centres = torch.tensor(OBSTACLES)
        self._table, self._free_list = self._pictures.permute(0, 2, 3, 1).numpy(), self._free_cells.tolist()

    def free(self, positions: Tensor) -> Tensor:
        """Whether the agent may stand at `positions` [n, 2] inside the map: bool [n]."""
        if self.compat:
            gap = (positions[:, None, :] - self._centres.to(positions)).abs().amax(-1)
            return (gap > 1.5).all(1)
        return self._free_cells.to(positions.device)[_cell(positions)]

    def possible(self, factors: Tensor) -> Tensor:
        """Whether the agent may stand where it does: bool [n]."""
        return self.free(factors[:, :2])

    def scatter(self, n: int, generator: torch.Generator) -> Tensor:
        """Places of the nuisances, uniform: [n, 2 nuisances]."""
        places = torch.rand(n, 2 * self.nuisances, generator=generator, device=generator.device)
        return LOW + (HIGH - LOW) * places

    def lattice(self, shape: int = 0) -> Tensor:
        """Every free whole position, the agent drawn as `shape`, nuisances in the middle: factors [n, K]."""
        positions = torch.cartesian_prod(*[torch.arange(2.0, SIZE - 1)] * 2)
        positions = positions[self.free(positions)]
        rows = torch.full((len(positions), len(self.factors)), (LOW + HIGH) / 2)
        rows[:, :2], rows[:, 2] = positions, shape
        return rows

    def step(self, factors: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The next factors [n, K]; actions [n, 2] in pixels are clipped to the action space.

        Raises ValueError for actions of another shape or not finite, and where noise has no generator.
        """
        start = factors[:, :2]
        moved = (start + actions.clamp(-REACH, REACH)).clamp(LOW, HIGH)
        moved = torch.where(self.free(moved)[:, None], moved, start)
        if self.noise:
            if generator is None:
                raise ValueError(f"a world with noise {self.noise} needs a generator to step")
            kick = torch.randn(moved.shape, generator=generator, device=generator.device).to(moved)
            shaken = (moved + self.noise * kick).clamp(LOW, HIGH)
            moved = shaken if self.compat else torch.where(self.free(shaken)[:, None], shaken, moved)
        return torch.cat([moved, factors[:, 2:]], dim=1)

    def move_one(self, factors: tuple[float, ...], action: tuple[float, ...]) -> tuple[float, ...]:
        """`step` for a single state without noise, in plain numbers: what a single environment spends its time on."""
        row, column, *rest = factors
        to_row = min(max(row + min(max(action[0], -REACH), REACH), LOW), HIGH)
        to_column = min(max(column + min(max(action[1], -REACH), REACH), LOW), HIGH)
        if self.compat:
            free = all(max(abs(to_row - r), abs(to_column - c)) > 1.5 for r, c in OBSTACLES)
        else:
            free = self._free_list[(round(to_row) - 1) * CELLS + round(to_column) - 1]
        return (to_row, to_column, *rest) if free else factors

    def draw_one(self, factors: tuple[float, ...]) -> np.ndarray:
        """`render` for a single state: uint8 [40, 40, 1]."""
        row, column, shape, *places = factors
        if places:
            return self._render(torch.tensor([factors]))[0].permute(1, 2, 0).contiguous().numpy()
        return self._table[round(shape) * CELLS**2 + (round(row) - 1) * CELLS + round(column) - 1].copy()

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        kept: list[Tensor] = []
        while sum(map(len, kept)) < n:
            places = torch.randint(2, SIZE - 1, (2 * n, 2), generator=generator, device=generator.device)
            shapes = self.factors[2].sample(2 * n, generator)
            rows = torch.cat([places, shapes[:, None]], dim=1)
            kept.append(rows[self.free(rows[:, :2])])
        drawn = torch.cat(kept)[:n] if kept else torch.empty(0, 3, device=generator.device)
        return torch.cat([drawn, self.scatter(n, generator)], 1) if self.nuisances else drawn

    def _render(self, factors: Tensor) -> Tensor:
        index = factors[:, 2].round().long() * CELLS**2 + _cell(factors[:, :2])
        pictures = self._pictures.to(factors.device)[index]
        return torch.maximum(pictures, _blobs(factors[:, 3:])) if self.nuisances else pictures


def _cell(positions: Tensor) -> Tensor:
    """The index, among 38 x 38, of the 3 x 3 pixels in which an agent at `positions` [n, 2] is drawn."""
    corner = positions.round().long() - 1
    return corner[:, 0] * CELLS + corner[:, 1]


def _blobs(places: Tensor) -> Tensor:
    """The brightest of the blobs at `places` [n, 2 k] at every pixel: uint8 [n, 1, 40, 40]."""
    pixel = torch.arange(SIZE, device=places.device)
    near = torch.exp(-((pixel - places.unflatten(1, (-1, 2))[..., None]) ** 2) / (2 * BLOB_SIGMA**2))  # [n, k, 2, 40]
    light = near[:, :, 0, :, None] * near[:, :, 1, None, :]
    return (BLOB_PEAK * light.amax(1, keepdim=True)).round().to(torch.uint8)


def _draw_all(shapes: tuple[str, ...]) -> tuple[Tensor, Tensor]:
    """Every picture, uint8 [shapes * 38 * 38, 1, 40, 40], and whether each cell is free of obstacles, bool [38 * 38]."""
    pixel = torch.arange(SIZE) + 0.5
    obstacles = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    for row, column in OBSTACLES:
        obstacles |= (pixel[:, None] - row) ** 2 + (pixel - column) ** 2 <= RADIUS**2
    corners = torch.cartesian_prod(torch.arange(CELLS), torch.arange(CELLS))
    inside = torch.arange(3)
    rows = (corners[:, 0, None] + inside)[:, :, None]
    columns = (corners[:, 1, None] + inside)[:, None, :]
    free = ~obstacles[rows, columns].flatten(1).any(1)
    pictures = obstacles.repeat(len(shapes), CELLS**2, 1, 1)
    for index, shape in enumerate(shapes):
        mask = torch.tensor(SHAPES[shape], dtype=torch.bool)
        pictures[index, torch.arange(CELLS**2)[:, None, None], rows, columns] |= mask
    return pictures.flatten(0, 1)[:, None].to(torch.uint8) * 255, free
