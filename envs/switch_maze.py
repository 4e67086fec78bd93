"""A maze of blocks and switches, seen from above, in the manner of MazeBase (Sukhbaatar et al. 2015).

    s = (row, column, shade_1 .. shade_n)        the agent's cell, and every switch's shade of green
    left, right, up, down                        to the next cell, unless a block or the border is there
    down+left                                    to the next cell diagonally, under the same rule
    toggle                                       the switch under the agent takes its next shade, the last one its first
    pass                                         nothing

A picture is put together from drawings of cells: floor, an orange block or a switch, and over it the agent's red disc
and the goal's blue frame. Thomas et al. 2018, section 4 (4 x 4 cells and more in 64 x 64 pixels).
"""

from __future__ import annotations

from typing import Annotated

import gymnasium as gym
import numpy as np
import torch
from annotated_types import Interval
from torch import Tensor

from borders import Natural, Size
from envs.world import Factor, MovingWorld

SIDE = 64
LEAST, MOST = 4, 10
MOVES = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0), "down+left": (1, -1), "pass": (0, 0)}
ACTIONS = (*MOVES, "toggle")
FLOOR, EDGE, BLOCK, AGENT, GOAL = (236, 236, 236), (150, 150, 150), (240, 145, 40), (205, 35, 35), (40, 80, 220)
DARKEST, BRIGHTEST = (10, 60, 20), (90, 235, 100)


