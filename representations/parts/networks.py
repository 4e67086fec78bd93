"""Networks that several learners share: functions that return an `nn.Module`, and the modules they are made of."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from representations.parts.together import average


def mlp(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of the given sizes with `activation` between them and none behind the last."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(sizes):
        layers += [nn.Linear(inputs, outputs), activation()]
    return nn.Sequential(*layers[:-1])


def smooth_encoder(shape: tuple[int, ...], hidden: int, outputs: int, width: float) -> nn.Sequential:
    """Pictures [n, C, H, W] in [0, 1] -> [n, outputs]: centre, hidden - hidden - outputs, its first weights smooth.

    Every first-layer filter starts as a random field over the picture with correlation length `width` pixels, of the
    usual size. A small object that moves then moves the code smoothly from the first step on.
    """
    encoder = nn.Sequential(Centre(shape), nn.Flatten(), *mlp(math.prod(shape), hidden, hidden, outputs))
    first = encoder[2]
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        fields = first.weight.unflatten(1, shape)
        for axis in (-2, -1):
            index = torch.arange(fields.shape[axis], dtype=torch.float32)
            kernel = torch.exp(-0.5 * ((index[:, None] - index) / width) ** 2)
            fields = (fields.movedim(axis, -1) @ kernel).movedim(-1, axis)
        first.weight.copy_(fields.flatten(1) * (first.weight.std() / fields.std()))
    return encoder


class Centre(nn.Module):
    """Subtracts the mean picture of the training data, estimated by the running mean over training batches."""

    mean: Tensor
    batches: Tensor

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.register_buffer("mean", torch.zeros(shape))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures [n, C, H, W] less their mean."""
        if self.training:
            with torch.no_grad():
                self.batches += 1
                self.mean += (average(pictures.mean(0)) - self.mean) / self.batches
        return pictures - self.mean


