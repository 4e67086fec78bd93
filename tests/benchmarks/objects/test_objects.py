import json
from pathlib import Path

import pytest
import torch
import yaml

import representations
from benchmarks.harness.papers import Found, Job
from benchmarks.objects import measures
from benchmarks.objects import run as objects
from benchmarks.objects.report import claims
from benchmarks.objects.scenes import check, source, variants
from envs.multi_sprites import MultiSprites
from representations.mvae import MVAE

torch.set_num_threads(1)
STEPS = {"mvae": 2, "object_vae": 2}


@pytest.fixture
def world():
    return MultiSprites(3, 0.8, 32)


def test_the_command_runs_every_step_and_says_what_it_shows(tmp_path, capsys):
    out = tmp_path / "run"
    objects.main(["--preset=quick", "--workers=1", f"--out={out}"])
    found = json.loads((out / "result.json").read_text())
    assert {"elbo", "exchange_inside", "moved_inside"} <= found["intervals"]["object_vae"].keys()
    assert {"count_test", "each_once", "sharp"} <= found["intervals"]["mvae"].keys() - found["intervals"][
        "object_vae"
    ].keys()
    assert {claim["verdict"] for claim in found["claims"]} == {"undecided"}
    assert "72.6" in capsys.readouterr().out
    drawn = {file.name for file in next(out.glob("mvae-*")).glob("*.png")}
    assert drawn == {"scenes.png", "exchange.png", "traversals.png", "sequence.png", "maps.png"}
    assert {file.name for file in next(out.glob("object_vae-*")).glob("*.png")} == drawn - {"sequence.png", "maps.png"}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--papers.scene.size=0.5", "write --papers"),
        ("--papers.scenes.sizes=0.5", "sizes"),
        ("--papers.scenes.steps.vae=3", "by model"),
        ("--papers.scenes.settings.mvae.slots=3", "more than the 3 sprites"),
        ("--papers.scenes.settings.mvae.pool=mean", "pool"),
        ("--model=vae", "the models are"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(option, said, tmp_path):
    with pytest.raises(SystemExit) as ended:
        objects.main(["--preset=quick", f"--out={tmp_path / 'run'}", option])
    assert said in str(ended.value)
    assert not (tmp_path / "run").exists()


def test_steps_must_be_told_and_poolings_are_cells():
    with pytest.raises(ValueError, match="both models"):
        check({"steps": {"mvae": 3}}, "")
    settings = {"steps": STEPS, "pools": ["max", "sum"]}
    assert [name for name, _ in variants("mvae", settings)] == ["max", "sum"]
    assert [cell["pools"] for _, cell in variants("mvae", settings)] == [["max"], ["sum"]]
    assert [name for name, _ in variants("object_vae", settings)] == [""]


@pytest.mark.parametrize("preset", ["quick", "default", "eight", "paper"])
def test_presets_can_be_run_as_they_are(preset):
    told = yaml.safe_load((Path(objects.__file__).parent / "presets.yaml").read_text())[preset]["papers"]["scenes"]
    check(told, "")
    assert {name for model in ("mvae", "object_vae") for name, _ in variants(model, told)} <= {"", "max", "sum"}


def test_scenes_are_new_at_every_step(world):
    draw, generator = source(world, 4), torch.Generator().manual_seed(0)
    assert draw(generator).shape == (4, 3, 32, 32)
    assert not torch.equal(draw(generator), draw(generator))


def test_a_crowd_has_two_sprites_at_least(world):
    scenes = measures.crowded(world, 50, torch.Generator().manual_seed(1))
    assert scenes.pictures.shape == (50, 3, 32, 32)
    assert scenes.masks.flatten(2).any(2).sum(1).min() >= 2
    one = measures.crowded(MultiSprites(1, 0.8, 32), 10, torch.Generator().manual_seed(1))
    assert one.masks.flatten(1).any(1).all()


def test_a_sprite_too_dark_to_see_is_not_seen(world):
    rows = world.sample(3, torch.Generator().manual_seed(2))
    rows[:, ::9] = 1
    rows[0, 6:9], rows[1, 6:9], rows[2, 6:9] = 0.05, 0.5, 0.0
    rows[2, 0] = 0  # what does not exist need not be seen
    assert measures.all_seen(world, rows)[1:].all()
    assert not measures.all_seen(world, rows)[0]


def test_the_threshold_is_the_best_there_is():
    generator = torch.Generator().manual_seed(3)
    count = torch.randint(4, (300,), generator=generator)
    kl = torch.rand(300, 4, generator=generator) + 2.0 * (torch.arange(4) < count[:, None])
    kl = kl.sort(1, descending=True).values
    threshold = measures.best_threshold(kl, count)
    assert measures.right(kl, count, threshold).all()
    kl += torch.randn(300, 1, generator=generator)
    tried = [measures.right(kl, count, t).sum() for t in torch.linspace(-3, 6, 500).tolist()]
    best = measures.right(kl, count, measures.best_threshold(kl, count)).sum()
    assert 150 < best < 300
    assert best >= max(tried)


def test_shares_inside_by_hand():
    masks = torch.zeros(1, 2, 8, 8, dtype=torch.uint8)
    masks[0, 0, 1, 1] = masks[0, 1, 5, 5] = 1
    changes = torch.zeros(1, 8, 8)
    changes[0, 2, 2], changes[0, 5, 5] = 1.0, 3.0  # beside the first sprite, and on the second
    assert measures.around(masks)[0, 0].sum() == 9
    assert measures.inside(changes[:, None], measures.around(masks))[0].tolist() == [0.25, 0.75]
    assert measures.moved(changes, masks).tolist() == [1]
    assert measures.inside(torch.zeros(1, 8, 8), masks[:, 0].float()).tolist() == [0]


class Oracle(MVAE):
    """A learner that knows the sprites: an object's code is its place in `known`, and it is drawn as it is."""

    def knowing(self, world, factors):
        """Itself, with the sprites of these scenes."""
        alone = factors.view(-1, 1, world.sprites, 9).repeat(1, world.sprites, 1, 1)
        alone[..., 0] *= torch.eye(world.sprites)
        drawn = world.render(alone.flatten(0, 1).flatten(1)).float() / 255
        self.known = torch.cat([torch.zeros(1, *world.shape), drawn])
        self.world, self.pictures = world, world.render(factors)
        return self

    def encode(self, observations):
        """Existing sprites in front, as places in `known`; 0 is nothing."""
        found = torch.zeros(len(observations), self.slots)
        for row, picture in enumerate(observations):
            scene = (self.pictures == picture).flatten(1).all(1).nonzero()[0, 0].item()
            places = 1 + scene * self.world.sprites + torch.arange(self.world.sprites)
            there = places[self.known[places].flatten(1).any(1)]
            found[row, : len(there)] = there.float()
        return found

    def draw(self, codes, shown=None):
        maps = self.known[codes[..., 0].round().long()]
        return (maps if shown is None else maps * shown[:, :, None, None, None]).sum(1).clamp(max=1)


@pytest.fixture
def oracle(world, monkeypatch):
    generator = torch.Generator().manual_seed(4)
    rows = world.sample(200, generator)
    rows[:, 3::9] = 0.0
    for k, place in enumerate((0.0, 0.5, 1.0)):  # apart
        rows[:, 9 * k + 4] = rows[:, 9 * k + 5] = place
        rows[:, 9 * k + 2] = 0.4
    rows = rows[measures.numbers(rows) >= 2][:40]
    scenes = measures.Scenes(world.render(rows), world.masks(rows))
    given = iter(range(9))

    def crowd(world, n, generator):
        """The scenes in another order at every call."""
        place = next(given)
        return measures.Scenes(*(each.roll(place, 0)[:n] for each in scenes))

    monkeypatch.setattr(measures, "crowded", crowd)
    model = Oracle(world.shape, slots=4, object_size=1, channels=1, hidden=1)
    return model.knowing(world, rows), scenes


def test_objects_that_are_the_sprites_change_nothing_else(oracle, world, generator):
    model, scenes = oracle
    found = measures.exchanges(model, world, 40, generator)
    assert found["exchange_inside"] == pytest.approx(1)
    assert 0.03 < found["exchange_area"] < 0.1
    assert found["exchange_others"] == pytest.approx(0)
    found = measures.sequences(model, scenes)
    assert found["added_inside"] == pytest.approx(1)
    assert found["each_once"] == 1
    assert found["surplus"] == pytest.approx(0)


def test_sequences_begin_with_nothing_and_end_with_everything(oracle):
    model, scenes = oracle
    drawn = measures.sequence(model, scenes.pictures)
    assert drawn.shape == (40, 5, 3, 32, 32)
    assert not drawn[:, 0].any()
    torch.testing.assert_close(drawn[:, -1], scenes.pictures.float() / 255, atol=0.01, rtol=0)


def test_the_first_part_of_an_object_vae_has_the_largest_kl(world):
    torch.manual_seed(0)
    model = representations.make("object_vae", shape=world.shape, channels=2, hidden=4, code_size=20, object_size=6)
    seen = world.render(world.sample(3, torch.Generator().manual_seed(5)))
    part = measures.first_part(model, seen)
    mean, logvar, _ = model.posterior(seen)
    kl = 0.5 * (mean**2 + logvar.exp() - 1 - logvar)[:, 0]
    assert part.shape == (3, 6)
    assert kl.gather(1, part).min(1).values.ge(kl.scatter(1, part, -1.0).max(1).values).all()
    code = model.encode(seen)
    bare = measures.without(model, code, part)
    torch.testing.assert_close(bare, model.decode(code * torch.ones_like(code).scatter(1, part, 0.0)))


def test_an_exchange_twice_is_none(world):
    torch.manual_seed(0)
    model = representations.make("mvae", shape=world.shape, channels=2, hidden=4).eval()
    first, second = (world.render(world.sample(4, torch.Generator().manual_seed(k))) for k in (6, 7))
    there, back = measures.exchange(model, first, second), measures.exchange(model, second, first)
    torch.testing.assert_close(there["exchanged"].roll(4, 0), back["exchanged"])
    torch.testing.assert_close(there["own"][:4], model.decode(model.encode(first)))


def many(model, **scores):
    base = {"count_test": 0.8, "exchange_others": 0.05, "surplus": 0.02, "sharp": 0.9, "sharp_early": 0.2}
    base |= {"exchange_inside": 0.9, "moved_inside": 0.9}
    jobs = [Job(model, seed=k, paper="scenes", variant="") for k in range(3)]
    return [
        Found(job, None, {name: value + 0.001 * k for name, value in (base | scores).items()})
        for k, job in enumerate(jobs)
    ]


def test_claims_follow_the_figures():
    rows = {"mvae": many("mvae"), "object_vae": many("object_vae", exchange_inside=0.5, moved_inside=0.6)}
    assert [claim.shown for claim in claims(rows)] == [True] * 6
    rows["mvae"] = many("mvae", count_test=0.6, exchange_others=0.2, surplus=0.5, sharp=0.1, moved_inside=0.5)
    assert [claim.shown for claim in claims(rows)] == [False, False, False, False, True, False]
    rows["mvae"] = many("mvae", count_test=0.7255, exchange_others=0.0985)
    assert [claim.shown for claim in claims(rows)][:2] == [None, None]
    assert claims({"object_vae": many("object_vae")}) == []
