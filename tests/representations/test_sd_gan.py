"""sd_gan: which pictures are a pair, both games term by term, and what the two codes are for."""

import pytest
import torch

import representations
from representations import Generates, fit
from representations.sd_gan import pairs

FORMS = ("dcgan", "began")
SMALL = {"shape": (3, 16, 16), "classes": 6, "identity": 3, "observation": 2, "width": 4}


def model(form, **more):
    torch.manual_seed(0)
    return representations.make("sd_gan", form=form, **(SMALL | more))


def batch_of(generator):
    y = torch.arange(6).repeat_interleave(2)
    return {"x": torch.rand(12, 3, 16, 16, generator=generator), "y": y}


def test_rows_are_paired_with_the_next_of_their_class():
    first, second = pairs(torch.tensor([4, 1, 4, 4, 0, 1, 4, 2, 4]))
    assert list(zip(first.tolist(), second.tolist(), strict=True)) == [(1, 5), (0, 2), (3, 6)]
    assert len(pairs(torch.arange(5))[0]) == 0
    assert len(pairs(torch.zeros(0).long())[0]) == 0


def test_dcgan_is_the_game_of_equation_2(generator, monkeypatch):
    learner, batch = model("dcgan").eval(), batch_of(generator)
    real = 2 * batch["x"].unflatten(0, (6, 2)) - 1
    fake = torch.rand(6, 2, 3, 16, 16, generator=generator)
    monkeypatch.setattr(learner, "_fake", lambda real: fake)

    def chance(both):
        maps = [learner.encoder(both[:, k]) for k in range(2)]
        return learner.judge(torch.cat(maps, 1)).sigmoid()[:, 0]

    wanted = -(chance(real).log().mean() + (1 - chance(fake)).log().mean()) / 2
    assert learner.judge_loss(batch)[0].item() == pytest.approx(wanted.item(), rel=1e-4)
    assert learner.generator_loss(batch)[0].item() == pytest.approx(-chance(fake).log().mean().item(), rel=1e-4)


def test_began_is_an_autoencoder_of_pairs_and_moves_k(generator, monkeypatch):
    learner, batch = model("began", first_k=0.3, speed=0.1, gamma=0.5).eval(), batch_of(generator)
    real = 2 * batch["x"].unflatten(0, (6, 2)) - 1
    fake = torch.rand(6, 2, 3, 16, 16, generator=generator)
    monkeypatch.setattr(learner, "_fake", lambda real: fake)

    def error(both):
        inner = torch.cat([learner.encoder(both[:, k]) for k in range(2)], 1)
        narrow, wide = learner.judge
        assert narrow.out_features == 3 + 2 * 2
        first, second = wide(narrow(inner)).chunk(2, 1)
        made = torch.stack([learner.decoder(first), learner.decoder(second)], 1)
        return (made - both).abs().mean()

    loss, _ = learner.judge_loss(batch)
    assert loss.item() == pytest.approx((error(real) - 0.3 * error(fake)).item(), rel=1e-4)
    loss, logs = learner.generator_loss(batch)
    assert loss.item() == pytest.approx(error(fake).item(), rel=1e-5)
    balance = 0.5 * error(real) - error(fake)
    assert learner.k.item() == pytest.approx(0.3 + 0.1 * balance.item(), rel=1e-4)
    assert logs["convergence"].item() == pytest.approx((error(real) + balance.abs()).item(), rel=1e-4)
    learner.k.fill_(0)
    learner.speed = 1000.0
    learner.generator_loss(batch)
    assert learner.k.item() in (0, 1)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("paired", [True, False])
def test_pairs_of_the_generator_share_who_is_in_them(form, paired, generator, monkeypatch):
    learner, seen = model(form, paired=paired), []
    monkeypatch.setattr(learner, "_made", lambda z: seen.append(z) or torch.zeros(len(z), 3, 16, 16))
    real = torch.zeros(6, 2, 3, 16, 16)
    assert learner._fake(real).shape == real.shape
    z = seen[0].unflatten(0, (6, 2))
    assert z.abs().amax() <= 1
    assert (z[:, 0, :3] == z[:, 1, :3]).all() == paired
    assert (z[:, 0, 3:] != z[:, 1, 3:]).any()
    batch = batch_of(generator)
    both = learner._real(batch)
    mates = batch["x"].unflatten(0, (6, 2))[:, 1]
    assert torch.allclose(both[:, 1], 2 * (mates if paired else mates.roll(1, 0)) - 1)


@pytest.mark.parametrize("form", FORMS)
def test_codes_views_and_a_saved_model(form, tmp_path, generator):
    learner, batch = model(form), batch_of(generator)
    fit(learner, lambda generator: batch, 2, torch.Generator().manual_seed(0), device="cpu", progress=False)
    learner.eval()
    x = (255 * batch["x"]).to(torch.uint8)
    code = learner.encode(x)
    assert code.shape == (12, learner.code_size)
    again = representations.load(representations.save(learner, tmp_path))
    assert torch.equal(again.encode(x), code)
    assert isinstance(learner, Generates)
    made = learner.generate(3, generator)
    assert made.shape == (3, 3, 16, 16)
    assert made.amin() >= 0
    assert made.amax() <= 1
    views = learner.views(2, 4, generator)
    assert views.shape == (2, 4, 3, 16, 16)
    assert not torch.equal(views[0, 0], views[0, 1])


def test_players_move_their_own_networks(generator):
    for form in FORMS:
        learner = model(form)
        judge, maker = learner.objectives()
        assert not {id(p) for p in judge.parameters} & {id(p) for p in maker.parameters}
        assert len(judge.parameters) + len(maker.parameters) == len(list(learner.parameters()))


def test_a_batch_without_a_pair_moves_nothing(generator):
    for form in FORMS:
        learner, batch = model(form), batch_of(generator)
        alone = {"x": batch["x"][:3], "y": torch.arange(3)}
        for objective in learner.objectives():
            loss, _ = objective.loss(alone)
            assert loss.item() == 0
            loss.backward()


def test_training_brings_colours_of_pairs(generator):
    """Pictures of one colour, which is who they are: made pairs come to share a colour."""

    def batches(generator):
        colour = torch.rand(8, 1, 3, 1, 1, generator=generator)
        noise = 0.1 * torch.rand(8, 2, 3, 16, 16, generator=generator)
        x = (0.8 * colour + noise).flatten(0, 1)
        return {"x": x, "y": torch.arange(8).repeat_interleave(2)}

    learner = model("dcgan", classes=8, width=8, learning_rate=2e-3)
    fit(learner, batches, 200, torch.Generator().manual_seed(0), device="cpu", progress=False)
    means = learner.eval().views(30, 2, generator).mean((3, 4))
    within = (means[:, 0] - means[:, 1]).square().mean()
    across = (means[:, 0] - means[:, 1].roll(1, 0)).square().mean()
    assert within < 0.5 * across


def test_sizes_that_cannot_be_are_refused(generator):
    with pytest.raises(ValueError, match="squares of 8, 16"):
        model("dcgan", shape=(3, 12, 12))
    with pytest.raises(ValueError, match="squares of 16, 32"):
        model("began", shape=(3, 8, 8))
    with pytest.raises(ValueError, match="squares"):
        model("dcgan", shape=(3, 16, 32))
    with pytest.raises(ValueError, match="y must be classes below 6"):
        model("dcgan").judge_loss(batch_of(generator) | {"y": torch.arange(12)})
