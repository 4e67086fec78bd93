"""The contract of the learners of pictures without labels, and the laws of each loss."""

import itertools
import math

import pytest
import torch

import representations
from representations import MODELS, Decodes, Generates, fit
from representations.devices import choose_precision
from representations.disentangled_autoencoder import salt_and_pepper
from representations.parts.networks import he_weights
from representations.parts.terms import bernoulli_nll, gaussian_kl

torch.set_num_threads(1)

SHAPE = (1, 16, 16)
SMALL = {"shape": SHAPE, "code_size": 3, "channels": 4, "hidden": 8}
VAES = ("vae", "beta_vae", "capacity_vae", "dip_vae", "disentangled_autoencoder", "factor_vae")


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
    with pytest.raises(ValueError, match=r"\[n, 1, 16, 16\] tensor, got shape \[2, 1, 15, 16\]"):
        learner.encode(torch.zeros(2, 1, 15, 16, dtype=torch.uint8))
    with pytest.raises(ValueError, match="must lie in"):
        learner.encode(torch.full((1, *SHAPE), 255.0))
    with pytest.raises(TypeError, match="uint8 or float"):
        learner.encode(torch.zeros(1, *SHAPE, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"code must be a float \[n, code_size = 3\] tensor"):
        learner.decode(torch.zeros(2, 4))
    with pytest.raises(ValueError, match="shape must have 3 entries"):
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
def test_training_in_bfloat16_keeps_float32_weights_and_near_numbers(name):
    found = []
    for precision in ("float32", "bfloat16"):
        learner = model(name)
        logs = fit(learner, pictures, 3, seeded(), device="cpu", precision=precision, progress=False, log_every=1)
        assert all(p.dtype == torch.float32 for p in learner.state_dict().values() if p.is_floating_point())
        assert learner.encode(pictures(seeded())).dtype == torch.float32
        found.append(logs[-1]["bound/nll"])
    assert found[1] == pytest.approx(found[0], rel=0.02)
    assert found[1] != found[0]


@pytest.mark.parametrize("name", VAES)
def test_training_lowers_the_loss(name):
    batch = 255 * torch.ones(16, 16, dtype=torch.uint8).tril().view(16, 1, 1, 16).expand(16, *SHAPE)  # ever wider bars
    settings = {"gamma": 10.0, "steps": 1000} if name == "capacity_vae" else {}
    learner = model(name, learning_rate=5e-3, **settings)
    logs = fit(learner, lambda generator: batch, 160, seeded(), device="cpu", progress=False, log_every=10)
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


def test_beta_rises_over_its_warm_up():
    x, learner = pictures(seeded()), model("beta_vae", beta=6.0, warmup=3)
    [player] = learner.objectives()
    weights = []
    for _ in range(5):
        loss, logs = player.loss(x)
        weights.append(((loss - logs["nll"]) / logs["kl"]).item())
        player.after()
    assert weights == pytest.approx([0.0, 2.0, 4.0, 6.0, 6.0], abs=1e-2)


def test_the_untrained_decoder_pays_log_2_a_pixel():
    vae = model("vae", shape=(3, 32, 32))
    with torch.no_grad():
        vae.autoencoder.decoder[-1].weight.zero_()
        vae.autoencoder.decoder[-1].bias.zero_()
    _, logs = vae.eval().loss(pictures(seeded(), 4, (3, 32, 32)))
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


@pytest.mark.parametrize("network", ["conv", "dense"])
def test_the_first_batch_gives_the_background_and_no_later_one(network):
    learner = model("disentangled_autoencoder", network=network, shape=(3, 16, 16)).train()
    bright = torch.tensor([51, 102, 204], dtype=torch.uint8).view(1, 3, 1, 1).expand(4, 3, 16, 16)
    learner.loss(bright)
    with torch.no_grad():
        for layer in list(learner.autoencoder.decoder.modules())[::-1]:
            if hasattr(layer, "weight"):
                layer.weight.zero_()
                break
    drawn = learner.decode(torch.zeros(1, 3)).mean((0, 2, 3))
    torch.testing.assert_close(drawn, torch.tensor([0.2, 0.4, 0.8]), atol=1e-4, rtol=0)
    learner.loss(torch.zeros(4, 3, 16, 16, dtype=torch.uint8))
    torch.testing.assert_close(learner.decode(torch.zeros(1, 3)).mean((0, 2, 3)), drawn)
    again = model("disentangled_autoencoder", network=network, shape=(3, 16, 16)).train()
    again.load_state_dict(learner.state_dict())
    again.loss(torch.zeros(4, 3, 16, 16, dtype=torch.uint8))
    assert all(torch.equal(v, again.state_dict()[k]) for k, v in learner.state_dict().items())


def test_he_weights_keep_the_size_of_what_runs_through():
    torch.manual_seed(0)
    learner = representations.make("vae", shape=(1, 64, 64))
    he_weights(learner.autoencoder.decoder)
    sizes = []
    for layer in learner.autoencoder.decoder.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.ConvTranspose2d | torch.nn.Linear):
            layer.register_forward_hook(lambda layer, x, out: sizes.append(out.square().mean().item()))
    learner.decode(torch.randn(64, 10))
    assert len(sizes) == 7
    assert all(0.3 < after / before < 3 for before, after in itertools.pairwise(sizes))


