"""linear_constraints: the loss term by term, and that inversion gives the attributes that were asked for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from representations import Decodes, Generates, fit, load, make, save
from representations.linear_constraints import peaked
from representations.parts.terms import gaussian_kl

SMALL = {"shape": (1, 8, 8), "network": "dense", "hidden": 16, "attributes": (4, (-2.0, 6.0), 3), "code_size": 8}
KINDS = [(variational, joint) for variational in (False, True) for joint in (False, True)]


def model(seed=0, **more):
    torch.manual_seed(seed)
    return make("linear_constraints", **(SMALL | more))


def batch_of(generator, n=12):
    y = torch.stack(
        [
            torch.randint(4, (n,), generator=generator).float(),
            8 * torch.rand(n, generator=generator) - 2,
            torch.randint(3, (n,), generator=generator).float(),
        ],
        1,
    )
    return {"x": torch.randint(0, 256, (n, 1, 8, 8), generator=generator, dtype=torch.uint8), "y": y}


def requests_of(generator, n=5):
    """Random requests for all three attributes, the classes' as soft distributions."""
    soft = [torch.rand(n, k, generator=generator, dtype=torch.float64) + 0.01 for k in (4, 3)]
    first, last = (each / each.sum(1, keepdim=True) for each in soft)
    return {0: first, 1: 8 * torch.rand(n, generator=generator, dtype=torch.float64) - 2, 2: last}


def met(found, requests):
    """The greatest differences of estimates from requests, numbers in half ranges."""
    return [(found[k] - wanted).abs().max().item() / (4 if wanted.ndim == 1 else 1) for k, wanted in requests.items()]


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    ratios=st.sampled_from(["centred", "last"]),
    some=st.sets(st.integers(0, 2), min_size=1),
)
def test_an_inverted_code_has_the_attributes_that_were_asked_for(seed, ratios, some):
    learner, generator = model(seed), torch.Generator().manual_seed(seed)
    requests = {k: wanted for k, wanted in requests_of(generator).items() if k in some}
    base = torch.randn(5, 8, generator=generator)
    for start in (None, base):
        code = learner.invert(requests, start, ratios=ratios)
        assert max(met(learner.estimate(code), requests)) < 1e-3  # codes are float32, small weights make them large


def test_it_is_the_nearest_such_code_and_keeps_what_attributes_do_not_say(generator):
    learner, requests = model(), requests_of(generator)
    base = torch.randn(5, 8, generator=generator)
    code = learner.invert(requests, base)
    matrix, target = learner.system(requests)
    torch.testing.assert_close(code.double() @ matrix.T, target, atol=1e-4, rtol=1e-4)
    null = torch.linalg.svd(matrix).Vh[6:].float()  # 3 + 1 + 2 independent rows of 8
    torch.testing.assert_close(code @ null.T, base @ null.T, atol=1e-4, rtol=1e-4)
    other = learner.invert(requests, torch.zeros(1, 8))
    assert (code - other).norm(dim=1).max() > 0.1
    torch.testing.assert_close(learner.invert(requests, code), code, atol=1e-4, rtol=1e-4)


def test_with_as_many_rows_as_dimensions_it_is_the_papers_equation_6():
    learner = model(attributes=((0.0, 1.0), (0.0, 1.0), (0.0, 1.0)), code_size=2)
    wanted = {k: torch.rand(4, generator=torch.Generator().manual_seed(k)) for k in range(3)}
    weight, bias = learner.estimator.weight.double(), learner.estimator.bias.double()
    asked = 2 * torch.stack([wanted[k].double() for k in range(3)], 1) - 1
    expected = torch.linalg.inv(weight.T @ weight) @ weight.T @ (asked - bias).T
    torch.testing.assert_close(learner.invert(wanted).double(), expected.T, atol=1e-5, rtol=1e-4)


def test_with_fewer_dimensions_the_last_class_decides_but_centred_ratios_do_not():
    learner = model(attributes=(5,), code_size=2)
    order = torch.tensor([4, 0, 1, 2, 3])
    other = model(attributes=(5,), code_size=2)
    with torch.no_grad():
        other.estimator.weight.copy_(learner.estimator.weight[order])
        other.estimator.bias.copy_(learner.estimator.bias[order])
    wanted = peaked(torch.arange(5), 5)
    same = learner.invert({0: wanted}) - other.invert({0: wanted[:, order]})
    assert same.abs().max() < 1e-3
    last = learner.invert({0: wanted}, ratios="last") - other.invert({0: wanted[:, order]}, ratios="last")
    assert last.abs().max() > 0.1


def test_an_edit_moves_one_attribute_and_holds_the_others(generator):
    learner, requests = model(), requests_of(generator)
    code = torch.randn(5, 8, generator=generator)
    before = learner.estimate(code)
    for k, wanted in requests.items():
        after = learner.estimate(learner.edit(code, {k: wanted}))
        for j, told in enumerate(after):
            goal = wanted.float() if j == k else before[j]
            torch.testing.assert_close(told, goal, atol=2e-3, rtol=1e-3)


