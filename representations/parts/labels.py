"""The labels that a batch shows a learner."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


def known_labels(batch: Mapping[str, Tensor], learner: str) -> Tensor:
    """The labels `y` of a batch; ValueError where `labelled` says that some are not known."""
    if not batch.get("labelled", torch.ones(1)).bool().all():
        raise ValueError(f"{learner} learns from labelled examples alone, got some without a label")
    return batch["y"]


def known_classes(batch: Mapping[str, Tensor], classes: int, learner: str) -> Tensor:
    """The classes `y` [n] of a batch, as long; ValueError where one is not known or there is no such class."""
    labels = known_labels(batch, learner).long()
    if len(labels) and not 0 <= labels.amin() <= labels.amax() < classes:
        raise ValueError(f"y must be classes below {classes}, got {labels.amin()} to {labels.amax()}")
    return labels
