"""The codes of learners that are told labels, whichever of them asks for labels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from representations.cond_vae_info import CondVAEInfo

CHUNK = 500


def posterior(model: Any, observations: Tensor, labels: Tensor) -> tuple[Tensor, ...]:
    """Means and log variances of z, and of w where there is one, of observations with labels [n, K]."""
    told = not isinstance(model, CondVAEInfo)
    parts = zip(observations.split(CHUNK), labels.split(CHUNK), strict=True)
    found = [tuple(model.posterior(x, y) if told else model.posterior(x)) for x, y in parts]
    return tuple(map(torch.cat, zip(*found, strict=True)))


def switch(model: Any, observations: Tensor, labels: Tensor, wanted: Tensor, style: Tensor | None = None) -> Tensor:
    """What `model.switch` gives, in parts; `style` [n, K w_size] is for csvae alone."""
    rows = torch.arange(len(observations)).split(CHUNK)
    more = [() if style is None else (style[part],) for part in rows]
    found = [model.switch(observations[r], labels[r], wanted[r], *s) for r, s in zip(rows, more, strict=True)]
    return torch.cat(found)


def sampled(codes: tuple[Tensor, ...], generator: torch.Generator) -> Tensor:
    """A draw of z from its posterior."""
    mean, logvar = codes[:2]
    return mean + torch.randn(mean.shape, generator=generator) * (0.5 * logvar).exp()
