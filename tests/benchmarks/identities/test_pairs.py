import json

import numpy as np
import pytest
import torch

from benchmarks.harness.papers import Found, Job
from benchmarks.identities import run as identities
from benchmarks.identities.measures import best_threshold, verified
from benchmarks.identities.pairs import apart, distances, drawn, frechet, some
from benchmarks.identities.pairs_report import claims
from envs.faces import Faces

torch.set_num_threads(1)


def test_the_command_runs_every_step_and_says_what_it_shows(tmp_path, capsys):
    out = tmp_path / "run"
    identities.main(["--model=sd_dcgan,sd_began,gan", "--preset=quick", "--workers=1", f"--out={out}"])
    found = json.loads((out / "result.json").read_text())
    for model in ("sd_dcgan", "sd_began", "gan"):
        assert {"made_auc", "real_auc", "made_pixel_auc", "made_within", "frechet"} <= found["intervals"][model].keys()
        assert (next(out.glob(f"{model}-*")) / "grid.png").exists()
    real = [row["real_auc"]["mean"] for row in found["intervals"].values()]
    assert len(set(real)) == 1  # one verifier and one set of real pairs for all
    assert {claim["verdict"] for claim in found["claims"]} == {"undecided"}
    assert ".823" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--papers.pairs.steps.vae=3", "by model"),
        ("--papers.pairs.batch=64", "at most people"),
        ("--papers.pairs.settings.gan.width=0", "width"),
        ("--papers.pairs.side=48", "side"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(option, said, tmp_path):
    with pytest.raises(SystemExit) as ended:
        identities.main(["--model=gan", "--preset=quick", f"--out={tmp_path / 'run'}", option])
    assert said in str(ended.value)


def test_batches_are_views_of_one_person_and_never_one_picture_twice(generator):
    pictures = drawn(Faces(32), 12, 3, 5)
    assert pictures.shape == (12, 3, 3, 32, 32)
    assert torch.equal(pictures, drawn(Faces(32), 12, 3, 5))
    batch = some(pictures, 6, 2)(generator)
    for x, y in zip(batch["x"], batch["y"], strict=True):
        assert (pictures[y] == x).flatten(1).all(1).sum() == 1
    both = batch["x"].unflatten(0, (6, 2))
    assert not (both[:, 0] == both[:, 1]).flatten(1).all(1).any()
    assert torch.equal(batch["y"][::2], batch["y"][1::2])
    assert len(batch["y"].unique()) == 6


def test_matched_pairs_are_compared_with_other_seconds():
    pairs = torch.arange(6, dtype=torch.uint8).view(3, 2, 1, 1, 1).expand(3, 2, 3, 2, 2)
    matched, other = distances(pairs, lambda a, b: (a.float() - b.float()).square().flatten(1).mean(1))
    assert matched.tolist() == [1, 1, 1]
    assert other.tolist() == [25, 1, 1]
    black, white = torch.zeros(1, 3, 2, 2, dtype=torch.uint8), torch.full((1, 3, 2, 2), 255, dtype=torch.uint8)
    assert apart(black, white).item() == 1


def test_verification_by_hand():
    matched, other = torch.tensor([1.0, 2.0, 5.0]), torch.tensor([3.0, 4.0, 6.0])
    found = verified(matched, other, 2.5)
    assert found["auc"] == pytest.approx(7 / 9)
    assert found["accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert verified(other, matched, 0.0)["auc"] == pytest.approx(2 / 9)
    assert verified(torch.ones(4), torch.ones(4), 0.0)["auc"] == pytest.approx(0.5)
    assert best_threshold(matched, other) == pytest.approx(2.5)


def test_the_frechet_distance_of_normal_codes():
    draw = np.random.default_rng(0)
    first, second = draw.normal(0, 1, (20000, 3)), draw.normal(1, 2, (20000, 3))
    assert frechet(first, second) == pytest.approx((3 + 3 * (1 + 4 - 2 * 2)) / 3, rel=0.05)
    assert frechet(first, first) == pytest.approx(0, abs=1e-6)


def found(model, auc, within=0.2):
    scores = {"made_auc": auc, "made_within": within, "real_within": 0.3, "half": 0.5}
    return [
        Found(Job(model, seed=k, paper="pairs", variant=""), None, scores | {"made_auc": auc + 0.01 * k})
        for k in range(3)
    ]


def test_claims_follow_the_figures():
    rows = {"sd_dcgan": found("sd_dcgan", 0.8), "gan": found("gan", 0.5)}
    assert [claim.shown for claim in claims(rows)] == [True, True, True]
    rows["sd_dcgan"] = found("sd_dcgan", 0.95, within=0.01)  # a generator that ignores the observation code
    assert [claim.shown for claim in claims(rows)] == [True, True, False]
    rows["sd_dcgan"] = found("sd_dcgan", 0.4)
    assert [claim.shown for claim in claims(rows)] == [False, False, True]
    assert claims({"gan": found("gan", 0.5)}) == []