@pytest.mark.parametrize(("variational", "joint"), KINDS)
def test_the_loss_is_the_pixels_and_the_weighed_attributes(variational, joint, generator, monkeypatch):
    monkeypatch.setattr("representations.linear_constraints.gaussian_sample", lambda mean, logvar: mean)
    learner, batch = model(variational=variational, joint=joint, weight=3.0).eval(), batch_of(generator)
    x, y = batch["x"].float() / 255, batch["y"]
    found = learner.encoder(x)
    code, logvar = found.chunk(2, -1) if variational else (found, None)
    error = (learner.decode(code) - x).square().sum((1, 2, 3)).mean()
    bound = error + (gaussian_kl(code, logvar).mean() if variational else 0)
    outputs = learner.estimator(code)
    cost = functional.cross_entropy(outputs[:, :4], y[:, 0].long())
    cost = cost + (outputs[:, 4] - (y[:, 1] - 2) / 4).square().mean()
    cost = cost + functional.cross_entropy(outputs[:, 5:], y[:, 2].long())
    losses = [objective.loss(batch)[0] for objective in learner.objectives()]
    wanted = [bound + 3 * cost] if joint else [bound, cost]
    torch.testing.assert_close(torch.stack(losses), torch.stack(wanted))


def test_the_separate_estimator_does_not_move_the_code(generator):
    learner, batch = model(joint=False), batch_of(generator)
    bound, estimator = learner.objectives()
    estimator.loss(batch)[0].backward()
    assert all(p.grad is None for p in (*learner.encoder.parameters(), *learner.decoder.parameters()))
    assert {id(p) for p in bound.parameters}.isdisjoint({id(p) for p in estimator.parameters})


def test_labels_that_may_not_be_seen_do_not_reach_the_loss(generator):
    learner, batch = model(variational=False), batch_of(generator)
    batch["labelled"] = torch.arange(12) % 3 == 0
    first = learner.loss(batch)[0]
    hidden = batch | {"y": torch.where(batch["labelled"][:, None], batch["y"], torch.tensor(float("nan")))}
    assert torch.equal(learner.loss(hidden)[0], first)
    none = batch | {"labelled": torch.zeros(12, dtype=torch.bool)}
    loss, logs = learner.loss(none)
    assert torch.equal(loss, logs["error"])


@pytest.mark.parametrize(("variational", "joint"), KINDS)
def test_it_learns_is_saved_to_the_bit_and_draws(variational, joint, tmp_path, generator):
    learner = model(variational=variational, joint=joint, learning_rate=1e-2)
    data = batch_of(torch.Generator().manual_seed(1), 64)
    data["x"][:] = (data["y"][:, :1, None, None] * 80).to(torch.uint8)  # the brightness is the class
    batch = lambda g: {key: each[i] for i in [torch.randint(64, (32,), generator=g)] for key, each in data.items()}  # noqa: E731
    fit(learner, batch, 150, generator, progress=False, device="cpu")
    told = load(save(learner, tmp_path))
    code = told.encode(data["x"])
    assert torch.equal(code, learner.eval().encode(data["x"]))
    assert (told.estimate(code)[0].argmax(1) == data["y"][:, 0]).float().mean() > 0.5
    assert torch.equal(told.mean_code, learner.mean_code)
    assert (told.mean_code - code.mean(0)).norm() < 0.5 * code.std(0).norm()
    assert isinstance(told, Decodes)
    assert isinstance(told, Generates)
    drawn = told.generate(6, torch.Generator().manual_seed(0))
    assert drawn.shape == (6, 1, 8, 8)
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert torch.equal(drawn, told.generate(6, torch.Generator().manual_seed(0)))


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ({}, "at least one attribute"),
        ({3: torch.ones(2)}, "for the attributes 0 to 2, got 3"),
        ({0: torch.ones(2, 3) / 3}, r"requests\[0\] must be probabilities \[n, 4\], got shape \[2, 3\]"),
        ({0: torch.ones(2, 4)}, "with a sum of 1"),
        ({1: torch.tensor([7.0])}, r"requests\[1\] must be numbers \[n\] from -2 to 6, got values from 7 to 7"),
        ({1: torch.tensor([float("nan")])}, r"requests\[1\] must be numbers"),
    ],
)
def test_impossible_requests_are_named(requests, message):
    with pytest.raises(ValueError, match=message):
        model().invert(requests)


def test_impossible_settings_and_labels_are_named(generator):
    with pytest.raises(ValueError, match="low below high"):
        model(attributes=((2.0, 1.0),))
    with pytest.raises(ValueError, match="attributes must have at least 1"):
        model(attributes=())
    with pytest.raises(ValueError, match="a column for each of 3 attributes"):
        model().loss(batch_of(generator) | {"y": torch.zeros(12)})
