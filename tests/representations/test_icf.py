"""Independently controllable factors: the objective, its two estimators, what keeps the code whole."""

import math

import pytest
import torch

from representations import MODELS, fit, load, make, save
from representations.icf import ICF
from representations.model import Decodes, Predicts
from representations.parts.factor_output import shaped, spread_out
from representations.parts.selectivity import whitening

SMALL = {"shape": (3, 16, 16), "actions": 3, "channels": 2, "hidden": 8, "samples": 4, "steps": 20}


def small(**settings):
    torch.manual_seed(0)
    return make("icf", **(SMALL | settings))


def world_of(generator, states=6, actions=3):
    """Random pictures and a random deterministic world, every action allowed."""
    pictures = (torch.rand(states, 3, 16, 16, generator=generator) * 255).to(torch.uint8)
    return pictures, torch.randint(states, (states, actions), generator=generator)


def enumerated(pictures, following, horizon):
    nodes, allowed = [torch.arange(len(pictures))[:, None]], []
    for _ in range(horizon):
        allowed.append(torch.ones(*nodes[-1].shape, following.shape[1], dtype=torch.bool))
        nodes.append(following[nodes[-1]].flatten(1))
    return {"pictures": pictures, "nodes": tuple(nodes), "allowed": tuple(allowed)}


def all_paths(pictures, following, horizon):
    """The same states as a batch of "sampled", every path once, as if actions were uniform."""
    actions = following.shape[1]
    each = torch.cartesian_prod(*[torch.arange(actions)] * horizon).reshape(-1, horizon)
    taken = each.repeat(len(pictures), 1)
    path = [torch.arange(len(pictures)).repeat_interleave(len(each))]
    for t in range(horizon):
        path.append(following[path[-1], taken[:, t]])
    rows = len(taken)
    return {
        "pictures": pictures,
        "path": torch.stack(path, 1),
        "actions": taken,
        "chances": torch.full((rows, horizon), 1 / actions),
        "noise": torch.zeros(rows, 2),
        "allowed": torch.ones(rows, horizon, actions, dtype=torch.bool),
    }


@pytest.mark.parametrize("kernel", ["gaussian", "directed"])
def test_selectivity_is_the_log_ratio_of_equation_1(kernel, generator):
    model = small(kernel=kernel, width=0.5, floor=0.2)
    change, factor = torch.randn(5, 2, 2, generator=generator), torch.randn(5, 3, 2, generator=generator)
    found = model.selectivity(change, factor)
    for b in range(5):
        for p in range(2):
            if kernel == "gaussian":
                a = [
                    math.exp(-float((change[b, p] - factor[b, j]).square().sum()) / (2 * 0.5**2 * 2)) for j in range(3)
                ]
            else:
                a = [max(0.0, float(change[b, p] @ factor[b, j])) + 0.2 for j in range(3)]
            expected = [math.log(a[j] / (sum(a) / 3)) for j in range(3)]
            torch.testing.assert_close(found[b, p], torch.tensor(expected), rtol=1e-4, atol=1e-5)
    assert (found <= math.log(3) + 1e-6).all()
    same = factor[:, :1].expand(-1, 3, -1)
    torch.testing.assert_close(model.selectivity(change, same), torch.zeros(5, 2, 3), rtol=0, atol=1e-5)


@pytest.mark.parametrize("horizon", [1, 2])
def test_both_estimators_have_the_same_expectation_and_gradient(horizon, generator, monkeypatch):
    """Over every path once, weighted, REINFORCE with its baseline is the gradient of the exact expectation."""
    pictures, following = world_of(generator)
    table = torch.randn(4, 2, generator=generator)
    gradients, values = [], []
    for estimator, batch in (
        ("enumerated", enumerated(pictures, following, horizon)),
        ("sampled", all_paths(pictures, following, horizon)),
    ):
        model = small(estimator=estimator, horizon=horizon, whiten=False, alike=0.0, normalise=False).eval()
        monkeypatch.setattr(model, "factors", lambda code, noise: table.expand(*code.shape[:-1], 2))
        codes = model.encoder(pictures.float() / 255)
        objective, _, logs = getattr(model, f"_{estimator}")(batch, codes)
        moved = [*model.policy.parameters(), *model.encoder.parameters()]
        gradients.append(torch.autograd.grad(objective, moved))
        values.append((logs["selectivity"], logs["prediction"]))
    for one, other in zip(*values, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    assert max(g.abs().max() for g in gradients[0]) > 1e-5
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-6)


