"""Who plays the training game, where it is the same for several learners."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch

from representations.model import Objective


def sole_player(
    model: Any, name: str = "bound", after: Callable[[], None] | None = None, fused: bool = True
) -> tuple[Objective, ...]:
    """The one player `name`: everything in `model` minimises `model.loss`, by Adam at `model.learning_rate`."""
    adam = partial(torch.optim.Adam, lr=model.learning_rate, fused=fused)
    return (Objective(name, model.loss, tuple(model.parameters()), adam, after=after),)