class SwitchMaze(MovingWorld):
    """An agent among blocks and switches. Factors: row and column (cells), `switch_k` (shade), then the goal's cell.

    Settings: `map` has a line for each row, joined by "/", of "." (floor), "#" (block) and "S" (switch), for instance
    "..../.#.S/..../....". Without it `size` x `size` cells with `blocks` and `switches` are drawn from the seed
    `layout`, such that every free cell can be reached. `shades` is the number of shades; `goal` adds a goal to the
    picture, with the factors `goal_row` and `goal_column`. `actions` are names out of left, right, up, down, down+left,
    pass and toggle; a name may stand there twice, which makes that action redundant.

    `sample` draws free cells for agent and goal. Raises ValueError for a map that is not square, has no free cell or is
    not connected, and for settings that cannot be met.
    """

    def __init__(
        self,
        size: Size = 6,
        blocks: Natural = 2,
        switches: Natural = 2,
        shades: Annotated[int, Interval(ge=2, le=256)] = 3,
        layout: Natural = 0,
        map: str = "",
        goal: bool = False,
        actions: tuple[str, ...] = ("left", "right", "up", "down", "pass", "toggle"),
    ):
        unknown = [name for name in actions if name not in ACTIONS]
        if unknown or not actions:
            raise ValueError(f"actions must be some of {', '.join(ACTIONS)}, got {list(actions)}")
        self.map = map or draw_map(size, blocks, switches, layout)
        self.cells = read_map(self.map)
        self.size, self.shades, self.goal, self.actions = len(self.cells), shades, goal, tuple(actions)
        self.places = np.argwhere(self.cells == "S")
        axis = tuple(float(i) for i in range(self.size))
        self.factors = (
            Factor.ordinal("row", axis, "cell"),
            Factor.ordinal("column", axis, "cell"),
            *(
                Factor.ordinal(f"switch_{k}", tuple(float(shade) for shade in range(shades)), "shade")
                for k in range(len(self.places))
            ),
            *((Factor.ordinal("goal_row", axis, "cell"), Factor.ordinal("goal_column", axis, "cell")) if goal else ()),
        )
        self.shape = (3, SIDE, SIDE)
        self.action_space = gym.spaces.Discrete(len(actions))
        self._floor = torch.from_numpy(self.cells.reshape(-1) != "#")
        self._free = self._floor.nonzero()[:, 0]
        self._next = torch.from_numpy(_transitions(self.cells, self.actions))
        self._toggles = torch.tensor([name == "toggle" for name in self.actions])
        sprites, self._content = _sprites(SIDE // self.size, shades), _contents(self.cells)
        self._pixel = SIDE // self.size
        self._margin = (SIDE - self._pixel * self.size) // 2
        bases = self._draw_bases(sprites)
        self._last = bases, sprites
        self._first = bases.movedim(-1, 1).contiguous(), sprites.movedim(-1, 2).contiguous()

    def lattice(self) -> Tensor:
        """Every state, agent on a free cell: factors [free cells * shades^switches (* free cells), K]."""
        parts = [self._free.double(), *[torch.arange(float(self.shades)).double()] * len(self.places)]
        rows = torch.cartesian_prod(*parts, *([self._free.double()] if self.goal else [])).reshape(-1, self._columns)
        return self._factors(rows)

    def possible(self, factors: Tensor) -> Tensor:
        """Whether agent and goal are on free cells: bool [n]."""
        floor = self._floor.to(factors.device)
        free = floor[_cell(factors[:, :2], self.size)]
        return free & floor[_cell(factors[:, -2:], self.size)] if self.goal else free

    def permissible(self, factors: Tensor) -> Tensor:
        """Whether each action would change the state: bool [n, actions]."""
        n, a = len(factors), len(self.actions)
        after = self.step(factors.repeat_interleave(a, 0), torch.arange(a, device=factors.device).repeat(n))
        return (after.view(n, a, -1) != factors[:, None]).any(-1)

    def step(self, factors: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The next factors [n, K] after actions [n], indices into `actions`; ValueError for others."""
        cell = _cell(factors[:, :2], self.size)
        to = self._next.to(cell.device)[cell, actions]
        following = factors.clone()
        following[:, 0], following[:, 1] = to // self.size, to % self.size
        presses = self._toggles.to(cell.device)[actions]
        for k, place in enumerate(self.places):
            pressed = presses & (cell == int(place[0]) * self.size + int(place[1]))
            following[:, 2 + k] = (factors[:, 2 + k] + pressed) % self.shades
        return following

    def move_one(self, factors: tuple[float, ...], action: tuple[float, ...]) -> tuple[float, ...]:
        """`step` for a single state, in plain numbers."""
        index = int(action[0])
        if index != action[0] or not 0 <= index < len(self.actions):
            raise ValueError(f"action must be a whole number below {len(self.actions)}, got {action[0]}")
        cell = round(factors[0]) * self.size + round(factors[1])
        to = int(self._next[cell, index])
        following = [float(to // self.size), float(to % self.size), *factors[2:]]
        if self.actions[index] == "toggle" and self.cells.flat[cell] == "S":
            k = int(self._content[cell])
            following[k] = (following[k] + 1) % self.shades
        return tuple(following)

    def draw_one(self, factors: tuple[float, ...]) -> np.ndarray:
        """`render` for a single state: uint8 [64, 64, 3]."""
        return self._paint(torch.tensor([factors]), first=False)[0].numpy()

    def screens(self, factors: Tensor) -> Tensor:
        """As in every world; put together from cells that lie in memory like this, so that nothing is turned round."""
        return self._paint(self.within(factors), first=False)

    @property
    def _columns(self) -> int:
        return 1 + len(self.places) + self.goal

    def _factors(self, rows: Tensor) -> Tensor:
        """Factors float32 [n, K] of rows (cell, shades, goal cell)."""
        inner = [rows[:, 1 + k] for k in range(len(self.places))]
        cells = [rows[:, 0], *([rows[:, -1]] if self.goal else [])]
        agent, *goal = [torch.stack([cell // self.size, cell % self.size], 1) for cell in cells]
        return torch.cat([agent, *(column[:, None] for column in inner), *goal], 1).float()

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        device = generator.device

        def cells() -> Tensor:
            return self._free.to(device)[torch.randint(len(self._free), (n,), generator=generator, device=device)]

        columns = [cells()]
        columns += [torch.randint(self.shades, (n,), generator=generator, device=device) for _ in self.places]
        return self._factors(torch.stack([*columns, *([cells()] if self.goal else [])], 1))

    def _render(self, factors: Tensor) -> Tensor:
        return self._paint(factors)

    def _paint(self, factors: Tensor, first: bool = True) -> Tensor:
        """The pictures, uint8 [n, 3, 64, 64], or with the channels last."""
        index = factors.round().long()
        cell = index[:, 0] * self.size + index[:, 1]
        bases, sprites = (drawn.to(factors.device) for drawn in (self._first if first else self._last))
        pictures, ahead = bases.index_select(0, cell), (slice(None),) * (1 + first)  # the axes before the rows
        for k, place in enumerate(self.places):
            here = cell == int(place[0]) * self.size + int(place[1])
            top, left = (self._margin + self._pixel * int(i) for i in place)
            part = pictures[(*ahead, slice(top, top + self._pixel), slice(left, left + self._pixel))]
            part[:] = sprites[2 + index[:, 2 + k], here.long()]
        if self.goal and len(factors):
            goal = index[:, -2] * self.size + index[:, -1]
            content = self._content.to(factors.device)[goal]
            shades = index[:, 2 : 2 + len(self.places)]
            if len(self.places):
                shade = shades.gather(1, (content - 2).clamp(min=0)[:, None])[:, 0]
                content = torch.where(content >= 2, 2 + shade, content)
            span = slice(self._margin, self._margin + self._pixel * self.size)
            grid = (self.size, self._pixel)
            cells = pictures[(*ahead, span, span)].unflatten(1 + first, grid).unflatten(3 + first, grid)
            cells = cells.permute(0, 2, 4, 1, 3, 5) if first else cells.transpose(2, 3)
            rows = torch.arange(len(factors), device=factors.device)
            cells[rows, index[:, -2], index[:, -1]] = sprites[content, 2 + (goal == cell).long()]
        return pictures

    def _draw_bases(self, sprites: Tensor) -> Tensor:
        """The pictures for every cell of the agent, all switches at their first shade: uint8 [size^2, 64, 64, 3]."""
        n = self.size**2
        pictures = torch.tensor(EDGE, dtype=torch.uint8).expand(n, SIDE, SIDE, 3).clone()
        for cell, content in enumerate(self._content.tolist()):
            top, left = (self._margin + self._pixel * i for i in divmod(cell, self.size))
            part = pictures[:, top : top + self._pixel, left : left + self._pixel]
            part[:] = sprites[min(content, 2), 0]
            part[cell] = sprites[min(content, 2), 1]
        return pictures


def draw_map(size: int, blocks: int, switches: int, layout: int) -> str:
    """A connected map with this many blocks and switches, drawn from the seed `layout`."""
    if not LEAST <= size <= MOST:
        raise ValueError(f"size must be {LEAST} to {MOST} cells, got {size}")
    if blocks < 0 or switches < 0 or blocks + switches > size**2 // 2:
        raise ValueError(f"blocks and switches must fill at most half of {size**2} cells, got {blocks} and {switches}")
    generator = np.random.default_rng(layout)
    for _ in range(1000):
        cells = np.full(size**2, ".")
        chosen = generator.permutation(size**2)[: blocks + switches]
        cells[chosen[:blocks]], cells[chosen[blocks:]] = "#", "S"
        grid = cells.reshape(size, size)
        if _connected(grid):
            return "/".join("".join(row) for row in grid)
    raise ValueError(f"no connected map with {blocks} blocks was found for layout {layout}; use fewer blocks")


def read_map(text: str) -> np.ndarray:
    """The cells, str [size, size], of a map; ValueError says what is wrong with another text."""
    lines = text.split("/")
    if not LEAST <= len(lines) <= MOST or any(len(line) != len(lines) for line in lines):
        raise ValueError(f"map must be square with {LEAST} to {MOST} rows, got {text!r}")
    cells = np.array([list(line) for line in lines])
    if not np.isin(cells, [".", "#", "S"]).all():
        raise ValueError(f"map must hold '.', '#' and 'S' only, got {text!r}")
    if not _connected(cells):
        raise ValueError(f"every free cell of the map must be reachable from every other, got {text!r}")
    return cells


def _connected(cells: np.ndarray) -> bool:
    free = {tuple(place) for place in np.argwhere(cells != "#").tolist()}
    found, waiting = set(), list(free)[:1]
    while waiting:
        row, column = waiting.pop()
        found.add((row, column))
        near = {(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)}
        waiting += (near & free) - found
    return bool(free) and found == free


def _cell(places: Tensor, size: int) -> Tensor:
    index = places.round().long()
    return index[:, 0] * size + index[:, 1]


def _transitions(cells: np.ndarray, actions: tuple[str, ...]) -> np.ndarray:
    """The cell that every action leads to from every cell, long [size^2, actions]."""
    size = len(cells)
    following = np.repeat(np.arange(size**2)[:, None], len(actions), 1)
    for cell in range(size**2):
        for a, name in enumerate(actions):
            row, column = (np.array(divmod(cell, size)) + MOVES.get(name, (0, 0))).tolist()
            if 0 <= row < size and 0 <= column < size and cells[row, column] != "#":
                following[cell, a] = row * size + column
    return following


def _contents(cells: np.ndarray) -> Tensor:
    """What every cell holds, long [size^2]: 0 floor, 1 block, 2 + k switch k."""
    content = np.where(cells == "#", 1, 0).flatten()
    switches = np.flatnonzero(cells == "S")
    content[switches] = 2 + np.arange(len(switches))
    return torch.from_numpy(content).long()


def _sprites(pixel: int, shades: int) -> Tensor:
    """The drawings of a cell, uint8 [2 + shades, 4, pixel, pixel, 3]: floor, block, switches; + 1 agent, + 2 goal."""
    place = torch.arange(pixel) + 0.5 - pixel / 2
    disc = place[:, None] ** 2 + place**2 <= (0.38 * pixel) ** 2
    width = max(1, pixel // 8)
    inner = torch.zeros(pixel, pixel, dtype=torch.bool)
    inner[width:-width, width:-width] = True
    mix = torch.linspace(0, 1, shades)[:, None]
    greens = (1 - mix) * torch.tensor(DARKEST) + mix * torch.tensor(BRIGHTEST)
    colours = torch.cat([torch.tensor([FLOOR, BLOCK]).float(), greens]).round().to(torch.uint8)
    sprites = colours[:, None, None, None].repeat(1, 4, pixel, pixel, 1)
    for agent, goal in ((1, 0), (0, 1), (1, 1)):
        drawn = sprites[:, agent + 2 * goal]
        if goal:
            drawn[:, ~inner] = torch.tensor(GOAL, dtype=torch.uint8)
        if agent:
            drawn[:, disc] = torch.tensor(AGENT, dtype=torch.uint8)
    return sprites
