"""Conditional subspaces: a code w for what goes with labels, and a code z without (Klys, Snell & Zemel 2018).

    y in {0, 1}^K,   w = (w_1 .. w_K),   p(x, y, z, w) = p(x | z, w) p(z) p(w | y) p(y)
    p(z) = N(0, I),   p(w_k | y_k = 1) = N(m_1, s_1^2 I),   p(w_k | y_k = 0) = N(m_0, s_0^2 I)

    M_1 = E [b_1 (-log p(x | z, w)) + b_2 KL(q(w | x, y) || p(w | y)) + b_3 KL(q(z | x) || p(z))]
    M_2 = -b_4 E_q(z | x) H(q(y | z))                      the encoder of z leaves an adversary in doubt
    N   = -b_5 E_q(z | x) log q(y | z)                     the adversary reads the labels from z

    minimise M_1 + M_2 over encoders and decoder, N over the adversary; p(x | ...) is a Gaussian of variance 1.

The paper's weights are b = (20, 1, 0.2, 10, 1). b_5 scales the loss of one network alone, which Adam undoes: it is no setting
here. Whether b_4 = 10 keeps the labels out of z is a question for fresh probes; 1000 does so sooner. The paper's section 4.3
has absent attributes at w_k = 0 and a grid of styles of present ones about m, hence the priors N(3, 1) of present and
N(0, 0.1^2) of absent ones; in its figure 2 it is the points labelled 1 that lie near the origin.

q(w | x, y) is told y. That w tells the labels proves nothing, then; that z does not, and what becomes of a picture whose w is
changed, does.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from borders import Count, Natural, NonNegative, Positive, Real, Size
from representations.model import Logs, Objective, Pictures, Representation
from representations.parts.attributes import (
    Attributes,
    Network,
    Observations,
    Observed,
    Told,
    every_labelling,
    label_cost,
    label_entropy,
)
from representations.parts.labels import known_labels
from representations.parts.networks import mlp
from representations.parts.terms import gaussian_kl, gaussian_sample

Normal = tuple[Real, Positive]


class Posterior(NamedTuple):
    """Means and log variances of q(z | x) [n, z_size] and of q(w | x, y) [n, attributes w_size]."""

    z_mean: Tensor
    z_logvar: Tensor
    w_mean: Tensor
    w_logvar: Tensor


class CSVAE(Representation):
    """Codes z and w of pictures `shape` (C, H, W), or of vectors (d,), with `attributes` binary labels.

    A batch is a dict of observations `x` and labels `y` [n, attributes] of 0 and 1. `w_size` dimensions belong to every label;
    `present` and `absent` are mean and standard deviation of their priors. `reconstruction`, `w_weight`, `z_weight` and
    `hide` are b_1 to b_4; the adversary moves `reads` times a step. Codes are z and then w.
    """

    def __init__(
        self,
        shape: Observed = (3, 64, 64),
        attributes: Attributes = 2,
        z_size: Size = 32,
        w_size: Size = 2,
        present: Normal = (3.0, 1.0),
        absent: Normal = (0.0, 0.1),
        reconstruction: Positive = 20.0,
        w_weight: NonNegative = 1.0,
        z_weight: NonNegative = 0.2,
        hide: NonNegative = 10.0,
        reads: Count = 1,
        network: Network = "conv",
        hidden: Size = 256,
        channels: Size = 32,
        learning_rate: Positive = 5e-4,
    ):
        super().__init__()
        self.observations = Observations(shape, attributes, network, hidden, channels)
        self.shape, self.attributes, self.z_size, self.w_size = tuple(shape), attributes, z_size, w_size
        self.code_size = z_size + attributes * w_size
        self.present, self.absent = present, absent
        self.reconstruction, self.w_weight, self.z_weight, self.hide = reconstruction, w_weight, z_weight, hide
        self.reads, self.learning_rate = reads, learning_rate
        self.z_encoder = self.observations.encoder(2 * z_size, told=False)
        self.w_encoder = self.observations.encoder(2 * attributes * w_size, told=True)
        self.decoder = self.observations.decoder(self.code_size)
        self.adversary = mlp(z_size, hidden, hidden, attributes)

    def posterior(self, observations: Pictures, labels: Told) -> Posterior:
        """The posterior of observations with these labels."""
        seen = self.observations.read(observations)
        z = self.z_encoder(seen).float().chunk(2, -1)
        return Posterior(*z, *self.w_encoder(self.observations.tell(seen, labels)).float().chunk(2, -1))

    def prior(self, labels: Told) -> tuple[Tensor, Tensor]:
        """Means and log variances of p(w | y), each [n, attributes w_size]."""
        there = labels.to(self._device).float().repeat_interleave(self.w_size, 1) > 0.5
        mean, spread = (torch.where(there, *pair) for pair in zip(self.present, self.absent, strict=True))
        return mean.float(), 2 * spread.float().log()

    def encode(self, observations: Pictures) -> Tensor:
        """z and w [n, code_size] of observations whose labels are not known: posterior means, of w over all labels evenly."""
        labels = every_labelling(self.attributes, observations)
        every = [self.posterior(observations, y.expand(len(observations), -1)) for y in labels]
        return torch.cat([every[0].z_mean, torch.stack([q.w_mean for q in every]).mean(0)], 1)

    def decode(self, code: Float[Tensor, "n code_size"]) -> Tensor:
        """The expected observations [n, *shape] of codes."""
        return self.observations.drawn(self.decoder(code))

    def switch(
        self,
        observations: Pictures,
        labels: Told,
        wanted: Told,
        style: Float[Tensor, "n styles"] | None = None,
    ) -> Tensor:
        """The expected observations [n, *shape] with the labels `wanted` (section 4.3).

        Attributes that stay keep their part of w; those that go get the mean of their prior, and those that come that too, or
        their part of `style` [n, attributes w_size]: the absence of an attribute has none.
        """
        q, given = self.posterior(observations, labels), self.prior(wanted)[0]
        if style is not None:
            comes = wanted.to(self._device).repeat_interleave(self.w_size, 1) > 0.5
            given = torch.where(comes, style, given)
        changed = (labels.to(wanted) != wanted).to(self._device).repeat_interleave(self.w_size, 1)
        return self.decode(torch.cat([q.z_mean, torch.where(changed, given, q.w_mean)], 1))

    def generate(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` expected observations [n, *shape] of codes from their priors, labels drawn evenly."""
        noise = torch.randn(n, self.code_size, generator=generator, device=generator.device).to(self._device)
        labels = torch.randint(2, (n, self.attributes), generator=generator, device=generator.device)
        mean, logvar = self.prior(labels.to(self._device))
        z, w = noise.split([self.z_size, self.code_size - self.z_size], 1)
        return self.decode(torch.cat([z, mean + w * (0.5 * logvar).exp()], 1))

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """M_1 + M_2, in nats an observation."""
        labels = known_labels(batch, type(self).__name__)
        q = self.posterior(batch["x"], labels)
        z, w = gaussian_sample(q.z_mean, q.z_logvar), gaussian_sample(q.w_mean, q.w_logvar)
        error = self.observations.error(self.decoder, torch.cat([z, w], 1), self.observations.read(batch["x"])).mean()
        kl_w = gaussian_kl(q.w_mean, q.w_logvar, *self.prior(labels)).mean()
        kl_z = gaussian_kl(q.z_mean, q.z_logvar).mean()
        doubt = label_entropy(self.adversary(z)).sum(1).mean()
        total = self.reconstruction * error + self.w_weight * kl_w + self.z_weight * kl_z - self.hide * doubt
        return total, {"error": error, "kl_w": kl_w, "kl_z": kl_z, "doubt": doubt}

    def adversary_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """N over b_5, in nats an observation."""
        with torch.no_grad():
            mean, logvar = self.z_encoder(self.observations.read(batch["x"])).float().chunk(2, -1)
            z = gaussian_sample(mean, logvar)
        return label_cost(self.adversary(z), known_labels(batch, type(self).__name__)).sum(1).mean(), {}

    def objectives(self) -> tuple[Objective, ...]:
        """The autoencoder, and behind it the adversary; each by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate)
        networks: tuple[nn.Module, ...] = (self.z_encoder, self.w_encoder, self.decoder)
        own = tuple(p for network in networks for p in network.parameters())
        return (
            Objective("bound", self.loss, own, adam),
            Objective("adversary", self.adversary_loss, tuple(self.adversary.parameters()), adam, self.reads),
        )

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device
