"""The F statistic against scipy and finite differences; the other losses by hand, and at their edges."""

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from representations.parts.separation import (
    binomial_deviance_loss,
    f_statistic_loss,
    histogram_loss,
    log_f_cdf,
    squared_distances,
    triplet_loss,
)

FREEDOMS = (1, 2, 3, 4, 7, 8, 18, 37, 98, 201)
STATISTICS = 10.0 ** np.arange(-30.0, 16.0, 1.5)


def log_cdf(s, freedom):
    """ln I_x(1/2, freedom / 2) by scipy, from the side where x is not rounded to 1."""
    lower = special.betainc(0.5, freedom / 2, s / (s + freedom))
    upper = special.betainc(freedom / 2, 0.5, freedom / (s + freedom))
    return np.where(s < freedom, np.log(lower), np.log1p(-np.minimum(upper, 0.999999)))


def parts(s, freedom, dtype, scale=1.0):
    """Sums of squares whose statistic is s."""
    within = torch.full((len(s),), scale, dtype=torch.float64)
    return torch.from_numpy(s / freedom * scale).to(dtype), within.to(dtype)


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float64, 1e-13), (torch.float32, 3e-6)])
def test_the_logarithm_is_scipys(freedom, dtype, rounding):
    between, within = parts(STATISTICS, freedom, dtype)
    found = log_f_cdf(between, within, torch.tensor(freedom)).double().numpy()
    np.testing.assert_allclose(found, log_cdf(STATISTICS, freedom), rtol=rounding, atol=20 * rounding)
    assert (found <= 0).all()
    assert (np.diff(found) >= -20 * rounding).all()
    if freedom > 1:
        np.testing.assert_allclose(found[5], stats.f.logcdf(STATISTICS[5], 1, freedom), rtol=1e-5)


@pytest.mark.parametrize("freedom", FREEDOMS)
@pytest.mark.parametrize(("dtype", "rounding"), [(torch.float64, 1e-10), (torch.float32, 3e-4)])
def test_the_gradient_is_the_density_over_the_distribution(freedom, dtype, rounding):
    """d ln I / d ln s = s pdf(s) / cdf(s), also where it is far below the rounding of ln I itself."""
    s = 10.0 ** np.linspace(-12, 5, 30)
    between, within = (each.requires_grad_() for each in parts(s, freedom, dtype))
    log_f_cdf(between, within, torch.tensor(freedom)).sum().backward()
    x = s / (s + freedom)
    log_beta = special.betaln(0.5, freedom / 2)
    by_log_s = np.exp(0.5 * np.log(x) + freedom / 2 * np.log(freedom / (s + freedom)) - log_beta - log_cdf(s, freedom))
    clear = by_log_s > 1e-30  # what single precision can hold
    assert clear.sum() > 15
    for found in (between.grad * between, -within.grad * within):
        np.testing.assert_allclose(found.detach().double().numpy()[clear], by_log_s[clear], rtol=rounding)


@pytest.mark.parametrize("freedom", [1, 2, 5, 8, 19])
def test_the_gradient_is_that_of_finite_differences(freedom, generator):
    between = torch.rand(6, generator=generator, dtype=torch.float64) * 3 + 0.1
    within = torch.rand(6, generator=generator, dtype=torch.float64) * 3 + 0.1
    given = (between.requires_grad_(), within.requires_grad_(), torch.tensor(freedom))
    assert torch.autograd.gradcheck(log_f_cdf, given)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_ends_are_finite_and_a_constant_unit_is_not_separated(dtype):
    ends = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1e-38, 1e30], [1e30, 1e-38]], dtype=dtype)
    for freedom in FREEDOMS:
        between, within = (column.clone().requires_grad_() for column in ends.unbind(1))
        found = log_f_cdf(between, within, torch.tensor(freedom))
        found.sum().backward()
        assert found.isfinite().all()
        assert (found[[0, 1, 3]] < -30).all()
        assert (found[[2, 4]] > -1e-6).all()
        assert between.grad.isfinite().all()
        assert between.grad[:2].tolist() == [0, 0]
        assert within.grad[:2].tolist() == [0, 0]
        if freedom > 1:
            assert within.grad.isfinite().all()


