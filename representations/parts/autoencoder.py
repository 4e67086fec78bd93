"""The part that the variational learners of pictures have in common: two networks and the two terms of the bound.

    p(z) = N(0, I)                                       the prior
    p(x | z) = prod_p Bernoulli(x_p; sigmoid l_p(z))     the decoder, over pixels p
    q(z | x) = N(mean(x), diag exp logvar(x))            the encoder

    log p(x) >= E_q log p(x | z) - sum_i KL(q(z_i | x) || p(z_i))                       (Burgess et al. 2018, eq. 3)

A pixel between 0 and 1 is taken as the mean of a Bernoulli variable. Posteriors and terms are float32 whatever precision
the networks compute in: a sum of nats in bfloat16 would be off by an eighth at 20.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from representations.model import Logs, Objective, Pictures, Representation, check_pictures, pixels
from representations.parts.networks import (
    Background,
    conv_decoder,
    conv_encoder,
    dense_decoder,
    dense_encoder,
    scale_weights,
)
from representations.parts.terms import bernoulli_nll, gaussian_kl_each, gaussian_sample
from representations.parts.turn import Turn

Network = Literal["conv", "dense"]


class Bound(NamedTuple):
    """One look at n pictures: `nll` [n] and `kl` [n, d] in nats, the posterior, and a sample `code` [n, d] of it."""

    nll: Tensor
    kl: Tensor
    mean: Tensor
    logvar: Tensor
    code: Tensor

    def weighed(self, beta: Tensor | float) -> tuple[Tensor, Logs]:
        """Reconstruction and `beta` times KL, in nats a picture, to minimise: the VAE's bound at 1; and both as logs."""
        nll, kl = self.nll.mean(), self.kl.sum(-1).mean()
        return nll + beta * kl, {"nll": nll, "kl": kl}


class GaussianAutoencoder(nn.Module):
    """Encoder and decoder of pictures `shape` = (C, H, W), the networks of Burgess et al. 2018, appendix A.1.

    `network` "dense" has two layers of `hidden` units on either side instead. Biases start as torch draws them, weights
    `start` times as large. They are small, so that biases decide which ReLU is open: each network starts
    nearly linear, and latents open one after the other, the direction that tells pictures apart best first. From
    He's weights without biases all of them open at once, position is folded over six, and no later gradient unfolds it
    (benchmarks/sprites/README.md has the figures); at a `start` of 2 one trial folded, too. At 1.5 the plateau before the first
    latent opens is short, at 1 it takes all of 20,000 pictures of digits (benchmarks/beta_sweep/README.md). With `turned` a
    learned rotation stands between networks and code. With `apart` convolutions give each channel of a picture features of its
    own: from shared ones a decoder draws grey, even where it is told the true colours (benchmarks/sprites/README.md).
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        code_size: int,
        channels: int,
        hidden: int,
        network: Network = "conv",
        turned: bool = False,
        start: float = 1.0,
        apart: bool = False,
    ):
        super().__init__()
        self.shape, self.code_size = tuple(shape), code_size
        if network == "conv":
            self.encoder = conv_encoder(self.shape, 2 * code_size, channels, hidden, apart=apart)
            self.decoder = conv_decoder(code_size, self.shape, channels, hidden, apart=apart)
        else:
            self.encoder = dense_encoder(self.shape, 2 * code_size, hidden)
            self.decoder = dense_decoder(code_size, self.shape, hidden)
        scale_weights(self, start)
        self.background = Background()
        self.turn = Turn(code_size) if turned else None

    def posterior(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, d] of q(z | x) for pictures [n, C, H, W], uint8 or float in [0, 1]."""
        check_pictures(observations, self.shape)
        mean, logvar = self.encoder(pixels(observations)).float().chunk(2, -1)
        return (mean if self.turn is None else self.turn(mean)), logvar

    def logits(self, code: Tensor) -> Tensor:
        """The logits of p(x | z), float [n, C, H, W], of codes [n, code_size]."""
        return self.decoder(code if self.turn is None else self.turn.back(code)).float()

    def decode(self, code: Tensor) -> Tensor:
        """The mean picture of p(x | z), float [n, C, H, W] in [0, 1], of codes [n, code_size]."""
        return self.logits(code).sigmoid()

    def generate(self, n: int, generator: torch.Generator) -> Tensor:
        """The mean pictures [n, C, H, W] of `n` codes drawn from the prior."""
        code = torch.randn(n, self.code_size, generator=generator, device=generator.device)
        return self.decode(code.to(next(self.parameters()).device))

    def bound(self, observations: Tensor, seen: Tensor | None = None) -> Bound:
        """The terms of the bound at one sample of every picture's posterior.

        The encoder may look at other pictures, `seen`, than those the decoder has to draw.
        """
        mean, logvar = self.posterior(observations if seen is None else seen)
        code, target = gaussian_sample(mean, logvar), pixels(observations)
        self.background(self.decoder, target)
        nll = bernoulli_nll(self.logits(code), target)
        return Bound(nll, gaussian_kl_each(mean, logvar), mean, logvar, code)


class PictureVAE(Representation):
    """A learner whose networks are a `GaussianAutoencoder`: its code is the posterior mean. What it minimises is its own.

    `learning_rate` is that of Adam, which moves both networks.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        code_size: int,
        channels: int,
        hidden: int,
        learning_rate: float,
        network: Network = "conv",
        turned: bool = False,
        start: float = 1.0,
        apart: bool = False,
    ):
        super().__init__()
        self.code_size, self.learning_rate = code_size, learning_rate
        self.autoencoder = GaussianAutoencoder(shape, code_size, channels, hidden, network, turned, start, apart)

    @abstractmethod
    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """What both networks minimise, in nats a picture, and its terms as logs, for pictures [n, C, H, W]."""

    def objectives(self) -> tuple[Objective, ...]:
        """One player: both networks, by Adam."""
        return (self.player(),)

    def player(self, after: Callable[[], None] | None = None) -> Objective:
        """The autoencoder as a player that minimises `loss` by Adam; `after` follows every move."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate)
        return Objective("bound", self.loss, tuple(self.autoencoder.parameters()), adam, after=after)

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of the pictures."""
        return self.autoencoder.shape

    def encode(self, observations: Tensor) -> Tensor:
        """The posterior mean [n, code_size] of pictures [n, C, H, W]."""
        return self.autoencoder.posterior(observations)[0]

    def decode(self, code: Tensor) -> Tensor:
        """The expected picture [n, C, H, W] in [0, 1]."""
        return self.autoencoder.decode(code)

    def generate(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` pictures [n, C, H, W] of codes drawn from the prior."""
        return self.autoencoder.generate(n, generator)
