"""A conditional autoencoder whose code an adversary cannot read the labels from (Klys et al. 2018, section 3.3).

    minimise over q(z | x), p(x | z, y)   E [b_1 (-log p(x | z, y)) + b_3 KL(q(z | x) || N(0, I))] - b_4 E min(L_k, log 2)
    minimise over the adversary r         E sum_k L_k,     L_k = -log r(y_k | z)                                (eq. 3)

with a Gaussian p(x | z, y) of variance 1; the encoder is not told y (information factorization: Creswell et al. 2017). The
paper prints the encoder's part without a bound, by which codes would run away from the adversary for ever: a label whose L
has reached that of even odds adds no more here.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from borders import Count, Natural, NonNegative, Positive, Size
from representations.model import Logs, Objective, Pictures, Representation
from representations.parts.attributes import LOG_2, Attributes, Network, Observations, Observed, Told, label_cost
from representations.parts.labels import known_labels
from representations.parts.networks import mlp
from representations.parts.terms import gaussian_kl, gaussian_sample


class CondVAEInfo(Representation):
    """A code z of pictures `shape` (C, H, W), or of vectors (d,), beside their `attributes` binary labels, which it is to hide.

    A batch is a dict of observations `x` and labels `y` [n, attributes] of 0 and 1. `reconstruction`, `z_weight` and `hide` are
    b_1, b_3 and b_4; the adversary moves `reads` times a step.
    """

    def __init__(
        self,
        shape: Observed = (3, 64, 64),
        attributes: Attributes = 2,
        z_size: Size = 32,
        reconstruction: Positive = 20.0,
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
        self.shape, self.attributes, self.code_size = tuple(shape), attributes, z_size
        self.reconstruction, self.z_weight, self.hide = reconstruction, z_weight, hide
        self.reads, self.learning_rate = reads, learning_rate
        self.encoder = self.observations.encoder(2 * z_size, told=False)
        self.decoder = self.observations.decoder(z_size + attributes)
        self.adversary = mlp(z_size, hidden, hidden, attributes)

    def posterior(self, observations: Pictures) -> tuple[Tensor, Tensor]:
        """Means and log variances of q(z | x), each [n, code_size]."""
        mean, logvar = self.encoder(self.observations.read(observations)).float().chunk(2, -1)
        return mean, logvar

    def encode(self, observations: Pictures) -> Tensor:
        """The posterior means [n, code_size]."""
        return self.posterior(observations)[0]

    def draw(self, z: Float[Tensor, "n code_size"], labels: Told) -> Tensor:
        """The expected observations [n, *shape] of codes with these labels."""
        return self.observations.drawn(self.decoder(torch.cat([z, labels.to(z)], 1)))

    def switch(self, observations: Pictures, labels: Told, wanted: Told) -> Tensor:
        """The expected observations [n, *shape] with the labels `wanted` (section 4.3); `labels` are not looked at."""
        return self.draw(self.encode(observations), wanted)

    def generate(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` expected observations [n, *shape] of codes from their prior, labels drawn evenly."""
        z = torch.randn(n, self.code_size, generator=generator, device=generator.device)
        labels = torch.randint(2, (n, self.attributes), generator=generator, device=generator.device)
        device = next(self.parameters()).device
        return self.draw(z.to(device), labels.to(device))

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What encoder and decoder minimise, in nats an observation."""
        labels = known_labels(batch, type(self).__name__)
        mean, logvar = self.posterior(batch["x"])
        z = gaussian_sample(mean, logvar)
        code = torch.cat([z, labels.to(z)], 1)
        error = self.observations.error(self.decoder, code, self.observations.read(batch["x"])).mean()
        kl = gaussian_kl(mean, logvar).mean()
        hidden = label_cost(self.adversary(z), labels).clamp(max=LOG_2).sum(1).mean()
        total = self.reconstruction * error + self.z_weight * kl - self.hide * hidden
        return total, {"error": error, "kl_z": kl, "hidden": hidden}

    def adversary_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What the adversary minimises, in nats an observation (eq. 3)."""
        with torch.no_grad():
            z = gaussian_sample(*self.posterior(batch["x"]))
        return label_cost(self.adversary(z), known_labels(batch, type(self).__name__)).sum(1).mean(), {}

    def objectives(self) -> tuple[Objective, ...]:
        """Encoder and decoder, and behind them the adversary; each by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate)
        own = tuple(p for network in (self.encoder, self.decoder) for p in network.parameters())
        return (
            Objective("bound", self.loss, own, adam),
            Objective("adversary", self.adversary_loss, tuple(self.adversary.parameters()), adam, self.reads),
        )
