"""The variational autoencoder (Kingma & Welling 2014) and beta-VAE (Higgins et al. 2017).

    minimise over both networks     E_q[-log p(x | z)] + beta KL(q(z | x) || N(0, I))       (Burgess et al. 2018, eq. 5)

in nats a picture, pixels summed and pictures averaged; beta = 1 is the VAE, whose objective bounds log p(x).
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from borders import Natural, NonNegative, Positive, Shape, Share, Size
from representations.model import Logs, Objective, Pictures
from representations.parts.autoencoder import PictureVAE
from representations.parts.ramp import Ramp


class BetaVAE(PictureVAE):
    """beta-VAE of pictures `shape` = (C, H, W); `beta` weighs the KL term against pixels in nats, summed.

    Over the first `warmup` steps the weight goes linearly from `first_beta` to `beta` (the paper has no such thing). From 0:
    a large beta otherwise closes every latent before the decoder has learned to use one. From a larger one, let in over the
    share `easing` of the warmup: latents open one after the other. For the share `held` of it the weight stays where it starts:
    near 0, while pictures are coarse, that opens what is worth little beside the rest, as hue is. `turned` puts a learned
    rotation between networks and code; weights start `start` times as large as torch draws them; `apart` gives every colour
    features of its own. `channels` of every convolution and `hidden` units of every full layer as in Burgess et al. 2018, A.1.
    """

    def __init__(
        self,
        shape: Shape = (1, 64, 64),
        code_size: Size = 10,
        beta: NonNegative = 4.0,
        first_beta: NonNegative = 0.0,
        easing: Share = 0.0,
        warmup: Natural = 0,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 5e-4,
        turned: bool = False,
        start: Positive = 1.0,
        apart: bool = False,
        held: Annotated[float, Interval(ge=0, lt=1)] = 0.0,
    ):
        super().__init__(shape, code_size, channels, hidden, learning_rate, turned=turned, start=start, apart=apart)
        self.beta, self.ramp = beta, Ramp(first_beta, beta, warmup, easing, held)

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """Minus the bound with its KL term weighed by beta, in nats a picture, for pictures [n, C, H, W]."""
        return self.autoencoder.bound(batch).weighed(self.ramp.now())

    def objectives(self) -> tuple[Objective, ...]:
        """One player: both networks, by Adam."""
        return (self.player(after=self.ramp.advance),)


class VAE(PictureVAE):
    """The variational autoencoder of pictures `shape` = (C, H, W): beta-VAE with beta = 1; settings as there."""

    def __init__(
        self,
        shape: Shape = (1, 64, 64),
        code_size: Size = 10,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 5e-4,
        apart: bool = False,
    ):
        super().__init__(shape, code_size, channels, hidden, learning_rate, apart=apart)

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """Minus the bound (eq. 3), in nats a picture, for pictures [n, C, H, W]."""
        return self.autoencoder.bound(batch).weighed(1.0)