def test_the_loss_is_the_sum_over_pairs_of_the_best_dimensions(generator):
    codes = torch.randn(11, 4, generator=generator, dtype=torch.float64)
    labels = torch.tensor([3, 3, 3, 3, 7, 7, 7, 1, 1, 1, 9])  # 9 is alone, and no pair of two such
    wanted = 0.0
    for a, b in ((1, 3), (1, 7), (1, 9), (3, 7), (3, 9), (7, 9)):
        first, second = codes[labels == a].numpy(), codes[labels == b].numpy()
        p = stats.f.cdf(stats.f_oneway(first, second).statistic, 1, len(first) + len(second) - 2)
        wanted -= np.log(np.sort(p)[-2:]).sum()
    assert f_statistic_loss(codes, labels, 2).item() == pytest.approx(wanted, rel=1e-7)
    alone = f_statistic_loss(codes, torch.arange(11), 2)
    assert alone.item() == 0
    assert f_statistic_loss(codes, labels * 0, 2).item() == 0
    assert f_statistic_loss(codes, labels, 9).item() == pytest.approx(f_statistic_loss(codes, labels, 4).item())


def test_the_loss_knows_axes_and_not_scales(generator):
    codes = torch.randn(20, 3, generator=generator, dtype=torch.float64)
    labels = torch.arange(20) // 5
    codes[:, 0] += 3 * labels
    loss = f_statistic_loss(codes, labels, 1)
    assert f_statistic_loss(codes * torch.tensor([100.0, 1e-3, 7.0]) + 5, labels, 1).item() == pytest.approx(
        loss.item()
    )
    turn = torch.linalg.qr(torch.randn(3, 3, generator=generator, dtype=torch.float64)).Q
    assert f_statistic_loss(codes @ turn, labels, 1) > 1.2 * loss


def test_the_published_separations():
    """p = 0.99 takes 9.9, 2.1 and 1.3 standard deviations between the means for n = 2, 5 and 10."""
    for n, apart in ((2, 9.9), (5, 2.1), (10, 1.3)):
        within = 2 * (n - 1) * torch.ones((), dtype=torch.float64)
        between = torch.tensor(n / 2 * apart**2, dtype=torch.float64)
        assert log_f_cdf(between, within, torch.tensor(2 * n - 2)).exp().item() == pytest.approx(0.99, abs=0.003)


@pytest.mark.parametrize("seed", range(3))
def test_a_constant_unit_changes_nothing(seed):
    codes = torch.randn(12, 3, generator=torch.Generator().manual_seed(seed))
    labels = torch.arange(12) // 4
    given = torch.cat([codes, torch.full((12, 1), 0.7)], 1).requires_grad_()
    loss = f_statistic_loss(given, labels, 2)
    assert loss.item() == pytest.approx(f_statistic_loss(codes, labels, 2).item(), rel=1e-5)
    loss.backward()
    assert given.grad.isfinite().all()
    assert given.grad[:, 3].tolist() == [0] * 12
    same = torch.ones(12, 3, requires_grad=True)
    f_statistic_loss(same, labels, 2).backward()
    assert not same.grad.any()


def test_distances(generator):
    a, b = torch.randn(5, 3, generator=generator), torch.randn(4, 3, generator=generator)
    torch.testing.assert_close(squared_distances(a, b), torch.cdist(a, b) ** 2, atol=1e-5, rtol=1e-5)
    assert squared_distances(a, a).amin() >= 0


