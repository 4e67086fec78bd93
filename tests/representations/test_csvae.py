"""csvae, cond_vae, cond_vae_info: the losses term by term, who moves, what sees a label, and what a switch changes."""

import itertools
import math

import pytest
import torch
from torch import nn

import representations
from representations import Decodes, Generates, fit
from representations.parts.attributes import LOG_2, every_labelling, label_cost, label_entropy
from representations.parts.terms import gaussian_kl
from tests.elsewhere import Device, There, here, there, there_in

NAMES = ("csvae", "cond_vae", "cond_vae_info")
SHAPES = ((3, 16, 16), (4,))


def model(name, **more):
    torch.manual_seed(0)
    return representations.make(
        name, **({"shape": (4,), "attributes": 2, "z_size": 3, "hidden": 8, "channels": 4} | more)
    )


def batch_of(generator, shape=(4,), n=6):
    return {"x": torch.rand(n, *shape, generator=generator), "y": torch.randint(2, (n, 2), generator=generator)}


def means(monkeypatch, name):
    monkeypatch.setattr(f"representations.{name}.gaussian_sample", lambda mean, logvar: mean)


def squared(pictures, x):
    return 0.5 * (pictures - x).square().flatten(1).sum(1).mean()


@pytest.mark.parametrize("shape", SHAPES)
def test_the_loss_of_csvae_is_m1_and_m2(generator, monkeypatch, shape):
    means(monkeypatch, "csvae")
    weights = {"reconstruction": 2.0, "w_weight": 3.0, "z_weight": 5.0, "hide": 7.0}
    learner = model("csvae", shape=shape, present=(2.0, 1.0), absent=(0.0, 0.5), **weights).eval()
    batch = batch_of(generator, shape)
    y = batch["y"].double()
    q = learner.posterior(batch["x"], batch["y"])
    there = y.repeat_interleave(2, 1)
    total = 2 * squared(learner.decode(torch.cat([q.z_mean, q.w_mean], 1)), batch["x"])
    for k in range(4):  # of w, one dimension after another
        mean, spread = 2 * there[:, k], 0.5 + 0.5 * there[:, k]
        variance = q.w_logvar[:, k].exp() / spread**2
        total += 3 * 0.5 * (variance + ((q.w_mean[:, k] - mean) / spread) ** 2 - 1 - variance.log()).mean()
    total += 5 * gaussian_kl(q.z_mean, q.z_logvar).mean()
    p = learner.adversary(q.z_mean).sigmoid().double()
    total += 7 * (p * p.log() + (1 - p) * (1 - p).log()).sum(1).mean()
    assert learner.loss(batch)[0].item() == pytest.approx(total.item(), rel=1e-5)
    reads = -(y * p.log() + (1 - y) * (1 - p).log()).sum(1).mean()
    assert learner.adversary_loss(batch)[0].item() == pytest.approx(reads.item(), rel=1e-5)


def test_the_losses_of_the_conditional_autoencoders(generator, monkeypatch):
    batch = batch_of(generator)
    for name in NAMES[1:]:
        means(monkeypatch, name)
        learner = model(name, reconstruction=2.0, z_weight=5.0, **({"hide": 7.0} if name == "cond_vae_info" else {}))
        mean, logvar = learner.posterior(*([batch["x"]] if name == "cond_vae_info" else [batch["x"], batch["y"]]))
        total = 2 * squared(learner.draw(mean, batch["y"]), batch["x"]) + 5 * gaussian_kl(mean, logvar).mean()
        if name == "cond_vae_info":
            cost = nn.functional.binary_cross_entropy_with_logits(
                learner.adversary(mean), batch["y"].float(), reduction="none"
            )
            total -= 7 * cost.clamp(max=math.log(2)).sum(1).mean()
        assert learner.loss(batch)[0].item() == pytest.approx(total.item(), rel=1e-5)


def test_a_label_hidden_beyond_chance_pulls_no_more(generator):
    learner, batch = model("cond_vae_info", hide=1e6), batch_of(generator)
    with torch.no_grad():
        learner.adversary[-1].bias.copy_(40.0 - 80.0 * batch["y"][0])  # wrong about every label of the first
    one = {key: value[:1] for key, value in batch.items()}
    total, logs = learner.loss(one)
    assert logs["hidden"].item() == pytest.approx(2 * LOG_2)
    gradient = torch.autograd.grad(total, list(learner.encoder.parameters()))
    assert max(each.abs().max() for each in gradient) < 1e3


