"""mocogan and vgan: their games term by term, what a clip is made of, and what each can do that the other cannot."""

import pytest
import torch
from torch.nn import functional

import representations
from representations import Generates, fit
from representations.parts.videos import ClipJudge
from representations.vgan import composed

MODELS = ("mocogan", "vgan")
SMALL = {"shape": (3, 16, 16), "frames": 16, "width": 2, "clip_width": 2}


def small(name, **more):
    torch.manual_seed(0)
    own = {"frame_width": 2} if name == "mocogan" else {}
    return representations.make(name, **(SMALL | own | more))


def clips_of(generator, n=3):
    return torch.randint(256, (n, 16, 3, 16, 16), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("name", MODELS)
def test_codes_clips_and_a_saved_model(name, tmp_path, generator):
    learner, clips = small(name), clips_of(generator)
    fit(learner, lambda generator: clips, 2, torch.Generator().manual_seed(0), device="cpu", progress=False)
    code = learner.encode(clips[:, 0])
    assert code.shape == (3, learner.code_size)
    again = representations.load(representations.save(learner, tmp_path))
    assert torch.equal(again.encode(clips[:, 0]), code)
    still = clips[:, :1].expand(-1, 4, -1, -1, -1)
    torch.testing.assert_close(again.encode_clips(still), code[:, None].expand(-1, 4, -1))
    assert isinstance(learner, Generates)
    made = learner.generate(2, generator)
    assert made.shape == (2, 16, 3, 16, 16)
    assert made.amin() >= 0
    assert made.amax() <= 1


@pytest.mark.parametrize("name", MODELS)
def test_players_move_their_own_networks(name):
    learner = small(name)
    players = [{id(p) for p in player.parameters} for player in learner.objectives()]
    assert len(players) == (3 if name == "mocogan" else 2)
    assert sum(map(len, players)) == len(set().union(*players)) == len(list(learner.parameters()))


@pytest.mark.parametrize("name", MODELS)
def test_the_judge_of_clips_plays_the_game_as_it_is_written(name, generator, monkeypatch):
    learner, clips = small(name, haze=0.0).eval(), clips_of(generator)
    fake = torch.rand(3, 16, 3, 16, 16, generator=generator)
    streams = (fake, torch.full((3, 16, 1, 16, 16), 0.25), torch.zeros(3, 1, 3, 16, 16))
    if name == "mocogan":
        monkeypatch.setattr(learner, "_made", lambda content, path: fake)
    else:
        monkeypatch.setattr(learner, "_fake", lambda batch: streams)
    shown = fake if name == "mocogan" else fake / 4
    chance = [learner.clip_judge(x).double().sigmoid() for x in (2 * clips.float() / 255 - 1, shown)]
    wanted = -(chance[0].log().mean() + (1 - chance[1]).log().mean()) / 2
    assert learner.clip_judge_loss(clips)[0].item() == pytest.approx(wanted.item(), rel=1e-5)
    loss, logs = learner.generator_loss(clips)
    fooled = -chance[1].log().mean().item()
    assert logs["clips"].item() == pytest.approx(fooled, rel=1e-5)
    if name == "vgan":
        assert loss.item() == pytest.approx(fooled + 0.1 * 0.25, rel=1e-5)
    else:
        assert loss.item() == pytest.approx(fooled + logs["frames"].item(), rel=1e-5)


def test_the_judge_of_frames_sees_every_frame_alike(generator, monkeypatch):
    learner, clips = small("mocogan", haze=0.0, stills=16).eval(), clips_of(generator)
    fake = torch.rand(3, 16, 3, 16, 16, generator=generator)
    monkeypatch.setattr(learner, "_made", lambda content, path: fake)
    logits = [learner.frame_judge(x.flatten(0, 1)) for x in (2 * clips.float() / 255 - 1, fake)]
    wanted = (functional.softplus(-logits[0]).mean() + functional.softplus(logits[1]).mean()) / 2
    assert learner.frame_judge_loss(clips)[0].item() == pytest.approx(wanted.item(), rel=1e-5)
    assert learner.generator_loss(clips)[1]["frames"].item() == pytest.approx(
        functional.softplus(-logits[1]).mean().item(), rel=1e-5
    )
    some = small("mocogan", stills=5)
    rows = torch.arange(16.0).repeat(3, 1) + 100 * torch.arange(3.0)[:, None]
    stills = some._still(rows)
    assert (stills.sort(1).values.diff() >= 1).all()  # none twice
    assert (stills // 100 == torch.arange(3.0)[:, None]).all()  # each of its own clip


def test_a_path_is_that_of_a_gated_recurrent_cell(generator):
    learner = small("mocogan", motion=4, noise=3)
    noise, state = torch.randn(2, 5, 3, generator=generator), torch.randn(2, 4, generator=generator)
    path, walk = learner._path(noise, state), learner.walk
    for k in range(5):
        one = noise[:, k] @ walk.weight_ih_l0.T + walk.bias_ih_l0
        two = state @ walk.weight_hh_l0.T + walk.bias_hh_l0
        reset, update = ((one + two)[:, 4 * j : 4 * j + 4].sigmoid() for j in (0, 1))
        state = (1 - update) * (one[:, 8:] + reset * two[:, 8:]).tanh() + update * state
        torch.testing.assert_close(path[:, k], state)


def test_content_stays_and_motion_can_be_another_ones(generator):
    learner = small("mocogan").eval()
    content, path = learner.contents(2, generator), learner.paths(2, 20, generator)
    assert path.shape == (2, 20, 10)
    clips = learner.draw(content, path)
    assert clips.shape == (2, 20, 3, 16, 16)
    alone = learner.draw(content[1:], path[:1, 7:8])[0, 0]
    torch.testing.assert_close(learner.draw(content.flip(0), path)[0, 7], alone)  # drawn frame by frame
    still = learner.draw(content, path[:, :1].expand(-1, 3, -1))
    torch.testing.assert_close(still[:, 0], still[:, 2])
    assert learner.generate(2, generator, length=33).shape[1] == 33


def test_the_background_of_vgan_stands_still_where_the_mask_is_none(generator):
    learner = small("vgan").eval()
    foreground, mask, background = learner.streams(torch.randn(2, 100, generator=generator))
    assert background.shape == (2, 1, 3, 16, 16)
    assert mask.amin() >= 0
    assert mask.amax() <= 1
    torch.testing.assert_close(composed(foreground, mask, background), mask * foreground + (1 - mask) * background)
    still = composed(foreground, torch.zeros_like(mask), background)
    assert torch.equal(still[:, 0], still[:, 15])


def test_features_of_a_frame_are_those_of_the_ten_around_it(generator):
    judge = ClipJudge(3, 2).eval()
    clips = clips_of(generator, 2)
    codes = judge.codes(clips)
    assert codes.shape == (2, 16, judge.code_size)
    changed = clips.clone()
    changed[:, 8] = 255 - changed[:, 8]
    moved = (judge.codes(changed) - codes).abs().amax((0, 2)) > 1e-6
    assert moved.nonzero().flatten().tolist() == list(
        range(3, 13)
    )  # those with frame 8 from four before to five behind
    still = clips[:, :1]
    torch.testing.assert_close(judge.codes(still.expand(-1, 7, -1, -1, -1)), judge.codes(still).expand(-1, 7, -1))


@pytest.mark.parametrize("name", MODELS)
def test_haze_lies_on_what_judges_see_and_not_on_clips(name, generator):
    learner, clips = small(name, haze=0.5).eval(), clips_of(generator)
    losses = {round(learner.clip_judge_loss(clips)[0].item(), 9) for _ in range(3)}
    assert len(losses) == 3
    seeds = [torch.Generator().manual_seed(4) for _ in range(2)]
    assert torch.equal(*(learner.generate(1, seed) for seed in seeds))


@pytest.mark.parametrize("name", MODELS)
def test_generators_begin_at_the_ground_of_the_first_batch(name, generator):
    learner = small(name).train()
    clips = torch.tensor([0.9, 0.05, 0.3])[:, None, None].expand(4, 16, 3, 16, 16)
    learner.objectives()[0].loss(clips)
    learner.objectives()[0].loss(1 - clips)  # only the first
    colour = learner.eval().generate(2, generator).mean((0, 1, 3, 4))
    assert colour.tolist() == pytest.approx([0.9, 0.05, 0.3], abs=0.02)


def rates(name):
    return dict.fromkeys(("learning_rate", "clip_rate", *(["frame_rate"] if name == "mocogan" else [])), 0.01)


@pytest.mark.parametrize("name", MODELS)
def test_every_player_lowers_its_own_loss_while_the_others_stand_still(name, generator):
    for number, kind in enumerate(player.name for player in small(name).objectives()):
        learner, clips = small(name, **rates(name)), clips_of(generator, 4)
        player = learner.objectives()[number]
        assert player.name == kind
        optimizer, losses = player.optimizer(player.parameters), []
        for _ in range(20):
            loss, _ = player.loss(clips)
            losses.append(loss.item())
            optimizer.zero_grad()
            loss.backward(inputs=player.parameters)
            optimizer.step()
        assert sum(losses[-3:]) < 0.9 * sum(losses[:3]), kind


@pytest.mark.parametrize("name", MODELS)
def test_sizes_that_cannot_be_are_refused(name, generator):
    with pytest.raises(ValueError, match="squares of 16, 32"):
        small(name, shape=(3, 8, 8))
    with pytest.raises(ValueError, match="squares"):
        small(name, shape=(3, 16, 32))
    with pytest.raises(ValueError, match="frames"):
        small(name, frames=12)
    with pytest.raises(ValueError, match="batch must be"):
        small(name).clip_judge_loss(clips_of(generator)[:, :15])
    if name == "mocogan":
        with pytest.raises(ValueError, match="stills must be at most frames = 16"):
            small(name, stills=17)
    else:
        with pytest.raises(ValueError, match="multiple of 8 for pictures of side 32"):
            small(name, shape=(3, 32, 32), frames=18)