@torch.no_grad()
def bends(learner) -> tuple[float, float]:
    """How far both untrained networks are from a sum of what parts and opposites give, beside what they tell apart."""
    one, other = torch.zeros(2, 64, 1, 64, 64)
    for picture, row in zip([*one, *other], torch.randint(2, 52, (128, 2)).tolist(), strict=True):
        picture[0, row[0] : row[0] + 10, row[1] : row[1] + 10] = 1
    apart = (one * other).flatten(1).sum(1) == 0
    one, other = one[apart], other[apart]
    encoder, decoder = learner.autoencoder.encoder, learner.autoencoder.decoder
    a, b, both, none = (encoder(x) for x in (one, other, one + other, torch.zeros_like(one)))
    z = torch.randn(64, 10)
    there, back, middle = decoder(z), decoder(-z), decoder(torch.zeros(1, 10))
    return ((both - a - b + none).norm() / (a - b).norm()).item(), (
        (there + back - 2 * middle).norm() / (there - back).norm()
    ).item()


def test_untrained_autoencoders_are_nearer_to_linear_than_from_hes_weights():
    bent = []
    for first, he in ((1.0, False), (1.5, False), (1.0, True)):
        torch.manual_seed(0)
        learner = representations.make("disentangled_autoencoder", shape=(1, 64, 64), start=first)
        if he:
            he_weights(learner.autoencoder.encoder)
            he_weights(learner.autoencoder.decoder)
        bent.append(bends(learner))
    small, middle, steepest = bent
    assert all(plain < part < 0.65 * steep for plain, part, steep in zip(small, middle, steepest, strict=True))
    assert all(plain < 0.6 * steep for plain, steep in zip(small, steepest, strict=True))
    assert small[0] < 0.35


def test_terms_are_float32_in_bfloat16_and_near_those_of_float32():
    learner, x = model("vae"), pictures(seeded(), 32)
    found = []
    for on in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=on):
            found.append(learner.autoencoder.bound(x))
    assert all(term.dtype == torch.float32 for term in found[1])
    assert (found[1].nll.mean() / found[0].nll.mean()).item() == pytest.approx(1, abs=0.01)
    assert not torch.equal(found[0].nll, found[1].nll)


def test_salt_and_pepper_take_their_share_and_leave_the_target_alone():
    grey = torch.full((50, 3, 16, 16), 0.5)
    torch.manual_seed(0)
    seen = salt_and_pepper(grey, 0.2)
    black, white = (seen == 0).float().mean().item(), (seen == 1).float().mean().item()
    assert black == pytest.approx(0.1, abs=0.01)
    assert white == pytest.approx(0.1, abs=0.01)
    assert torch.equal((seen == 0.5).all(1), (seen == 0.5).any(1))  # all channels of a pixel together
    assert (seen[seen != 0.5].unique() == torch.tensor([0.0, 1.0])).all()
    assert torch.equal(salt_and_pepper(grey, 0.0), grey)
    learner = model("disentangled_autoencoder", noise=1.0).eval()
    x = pictures(seeded())
    torch.manual_seed(1)
    noisy = learner.loss(x)[1]["nll"]
    clean = bernoulli_nll(learner.autoencoder.decoder(torch.zeros(8, 3)), x / 255).mean()
    assert noisy.item() == pytest.approx(clean.item(), rel=0.3)  # the target is x, whatever the encoder saw


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("beta_vae", {"beta": -1.0}),
        ("beta_vae", {"warmup": -1}),
        ("disentangled_autoencoder", {"beta": -1.0}),
        ("disentangled_autoencoder", {"noise": 1.5}),
        ("disentangled_autoencoder", {"network": "recurrent"}),
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


def test_precision_is_chosen_for_the_device_and_checked(monkeypatch):
    cpu = torch.device("cpu")
    assert choose_precision("float32", cpu) == "float32"
    assert choose_precision("bfloat16", cpu) == "bfloat16"
    for amx, bf16, expected in ((True, True, "bfloat16"), (False, True, "float32"), (False, False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda amx=amx: amx)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda bf16=bf16: bf16)
        assert choose_precision("auto", cpu) == expected
    with pytest.raises(ValueError, match="precision must be one of float32, bfloat16, auto, got 'float16'"):
        fit(model("vae"), pictures, 1, seeded(), device="cpu", precision="float16", progress=False)
