"""The contract of the learners of pictures without labels, and the laws of each loss."""

import math

import pytest
import torch

import representations
from representations import MODELS, Decodes, Generates, fit
from representations.terms import gaussian_kl

torch.set_num_threads(1)

SHAPE = (1, 16, 16)
SMALL = {"shape": SHAPE, "code_size": 3, "channels": 4, "hidden": 8}
VAES = ("vae", "beta_vae", "capacity_vae", "dip_vae", "factor_vae")


def model(name: str, **settings):
    torch.manual_seed(0)
    return representations.make(name, **(SMALL | settings))


def pictures(generator: torch.Generator, n: int = 8, shape=SHAPE) -> torch.Tensor:
    return (torch.rand(n, *shape, generator=generator) < 0.3).to(torch.uint8) * 255


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", VAES)
def test_codes_are_deterministic_and_alike_for_bytes_and_floats(name):
    learner, x = model(name).eval(), pictures(seeded())
    code = learner.encode(x)
    assert code.shape == (8, 3)
    assert code.dtype == torch.float32
    assert torch.equal(code, learner.encode(x))
    torch.testing.assert_close(code, learner.encode(x.float() / 255))
    assert learner.encode(x[:0]).shape == (0, 3)
    assert learner.code_size == 3


@pytest.mark.parametrize("name", VAES)
def test_draws_pictures_between_0_and_1(name):
    learner = model(name).eval()
    assert isinstance(learner, Decodes)
    assert isinstance(learner, Generates)
    drawn = learner.decode(10 * torch.randn(5, 3))
    assert drawn.shape == (5, *SHAPE)
    assert (drawn >= 0).all()
    assert (drawn <= 1).all()
    assert torch.equal(learner.generate(4, seeded(1)), learner.generate(4, seeded(1)))
    assert not torch.equal(learner.generate(4, seeded(1)), learner.generate(4, seeded(2)))


@pytest.mark.parametrize("name", VAES)
def test_wrong_observations_and_codes_are_named(name):
    learner = model(name)
    with pytest.raises(ValueError, match=r"shape \[n, 1, 16, 16\], got \(2, 1, 15, 16\)"):
        learner.encode(torch.zeros(2, 1, 15, 16, dtype=torch.uint8))
    with pytest.raises(ValueError, match="must lie in"):
        learner.encode(torch.full((1, *SHAPE), 255.0))
    with pytest.raises(TypeError, match="uint8 or float"):
        learner.encode(torch.zeros(1, *SHAPE, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"codes must have shape \[n, 3\]"):
        learner.decode(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="shape must be"):
        model(name, shape=(16, 16))
    with pytest.raises(ValueError, match="code_size"):
        model(name, code_size=0)


@pytest.mark.parametrize("name", VAES)
def test_a_saved_model_has_the_same_codes(name, tmp_path):
    learner, x = model(name), pictures(seeded())
    fit(learner, pictures, 3, seeded(), device="cpu", progress=False)
    again = representations.load(representations.save(learner, tmp_path / "model"))
    assert type(again) is MODELS[name]
    assert torch.equal(learner.encode(x), again.encode(x))
    for key, value in learner.state_dict().items():
        assert torch.equal(value, again.state_dict()[key])


@pytest.mark.parametrize("name", VAES)
def test_a_killed_run_ends_at_the_same_numbers(name, tmp_path):
    settings = {"steps": 6} if name == "capacity_vae" else {}
    whole, broken = model(name, **settings), model(name, **settings)
    options = {"device": "cpu", "progress": False, "log_every": 2, "checkpoint_every": 2}
    fit(whole, pictures, 6, seeded(), **options)
    fit(broken, pictures, 4, seeded(), tmp_path, **options)
    resumed = model(name, **settings)
    fit(resumed, pictures, 6, seeded(), tmp_path, resume=True, **options)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key]), key


@pytest.mark.parametrize("name", VAES)
def test_training_lowers_the_loss(name):
    batch = 255 * torch.eye(16, dtype=torch.uint8).view(16, 1, 1, 16).expand(16, *SHAPE)  # one white column each
    settings = {"gamma": 10.0, "steps": 1000} if name == "capacity_vae" else {}
    learner = model(name, learning_rate=5e-3, **settings)
    logs = fit(learner, lambda generator: batch, 80, seeded(), device="cpu", progress=False, log_every=10)
    assert logs[-1]["bound/nll"] < 0.8 * logs[0]["bound/nll"]


def test_the_losses_are_the_bound_and_its_weighed_form():
    x = pictures(seeded())
    vae, beta = model("vae"), model("beta_vae", beta=7.0)
    beta.load_state_dict(vae.state_dict())
    torch.manual_seed(1)
    loss, logs = vae.loss(x)
    torch.manual_seed(1)
    other, _ = beta.loss(x)
    assert loss.item() == pytest.approx((logs["nll"] + logs["kl"]).item())
    assert (other - loss).item() == pytest.approx(6 * logs["kl"].item(), rel=1e-3)
    mean, logvar = vae.autoencoder.posterior(x)
    assert logs["kl"].item() == pytest.approx(gaussian_kl(mean, logvar).mean().item(), rel=1e-5)


def test_the_untrained_decoder_pays_log_2_a_pixel():
    vae = model("vae", shape=(3, 32, 32))
    with torch.no_grad():
        vae.autoencoder.decoder[-1].weight.zero_()
        vae.autoencoder.decoder[-1].bias.zero_()
    _, logs = vae.loss(pictures(seeded(), 4, (3, 32, 32)))
    assert logs["nll"].item() == pytest.approx(3 * 32 * 32 * math.log(2), rel=1e-5)


def test_the_bound_is_below_the_likelihood_of_importance_samples():
    """log p(x) from many samples is at least the one-sample bound on average (Burda et al. 2016)."""
    vae, x = model("vae"), pictures(seeded(), 2)
    torch.manual_seed(0)
    with torch.no_grad():
        bounds = [vae.autoencoder.bound(x) for _ in range(300)]
        elbo = torch.stack([-b.nll - b.kl.sum(-1) for b in bounds]).mean(0)
        weights = []
        for b in bounds:
            prior = -0.5 * (b.code**2 + math.log(2 * math.pi)).sum(-1)
            spread = torch.exp(0.5 * b.logvar)
            own = (-0.5 * (((b.code - b.mean) / spread) ** 2 + b.logvar + math.log(2 * math.pi))).sum(-1)
            weights.append(-b.nll + prior - own)
        likelihood = torch.stack(weights).logsumexp(0) - math.log(len(weights))
    assert (elbo < likelihood).all()
    assert (likelihood - elbo < 20).all()


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("beta_vae", {"beta": -1.0}),
        ("capacity_vae", {"last": -1.0}),
        ("capacity_vae", {"steps": 0}),
        ("dip_vae", {"kind": "III"}),
        ("dip_vae", {"memory": 1.0}),
        ("dip_vae", {"lambda_od": -1.0}),
        ("factor_vae", {"gamma": float("nan")}),
        ("factor_vae", {"depth": 0}),
    ],
)
def test_impossible_settings_are_refused(name, wrong):
    with pytest.raises(ValueError, match="must"):
        model(name, **wrong)
