"""Pictures of which some are labelled: what learners of few labels draw their batches from."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from envs.digits import Digits


class Pictures(NamedTuple):
    """Pictures uint8 [n, C, H, W], their labels [n, k], and the rows of their factors."""

    x: Tensor
    labels: Tensor
    rows: Tensor


def every(world: Digits) -> Tensor:
    """The factor rows of every picture of a world of plain digits, once each, class by class."""
    counts = world.handwriting.counts.tolist()
    return torch.cat(
        [torch.stack([torch.full((n,), float(k)), torch.arange(float(n))], 1) for k, n in enumerate(counts)]
    )


def labelled_rows(labels: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Which of the pictures with these labels [n, k] are labelled: [10, count], `count` of each first class.

    ValueError where there are too few of a class.
    """
    order = torch.randperm(len(labels), generator=generator)
    first = labels[order, 0]
    chosen = [order[first == k][:count] for k in range(10)]
    few = min(map(len, chosen))
    if few < count:
        raise ValueError(f"there are {few} pictures of a class to label, and {count} were asked for: raise pool")
    return torch.stack(chosen)


def supervised(
    data: Pictures, labelled: Tensor, batch: int, rate: float
) -> Callable[[torch.Generator], dict[str, Tensor]]:
    """What `fit` draws from: half a batch of labelled pictures, each class as often, and half of any, without labels.

    `labelled` [classes, count] are the rows of labelled pictures. Their labels are shown in the share `rate` of the steps
    (Siddharth et al. 2016, section 2.2); a label that is not shown is -1.
    """
    half, (classes, count) = batch // 2, labelled.shape

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        start = torch.randint(classes, (), generator=generator)
        known = labelled[(start + torch.arange(half)) % classes, torch.randint(count, (half,), generator=generator)]
        free = torch.randint(len(data.x), (batch - half,), generator=generator)
        shown = (torch.arange(batch) < half) & (torch.rand((), generator=generator) < rate)
        rows = torch.cat([known, free])
        return {"x": data.x[rows], "y": torch.where(shown[:, None], data.labels[rows], -1), "labelled": shown}

    return draw
