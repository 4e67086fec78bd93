"""Two styles aligned across: losses, gates, and a small language of which it must learn to change one word."""

import math

import pytest
import torch

from representations.cross_aligned import LEARNED
from representations.fit import fit
from representations.registry import load, make, save


def said(n, generator):
    """Sentences "topic is sentiment .": topics 4 to 6, sentiments 8 and 9 (class 0) or 10 and 11 (class 1)."""
    topic = torch.randint(4, 7, (n,), generator=generator)
    y = torch.randint(2, (n,), generator=generator)
    word = 8 + 2 * y + torch.randint(2, (n,), generator=generator)
    x = torch.stack([topic, torch.full_like(y, 7), word, torch.full_like(y, 2), torch.zeros_like(y)], 1)
    return {"x": x, "y": y}


def small(**more):
    torch.manual_seed(0)
    settings = {"words": 12, "length": 6, "embedding": 16, "code_size": 16, "style_size": 8, "filters": 8}
    return make("cross_aligned", **(settings | {"learning_rate": 1e-2} | more))


def test_transfer_changes_the_style_and_says_sentences(tmp_path):
    model = small()
    fit(model, lambda g: said(32, g), 300, torch.Generator().manual_seed(0), device="cpu", progress=False)
    batch = said(60, torch.Generator().manual_seed(5))
    again, _, _ = model.say(model.content(batch["x"], batch["y"]), batch["y"], 4)
    assert (again == batch["x"][:, :4]).float().mean() > 0.9
    moved = model.transfer(batch["x"], 1 - batch["y"])
    assert moved.shape == (60, 6)
    assert ((moved[:, 2] >= 10).long() == 1 - batch["y"]).float().mean() > 0.8
    save(model, tmp_path)
    assert torch.equal(load(tmp_path).transfer(batch["x"], 1 - batch["y"]), moved)


def test_discriminators_that_know_nothing_are_at_chance_and_are_not_heeded():
    model, batch = small(warmup=0), said(16, torch.Generator().manual_seed(0))
    for parameter in model.judges.parameters():
        torch.nn.init.zeros_(parameter)
    loss, logs = model.judge_loss(batch)
    assert loss.item() == pytest.approx(4 * math.log(2))  # a real and a fake half of each of two
    assert 2 * math.log(2) > LEARNED
    loss, logs = model.loss(batch)
    assert torch.equal(loss, logs["rec"])
    for judge in model.judges:
        torch.nn.init.constant_(
            judge.real.bias, 0.4
        )  # all is real, they say: loss 0.51 + 0.91 each, not learned either
    assert model.loss(batch)[1]["heeded"] == 0


def teach_judges(model, batch):
    judges = torch.optim.Adam(model.judges.parameters(), 1e-2)
    for _ in range(60):
        judges.zero_grad()
        model.judge_loss(batch)[0].backward()
        judges.step()
    torch.manual_seed(1)


@pytest.mark.parametrize("through", [False, True])
def test_a_discriminator_that_has_learned_moves_the_encoder(through):
    model, batch = small(warmup=0, weight=1.0, through=through), said(32, torch.Generator().manual_seed(0))
    plain = torch.autograd.grad(model.loss(batch)[0], model.encoder.weight_hh_l0)[0]
    teach_judges(model, batch)
    loss, logs = model.loss(batch)
    assert logs["heeded"] == 1
    assert loss.item() == pytest.approx((logs["rec"] + logs["adv"]).item(), rel=1e-5)
    heeding = torch.autograd.grad(loss, model.encoder.weight_hh_l0)[0]
    assert (heeding - plain).norm() > 0.01 * plain.norm()


@pytest.mark.parametrize("through", [False, True])
def test_states_of_soft_words_have_a_gradient_through_them_where_they_are_to(through):
    model, batch = small(through=through), said(16, torch.Generator().manual_seed(0))
    _, states, _ = model.say(model.content(batch["x"], batch["y"]), batch["y"], 4, model.temperature)
    code, words = torch.autograd.grad(
        states.square().sum(), [model.encoder.weight_hh_l0, model.speak.weight], allow_unused=True
    )
    assert code.norm() > 0
    assert (words is not None) == through


def test_the_adversary_learns_and_comes_in_behind_half_of_the_warm_up():
    model, batch = small(warmup=4), said(32, torch.Generator().manual_seed(0))
    first = model.judge_loss(batch)[0]
    moves = torch.autograd.grad(first, tuple(model.judges.parameters()))
    assert first == 0
    assert not any(of.any() for of in moves)
    for _ in range(2):
        loss, logs = model.loss(batch)
        assert loss == logs["rec"]
        assert set(logs) == {"rec"}
        model.ramp.advance()
    teach_judges(model, batch)
    for share in (0, 0.5, 1, 1):
        loss, logs = model.loss(batch)
        assert logs["heeded"] == 1
        assert loss.item() == pytest.approx((logs["rec"] + model.weight * share * logs["adv"]).item(), rel=1e-5)
        model.ramp.advance()


def test_a_batch_of_one_style_is_no_trouble():
    model, batch = small(warmup=0), said(8, torch.Generator().manual_seed(0))
    batch["y"][:] = 1
    assert all(loss(batch)[0].isfinite() for loss in (model.loss, model.judge_loss))


def test_codes_take_no_notice_of_padding(generator):
    model, x = small().eval(), said(8, generator)["x"]
    assert model.encode(x).shape == (8, model.code_size)
    assert torch.allclose(model.encode(x), model.encode(x[:, :4]), atol=1e-6)
