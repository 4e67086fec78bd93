"""Principal components of pictures: the baseline of Eastwood & Williams 2018.

    c = V (x - m)            m the mean picture, V [d, P] the leading eigenvectors of the pictures' covariance

`fit` shows batches. A batch B of k rows with mean b joins n rows with mean m and singular values S along directions V by

    S', V' from the singular value decomposition of [S V; B - b; sqrt(n k / (n + k)) (b - m)]      (Ross et al. 2008, fig. 1)

cut to `rank` directions, of which the code shows the first. That is exact until more than `rank` directions were seen, so for
all rows at once, or for a first batch; behind that it errs by what was cut.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor, nn

from borders import Shape, Size
from representations.model import Logs, Objective, Pictures, Representation, check_pictures, pixels
from representations.parts.together import everyone


class PCA(Representation):
    """The first `code_size` principal components of pictures `shape` = (C, H, W), kept among `rank` directions."""

    mean: Tensor
    rows: Tensor
    scales: Tensor

    def __init__(self, shape: Shape = (3, 64, 64), code_size: Size = 6, rank: Size = 64):
        super().__init__()
        size = math.prod(shape)
        if not 1 <= code_size <= rank <= size:
            raise ValueError(f"1 <= code_size <= rank <= {size} numbers of a picture, got {code_size}, {rank}")
        self.shape, self.code_size = tuple(shape), code_size
        self.directions = nn.Parameter(torch.zeros(rank, size))
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("rows", torch.zeros(()))
        self.register_buffer("scales", torch.zeros(rank))

    @property
    def variances(self) -> Tensor:
        """The variance of every component over the rows seen, [code_size], largest first."""
        return self.scales[: self.code_size] ** 2 / (self.rows - 1).clamp(min=1)

    def encode(self, observations: Tensor) -> Tensor:
        """The components [n, code_size] of pictures [n, C, H, W]."""
        return (pixels(observations).flatten(1) - self.mean) @ self.directions[: self.code_size].T

    def decode(self, code: Tensor) -> Tensor:
        """The pictures nearest to the mean that have these components [n, code_size], cut to [0, 1]: [n, C, H, W]."""
        drawn = code @ self.directions[: self.code_size] + self.mean
        return drawn.clamp(0, 1).unflatten(1, self.shape)

    @torch.no_grad()
    def merge(self, pictures: Tensor) -> None:
        """Join the rows of pictures [k, C, H, W] to those seen."""
        check_pictures(pictures, self.shape)
        batch = pixels(pictures).flatten(1).double()
        n, k, mean, middle = self.rows.double(), len(batch), self.mean.double(), batch.mean(0)
        shift = (n * k / (n + k)).sqrt() * (middle - mean)
        stack = torch.cat([self.scales[:, None].double() * self.directions, batch - middle, shift[None]])
        squares, turn = torch.linalg.eigh(
            stack @ stack.T
        )  # fewer rows than pixels: their products are the smaller matrix
        rank = min(len(self.scales), len(stack))
        scales = squares[-rank:].flip(0).clamp(min=0).sqrt()
        kept = scales > 1e-7 * scales[0]
        found = (turn[:, -rank:].flip(1)[:, kept].T @ stack) / scales[kept, None]
        sign = found.gather(1, found.abs().argmax(1, keepdim=True)).sign()  # a direction's largest entry is positive
        self.directions.zero_()[: len(found)] = found * sign
        self.scales.zero_()[: len(found)] = scales[kept]
        self.mean.copy_((n * mean + k * middle) / (n + k))
        self.rows += k

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """Join pictures [k, C, H, W] in training; the squared error of a picture, pixels summed, that the code leaves."""
        with torch.autocast(batch.device.type, enabled=False):
            if self.training:
                self.merge(everyone(batch))
            rows = pixels(batch).flatten(1) - self.mean
            kept = self.directions[: self.code_size]
            error = (rows - rows @ kept.T @ kept).square().sum(1).mean()
        return error, {"variance": self.variances.sum()}

    def objectives(self) -> tuple[Objective, ...]:
        """One player, whose move has a closed form: its loss makes it, and the optimizer adds nothing."""
        return (Objective("error", self.loss, (self.directions,), partial(torch.optim.SGD, lr=0.0)),)