def test_actions_that_are_not_allowed_have_no_probability(generator):
    model = small()
    allowed = torch.tensor([[True, False, True]] * 4)
    chance = model.log_policy(torch.randn(4, 2, generator=generator), torch.ones(4, 2), allowed).exp()
    assert (chance[:, 1] == 0).all()
    torch.testing.assert_close(chance.sum(1), torch.ones(4))


def test_whitened_changes_have_the_identity_as_second_moment(generator):
    changes = torch.randn(400, 3, generator=generator) @ torch.tensor([[2.0, 1, 0], [0, 1, 0.5], [0, 0, 1]])
    weight = torch.rand(400, generator=generator)
    white = changes @ whitening(changes, weight)
    torch.testing.assert_close((white.T * weight) @ white / weight.sum(), torch.eye(3), atol=5e-3, rtol=0)
    assert whitening(changes[:0], weight[:0]).isfinite().all()


def test_a_ridge_leaves_small_changes_small(generator):
    changes = torch.randn(4000, 2, generator=generator) * torch.tensor([1.0, 0.01])
    white = changes @ whitening(changes, torch.ones(4000), ridge=0.1)
    first, second = white.square().mean(0).tolist()
    assert first == pytest.approx(1 / 1.05, abs=0.01)  # 0.1 of the diagonal's mean, 1/2, is added
    assert second == pytest.approx(0.01**2 / 0.05, rel=0.1)


def test_closeness_sees_changes_where_no_factor_points_and_selectivity_does_not(generator):
    model = small(code_size=3, noise_size=3)
    change, factor = torch.randn(2, 4, 3, generator=generator), torch.randn(2, 5, 3, generator=generator)
    change[..., 2], factor[..., 2] = 0, 0
    stray = change + torch.tensor([0, 0, 2.0])
    torch.testing.assert_close(model.selectivity(stray, factor), model.selectivity(change, factor))
    expected = -0.5 * 2.0**2 / (0.7**2 * 3)
    torch.testing.assert_close(
        model.log_kernel(stray, factor) - model.log_kernel(change, factor), torch.full((2, 4, 5), expected)
    )
    pictures, following = world_of(generator)
    losses = []
    for weight in (0.0, 1.0):
        torch.manual_seed(3)
        loss, _ = small(closeness=weight, reconstruction=0.0).loss(enumerated(pictures, following, 1))
        losses.append(loss)
    assert losses[1] > losses[0]  # log A is not above 0


def test_a_factor_that_nothing_here_makes_hardly_counts(generator, monkeypatch):
    pictures, following = world_of(generator)
    batch = enumerated(pictures, following, 1)
    factors = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 2.0], [0.0, 90.0]])  # no change is as far as the last
    logs = {}
    for prior, shown in ((1.0, factors), (0.0, factors), (1.0, factors[:3]), (0.0, factors[:3])):
        model = small(prior=prior, width=0.7, whiten=False)
        given = shown.expand(len(pictures), -1, -1)
        monkeypatch.setattr(model, "draw_factors", lambda code, n, generator=None, given=given: (given, None))
        logs[prior, len(shown)] = model.loss(batch)[1]["selectivity"].item()
    assert logs[1.0, 4] == pytest.approx(logs[1.0, 3], abs=1e-4)
    assert abs(logs[0.0, 4] - logs[0.0, 3]) > 1


@pytest.mark.parametrize(("drawn_first", "open_at"), [(False, 0.45), (True, 0.65)])
def test_other_axes_open_when_factors_need_no_longer_mean_the_same_everywhere(drawn_first, open_at, generator):
    model = small(code_size=3, noise_size=3, axes=2, hold=1.0, alike=0.4, drawn_first=drawn_first)
    code, noise = torch.zeros(500, 3), torch.randn(500, 3, generator=generator)
    for share in (0.0, 0.4, 0.45, 0.55, 0.65, 0.8, 1.0):
        model.step.fill_(share * model.steps)
        third = bool((model.factors(code, noise).abs().argmax(1) == 2).any())
        assert third == (share >= open_at), share