def test_triplets_by_hand_and_collapsed(generator):
    codes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0], [5.0, 5.0]])
    labels = torch.tensor([0, 0, 1, 2])
    hinges = [max(0.0, 1 - other + 8) for other in (9, 50, 10, 41)]  # of the anchors 0 and 1, the others 2 and 3
    assert triplet_loss(codes, labels, 8.0).item() == pytest.approx(sum(hinges) / 4)
    point = torch.zeros(6, 2, requires_grad=True)
    collapsed = triplet_loss(point, torch.arange(6) // 2, 0.1)
    assert collapsed.item() == pytest.approx(0.1)
    collapsed.backward()
    assert not point.grad.any()
    assert triplet_loss(codes, torch.arange(4), 1.0).item() == 0  # no positive
    assert triplet_loss(codes, torch.zeros(4).long(), 1.0).item() == 0  # no negative
    far = torch.tensor([[0.0, 0], [0, 0], [100, 0], [100, 0]])
    assert triplet_loss(far, torch.tensor([0, 0, 1, 1]), 0.1).item() == 0


def unit(angles):
    angles = torch.as_tensor(angles, dtype=torch.float64)
    return torch.stack([angles.cos(), angles.sin()], 1)


def test_histograms_by_hand():
    # Cosines: 1 of the pair of one class; 0, 0, and of the other class' pair 1: positives all at 1, negatives at 0.
    codes, labels = unit([0.0, 0.0, math.pi / 2, math.pi / 2]), torch.tensor([0, 0, 1, 1])
    assert histogram_loss(codes, labels, 0.01).item() == pytest.approx(0, abs=1e-9)
    swapped = histogram_loss(codes, torch.tensor([0, 1, 0, 1]), 0.01)  # positives at 0, negatives at 0 and 1
    assert swapped.item() == pytest.approx(1, abs=1e-9)
    half = histogram_loss(unit([0.0, math.acos(0.25)]), torch.tensor([0, 0]), 1.0)
    assert half.item() == 0  # no negative
    assert histogram_loss(codes, torch.arange(4), 0.01).item() == 0  # no positive


def test_a_histogram_is_the_probability_of_the_wrong_order(generator):
    codes = torch.nn.functional.normalize(torch.randn(40, 3, generator=generator, dtype=torch.float64), dim=1)
    labels = torch.arange(40) // 8
    cosine, same = codes @ codes.T, labels[:, None] == labels
    upper = torch.ones(40, 40).triu(1).bool()
    wrong = (cosine[same & upper][:, None] < cosine[~same & upper]).double().mean()
    assert histogram_loss(codes, labels, 0.001).item() == pytest.approx(wrong.item(), abs=2e-3)
    given = codes.clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda z: histogram_loss(z, labels, 0.05), given, atol=1e-6)


def test_the_step_of_the_histogram_hardly_matters(generator):
    codes = torch.nn.functional.normalize(torch.randn(60, 8, generator=generator, dtype=torch.float64), dim=1)
    labels = torch.arange(60) // 5
    fine, coarse = (histogram_loss(codes, labels, step).item() for step in (0.005, 0.04))
    assert fine == pytest.approx(coarse, abs=0.02)  # ties count whole: half a step of the density


def test_the_deviance_by_hand():
    codes, labels = unit([0.0, 0.0, math.pi / 3]), torch.tensor([0, 0, 1])
    near = math.log1p(math.exp(-2 * (1 - 0.5)))
    apart = math.log1p(math.exp(2 * 10 * (0.5 - 0.5)))
    assert binomial_deviance_loss(codes, labels, 2.0, 0.5, 10.0).item() == pytest.approx(near + apart)
    assert binomial_deviance_loss(codes, torch.arange(3), 2.0, 0.5, 0.0).item() == pytest.approx(math.log(2))
    assert binomial_deviance_loss(codes[:2], labels[:2], 2.0, 0.5, 10.0).item() == pytest.approx(near)
    assert binomial_deviance_loss(codes[:1], labels[:1], 2.0, 0.5, 10.0).item() == 0


def test_the_finite_sum_is_the_integral():
    """I_x(1/2, b) of its definition, at one point of each parity."""
    for freedom, x in ((6, 0.3), (7, 0.3)):
        area = integrate.quad(lambda t, b=freedom / 2: t**-0.5 * (1 - t) ** (b - 1), 0, x)[0]
        wanted = math.log(area / special.beta(0.5, freedom / 2))
        between, within = torch.tensor(x, dtype=torch.float64), torch.tensor(1 - x, dtype=torch.float64)
        assert log_f_cdf(between, within, torch.tensor(freedom)).item() == pytest.approx(wanted, rel=1e-9)
