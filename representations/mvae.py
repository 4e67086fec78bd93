"""MVAE: the multi-entity variational autoencoder (Nash et al. 2017), and the object VAE it is compared with.

    p(z_n) = N(0, I) in D dimensions, n = 1 .. N                       the prior over a set of objects         (section 2)
    o_n = g(z_n),   o = max_n o_n or sum_n o_n,   l = h(o)             decoded each, pooled, rendered
    p(x | z_1 .. z_N) = prod_p Bernoulli(x_p; sigmoid l_p)             whatever the order of the objects

    q(z_s | x) = N(mean_s(x), diag exp logvar_s(x))                    a candidate at every place s of a map (section 2.1)
    KL_s = KL(q(z_s | x) || p(z)),   S = the N places of largest KL_s  maximal-information attention
    maximise  E_q log p(x | z_S) - sum_{s in S} KL_s                   in nats a picture

Gradients flow through the places chosen only. A feature map in the middle of the encoder is tagged with its places' x and y,
since the set S forgets where its members were found. The object VAE has the same encoder, projected to one Gaussian of N D
dimensions, and decodes it by one g.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Literal, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from borders import Natural, Positive, Shape, Size
from representations.model import Logs, Objective, Pictures, Representation, check_pictures, pixels
from representations.parts.networks import Background, mlp
from representations.parts.players import sole_player
from representations.parts.ramp import Ramp
from representations.parts.terms import bernoulli_nll, gaussian_kl, gaussian_sample
from representations.parts.together import uniform_like

Pool = Literal["max", "sum"]
LEAST = 8  # the shorter side of the encoder's map, and both sides of the first maps of g
MAPS = 16  # channels of an object's maps
LAYERS = 4  # convolutions in front of the coordinates
BOTTOM = -1.0  # where the range of ELU, and so of the objects' maps, begins: the largest of no maps at all


class Posterior(NamedTuple):
    """Gaussians [n, k, D] by their means and log variances, and their KL from the prior [n, k] in nats."""

    mean: Tensor
    logvar: Tensor
    kl: Tensor


class Coordinates(nn.Module):
    """Adds two channels to maps: x rightward and y downward, from -1 to 1."""

    def forward(self, maps: Tensor) -> Tensor:
        """Maps [n, c + 2, h, w] of [n, c, h, w]."""
        down, across = (torch.linspace(-1, 1, side, device=maps.device, dtype=maps.dtype) for side in maps.shape[2:])
        places = torch.stack(torch.meshgrid(across, down, indexing="xy"))
        return torch.cat([maps, places.expand(len(maps), -1, -1, -1)], 1)


class Maps(nn.Module):
    """Lays numbers [n, 8 8 16] out as 16 maps of 8 x 8, channels last as the convolutions behind compute."""

    def forward(self, numbers: Tensor) -> Tensor:
        """Maps [n, 16, 8, 8]."""
        return numbers.unflatten(1, (LEAST, LEAST, MAPS)).permute(0, 3, 1, 2)


class SceneVAE(Representation):
    """What both have in common: an encoder to a map of `outputs` channels, g from `inputs` numbers, and h.

    `channels` of every convolution in the encoder and in h; `hidden` units of the full layer in g. Weights start as torch
    draws them (see `GaussianAutoencoder`).
    """

    def __init__(
        self, shape: tuple[int, ...], inputs: int, outputs: int, channels: int, hidden: int, learning_rate: float
    ):
        super().__init__()
        height, width = shape[1:]
        if min(height, width) < LEAST:
            raise ValueError(f"shape must have sides of at least {LEAST} pixels, got {tuple(shape)}")
        self.shape, self.learning_rate = tuple(shape), learning_rate
        halvings = min(LAYERS, int(math.log2(min(height, width) / LEAST)))
        layers: list[nn.Module] = []
        for depth in range(LAYERS):
            layers += [nn.Conv2d(channels if depth else shape[0], channels, 3, padding=1), nn.ELU()]
            layers += [nn.MaxPool2d(2)] * (depth < halvings)
        layers += [Coordinates(), nn.Conv2d(channels + 2, channels, 3, padding=1), nn.ELU()]
        self.encoder = nn.Sequential(*layers, nn.Conv2d(channels, outputs, 1))
        self.map_sides = height >> halvings, width >> halvings
        sides, grown = (LEAST, LEAST), [mlp(inputs, hidden, MAPS * LEAST**2, activation=nn.ELU), nn.ELU(), Maps()]
        for larger in ((height + 3) // 4, (width + 3) // 4), ((height + 1) // 2, (width + 1) // 2):
            grown += [nn.Upsample(larger, mode="bilinear")] * (larger != sides)
            grown += [nn.Conv2d(MAPS, MAPS, 3, padding=1), nn.ELU()]
            sides = larger
        self.g = nn.Sequential(*grown)
        self.h = nn.Sequential(
            *(nn.Conv2d(MAPS, channels, 3, padding=1), nn.ELU(), nn.Upsample((height, width), mode="bilinear")),
            *(nn.Conv2d(channels, channels, 3, padding=1), nn.ELU(), nn.Conv2d(channels, shape[0], 3, padding=1)),
        )
        self.background = Background()
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @abstractmethod
    def posterior(self, observations: Pictures) -> Posterior:
        """The Gaussians that the pictures' terms of the bound are taken of."""

    @abstractmethod
    def logits(self, codes: Tensor) -> Tensor:
        """The logits [n, C, H, W] of sampled codes [n, k, D]."""

    @abstractmethod
    def decode(self, code: Float[Tensor, "n code_size"]) -> Tensor:
        """The mean pictures [n, C, H, W] in [0, 1] of codes [n, code_size]."""

    def encode(self, observations: Pictures) -> Tensor:
        """The posterior means [n, code_size] of pictures [n, C, H, W], those of an MVAE's objects by falling KL."""
        return self.posterior(observations).mean.flatten(1)

    def generate(self, n: int, generator: torch.Generator) -> Tensor:
        """The mean pictures [n, C, H, W] of `n` codes drawn from the prior."""
        code = torch.randn(n, self.code_size, generator=generator, device=generator.device)
        return self.decode(code.to(next(self.parameters()).device))

    def terms(self, batch: Pictures) -> tuple[Tensor, Tensor]:
        """-log p(x | z) at one sample of each posterior, and the KL: [n] each, in nats, of pictures [n, C, H, W]."""
        mean, logvar, kl = self.posterior(batch)
        target = pixels(batch)
        self.background(self.h, target)
        return bernoulli_nll(self.logits(gaussian_sample(mean, logvar)), target), kl.sum(1)

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """Minus the bound in nats a picture, for pictures [n, C, H, W]."""
        nll, kl = (term.mean() for term in self.terms(batch))
        return nll + kl, {"nll": nll, "kl": kl}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: all networks, by Adam."""
        return sole_player(self)

    def _map(self, observations: Tensor) -> Tensor:
        """The encoder's map [n, outputs, h, w] of pictures [n, C, H, W]."""
        check_pictures(observations, self.shape)
        seen = pixels(observations).contiguous(memory_format=torch.channels_last)
        return self.encoder(seen).float()


