"""Terms that several papers' losses share, as pure functions. Sums run over the last axis, batches stay."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

LOG_2PI = math.log(2 * math.pi)


def gaussian_sample(mean: Tensor, logvar: Tensor) -> Tensor:
    """A draw from N(mean, diag exp logvar) that gradients flow through (Kingma & Welling 2014, section 2.4)."""
    return mean + torch.randn_like(mean) * torch.exp(0.5 * logvar)


def gaussian_log_density(value: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """log N(value; mean, diag exp logvar), summed over the last axis: [..., d] -> [...]."""
    return -0.5 * ((value - mean) ** 2 * torch.exp(-logvar) + logvar + LOG_2PI).sum(-1)


def gaussian_entropy(logvar: Tensor) -> Tensor:
    """The entropy of N(., diag exp logvar) in nats: [..., d] -> [...]."""
    return 0.5 * (logvar + LOG_2PI + 1).sum(-1)


def gaussian_kl(mean: Tensor, logvar: Tensor, prior_mean: Tensor | float = 0.0, prior_logvar: Tensor | float = 0.0) -> Tensor:
    """KL(N(mean, diag exp logvar) || N(prior_mean, diag exp prior_logvar)) in nats: [..., d] -> [...]."""
    prior_logvar = torch.as_tensor(prior_logvar, dtype=logvar.dtype, device=logvar.device)
    difference = logvar - prior_logvar
    return 0.5 * (torch.exp(difference) + (mean - prior_mean) ** 2 * torch.exp(-prior_logvar) - 1 - difference).sum(-1)


def bernoulli_nll(logits: Tensor, target: Tensor) -> Tensor:
    """-log p(target) under independent Bernoulli pixels, in nats, summed over all but the first axis: [n, ...] -> [n]."""
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1).sum(1)


def gaussian_kl_each(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean_i, exp logvar_i) || N(0, 1)) of every dimension, in nats: [..., d] -> [..., d]."""
    return 0.5 * (torch.exp(logvar) + mean**2 - 1 - logvar)