def test_factors_stay_where_they_start_for_as_long_as_they_are_held(generator):
    code, noise = torch.randn(9, 2, generator=generator), torch.randn(9, 2, generator=generator)
    for hold, moved_at in ((0.0, 0.9), (0.7, 0.9), (1.0, None)):
        model = small(hold=hold, alike=0.4)
        torch.nn.init.ones_(model.generator[-1].bias)
        start = shaped(model.spread * spread_out(noise, model.output, 2), model.output)
        for share in (0.0, 0.4, max(0.4, hold), 0.9, 1.0):
            model.step.fill_(share * model.steps)
            still = torch.equal(model.factors(code, noise), start)
            assert still == (share <= max(hold, 0.4)), (hold, share)
        assert still == (moved_at is None)


def test_the_decoder_sees_a_blurred_code(generator, monkeypatch):
    pictures, following = world_of(generator, states=300)
    seen = []
    for blur in (0.0, 0.5):
        model = small(blur=blur)
        monkeypatch.setattr(model.decoder, "forward", lambda code: seen.append(code) or pictures.float() / 255)
        torch.manual_seed(1)
        model.loss(enumerated(pictures, following, 1))
    assert (seen[1] - seen[0]).std().item() == pytest.approx(0.5, rel=0.1)


def test_only_changes_that_policies_make_count_for_the_unit(generator, monkeypatch):
    """A policy that never takes the last action is whitened as in a world without it."""
    pictures, following = world_of(generator)
    batch = enumerated(pictures, following, 1)
    allowed = torch.tensor([True, True, False]).expand(len(pictures), 1, 3)

    def unit(batch):
        model = small(alike=0.0)
        with torch.no_grad():
            model.policy[-1].weight[2], model.policy[-1].bias[2] = 0, -1e9
        model.loss(batch)
        return model.white.unit

    torch.testing.assert_close(unit(batch), unit(batch | {"allowed": (allowed,)}))
    before = unit(batch)
    monkeypatch.setattr(ICF, "_followed", lambda self, batch, codes: torch.ones(len(pictures), 3))
    assert (unit(batch) - before).abs().max() > 0.01 * before.abs().max()


def test_a_whitened_code_does_not_depend_on_scale_and_origin_of_the_encoder(generator):
    pictures, following = world_of(generator)
    batch, found = enumerated(pictures, following, 1), []
    for scale in (1.0, 7.0):
        model = small()
        with torch.no_grad():
            model.encoder[-1].weight *= scale
            model.encoder[-1].bias += scale - 1
        torch.manual_seed(1)
        _, logs = model.loss(batch)
        found.append(logs["selectivity"])
    torch.testing.assert_close(found[0], found[1], rtol=1e-3, atol=1e-5)


def test_factors_are_alike_everywhere_at_first_and_may_differ_later(generator):
    model = small(alike=0.5)
    codes, factor = torch.randn(5, 2, generator=generator), torch.ones(5, 2)
    noise = torch.randn(1, 2, generator=generator).expand(5, 2)
    for step, alike in ((0, True), (10, True), (15, False), (20, False)):
        model.step.fill_(step)
        for value in (model.log_policy(codes, factor), model.factors(codes, noise)):
            assert bool(value.std(0).max() < 1e-6) is alike
    model.step.fill_(0)


def test_factors_start_at_the_extreme_points_of_their_set(generator):
    codes, noise = torch.randn(200, 4, generator=generator), torch.randn(200, 4, generator=generator)
    model = small(output="hypercube", code_size=4, noise_size=4)
    assert torch.equal(model.factors(codes, noise), noise.sign() * math.tanh(2.0))
    near = small(code_size=4, noise_size=4, spread=8.0).factors(codes, noise)
    axes = near.abs().argmax(1)
    assert torch.equal(axes, noise.abs().argmax(1))
    signs = noise.gather(1, axes[:, None]).sign()
    expected = 2 * torch.eye(4)[axes] * signs
    torch.testing.assert_close(near, expected, atol=1e-4, rtol=0)
    few = small(code_size=4, noise_size=2).factors(codes, noise[:, :2])
    assert set(few.abs().argmax(1).tolist()) == {0, 1}


@pytest.mark.parametrize(("drawn_first", "pulls_at"), [(False, 0.6), (True, 0.5)])
def test_the_decoder_does_not_pull_at_the_code_while_factors_are_alike(drawn_first, pulls_at, generator):
    pictures, following = world_of(generator)
    batch = enumerated(pictures, following, 1)
    for share in (0.0, 0.4, 0.5, 0.6, 1.0):
        model = small(selectivity=0.0, prediction=0.0, alike=0.4, steps=100, drawn_first=drawn_first)
        model.step.fill_(share * 100)
        loss, _ = model.loss(batch)
        grad = torch.autograd.grad(loss, model.encoder[0].weight, allow_unused=True)[0]
        assert (grad is not None and float(grad.abs().max()) > 1e-7) == (share >= pulls_at), share


