"""Attribute transfer: its six losses, its words, and a small language of which it must learn to change one word."""

import math

import pytest
import torch

from representations.attribute_transfer import Memory, Said
from representations.fit import fit
from representations.registry import load, make, save


def said(n, generator):
    """Sentences "topic is sentiment .": topics 4 to 6, sentiments 8 and 9 (class 0) or 10 and 11 (class 1)."""
    topic = torch.randint(4, 7, (n,), generator=generator)
    y = torch.randint(2, (n,), generator=generator)
    word = 8 + 2 * y + torch.randint(2, (n,), generator=generator)
    x = torch.stack([topic, torch.full_like(y, 7), word, torch.full_like(y, 2), torch.zeros_like(y)], 1)
    return {"x": x, "y": y, "nouns": (x >= 4) & (x < 7)}


def small(**more):
    torch.manual_seed(0)
    settings = {"words": 12, "length": 6, "embedding": 16, "hidden": 24, "filters": 8, "warmup": 60}
    return make("attribute_transfer", **(settings | {"learning_rate": 1e-2} | more))


@pytest.fixture(scope="module")
def model():
    model = small()
    fit(model, lambda g: said(32, g), 250, torch.Generator().manual_seed(0), device="cpu", progress=False)
    return model


def test_transfer_changes_the_attribute_and_keeps_the_rest(model):
    batch = said(60, torch.Generator().manual_seed(5))
    assert torch.equal(model.attribute(batch["x"]), batch["y"])
    same = model.transfer(batch["x"], batch["y"])
    assert (same[:, :4] == batch["x"][:, :4]).float().mean() > 0.9
    moved = model.transfer(batch["x"], 1 - batch["y"])
    assert moved.shape == (60, 6)
    assert (moved[:, 0] == batch["x"][:, 0]).float().mean() > 0.9
    assert torch.isin(moved[:, 2], torch.tensor([8, 9, 10, 11])).float().mean() > 0.8
    assert ((moved[:, 2] >= 10).long() == 1 - batch["y"]).float().mean() > 0.8


def test_a_saved_model_transfers_the_same(model, tmp_path):
    batch = said(5, torch.Generator().manual_seed(5))
    save(model, tmp_path)
    assert torch.equal(load(tmp_path).transfer(batch["x"], 1 - batch["y"]), model.transfer(batch["x"], 1 - batch["y"]))


def test_what_is_said_ends_once_and_never_begins(model):
    batch = said(60, torch.Generator().manual_seed(5))
    for sentence in model.transfer(batch["x"], 1 - batch["y"]).tolist():
        assert 1 not in sentence
        assert sentence.count(2) <= 1
        if 2 in sentence:
            behind = sentence[sentence.index(2) + 1 :]
            assert behind == [0] * len(behind)
            assert 0 not in sentence[: sentence.index(2)]


def test_padding_takes_no_part(model):
    batch = said(8, torch.Generator().manual_seed(5))
    assert model.encode(batch["x"]).shape == (8, model.code_size) == (8, 24)
    assert torch.allclose(model.encode(batch["x"]), model.encode(batch["x"][:, :4]), atol=1e-6)
    wide = {name: torch.nn.functional.pad(batch[name], (0, 3)) for name in ("x", "nouns")} | {"y": batch["y"]}
    fresh = small()  # in its warm-up, where nothing is drawn
    assert torch.allclose(fresh.loss(batch)[0], fresh.loss(wide)[0], atol=1e-5)


def test_nouns_are_asked_for_where_their_attention_is():
    """Two words, the noun 5 first; said: noun last, with its attention there. Its probability there is a quarter."""
    model = small()
    log_p = torch.full((1, 3, 12), math.log(0.01))
    log_p[0, 2, 5] = math.log(0.25)
    attention = torch.tensor([[[0.1, 0.9], [0.3, 0.7], [0.8, 0.2]]])
    mask = torch.ones(1, 3, dtype=torch.bool)
    spoken = Said(torch.zeros(1, 3, dtype=torch.int64), torch.zeros(1, 3, 16), mask, log_p, attention)
    ids, noun = torch.tensor([[5, 6]]), torch.tensor([[True, False]])
    assert model.content(spoken, ids, noun).item() == pytest.approx(math.log(4))
    assert model.content(spoken, ids, ~noun).item() == pytest.approx(math.log(100))
    assert model.content(spoken, ids, torch.tensor([[True, True]])).item() == pytest.approx(math.log(20))
    cut = Said(*spoken[:2], torch.tensor([[True, True, False]]), log_p, attention)
    assert model.content(cut, ids, noun).item() == pytest.approx(math.log(100))  # what stands behind the end counts not
    assert model.content(spoken, ids, torch.zeros(1, 2, dtype=torch.bool)) == 0


