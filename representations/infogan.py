"""InfoGAN on the improved Wasserstein GAN (Eastwood & Williams 2018, A.2; Chen et al. 2016; Gulrajani et al. 2017).

    x' = G(e, c)             a picture of noise e ~ N(0, I) and codes c ~ p(c)
    Q(c | x)                 N(c; mean(x), diag spread(x)^2): reads the codes off a picture; mean(x) is the code of x
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

from borders import Natural, NonNegative, Positive, Shape, Size, Width
from representations.model import Logs, Objective, Pictures, Representation, pixels
from representations.parts.networks import conv_decoder, conv_encoder, he_weights, mlp, scale_weights
from representations.parts.residual import residual_generator, residual_trunk
from representations.parts.terms import gaussian_log_density, gradient_penalty, linear_schedule
from representations.parts.together import normal_like, uniform_like

VIEWS = 16  # of a picture through the haze, over which its code is averaged


class InfoGAN(Representation):
    """InfoGAN of pictures `shape` = (C, H, W): `code_size` codes and `noise` variables; `information` is lambda.

    `network` "residual" is the paper's (64 x 64, 64 `channels`); "convolutional" and "full" (fully connected, the fastest)
    are small ones of `hidden` units. `prior` of the codes: "uniform" on [-1, 1] (Chen et al. 2016) or "normal".
    `penalty` weighs the gradient penalty, `least_spread` bounds Q's standard deviations from below.

    D's slopes are penalised by pixels from -1 to 1, as in the published program. `haze` is Gaussian noise of that size on
    the pixels (from 0 to 1) that Q looks at, while D sees them as they are. Without the paper's 200,000 steps Q, which can
    be as sure as it likes, else pulls harder than D, and G writes the codes into the noise of its pixels. Through the haze
    Q reads what is large, and pulls at most about 2 lambda / haze at 6 codes; D, whose slope is 1 (2 from 0 to 1), sees
    the smallest speck. With `clearing` the haze falls linearly from `first_haze` to `haze` over so many moves of G: the
    largest variations are told first, each by one code, as codes that share one are not independent behind a haze, and
    Q takes them for that; free codes take the finer ones as they come into sight. What G draws from its noise, codes
    need not tell: a world without nuisances needs little of it.

    The small networks start with weights `start` times as large as torch draws them (see `GaussianAutoencoder`), or with
    0 from He's. Raises ValueError for a `start` of the residual ones, which have their own.
    """

    still: Tensor
    moves: Tensor
    views: Tensor

    def __init__(
        self,
        shape: Shape = (3, 64, 64),
        code_size: Size = 6,
        noise: Width = 128,
        information: NonNegative = 8.0,
        penalty: NonNegative = 10.0,
        repeats: Size = 5,
        prior: Literal["uniform", "normal"] = "uniform",
        least_spread: Positive = 0.05,
        haze: NonNegative = 0.0,
        first_haze: NonNegative = 0.0,
        clearing: Natural = 0,
        network: Literal["residual", "convolutional", "full"] = "residual",
        channels: Size = 64,
        hidden: Size = 256,
        start: NonNegative = 0.0,
        learning_rate: Positive = 1e-4,
        critic_rate: Positive = 1e-4,
    ):
        super().__init__()
        if start and network == "residual":
            raise ValueError("start is for the networks convolutional and full, not for residual")
        self.shape, self.code_size, self.noise, self.prior = tuple(shape), code_size, noise, prior
        self.information, self.penalty, self.repeats = information, penalty, repeats
        self.haze, self.first_haze, self.clearing = haze, first_haze, clearing
        self.least_logvar = 2 * math.log(least_spread)
        self.learning_rate, self.critic_rate = learning_rate, critic_rate
        self.generator, self.trunk = _networks(network, noise + code_size, self.shape, channels, hidden)
        if network != "residual":
            _begin(self.generator, self.trunk, start)
        with torch.no_grad():
            width = self.trunk(torch.zeros(1, *self.shape)).shape[1]
        self.critic_head = nn.Linear(width, 1)
        self.posterior_head = nn.Linear(width, 2 * code_size)
        self.register_buffer("still", torch.randn(noise))
        half = torch.randn(VIEWS // 2, *self.shape) if haze else torch.zeros(0, *self.shape)
        self.register_buffer("views", torch.cat([half, -half]))
        self.register_buffer("moves", torch.zeros(()))  # of the generator

    def encode(self, observations: Tensor) -> Tensor:
        """Q's mean [n, code_size] of pictures [n, C, H, W]; with `haze`, over the same 16 hazed views of every picture."""
        pictures = pixels(observations)
        if not self.haze:
            return self.posterior(self.read(pictures))[0]
        means = [self.posterior(self.read(pictures + self.haze * view))[0] for view in self.views]
        return torch.stack(means).mean(0)

    def read(self, pictures: Tensor) -> Tensor:
        """The features that D and Q share of float pictures [n, C, H, W]; the networks see pixels from -1 to 1."""
        return self.trunk(2 * pictures - 1)

    def hazed(self, pictures: Tensor) -> Tensor:
        """Float pictures [n, C, H, W] with Gaussian noise on every number, as thick as it is at this step."""
        haze = linear_schedule(self.moves, self.clearing, self.first_haze, self.haze) if self.clearing else self.haze
        return pictures + haze * normal_like(pictures)

    def posterior(self, read: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, code_size] of Q(c | x) from the shared features of x."""
        mean, logvar = self.posterior_head(read).float().chunk(2, -1)
        return mean, logvar.clamp(min=self.least_logvar)

    def critic(self, pictures: Tensor) -> Tensor:
        """D's values [n] of float pictures [n, C, H, W]."""
        return self.critic_head(self.read(pictures)).float().squeeze(-1)

    def draw_codes(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """`n` codes [n, code_size] of the prior, by the generator or by torch's, on its device or the model's."""
        if generator is None:
            room = self.still.new_empty(n, self.code_size)
            return normal_like(room) if self.prior == "normal" else 2 * uniform_like(room) - 1
        draw = torch.randn if self.prior == "normal" else torch.rand
        code = draw(n, self.code_size, generator=generator, device=generator.device)
        return code if self.prior == "normal" else 2 * code - 1

    def decode(self, code: Tensor, noise: Tensor | None = None) -> Tensor:
        """The generator's pictures [n, C, H, W] in [0, 1] of codes and `noise` [n, noise], else one draw for all."""
        noise = self.still.expand(len(code), -1) if noise is None else noise
        return self.generator(torch.cat([noise, code], -1)).float().sigmoid()

    def generate(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` pictures [n, C, H, W] of codes and noise drawn from their priors."""
        code = self.draw_codes(n, generator)
        noise = torch.randn(n, self.noise, generator=generator, device=generator.device)
        return self.decode(code.to(self.still.device), noise.to(self.still.device))

    def _imagine(self, n: int) -> tuple[Tensor, Tensor]:
        """Codes [n, code_size] and the pictures made of them, by torch's own generator."""
        code = self.draw_codes(n)
        return code, self.decode(code, normal_like(code.new_empty(n, self.noise)))

    def _judge(self, code: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
        """The mean of D at pictures made of codes [n, code_size], and L_I in nats by Q's view of them."""
        read = self.read(fake)
        hazed = self.read(self.hazed(fake)) if self.haze or self.clearing else read
        information = gaussian_log_density(code, *self.posterior(hazed)).mean()
        return self.critic_head(read).float().mean(), information

    def critic_loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """The loss of D and Q on pictures [n, C, H, W]; logs the estimated distance, L_I in nats and the penalty."""
        real = pixels(batch)
        with torch.no_grad():
            code, fake = self._imagine(len(real))
        of_fake, information = self._judge(code, fake)
        of_real = self.critic(real).mean()
        steep = gradient_penalty(lambda x: self.critic(x) / 2, real, fake)  # slopes by pixels from -1 to 1
        loss = of_fake - of_real + self.penalty * steep - self.information * information
        return loss, {"distance": of_real - of_fake, "information": information, "penalty": steep}

    def generator_loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """The loss of G at as many new pictures as the batch has; logs L_I in nats."""
        code, fake = self._imagine(len(batch))
        worth, information = self._judge(code, fake)
        if self.training:
            self.moves += 1
        return -worth - self.information * information, {"information": information}

    def objectives(self) -> tuple[Objective, ...]:
        """Two players by Adam with the betas of Gulrajani et al.: D and Q, `repeats` times, then G."""
        readers = (*self.trunk.parameters(), *self.critic_head.parameters(), *self.posterior_head.parameters())
        adam = partial(torch.optim.Adam, betas=(0.0, 0.9), fused=True)
        makers, rate = tuple(self.generator.parameters()), partial(adam, lr=self.learning_rate)
        return (
            Objective("critic", self.critic_loss, readers, partial(adam, lr=self.critic_rate), self.repeats),
            Objective("generator", self.generator_loss, makers, rate),
        )


def _networks(
    network: str, inputs: int, shape: tuple[int, ...], channels: int, hidden: int
) -> tuple[nn.Sequential, nn.Sequential]:
    """The generator, `inputs` numbers -> logits [n, C, H, W], and the trunk that D and Q share, pictures -> features."""
    if network == "residual":
        return residual_generator(inputs, shape, channels), residual_trunk(shape, channels)
    if network == "convolutional":
        generator: nn.Sequential = conv_decoder(inputs, shape, channels, hidden)
        trunk = nn.Sequential(conv_encoder(shape, hidden, channels, hidden), nn.ReLU())
    else:
        size = math.prod(shape)
        generator = nn.Sequential(mlp(inputs, hidden, hidden, size), nn.Unflatten(1, shape))
        trunk = nn.Sequential(nn.Flatten(), mlp(size, hidden, hidden, hidden), nn.ReLU())
    return generator, trunk


def _begin(generator: nn.Module, trunk: nn.Module, start: float) -> None:
    """The weights with which small networks start: `start` times torch's own, or with 0 He's."""
    if start:
        scale_weights(generator, start)
        scale_weights(trunk, start)
    else:
        he_weights(generator, last=0.1)
        he_weights(trunk)