def test_entropy_and_cost_of_labels_are_those_of_bernoulli_variables():
    logits = torch.tensor([[-40.0, -1.0, 0.0, 2.0, 40.0]]).double()
    p = logits.sigmoid()
    wanted = torch.distributions.Bernoulli(probs=p.clamp(1e-12, 1 - 1e-12)).entropy()
    torch.testing.assert_close(label_entropy(logits).double(), wanted, atol=1e-5, rtol=0)
    labels = torch.tensor([[0, 1, 1, 0, 1]])
    torch.testing.assert_close(label_cost(logits, labels)[0, 2].item(), math.log(2), atol=1e-6, rtol=0)
    assert label_cost(-logits, labels)[0, 0].item() == pytest.approx(40)
    assert label_entropy(torch.tensor([[1e4, -1e4]])).tolist() == [[0, 0]]
    rows = every_labelling(3, logits).tolist()
    assert sorted(rows) == sorted(map(list, itertools.product((0.0, 1.0), repeat=3)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("shape", "network"), [(SHAPES[0], "conv"), (SHAPES[0], "dense"), (SHAPES[1], "conv")])
def test_codes_pictures_and_samples_have_their_shapes(name, shape, network, generator):
    learner, batch = model(name, shape=shape, network=network).eval(), batch_of(generator, shape)
    assert any(isinstance(layer, nn.Conv2d) for layer in learner.modules()) == (len(shape) == 3 and network == "conv")
    code = learner.encode(batch["x"])
    assert code.shape == (6, learner.code_size)
    assert torch.equal(code, learner.encode(batch["x"]))
    if len(shape) == 3:
        bytes_ = (255 * batch["x"]).round().to(torch.uint8)
        assert torch.equal(learner.encode(bytes_), learner.encode(bytes_.float() / 255))
    assert isinstance(learner, Generates)
    made = learner.generate(5, generator)
    assert made.shape == (5, *shape)
    assert learner.switch(batch["x"], batch["y"], 1 - batch["y"]).shape == batch["x"].shape
    if name == "csvae":
        assert isinstance(learner, Decodes)
        torch.testing.assert_close(
            learner.switch(batch["x"], batch["y"], batch["y"]),
            learner.decode(torch.cat(learner.posterior(batch["x"], batch["y"])[::2], 1)),
        )


def test_z_of_csvae_never_sees_a_label_and_w_does(generator):
    learner, batch = model("csvae").eval(), batch_of(generator)
    one, other = (learner.posterior(batch["x"], y) for y in (batch["y"], 1 - batch["y"]))
    assert torch.equal(one.z_mean, other.z_mean)
    assert not torch.allclose(one.w_mean, other.w_mean)
    assert not torch.allclose(*(model("cond_vae").posterior(batch["x"], y)[0] for y in (batch["y"], 1 - batch["y"])))


def test_a_switch_changes_the_part_of_w_of_the_label_that_changes(generator):
    learner, batch = model("csvae", present=(5.0, 1.0), absent=(-1.0, 0.1)).eval(), batch_of(generator)
    wanted = batch["y"].clone()
    wanted[:, 1] = 1 - wanted[:, 1]
    q = learner.posterior(batch["x"], batch["y"])
    level = 5.0 * wanted[:, 1:].float() - 1.0 * (1 - wanted[:, 1:].float())
    code = torch.cat([q.z_mean, q.w_mean[:, :2], level.expand(-1, 2)], 1)
    torch.testing.assert_close(learner.switch(batch["x"], batch["y"], wanted), learner.decode(code))
    style = torch.randn(6, 4, generator=generator)
    given = torch.where(wanted[:, 1:] == 1, style[:, 2:], -1.0)  # what goes has no style
    assert 0 < wanted[:, 1].sum() < 6
    code = torch.cat([q.z_mean, q.w_mean[:, :2], given], 1)
    torch.testing.assert_close(learner.switch(batch["x"], batch["y"], wanted, style), learner.decode(code))


def test_the_prior_is_that_of_each_label():
    mean, logvar = model("csvae", present=(3.0, 2.0), absent=(0.0, 0.1)).prior(torch.tensor([[1, 0]]))
    torch.testing.assert_close(mean, torch.tensor([[3.0, 3.0, 0.0, 0.0]]))
    torch.testing.assert_close(logvar.exp().sqrt(), torch.tensor([[2.0, 2.0, 0.1, 0.1]]))


@pytest.mark.parametrize("name", NAMES)
def test_each_player_moves_its_own_networks_and_training_lowers_the_error(name, generator):
    learner = model(name, learning_rate=1e-2)
    held = [{id(p) for p in player.parameters} for player in learner.objectives()]
    assert len(held) == (1 if name == "cond_vae" else 2)
    assert set.union(*held) == {id(p) for p in learner.parameters()}
    assert len(held) == 1 or not held[0] & held[1]

    def batches(draw):
        y = torch.randint(2, (64, 2), generator=draw)
        return {"x": torch.cat([y, torch.rand(64, 2, generator=draw)], 1).float(), "y": y}

    logs = fit(learner, batches, 120, generator, progress=False, log_every=40)
    assert logs[-1]["bound/error"] < 0.7 * logs[0]["bound/error"]


def test_an_adversary_that_may_read_more_often_does():
    assert [player.repeats for player in model("csvae", reads=3).objectives()] == [1, 3]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("shape", "network"), [((4,), "conv"), ((3, 16, 16), "conv"), ((3, 16, 16), "dense")])