class MVAE(SceneVAE):
    """The multi-entity VAE of pictures `shape` = (C, H, W): `slots` objects of `object_size` numbers, pooled by `pool`.

    Its map has 8 x 8 places at 32 and 64 pixels. ValueError where it has fewer places than there are slots.

    Over the first `warmup` steps each scene is decoded, and its KL counted, by its first m objects only, m even from 1 to
    `slots` (the paper has no such start). One object must then draw a sprite as well as five would, and four copies of it
    cost as much again. Without it neighbouring places often go on to hold a fifth of each sprite: while little is told of
    anything, five vague copies cost no more than a single good one.
    """

    def __init__(
        self,
        shape: Shape = (3, 64, 64),
        slots: Size = 5,
        object_size: Size = 12,
        pool: Pool = "max",
        warmup: Natural = 0,
        channels: Size = 32,
        hidden: Size = 128,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__(shape, object_size, 2 * object_size, channels, hidden, learning_rate)
        self.slots, self.object_size, self.pool = slots, object_size, pool
        self.code_size, self.ramp = slots * object_size, Ramp(0.0, 1.0, warmup)
        if math.prod(self.map_sides) < slots:
            raise ValueError(f"slots must be at most the {math.prod(self.map_sides)} places of the map, got {slots}")

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """Minus the bound in nats a picture, for pictures [n, C, H, W]; in the warm-up by the first objects only."""
        if self.ramp.now() >= 1:
            return super().loss(batch)
        mean, logvar, kl = self.posterior(batch)
        target = pixels(batch)
        self.background(self.h, target)
        last = (uniform_like(kl[:, :1]) * self.slots).floor()
        first = torch.arange(self.slots, device=kl.device) <= last
        nll = bernoulli_nll(self.logits(gaussian_sample(mean, logvar), first), target).mean()
        told = (kl * first).sum(1).mean()
        return nll + told, {"nll": nll, "kl": told}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: all networks, by Adam."""
        return sole_player(self, after=self.ramp.advance)

    def candidates(self, observations: Pictures) -> Posterior:
        """The posteriors at all places of the map, row by row, of pictures [n, C, H, W]: k = h w."""
        mean, logvar = self._map(observations).flatten(2).transpose(1, 2).chunk(2, 2)
        return Posterior(mean, logvar, gaussian_kl(mean, logvar))

    def kl_map(self, observations: Pictures) -> Tensor:
        """The KL of every place, in nats: [n, h, w] of pictures [n, C, H, W]."""
        return self.candidates(observations).kl.unflatten(1, self.map_sides)

    def chosen(self, observations: Pictures) -> Tensor:
        """The places of the objects in the flattened map by falling KL: int64 [n, slots] of pictures [n, C, H, W]."""
        return self.candidates(observations).kl.topk(self.slots).indices

    def posterior(self, observations: Pictures) -> Posterior:
        """The posteriors of the objects by falling KL, of pictures [n, C, H, W]: k = slots."""
        mean, logvar, kl = self.candidates(observations)
        kl, index = kl.topk(self.slots)
        places = index[:, :, None].expand(-1, -1, self.object_size)
        return Posterior(mean.gather(1, places), logvar.gather(1, places), kl)

    def logits(self, codes: Float[Tensor, "n k object_size"], shown: Bool[Tensor, "n k"] | None = None) -> Tensor:
        """The logits [n, C, H, W] of scenes of k objects, any number of them; those not `shown` are left out."""
        n, k = codes.shape[:2]
        maps = self.g(codes.flatten(0, 1)).unflatten(0, (n, k))
        if shown is not None:
            maps = maps.masked_fill(~shown[:, :, None, None, None], BOTTOM if self.pool == "max" else 0.0)
        return self.h(maps.amax(1) if self.pool == "max" else maps.sum(1)).float()

    def draw(self, codes: Float[Tensor, "n k object_size"], shown: Bool[Tensor, "n k"] | None = None) -> Tensor:
        """The mean pictures [n, C, H, W] in [0, 1] of scenes of k objects, those not `shown` left out."""
        return self.logits(codes, shown).sigmoid()

    def decode(self, code: Float[Tensor, "n code_size"]) -> Tensor:
        """The mean pictures [n, C, H, W] in [0, 1] of codes [n, slots object_size]."""
        return self.draw(code.unflatten(1, (self.slots, self.object_size)))


class ObjectVAE(SceneVAE):
    """The VAE beside it: the map of the same encoder, projected to one Gaussian of `code_size` dimensions; then g and h.

    `object_size` is half the map's channels, as the MVAE's.
    """

    def __init__(
        self,
        shape: Shape = (3, 64, 64),
        code_size: Size = 60,
        object_size: Size = 12,
        channels: Size = 32,
        hidden: Size = 128,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__(shape, code_size, 2 * object_size, channels, hidden, learning_rate)
        self.code_size, self.object_size = code_size, object_size
        self.project = nn.Linear(2 * object_size * math.prod(self.map_sides), 2 * code_size)

    def posterior(self, observations: Pictures) -> Posterior:
        """The posterior of pictures [n, C, H, W]: k = 1."""
        mean, logvar = self.project(self._map(observations).flatten(1)).float()[:, None].chunk(2, 2)
        return Posterior(mean, logvar, gaussian_kl(mean, logvar))

    def logits(self, codes: Float[Tensor, "n 1 code_size"]) -> Tensor:
        """The logits [n, C, H, W] of codes [n, 1, code_size]."""
        return self.h(self.g(codes.flatten(1))).float()

    def decode(self, code: Float[Tensor, "n code_size"]) -> Tensor:
        """The mean pictures [n, C, H, W] in [0, 1] of codes [n, code_size]."""
        return self.logits(code[:, None]).sigmoid()
