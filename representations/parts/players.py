"""Who plays the training game, where it is the same for several learners."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from representations.model import Objective


class ClippedAdam(torch.optim.Adam):
    """Adam on a gradient that is made no longer than `longest`, as one vector (Pascanu, Mikolov & Bengio 2013, section 3.2)."""

    def __init__(self, parameters: Iterable[Tensor], longest: float, **options: Any):
        super().__init__(parameters, **options)
        self.longest = longest

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Shorten the gradient, and move."""
        torch.nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], self.longest)
        return super().step(closure)


def sole_player(
    model: Any,
    name: str = "bound",
    after: Callable[[], None] | None = None,
    fused: bool = True,
    longest: float | None = None,
) -> tuple[Objective, ...]:
    """The one player `name`: everything in `model` minimises `model.loss`, by Adam at `model.learning_rate`.

    No step is taken by a gradient longer than `longest`, if told.
    """
    kind = torch.optim.Adam if longest is None else partial(ClippedAdam, longest=longest)
    adam = partial(kind, lr=model.learning_rate, fused=fused)
    return (Objective(name, model.loss, tuple(model.parameters()), adam, after=after),)
