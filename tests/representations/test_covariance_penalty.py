import numpy as np
import pytest
import torch
from torch import nn

from benchmarks.metrics import cvr, tdv
from representations import fit, load, make, save
from representations.covariance_penalty import watch
from representations.parts.terms import covariance_penalty, l1_penalty


def test_the_penalty_is_the_mean_magnitude_of_numpys_covariance(generator):
    codes = torch.randn(50, 6, generator=generator) @ torch.randn(6, 6, generator=generator)
    expected = np.abs(np.cov(codes.numpy(), rowvar=False)).sum() / 36
    assert covariance_penalty(codes).item() == pytest.approx(expected, rel=1e-5)
    assert covariance_penalty(codes + 7).item() == pytest.approx(expected, rel=1e-4)
    assert covariance_penalty(3 * codes).item() == pytest.approx(9 * expected, rel=1e-5)
    assert l1_penalty(-3 * codes).item() == pytest.approx(3 * codes.abs().mean().item(), rel=1e-5)


def test_of_codes_with_these_variances_uncorrelated_ones_cost_least(generator):
    free = torch.linalg.qr(torch.randn(200, 4, generator=generator))[0]
    free = free - free.mean(0)
    mixed = free @ torch.linalg.qr(torch.randn(4, 4, generator=generator))[0]
    tied = free[:, :1].expand(-1, 4)
    assert covariance_penalty(free) < covariance_penalty(tied)
    assert covariance_penalty(mixed) < covariance_penalty(tied)
    assert covariance_penalty(tied).item() == pytest.approx(free[:, 0].var().item(), rel=1e-4)


def test_any_layer_of_any_module_can_be_watched(generator):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 3))
    x = torch.rand(5, 1, 4, 4, generator=generator)
    with watch(network, ["0", "3"]) as seen:
        y = network(x)
    torch.testing.assert_close(seen["0"], network[0](x).flatten(1))
    assert torch.equal(seen["3"], y)
    covariance_penalty(seen["0"]).backward()
    assert network[0].weight.grad.abs().sum() > 0
    network(2 * x)
    assert torch.equal(seen["3"], y)  # the hooks are gone
    with pytest.raises(ValueError, match="no layer 'last'; its layers are 0, 1, 2, 3"), watch(network, ["last"]):
        pass


def trained(penalty: str, weight: float):
    draw = torch.Generator().manual_seed(3)
    x = torch.randn(2000, 2, generator=draw) @ torch.randn(2, 5, generator=draw)
    torch.manual_seed(0)
    model = make("covariance_penalty", shape=(5,), code_size=5, penalty=penalty, weight=weight, learning_rate=1e-2)
    batch = lambda g: x[torch.randint(2000, (64,), generator=g)]  # noqa: E731
    fit(model, batch, 600, torch.Generator().manual_seed(0), progress=False, decay=True, device="cpu")
    with torch.no_grad():
        codes = model.encode(x)
        return codes, ((model.decode(codes) - x).square().mean() / x.var()).item()


def test_two_hidden_numbers_are_found_behind_five():
    plain, _ = trained("covariance", 0.0)
    found, lost = trained("covariance", 0.1)
    assert lost < 0.01
    assert tdv(found, 2) > max(0.93, tdv(plain, 2) + 0.05)
    assert cvr(found) < 0.6 * cvr(plain)


def test_the_loss_is_the_error_plus_the_weighted_penalty(generator):
    x = torch.randint(0, 256, (6, 3, 8, 8), generator=generator, dtype=torch.uint8)
    for penalty, term in (("covariance", covariance_penalty), ("l1", l1_penalty)):
        torch.manual_seed(0)
        model = make("covariance_penalty", shape=(3, 8, 8), code_size=4, penalty=penalty, weight=0.5, channels=4)
        loss, logs = model.loss(x)
        codes = model.encode(x)
        error = (2 * model.decode(codes) - 1 - (2 * x.float() / 255 - 1)).square().mean()  # pixels from -1 to 1
        assert logs["error"].item() == pytest.approx(error.item(), rel=1e-5)
        assert loss.item() == pytest.approx((error + 0.5 * term(codes)).item(), rel=1e-5)


def test_the_picture_network_has_the_papers_size_and_is_saved_to_the_bit(tmp_path, generator):
    model = make("covariance_penalty").eval()
    assert model.code_size == 84
    assert sum(p.numel() for p in model.parameters()) == pytest.approx(500_000, rel=0.05)
    x = torch.randint(0, 256, (2, 3, 32, 32), generator=generator, dtype=torch.uint8)
    assert torch.equal(load(save(model, tmp_path)).encode(x), model.encode(x))
    assert model.decode(model.encode(x)).shape == (2, 3, 32, 32)


def test_both_hidden_layers_of_the_classifier_are_penalised(generator):
    torch.manual_seed(0)
    model = make("covariance_classifier", weight=0.2)
    x = torch.rand(16, 2, generator=generator)
    y = (x.sum(1, keepdim=True) > 1).float()
    loss, logs = model.loss({"x": x, "y": y})
    first, second = model.layers(x)
    assert first.shape == second.shape == (16, 4)
    assert torch.equal(model.encode(x), second)
    cost = covariance_penalty(first) + covariance_penalty(second)
    error = nn.functional.binary_cross_entropy(model.classify(x), y)
    assert loss.item() == pytest.approx((error + 0.2 * cost).item(), rel=1e-5)
    assert logs["cost"].item() == pytest.approx(cost.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("covariance_penalty", {"penalty": "l2"}, "penalty must be 'covariance' or 'l1', got 'l2'"),
        ("covariance_penalty", {"weight": -1.0}, "weight must be at least 0"),
        ("covariance_penalty", {"shape": (3, 30, 30)}, "multiples of 4"),
        ("covariance_penalty", {"shape": (3, 32)}, "shape must be"),
        ("covariance_classifier", {"sizes": (2, 1)}, "at least 3 entries"),
    ],
)
def test_impossible_settings_are_named(name, settings, message):
    with pytest.raises(ValueError, match=message):
        make(name, **settings)
