"""SD-GAN: semantically decomposed generative adversarial networks (Donahue et al. 2018, arXiv 1705.07904).

    z_I, z_O ~ Uniform[-1, 1]        who is in a picture, and how the picture was taken
    x1, x2 ~ p(x | identity)         two pictures of one identity
    x1', x2' = G(z_I, z_O1), G(z_I, z_O2)      made with one z_I

    max over D    E log D(x1, x2) + E log(1 - D(x1', x2'))                                                      (eq. 2)
    max over G    E log D(x1', x2')               the form that does not saturate

D encodes both pictures by one network D_e. `form` "dcgan" lays both maps one behind the other and halves them once more
before its logit; the loss of D is the mean of its two terms. In the form "began" D is an autoencoder of the pair: both codes
go through one bottleneck of d_I + 2 d_O numbers and out to two codes, which are decoded,

    L(x1, x2) = mean |decoded - seen|             over both pictures, in pixels from -1 to 1
    min over D    L(x) - k L(x'),   min over G    L(x'),   k <- clamp(k + speed (gamma L(x) - L(x')), 0, 1)
    M = L(x) + |gamma L(x) - L(x')|               how well it has converged (Berthelot et al. 2017)

The bottleneck is what lets D tell pairs that match: the numbers of z_I are there once for both pictures. With `paired` false
it is the same game over pairs that do not match, of data and of G alike: a GAN that is told nothing of identities.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from itertools import pairwise
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional

from borders import Natural, NonNegative, Positive, Shape, Share, Size
from representations.model import Logs, Objective, Representation, check_pictures, pixels
from representations.parts.labels import known_classes
from representations.parts.networks import he_weights
from representations.parts.together import average, uniform_like

Classes = Annotated[int, Interval(ge=2, le=2**31)]
SMALL = 4  # the side of the smallest maps of the form dcgan
COARSE = 8  # and of began
SPREAD = 0.02  # of the weights at the start (Radford et al. 2016)


class SDGAN(Representation):
    """SD-GAN of pictures `shape` of `classes` identities; the code is what D_e makes of a picture.

    Batches are dicts: pictures `x` and their classes `y`, at least two of a class. `identity` and `observation` are d_I and
    d_O, 50 each in the paper; `width` is the number of filters of the first convolution: of the form dcgan 64 in the paper,
    with as much more behind each halving, of began 128. A square side is 8 pixels or more, a power of two. `gamma`, `speed`
    and `first_k` are began's; k moves by `speed` times the balance, 0.001 in the paper: short
    trainings want more.

    Raises ValueError for pictures that are not square, or of another side.
    """

    k: Tensor

    def __init__(
        self,
        shape: Shape = (3, 64, 64),
        classes: Classes = 1000,
        form: Literal["dcgan", "began"] = "dcgan",
        identity: Size = 50,
        observation: Size = 50,
        width: Size = 64,
        paired: bool = True,
        gamma: Positive = 0.5,
        speed: NonNegative = 0.001,
        first_k: Share = 0.0,
        learning_rate: Positive = 2e-4,
        beta1: Annotated[float, Interval(ge=0, le=0.999)] = 0.5,
    ):
        super().__init__()
        side = shape[1]
        least = 2 * COARSE if form == "began" else 2 * SMALL
        if shape[2] != side or side < least or side & (side - 1):
            raise ValueError(
                f"shape must be that of squares of {least}, {2 * least} ... pixels for {form}, got {shape}"
            )
        self.shape, self.classes, self.form, self.paired = tuple(shape), classes, form, paired
        self.identity, self.observation = identity, observation
        self.gamma, self.speed, self.learning_rate, self.beta1 = gamma, speed, learning_rate, beta1
        self.register_buffer("k", torch.tensor(first_k))
        size = identity + observation
        if form == "dcgan":
            widths = [width * 2**depth for depth in range(int(math.log2(side // SMALL)))]
            self.code_size = widths[-1]
            self.generator: nn.Module = _growing(size, shape[0], widths)
            self.encoder: nn.Module = _halving(shape[0], widths)
            self.judge: nn.Module = _pair_judge(widths[-1])
            _normal_weights(self)
        else:
            scales = int(math.log2(side // COARSE)) + 1
            self.code_size = size
            self.generator = _decoder(size, shape[0], width, scales)
            self.encoder = _encoder(size, shape[0], width, scales)
            self.decoder = _decoder(size, shape[0], width, scales)
            self.judge = nn.Sequential(nn.Linear(2 * size, size + observation), nn.Linear(size + observation, 2 * size))
            for network, last in ((self.encoder, 1.0), (self.decoder, 0.1), (self.generator, 0.1)):
                he_weights(network, last)  # with torch's own smaller ones the decoders start blind to their codes
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # on a CPU two thirds of the time

    def encode(self, observations: Tensor) -> Tensor:
        """What D_e makes of pictures [n, C, H, W]: began's code, dcgan's maps in the mean over places; [n, code_size]."""
        check_pictures(observations, self.shape)
        found = self.encoder(2 * pixels(observations) - 1).float()
        return found if self.form == "began" else found.mean((2, 3))

    def draw(self, who: Tensor, how: Tensor) -> Tensor:
        """The pictures [n, C, H, W] in [0, 1] of z_I [n, identity] and z_O [n, observation], in [-1, 1]."""
        return (self._made(torch.cat([who, how], 1)) / 2 + 0.5).clamp(0, 1)

    def views(self, n: Natural, m: Natural, generator: torch.Generator) -> Tensor:
        """Pictures [n, m, C, H, W] in [0, 1]: `m` views of each of `n` identities, all drawn."""
        who, how = (
            torch.rand(rows, size, generator=generator, device=generator.device).mul(2).sub(1).to(self.k.device)
            for rows, size in ((n, self.identity), (n * m, self.observation))
        )
        return self.draw(who.repeat_interleave(m, 0), how).unflatten(0, (n, m))

    def generate(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` pictures [n, C, H, W] in [0, 1], each of an identity of its own."""
        return self.views(n, 1, generator)[:, 0]

    def judge_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What D minimises over the pairs of a batch."""
        real = self._real(batch)
        if not len(real):
            return 0.0 * self.judge[-1].weight.sum(), {}  # type: ignore[index, union-attr]
        with torch.no_grad():
            fake = self._fake(real)
        if self.form == "dcgan":
            first, second = self._logits(real), self._logits(fake)
            loss = (functional.softplus(-first).mean() + functional.softplus(second).mean()) / 2
            return loss, {"real": (first > 0).float().mean(), "fooled": (second > 0).float().mean()}
        error, other = self._error(real), self._error(fake)
        return error - self.k * other, {"error": error, "error_made": other, "k": self.k.clone()}

    def generator_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What G minimises: pairs of as many identities as the batch has; began also moves k by the balance."""
        real = self._real(batch)
        if not len(real):
            return 0.0 * next(self.generator.parameters()).sum(), {}
        fake = self._fake(real)
        if self.form == "dcgan":
            return functional.softplus(-self._logits(fake)).mean(), {}
        other = self._error(fake)
        with torch.no_grad():
            error = average(self._error(real))
            balance = self.gamma * error - average(other)
            self.k.add_(self.speed * balance).clamp_(0, 1)
        return other, {"convergence": error + balance.abs()}

    def objectives(self) -> tuple[Objective, ...]:
        """D, then G, each by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate, betas=(self.beta1, 0.999))
        own = tuple(self.generator.parameters())
        mine = {id(p) for p in own}
        others = tuple(p for p in self.parameters() if id(p) not in mine)
        return (
            Objective("judge", self.judge_loss, others, adam),
            Objective("generator", self.generator_loss, own, adam),
        )

    def _real(self, batch: Mapping[str, Tensor]) -> Tensor:
        """The pairs [p, 2, C, H, W] of a batch, in pixels from -1 to 1: each picture in one, with the next of its class."""
        check_pictures(batch["x"], self.shape)
        first, second = pairs(known_classes(batch, self.classes, type(self).__name__))
        second = second if self.paired else second.roll(1)
        return 2 * pixels(batch["x"][torch.stack([first, second], 1).flatten()]).unflatten(0, (len(first), 2)) - 1

    def _fake(self, real: Tensor) -> Tensor:
        """As many pairs as there are real ones [p, 2, C, H, W], made by G."""
        z = 2 * uniform_like(real.new_empty(len(real), 2, self.identity + self.observation)) - 1
        if self.paired:
            z[:, 1, : self.identity] = z[:, 0, : self.identity]
        return self._made(z.flatten(0, 1)).unflatten(0, (len(real), 2))

    def _made(self, z: Tensor) -> Tensor:
        return self.generator(z).float()

    def _logits(self, both: Tensor) -> Tensor:
        """The logits [p] of pairs [p, 2, C, H, W]."""
        maps = self.encoder(both.flatten(0, 1).contiguous(memory_format=torch.channels_last))
        return self.judge(maps.unflatten(0, (len(both), 2)).flatten(1, 2)).float().squeeze(1)

    def _error(self, both: Tensor) -> Tensor:
        """L of pairs [p, 2, C, H, W]: []."""
        seen = both.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        code = self.judge(self.encoder(seen).unflatten(0, (len(both), 2)).flatten(1))
        return (self.decoder(code.unflatten(1, (2, -1)).flatten(0, 1)).float() - seen).abs().mean()


def pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Rows [p] and [p] of labels [n] that are the same two by two: the next of each class, every row once at most."""
    order = labels.argsort(stable=True)
    sorted_ = labels[order]
    fresh = torch.ones_like(sorted_, dtype=torch.bool)
    fresh[1:] = sorted_[1:] != sorted_[:-1]
    start = torch.where(fresh, torch.arange(len(order), device=labels.device), 0).cummax(0).values
    place = torch.arange(len(order), device=labels.device) - start
    second = (place % 2 == 1).nonzero().squeeze(1)
    return order[second - 1], order[second]