def test_everything_is_made_where_the_batch_is(name, shape, network, generator):
    settings = {"shape": shape, "network": network}
    learner, away, batch = model(name, **settings), there_in(model(name, **settings)), batch_of(generator, shape)
    sent = {key: there(value) for key, value in batch.items()}
    for player, other in zip(learner.objectives(), away.objectives(), strict=True):
        torch.manual_seed(1)
        wanted, _ = player.loss(batch)
        torch.manual_seed(1)
        with Device():
            found, _ = other.loss(sent)
        assert torch.equal(here(found), wanted)
    learner.eval(), away.eval()
    with Device():
        made = away.encode(sent["x"]), away.switch(sent["x"], sent["y"], there(1 - batch["y"]))
    wanted = learner.encode(batch["x"]), learner.switch(batch["x"], batch["y"], 1 - batch["y"])
    for found, here_made in zip(made, wanted, strict=True):
        assert isinstance(found, There)
        assert torch.equal(here(found), here_made)
    with Device():
        assert isinstance(away.generate(3, generator), There)


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_model_draws_the_same(name, tmp_path, generator):
    learner, batch = model(name, shape=(3, 16, 16)), batch_of(generator, (3, 16, 16))
    fit(learner, lambda draw: batch, 2, generator, progress=False)
    representations.save(learner, tmp_path)
    again = representations.load(tmp_path)
    assert torch.equal(again.encode(batch["x"]), learner.eval().encode(batch["x"]))
    assert torch.equal(*(m.switch(batch["x"], batch["y"], 1 - batch["y"]) for m in (again, learner)))


def test_a_batch_with_unknown_labels_is_refused(generator):
    for name in NAMES:
        batch = batch_of(generator) | {"labelled": torch.arange(6) < 3}
        for player in model(name).objectives():
            with pytest.raises(ValueError, match="labelled examples alone"):
                player.loss(batch)


def test_shapes_and_labels_that_cannot_be_are_refused(generator):
    with pytest.raises(ValueError, match=r"\(C, H, W\) of pictures or \(d,\) of vectors"):
        model("csvae", shape=(3, 4))
    with pytest.raises(ValueError, match="attributes"):
        model("cond_vae", attributes=9)
    batch = batch_of(generator)
    for name in ("csvae", "cond_vae"):
        with pytest.raises(ValueError, match="labels"):
            model(name).posterior(batch["x"], batch["y"][:, :1])
    with pytest.raises(ValueError, match="observations"):
        model("cond_vae_info").posterior(batch["x"][:, :3])