def test_policies_settle_when_they_are_told_to(generator):
    pictures, following = world_of(generator)
    batch = enumerated(pictures, following, 1)
    losses = {}
    for settle, bonus in ((0.5, 0.3), (1.0, 0.3), (1.0, 0.0)):
        torch.manual_seed(0)
        model = small(settle=settle, entropy=bonus, steps=100)
        model.step.fill_(50)
        losses[settle, bonus] = model.loss(batch)[0].item()
    assert losses[0.5, 0.3] == losses[1.0, 0.0] != losses[1.0, 0.3]


def test_outputs_lie_where_they_should(generator):
    codes, noise = torch.randn(50, 3, generator=generator), torch.randn(50, 2, generator=generator)
    for alike in (0.0, 0.5):
        made = {
            o: small(output=o, code_size=3, alike=alike).factors(codes, noise)
            for o in ("hypercube", "sphere", "simplex", "scaled_simplex")
        }
        assert (made["hypercube"].abs() <= 1).all()
        torch.testing.assert_close(made["sphere"].norm(dim=1), torch.full((50,), 3**0.5))
        torch.testing.assert_close(made["simplex"].sum(1), torch.full((50,), 3**0.5))
        assert (made["simplex"] >= 0).all()
        assert (made["scaled_simplex"].abs().sum(1) <= 3**0.5 + 1e-6).all()


def test_the_linear_model_is_the_tangent_of_the_latent_model(generator):
    model = small().double()
    model.step.fill_(20)
    code, factor = (torch.randn(4, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    a, b, c = model.linearize(code, factor)
    for eps in (0.0, 1e-6):
        moved = (a @ (code + eps)[..., None] + b @ (factor - eps)[..., None])[..., 0] + c
        torch.testing.assert_close(moved, model.predict(code + eps, factor - eps), rtol=0, atol=1e-10)


def test_a_killed_run_resumes_to_the_same_numbers_and_a_saved_model_encodes_the_same(tmp_path, generator):
    pictures, following = world_of(generator)
    batch = enumerated(pictures, following, 1)

    def train(folder, steps, resume):
        options = {"progress": False, "log_every": 5, "checkpoint_every": 5, "resume": resume}
        model = small(separable=False)
        fit(model, lambda g: batch, steps, torch.Generator().manual_seed(7), tmp_path / folder, **options)
        return model

    whole = train("whole", 15, False)
    train("broken", 7, False)
    resumed = train("broken", 15, True)
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(value, resumed.state_dict()[key], rtol=0, atol=0, msg=key)
    assert whole.step == 15
    save(whole, tmp_path / "model")
    again = load(tmp_path / "model")
    assert torch.equal(again.encode(pictures), whole.encode(pictures))
    drawn = whole.decode(whole.encode(pictures))
    assert drawn.shape == pictures.shape
    assert ((drawn >= 0) & (drawn <= 1)).all()
    assert isinstance(whole, Decodes)
    assert isinstance(whole, Predicts)
    assert type(whole) is MODELS["icf"]


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"output": "ball"}, "output must be 'hypercube'"),
        ({"kernel": "cosine"}, "kernel must be 'gaussian'"),
        ({"estimator": "exact"}, "estimator must be 'enumerated'"),
        ({"alike": 0.9}, "alike"),
        ({"shape": (3, 60, 64)}, "multiple of 16"),
    ],
)
def test_bad_settings_are_named(settings, told):
    with pytest.raises(ValueError, match=told):
        small(**settings)
    with pytest.raises(ValueError, match="16, 16"):
        small().encode(torch.zeros(1, 3, 32, 32, dtype=torch.uint8))


@pytest.mark.parametrize("blank", [False, True])
def test_policies_may_start_without_a_view_of_axes_that_open_later(blank, generator):
    model = small(code_size=3, noise_size=3, axes=2, blank=blank)
    model.step.fill_(model.steps)  # they see the whole code
    code, factor = torch.randn(8, 3, generator=generator), torch.randn(8, 3, generator=generator)
    before = model.log_policy(code, factor)
    assert torch.equal(before, model.log_policy(code, factor * torch.tensor([1.0, 1.0, -3.0]))) is blank
    assert not torch.equal(before, model.log_policy(code, factor * torch.tensor([1.0, -3.0, 1.0])))
