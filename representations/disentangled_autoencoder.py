"""The four autoencoders of Peychev et al. 2017: dense or convolutional, plain or denoising, with a weight on their KL.

    minimise over both networks     E_q(z | s(x))[-log p(x | z)] + beta KL(q(z | s(x)) || N(0, I))          (eq. 4)

    s(x) = x                plain
    s(x) = salt and pepper  denoising: the encoder sees x with pixels turned black or white, the decoder draws x

The KL of a sum of pixels in nats; beta >= 0 is the disentanglement parameter, 0 an autoencoder whose code is noisy only
where noise helps.
"""

from __future__ import annotations

import torch
from torch import Tensor

from borders import NonNegative, Positive, Shape, Share, Size
from representations.model import Logs, Pictures, pixels
from representations.parts.autoencoder import Network, PictureVAE
from representations.parts.together import uniform_like


def salt_and_pepper(pictures: Tensor, share: float) -> Tensor:
    """Float pictures [n, C, H, W] in which every pixel is, with probability `share`, replaced by 0 or 1 at even odds.

    All channels of a pixel change together. Of a black-and-white picture up to that share is flipped.
    """
    place = uniform_like(pictures[:, :1])
    return torch.where(place < share / 2, 0.0, torch.where(place < share, 1.0, pictures))


class DisentangledAutoencoder(PictureVAE):
    """An autoencoder of pictures `shape` = (C, H, W) with its KL term weighed by `beta`.

    `network` is "conv" (Burgess et al. 2018, appendix A.1) or "dense" (two layers of `hidden` units each way); `noise` is
    the share of pixels that salt and pepper take in training: 0 for the plain ones, 0.2 for the paper's denoising ones.
    The paper states no widths, and not where its networks start: here at weights `start` times as large as torch draws
    them, with which few pictures are enough. `apart` gives every colour features of its own in "conv".
    """

    def __init__(
        self,
        shape: Shape = (1, 64, 64),
        code_size: Size = 10,
        beta: NonNegative = 1.0,
        network: Network = "conv",
        noise: Share = 0.0,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 1e-3,
        start: Positive = 1.5,
        apart: bool = False,
    ):
        super().__init__(shape, code_size, channels, hidden, learning_rate, network, start=start, apart=apart)
        self.beta, self.noise = beta, noise

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """Minus eq. 4 in nats a picture, for pictures [n, C, H, W]."""
        seen = salt_and_pepper(pixels(batch), self.noise) if self.noise else None
        return self.autoencoder.bound(batch, seen).weighed(self.beta)
