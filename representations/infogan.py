"""InfoGAN on the improved Wasserstein GAN (Eastwood & Williams 2018, appendix A.2; Chen et al. 2016; Gulrajani et al. 2017).

    x' = G(e, c)             a picture of noise e ~ N(0, I) and codes c ~ p(c)
    Q(c | x)                 N(c; mean(x), diag exp logvar(x)): reads the codes off a picture; mean(x) is the code of x
    L_I = E log Q(c | x')    bounds the mutual information of c and x' from below, up to the entropy of c

    minimise over D and Q    E D(x') - E D(x) + 10 E (||grad D(x^)|| - 1)^2 - lambda L_I          x^ between x and x'
    minimise over G          -E D(x') - lambda L_I

D and Q share all layers but the last. The critic moves `repeats` times for every move of the generator.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from representations.model import Logs, Objective, Representation, check_pictures, pixels
from representations.networks import conv_decoder, conv_encoder, mlp
from representations.residual import features, residual_generator, residual_trunk
from representations.terms import gaussian_log_density, gradient_penalty

LEAST_LOGVAR = float(__import__("os").environ.get("LV", -2.0))


def spread(network: nn.Module) -> None:
    """Start every layer so that activations keep their size (He et al. 2015): pictures then differ from the first step.

    With smaller weights a generator draws one picture for all codes, and Q finds nothing to read.
    """
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            fan = float(layer.weight[0].numel())  # inputs of one output
            if isinstance(layer, nn.ConvTranspose2d):
                fan = layer.in_channels * math.prod(k / s for k, s in zip(layer.kernel_size, layer.stride, strict=True))
            nn.init.normal_(layer.weight, std=math.sqrt(2 / fan))
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def find(network: nn.Module, place: int) -> nn.Module:
    return [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d | nn.ConvTranspose2d)][place]


class InfoGAN(Representation):
    """InfoGAN of pictures `shape` = (C, H, W): `code_size` codes and `noise` variables; `information` is lambda.

    `network` "residual" is the paper's (64 x 64, 64 `channels`), "convolutional" a small one with `hidden` units.
    `prior` of the codes: "uniform" on [-1, 1] (Chen et al. 2016) or "normal". `penalty` weighs the gradient penalty.
    """

    def __init__(
        self,
        shape: tuple[int, int, int] = (3, 64, 64),
        code_size: int = 6,
        noise: int = 128,
        information: float = 8.0,
        penalty: float = 10.0,
        repeats: int = 5,
        prior: Literal["uniform", "normal"] = "uniform",
        network: Literal["residual", "convolutional", "full"] = "residual",
        channels: int = 64,
        hidden: int = 256,
        learning_rate: float = 1e-4,
        critic_rate: float = 1e-4,
    ):
        super().__init__()
        if len(shape) != 3 or min(shape) < 1:
            raise ValueError(f"shape must be (C, H, W) of positive sizes, got {tuple(shape)}")
        if min(code_size, repeats, channels, hidden) < 1 or min(noise, information, penalty) < 0:
            raise ValueError(
                "code_size, repeats, channels and hidden must be positive, noise, information and penalty not negative, "
                f"got {code_size}, {repeats}, {channels}, {hidden}, {noise}, {information}, {penalty}"
            )
        if prior not in ("uniform", "normal") or network not in ("residual", "convolutional", "full"):
            raise ValueError(
                f"prior must be uniform or normal, network residual, convolutional or full, got {prior!r}, {network!r}"
            )
        self.shape, self.code_size, self.noise, self.prior = tuple(shape), code_size, noise, prior
        self.information, self.penalty, self.repeats = information, penalty, repeats
        self.learning_rate, self.critic_rate = learning_rate, critic_rate
        inputs = noise + code_size
        if network == "residual":
            self.generator: nn.Module = residual_generator(inputs, self.shape, channels)
            self.trunk: nn.Module = residual_trunk(self.shape, channels)
        elif network == "full":
            size = math.prod(self.shape)
            self.generator = nn.Sequential(mlp(inputs, hidden, hidden, size), nn.Unflatten(1, self.shape))
            self.trunk = nn.Sequential(nn.Flatten(), mlp(size, hidden, hidden, hidden), nn.ReLU())
        else:
            self.generator = conv_decoder(inputs, self.shape, channels, hidden)
            self.trunk = nn.Sequential(conv_encoder(self.shape, hidden, channels, hidden), nn.ReLU())
        if network != "residual":
            spread(self.generator)
            spread(self.trunk)
            first, last = (find(self.generator, at) for at in (0, -1))
            with torch.no_grad():
                last.weight.mul_(float(__import__('os').environ.get('LAST', 0.3)))
                first.weight[:, noise:] *= float(__import__('os').environ.get('LOUD', 8.0))
        width = features(self.trunk, self.shape)
        self.critic_head = nn.Linear(width, 1)
        self.posterior_head = nn.Linear(width, 2 * code_size)
        self.warm = int(__import__('os').environ.get('WARM', 0))
        self.register_buffer("moves", torch.zeros(()))

    def encode(self, observations: Tensor) -> Tensor:
        """Q's mean [n, code_size] of pictures [n, C, H, W]."""
        check_pictures(observations, self.shape)
        return self.posterior(self.read(pixels(observations)))[0]

    def read(self, pictures: Tensor) -> Tensor:
        """The features that D and Q share of float pictures [n, C, H, W]; the networks see pixels from -1 to 1."""
        return self.trunk(2 * pictures - 1)

    def posterior(self, trunk: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, code_size] of Q(c | x) from the trunk's features of x."""
        mean, logvar = self.posterior_head(trunk).float().chunk(2, -1)
        return mean, logvar.clamp(LEAST_LOGVAR, 4.0)

    def draw_codes(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """`n` codes [n, code_size] of the prior, on the generator's device."""
        device = next(self.parameters()).device if generator is None else generator.device
        if self.prior == "normal":
            return torch.randn(n, self.code_size, generator=generator, device=device)
        return 2 * torch.rand(n, self.code_size, generator=generator, device=device) - 1

    def decode(self, code: Tensor, noise: Tensor | None = None) -> Tensor:
        """The generator's pictures [n, C, H, W] in [0, 1] of codes and `noise` [n, noise], zeros unless given."""
        if code.ndim != 2 or code.shape[1] != self.code_size:
            raise ValueError(f"codes must have shape [n, {self.code_size}], got {tuple(code.shape)}")
        if noise is None:
            noise = code.new_zeros(len(code), self.noise)
        return self.generator(torch.cat([noise, code], -1)).float().sigmoid()

    def generate(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` pictures [n, C, H, W] of codes and noise drawn from their priors."""
        device = next(self.parameters()).device
        code = self.draw_codes(n, generator).to(device)
        return self.decode(code, torch.randn(n, self.noise, generator=generator, device=generator.device).to(device))

    def critic(self, pictures: Tensor) -> Tensor:
        """D's values [n] of float pictures [n, C, H, W]."""
        return self.critic_head(self.read(pictures)).float().squeeze(-1)

    def _drawn(self, n: int) -> tuple[Tensor, Tensor]:
        """Codes [n, code_size] and the pictures made of them."""
        code = self.draw_codes(n)
        return code, self.decode(code, torch.randn(n, self.noise, device=code.device))

    def critic_loss(self, batch: Tensor) -> tuple[Tensor, Logs]:
        """The loss of D and Q on pictures [n, C, H, W]; logs the estimated distance, L_I in nats and the penalty."""
        real = pixels(batch)
        with torch.no_grad():
            code, fake = self._drawn(len(real))
        trunk = self.read(torch.cat([fake, real]))
        of_fake, of_real = self.critic_head(trunk).float().view(2, -1).mean(1)
        information = gaussian_log_density(code, *self.posterior(trunk[: len(fake)])).mean()
        steep = gradient_penalty(self.critic, real, fake)
        loss = of_fake - of_real + self.penalty * steep - self.weight() * information
        return loss, {"distance": of_real - of_fake, "information": information, "penalty": steep}

    def generator_loss(self, batch: Tensor) -> tuple[Tensor, Logs]:
        """The loss of G at as many new pictures as the batch has; logs L_I in nats."""
        code, fake = self._drawn(len(batch))
        trunk = self.read(fake)
        information = gaussian_log_density(code, *self.posterior(trunk)).mean()
        loss = -self.critic_head(trunk).float().mean() - self.weight() * information
        return loss, {"information": information}

    def weight(self):
        return self.information * (1.0 if not self.warm else (self.moves / self.warm).clamp(0, 1))

    def advance(self):
        self.moves += 1

    def objectives(self) -> tuple[Objective, ...]:
        """Two players by Adam with the betas of Gulrajani et al.: D and Q, `repeats` times, then G."""
        readers = (*self.trunk.parameters(), *self.critic_head.parameters(), *self.posterior_head.parameters())
        adam = partial(torch.optim.Adam, betas=(0.0, 0.9))
        return (
            Objective("critic", self.critic_loss, readers, partial(adam, lr=self.critic_rate), self.repeats),
            Objective(
                "generator",
                self.generator_loss,
                tuple(self.generator.parameters()),
                partial(adam, lr=self.learning_rate),
                after=self.advance,
            ),
        )
