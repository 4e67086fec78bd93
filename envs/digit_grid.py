"""Two handwritten digits on a grid, an odd one and an even one, each moved by four actions.

    s = (row_0, column_0, row_1, column_1)       cells, in 0 .. cells - 1
    action 4 k + (0, 1, 2, 3)                    digit k goes left, right, up, down, or stays where the grid ends
    picture = max_k I_k placed at its cell       I_k: digit k, 14 x 14 pixels

Thomas et al. 2018, appendix B.1: the digits are told apart by parity, there are eight actions, and which digits and which
handwriting are seen says nothing of where they are. Cells are as far apart as the picture allows; digits may overlap.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import gymnasium as gym
import torch
from torch import Tensor
from torch.nn import functional as F

from borders import Size
from envs.draw.handwriting import SIDE, Handwriting, Source
from envs.files.idx import Split
from envs.world import Factor, MovingWorld

DIGIT = 14
STEPS = ((0, -1), (0, 1), (-1, 0), (1, 0))  # left, right, up, down


class DigitGrid(MovingWorld):
    """Two digits on a `cells` x `cells` grid, in pictures uint8 [1, size, size], size 32 or 64.

    Factors: `row_0`, `column_0` of the odd digit, `row_1`, `column_1` of the even one (cells), then for k = 0, 1 the
    class `digit_k`, counted 1, 3, 5, 7, 9 and 0, 2, 4, 6, 8, and `example_k` (which picture of the class, counted round).
    `source`, `path` and `split` choose the handwriting, see `envs.draw.handwriting.Handwriting`. Raises ValueError for
    another size, or cells less than 2 or closer than a pixel.
    """

    def __init__(
        self,
        cells: Size = 6,
        size: Literal[32, 64] = 64,
        source: Source = "embedded",
        path: str | Path | None = None,
        split: Split = "all",
    ):
        if not 2 <= cells <= size - DIGIT:
            raise ValueError(f"cells must be 2 to {size - DIGIT} for {size} pixels, got {cells}")
        self.cells, self.size = cells, size
        self.action_space = gym.spaces.Discrete(8)
        self.handwriting = Handwriting(source, path, split)
        axis = tuple(float(i) for i in range(cells))
        examples = self.handwriting.examples
        self.factors = (
            *(Factor.ordinal(name, axis, "cell") for name in ("row_0", "column_0", "row_1", "column_1")),
            *(
                factor
                for k in range(2)
                for factor in (Factor.categorical(f"digit_{k}", 5), Factor.categorical(f"example_{k}", examples))
            ),
        )
        self.shape = (1, size, size)
        self._steps = torch.tensor(STEPS).float()

    def step(self, factors: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The next factors [n, 8] after actions [n] in 0 .. 7; ValueError for others."""
        moves = self._steps.to(factors)[actions % 4][:, None].repeat(1, 2, 1)
        moves[torch.arange(len(factors), device=factors.device), 1 - actions // 4] = 0
        places = (factors[:, :4] + moves.flatten(1)).clamp(0, self.cells - 1)
        return torch.cat([places, factors[:, 4:]], 1)

    def _render(self, factors: Tensor) -> Tensor:
        pictures = factors.new_zeros(len(factors), self.size, self.size, dtype=torch.uint8)
        rows = torch.arange(len(factors), device=factors.device)[:, None, None]
        pixel = torch.arange(DIGIT, device=factors.device)
        pitch = (self.size - DIGIT) / (self.cells - 1)
        for k in range(2):
            label = 2 * factors[:, 4 + 2 * k] + (1 - k)
            ink = F.avg_pool2d(self.handwriting.pictures(label, factors[:, 5 + 2 * k])[:, None], SIDE // DIGIT)[:, 0]
            corner = (factors[:, 2 * k : 2 * k + 2] * pitch).round().long()
            down = (corner[:, 0, None] + pixel)[:, :, None]
            across = (corner[:, 1, None] + pixel)[:, None, :]
            drawn = torch.maximum(pictures[rows, down, across], (ink * 255).round().to(torch.uint8))
            pictures[rows, down, across] = drawn
        return pictures[:, None]
