"""An independent judge of faces: a network of its own, which no learner's loss moves, tells which attributes are there."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn

from benchmarks.faces.codes import CHUNK
from envs.faces import Faces
from representations.model import pixels
from representations.parts.attributes import label_cost
from representations.parts.networks import conv_encoder

BATCH, RATE, SEED, POOL = 64, 2e-3, 20_000, 20_000


class Judge:
    """A trained network that tells the attributes of pictures."""

    def __init__(self, network: nn.Module):
        self.network = network.eval()

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """What it takes for the labels of pictures [n, 3, H, W]: float [n, K]."""
        return torch.cat([(self.network(pixels(part)) > 0).float() for part in pictures.split(CHUNK)])


@cache
def judge_of(size: int, attributes: tuple[str, ...], pose: float, steps: int) -> Judge:
    """The judge of faces in which every attribute is there as often as not; the same for all jobs of a process."""
    world = Faces(size, 0.5, pose, attributes)  # type: ignore[arg-type]
    rows = world.sample(min(POOL, BATCH * steps), torch.Generator().manual_seed(SEED))
    return train_judge(world.render(rows), rows[:, [world.names.index(name) for name in attributes]], steps)


def train_judge(pictures: Tensor, labels: Tensor, steps: int) -> Judge:
    """The judge that learns from pictures uint8 [n, 3, H, W] and labels [n, K], either value of a label counting alike."""
    generator = torch.Generator().manual_seed(SEED)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        network = conv_encoder(tuple(pictures.shape[1:]), labels.shape[1], 32, 128)
    share = labels.mean(0)
    weights = torch.where(labels > 0.5, 0.5 / share, 0.5 / (1 - share))
    optimizer = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, max(steps, 2))
    for _ in range(steps):
        chosen = torch.randint(len(pictures), (BATCH,), generator=generator)
        cost = label_cost(network(pixels(pictures[chosen])), labels[chosen])
        optimizer.zero_grad()
        (weights[chosen] * cost).sum(1).mean().backward()
        optimizer.step()
        schedule.step()
    return Judge(network)
