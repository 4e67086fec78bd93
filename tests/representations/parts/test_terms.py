"""Gaussian and Bernoulli terms against torch.distributions and Monte Carlo."""

import torch
from torch.distributions import Bernoulli, Independent, Normal, kl_divergence

from representations.parts.terms import (
    bernoulli_nll,
    gaussian_entropy,
    gaussian_kl,
    gaussian_log_density,
    gaussian_sample,
)


def gaussians(generator, n=5, d=3):
    mean, logvar = torch.randn(2, n, d, generator=generator).double()
    return mean, logvar, Independent(Normal(mean, (0.5 * logvar).exp()), 1)


def test_density_entropy_and_divergence_are_those_of_torch(generator):
    mean, logvar, p = gaussians(generator)
    other_mean, other_logvar, q = gaussians(generator)
    value = torch.randn(5, 3, generator=generator).double()
    torch.testing.assert_close(gaussian_log_density(value, mean, logvar), p.log_prob(value))
    torch.testing.assert_close(gaussian_entropy(logvar), p.entropy())
    torch.testing.assert_close(gaussian_kl(mean, logvar, other_mean, other_logvar), kl_divergence(p, q))
    standard = Independent(Normal(torch.zeros_like(mean), 1.0), 1)
    torch.testing.assert_close(gaussian_kl(mean, logvar), kl_divergence(p, standard))


def test_divergence_is_the_mean_log_ratio_over_samples(generator):
    mean, logvar, _ = gaussians(generator, n=1)
    other_mean, other_logvar, _ = gaussians(generator, n=1)
    torch.manual_seed(0)
    draws = gaussian_sample(mean.expand(200_000, -1), logvar.expand(200_000, -1))
    ratio = gaussian_log_density(draws, mean, logvar) - gaussian_log_density(draws, other_mean, other_logvar)
    torch.testing.assert_close(ratio.mean(), gaussian_kl(mean, logvar, other_mean, other_logvar)[0], rtol=0.02, atol=0)


def test_samples_carry_gradients_to_both_parameters():
    mean, logvar = torch.zeros(4, 2, requires_grad=True), torch.zeros(4, 2, requires_grad=True)
    gaussian_sample(mean, logvar).sum().backward()
    assert torch.equal(mean.grad, torch.ones(4, 2))
    assert logvar.grad.abs().sum() > 0


def test_bernoulli_likelihood_is_summed_over_pixels(generator):
    logits = torch.randn(3, 1, 4, 5, generator=generator)
    target = (torch.rand(3, 1, 4, 5, generator=generator) > 0.5).float()
    expected = -Bernoulli(logits=logits).log_prob(target).sum((1, 2, 3))
    torch.testing.assert_close(bernoulli_nll(logits, target), expected)
