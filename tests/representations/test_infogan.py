import math

import pytest
import torch

from representations import fit, load, make, save
from representations.parts.residual import residual_generator, residual_trunk
from representations.parts.terms import gradient_penalty

torch.set_num_threads(1)


def model(**settings):
    torch.manual_seed(0)
    small = {"shape": (3, 8, 8), "code_size": 2, "noise": 4, "network": "full", "hidden": 16, "repeats": 2}
    return make("infogan", **(small | settings))


def pictures(generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 256, (8, 3, 8, 8), generator=generator, dtype=torch.uint8)


def test_the_gradient_penalty_of_a_linear_critic_is_known(generator):
    slope = torch.randn(12, generator=generator)
    real, fake = torch.rand(20, 3, 2, 2, generator=generator), torch.rand(20, 3, 2, 2, generator=generator)
    found = gradient_penalty(lambda x: x.flatten(1) @ slope, real, fake)
    assert found.item() == pytest.approx((slope.norm().item() - 1) ** 2, rel=1e-5)
    unit = gradient_penalty(lambda x: x.flatten(1) @ (slope / slope.norm()), real, fake)
    assert unit.item() == pytest.approx(0, abs=1e-6)


def test_the_gradient_penalty_looks_between_real_and_fake():
    seen = []

    def critic(x):
        seen.append(x.detach())
        return (x**2).flatten(1).sum(1)

    real, fake = torch.ones(500, 1), torch.zeros(500, 1)
    torch.manual_seed(0)
    penalty = gradient_penalty(critic, real, fake)
    points = seen[0][:, 0]
    assert 0 <= points.min() < 0.05 < 0.95 < points.max() <= 1
    assert points.mean().item() == pytest.approx(0.5, abs=0.05)
    assert penalty.item() == pytest.approx(1 / 3, abs=0.05)  # E (2 x - 1)^2 over [0, 1]


def test_both_losses_by_hand(generator):
    learner, x = model(), pictures(generator)
    torch.manual_seed(1)
    loss, logs = learner.critic_loss(x)
    torch.manual_seed(1)
    code = 2 * torch.rand(8, 2) - 1
    fake = learner.decode(code, torch.randn(8, 4))
    mean, logvar = learner.posterior(learner.read(fake))
    likely = torch.distributions.Normal(mean, (0.5 * logvar).exp()).log_prob(code).sum(1).mean()
    distance = learner.critic(x.float() / 255).mean() - learner.critic(fake).mean()
    assert logs["distance"].item() == pytest.approx(distance.item(), abs=1e-5)
    assert logs["information"].item() == pytest.approx(likely.item(), rel=1e-4)
    assert loss.item() == pytest.approx((-distance + 10 * logs["penalty"] - 8 * likely).item(), rel=1e-4)
    torch.manual_seed(1)
    loss, _ = learner.generator_loss(x)
    assert loss.item() == pytest.approx((-learner.critic(fake).mean() - 8 * likely).item(), rel=1e-4)


def test_every_player_moves_its_own_networks_and_the_critic_moves_more_often(generator):
    learner, drawn = model(repeats=3), []
    critic, maker = learner.objectives()
    assert {id(p) for p in maker.parameters} == {id(p) for p in learner.generator.parameters()}
    assert {id(p) for p in critic.parameters} == {id(p) for p in learner.parameters()} - {
        id(p) for p in maker.parameters
    }
    loss, _ = critic.loss(pictures(generator))
    assert all(g is None for g in torch.autograd.grad(loss, maker.parameters, allow_unused=True))

    def batches(draw):
        drawn.append(1)
        return pictures(draw)

    fit(learner, batches, 2, generator, device="cpu", progress=False)
    assert len(drawn) == 2 * (3 + 1)


def test_q_is_never_surer_than_it_may_be():
    learner = model(least_spread=0.5)
    with torch.no_grad():
        learner.posterior_head.bias[2:] = -20.0
    assert learner.posterior(torch.zeros(1, 16))[1].min().item() == pytest.approx(2 * math.log(0.5))


def test_the_reader_looks_through_the_haze_and_the_critic_does_not(generator):
    x = torch.full((400, 3, 8, 8), 0.5)
    torch.manual_seed(0)
    seen = model(haze=0.25).hazed(x)
    assert (seen - x).std().item() == pytest.approx(0.25, rel=0.02)
    blind, clear, x = model(haze=1e4), model(), pictures(generator)
    torch.manual_seed(1)
    _, far = blind.critic_loss(x)
    torch.manual_seed(1)
    _, near = clear.critic_loss(x)
    assert far["distance"].item() == pytest.approx(near["distance"].item(), abs=1e-5)
    assert far["information"] != near["information"]


def test_a_code_is_the_mean_over_hazed_views_which_q_was_trained_on(generator, tmp_path):
    learner = model(haze=0.4).eval()
    x = pictures(generator)
    torch.manual_seed(0)
    sought = torch.stack([learner.posterior(learner.read(learner.hazed(x / 255)))[0] for _ in range(4000)])
    sure = learner.posterior(learner.read(x / 255))[0]
    assert (learner.encode(x) - sought.mean(0)).abs().mean() < 0.5 * sought.std(0).mean()
    assert torch.equal(learner.encode(x), learner.encode(x))
    assert torch.equal(load(save(learner, tmp_path)).encode(x), learner.encode(x))
    assert torch.equal(model().encode(x), model().posterior(model().read(x / 255))[0])
    assert not torch.equal(learner.encode(x), sure)


