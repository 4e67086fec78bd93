"""Controlled capacity increase (Burgess et al. 2018, "Understanding disentangling in beta-VAE").

    minimise  E_q[-log p(x | z)] + gamma |KL(q(z | x) || N(0, I)) - C|          (eq. 8; KL averaged over the batch)
    C(t)      from `first` to `last` nats, linearly over `steps` steps of training, and `last` from there

The second term's gradient is gamma times that of KL, its sign now this way, now that. Adam divides every step by the size
of past gradients, so that a large gamma holds the KL at C and slows what the likelihood wants besides. The paper's 1000 has
100,000 steps; with 3,000 a gamma not far above what a nat is worth at C (a few nats) holds it as well and draws better.

`FactorBottleneck` is the experiment of figure 3, where the encoder is replaced by the true factors f (eq. 7):

    z_k = scale_k f_k + sigma_k eps_k,  eps_k ~ N(0, 1),   both learned; f standardised;   x ~ p(x | z)

Its KL per factor shows which factors are worth their nats at a given capacity. For that, scales and noises have to move by
what a nat is worth in each: by the gradient itself. Adam's own step, of one size, would move all alike by gamma's sign.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn

from borders import Count, NonNegative, Positive, Real, Shape, Size
from representations.model import Logs, Objective, Pictures, Representation, pixels
from representations.parts.autoencoder import PictureVAE
from representations.parts.networks import Background, conv_decoder, he_weights
from representations.parts.ramp import Ramp
from representations.parts.terms import bernoulli_nll, capacity_gap, gaussian_kl_each, gaussian_sample

LARGE = 1e8  # an eps far above every gradient, with which Adam steps by the averaged gradient itself


class Capacity(nn.Module):
    """The term gamma |KL - C| with its schedule."""

    def __init__(self, first: float, last: float, gamma: float, steps: int):
        super().__init__()
        if first > last:
            raise ValueError(f"first must be at most last, got {first} and {last} nats")
        self.gamma, self.ramp = gamma, Ramp(first, last, steps)

    def terms(self, nll: Tensor, kl: Tensor) -> tuple[Tensor, Logs]:
        """The loss of reconstruction terms [n] and KL terms [n, d] in nats, and logs with the KL of every latent."""
        each, capacity = kl.mean(0), self.ramp.now()
        logs = {"nll": nll.mean(), "kl": each.sum(), "capacity": capacity}
        logs |= {f"kl_{i}": value for i, value in enumerate(each)}
        return nll.mean() + self.gamma * capacity_gap(kl, capacity), logs


class CapacityVAE(PictureVAE):
    """A VAE of pictures `shape` = (C, H, W) whose KL term follows a capacity from `first` to `last` nats.

    `steps` is the number of training steps over which the capacity rises, `gamma` the price of a nat beside it. The
    paper has 25 nats over 100,000 steps for dSprites and 50 for faces; networks as in its appendix A.1, with `apart` features
    of its own for every colour.
    """

    def __init__(
        self,
        shape: Shape = (1, 64, 64),
        code_size: Size = 10,
        gamma: NonNegative = 1000.0,
        first: NonNegative = 0.0,
        last: NonNegative = 25.0,
        steps: Count = 100_000,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 5e-4,
        apart: bool = False,
    ):
        super().__init__(shape, code_size, channels, hidden, learning_rate, apart=apart)
        self.capacity = Capacity(first, last, gamma, steps)

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """Eq. 8 in nats a picture, for pictures [n, C, H, W]."""
        bound = self.autoencoder.bound(batch)
        return self.capacity.terms(bound.nll, bound.kl)

    def objectives(self) -> tuple[Objective, ...]:
        """One player: both networks, by Adam."""
        return (self.player(after=self.capacity.ramp.advance),)


class Blobs(TypedDict):
    """Factor rows and their pictures."""

    factors: Float[Tensor, "n code_size"]
    pictures: Pictures


class FactorBottleneck(Representation):
    """Draws pictures `shape` from true factors through a noisy channel per factor, of limited total capacity.

    `low` and `high` are the ranges of the factors, by default those of dSprites (shape, scale, orientation, x, y); its
    observations are factor rows [n, K] and its code is scale_k f_k. `channel_rate` is the rate of the
    averaged gradient at which scales and log variances move; gamma times it is a step of theirs, and must stay small.
    The decoder starts from He's weights: its code is given, there is nothing to unfold.
    """

    low: Tensor
    high: Tensor

    def __init__(
        self,
        low: tuple[Real, ...] = (0.0, 0.5, 0.0, 0.0, 0.0),
        high: tuple[Real, ...] = (2.0, 1.0, 2 * math.pi, 1.0, 1.0),
        shape: Shape = (1, 64, 64),
        gamma: NonNegative = 1000.0,
        first: NonNegative = 0.5,
        last: NonNegative = 25.0,
        steps: Count = 100_000,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 5e-4,
        channel_rate: Positive = 1e-4,
    ):
        super().__init__()
        if len(low) != len(high) or not low or not all(a < b for a, b in zip(low, high, strict=True)):
            raise ValueError(f"low and high must give a range for every factor, got {tuple(low)} and {tuple(high)}")
        self.code_size, self.shape = len(low), tuple(shape)
        self.learning_rate, self.channel_rate = learning_rate, channel_rate
        self.register_buffer("low", torch.tensor(low), persistent=False)
        self.register_buffer("high", torch.tensor(high), persistent=False)
        self.scale = nn.Parameter(torch.full((self.code_size,), 0.1))
        self.logvar = nn.Parameter(torch.zeros(self.code_size))
        self.decoder = conv_decoder(self.code_size, self.shape, channels, hidden)
        he_weights(self.decoder)
        self.background = Background()
        self.capacity = Capacity(first, last, gamma, steps)

    def encode(self, observations: Float[Tensor, "n code_size"]) -> Tensor:
        """The means scale_k f_k [n, K] of factor rows [n, K], f standardised as uniform on [low, high]."""
        return self.scale * (2 * (observations - self.low) / (self.high - self.low) - 1) * math.sqrt(3)

    def decode(self, code: Tensor) -> Tensor:
        """The expected picture [n, C, H, W] in [0, 1] of codes [n, K]."""
        return self.decoder(code).sigmoid()

    def loss(self, batch: Blobs) -> tuple[Tensor, Logs]:
        """Eq. 7 in nats a picture, for `factors` [n, K] and their `pictures` [n, C, H, W]."""
        mean = self.encode(batch["factors"])
        logvar = self.logvar.expand_as(mean)
        target = pixels(batch["pictures"])
        self.background(self.decoder, target)
        nll = bernoulli_nll(self.decoder(gaussian_sample(mean, logvar)).float(), target)
        return self.capacity.terms(nll, gaussian_kl_each(mean, logvar))

    def objectives(self) -> tuple[Objective, ...]:
        """One player: the decoder by Adam, scales and noises by its averaged gradient."""
        return (Objective("bound", self.loss, tuple(self.parameters()), self._adam, after=self.capacity.ramp.advance),)

    def _adam(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        channel = {id(self.scale), id(self.logvar)}
        plain = {"lr": self.channel_rate * LARGE, "eps": LARGE}
        return torch.optim.Adam(
            [{"params": [p]} | (plain if id(p) in channel else {"lr": self.learning_rate}) for p in parameters]
        )