class Standardise(nn.Module):
    """Every picture [C, H, W] less its mean, over its spread: house numbers differ first of all in their colours."""

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures [n, C, H, W] of mean 0 and, where they are not of one colour, of variance 1."""
        centred = pictures - pictures.mean((1, 2, 3), keepdim=True)
        return centred / (centred.square().mean((1, 2, 3), keepdim=True) + 1e-4).sqrt()


class SeparableDecoder(nn.Module):
    """Codes [n, d] -> logits [n, C, H, W] as a sum of `rank` products of a column profile and a row profile.

        logit[c, i, j] = background[c, i, j] + sum_r rows[c, r, i] columns[c, r, j]

    A small object at (i, j) is such a product, and its two profiles are functions of one coordinate each.
    """

    def __init__(self, code_size: int, hidden: int, shape: tuple[int, ...], rank: int):
        super().__init__()
        self.channels, self.height, self.width = shape
        self.rank = rank
        self.profiles = mlp(code_size, hidden, hidden, self.channels * rank * (self.height + self.width))
        self.background = nn.Parameter(torch.full(shape, -2.0))

    def forward(self, code: Tensor) -> Tensor:
        """Logits [n, C, H, W]."""
        profiles = self.profiles(code).unflatten(1, (self.channels, self.rank, self.height + self.width))
        rows, columns = profiles.split((self.height, self.width), -1)
        return rows.transpose(-1, -2) @ columns + self.background


class HalvingConv(nn.Conv2d):
    """A 4 x 4 convolution of stride 2 that computes with channels last: on a CPU two thirds of the time."""

    def __init__(self, inputs: int, outputs: int, streams: int = 1):
        super().__init__(inputs, outputs, 4, 2, 1, groups=streams)

    def forward(self, pictures: Tensor) -> Tensor:
        """Maps [n, outputs, H / 2, W / 2] of pictures [n, inputs, H, W]."""
        weight = _whole(self.weight, self.groups).to(memory_format=torch.channels_last)
        return functional.conv2d(pictures, weight, self.bias, 2, 1)


class _ConvTranspose(nn.ConvTranspose2d):
    """The transpose of `HalvingConv`; `odd` adds a row and a column where the picture had an odd number of them."""

    def __init__(self, inputs: int, outputs: int, odd: tuple[int, int], streams: int = 1):
        super().__init__(inputs, outputs, 4, 2, 1, output_padding=odd, groups=streams)

    def forward(self, maps: Tensor) -> Tensor:  # type: ignore[override]
        weight = _whole(self.weight, self.groups).to(memory_format=torch.channels_last)
        return functional.conv_transpose2d(maps, weight, self.bias, 2, 1, self.output_padding)  # type: ignore[arg-type]


def _whole(weight: Tensor, streams: int) -> Tensor:
    """The weight of a convolution in `streams` with zeros between them: on a CPU one product takes less time than several."""
    if streams == 1:
        return weight
    size = weight.shape[1]
    sides = ((0, 0, 0, 0, k * size, (streams - 1 - k) * size) for k in range(streams))
    return torch.cat([functional.pad(part, side) for part, side in zip(weight.chunk(streams), sides, strict=True)])


def he_weights(network: nn.Module, last: float = 1.0) -> None:
    """Draw all weights anew from N(0, 2 / inputs), biases 0: ReLU layers keep the size of what runs through them.

    `inputs` counts what is summed into one output; of a transposed convolution, its stride leaves a share of the kernel
    (He et al. 2015, eq. 10). torch's own draws lose a factor of 2.4 a layer, and a deep decoder starts blind to its code:
    a generator cannot do with that, while autoencoders that are to disentangle need it (see `GaussianAutoencoder`).
    The last layer's are `last` times as large: with all of it a generator's pictures start saturated.
    """
    layers = _weighted(network)
    for layer in layers:
        inputs: float = layer.weight[0].numel()
        if isinstance(layer, nn.ConvTranspose2d):
            inputs = layer.in_channels * math.prod(k / s for k, s in zip(layer.kernel_size, layer.stride, strict=True))
        nn.init.normal_(layer.weight, 0.0, math.sqrt(2 / inputs) * (last if layer is layers[-1] else 1))
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


@torch.no_grad()
def scale_weights(network: nn.Module, scale: float) -> None:
    """Multiply the weights of every layer by `scale`, and leave biases as they are."""
    for layer in _weighted(network):
        layer.weight.mul_(scale)


def _weighted(network: nn.Module) -> list[nn.Linear | nn.Conv2d | nn.ConvTranspose2d]:
    """Its products and convolutions, in order."""
    return [layer for layer in network.modules() if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)]


class Background(nn.Module):
    """Gives a decoder of logits, once, the first training batch's mean brightness by channel as its output's bias.

    Pictures of a few things on a dark ground otherwise begin by pushing every feature down, until ReLU layers that would
    have told pictures apart are dead. Whether it was done is a buffer, so that a resumed run does not do it again.
    """

    met: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.known = False
        self.register_buffer("met", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def forward(self, decoder: nn.Module, pictures: Tensor) -> None:
        """Set the bias for float pictures [n, C, H, W]; in evaluation, and behind the first batch, nothing."""
        if self.known or not self.training:
            return
        if not self.met:
            kinds = nn.Linear | nn.Conv2d | nn.ConvTranspose2d | nn.ConvTranspose3d
            bias = [layer.bias for layer in decoder.modules() if isinstance(layer, kinds)][-1]
            assert bias is not None
            logit = average(pictures.mean((0, 2, 3))).clamp(1e-3, 1 - 1e-3).logit()
            bias.copy_(logit.repeat_interleave(len(bias) // len(logit)))  # a dense layer has one for every pixel
            self.met.fill_(True)
        self.known = True


def dense_encoder(shape: tuple[int, ...], outputs: int, hidden: int = 400) -> nn.Sequential:
    """Pictures [n, C, H, W] -> [n, outputs]: two layers of `hidden` units, ReLU."""
    return nn.Sequential(nn.Flatten(), mlp(math.prod(shape), hidden, hidden, outputs))


def dense_decoder(inputs: int, shape: tuple[int, ...], hidden: int = 400) -> nn.Sequential:
    """Codes [n, inputs] -> logits [n, C, H, W]: two layers of `hidden` units, ReLU."""
    return nn.Sequential(mlp(inputs, hidden, hidden, math.prod(shape)), nn.Unflatten(1, tuple(shape)))


def _halvings(height: int, width: int) -> list[tuple[int, int]]:
    """The sizes of the maps when sides are halved until the shorter one is below 8: 64, 32, 16, 8, 4 or 28, 14, 7."""
    sizes = [(height, width)]
    while min(sizes[-1]) >= 8:
        sizes.append((sizes[-1][0] // 2, sizes[-1][1] // 2))
    return sizes


def _streams(colours: int, channels: int, apart: bool) -> tuple[int, int]:
    """How many features there are, and in how many streams, one for each of a picture's `colours` where they are `apart`."""
    streams = colours if apart else 1
    return streams * max(channels // streams, 1), streams


def _normed(channels: int, norm: bool) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels)] if norm else []


