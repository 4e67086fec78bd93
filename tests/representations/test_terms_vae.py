"""The shared terms of the VAE family against numbers by hand, closed forms and samples."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from representations.parts.networks import conv_decoder, conv_encoder, scale_weights
from representations.parts.terms import (
    bernoulli_nll,
    capacity_gap,
    covariance,
    density_ratio_loss,
    gaussian_kl,
    gaussian_kl_each,
    gaussian_log_density,
    gaussian_sample,
    identity_distance,
    linear_schedule,
    permute_dimensions,
)

torch.set_num_threads(1)


def test_kl_of_every_dimension():
    mean, logvar = torch.tensor([[0.0, 2.0, 0.0]]), torch.tensor([[0.0, 0.0, math.log(4.0)]])
    by_hand = [0.0, 2.0, 0.5 * (4 - 1 - math.log(4.0))]
    assert gaussian_kl_each(mean, logvar)[0].tolist() == pytest.approx(by_hand, abs=1e-6)
    torch.manual_seed(0)
    mean, logvar = torch.randn(5, 7), torch.randn(5, 7)
    torch.testing.assert_close(gaussian_kl_each(mean, logvar).sum(-1), gaussian_kl(mean, logvar))


def test_kl_is_the_mean_log_ratio_of_samples():
    torch.manual_seed(0)
    mean, logvar = torch.tensor([0.7]).expand(200_000, 1), torch.tensor([-1.0]).expand(200_000, 1)
    sample = gaussian_sample(mean, logvar)
    zero = torch.zeros_like(mean)
    ratio = gaussian_log_density(sample, mean, logvar) - gaussian_log_density(sample, zero, zero)
    assert ratio.mean().item() == pytest.approx(gaussian_kl_each(mean, logvar)[0].item(), abs=0.01)


def test_bernoulli_likelihood_by_hand():
    logits = torch.tensor([[[[0.0, math.log(3.0)]]]])
    target = torch.tensor([[[[1.0, 0.0]]]])
    assert bernoulli_nll(logits, target).tolist() == pytest.approx([math.log(2) + math.log(4)])


def test_linear_schedule_ends_where_it_says():
    assert linear_schedule(0, 100, 0.5, 25.0).item() == 0.5
    assert linear_schedule(torch.tensor(50), 100, 0.0, 25.0).item() == 12.5
    assert linear_schedule(100, 100, 0.5, 25.0).item() == linear_schedule(10**6, 100, 0.5, 25.0).item() == 25.0


def test_capacity_gap_is_of_the_mean_not_of_every_picture():
    kl = torch.tensor([[1.0, 1.0], [4.0, 2.0]])
    assert capacity_gap(kl, 4.0).item() == 0
    assert capacity_gap(kl, 1.0).item() == capacity_gap(kl, 7.0).item() == 3


def test_covariance_is_numpys():
    torch.manual_seed(0)
    codes = torch.randn(9, 3)
    torch.testing.assert_close(covariance(codes), torch.cov(codes.T))


def test_identity_distance():
    matrix = torch.tensor([[2.0, 0.5], [0.5, 1.0]])
    assert identity_distance(matrix, 10.0, 100.0).item() == pytest.approx(10 * 0.5 + 100 * 1.0)
    assert identity_distance(torch.eye(4), 10.0, 100.0).item() == 0


def test_independent_codes_of_unit_variance_have_no_penalty():
    signs = torch.cartesian_prod(*[torch.tensor([-1.0, 1.0])] * 4)  # all combinations: exactly uncorrelated
    codes = signs * math.sqrt((len(signs) - 1) / len(signs))
    assert identity_distance(covariance(codes), 10.0, 100.0).item() == pytest.approx(0, abs=1e-8)


def test_permutation_keeps_marginals_and_breaks_dependence():
    torch.manual_seed(0)
    first = torch.randn(4000)
    codes = torch.stack([first, first, -first], dim=1)
    permuted = permute_dimensions(codes)
    assert torch.equal(permuted.sort(0).values, codes.sort(0).values)
    assert torch.corrcoef(permuted.T).fill_diagonal_(0).abs().max() < 0.06


def test_density_ratio_loss_is_log_2_at_chance_and_least_at_the_true_ratio():
    zero = torch.zeros(5)
    assert density_ratio_loss(zero, zero).item() == pytest.approx(math.log(2))
    # r and s on two points: the cross-entropy of logit l at a point is r softplus(-l) + s softplus(l)
    r, s = torch.tensor([0.8, 0.2]), torch.tensor([0.3, 0.7])
    at_r, at_s = torch.tensor([0] * 8 + [1] * 2), torch.tensor([0] * 3 + [1] * 7)
    logit = (r / s).log().requires_grad_()
    loss = density_ratio_loss(logit[at_r], logit[at_s])
    assert torch.autograd.grad(loss, logit)[0].abs().max() < 1e-6


def test_networks_at_64_are_the_published_ones():
    kernels = 4 * 4 * 32
    full = 512 * 256 + 256 + 256 * 256 + 256 + 256 * 20 + 20
    encoder = conv_encoder((1, 64, 64), 20)
    assert sum(p.numel() for p in encoder.parameters()) == kernels + 32 + 3 * (32 * kernels + 32) + full
    decoder = conv_decoder(10, (1, 64, 64))
    back = 10 * 256 + 256 + 256 * 256 + 256 + 256 * 512 + 512
    assert sum(p.numel() for p in decoder.parameters()) == back + 3 * (32 * kernels + 32) + kernels + 1


@pytest.mark.parametrize("shape", [(1, 40, 40), (3, 32, 32), (1, 28, 28), (1, 9, 13), (2, 5, 5), (3, 16, 48)])
def test_networks_of_other_sizes(shape):
    pictures = torch.rand(2, *shape)
    code = conv_encoder(shape, 6, 4, 8)(pictures)
    assert code.shape == (2, 6)
    assert conv_decoder(6, shape, 4, 8)(code).shape == pictures.shape


def test_apart_every_colour_has_features_of_its_own_and_a_grey_picture_the_same_networks():
    maps, pictures = torch.randn(2, 9, 4, 4), torch.rand(2, 3, 32, 32)  # three features a colour
    draw, see = (
        nn.Sequential(*(layer for layer in network if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)))
        for network in (
            conv_decoder(4, (3, 32, 32), 10, 16, apart=True),
            conv_encoder((3, 32, 32), 6, 10, 16, apart=True),
        )
    )
    drawn, seen = draw(maps), see(pictures)
    maps[:, 3:6] = pictures[:, 2] = 0
    assert (draw(maps) != drawn).flatten(2).any(2).any(0).tolist() == [False, True, False]
    assert (see(pictures) != seen).flatten(2).any(2).any(0).tolist() == [False] * 6 + [True] * 3
    for network, sizes in ((conv_encoder, ((1, 32, 32), 6, 8, 16)), (conv_decoder, (6, (1, 32, 32), 8, 16))):
        found = []
        for apart in (False, True):
            torch.manual_seed(0)
            found.append(network(*sizes, apart=apart).state_dict())
        assert all(torch.equal(value, found[1][name]) for name, value in found[0].items())


@pytest.mark.parametrize("transposed", [False, True])
def test_streams_are_a_convolution_in_groups(transposed):
    if transposed:
        ours, theirs = conv_decoder(4, (3, 16, 16), 6, 8, apart=True)[3], nn.ConvTranspose2d(6, 6, 4, 2, 1, groups=3)
    else:
        ours, theirs = conv_encoder((3, 16, 16), 4, 6, 8, apart=True)[2], nn.Conv2d(6, 6, 4, 2, 1, groups=3)
    theirs.load_state_dict(ours.state_dict())
    maps = torch.randn(2, 6, 8, 8)
    assert torch.allclose(ours(maps), theirs(maps), atol=1e-6)


def painted(apart: bool, seed: int) -> float:
    """The share of colour's variance that a decoder draws after 160 steps, told the place and the colours of a blurred spot."""
    torch.manual_seed(seed)
    decoder = conv_decoder(5, (3, 32, 32), 12, 64, apart=apart)
    scale_weights(decoder, 1.5)
    adam, at = torch.optim.Adam(decoder.parameters(), lr=3e-3), torch.linspace(-1, 1, 32)

    def draw(n: int) -> tuple[torch.Tensor, torch.Tensor]:
        told = 2 * torch.rand(n, 5) - 1
        column, row = (torch.exp(-4 * (at - 0.5 * place[:, None]).square()) for place in told[:, :2].T)
        return told, (0.1 + 0.04 * told[:, 2:, None, None]) * (row[:, :, None] * column[:, None])[:, None]

    for _ in range(160):
        told, pictures = draw(32)
        loss = (
            functional.binary_cross_entropy_with_logits(decoder(told) - 3, pictures, reduction="none").flatten(1).sum(1)
        )
        adam.zero_grad()
        loss.mean().backward()
        adam.step()
    told, pictures = draw(400)
    with torch.no_grad():
        hue, drawn = (x.mean((2, 3)) - x.mean((1, 2, 3))[:, None] for x in (pictures, (decoder(told) - 3).sigmoid()))
    return 1 - ((hue - drawn).var(0).sum() / hue.var(0).sum()).item()


def test_a_decoder_that_is_told_colours_draws_them_from_features_of_their_own_and_grey_from_shared_ones():
    assert painted(apart=True, seed=0) > 0.4
    assert abs(painted(apart=False, seed=0)) < 0.1
