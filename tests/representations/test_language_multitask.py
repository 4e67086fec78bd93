"""Language multitasking: what a code is, what decoders are taught, and that they learn to say it."""

import pytest
import torch
from torch.nn import functional

from representations.fit import fit
from representations.language_multitask import VIEWS
from representations.registry import load, make, save

torch.set_num_threads(1)
LINES = torch.tensor(
    [[5, 6, 7, 8, 2, 0], [6, 5, 2, 0, 0, 0], [2, 0, 0, 0, 0, 0], [7, 7, 5, 6, 8, 2], [8, 2, 0, 0, 0, 0]]
)


def small(decoders="R,D,P", **more):
    torch.manual_seed(0)
    settings = {"words": 9, "length": 7, "tags": 7, "code_size": 6, "hidden": 16, "embedding": 5}
    return make("language_multitask", decoders=decoders, **(settings | more))


def batch():
    """What is said in German is the sentence's order turned round; its tags are which of two halves a symbol is of."""
    german = LINES.clone()
    for row, ids in enumerate(LINES):
        length = int((ids > 2).sum())
        german[row, :length] = ids[:length].flip(0)
    tags = torch.where(LINES > 2, 4 + (LINES > 6).long(), LINES)
    return {"en": LINES, "de": german, "fr": LINES.clone(), "tags": tags}


@pytest.mark.parametrize("backwards", [False, True])
def test_what_stands_behind_the_end_does_not_change_a_code(backwards):
    model = small(backwards=backwards)
    code = model.encode(LINES)
    assert code.shape == (5, model.code_size)
    assert torch.allclose(model.encode(functional.pad(LINES, (0, 4))), code, atol=1e-6)
    each = torch.cat([model.encode(row[None, : int((row != 0).sum())]) for row in LINES])
    assert torch.allclose(each, code, atol=1e-6)
    assert (code[:, None] - code).norm(dim=2)[~torch.eye(5, dtype=torch.bool)].min() > 1e-4
    assert model.encode(LINES[:0]).shape == (0, model.code_size)


def test_backwards_is_forwards_on_sentences_turned_round():
    model, other = small(), small(backwards=True)
    other.load_state_dict(model.state_dict())
    assert torch.allclose(model.encode(batch()["de"]), other.encode(LINES), atol=1e-6)


@pytest.mark.parametrize("fed", [False, True])
def test_the_loss_is_that_of_one_symbol_after_another(fed):
    """As the equations stand, with cells in place of fused kernels, a sentence at a time."""
    model, given = small(fed=fed), batch()
    told = model.nll(given)
    for name, decoder in model.decoders.items():
        cell = torch.nn.LSTMCell(5 + 16 * fed, 16)
        cell.load_state_dict({key.removesuffix("_l0"): value for key, value in decoder.recurrent.state_dict().items()})
        total, count = 0.0, 0
        for source, ids in zip(given["en"], given[VIEWS[name]], strict=True):
            code = model.encode(source[None])
            state = decoder.start(code).chunk(2, -1)
            before = torch.tensor([1])
            for symbol in ids[ids != 0]:
                read = [decoder.embedding(before)] + ([decoder.fed(code)] if fed else [])
                state = cell(torch.cat(read, 1), state)
                total -= decoder.output(state[0]).log_softmax(-1)[0, symbol]
                before, count = symbol[None], count + 1
        assert torch.allclose(told[name], total / count, atol=1e-5)
    loss, logs = model.loss(given)
    assert torch.allclose(loss, sum(logs.values()))
    assert set(logs) == {"R", "D", "P"}


@pytest.mark.parametrize("fed", [False, True])
def test_decoders_learn_to_say_the_sentence_its_translation_and_its_tags(fed):
    model, given = small(learning_rate=1e-2, hidden=32, code_size=16, fed=fed), batch()
    fit(model, lambda g: given, 200, torch.Generator().manual_seed(0), device="cpu", progress=False)
    code = model.encode(LINES)
    said = {name: model.say(code, name) for name in model.names}
    assert all(ids.shape == (5, 7) for ids in said.values())
    for name, ids in said.items():
        assert torch.equal(ids[:, :6], given[VIEWS[name]]), name
    assert torch.equal(model.decode(code), said["R"])
    assert max(value.exp().item() for value in model.nll(given).values()) < 1.1


def test_the_encoder_learns_from_every_decoder_and_a_decoder_from_its_own_task():
    model, given = small(), batch()
    for name, value in model.nll(given).items():
        model.zero_grad()
        value.backward(retain_graph=True)
        assert model.representation.weight.grad.abs().max() > 0
        for other, decoder in model.decoders.items():
            moved = decoder.start.weight.grad is not None and bool((decoder.start.weight.grad != 0).any())
            assert moved == (name == other)


def test_a_saved_model_encodes_and_says_the_same(tmp_path):
    model = small("R,P")
    save(model, tmp_path)
    again = load(tmp_path)
    assert again.names == ("R", "P")
    assert torch.equal(again.encode(LINES), model.encode(LINES))
    assert torch.equal(again.say(again.encode(LINES), "P"), model.say(model.encode(LINES), "P"))


def test_what_cannot_be_is_refused():
    for wrong in ("", "R,X", "R,R", "r"):
        with pytest.raises(ValueError, match="R, D, F, P"):
            small(wrong)
    model = small()
    with pytest.raises(ValueError, match="it lacks de"):
        model.loss({"en": LINES, "tags": batch()["tags"]})
    with pytest.raises(ValueError, match=r"0 \.\. 8, got 0 \.\. 9"):
        model.encode(LINES + (LINES == 8))
    with pytest.raises(ValueError, match="padding only"):
        model.encode(LINES * 0)
    with pytest.raises(ValueError, match=r"0 \.\. 6"):
        model.loss(batch() | {"tags": LINES})
    with pytest.raises(ValueError, match=r'batch\["de"\]'):
        model.loss(batch() | {"de": LINES[:3]})
    with pytest.raises(ValueError, match="one of R, D, P, got 'F'"):
        model.say(model.encode(LINES), "F")
    with pytest.raises(TypeError, match="integer"):
        model.encode(LINES.float())
