"""The conditional autoencoder: labels are given to encoder and decoder (Sohn et al. 2015, as Klys et al. 2018 compare it).

    minimise  E [b_1 (-log p(x | z, y)) + b_3 KL(q(z | x, y) || N(0, I))]        (Klys et al. 2018, eq. 2)

with a Gaussian p(x | z, y) of variance 1. An attribute is switched by decoding z with other labels. Nothing keeps what goes
with the labels out of z; where it is in z, the decoder need not listen to y.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor

from borders import Natural, NonNegative, Positive, Size
from representations.model import Logs, Objective, Pictures, Representation
from representations.parts.attributes import Attributes, Network, Observations, Observed, Told, every_labelling
from representations.parts.labels import known_labels
from representations.parts.players import sole_player
from representations.parts.terms import gaussian_kl, gaussian_sample


class CondVAE(Representation):
    """A code z of pictures `shape` (C, H, W), or of vectors (d,), beside their `attributes` binary labels.

    A batch is a dict of observations `x` and labels `y` [n, attributes] of 0 and 1. `reconstruction` is b_1, `z_weight` b_3.
    """

    def __init__(
        self,
        shape: Observed = (3, 64, 64),
        attributes: Attributes = 2,
        z_size: Size = 32,
        reconstruction: Positive = 20.0,
        z_weight: NonNegative = 0.2,
        network: Network = "conv",
        hidden: Size = 256,
        channels: Size = 32,
        learning_rate: Positive = 5e-4,
    ):
        super().__init__()
        self.observations = Observations(shape, attributes, network, hidden, channels)
        self.shape, self.attributes, self.code_size = tuple(shape), attributes, z_size
        self.reconstruction, self.z_weight, self.learning_rate = reconstruction, z_weight, learning_rate
        self.encoder = self.observations.encoder(2 * z_size, told=True)
        self.decoder = self.observations.decoder(z_size + attributes)

    def posterior(self, observations: Pictures, labels: Told) -> tuple[Tensor, Tensor]:
        """Means and log variances of q(z | x, y), each [n, code_size]."""
        told = self.observations.tell(self.observations.read(observations), labels)
        mean, logvar = self.encoder(told).float().chunk(2, -1)
        return mean, logvar

    def encode(self, observations: Pictures) -> Tensor:
        """The posterior means [n, code_size] of observations whose labels are not known: over all labels, evenly."""
        labels = every_labelling(self.attributes, observations)
        every = [self.posterior(observations, y.expand(len(observations), -1))[0] for y in labels]
        return torch.stack(every).mean(0)

    def draw(self, z: Float[Tensor, "n code_size"], labels: Told) -> Tensor:
        """The expected observations [n, *shape] of codes with these labels."""
        return self.observations.drawn(self.decoder(torch.cat([z, labels.to(z)], 1)))

    def switch(self, observations: Pictures, labels: Told, wanted: Told) -> Tensor:
        """The expected observations [n, *shape] with the labels `wanted` (section 4.3)."""
        return self.draw(self.posterior(observations, labels)[0], wanted)

    def generate(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` expected observations [n, *shape] of codes from their prior, labels drawn evenly."""
        z = torch.randn(n, self.code_size, generator=generator, device=generator.device)
        labels = torch.randint(2, (n, self.attributes), generator=generator, device=generator.device)
        device = next(self.parameters()).device
        return self.draw(z.to(device), labels.to(device))

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """Equation 2, in nats an observation."""
        labels = known_labels(batch, type(self).__name__)
        mean, logvar = self.posterior(batch["x"], labels)
        code = torch.cat([gaussian_sample(mean, logvar), labels.to(mean)], 1)
        error = self.observations.error(self.decoder, code, self.observations.read(batch["x"])).mean()
        kl = gaussian_kl(mean, logvar).mean()
        return self.reconstruction * error + self.z_weight * kl, {"error": error, "kl_z": kl}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: everything minimises the loss."""
        return sole_player(self)
