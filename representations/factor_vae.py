"""FactorVAE (Kim & Mnih 2017, "Disentangling by Factorising").

    minimise over the autoencoder  E_q[-log p(x | z)] + KL(q(z | x) || N(0, I)) + gamma TC(z)                 (eq. 4)
    TC(z) = KL(r(z) || prod_j r(z_j)) ~ E_r(z) [log D(z) - log(1 - D(z))],   r(z) = E_p(x) q(z | x)        (eq. 5, 1)
    minimise over the discriminator  -E_r(z) log D(z) - E_prod r(z_j) log(1 - D(z))

The two move in turn at every step. Samples of the product are a batch of r(z) with every dimension permuted over it.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from borders import NonNegative, Positive, Shape, Size
from representations.model import Logs, Objective, Pictures
from representations.parts.autoencoder import PictureVAE
from representations.parts.networks import mlp
from representations.parts.terms import density_ratio_loss, gaussian_sample, permute_dimensions


class FactorVAE(PictureVAE):
    """FactorVAE of pictures `shape` = (C, H, W); `gamma` is the weight of the total correlation, in nats.

    The discriminator has `depth` layers of `width` units and moves `repeats` times a step; the paper has 6 of 1000 and
    5 moves, and says that smaller ones work too. Autoencoder as in Burgess et al. 2018, appendix A.1.
    """

    def __init__(
        self,
        shape: Shape = (1, 64, 64),
        code_size: Size = 10,
        gamma: NonNegative = 35.0,
        depth: Size = 3,
        width: Size = 256,
        repeats: Size = 1,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 5e-4,
        discriminator_rate: Positive = 5e-4,
    ):
        super().__init__(shape, code_size, channels, hidden, learning_rate)
        if not gamma >= 0 or min(depth, width, repeats) < 1:
            raise ValueError(
                f"gamma must not be negative and depth, width and repeats must be positive, "
                f"got {gamma}, {depth}, {width}, {repeats}"
            )
        self.gamma, self.repeats, self.discriminator_rate = gamma, repeats, discriminator_rate
        self.discriminator = mlp(code_size, *[width] * depth, 1, activation=nn.LeakyReLU)

    def log_ratio(self, code: Tensor) -> Tensor:
        """log D(z) - log(1 - D(z)) [n], which estimates log r(z) - sum_j log r(z_j), of codes [n, d].

        In float32 whatever precision the autoencoder computes in: gamma multiplies its errors.
        """
        with torch.autocast(code.device.type, enabled=False):
            return self.discriminator(code.float()).squeeze(-1)

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """The autoencoder's loss in nats a picture (eq. 4, with eq. 5), for pictures [n, C, H, W]."""
        bound = self.autoencoder.bound(batch)
        loss, logs = bound.weighed(1.0)
        tc = self.log_ratio(bound.code).mean()
        return loss + self.gamma * tc, logs | {"tc": tc}

    def discriminator_loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """The discriminator's cross-entropy on codes of pictures [n, C, H, W] and permuted ones; log 2 is chance."""
        with torch.no_grad():
            code = gaussian_sample(*self.autoencoder.posterior(batch))
        joint, product = self.log_ratio(code), self.log_ratio(permute_dimensions(code))
        right = 0.5 * ((joint > 0).float().mean() + (product <= 0).float().mean())
        return density_ratio_loss(joint, product), {"accuracy": right}

    def objectives(self) -> tuple[Objective, ...]:
        """Two players: the autoencoder, then the discriminator, each by Adam."""
        other = partial(torch.optim.Adam, lr=self.discriminator_rate, betas=(0.5, 0.9))
        return (
            self.player(),
            Objective(
                "discriminator", self.discriminator_loss, tuple(self.discriminator.parameters()), other, self.repeats
            ),
        )
