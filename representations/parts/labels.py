"""The classes that a batch shows a learner."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def known_classes(batch: Mapping[str, Tensor], classes: int, learner: str) -> Tensor:
    """The classes `y` [n] of a batch, as long; ValueError where one is not known or there is no such class."""
    if not batch.get("labelled", torch.ones(1)).bool().all():
        raise ValueError(f"{learner} learns from labelled pictures alone, got some without a label")
    labels = batch["y"].long()
    if len(labels) and not 0 <= labels.amin() <= labels.amax() < classes:
        raise ValueError(f"y must be classes below {classes}, got {labels.amin()} to {labels.amax()}")
    return labels
