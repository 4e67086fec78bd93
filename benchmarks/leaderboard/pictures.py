"""What every row of the board sees of a task: small pictures, without what all of them have in common.

    x = max(r - least, 0),   least = the pixel's least value over the pictures of the training        r as the world draws

A world's pictures of more than 40 pixels a side are averaged over squares of 2 x 2: a quarter of the time, for nothing
but detail. What is white in every picture (walls, obstacles) tells nothing, and goes.

What learns from pictures alone starts with blurred ones, that clear (coarse to fine):

    x_t = G(sigma_t) x, as bright as x        sigma_t falls linearly from side / 8 to 0 over the first 60 % of the steps

A thing of 3 x 3 pixels on a large map is otherwise worth less to a decoder that cannot draw it yet than a latent costs:
no latent opens, and the code stays empty. All learners from pictures get it, in all worlds.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.metrics.control import ControlTask
from representations.model import pixels

LARGEST = 40  # pixels a side, beyond which pictures are halved
FIRST_BLUR = 1 / 8  # sigma at first, of a side
CLEAR = 0.6  # share of the training after which pictures are as they are
PART = 1000


class Pictures:
    """The pictures of a task's states; `states` float64 [n, S] say what all have in common.

    Sides are filled up with black to a multiple of `sides` pixels.
    """

    def __init__(self, task: ControlTask, states: Tensor, sides: int = 1):
        self.task, self.sides = task, sides
        self.least = torch.stack([self._drawn(part).amin(0) for part in states.split(PART)]).amin(0)
        channels, height, width = self.least.shape
        self.shape = (channels, height, width)

    def _drawn(self, states: Tensor) -> Tensor:
        seen = self.task.world.render(states[:, : len(self.task.factors)].float())
        if min(seen.shape[-2:]) > LARGEST:
            seen = halved(seen)
        return functional.pad(seen, (0, -seen.shape[-1] % self.sides, 0, -seen.shape[-2] % self.sides))

    def __call__(self, states: Tensor) -> Tensor:
        """The pictures uint8 [n, C, h, w] of states [n, S]."""
        seen = torch.cat([self._drawn(part) for part in states.split(PART)])
        return torch.where(seen > self.least, seen - self.least, 0)

    def flat(self, states: Tensor) -> Tensor:
        """The pictures as rows, float64 [n, C h w] in [0, 1]."""
        return pixels(self(states)).flatten(1).double()


def halved(pictures: Tensor) -> Tensor:
    """Pictures uint8 [n, C, h, w] averaged over squares of 2 x 2: uint8 [n, C, h // 2, w // 2].

    As `avg_pool2d` has it, in a fifth of its time: whole numbers are added.
    """
    height, width = (side // 2 * 2 for side in pictures.shape[-2:])
    rows = pictures[..., 0:height:2, :width].short() + pictures[..., 1:height:2, :width]
    return ((rows[..., ::2] + rows[..., 1::2]).float() / 4).round().to(torch.uint8)


def blurred(pictures: Tensor, sigma: float) -> Tensor:
    """Float pictures [n, C, h, w] under a Gaussian of `sigma` pixels, black beyond the edge, as bright as before."""
    across, down = (_gaussian(side, sigma) for side in (pictures.shape[-1], pictures.shape[-2]))
    soft = down @ pictures @ across
    return soft * (pictures.amax() / soft.amax().clamp(min=1e-9))


def _gaussian(side: int, sigma: float) -> Tensor:
    place = torch.arange(side, dtype=torch.float32)
    return torch.exp(-0.5 * ((place[:, None] - place) / sigma) ** 2)


class Clearing:
    """Batches of `size` of pictures uint8 [n, C, h, w], blurred at first, as many as a training of so many draws meets.

    An iterable for `fit`, so that a training that is resumed goes on where it stood; draw t comes from (seed, t).
    """

    def __init__(self, pictures: Tensor, size: int, draws: int, seed: int):
        self.pictures, self.size, self.draws, self.seed = pictures, size, draws, seed

    def __iter__(self) -> Iterator[Tensor]:
        widest = FIRST_BLUR * min(self.pictures.shape[-2:])
        generator = torch.Generator()
        for t in range(self.draws):
            generator.manual_seed(1_000_003 * self.seed + t)
            rows = torch.randint(len(self.pictures), (self.size,), generator=generator)
            sigma = widest * max(0.0, 1 - t / (CLEAR * self.draws))
            seen = pixels(self.pictures[rows])
            yield blurred(seen, sigma) if sigma > 0.3 else seen
