"""The F statistic loss (Ridgeway & Mozer 2018, arXiv 1802.05312), and the three losses that it is compared with.

    z = encoder(x)                                  an embedding: pictures of one identity lie together
    L_F = -sum_{alpha, beta} sum_{k in D} ln Pr(S < s_k)

over all pairs of classes alpha, beta of a batch, and for each the set D of the `best` dimensions that tell them apart best.
Unlike the other losses it is not the same for a rotated embedding: what tells classes apart it puts on single dimensions.
That the gradient is soon 0 once a pair is told apart makes it stop by itself.

`triplet` is Schroff et al. 2015 on all triplets, `histogram` Ustinova & Lempitsky 2016 and `binomial_deviance` Yi et al. 2014
on all pairs; the last two embed on the unit sphere. The terms are in parts/separation.py.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor
from torch.nn import functional

from borders import NonNegative, Positive, Real, Shape, Size
from representations.model import Logs, Objective, Representation, check_pictures, pixels
from representations.parts.labels import known_classes
from representations.parts.networks import conv_encoder
from representations.parts.separation import binomial_deviance_loss, f_statistic_loss, histogram_loss, triplet_loss
from representations.parts.together import everyone

Classes = Annotated[int, Interval(ge=2, le=2**31)]
Step = Annotated[float, Interval(ge=1e-4, le=2)]


class Embedding(Representation):
    """What the four have in common: pictures `shape` of `classes` classes are embedded in `code_size` dimensions.

    Batches are dicts: pictures `x` and their classes `y`, several of each class. The encoder has `channels` in each of its
    halving convolutions and two layers of `hidden` units.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, code_size: int, channels: int, hidden: int, rate: float):
        super().__init__()
        self.shape, self.classes, self.code_size, self.learning_rate = tuple(shape), classes, code_size, rate
        self.encoder = conv_encoder(shape, code_size, channels, hidden)

    def encode(self, observations: Tensor) -> Tensor:
        """The embedding [n, code_size] of pictures [n, C, H, W]."""
        check_pictures(observations, self.shape)
        return self.encoder(pixels(observations)).float()

    @abstractmethod
    def separation(self, codes: Tensor, labels: Tensor) -> Tensor:
        """How badly codes [n, code_size] of classes [n] are separated: []."""

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What the encoder minimises, over all pairs or triplets of a batch."""
        labels = known_classes(batch, self.classes, type(self).__name__)
        return self.separation(everyone(self.encode(batch["x"])), everyone(labels)), {}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: the encoder, by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate)
        return (Objective("separation", self.loss, tuple(self.parameters()), adam),)


class FStatistic(Embedding):
    """The F statistic loss, in the `best` dimensions of every pair of classes (d in the paper)."""

    def __init__(
        self,
        shape: Shape = (3, 60, 60),
        classes: Classes = 672,
        code_size: Size = 22,
        best: Size = 2,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 2e-4,
    ):
        super().__init__(shape, classes, code_size, channels, hidden, learning_rate)
        self.best = best

    def separation(self, codes: Tensor, labels: Tensor) -> Tensor:
        """-ln of the probability that all pairs of classes are told apart, in nats."""
        return f_statistic_loss(codes, labels, self.best)


class Triplet(Embedding):
    """The triplet loss of squared distances, with a `margin`."""

    def __init__(
        self,
        shape: Shape = (3, 60, 60),
        classes: Classes = 672,
        code_size: Size = 22,
        margin: Positive = 0.1,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 2e-4,
    ):
        super().__init__(shape, classes, code_size, channels, hidden, learning_rate)
        self.margin = margin

    def separation(self, codes: Tensor, labels: Tensor) -> Tensor:
        """By how much another class is nearer than the own one plus the margin, in the mean over triplets."""
        return triplet_loss(codes, labels, self.margin)


class Spherical(Embedding):
    """An embedding on the unit sphere."""

    def encode(self, observations: Tensor) -> Tensor:
        """The embedding [n, code_size], of unit length, of pictures [n, C, H, W]."""
        return functional.normalize(super().encode(observations), dim=1)


class Histogram(Spherical):
    """The histogram loss, on nodes `step` apart."""

    def __init__(
        self,
        shape: Shape = (3, 60, 60),
        classes: Classes = 672,
        code_size: Size = 22,
        step: Step = 0.01,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 2e-4,
    ):
        super().__init__(shape, classes, code_size, channels, hidden, learning_rate)
        self.step = step

    def separation(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The probability that a pair of two classes is more alike than one of the same."""
        return histogram_loss(codes, labels, self.step)


class BinomialDeviance(Spherical):
    """The binomial deviance of cosines around `beta`, `alpha` times as steep, a pair of two classes `cost` times more so."""

    def __init__(
        self,
        shape: Shape = (3, 60, 60),
        classes: Classes = 672,
        code_size: Size = 22,
        alpha: Positive = 2.0,
        beta: Real = 0.5,
        cost: NonNegative = 10.0,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 2e-4,
    ):
        super().__init__(shape, classes, code_size, channels, hidden, learning_rate)
        self.alpha, self.beta, self.cost = alpha, beta, cost

    def separation(self, codes: Tensor, labels: Tensor) -> Tensor:
        """The mean deviance of pairs of one class, and of two."""
        return binomial_deviance_loss(codes, labels, self.alpha, self.beta, self.cost)