def _growing(inputs: int, channels: int, widths: list[int]) -> nn.Sequential:
    """z [n, inputs] -> pictures from -1 to 1: 5 x 5 transposed convolutions of stride 2, batch normalisation, ReLU."""
    deepest = widths[-1]
    flat = deepest * SMALL * SMALL
    layers: list[nn.Module] = [nn.Linear(inputs, flat, bias=False), nn.Unflatten(1, (deepest, SMALL, SMALL))]
    layers += [nn.BatchNorm2d(deepest), nn.ReLU()]
    for inner, outer in pairwise(widths[::-1]):
        layers += [nn.ConvTranspose2d(inner, outer, 5, 2, 2, 1, bias=False), nn.BatchNorm2d(outer), nn.ReLU()]
    return nn.Sequential(*layers, nn.ConvTranspose2d(widths[0], channels, 5, 2, 2, 1), nn.Tanh())


def _halving(channels: int, widths: list[int]) -> nn.Sequential:
    """Pictures -> maps [n, widths[-1], SMALL, SMALL]: 5 x 5 convolutions of stride 2, batch normalisation but in the first."""
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 5, 2, 2), nn.LeakyReLU(0.2)]
    for inner, outer in pairwise(widths):
        layers += [nn.Conv2d(inner, outer, 5, 2, 2, bias=False), nn.BatchNorm2d(outer), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)


