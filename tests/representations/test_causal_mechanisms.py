"""causal_mechanisms: competition, what moves whom, and networks that go through any size."""

import pytest
import torch
from torch.nn import functional

import representations
from envs.transformed_digits import transform
from representations import fit
from representations.causal_mechanisms import Experts, WinnersAdam

SMALL = {"shape": (1, 16, 16), "experts": 3, "filters": 4, "widths": (4, 6), "convolutions": (2, 1), "hidden": 8}


def model(**more):
    torch.manual_seed(0)
    return representations.make("causal_mechanisms", **(SMALL | more))


def batch_of(generator, n=8):
    x = torch.rand(2 * n, 1, 16, 16, generator=generator)
    return {"x": x, "y": torch.arange(2 * n) // n * torch.randint(1, 4, (2 * n,), generator=generator)}


def test_stacked_experts_are_single_networks(generator):
    torch.manual_seed(1)
    experts, x = Experts(3, 2, 4).train(), torch.rand(5, 2, 9, 7, generator=generator)
    made = experts(x)
    assert made.shape == (5, 3, 2, 9, 7)
    for j in range(3):
        maps = x
        for layer, weight in enumerate(experts.weights):
            maps = functional.conv2d(maps, weight[j], experts.bias[j] if layer == 4 else None, padding=1)
            if layer < 4:
                scale, shift = experts.scales[layer][j], experts.shifts[layer][j]
                maps = functional.elu(functional.batch_norm(maps, None, None, scale, shift, True))
        torch.testing.assert_close(made[:, j], maps.sigmoid(), rtol=1e-4, atol=1e-5)
    own = torch.stack([x, x.flip(0), x], 1)  # each expert its own pictures: statistics are those of the same batch
    torch.testing.assert_close(experts(own)[:, 1], made[:, 1].flip(0), rtol=1e-4, atol=1e-5)


def test_experts_go_through_pictures_of_any_size(generator):
    learner, x = model().eval(), torch.rand(2, 1, 40, 48, generator=generator)
    which = torch.tensor([2, 0])
    large = learner.apply_expert(x, which)
    assert large.shape == x.shape
    small = learner.apply_expert(x[:, :, 10:30, 12:36], which)  # away from its border a part is what it is in the whole
    torch.testing.assert_close(small[:, :, 5:-5, 5:-5], large[:, :, 15:25, 17:31], rtol=1e-4, atol=1e-5)


def test_the_winner_alone_is_moved_and_with_it_its_averages(generator):
    learner = model(identity=0).train()
    player = learner.objectives()[-1]
    optimizer, batch = player.optimizer(player.parameters), batch_of(generator)
    loss, logs = player.loss(batch)
    moved = batch["x"][batch["y"] > 0]
    won = learner.scores(moved)[1].argmax(1).unique()
    with torch.no_grad():
        best = learner.scores(moved)[1].amax(1)
    assert loss.item() == pytest.approx(functional.softplus(-best).mean().item(), rel=1e-4)  # - E max_j log c_j
    assert logs["winners"] == len(won)
    assert 0 < len(won) < 3
    before = [parameter.detach().clone() for parameter in player.parameters]
    loss.backward(inputs=player.parameters)
    optimizer.step()
    for old, parameter in zip(before, player.parameters, strict=True):
        still = [j for j in range(3) if torch.equal(parameter[j], old[j])]
        assert still == [j for j in range(3) if j not in won]


def test_an_expert_that_always_wins_moves_as_by_adam():
    torch.manual_seed(2)
    ours, others = torch.nn.Parameter(torch.randn(2, 3)), torch.nn.Parameter(torch.zeros(3))
    others.data.copy_(ours.data[0])
    first, second = WinnersAdam([ours], lr=0.1), torch.optim.Adam([others], lr=0.1)
    for step in range(5):
        gradient = torch.randn(2, 3)
        gradient[1] *= step == 3
        ours.grad, others.grad = gradient, gradient[0].clone()
        first.step()
        second.step()
    torch.testing.assert_close(ours[0], others)
    assert first.state[ours]["steps"].tolist() == [5, 1]


def test_the_discriminators_loss_is_that_of_line_5(generator):
    learner, batch = model(identity=0, shown=0).train(), batch_of(generator)
    real, moved = batch["x"][batch["y"] == 0], batch["x"][batch["y"] > 0]
    with torch.no_grad():
        fake = learner.scores(moved)[1]
        wanted = -(learner.logits(real).sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean())
    loss, _ = learner.discriminator_loss(batch)
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-4)
    loss.backward()
    assert all(parameter.grad is None for parameter in learner.experts.parameters())
    with pytest.raises(ValueError, match="y above 0"):
        learner.experts_loss({"x": real, "y": torch.zeros(len(real))})


