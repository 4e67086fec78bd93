"""VGAN: videos as a foreground in motion before a background that stands still (Vondrick et al. 2016, arXiv 1609.02612).

    z ~ N(0, I_100)                         a whole clip
    v' = m(z) f(z) + (1 - m(z)) b(z)        foreground f and mask m [T, H, W], background b [H, W] the same in all frames

    max over D    E log D(v) + E log(1 - D(v'))
    max over G    E log D(v') - lambda E mean |m|                      the form that does not saturate; lambda = 0.1

f and m share transposed convolutions over space and time, so that a clip has the length it was trained at. Numbers in which
the paper is silent are those of MoCoGAN, whose baseline it is: the judge of clips is MoCoGAN's, its noise and weight decay too.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from borders import Natural, NonNegative, Positive, Shape, Size
from representations.model import Logs, Objective, pixels
from representations.parts.networks import Background
from representations.parts.together import normal_like
from representations.parts.videos import (
    LEAST_FRAMES,
    SMALL,
    ClipGAN,
    Clips,
    dcgan_weights,
    drawn,
    frame_generator,
    told_apart,
)


class VGAN(ClipGAN):
    """VGAN of clips of `frames` pictures `shape` = (C, H, W); batches are such clips [n, frames, C, H, W].

    `noise` is the size of z, `width` and `clip_width` are the numbers of filters of G and D next to the picture, `sparsity`
    is lambda, and `haze` the spread of the noise on what the judge sees, in pixels from -1 to 1.
    `learning_rate` is G's, `clip_rate` D's. Pictures are squares, their side a power of two from 16; frames are a multiple
    of a quarter of it. Both streams begin at the colour of the first batch.

    Raises ValueError for other pictures, or another number of frames.
    """

    def __init__(
        self,
        shape: Shape = (3, 64, 64),
        frames: Annotated[int, Interval(ge=LEAST_FRAMES, le=4096)] = 16,
        noise: Size = 100,
        width: Size = 64,
        clip_width: Size = 64,
        sparsity: NonNegative = 0.1,
        haze: NonNegative = 0.1,
        learning_rate: Positive = 2e-4,
        clip_rate: Positive = 2e-4,
        beta1: Annotated[float, Interval(ge=0, le=0.999)] = 0.5,
        weight_decay: NonNegative = 1e-5,
    ):
        super().__init__(shape, frames, clip_width, haze, beta1, weight_decay)
        times = shape[1] // SMALL
        if frames % times:
            raise ValueError(f"frames must be a multiple of {times} for pictures of side {shape[1]}, got {frames}")
        self.noise, self.sparsity, self.learning_rate, self.clip_rate = noise, sparsity, learning_rate, clip_rate
        widths = [width * 2**depth for depth in range(int(math.log2(times)))][::-1]
        self.foreground = _growing(noise, frames // times, widths)
        self.colour = nn.ConvTranspose3d(widths[-1], shape[0], SMALL, 2, 1)
        self.mask = nn.ConvTranspose3d(widths[-1], 1, SMALL, 2, 1)
        for head in (self.colour, self.mask):
            dcgan_weights(head)
        self.background = frame_generator(noise, self.shape, width)
        self.grounds = nn.ModuleList([Background(), Background()])

    def streams(self, z: Float[Tensor, "n noise"]) -> tuple[Tensor, Tensor, Tensor]:
        """The foreground [n, T, C, H, W], its mask [n, T, 1, H, W] and the background [n, 1, C, H, W] of z [n, noise].

        Pictures are from -1 to 1, the mask from 0 to 1.
        """
        maps = self.foreground(z)
        colour, mask = drawn(self.colour(maps)), self.mask(maps).float().sigmoid()
        return colour.transpose(1, 2), mask.transpose(1, 2), drawn(self.background(z))[:, None]

    def generate(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` clips [n, T, C, H, W] in [0, 1], of as many frames as clips have in training."""
        z = torch.randn(n, self.noise, generator=generator, device=generator.device).to(self.mask.weight.device)
        return (composed(*self.streams(z)) / 2 + 0.5).clamp(0, 1)

    def clip_judge_loss(self, batch: Clips) -> tuple[Tensor, Logs]:
        """What D minimises over clips; logs how often it is right on each kind."""
        real = pixels(batch)
        for ground, stream in zip(self.grounds, (self.colour, self.background), strict=True):
            ground(stream, real.flatten(0, 1))
        with torch.no_grad():
            fake = composed(*self._fake(batch))
        return told_apart(self._of_clips(2 * real - 1), self._of_clips(fake))

    def generator_loss(self, batch: Clips) -> tuple[Tensor, Logs]:
        """What G minimises over as many clips as the batch has; logs the judge's part and the mean of the mask."""
        streams = self._fake(batch)
        clips, mask = functional.softplus(-self._of_clips(composed(*streams))).mean(), streams[1].mean()
        return clips + self.sparsity * mask, {"clips": clips, "mask": mask}

    def objectives(self) -> tuple[Objective, ...]:
        """D, then G, each by Adam."""
        judge, maker = self._adam(self.clip_rate), self._adam(self.learning_rate)
        networks = (self.foreground, self.colour, self.mask, self.background)
        makers = tuple(parameter for network in networks for parameter in network.parameters())
        return (
            Objective("clip_judge", self.clip_judge_loss, tuple(self.clip_judge.parameters()), judge),
            Objective("generator", self.generator_loss, makers, maker),
        )

    def _fake(self, batch: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The streams of as many clips as the batch has, by torch's own generator."""
        return self.streams(normal_like(batch.new_empty(len(batch), self.noise, dtype=torch.float32)))


def composed(foreground: Tensor, mask: Tensor, background: Tensor) -> Tensor:
    """m f + (1 - m) b."""
    return torch.lerp(background.expand_as(foreground), foreground, mask.expand_as(foreground))


def _growing(inputs: int, frames: int, widths: list[int]) -> nn.Module:
    """z [n, inputs] -> maps [n, widths[-1], T / 2, H / 2, W / 2] from `frames` of 4 x 4, by transposed convolutions."""
    first = nn.ConvTranspose3d(inputs, widths[0], (frames, SMALL, SMALL), bias=False)
    layers = [nn.Unflatten(1, (inputs, 1, 1, 1)), first, nn.BatchNorm3d(widths[0]), nn.ReLU()]
    for inner, outer in pairwise(widths):
        layers += [nn.ConvTranspose3d(inner, outer, SMALL, 2, 1, bias=False), nn.BatchNorm3d(outer), nn.ReLU()]
    return dcgan_weights(nn.Sequential(*layers))