def _pair_judge(width: int) -> nn.Sequential:
    """The maps of a pair [n, 2 width, SMALL, SMALL] -> a logit [n, 1]: one more convolution of stride 2."""
    convolution = nn.Conv2d(2 * width, width, 3, 2, 1, bias=False)
    flat = width * (SMALL // 2) ** 2
    return nn.Sequential(convolution, nn.BatchNorm2d(width), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(flat, 1))


def _normal_weights(network: nn.Module) -> None:
    """Draw the weights of products and convolutions anew from N(0, 0.02^2), biases 0; scales of normalisation around 1."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, SPREAD)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, SPREAD)


def _decoder(inputs: int, channels: int, width: int, scales: int) -> nn.Sequential:
    """Codes [n, inputs] -> pictures: at every scale two 3 x 3 convolutions with ELU, between scales nearest neighbours."""
    layers: list[nn.Module] = [nn.Linear(inputs, width * COARSE**2), nn.Unflatten(1, (width, COARSE, COARSE))]
    for scale in range(scales):
        layers += [nn.Upsample(scale_factor=2)] if scale else []
        for _ in range(2):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.ELU()]
    return nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))


def _encoder(outputs: int, channels: int, width: int, scales: int) -> nn.Sequential:
    """Pictures -> codes [n, outputs]: at every scale two 3 x 3 convolutions with ELU, wider by `width` behind each halving."""
    layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, padding=1), nn.ELU()]
    for scale in range(1, scales + 1):
        layers += [nn.Conv2d(scale * width, scale * width, 3, padding=1), nn.ELU()]
        if scale < scales:
            layers += [nn.Conv2d(scale * width, (scale + 1) * width, 3, 2, 1), nn.ELU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(scales * width * COARSE**2, outputs))
