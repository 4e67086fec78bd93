import math

import pytest
import torch

import representations
from representations import fit
from representations.capacity_vae import Capacity

torch.set_num_threads(1)

SMALL = {"shape": (1, 16, 16), "channels": 4, "hidden": 8}


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def bottleneck(**settings):
    torch.manual_seed(0)
    return representations.make("factor_bottleneck", low=(0.0, -1.0), high=(1.0, 1.0), **(SMALL | settings))


def bars(generator: torch.Generator) -> dict[str, torch.Tensor]:
    """A white column at the place of the first factor; the second factor changes nothing."""
    factors = torch.rand(32, 2, generator=generator) * torch.tensor([1.0, 2.0]) - torch.tensor([0.0, 1.0])
    column = (factors[:, 0] * 15.99).long()
    pictures = 255 * torch.eye(16, dtype=torch.uint8)[column].view(-1, 1, 1, 16).expand(-1, 1, 16, 16)
    return {"factors": factors, "pictures": pictures}


def test_loss_by_hand():
    capacity = Capacity(1.0, 3.0, gamma=10.0, steps=4)
    nll, kl = torch.tensor([5.0, 7.0]), torch.tensor([[0.5, 0.0], [1.5, 2.0]])
    for expected in (1.0, 1.5, 2.0, 2.5, 3.0, 3.0):
        loss, logs = capacity.terms(nll, kl)
        assert logs["capacity"].item() == expected
        assert loss.item() == pytest.approx(6.0 + 10 * abs(2.0 - expected))
        capacity.ramp.advance()
    assert (logs["kl_0"].item(), logs["kl_1"].item(), logs["kl"].item()) == (1.0, 1.0, 2.0)


def test_training_advances_the_capacity_one_step_at_a_time():
    torch.manual_seed(0)
    model = representations.make("capacity_vae", **SMALL, code_size=2, first=0.0, last=10.0, steps=4)
    batch = torch.zeros(4, 1, 16, 16, dtype=torch.uint8)
    logs = fit(model, lambda generator: batch, 6, seeded(), device="cpu", progress=False, log_every=1)
    assert [line["bound/capacity"] for line in logs] == [0.0, 2.5, 5.0, 7.5, 10.0, 10.0]
    assert {"bound/kl_0", "bound/kl_1"} <= set(logs[0])
    assert model.loss(batch)[1]["capacity"].item() == 10.0
    assert model.capacity.ramp.done.item() == 6  # a look at the loss is no step


def test_code_of_a_factor_is_its_standard_score_times_its_scale():
    model = bottleneck()
    with torch.no_grad():
        model.scale.copy_(torch.tensor([1.0, 2.0]))
    code = model.encode(torch.tensor([[0.5, 0.0], [1.0, -1.0]]))
    torch.testing.assert_close(code, torch.tensor([[0.0, 0.0], [math.sqrt(3), -2 * math.sqrt(3)]]))
    even = torch.linspace(0, 1, 1001)
    assert model.encode(torch.stack([even, even], 1))[:, 0].std().item() == pytest.approx(1, abs=0.01)


def test_capacity_goes_to_the_factor_that_pictures_show():
    model = bottleneck(channels=8, hidden=32, gamma=30.0, last=3.0, steps=500, learning_rate=1e-2, channel_rate=0.01)
    logs = fit(model, bars, 500, seeded(), device="cpu", progress=False, log_every=50)
    assert logs[-1]["bound/kl"] == pytest.approx(2.9, abs=0.2)
    assert logs[-1]["bound/kl_0"] > 2 * logs[-1]["bound/kl_1"]


def test_channels_move_by_their_gradient_and_the_decoder_by_adam():
    model = bottleneck(channel_rate=0.01, learning_rate=0.001).train()
    [player] = model.objectives()
    before = {name: value.clone() for name, value in model.named_parameters()}
    loss, _ = player.loss(bars(seeded()))  # draws the background's bias too
    before |= {name: value.clone() for name, value in model.named_parameters()}
    loss.backward()
    player.optimizer(player.parameters).step()
    for name, value in model.named_parameters():
        step = value.detach() - before[name]
        if name in ("scale", "logvar"):
            torch.testing.assert_close(step, -0.01 * value.grad, rtol=1e-4, atol=1e-7)
        else:
            moved = value.grad.abs() > 1e-3
            torch.testing.assert_close(step[moved], -0.001 * value.grad[moved].sign(), rtol=1e-2, atol=1e-7)


def test_bottleneck_is_saved_and_resumed(tmp_path):
    options = {"device": "cpu", "progress": False, "log_every": 2, "checkpoint_every": 2}
    whole, broken, resumed = bottleneck(steps=6), bottleneck(steps=6), bottleneck(steps=6)
    fit(whole, bars, 6, seeded(), **options)
    fit(broken, bars, 4, seeded(), tmp_path / "run", **options)
    fit(resumed, bars, 6, seeded(), tmp_path / "run", resume=True, **options)
    again = representations.load(representations.save(resumed, tmp_path / "model"))
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key
    factors = bars(seeded())["factors"]
    assert torch.equal(whole.encode(factors), again.encode(factors))


def test_wrong_factors_are_named():
    with pytest.raises(
        ValueError, match=r"observations must be a float \[n, code_size = 2\] tensor, got shape \[3, 4\]"
    ):
        bottleneck().encode(torch.zeros(3, 4))
    with pytest.raises(ValueError, match="a range for every factor"):
        representations.make("factor_bottleneck", low=(0.0,), high=(0.0,))
