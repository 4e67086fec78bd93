"""What learners of binary attributes share: observations that are pictures or vectors, and adversaries that read labels.

    x in [0, 1]^(C x H x W) or R^d,    y in {0, 1}^K,    -log p(x | h) = 1/2 |x - g(h)|^2 + constant

A network that sees x and y has the labels as further channels of a picture, or as further entries of a vector.
"""

from __future__ import annotations

import itertools
import math
from typing import Annotated, Literal

import torch
from annotated_types import Interval, Len
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional

from borders.settings import Side
from representations.model import check_pictures, pixels
from representations.parts.networks import Background, conv_decoder, conv_encoder, dense_decoder, dense_encoder

Observed = Annotated[tuple[Side, ...], Len(1, 3)]  # (d,) or (C, H, W)
Told = Float[Tensor, "n attributes"] | Integer[Tensor, "n attributes"]  # 0 and 1
Network = Literal["conv", "dense"]
Attributes = Annotated[int, Interval(ge=1, le=8)]  # codes without labels are means over all 2^K of them
LOG_2 = math.log(2)


class Observations(nn.Module):
    """How observations of a shape are read and told apart from labels, and what decoded ones cost.

    Networks have two layers of `hidden` units. `network` "conv" has convolutions of `channels` before them, with batch
    normalisation, by which small and faint parts come out in half the steps; vectors (d,) have none. On small, aligned pictures
    "dense" learns several times as fast.
    """

    def __init__(self, shape: tuple[int, ...], attributes: int, network: Network, hidden: int, channels: int):
        super().__init__()
        if len(shape) == 2:
            raise ValueError(f"shape must be (C, H, W) of pictures or (d,) of vectors, got {tuple(shape)}")
        self.shape, self.attributes, self.hidden, self.channels = tuple(shape), attributes, hidden, channels
        self.pictures, self.convolutions = len(shape) == 3, len(shape) == 3 and network == "conv"
        self.background = Background()

    def encoder(self, outputs: int, told: bool) -> nn.Sequential:
        """A network of observations, and where it is `told` of their labels: [n, outputs]."""
        first = self.shape[0] + told * self.attributes
        seen = (first, *self.shape[1:])
        if self.convolutions:
            return conv_encoder(seen, outputs, self.channels, self.hidden, norm=True)
        return dense_encoder(seen, outputs, self.hidden)

    def decoder(self, inputs: int) -> nn.Sequential:
        """A network from codes [n, inputs] to what `drawn` makes an observation of."""
        if self.convolutions:
            return conv_decoder(inputs, self.shape, self.channels, self.hidden, norm=True)
        return dense_decoder(inputs, self.shape, self.hidden)

    def read(self, observations: Tensor) -> Tensor:
        """Observations as float [n, *shape]: pictures in [0, 1], vectors as they are."""
        check_pictures(observations, self.shape)
        return pixels(observations) if self.pictures else observations.float()

    def tell(self, observations: Tensor, labels: Tensor) -> Tensor:
        """What an encoder sees that is told the labels [n, K] of observations, as `read` gives them."""
        labels = labels.to(observations)
        if self.pictures:
            labels = labels[:, :, None, None].expand(-1, -1, *self.shape[1:])
        return torch.cat([observations, labels], 1)

    def drawn(self, outputs: Tensor) -> Tensor:
        """The expected observations of a decoder's outputs."""
        return outputs.float().sigmoid() if self.pictures else outputs.float()

    def error(self, decoder: nn.Module, codes: Tensor, target: Tensor) -> Tensor:
        """1/2 |x - g(h)|^2 of codes [n, inputs] and observations as `read` gives them: [n]."""
        if self.pictures:
            self.background(decoder, target)
        return 0.5 * (self.drawn(decoder(codes)) - target).square().flatten(1).sum(1)


def label_cost(logits: Tensor, labels: Tensor) -> Tensor:
    """-log q(y_k | .) of every label, in nats: [n, K] -> [n, K]."""
    return functional.binary_cross_entropy_with_logits(logits.float(), labels.to(logits).float(), reduction="none")


def label_entropy(logits: Tensor) -> Tensor:
    """The entropy of every label under q(y_k | .), in nats: [n, K] -> [n, K]."""
    logits = logits.float()
    return functional.softplus(logits) - logits * logits.sigmoid()


def every_labelling(attributes: int, like: Tensor) -> Tensor:
    """All 2^K labels, float [2^K, K], on the device of another tensor."""
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=attributes)), device=like.device)
