"""mvae and object_vae: sets of objects, whose order says nothing, chosen by what they tell."""

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from representations import Decodes, Generates, fit, load, make, save
from representations.model import pixels
from representations.mvae import Coordinates
from representations.parts.terms import bernoulli_nll

SMALL = {"shape": (3, 32, 32), "channels": 4, "hidden": 8}
ROUNDING = 1e-5  # sums of a few hundred float32 numbers near 1, in any order


def small(name="mvae", **more):
    torch.manual_seed(0)
    return make(name, **(SMALL | more)).eval()


@pytest.fixture
def pictures():
    generator = torch.Generator().manual_seed(1)
    return (torch.rand(6, 3, 32, 32, generator=generator) * 255).to(torch.uint8)


@pytest.fixture
def codes():
    return torch.randn(4, 5, 12, generator=torch.Generator().manual_seed(2))


def test_coordinates_run_rightward_and_downward():
    tagged = Coordinates()(torch.zeros(2, 1, 3, 5))
    assert tagged.shape == (2, 3, 3, 5)
    assert tagged[1, 1, 2].tolist() == [-1, -0.5, 0, 0.5, 1]
    assert tagged[0, 2, :, 4].tolist() == [-1, 0, 1]


def test_the_kl_map_is_the_divergence_at_every_place_and_the_largest_are_chosen(pictures):
    model = small()
    mean, logvar, kl = model.candidates(pictures)
    torch.testing.assert_close(kl, kl_divergence(Normal(mean, (logvar / 2).exp()), Normal(0.0, 1.0)).sum(2))
    assert model.kl_map(pictures).shape == (6, 8, 8)
    places = model.chosen(pictures)
    row, column = places[3, 0].item() // 8, places[3, 0].item() % 8
    assert model.kl_map(pictures)[3, row, column] == kl[3].max()
    found = model.posterior(pictures)
    torch.testing.assert_close(found.kl, kl.sort(1, descending=True).values[:, :5])
    assert torch.equal(model.encode(pictures)[3, :12], mean[3, places[3, 0]])
    assert torch.equal(model.encode(pictures)[3, 48:], mean[3, places[3, 4]])


def test_gradients_flow_through_the_chosen_places_only(pictures):
    model = small().train()
    model.terms(pictures)  # so that the background is set
    found = []

    def keep(module, given, made):
        made.retain_grad()
        found.append(made)

    model.encoder.register_forward_hook(keep)
    model.loss(pictures)[0].backward()
    (maps,) = found
    touched = (maps.grad.flatten(2) != 0).any(1)
    _, logvar = maps.detach().flatten(2).transpose(1, 2).chunk(2, 2)
    chosen = torch.zeros_like(touched).scatter(1, model.chosen(pictures), True)
    assert logvar.shape == (6, 64, 12)
    assert torch.equal(touched, chosen)


@pytest.mark.parametrize("pool", ["max", "sum"])
def test_the_order_of_objects_says_nothing(pool, codes):
    model = small(pool=pool)
    torch.testing.assert_close(model.draw(codes), model.draw(codes[:, [4, 1, 0, 3, 2]]), atol=ROUNDING, rtol=0)


@pytest.mark.parametrize("pool", ["max", "sum"])
def test_objects_that_are_not_shown_are_as_if_they_were_not_there(pool, codes):
    model = small(pool=pool)
    shown = torch.tensor([True, False, True, True, False]).expand(4, -1)
    torch.testing.assert_close(model.draw(codes, shown), model.draw(codes[:, [0, 2, 3]]), atol=ROUNDING, rtol=0)
    nothing = model.draw(codes, torch.zeros(4, 5, dtype=torch.bool))
    torch.testing.assert_close(nothing, nothing[:1].expand_as(nothing), atol=ROUNDING, rtol=0)
    assert not torch.allclose(model.draw(codes), model.draw(codes, shown))


