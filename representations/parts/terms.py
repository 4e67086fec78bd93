"""Terms that several papers' losses share, as pure functions. Sums run over the last axis, batches stay."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from representations.parts.together import average, everyone, normal_like, own, uniform_like

LOG_2PI = math.log(2 * math.pi)


def gaussian_sample(mean: Tensor, logvar: Tensor) -> Tensor:
    """A draw from N(mean, diag exp logvar) that gradients flow through (Kingma & Welling 2014, section 2.4)."""
    return mean + normal_like(mean) * torch.exp(0.5 * logvar)


def gaussian_log_density(value: Tensor, mean: Tensor, logvar: Tensor) -> Tensor:
    """log N(value; mean, diag exp logvar), summed over the last axis: [..., d] -> [...]."""
    return -0.5 * ((value - mean) ** 2 * torch.exp(-logvar) + logvar + LOG_2PI).sum(-1)


def gaussian_entropy(logvar: Tensor) -> Tensor:
    """The entropy of N(., diag exp logvar) in nats: [..., d] -> [...]."""
    return 0.5 * (logvar + LOG_2PI + 1).sum(-1)


def gaussian_kl(
    mean: Tensor, logvar: Tensor, prior_mean: Tensor | float = 0.0, prior_logvar: Tensor | float = 0.0
) -> Tensor:
    """KL(N(mean, diag exp logvar) || N(prior_mean, diag exp prior_logvar)) in nats: [..., d] -> [...]."""
    if not isinstance(prior_logvar, Tensor):
        prior_logvar = torch.full((), prior_logvar, dtype=logvar.dtype, device=logvar.device)
    difference = logvar - prior_logvar
    return 0.5 * (torch.exp(difference) + (mean - prior_mean) ** 2 * torch.exp(-prior_logvar) - 1 - difference).sum(-1)


def bernoulli_nll(logits: Tensor, target: Tensor) -> Tensor:
    """-log p(target) under independent Bernoulli pixels, in nats, summed over all but the first axis: [n, ...] -> [n]."""
    return functional.binary_cross_entropy_with_logits(logits, target, reduction="none").flatten(1).sum(1)


def gaussian_kl_each(mean: Tensor, logvar: Tensor) -> Tensor:
    """KL(N(mean_i, exp logvar_i) || N(0, 1)) of every dimension, in nats: [..., d] -> [..., d]."""
    return 0.5 * (torch.exp(logvar) + mean**2 - 1 - logvar)


def linear_schedule(step: Tensor | int, steps: float, first: float, last: float) -> Tensor:
    """A number that goes from `first` at step 0 linearly to `last` at step `steps`, and stays there: []."""
    return first + (last - first) * (torch.as_tensor(step) / steps).clamp(0, 1)


def capacity_gap(kl: Tensor, capacity: Tensor | float) -> Tensor:
    """|mean over the batch of sum_i kl_i - capacity| in nats (Burgess et al. 2018, eq. 8): [n, d] -> []."""
    return (average(kl.sum(-1).mean()) - capacity).abs()


def covariance(codes: Tensor) -> Tensor:
    """The unbiased covariance [d, d] of the rows of codes [n, d], n >= 2."""
    codes = everyone(codes)
    centred = codes - codes.mean(0)
    return centred.T @ centred / (len(codes) - 1)


def covariance_penalty(activations: Tensor) -> Tensor:
    """sum_ij |C_ij| / p^2 of the covariance C of a layer's activations [n, p], n >= 2 (Kågebäck & Mogren 2018, sec. 2)."""
    return covariance(activations.float()).abs().mean()


def l1_penalty(activations: Tensor) -> Tensor:
    """The mean magnitude of a layer's activations [n, p]: what Kågebäck & Mogren 2018 compare theirs with."""
    return activations.float().abs().mean()


def identity_distance(matrix: Tensor, off_diagonal: float, diagonal: float) -> Tensor:
    """off_diagonal sum_{i != j} m_ij^2 + diagonal sum_i (m_ii - 1)^2 (Kumar et al. 2017, eq. 5): [d, d] -> []."""
    on = matrix.diagonal()
    return off_diagonal * ((matrix**2).sum() - (on**2).sum()) + diagonal * ((on - 1) ** 2).sum()


def permute_dimensions(codes: Tensor) -> Tensor:
    """Every column of codes [n, d] in a random order of its own: samples of the product of the marginals.

    A batch of samples of r(z) becomes one of prod_j r(z_j) (Kim & Mnih 2017, section 3).
    """
    order = everyone(uniform_like(codes.float())).argsort(0)
    return own(everyone(codes).gather(0, order))


def density_ratio_loss(logits: Tensor, other: Tensor) -> Tensor:
    """The cross-entropy that is least where a logit is log r / s, from logits at samples of r and of s: [n], [m] -> [].

    Half weight to each density, so that chance is log 2 (Kim & Mnih 2017, section 3; Sugiyama et al. 2012).
    """
    return 0.5 * (functional.softplus(-logits).mean() + functional.softplus(other).mean())


def gradient_penalty(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """E (||grad critic(x)|| - 1)^2 at points x drawn evenly on the lines from real to fake: [n, ...] twice -> [].

    `critic` maps [n, ...] to [n], row by row. Gradients flow to the critic only (Gulrajani et al. 2017, eq. 3).
    """
    share = uniform_like(real.new_empty(len(real), *[1] * (real.ndim - 1), dtype=torch.float32))
    between = torch.lerp(fake.detach(), real.detach(), share).requires_grad_()
    (slope,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (slope.float().flatten(1).norm(dim=1) - 1).square().mean()