def test_attention_is_a_distribution_over_the_words_that_are_there():
    model, batch = small(), said(4, torch.Generator().manual_seed(0))
    memory = model.attend(model.embedding(batch["x"]), batch["x"] != 0, batch["y"])
    assert isinstance(memory, Memory)
    attention = model.say(memory, batch["y"], 3).attention
    assert attention.shape == (4, 3, 5)
    assert torch.allclose(attention.sum(-1), torch.ones(4, 3))
    assert (attention[..., 4] == 0).all()


def test_the_loss_is_the_weighted_sum_of_six_that_come_in_behind_the_warm_up():
    names = ("rec", "cnt_rec", "back_rec", "class_od", "class_td", "class_btd")
    weights = {f"weigh_{name}": float(k + 1) for k, name in enumerate(names)}
    model, batch = small(warmup=4, **weights), said(16, torch.Generator().manual_seed(0))
    shares = []
    for _ in range(5):
        torch.manual_seed(1)
        loss, logs = model.loss(batch)
        real = logs["rec"] + 4 * logs["class_od"]
        rest = sum(weights[f"weigh_{name}"] * logs[name] for name in names if name in logs) - real
        shares.append(((loss - real) / rest).item() if len(logs) > 3 else 0.0)
        model.ramp.advance()
    assert shares == pytest.approx([0, 0, 0, 0.5, 1], abs=1e-5)
    assert logs["class_td"].item() == pytest.approx(math.log(2), abs=0.2)


def test_losses_on_generated_sentences_move_the_generator():
    """Each of the four alone has a gradient at the encoder and at the decoder."""
    for name in ("cnt_rec", "back_rec", "class_td", "class_btd"):
        model, batch = small(warmup=0), said(16, torch.Generator().manual_seed(0))
        logs = model.loss(batch)[1]
        found = torch.autograd.grad(logs[name], [model.encoder.weight_hh_l0, model.decoder.weight_hh_l0])
        assert all(part.abs().sum() > 0 for part in found), name


@pytest.mark.parametrize("collaboration", [0.0, 0.5, 1.0])
def test_the_classifier_learns_from_generated_sentences_by_its_share(collaboration):
    batch = said(16, torch.Generator().manual_seed(0))
    found = []
    for share in (collaboration, 1.0):
        model = small(warmup=0, collaboration=share)
        torch.manual_seed(1)
        loss = model.loss(batch)[1]["class_td"]
        found.append(torch.autograd.grad(loss, [model.classifier.classify.weight, model.decoder.weight_hh_l0]))
    (ours, generator), (whole, same) = found
    assert torch.allclose(ours, collaboration * whole, atol=1e-6)
    assert torch.allclose(generator, same, atol=1e-6)
    assert whole.abs().sum() > 0


def test_wrong_batches_are_named():
    model, batch = small(), said(4, torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="nouns is missing"):
        model.loss({"x": batch["x"], "y": batch["y"]})
    with pytest.raises(ValueError, match="y"):
        model.loss(batch | {"y": batch["y"][:3]})
    with pytest.raises(TypeError, match="integer"):
        model.transfer(batch["x"].float(), batch["y"])
    with pytest.raises(ValueError, match=r"0 \.\. 11, got 0 \.\. 12"):
        model.transfer(torch.tensor([[12, 2, 0]]), torch.tensor([0]))
    with pytest.raises(ValueError, match="padding only"):
        model.encode(torch.tensor([[4, 2], [0, 0]]))
