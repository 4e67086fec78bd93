"""class_conditional: the bound term by term, who moves in which step, and what sees a label."""

import math

import pytest
import torch
from torch.nn import functional

import representations
from representations import Generates, fit
from representations.parts.terms import bernoulli_nll, gaussian_kl

SMALL = {"shape": (1, 8, 8), "classes": 3, "z_size": 2, "w_size": 2, "hidden": 8, "steps": 4}


def model(**more):
    torch.manual_seed(0)
    return representations.make("class_conditional", **(SMALL | more))


def batch_of(generator, n=6):
    return {"x": torch.rand(n, 1, 8, 8, generator=generator), "y": torch.randint(3, (n,), generator=generator)}


def means(monkeypatch):
    monkeypatch.setattr("representations.class_conditional.gaussian_sample", lambda mean, logvar: mean)


@pytest.mark.parametrize("classifier", ["none", "z", "w"])
def test_the_loss_is_equation_4_less_the_bounded_equation_5(generator, monkeypatch, classifier):
    means(monkeypatch)
    settings = {
        "classifier": classifier,
        "z_capacity": 1.0,
        "w_capacity": 2.0,
        "beta": 3.0,
        "gamma": 5.0,
        "weight": 7.0,
    }
    learner, batch = model(steps=0, **settings).eval(), batch_of(generator)
    q, y = learner.posterior(batch["x"], batch["y"]), functional.one_hot(batch["y"], 3).float()
    wanted = bernoulli_nll(learner.decoder(torch.cat([q.z_mean, q.w_mean, y], 1)), batch["x"]).mean()
    wanted += 3 * (gaussian_kl(q.z_mean, q.z_logvar).mean() - 1).abs()
    wanted += 5 * (gaussian_kl(q.w_mean, q.w_logvar).mean() - 2).abs()
    if classifier != "none":
        s = learner.classifier(q.z_mean).sigmoid()
        cost = -(y * s.log() + (1 - y) * (1 - s).log()).sum(1)
        wanted -= 7 * cost.clamp(max=math.log(3) + 2 * math.log(3 / 2)).mean()
    assert learner.loss(batch)[0].item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_class_hidden_beyond_chance_pulls_no_more(generator):
    learner, batch = model(classifier="z", beta=0.0, weight=1e6).train(), batch_of(generator)
    with torch.no_grad():
        learner.classifier[-1].bias.copy_(torch.full((3,), 20.0))  # it says every class at once: worse than chance
    hidden = learner.loss(batch)[1]["class_z"]
    assert hidden > learner.chance
    found = torch.autograd.grad(learner.loss(batch)[0], list(learner.z_encoder.parameters()))
    assert (
        max(gradient.abs().max() for gradient in found) < 1e3
    )  # of the likelihood alone; of the other it would be 1e6


def test_who_moves_in_the_second_step():
    def moved(classifier):
        learner = model(classifier=classifier)
        names = {id(p): name.split(".")[0] for name, p in learner.named_parameters()}
        return [{names[id(p)] for p in player.parameters} for player in learner.objectives()]

    own = {"z_encoder", "w_encoder", "decoder"}
    assert moved("none") == [own]
    assert moved("z") == moved("w") == [own, {"classifier"}]
    assert moved("taught") == [own, {"classifier", "w_encoder"}]


@pytest.mark.parametrize("classifier", ["z", "w"])
def test_the_classifier_learns_on_its_code(generator, monkeypatch, classifier):
    means(monkeypatch)
    learner, batch = model(classifier=classifier).eval(), batch_of(generator)
    q = learner.posterior(batch["x"], batch["y"])
    code = q.z_mean if classifier == "z" else q.w_mean
    wanted = functional.binary_cross_entropy_with_logits(
        learner.classifier(code), functional.one_hot(batch["y"], 3).float(), reduction="sum"
    )
    assert learner.classifier_loss(batch)[0].item() == pytest.approx(wanted.item() / 6, rel=1e-5)


def test_z_and_the_code_never_see_the_label(generator):
    learner, batch = model().eval(), batch_of(generator)
    one, other = (learner.posterior(batch["x"], y) for y in (batch["y"], (batch["y"] + 1) % 3))
    assert torch.equal(one.z_mean, other.z_mean)
    assert not torch.equal(one.w_mean, other.w_mean)
    code = learner.encode(batch["x"])
    assert code.shape == (6, learner.code_size)
    torch.testing.assert_close(code[:, :2], one.z_mean)
    each = [learner.posterior(batch["x"], torch.full((6,), k)).w_mean for k in range(3)]
    torch.testing.assert_close(code[:, 2:], torch.stack(each).mean(0))


def test_the_naive_model_has_one_code_that_sees_the_class(generator):
    learner, batch = model(w_size=0, classifier="none", steps=0, z_capacity=1.0).eval(), batch_of(generator)
    one, other = (learner.posterior(batch["x"], y) for y in (batch["y"], (batch["y"] + 1) % 3))
    assert not torch.equal(one.z_mean, other.z_mean)
    assert one.w_mean.shape == (6, 0)
    assert learner.encode(batch["x"]).shape == (6, 2)
    assert "class_z" not in learner.loss(batch)[1]
    for classifier in ("z", "w", "taught"):
        with pytest.raises(ValueError, match="naive"):
            model(w_size=0, classifier=classifier)
    with pytest.raises(ValueError, match="sizes must agree"):
        model(w_size=3)


def test_capacities_rise_and_a_resumed_run_is_the_unbroken_one(tmp_path):
    def train(folder, steps, resume):
        learner = model(classifier="taught")
        options = {"progress": False, "log_every": 3, "checkpoint_every": 3, "resume": resume}
        fit(learner, batch_of, steps, torch.Generator().manual_seed(7), tmp_path / folder, **options)
        return learner

    whole = train("whole", 6, False)
    broken = train("broken", 3, False)
    assert (broken.z_ramp.now().item(), broken.w_ramp.now().item()) == (15 * 3 / 4, 25 * 3 / 4)
    resumed = train("broken", 6, True)
    again = representations.load(representations.save(resumed, tmp_path / "model"))
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    assert isinstance(again, Generates)
    drawn = again.generate(4, torch.Generator().manual_seed(1))
    assert drawn.shape == (4, 1, 8, 8)
    assert ((drawn >= 0) & (drawn <= 1)).all()


def test_a_taught_w_tells_the_class(generator):
    """Pictures of which the class is a row, and the rest a column."""

    def draw(generator, n=16):
        y, place = (torch.randint(3, (n,), generator=generator) for _ in range(2))
        x = torch.zeros(n, 1, 8, 8)
        x[torch.arange(n), 0, 2 * y] = 1
        x[torch.arange(n), 0, :, 2 * place + 1] = 1
        return {"x": x, "y": y}

    learner = model(
        hidden=16, classifier="taught", beta=1.0, gamma=1.0, z_capacity=0.0, w_capacity=0.0, learning_rate=0.01
    )
    fit(learner, draw, 150, generator, progress=False)
    batch = draw(torch.Generator().manual_seed(8), 200)
    with torch.no_grad():
        told = learner.classifier(learner.posterior(batch["x"], batch["y"]).w_mean).argmax(1) == batch["y"]
    assert told.float().mean() > 0.9
