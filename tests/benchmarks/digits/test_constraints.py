import pytest
import torch

from benchmarks.digits import constraints
from benchmarks.digits.constraints import Sizes, asked, build, explained
from benchmarks.digits.constraints_report import claims, tables
from benchmarks.digits.judge import train_judge
from benchmarks.digits.source import digits
from benchmarks.harness.papers import Found, Job

FEW = {"steps": 5, "batch": 16, "judge_steps": 5, "pool": 50, "test": 60, "hidden": 8}
READ = {"accuracy": 0.5, "probe": 0.6, "error": 30.0}
ASKED = {"judge": 0.98, "reached_centred": 1.0, "reached_last": 1.0, "asked_0.99": 0.95, "asked_0.9": 0.93}
STYLED = ASKED | {"exact": 0.0, "either": 0.9, "edited": 0.9, "held": 0.5}


def found(variant: str, tmp_path, **scores: float) -> list[Found]:
    rows = READ | (STYLED if variant.endswith("16") else ASKED) | scores
    jobs = [
        Job("linear_constraints", "default", seed, "cpu", paper="constraints", variant=variant) for seed in range(3)
    ]
    return [
        Found(job, tmp_path, {k: v + 0.001 * job.seed * (k == "accuracy") for k, v in rows.items()}) for job in jobs
    ]


def test_cells_are_those_of_table_1_and_large_codes_of_both_autoencoders():
    cells = dict(constraints.variants("linear_constraints", FEW))
    assert len(cells) == 6
    assert cells["AE, separate, 2"] == FEW | {"kind": "AE", "joint": False, "code_size": 2, "styled": False}
    model = build(Sizes(**cells["VAE, joint, 16"]), digits("", "train", style=constraints.STYLES))
    assert model.attributes == (10, (-0.4, 0.4), (-0.5, 1.0))
    assert sum(model.sizes) - 1 <= model.code_size  # so that requests can be met exactly


def test_claims_follow_the_figures(tmp_path):
    rows = {
        "AE, separate, 2": found("AE, separate, 2", tmp_path, accuracy=0.4),
        "AE, joint, 2": found("AE, joint, 2", tmp_path, accuracy=0.7),
        "VAE, separate, 2": found("VAE, separate, 2", tmp_path, accuracy=0.8),
        "VAE, joint, 2": found("VAE, joint, 2", tmp_path, accuracy=0.8),
        "AE, joint, 16": found("AE, joint, 16", tmp_path),
        "VAE, joint, 16": found("VAE, joint, 16", tmp_path, **{"asked_0.99": 0.85}),
    }
    assert [claim.shown for claim in claims(rows)] == [True, False, True, False]
    told = tables(tmp_path, [each for cell in rows.values() for each in cell])
    assert [row[:3] for row in told.tables[0].rows[:2]] == [
        ("AE, separate, 2", "39.1", "40.1 [40.0, 40.2]"),
        ("AE, joint, 2", "70.1", "70.1 [70.0, 70.2]"),
    ]
    assert told.tables[0].rows[4][1] == "-"


def test_the_explained_share_of_a_truth_is_one_and_of_its_mean_none(generator):
    truth = torch.randn(100, generator=generator)
    assert explained(truth, truth) == pytest.approx(1)
    assert explained(truth.mean().expand(100), truth) == pytest.approx(0, abs=1e-5)


def test_a_judge_learns_class_and_style_the_same_every_time():
    world = digits("", "train", style=("shear",))
    judge = train_judge(world, ("shear",), 120, 0, channels=8)
    rows = world.sample(300, torch.Generator().manual_seed(5))
    pictures = world.render(rows)
    assert judge.accuracy(pictures, rows[:, 0]) > 0.7
    odds, numbers = judge(pictures)
    torch.testing.assert_close(odds.sum(1), torch.ones(300))
    assert explained(numbers[:, 0], rows[:, 2]) > 0.3
    again = train_judge(world, ("shear",), 3, 0, channels=8), train_judge(world, ("shear",), 3, 0, channels=8)
    torch.testing.assert_close(*(each(pictures)[0] for each in again))


class Oracle:
    """A model whose pictures are test pictures: of the requested class, with the code of the class and the shear."""

    sizes = (10, 1)

    def __init__(self, world):
        self.world = world
        self.rows = world.sample(4000, torch.Generator().manual_seed(9))
        self.pictures = world.render(self.rows)

    def encode(self, pictures):
        match = [int((self.seen == picture).flatten(1).all(1).nonzero()[0, 0]) for picture in pictures]
        return torch.stack([self.truth[match][:, 0], self.truth[match][:, 2]], 1)

    def decode(self, code):
        far = 100 * (self.rows[None, :, 0] - code[:, None, 0]).abs() + (self.rows[None, :, 2] - code[:, None, 1]).abs()
        return self.pictures[far.argmin(1)].float() / 255

    def invert(self, requests, base=None, ratios="centred"):
        shear = torch.zeros(len(requests[0])) if base is None else base[:, 1]
        return torch.stack([requests[0].argmax(1).float(), shear], 1)

    def edit(self, code, requests):
        return self.invert(requests, code) if 0 in requests else torch.stack([code[:, 0], requests[1].float()], 1)

    def estimate(self, code):
        return [constraints.peaked(code[:, 0], 10, 0.9).float(), code[:, 1]]


def test_of_a_model_that_draws_what_is_asked_the_scores_are_those_of_the_judge(monkeypatch):
    train, test = (digits("", split, style=("shear",)) for split in ("train", "test"))
    model, judge = Oracle(train), train_judge(train, ("shear",), 200, 0, channels=8)
    seen = constraints.shown

    def watched(world, n, seed):
        model.seen, model.truth = seen(world, n, seed)
        return model.seen, model.truth

    monkeypatch.setattr(constraints, "shown", watched)
    scores = asked(model, judge, test, Sizes(**FEW))
    real = judge.accuracy(model.pictures, model.rows[:, 0])
    assert real > 0.75
    for name in ("asked_0.99", "asked_0.9", "edited", "kept_shear"):
        assert scores[name] > real - 0.2, name
    assert scores["exact"] < 1e-6
    assert scores["asked_shear"] > 0.3
    assert scores["reached_centred"] == scores["reached_last"]