def test_the_haze_clears_as_the_generator_moves_and_a_resumed_run_knows_how_far(tmp_path, generator):
    learner = model(haze=0.5, first_haze=2.0, clearing=4).train()
    x = torch.zeros(4000, 3, 8, 8)
    found = []
    for _ in range(6):
        found.append(learner.hazed(x).std().item())
        learner.generator_loss(pictures(generator))
        learner.critic_loss(pictures(generator))
    assert found == pytest.approx([2.0, 1.625, 1.25, 0.875, 0.5, 0.5], rel=0.02)
    assert load(save(learner, tmp_path)).moves == 6
    learner.eval().generator_loss(pictures(generator))
    assert learner.moves == 6


def test_slopes_are_counted_by_pixels_from_minus_one_to_one(generator):
    learner, x = model(penalty=1.0), pictures(generator)
    slope = torch.randn(192, generator=generator)
    learner.critic = lambda p: (2 * p.flatten(1) - 1) @ slope
    _, logs = learner.critic_loss(x)
    assert logs["penalty"].item() == pytest.approx((slope.norm().item() - 1) ** 2, rel=1e-4)


@pytest.mark.parametrize("network", ["full", "convolutional", "residual"])
def test_every_network_generates_encodes_and_is_saved_to_the_bit(network, tmp_path, generator):
    learner = model(network=network, shape=(3, 16, 16), channels=4).eval()
    drawn = learner.generate(4, generator)
    assert drawn.shape == (4, 3, 16, 16)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    again = load(save(learner, tmp_path))
    assert torch.equal(again.encode(drawn), learner.encode(drawn))
    code = learner.draw_codes(3, generator)
    assert torch.equal(again.decode(code), learner.decode(code))


def test_codes_have_the_prior_that_was_asked_for(generator):
    uniform = model().draw_codes(5000, generator)
    assert uniform.abs().max() <= 1
    assert uniform.std().item() == pytest.approx(1 / math.sqrt(3), abs=0.02)
    normal = model(prior="normal").draw_codes(5000, generator)
    assert normal.std().item() == pytest.approx(1, abs=0.03)


def test_grey_levels_are_drawn_and_the_code_is_read_off_them():
    """The data's one factor is a grey level: pictures must be flat, of all levels, and show their code."""
    rates = {"learning_rate": 2e-3, "critic_rate": 2e-3}
    learner = model(code_size=1, noise=2, shape=(1, 4, 4), hidden=32, least_spread=1.0, **rates)

    def batches(draw):
        return torch.rand(32, 1, 1, 1, generator=draw).expand(-1, 1, 4, 4)

    fit(learner, batches, 400, torch.Generator().manual_seed(0), progress=False, device="cpu")
    with torch.no_grad():
        drawn = learner.generate(200, torch.Generator().manual_seed(1)).flatten(1)
        code = torch.linspace(-1, 1, 50)[:, None]
        shown = learner.decode(code)
        read = learner.encode(shown)
    assert drawn.std(1).mean() < 0.15
    assert drawn.mean(1).std().item() == pytest.approx(1 / math.sqrt(12), abs=0.1)
    assert torch.corrcoef(torch.cat([code, shown.flatten(1).mean(1, True)], 1).T)[0, 1].abs() > 0.8
    assert torch.corrcoef(torch.cat([code, read], 1).T)[0, 1] > 0.8


@pytest.mark.parametrize("network", ["full", "convolutional"])
def test_small_networks_start_at_a_multiple_of_torchs_weights(network):
    def weights(start):
        torch.manual_seed(0)
        made = model(network=network, start=start)
        named = [*made.generator.named_parameters("generator"), *made.trunk.named_parameters("trunk")]
        return {name: value.detach() for name, value in named if name.endswith("weight")}

    once, twice, he = weights(1.0), weights(2.0), weights(0.0)
    for name, value in once.items():
        torch.testing.assert_close(twice[name], 2 * value, rtol=0, atol=0)
    first = "trunk.1.0.weight" if network == "full" else "trunk.0.0.weight"
    assert float(he[first].std() / once[first].std()) == pytest.approx(6**0.5, rel=0.2)  # sqrt(2 / n) for sqrt(1 / 3n)


def test_the_residual_networks_are_those_of_the_published_program():
    maker, trunk = residual_generator(134, (3, 64, 64), 4), residual_trunk((3, 64, 64), 4)
    widths = [block.shortcut[1].out_channels // 4 for block in (*maker, *trunk) if hasattr(block, "shortcut")]
    assert widths == [8, 4, 2, 1, 2, 4, 8, 8]
    assert maker[0][0].out_features == 16 * 8 * 4
    with torch.no_grad():
        assert maker(torch.zeros(2, 134)).shape == (2, 3, 64, 64)
        assert trunk(torch.zeros(2, 3, 64, 64)).shape == (2, 16 * 8 * 4)
    x = torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    small = residual_trunk((3, 16, 16), 4)
    torch.testing.assert_close(small(x)[:1], small(x[:1]))  # the critic's rows do not depend on each other
    with pytest.raises(ValueError, match="8, 16, 32"):
        residual_trunk((3, 20, 20), 4)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prior": "cauchy"}, "prior must be 'uniform' or 'normal'"),
        ({"network": "dense"}, "network must"),
        ({"least_spread": 0.0}, "least_spread"),
        ({"clearing": -1}, "clearing must be at least 0, got -1"),
        ({"shape": (3, 8)}, "shape must have 3 entries"),
        ({"network": "residual", "start": 1.5}, "start is for the networks convolutional and full"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(ValueError, match=message):
        model(**settings)
