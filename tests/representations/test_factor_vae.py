import math

import pytest
import torch

import representations
from representations import fit

torch.set_num_threads(1)


def model(**settings):
    torch.manual_seed(0)
    small = {"shape": (1, 16, 16), "code_size": 3, "channels": 4, "hidden": 8, "depth": 2, "width": 16}
    return representations.make("factor_vae", **(small | settings))


def pictures(generator: torch.Generator) -> torch.Tensor:
    return torch.randint(0, 256, (8, 1, 16, 16), generator=generator, dtype=torch.uint8)


def test_every_player_moves_only_its_own_network():
    learner = model()
    autoencoder, discriminator = learner.objectives()
    own = {id(p) for p in learner.autoencoder.parameters()}
    assert {id(p) for p in autoencoder.parameters} == own
    assert {id(p) for p in discriminator.parameters} == {id(p) for p in learner.parameters()} - own
    x = pictures(torch.Generator().manual_seed(0))
    for player, other in ((autoencoder, discriminator), (discriminator, autoencoder)):
        learner.zero_grad()
        loss, _ = player.loss(x)
        gradients = torch.autograd.grad(loss, player.parameters)
        assert all(g.abs().sum() > 0 for g in gradients[-2:])
        assert all(p.grad is None for p in other.parameters)
    loss, _ = discriminator.loss(x)
    reached = torch.autograd.grad(loss, autoencoder.parameters, allow_unused=True)
    assert all(gradient is None for gradient in reached)


def test_total_correlation_is_weighed_by_gamma():
    one, other = model(gamma=0.0), model(gamma=35.0)
    x = pictures(torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    plain, _ = one.loss(x)
    torch.manual_seed(1)
    loss, logs = other.loss(x)
    assert (loss - plain).item() == pytest.approx(35 * logs["tc"].item(), abs=1e-3)


def test_the_discriminator_moves_repeats_times(monkeypatch):
    learner = model(repeats=3)
    drawn = []

    def batches(generator):
        drawn.append(1)
        return pictures(generator)

    fit(learner, batches, 2, torch.Generator().manual_seed(0), device="cpu", progress=False)
    assert len(drawn) == 2 * (1 + 3)


class Given(torch.nn.Module):
    """An autoencoder whose observations are the codes."""

    shape = (10,)

    def posterior(self, observations):
        return observations, torch.full_like(observations, -30.0)


def test_the_default_discriminator_finds_the_total_correlation_of_gaussians():
    """TC of N(0, S) is (sum log S_ii - log det S) / 2: with three pairs that correlate 0.8, -3 log(1 - 0.8^2) / 2 = 1.53."""
    torch.manual_seed(0)
    learner = representations.make("factor_vae", shape=(1, 16, 16), channels=4, hidden=8)
    learner.autoencoder = Given()

    def batches(generator, n=128):
        code = torch.randn(n, 10, generator=generator)
        code[:, 1:6:2] = 0.8 * code[:, 0:6:2] + 0.6 * code[:, 1:6:2]
        return code

    player = learner.objectives()[1]
    learner.objectives = lambda: (player,)
    fit(learner, batches, 300, torch.Generator().manual_seed(0), device="cpu", progress=False, decay=True)
    with torch.no_grad():
        estimate = learner.log_ratio(batches(torch.Generator().manual_seed(1), 20_000)).mean().item()
        independent = learner.log_ratio(torch.randn(20_000, 10)).mean().item()
    assert estimate == pytest.approx(-1.5 * math.log(1 - 0.64), abs=0.2)
    assert independent < 0


def test_a_memory_holds_the_latest_posteriors_and_spares_batches():
    learner, drawn = model(memory=20, repeats=3), []

    def batches(generator):
        drawn.append(pictures(generator))
        return drawn[-1]

    fit(learner, batches, 4, torch.Generator().manual_seed(0), device="cpu", progress=False)
    assert len(drawn) == 4
    assert learner.posteriors.shape == (20, 6)
    fresh, kept = model(memory=20), []
    for x in drawn[:3]:
        fresh.loss(x)
        kept.insert(0, torch.cat(fresh.autoencoder.posterior(x), -1).detach())
    assert torch.equal(fresh.posteriors, torch.cat(kept)[:20])
    fresh.eval().loss(drawn[3])
    assert torch.equal(fresh.posteriors, torch.cat(kept)[:20])


def test_a_discriminator_that_remembers_learns_of_the_same_codes():
    """On one batch that never changes, in memory or given: the same loss, from the same noise."""
    learner, x = model(memory=8), pictures(torch.Generator().manual_seed(0))
    learner.loss(x)
    torch.manual_seed(3)
    remembered, _ = learner.discriminator_loss(None)
    torch.manual_seed(3)
    given, _ = learner.discriminator_loss(x)
    assert remembered.item() == pytest.approx(given.item(), abs=1e-6)


def test_while_gamma_rises_the_kl_weight_falls():
    learner, x = model(warmup=4, first_beta=9.0, gamma=2.0), pictures(torch.Generator().manual_seed(0))
    for step in range(6):
        torch.manual_seed(1)
        loss, logs = learner.loss(x)
        risen = min(1, step / 4)
        wanted = logs["nll"] + (9 - 8 * risen) * logs["kl"] + 2 * risen * logs["tc"]
        assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
        learner.objectives()[0].after()


def test_while_it_turns_the_total_correlation_moves_the_rotation_alone():
    """The rotation's gradient is the one it always has for the means; networks have that of the bound, and later both."""
    x = pictures(torch.Generator().manual_seed(0))
    learner, plain = (model(warmup=4, turned=True, turning=0.6, gamma=gamma) for gamma in (3.0, 0.0))
    for step in range(5):
        found = []
        for one in (learner, plain):
            one.zero_grad()
            torch.manual_seed(1)
            one.loss(x)[0].backward()
            found.append({name: p.grad for name, p in one.autoencoder.named_parameters() if p.grad is not None})
            one.objectives()[0].after()
        moved = {name for name, grad in found[0].items() if not torch.allclose(grad, found[1][name], atol=1e-6)}
        encoder = {name for name in found[0] if name.startswith("encoder")}
        assert moved == (set() if step == 0 else {"turn.free"} if step < 0.6 * 4 else {"turn.free"} | encoder)


def test_turning_needs_a_rotation():
    with pytest.raises(ValueError, match=r"turned=True, got turning=0\.5 without"):
        model(turning=0.5)


def test_the_ratio_is_float32_in_bfloat16():
    learner, x = model(), pictures(torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        ratio = learner.log_ratio(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
        logs = learner.loss(x)[1] | learner.discriminator_loss(x)[1]
    assert ratio.dtype == torch.float32
    assert all(value.dtype == torch.float32 for value in logs.values())
    exact = learner.log_ratio(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(ratio, exact)


def test_the_default_has_the_papers_gamma_and_the_paper_sizes_are_settings():
    learner = representations.make("factor_vae", depth=6, width=1000, repeats=5)
    assert learner.gamma == 35
    assert [layer.out_features for layer in learner.discriminator[::2]] == [1000] * 6 + [1]
    assert learner.objectives()[1].repeats == 5
