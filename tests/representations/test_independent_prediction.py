"""independent_prediction and its entangled twin: what depends on what, and the bound written a second way."""

import pytest
import torch
from torch.distributions import Independent, Normal, kl_divergence

import representations
from representations import Generates, fit
from representations.model import Decodes, Predicts

MODELS = ("independent_prediction", "entangled_prediction")
SMALL = {"shape": (3, 16, 16), "frames": 4, "size": 3, "width": 4, "hidden": 8}


def small(name="independent_prediction", **more):
    torch.manual_seed(0)
    return representations.make(name, **(SMALL | more))


def clips_of(generator, n=3, length=4):
    return torch.randint(256, (n, length, 3, 16, 16), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("name", MODELS)
def test_codes_clips_and_a_saved_model(name, tmp_path, generator):
    learner, clips = small(name), clips_of(generator)
    fit(learner, lambda generator: clips, 2, torch.Generator().manual_seed(0), device="cpu", progress=False)
    assert all(isinstance(learner, able) for able in (Decodes, Generates, Predicts))
    code = learner.encode(clips[:, 0])
    assert code.shape == (3, 6)
    again = representations.load(representations.save(learner, tmp_path))
    assert torch.equal(again.encode(clips[:, 0]), code)
    made = learner.generate(2, torch.Generator().manual_seed(1), length=7)
    assert made.shape == (2, 7, 3, 16, 16)
    assert torch.equal(made, again.generate(2, torch.Generator().manual_seed(1), length=7))
    assert made.amin() >= 0
    assert made.amax() <= 1


def test_a_factor_is_predicted_from_its_own_past_alone_and_the_twin_from_everything(generator):
    code, nothing = torch.randn(5, 6, generator=generator), torch.zeros(5, 0)
    own = torch.block_diag(torch.ones(3, 3), torch.ones(3, 3)).bool()
    factored, entangled = (small(name).linearize(code, nothing)[0] for name in MODELS)
    assert (factored[:, ~own] == 0).all()
    assert (factored[:, own] != 0).all()
    assert (entangled != 0).all()


@pytest.mark.parametrize(
    "more", [{}, {"size": 25, "hidden": 128, "frames": 5}, {"factors": 4, "order": 1, "action_size": 2}]
)
def test_both_have_as_many_weights(more):
    counts = [sum(weight.numel() for weight in small(name, **more).parameters()) for name in MODELS]
    assert counts[1] == pytest.approx(counts[0], rel=0.02)


def test_a_second_transition_reads_two_frames_and_a_first_one(generator):
    past = [torch.randn(2, 6, generator=generator) for _ in range(3)]
    for order in (1, 2):
        learner = small(order=order)
        seen = learner._past(past)
        assert [any(seen_one is each for seen_one in seen) for each in past] == [False, order == 2, True]
        assert len(learner._past(past[:1])) == order
        assert learner.transition.weights[0].shape == (2, 3 * order, 8)


@pytest.mark.parametrize("name", MODELS)
def test_the_bound_is_that_of_the_distributions_it_is_made_of(name, generator):
    learner, clips = small(name, variance=0.3).eval(), clips_of(generator)
    torch.manual_seed(4)
    bound = learner.bound(clips)
    torch.manual_seed(4)
    found = learner.filter(clips)
    for t in range(4):
        posterior = Normal(found.mean[:, t], (found.logvar[:, t] / 2).exp())
        prior = Normal(torch.zeros(3, 6), torch.ones(3, 6))
        if t:
            past = [found.code[:, t - 1], found.code[:, max(t - 2, 0)]]
            mean, logvar = learner.transition(past, torch.zeros(3, 0))
            prior = Normal(mean, (logvar / 2).exp())
        torch.testing.assert_close(bound.kl[:, t], kl_divergence(posterior, prior), rtol=1e-4, atol=1e-5)
        pixels = Independent(Normal(learner.decoder(found.code[:, t]), 0.3**0.5), 3)
        torch.testing.assert_close(bound.nll[:, t], -pixels.log_prob(clips[:, t] / 255))
    torch.manual_seed(4)
    assert learner.loss(clips)[0].item() == pytest.approx((bound.nll.mean() + bound.kl.sum(2).mean()).item())


@pytest.mark.parametrize("name", MODELS)
def test_drawn_apart_a_picture_is_a_sum_over_factors(name, generator):
    code, other = torch.randn(2, 5, 6, generator=generator)
    swapped = torch.cat([code[:, :3], other[:, 3:]], 1), torch.cat([other[:, :3], code[:, 3:]], 1)
    for drawn in ("together", "apart"):
        draw = small(name, drawn=drawn).eval().decoder
        left, right = draw(code) + draw(other), draw(swapped[0]) + draw(swapped[1])
        assert torch.allclose(left, right, atol=1e-5) == (drawn == "apart")


def test_the_weight_of_the_divergence_rises(generator):
    learner, clips = small(warmup=4).eval(), clips_of(generator)
    weights = []
    for _ in range(6):
        torch.manual_seed(0)
        loss, logs = learner.loss(clips)
        weights.append(((loss - logs["nll"]) / logs["kl"]).item())
        learner.objectives()[0].after()
    assert weights == pytest.approx([0, 0.25, 0.5, 0.75, 1, 1], abs=1e-3)


def test_the_filter_sees_the_past_and_draws_what_its_posterior_says(generator):
    learner, clips = small().eval(), clips_of(generator, 400)
    codes = learner.encode_clips(clips)
    torch.testing.assert_close(codes[:, 0], learner.encode(clips[:, 0]))
    torch.testing.assert_close(codes[5:7], learner.encode_clips(clips[5:7]), rtol=1e-4, atol=1e-5)
    other = clips.clone()
    other[:, 2] = 255 - other[:, 2]
    changed = learner.encode_clips(other)
    torch.testing.assert_close(changed[:, :2], codes[:, :2])
    assert (changed[:, 2] != codes[:, 2]).any(1).all()
    found = learner.filter(clips)
    errors = (found.code - found.mean) / (found.logvar / 2).exp()
    assert errors.mean().item() == pytest.approx(0, abs=0.05)  # 9,600 draws: four standard errors are 0.04
    assert errors.std().item() == pytest.approx(1, abs=0.05)


def test_transitions_learn_from_their_predictions_alone(generator):
    learner, clips = small(), clips_of(generator)
    learner.bound(clips).nll.sum().backward()
    assert all(weight.grad is None for weight in learner.transition.parameters())
    learner.bound(clips).kl.sum().backward()
    assert all((weight.grad != 0).any() for weight in learner.transition.parameters())


def test_actions_are_read_by_every_factor_and_must_be_told(generator):
    learner, clips = small(order=1, action_size=2), clips_of(generator)
    actions = torch.rand(3, 3, 2, generator=generator)
    assert learner.objectives()[0].loss({"x": clips, "u": actions})[0].isfinite()
    codes = learner.eval().encode_clips(clips, actions)
    other = learner.encode_clips(clips, torch.cat([actions[:, :2], -actions[:, 2:]], 1))
    torch.testing.assert_close(other[:, :3], codes[:, :3])
    assert (other[:, 3] != codes[:, 3]).any()
    code, action = codes[:, 0], actions[:, 0]
    a, b, c = learner.linearize(code, action)
    assert (b != 0).all()
    moved = (a @ code[..., None] + b @ action[..., None])[..., 0] + c
    torch.testing.assert_close(moved, learner.predict(code, action))
    step = 1e-3 * torch.randn(3, 2, generator=generator)
    slope = learner.double().predict(code.double(), (action + step).double()) - learner.predict(
        code.double(), action.double()
    )
    torch.testing.assert_close(slope, (b @ step[..., None])[..., 0].double(), rtol=0.02, atol=1e-5)
    learner.float()
    for wrong in (None, actions[:, :2]):
        with pytest.raises(ValueError, match=r"actions must have shape \[3, 3, 2\]"):
            learner.encode_clips(clips, wrong)
    with pytest.raises(ValueError, match=r"actions must have shape \[3, 3, 0\]"):
        small().encode_clips(clips, actions[..., :0][:, :2])


def test_it_learns_a_square_that_moves(generator):
    def clips(draw):
        place = torch.randint(13, (16,), generator=draw)
        at = (place[:, None] + torch.arange(4)) % 13
        frames = torch.zeros(16, 4, 3, 16, 16)
        for k in range(3):
            frames.view(64, 3, 16, 16)[torch.arange(64), :, 6:9, at.flatten() + k] = 1
        return frames

    learner = small(learning_rate=5e-3, variance=0.05, width=8)
    logs = fit(learner, clips, 120, generator, device="cpu", progress=False, log_every=40)
    assert logs[-1]["bound/nll"] < logs[0]["bound/nll"]
    shown = clips(generator)
    error = (learner.decode(learner.encode_clips(shown).flatten(0, 1)) - shown.flatten(0, 1)).square().sum((1, 2, 3))
    blank = shown.flatten(0, 1).square().sum((1, 2, 3))
    assert error.mean() < 0.7 * blank.mean()
