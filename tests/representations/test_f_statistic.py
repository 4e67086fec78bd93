"""f_statistic, triplet, histogram and binomial_deviance: what they encode, minimise and refuse."""

import pytest
import torch

import representations
from representations import fit
from representations.parts.separation import f_statistic_loss

NAMES = ("f_statistic", "triplet", "histogram", "binomial_deviance")
SMALL = {"shape": (3, 16, 16), "classes": 5, "code_size": 4, "channels": 4, "hidden": 16}


def model(name, **more):
    torch.manual_seed(0)
    return representations.make(name, **(SMALL | more))


def batch_of(generator, each=4):
    y = torch.arange(5).repeat_interleave(each)
    x = torch.rand(len(y), 3, 16, 16, generator=generator) / 3
    for k in range(5):
        x[y == k, :, 3 * k : 3 * k + 3] += 0.6
    return {"x": x, "y": y}


def test_the_loss_is_that_of_the_codes(generator):
    learner, batch = model("f_statistic", best=3), batch_of(generator)
    wanted = f_statistic_loss(learner.encode(batch["x"]), batch["y"], 3)
    assert learner.loss(batch)[0].item() == pytest.approx(wanted.item())


@pytest.mark.parametrize("name", NAMES)
def test_training_separates_classes(name, generator):
    learner, batch = model(name, learning_rate=5e-3), batch_of(generator)
    before = learner.loss(batch)[0].item()
    fit(learner, batch_of, 60, torch.Generator().manual_seed(0), device="cpu", progress=False)
    assert learner.loss(batch_of(generator))[0].item() < 0.3 * before
    codes = learner.encode(batch["x"])
    nearest = torch.cdist(codes, codes).fill_diagonal_(9e9).argmin(1)
    assert torch.equal(batch["y"][nearest], batch["y"])


@pytest.mark.parametrize("name", NAMES)
def test_codes_and_a_saved_model(name, tmp_path, generator):
    learner = model(name).eval()
    x = (255 * batch_of(generator)["x"].clamp(0, 1)).to(torch.uint8)
    code = learner.encode(x)
    assert code.shape == (20, 4)
    if name in ("histogram", "binomial_deviance"):
        torch.testing.assert_close(code.norm(dim=1), torch.ones(20))
    again = representations.load(representations.save(learner, tmp_path))
    assert torch.equal(again.encode(x), code)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_that_compares_nothing_has_a_loss_and_no_gradient(name, generator):
    learner, batch = model(name), batch_of(generator)
    one = {"x": batch["x"][:1], "y": batch["y"][:1]}
    loss, _ = learner.loss(one)
    assert loss.item() == 0
    loss.backward()
    assert all(p.grad is None or not p.grad.any() for p in learner.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_labels_that_cannot_be_are_refused(name, generator):
    learner, batch = model(name), batch_of(generator)
    with pytest.raises(ValueError, match="y must be classes below 5"):
        learner.loss(batch | {"y": batch["y"] + 1})
    with pytest.raises(ValueError, match="labelled examples alone"):
        learner.loss(batch | {"labelled": torch.arange(20) < 3})
