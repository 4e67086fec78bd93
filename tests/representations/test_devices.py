"""What a learner makes lies where its input does, shown on a device that is none."""

import pytest
import torch
from torch.utils._pytree import tree_map

import representations
from representations.model import Decodes, Predicts, not_finite
from tests.elsewhere import Device, There, here, there, there_in
from tests.representations.two_processes import LEARNERS, draw


def loss(player, batch):
    torch.manual_seed(1)
    return player.loss(batch)


# InfoGAN's loss asks autograd for a slope in its middle, which does not know the device that is none.
@pytest.mark.parametrize("name", [name for name in LEARNERS if name != "infogan"])
def test_losses_codes_and_pictures_are_made_where_the_batch_is(name, generator):
    model, settings = LEARNERS[name]
    torch.manual_seed(0)
    learner = representations.make(model, **settings)
    torch.manual_seed(0)
    away = there_in(representations.make(model, **settings))
    batch = draw(name, generator)
    for player, other in zip(learner.objectives(), away.objectives(), strict=True):
        wanted, _ = loss(player, batch)
        with Device():
            found, logs = loss(other, tree_map(there, batch))
        assert isinstance(found, There)
        assert torch.equal(here(found), wanted)
        assert all(isinstance(value, There) or not value.ndim for value in logs.values())
    pictures = batch["x"] if isinstance(batch, dict) else batch
    with Device():
        code = away.eval().encode(there(pictures))
        assert isinstance(code, There)
        assert not isinstance(away, Decodes) or isinstance(away.decode(code), There)
        assert not isinstance(away, Predicts) or isinstance(away.predict(code, there(batch["u"])), There)
    assert torch.equal(here(code), learner.eval().encode(pictures))


def test_what_is_not_finite_is_found_on_every_device():
    tensors = {"weight": there(torch.ones(3)), "step": torch.tensor(2.0)}
    assert not_finite(tensors) == []
    assert not_finite(tensors | {"moment": there(torch.tensor([1.0, torch.inf]))}) == ["moment"]
    assert not_finite(tensors | {"count": torch.tensor(torch.nan)}) == ["count"]
