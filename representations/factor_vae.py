"""FactorVAE (Kim & Mnih 2017, "Disentangling by Factorising").

    minimise over the autoencoder  E_q[-log p(x | z)] + KL(q(z | x) || N(0, I)) + gamma TC(z)                 (eq. 4)
    TC(z) = KL(r(z) || prod_j r(z_j)) ~ E_r(z) [log D(z) - log(1 - D(z))],   r(z) = E_p(x) q(z | x)        (eq. 5, 1)
    minimise over the discriminator  -E_r(z) log D(z) - E_prod r(z_j) log(1 - D(z))

The two move in turn at every step. Samples of the product are a batch of r(z) with every dimension permuted over it.

D has to be right about codes that move. One that lags is deceived: the autoencoder finds codes that it holds to be
independent, and eq. 4 is lowered without any loss of dependence (benchmarks/sprites/README.md). The paper has D learn from
a new batch at every move; here it can learn from the codes of the latest steps, `memory` of them, drawn anew from their
posteriors: more codes a move than a batch has, and no picture to encode.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from borders import Natural, NonNegative, Positive, Shape, Share, Size
from representations.model import Logs, Objective, Pictures
from representations.parts.autoencoder import Bound, PictureVAE
from representations.parts.networks import mlp
from representations.parts.ramp import Ramp, let_in
from representations.parts.terms import density_ratio_loss, gaussian_sample, permute_dimensions
from representations.parts.together import everyone, own
from representations.parts.turn import Turn


class FactorVAE(PictureVAE):
    """FactorVAE of pictures `shape` = (C, H, W); `gamma` is the weight of the total correlation, in nats.

    The discriminator has `depth` layers of `width` units and moves `repeats` times a step; the paper has 6 of 1000 and
    5 moves, and says that smaller ones work too. It learns from the codes of the latest `memory` pictures, or with 0 from
    those of a new batch, as in the paper. Autoencoder as in Burgess et al. 2018, appendix A.1.

    The paper has nothing of the following. Over the first `warmup` steps gamma rises from 0, and the weight of the KL term
    goes from `first_beta` to 1: from a large one, latents open one after the other. A large one from the first step would
    close a code before its decoder reads it: for the share `easing` of the warmup the weight is let in. `turned` puts a
    learned rotation between networks and code. For the share `turning` of the warmup it is all that the total correlation
    moves: it turns the code and bends nothing. `apart` gives every colour features of its own.
    """

    posteriors: Tensor

    def __init__(
        self,
        shape: Shape = (1, 64, 64),
        code_size: Size = 10,
        gamma: NonNegative = 35.0,
        depth: Size = 3,
        width: Size = 256,
        repeats: Size = 1,
        memory: Natural = 0,
        first_beta: NonNegative = 1.0,
        easing: Share = 0.0,
        warmup: Natural = 0,
        turned: bool = False,
        turning: Share = 0.0,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 5e-4,
        discriminator_rate: Positive = 5e-4,
        apart: bool = False,
    ):
        super().__init__(shape, code_size, channels, hidden, learning_rate, turned=turned, apart=apart)
        if turning and not turned:
            raise ValueError(f"turning needs a rotation to move, turned=True, got turning={turning} without")
        self.turning = turning
        self.gamma, self.repeats, self.discriminator_rate, self.memory = gamma, repeats, discriminator_rate, memory
        self.first_beta, self.easing, self.rise = first_beta, easing, Ramp(0.0, 1.0, warmup)
        self.discriminator = mlp(code_size, *[width] * depth, 1, activation=nn.LeakyReLU)
        if memory:  # means and log variances; at first the prior's
            self.register_buffer("posteriors", torch.zeros(memory, 2 * code_size))

    def log_ratio(self, code: Tensor) -> Tensor:
        """log D(z) - log(1 - D(z)) [n], which estimates log r(z) - sum_j log r(z_j), of codes [n, d].

        In float32 whatever precision the autoencoder computes in: gamma multiplies its errors.
        """
        with torch.autocast(code.device.type, enabled=False):
            return self.discriminator(code.float()).squeeze(-1)

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """The autoencoder's loss in nats a picture (eq. 4, with eq. 5), for pictures [n, C, H, W]."""
        bound = self.autoencoder.bound(batch)
        risen = self.rise.now()
        beta = (self.first_beta + (1 - self.first_beta) * risen) * let_in(risen, self.easing)
        loss, logs = bound.weighed(beta)
        alone = risen < self.turning  # decided where the codes are: asking a GPU would be to wait for it
        tc = self.log_ratio(torch.where(alone, self._turned(bound), bound.code) if self.turning else bound.code).mean()
        if self.memory and self.training:
            latest = everyone(torch.cat([bound.mean, bound.logvar], -1).detach())
            self.posteriors.copy_(torch.cat([latest, self.posteriors])[: self.memory])
        return loss + self.gamma * risen * tc, logs | {"tc": tc}

    def _turned(self, bound: Bound) -> Tensor:
        """The codes [n, d] of a bound, of whose gradient the rotation alone is told."""
        turn: Turn = self.autoencoder.turn  # type: ignore[assignment]
        return turn(turn.back(bound.mean).detach()) + (bound.code - bound.mean).detach()

    def discriminator_loss(self, batch: Pictures | None) -> tuple[Tensor, Logs]:
        """The discriminator's cross-entropy on codes and permuted ones; log 2 is chance.

        The codes are those of pictures [n, C, H, W]; of None, which there must be with a memory, those remembered.
        """
        with torch.no_grad():
            code = gaussian_sample(
                *(own(self.posteriors).chunk(2, -1) if batch is None else self.autoencoder.posterior(batch))
            )
        joint, product = self.log_ratio(code), self.log_ratio(permute_dimensions(code))
        right = 0.5 * ((joint > 0).float().mean() + (product <= 0).float().mean())
        return density_ratio_loss(joint, product), {"accuracy": right}

    def objectives(self) -> tuple[Objective, ...]:
        """Two players: the autoencoder, then the discriminator, each by Adam."""
        adam = partial(torch.optim.Adam, lr=self.discriminator_rate, betas=(0.5, 0.9))
        parameters, fresh = tuple(self.discriminator.parameters()), not self.memory
        other = Objective("discriminator", self.discriminator_loss, parameters, adam, self.repeats, fresh=fresh)
        return self.player(after=self.rise.advance), other
