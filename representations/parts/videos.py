"""Networks that learners of videos share: frames drawn and read one by one, and judges of frames and of clips.

As in the published program of MoCoGAN (Tulyakov et al. 2017): 4 x 4 (x 4) convolutions that halve the picture, widths
w, 2 w, 4 w, and a map of logits, one for each patch.
"""

from __future__ import annotations

import math
from functools import partial
from itertools import pairwise
from typing import TypeVar

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from representations.model import Logs, Pictures, Representation, pixels
from representations.parts.terms import density_ratio_loss
from representations.parts.together import normal_like

M = TypeVar("M", bound=nn.Module)
Clips = UInt8[Tensor, "n frames *shape"] | Float[Tensor, "n frames *shape"]  # as long as those in training
LongClips = UInt8[Tensor, "n length *shape"] | Float[Tensor, "n length *shape"]
SMALL = 4  # the side of a generator's first maps, and of all kernels
DEPTH = 3  # convolutions of a judge below its logits
LEAST_SIDE = 2 ** (DEPTH + 1)
LEAST_FRAMES = 1 + (SMALL - 1) * (DEPTH + 1)  # that a judge of clips needs for one logit
AROUND = ((SMALL - 1) * DEPTH // 2, -(-(SMALL - 1) * DEPTH // 2))  # frames before and behind one that its features see
SPREAD = 0.02  # of the weights at the start (Radford et al. 2016)


def check_square(shape: tuple[int, ...]) -> None:
    """Raise ValueError unless pictures of the shape (C, H, W) are squares whose side is a power of two from 16."""
    side = shape[1]
    if shape[2] != side or side < LEAST_SIDE or side & (side - 1):
        raise ValueError(f"shape must be that of squares of {LEAST_SIDE}, {2 * LEAST_SIDE} ... pixels, got {shape}")


def frame_generator(inputs: int, shape: tuple[int, ...], width: int) -> nn.Sequential:
    """z [n, inputs] -> logits [n, C, H, W] of pictures: transposed convolutions, batch normalisation, ReLU (DCGAN)."""
    widths = [width * 2**depth for depth in range(int(math.log2(shape[1] // SMALL)))][::-1]
    layers: list[nn.Module] = [nn.Unflatten(1, (inputs, 1, 1))]
    layers += [nn.ConvTranspose2d(inputs, widths[0], SMALL, bias=False), nn.BatchNorm2d(widths[0]), nn.ReLU()]
    for inner, outer in pairwise(widths):
        layers += [nn.ConvTranspose2d(inner, outer, SMALL, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
    return dcgan_weights(nn.Sequential(*layers, nn.ConvTranspose2d(widths[-1], shape[0], SMALL, 2, 1)))


def frame_encoder(shape: tuple[int, ...], outputs: int, width: int) -> nn.Sequential:
    """Pictures [n, C, H, W] -> [n, outputs]: the generator's convolutions the other way, leaky ReLU (DCGAN's discriminator)."""
    widths = [width * 2**depth for depth in range(int(math.log2(shape[1] // SMALL)))]
    layers: list[nn.Module] = []
    for inner, outer in pairwise([shape[0], *widths]):
        layers += [nn.Conv2d(inner, outer, SMALL, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.LeakyReLU(0.2)]
    return dcgan_weights(nn.Sequential(*layers, nn.Conv2d(widths[-1], outputs, SMALL), nn.Flatten(), nn.LeakyReLU(0.2)))


def frame_judge(channels: int, width: int) -> nn.Sequential:
    """Pictures [n, C, H, W] -> logits [n, 1, h, w], each of a patch."""
    widths = (channels, width, 2 * width, 4 * width)
    layers: list[nn.Module] = []
    for depth, (inner, outer) in enumerate(pairwise(widths)):
        norm = [nn.BatchNorm2d(outer)] if depth else []
        layers += [nn.Conv2d(inner, outer, SMALL, 2, 1, bias=not depth), *norm, nn.LeakyReLU(0.2)]
    return dcgan_weights(nn.Sequential(*layers, nn.Conv2d(widths[-1], 1, SMALL, 2, 1)))


class ClipJudge(nn.Module):
    """Clips [n, T, C, H, W] from -1 to 1 -> logits [n, 1, T - 12, h, w], each of a patch of 13 frames.

    Convolutions over 4 x 4 pixels and 4 frames, which halve the picture and not the time.
    """

    def __init__(self, channels: int, width: int):
        super().__init__()
        widths = (channels, width, 2 * width, 4 * width)
        self.code_size = 4 * widths[-1]
        layers: list[nn.Module] = []
        for depth, (inner, outer) in enumerate(pairwise(widths)):
            norm = [nn.BatchNorm3d(outer)] if depth else []
            layers += [_over_time(inner, outer, bias=not depth), *norm, nn.LeakyReLU(0.2)]
        self.trunk = nn.Sequential(*layers)
        self.head = _over_time(widths[-1], 1)
        dcgan_weights(self)

    def forward(self, clips: Tensor) -> Tensor:
        """The logits of clips of at least 13 frames."""
        return self.head(self.trunk(clips.transpose(1, 2)))

    def codes(self, clips: Tensor) -> Tensor:
        """Codes [n, T, code_size] of every frame of clips uint8, or float in [0, 1]: the features of the ten around it.

        They are averaged over quarters of the picture. Beyond its ends a clip stands still.
        """
        frames = 2 * pixels(clips) - 1
        ends = [frames[:, :1].expand(-1, AROUND[0], -1, -1, -1), frames[:, -1:].expand(-1, AROUND[1], -1, -1, -1)]
        found = self.trunk(torch.cat([ends[0], frames, ends[1]], 1).transpose(1, 2)).transpose(1, 2)
        return functional.adaptive_avg_pool2d(found.flatten(0, 1), 2).flatten(1).unflatten(0, clips.shape[:2])


class ClipGAN(Representation):
    """A generator of clips whose judge of clips, of `width` filters next to the picture, looks through a haze.

    Codes of what is seen are the judge's features. Every player moves by Adam, with `beta1` and `weight_decay`.
    """

    def __init__(self, shape: tuple[int, ...], frames: int, width: int, haze: float, beta1: float, weight_decay: float):
        super().__init__()
        check_square(shape)
        self.shape, self.frames, self.haze = tuple(shape), frames, haze
        self.beta1, self.weight_decay = beta1, weight_decay
        self.clip_judge = ClipJudge(self.shape[0], width)
        self.code_size = self.clip_judge.code_size

    def encode(self, observations: Pictures) -> Tensor:
        """The judge's features at pictures [n, C, H, W], each as a clip that stands still: [n, code_size]."""
        return self.clip_judge.codes(observations[:, None])[:, 0]

    def encode_clips(self, clips: LongClips) -> Tensor:
        """The judge's features at every frame of clips [n, T, C, H, W], which see its neighbours: [n, T, code_size]."""
        return self.clip_judge.codes(clips)

    def _adam(self, rate: float) -> partial[torch.optim.Adam]:
        """What makes a player's optimizer."""
        betas = (self.beta1, 0.999)
        return partial(torch.optim.Adam, lr=rate, betas=betas, weight_decay=self.weight_decay, fused=True)

    def _hazed(self, pictures: Tensor) -> Tensor:
        """Pictures or clips through the haze."""
        return pictures + self.haze * normal_like(pictures)

    def _of_clips(self, clips: Tensor) -> Tensor:
        """The judge's logits of clips [n, T, C, H, W] through the haze."""
        return self.clip_judge(self._hazed(clips)).float()


def _over_time(inner: int, outer: int, bias: bool = True) -> nn.Conv3d:
    return nn.Conv3d(inner, outer, SMALL, (1, 2, 2), (0, 1, 1), bias=bias)


def drawn(logits: Tensor) -> Tensor:
    """Pictures from -1 to 1 of logits."""
    return (logits.float() / 2).tanh()


def told_apart(real: Tensor, fake: Tensor) -> tuple[Tensor, Logs]:
    """A judge's loss from its logits [n, ...] of what is real and of what is made; logs how often it is right on each."""
    right = {"real": (real > 0).float().mean(), "fake": (fake < 0).float().mean()}
    return density_ratio_loss(real.flatten(), fake.flatten()), right


def dcgan_weights(network: M) -> M:
    """Draw the weights anew: of convolutions from N(0, 0.02^2), scales of normalisation around 1, biases 0."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d | nn.Conv3d | nn.ConvTranspose3d):
            nn.init.normal_(layer.weight, 0.0, SPREAD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d | nn.BatchNorm3d):
            nn.init.normal_(layer.weight, 1.0, SPREAD)
    return network
