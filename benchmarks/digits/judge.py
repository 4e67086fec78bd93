"""An independent judge of pictures of digits: a network of its own, which no learner's loss moves.

It learns the class, and the style factors that it is asked for, from pictures of the training split.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from envs.world import Factor, World
from representations.model import pixels
from representations.parts.networks import conv_encoder

BATCH = 64
RATE = 2e-3
CHUNK = 500


@dataclass(frozen=True)
class Judge:
    """A trained network that tells the class of pictures, and what it sees of `factors`."""

    network: nn.Module
    classes: int
    factors: tuple[Factor, ...]

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The classes' probabilities [n, K], and the factors' values [n, F], of pictures [n, C, H, W]."""
        outputs = torch.cat([self.network(pixels(part)) for part in pictures.split(CHUNK)])
        low, high = (torch.tensor([getattr(f, end) for f in self.factors]) for end in ("low", "high"))
        return outputs[:, : self.classes].softmax(1), (low + high + outputs[:, self.classes :] * (high - low)) / 2

    def accuracy(self, pictures: Tensor, labels: Tensor) -> float:
        """The share of pictures that it takes for their label [n]."""
        return (self(pictures)[0].argmax(1) == labels.round().long()).float().mean().item()


def train_judge(world: World, names: tuple[str, ...], steps: int, seed: int, channels: int = 16) -> Judge:
    """A judge of the world's pictures: of its first factor, the class, and of the named numbers among its factors.

    Its weights, and the pictures that it learns from, are drawn from `seed` alone.
    """
    generator = torch.Generator().manual_seed(seed)
    places = [world.names.index(name) for name in names]
    factors, classes = tuple(world.factors[k] for k in places), len(world.factors[0].values)
    low, high = (torch.tensor([getattr(f, end) for f in factors]) for end in ("low", "high"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = conv_encoder(world.shape, classes + len(names), channels, 128)
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, max(steps, 2))
    for _ in range(steps):
        rows = world.sample(BATCH, generator)
        outputs = network(pixels(world.render(rows)))
        loss = functional.cross_entropy(outputs[:, :classes], rows[:, 0].long())
        if names:
            wanted = (2 * rows[:, places] - low - high) / (high - low)
            loss = loss + functional.mse_loss(outputs[:, classes:], wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return Judge(network.eval(), classes, factors)
