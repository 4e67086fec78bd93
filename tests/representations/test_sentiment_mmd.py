"""Codes that move from one distribution to another, and the sentences they come from."""

import numpy as np
import pytest
import torch

from representations.fit import fit
from representations.registry import load, make, save
from representations.sentiment_mmd import traverse


def said(n, generator):
    """Sentences "topic is sentiment .": topics 4 to 6, sentiments 8 and 9 (class 0) or 10 and 11 (class 1)."""
    topic = torch.randint(4, 7, (n,), generator=generator)
    y = torch.randint(2, (n,), generator=generator)
    word = 8 + 2 * y + torch.randint(2, (n,), generator=generator)
    x = torch.stack([topic, torch.full_like(y, 7), word, torch.full_like(y, 2), torch.zeros_like(y)], 1)
    return {"x": x, "y": y}


def small(**more):
    torch.manual_seed(0)
    settings = {"words": 12, "length": 6, "embedding": 16, "filters": 12, "examples": 20, "warmup": 50}
    return make("sentiment_mmd", **(settings | {"learning_rate": 1e-2} | more))


@pytest.fixture(scope="module")
def model():
    model = small()
    fit(model, lambda g: said(32, g), 200, torch.Generator().manual_seed(0), device="cpu", progress=False)
    return model


def test_the_traversal_finds_the_least_of_the_witness_and_the_budget():
    """One source and one target on a line: the least over the line, looked for on a grid."""
    source, target = torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, 1.0]])
    sigma = 5.0  # their squared distance
    for budget in (0.0, 0.25, 50.0):
        moved = traverse(source, source, target, budget).numpy()[0]
        grid = np.stack(np.meshgrid(np.linspace(-1, 6, 701), np.linspace(-2, 4, 601), indexing="ij"), -1)
        witness = [np.exp(-((grid - p.numpy()) ** 2).sum(-1) / (2 * sigma)) for p in (source, target)]
        value = witness[0] - witness[1] + budget * ((grid - source.numpy()) ** 2).sum(-1) / sigma
        best = grid[np.unravel_index(value.argmin(), value.shape)]
        assert np.abs(moved - best).max() < 0.02


def test_a_code_moves_in_the_span_of_the_examples_and_itself_only():
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randn(5, 8, generator=generator), torch.randn(5, 8, generator=generator) + 1
    source[:, 6:], target[:, 6:] = 0, 0
    code = torch.randn(3, 8, generator=generator)
    code[:, 7] = 0
    moved = traverse(code, source, target, 1e-3)
    assert (moved[:, 7] == 0).all()
    assert ((moved - code)[:, :6].norm(dim=1) > 0.1).all()


def test_an_unlimited_budget_reaches_the_target_and_a_large_lambda_stays():
    generator = torch.Generator().manual_seed(0)
    source, target = torch.randn(30, 4, generator=generator) - 2, torch.randn(30, 4, generator=generator) + 2
    moved = traverse(source[:3], source, target, 0.0)
    assert ((moved - target.mean(0)).norm(dim=1) < (moved - source.mean(0)).norm(dim=1)).all()
    assert torch.allclose(traverse(source[:3], source, target, 1e6), source[:3], atol=1e-4)
    further = [(traverse(source[:1], source, target, b) - source[:1]).norm().item() for b in (0.0, 0.1, 1.0)]
    assert further[0] > further[1] > further[2]


def test_codes_take_no_notice_of_padding(model, generator):
    x = said(8, generator)["x"]
    assert model.encode(x).shape == (8, model.code_size) == (8, 48)
    assert torch.equal(model.encode(x), model.encode(x[:, :4]))


def test_a_transferred_sentence_has_the_other_sentiment_and_its_topic(model):
    batch = said(60, torch.Generator().manual_seed(5))
    assert torch.equal(model.decode(model.encode(batch["x"]))[:, :5], batch["x"])
    moved = model.transfer(batch["x"], 1 - batch["y"])
    assert moved.shape == (60, 6)
    assert (moved[:, 0] == batch["x"][:, 0]).float().mean() > 0.8
    assert ((moved[:, 2] >= 10).long() == 1 - batch["y"]).float().mean() > 0.8
    assert torch.equal(model.transfer(batch["x"], batch["y"])[:, :5], batch["x"])  # it has that sentiment already


def test_the_examples_are_the_latest_of_each_class_and_are_saved(model, tmp_path):
    fresh = small(examples=3).train()
    x, y = said(1, torch.Generator())["x"].repeat(7, 1), torch.tensor([0, 0, 1, 0, 0, 0, 1])
    x[:, 0] = torch.tensor([4, 5, 4, 6, 7, 8, 9])
    fresh.loss({"x": x[:4], "y": y[:4]})
    assert fresh.kept[0, :, 0].tolist() == [4, 5, 6]
    fresh.loss({"x": x[4:], "y": y[4:]})
    assert sorted(fresh.kept[0, :, 0].tolist()) == [6, 7, 8]
    assert fresh.kept[1, :2, 0].tolist() == [4, 9]
    assert len(fresh.examples(1)) == 2
    save(model, tmp_path)
    batch = said(5, torch.Generator().manual_seed(5))
    assert torch.equal(load(tmp_path).transfer(batch["x"], 1 - batch["y"]), model.transfer(batch["x"], 1 - batch["y"]))


def test_the_sentiment_is_learned_behind_the_warm_up_only():
    fresh, batch = small(warmup=2), said(16, torch.Generator().manual_seed(0))
    loss, logs = fresh.loss(batch)
    assert torch.equal(loss, logs["nll"])
    fresh.ramp.advance()
    fresh.ramp.advance()
    loss, logs = fresh.loss(batch)
    assert torch.allclose(loss, logs["nll"] + logs["sentiment"])


def test_what_cannot_be_moved_is_named():
    fresh, x = small(), torch.tensor([[4, 2]])
    with pytest.raises(ValueError, match="no sentence of class"):
        fresh.move(fresh.encode(x), 1 - fresh.classify(fresh.encode(x)).argmax(-1))
    with pytest.raises(TypeError, match="integer"):
        fresh.encode(torch.ones(2, 3))