def conv_encoder(
    shape: tuple[int, ...],
    outputs: int,
    channels: int = 32,
    hidden: int = 256,
    norm: bool = False,
    apart: bool = False,
) -> nn.Sequential:
    """Pictures [n, C, H, W] -> [n, outputs]: 4 x 4 convolutions of stride 2, two layers of `hidden` units, ReLU.

    At 64 x 64 it is the encoder of Burgess et al. 2018, appendix A.1: four convolutions of 32 channels, 256 and 256
    units; other sizes are halved until the shorter side is below 8. `norm` normalises the batch behind every convolution.
    With `apart` convolutions look at each channel of a picture by itself, with an even share of the features, rounded down:
    what comes behind them sees one channel as easily as the difference of two.
    """
    sizes, (channels, streams) = _halvings(*shape[1:]), _streams(shape[0], channels, apart)
    layers: list[nn.Module] = []
    for depth in range(len(sizes) - 1):
        layers += [HalvingConv(channels if depth else shape[0], channels, streams), *_normed(channels, norm), nn.ReLU()]
    flat = math.prod(sizes[-1]) * (channels if len(sizes) > 1 else shape[0])
    return nn.Sequential(*layers, nn.Flatten(), mlp(flat, hidden, hidden, outputs))


def conv_decoder(
    inputs: int,
    shape: tuple[int, ...],
    channels: int = 32,
    hidden: int = 256,
    norm: bool = False,
    apart: bool = False,
) -> nn.Sequential:
    """Codes [n, inputs] -> logits [n, C, H, W]: the transpose of `conv_encoder` (Burgess et al. 2018, appendix A.1).

    `norm` normalises the batch behind every convolution but the last. With `apart` each channel of the picture is drawn from
    features of its own, an even share of them: those that draw all channels draw grey (benchmarks/sprites/README.md).
    """
    sizes, (channels, streams) = _halvings(*shape[1:]), _streams(shape[0], channels, apart)
    deepest = (channels if len(sizes) > 1 else shape[0], *sizes[-1])
    layers: list[nn.Module] = [mlp(inputs, hidden, hidden, math.prod(deepest)), nn.Unflatten(1, deepest)]
    for depth in range(len(sizes) - 1, 0, -1):
        odd = (sizes[depth - 1][0] % 2, sizes[depth - 1][1] % 2)
        outputs = channels if depth > 1 else shape[0]
        layers += [nn.ReLU(), _ConvTranspose(channels, outputs, odd, streams), *_normed(channels, norm and depth > 1)]
    return nn.Sequential(*layers)


def coder(shape: tuple[int, ...], code_size: int, channels: int) -> tuple[nn.Sequential, nn.Sequential]:
    """Encoder with batch normalisation and leaky ReLU, and the transposed decoder with ReLU (Thomas et al. 2018, A.1).

    Four convolutions of stride 2; pictures [n, C, H, W] -> [n, code_size] -> pictures [n, C, H, W], whose sides are
    multiples of 16 pixels.
    """
    widths = (shape[0], channels, channels, 2 * channels, 2 * channels)
    small = (2 * channels, shape[1] // 16, shape[2] // 16)
    down: list[nn.Module] = []
    up: list[nn.Module] = [*mlp(code_size, 128, math.prod(small)), nn.ReLU(), nn.Unflatten(1, small)]
    for inner, outer in pairwise(widths):
        down += [nn.Conv2d(inner, outer, 4, 2, 1), nn.BatchNorm2d(outer), nn.LeakyReLU(0.2)]
    for inner, outer in pairwise(widths[::-1]):
        up += [nn.ConvTranspose2d(inner, outer, 4, 2, 1), nn.ReLU()]
    return nn.Sequential(*down, nn.Flatten(), nn.Linear(math.prod(small), code_size)), nn.Sequential(*up[:-1])
