"""Features with policies of their own: the objective and its two estimators."""

import math

import pytest
import torch

from representations import load, make, save
from representations.icf_discrete import Places


def small(**settings):
    torch.manual_seed(0)
    return make(
        "icf_discrete", **({"shape": (1, 16, 16), "actions": 3, "channels": 2, "hidden": 8, "steps": 20} | settings)
    )


def batch_of(generator, n=5, actions=3):
    pictures = (torch.rand(n, 1, 16, 16, generator=generator) * 255).to(torch.uint8)
    after = (torch.rand(n, actions, 1, 16, 16, generator=generator) * 255).to(torch.uint8)
    return {"pictures": pictures, "after": after, "allowed": torch.ones(n, actions, dtype=torch.bool)}


@pytest.mark.parametrize("kernel", ["gaussian", "directed", "absolute"])
@pytest.mark.parametrize("signed", [False, True])
def test_selectivity_compares_every_feature_with_all(kernel, signed, generator):
    model = small(kernel=kernel, signed=signed)
    change = torch.randn(6, 4, generator=generator)
    found = model.selectivity(change)
    for row, got in zip(change, found, strict=True):
        scores = []
        for sign in (1, -1) if signed else (1,):
            for k in range(4):
                unit = 2 * torch.eye(4)[k] * sign
                if kernel == "gaussian":
                    scores.append(math.exp(-0.5 * float((row - unit).square().sum())))
                elif kernel == "directed":
                    scores.append(max(0.0, sign * float(row[k])) + 1e-3)
                else:
                    scores.append(abs(float(row[k])) + 1e-3)
        expected = torch.tensor([math.log(s / (sum(scores) / len(scores))) for s in scores])
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("signed", [False, True])
def test_both_estimators_have_the_same_gradient(signed, generator):
    batch, found = batch_of(generator), []
    n, actions = batch["after"].shape[:2]
    rows = {
        "pictures": batch["pictures"].repeat_interleave(actions, 0),
        "after": batch["after"].flatten(0, 1)[:, None],
        "actions": torch.arange(actions).repeat(n),
        "chances": torch.full((n * actions,), 1 / actions),
        "allowed": batch["allowed"].repeat_interleave(actions, 0),
    }
    options = {"signed": signed, "whiten": False, "alike": 0.0, "normalise": False, "entropy": 0.0}
    for estimator, given in (("enumerated", batch), ("sampled", rows)):
        model = small(estimator=estimator, **options).eval()
        loss, logs = model.loss(given)
        moved = [*model.policies.parameters(), *model.encoder.parameters()]
        found.append((torch.autograd.grad(loss, moved), logs["selectivity"]))
    torch.testing.assert_close(found[0][1], found[1][1], rtol=1e-4, atol=1e-6)
    assert max(g.abs().max() for g in found[0][0]) > 1e-5
    for one, other in zip(found[0][0], found[1][0], strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)


def test_policies_are_apart_and_alike_everywhere_at_first(generator):
    model = small(alike=0.5, hidden=16)
    codes = torch.randn(4, 4, generator=generator)
    for step, alike in ((0, True), (20, False)):
        model.step.fill_(step)
        log_pi = model.log_policies(codes)
        assert log_pi.shape == (4, 8, 3)
        assert bool(log_pi.std(0).max() < 1e-6) is alike
    grads = torch.autograd.grad(
        model.log_policies(codes)[:, 2, 0].sum(), list(model.policies.parameters()), allow_unused=True
    )
    per_policy = len(grads) // 8
    touched = {i // per_policy for i, g in enumerate(grads) if g is not None and g.abs().max() > 0}
    assert touched == {2}


def test_what_is_attended_to_is_read_as_its_place():
    """With the picture's own brightness as the map, a bright block's place comes out, whatever dim things are there."""
    net = Places((1, 64, 64), 2, 2, maps=1)
    net.maps = torch.nn.Sequential(torch.nn.AvgPool2d(4))
    with torch.no_grad():
        net.read.weight.copy_(torch.eye(2))
        net.read.bias.zero_()
    for row, column in ((0, 0), (7, 3), (15, 15)):
        picture = torch.zeros(1, 1, 64, 64)
        picture[:, :, 20:24, 40:44] = 0.3
        picture[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] = 1
        expected = torch.tensor([[row, column]]) / 7.5 - 1
        torch.testing.assert_close(net(100 * picture), expected, atol=1e-4, rtol=0)


def test_a_saved_model_encodes_the_same(tmp_path, generator):
    model = small(attend=False).eval()
    pictures = batch_of(generator)["pictures"]
    save(model, tmp_path)
    assert torch.equal(load(tmp_path).encode(pictures), model.encode(pictures))
    assert model.encode(pictures).shape == (5, 4)


def test_bad_settings_are_named():
    with pytest.raises(ValueError, match="kernel must"):
        small(kernel="cosine")
    with pytest.raises(ValueError, match="estimator must"):
        small(estimator="exact")
    with pytest.raises(ValueError, match="alike"):
        small(alike=1.0)