def test_experts_learn_the_identity_before_they_compete(generator):
    learner = model(identity=60, learning_rate=0.01)
    still = [parameter.detach().clone() for parameter in learner.discriminator.parameters()]
    draw = torch.Generator().manual_seed(3)
    batch = batch_of(draw)
    logs = fit(learner, lambda generator: batch, 59, generator, progress=False, log_every=20)
    assert logs[-1]["identity/error"] < 0.5 * logs[0]["identity/error"]
    assert not {"discriminator/loss", "experts/loss"} & set(logs[-1])
    assert all(torch.equal(a, b) for a, b in zip(still, learner.discriminator.parameters(), strict=True))
    logs = fit(learner, lambda generator: batch, 2, generator, progress=False, log_every=1)
    assert "experts/winners" in logs[-1]
    assert "identity/error" not in logs[-1]
    assert not all(torch.equal(a, b) for a, b in zip(still, learner.discriminator.parameters(), strict=True))


def test_codes_are_shares_and_the_winner_restores(generator):
    learner, x = model().eval(), torch.rand(4, 1, 16, 16, generator=generator)
    code = learner.encode(x)
    assert code.shape == (4, 3)
    torch.testing.assert_close(code.sum(1), torch.ones(4))
    restored, won = learner.restore(x)
    assert torch.equal(won, code.argmax(1))
    torch.testing.assert_close(restored, learner.apply_expert(x, won))


def test_a_resumed_run_is_the_unbroken_one(tmp_path, generator):
    def train(folder, steps, resume):
        learner = model(identity=2)
        options = {"progress": False, "log_every": 3, "checkpoint_every": 3, "resume": resume}
        fit(learner, batch_of, steps, torch.Generator().manual_seed(7), tmp_path / folder, **options)
        return learner

    whole = train("whole", 6, False)
    train("broken", 3, False)
    resumed = train("broken", 6, True)
    again = representations.load(representations.save(resumed, tmp_path / "model"))
    for key, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key


def test_experts_part_two_mechanisms():
    """A bar that was shifted, or its negative."""
    learner = model(shape=(1, 16, 16), experts=2, filters=8, hidden=16, identity=60, shown=0, learning_rate=3e-3)

    def draw(generator, n=16):
        x = torch.zeros(2 * n, 1, 16, 16)
        for row, height in zip(x, torch.randint(4, 12, (2 * n,), generator=generator).tolist(), strict=True):
            row[0, 4:height, 6:9] = 1
        grain = torch.zeros(n, dtype=torch.long)
        x[n : n + n // 2] = transform(x[n : n + n // 2], "right", grain[: n // 2])
        x[n + n // 2 :] = transform(x[n + n // 2 :], "inversion", grain[: n // 2])
        return {"x": x, "y": torch.tensor([0] * n + [1] * (n // 2) + [2] * (n // 2))}

    fit(learner, draw, 160, torch.Generator().manual_seed(5), progress=False)
    batch = draw(torch.Generator().manual_seed(6))
    _, won = learner.restore(batch["x"][16:])
    assert won[:8].mode().values != won[8:].mode().values


def test_wrong_blocks_are_named():
    with pytest.raises(ValueError, match="widths and convolutions"):
        model(widths=(4,), convolutions=(1, 1))
    with pytest.raises(ValueError, match="widths and convolutions"):
        model(shape=(1, 3, 3))