def test_two_of_one_object_are_one_by_the_maximum_and_more_by_the_sum(codes):
    twice = torch.cat([codes, codes[:, :1]], 1)
    torch.testing.assert_close(small().draw(twice), small().draw(codes), atol=ROUNDING, rtol=0)
    assert not torch.allclose(small(pool="sum").draw(twice), small(pool="sum").draw(codes), atol=1e-4)


@pytest.mark.parametrize("name", ["mvae", "object_vae"])
def test_the_contract_is_kept(name, pictures, tmp_path):
    model = small(name)
    code = model.encode(pictures)
    assert code.shape == (6, model.code_size) == (6, 60)
    assert torch.equal(code, model.encode(pictures.float() / 255))
    assert isinstance(model, Decodes)
    assert isinstance(model, Generates)
    drawn = model.decode(code)
    assert drawn.shape == pictures.shape
    assert ((drawn >= 0) & (drawn <= 1)).all()
    made = model.generate(3, torch.Generator().manual_seed(4))
    assert torch.equal(made, model.generate(3, torch.Generator().manual_seed(4)))
    save(model, tmp_path / "model")
    assert torch.equal(load(tmp_path / "model").encode(pictures), code)


@pytest.mark.parametrize("name", ["mvae", "object_vae"])
def test_the_loss_is_minus_the_bound_and_training_lowers_it(name, pictures):
    model = small(name, learning_rate=0.01).train()
    loss, logs = model.loss(pictures)
    torch.testing.assert_close(loss, logs["nll"] + logs["kl"])
    torch.testing.assert_close(logs["kl"], model.posterior(pictures).kl.sum(1).mean())
    pictures[:, :, :16], pictures[:, :, 16:] = 0, 255
    begin = model.loss(pictures)[0].item()
    fit(model, lambda generator: pictures, 40, torch.Generator().manual_seed(5), device="cpu", progress=False)
    assert model.loss(pictures)[0].item() < 0.5 * begin


def test_in_the_warm_up_a_scene_is_drawn_by_its_first_objects(pictures, monkeypatch):
    model = small(warmup=2).train()
    model.terms(pictures)  # so that the background is set
    shares = torch.tensor([[0.0], [0.19], [0.2], [0.5], [0.99], [0.6]])
    monkeypatch.setattr("representations.mvae.uniform_like", lambda rows: shares)
    monkeypatch.setattr("representations.mvae.gaussian_sample", lambda mean, logvar: mean)
    first = torch.arange(5) < torch.tensor([1, 1, 2, 3, 5, 4])[:, None]
    mean, _, kl = model.posterior(pictures)
    wanted = bernoulli_nll(model.logits(mean, first), pixels(pictures)).mean() + (kl * first).sum(1).mean()
    torch.testing.assert_close(model.loss(pictures)[0], wanted)
    (player,) = model.objectives()
    player.after()
    player.after()
    _, logs = model.loss(pictures)
    torch.testing.assert_close(logs["kl"], kl.sum(1).mean())
    torch.testing.assert_close(logs["nll"], bernoulli_nll(model.logits(mean), pixels(pictures)).mean())


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 40, 24), (3, 64, 64), (1, 256, 256)])
def test_pictures_of_any_size_are_drawn_at_their_own(shape):
    for name in ("mvae", "object_vae"):
        model = small(name, shape=shape)
        seen = torch.rand(2, *shape, generator=torch.Generator().manual_seed(6))
        assert model.decode(model.encode(seen)).shape == seen.shape
        assert min(model.map_sides) >= 8
    assert small(shape=(3, 64, 64)).map_sides == (8, 8)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"slots": 65}, "at most the 64 places"),
        ({"shape": (3, 7, 32)}, "sides of at least 8"),
        ({"pool": "mean"}, "pool"),
        ({"learning_rate": 0.0}, "learning_rate"),
    ],
)
def test_impossible_settings_are_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        small(**settings)


def test_codes_of_another_size_are_refused(codes):
    with pytest.raises(ValueError, match="object_size"):
        small().draw(codes[:, :, :-1])
    with pytest.raises(ValueError, match="shown"):
        small().draw(codes, torch.ones(4, 4, dtype=torch.bool))
