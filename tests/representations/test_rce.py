"""RCE's bound, dyn_content's and E2C's terms against integration, and what keeps the map from folding."""

import pytest
import torch
from torch.distributions import MultivariateNormal, kl_divergence

from representations import make
from representations.e2c import full_gaussian_kl
from representations.parts.locally_linear import Dynamics, Transition
from representations.parts.terms import gaussian_entropy, gaussian_log_density, gaussian_sample


def lively(transition, scale=1.0):
    """Random weights large enough that A, B, c really depend on the state."""
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in transition.network.parameters():
            parameter.copy_(scale * torch.randn_like(parameter))
    return transition


def test_stepping_back_undoes_stepping_forward():
    transition = lively(Transition(3, 2, 8), 0.5)
    point, action = torch.randn(6, 3), torch.randn(6, 2)
    a, b, c = transition.matrices(point)
    following = (a @ point[..., None] + b @ action[..., None])[..., 0] + c
    torch.testing.assert_close(transition.step(point, action), following)
    back, log_det = transition.back(point, action, following)
    torch.testing.assert_close(back, point, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(log_det, -torch.linalg.slogdet(a).logabsdet, atol=1e-4, rtol=1e-4)


def tiny(seed):
    """A one-dimensional instance: posterior of x, posterior of x', action, and the dynamics between them."""
    torch.manual_seed(seed)
    dynamics = Dynamics(inputs=1, code_size=1, action_size=1, hidden=6)
    lively(dynamics.transition, 0.7)
    mean, logvar, action = torch.tensor([[0.3]]), torch.tensor([[-0.4]]), torch.tensor([[0.8]])
    return dynamics, mean, logvar, action


def log_p_next(dynamics, mean, logvar, action, following):
    """log p(z' | x, u) for z' [n] by integrating z_bar out on a fine grid."""
    z_bar = torch.linspace(-8, 8, 801)[:, None]
    weight = gaussian_log_density(z_bar, mean, logvar)[:, None] + torch.log(z_bar[1] - z_bar[0])
    w, r, b, c = dynamics.transition(z_bar)
    m = 1 + w * r
    start = m * (following[None, :] - b[..., 0] * action - c)
    return torch.logsumexp(weight + gaussian_log_density(start[..., None], mean, logvar) + torch.log(m), 0)


def test_the_bound_lies_below_the_likelihood_and_meets_it_for_the_exact_posterior():
    """With a decoder that says log p(x' | z') = -(z' - 1)^2: E[...] <= log integral p(x' | z') p(z' | x, u) dz'."""
    for seed in range(3):
        dynamics, mean, logvar, action = tiny(seed)
        grid = torch.linspace(-12, 12, 1201)
        prior = log_p_next(dynamics, mean, logvar, action, grid)
        step = grid[1] - grid[0]
        torch.testing.assert_close(prior.exp().sum() * step, torch.tensor(1.0), atol=2e-2, rtol=0)
        exact = torch.logsumexp(prior - (grid - 1) ** 2, 0) + torch.log(step)
        next_mean, next_logvar = torch.tensor([[0.9]]), torch.tensor([[-1.0]])
        n = 50_000
        following = gaussian_sample(next_mean.expand(n, 1), next_logvar.expand(n, 1))
        x = torch.zeros(n, 1)
        kl, start = dynamics.terms(x, action.expand(n, 1), mean.expand(n, 1), logvar.expand(n, 1), following)
        bound = (-((following[:, 0] - 1) ** 2) - kl + start).mean() + gaussian_entropy(next_logvar)[0]
        assert bound < exact + 0.01


def test_the_bound_is_tight_in_the_linear_gaussian_case():
    """With constant A, B, c, the right q(z_bar) and q(z'), nothing is lost: KL = 0 and the other terms cancel."""
    dynamics, mean, logvar, action = tiny(0)
    with torch.no_grad():
        dynamics.transition.network[-1].weight.zero_()
        dynamics.joined[-1].weight.zero_()
        dynamics.joined[-1].bias.copy_(torch.cat([mean, logvar], 1)[0])
    a, b, c = dynamics.transition.matrices(mean)
    next_mean = a[0] * mean + b[0] * action + c
    next_logvar = logvar + 2 * torch.log(a[0])
    n = 50_000
    following = gaussian_sample(next_mean.expand(n, 1), next_logvar.expand(n, 1))
    rows = [t.expand(n, 1) for t in (action, mean, logvar)]
    kl, start = dynamics.terms(torch.zeros(n, 1), rows[0], rows[1], rows[2], following)
    torch.testing.assert_close(kl, torch.zeros(n), atol=1e-5, rtol=0)
    torch.testing.assert_close(start.mean() + gaussian_entropy(next_logvar)[0], torch.tensor(0.0), atol=0.02, rtol=0)


def test_a_full_covariance_divergence_is_that_of_torch(generator):
    root = torch.randn(4, 3, 3, generator=generator)
    covariance = root @ root.mT + torch.eye(3)
    mean, other_mean, other_logvar = torch.randn(3, 4, 3, generator=generator)
    expected = kl_divergence(
        MultivariateNormal(mean, covariance), MultivariateNormal(other_mean, torch.diag_embed(other_logvar.exp()))
    )
    found = full_gaussian_kl(mean, covariance, other_mean, other_logvar)
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


def test_early_gradients_of_the_decoder_do_not_reach_the_encoder(generator):
    model = make("rce", steps=100, hidden=16)
    code = torch.randn(5, 2, requires_grad=True)
    model.unfolding.guard(code).sum().backward()
    assert code.grad is None or not code.grad.any()
    model.unfolding.done += 50
    model.unfolding.guard(code).sum().backward()
    assert code.grad.all()


@pytest.mark.parametrize(
    ("step", "reads", "passes"),
    [
        (5, (1.0, 1.0), False),
        (20, (1.0, 1.0), True),
        (20, (1.0, 0.0), False),
        (20, (0.0, 0.0), True),
        (40, (1.0, 0.0), True),
    ],
)
def test_the_decoder_waits_longer_for_a_map_off_which_one_direction_is_read_and_another_not(
    step, reads, passes, generator
):
    """Whatever the directions are and however large the actions; misread alike is noise, which no waiting mends."""
    turn = torch.linalg.qr(torch.randn(2, 2, generator=generator))[0]
    for scale in (0.1, 3.0):
        unfolding = make("rce", steps=100, hidden=16).unfolding
        unfolding.done += step - 1
        action = scale * torch.randn(256, 2, generator=generator)
        unfolding.inverse.weight.data = torch.eye(2)
        code = torch.randn(256, 2, generator=generator, requires_grad=True)
        unfolding.loss(code, code + action @ turn @ torch.diag(torch.tensor(reads)) @ turn.T, action)
        unfolding.guard(code).sum().backward()
        assert (code.grad is not None and bool(code.grad.any())) is passes


def test_the_untrained_smooth_map_is_nearly_linear_and_the_plain_one_is_not():
    from envs import make_world

    world = make_world("planar", shapes=("square",))
    factors = world.sample(600, torch.Generator().manual_seed(0))
    design = torch.cat([factors[:, :2], torch.ones(600, 1)], 1)
    found = []
    for plain in (False, True):
        torch.manual_seed(0)
        model = make("rce", plain=plain).train()
        with torch.no_grad():
            model.encoder(world.render(factors).float() / 255)
            code = model.eval().encode(world.render(factors))
        rest = code - design @ torch.linalg.lstsq(design, code, driver="gelsd").solution
        found.append(1 - (rest.var(0) / code.var(0)).mean().item())
    assert found[0] > found[1] + 0.2


def test_content_stays_while_dynamics_move(generator):
    model = make("dyn_content", hidden=16)
    code, action = torch.randn(7, 4, generator=generator), torch.randn(7, 2, generator=generator)
    a, b, c = model.linearize(code, action)
    moved = (a @ code[..., None] + b @ action[..., None])[..., 0] + c
    torch.testing.assert_close(model.predict(code, action), moved)
    assert torch.equal(moved[:, 2:], code[:, 2:])
