"""A number that rises over training, and knows how far it has come."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from representations.parts.terms import linear_schedule


def let_in(done: Tensor, easing: float) -> Tensor | float:
    """What rises from 0 to 1 while the share `done` [] of a training goes from 0 to `easing`, and stays: 1 where that is 0."""
    return (done / easing).clamp(max=1) if easing else 1.0


class Ramp(nn.Module):
    """A number from `first` linearly to `last` over `steps` steps of training, then `last`; at once where steps is 0.

    It is let in over the share `easing` of the steps: multiplied by what rises from 0 to 1 meanwhile. For the share `held` of
    them it stays where it starts.

    The steps taken so far are saved, unless there are none to take, so that a resumed run goes on where it stopped. Raises
    ValueError for negative steps, or a share `held` of 1.
    """

    done: Tensor

    def __init__(self, first: float, last: float, steps: int, easing: float = 0.0, held: float = 0.0):
        super().__init__()
        if not steps >= 0:
            raise ValueError(f"the steps of a ramp must not be negative, got {steps}")
        if not 0 <= held < 1:
            raise ValueError(f"the share for which a ramp is held must be at least 0 and below 1, got {held}")
        self.first, self.last, self.steps, self.easing, self.held = first, last, steps, easing, held
        self.register_buffer("done", torch.zeros((), dtype=torch.int64), persistent=steps > 0)

    def now(self) -> Tensor:
        """The number at the present step: []."""
        if not self.steps:
            return torch.full((), self.last, device=self.done.device)
        wait = self.held * self.steps
        value = linear_schedule(self.done - wait, self.steps - wait, self.first, self.last)
        return value * let_in(self.done / self.steps, self.easing)

    def advance(self) -> None:
        """Count one step of training."""
        self.done += 1
