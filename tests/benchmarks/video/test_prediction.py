import json

import numpy as np
import pytest
import torch

from benchmarks.harness.papers import Found, Job
from benchmarks.metrics import own_and_cross_information
from benchmarks.video import prediction, run
from benchmarks.video.prediction_measures import (
    active,
    best_partition,
    changes,
    correlations,
    moved_alone,
    own_groups,
    own_shares,
)
from benchmarks.video.prediction_report import claims
from benchmarks.video.steering import Pushes, steered_scores
from envs.moving_digits import MovingDigits

torch.set_num_threads(1)
PART = "--part=prediction"


def test_the_command_runs_every_step_and_says_what_it_shows(tmp_path, capsys):
    out = tmp_path / "run"
    run.main([PART, "--preset=quick", "--workers=1", f"--out={out}"])
    found = json.loads((out / "result.json").read_text())
    for model in prediction.MODELS:
        assert {"own", "cross", "elbo", "least_own"} <= found["intervals"][model].keys()
    scores = found["intervals"]["independent_prediction, steered"]
    assert {"planned", "placebo_cem", "inverse_ridge"} <= scores.keys()
    names = {file.name for file in out.glob("*/*.*") if file.suffix in (".gif", ".png")}
    assert names >= {"alone.gif", "alone.png", "correlations.png", "steered.gif"}
    assert {claim["verdict"] for claim in found["claims"]} == {"undecided"}
    assert len(found["claims"]) == 5
    assert "own" in found["intervals"]["independent_prediction, drawn apart"]
    assert "4.61" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--papers.prediction.settings.order=3", "order"),
        ("--papers.prediction.frames=1", "frames"),
        ("--papers.prediction.settings.drawn=alone", "drawn"),
        ("--papers.prediction.size=48", "size"),
        ("--papers.prediction.step=3", "no setting 'step'; its settings are steps"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(option, said, tmp_path):
    with pytest.raises(SystemExit) as ended:
        run.main([PART, "--preset=quick", f"--out={tmp_path / 'run'}", option])
    assert said in str(ended.value)


def test_the_twin_is_watched_alone_and_steering_can_be_left_out():
    sizes = {"steps": 3}
    cells = [[name for name, _ in prediction.variants(model, sizes)] for model in prediction.MODELS]
    alone = {"steps": 3, "steered": 0, "apart": False}
    assert cells == [["", "drawn apart", "steered"], [""]]
    assert [name for name, _ in prediction.variants("independent_prediction", alone)] == [""]


def bars(code):
    """Pictures whose red channel has a bar at the first number of a code, and whose green one at the second."""
    pictures = torch.zeros(len(code), 3, 16, 16)
    for channel in range(2):
        pictures[torch.arange(len(code)), channel, :, code[:, channel].long()] = 1
    return pictures


def test_a_factor_that_moves_one_digit_is_told_from_one_that_moves_both(generator):
    codes = torch.randint(16, (20, 6, 2), generator=generator).float()
    films = moved_alone(bars, codes, [[1], [0]])
    assert films.shape == (3, 20, 6, 3, 16, 16)
    whole, second, first = changes(films)
    assert whole == pytest.approx(first + second)
    assert first[1] == second[0] == 0
    assert own_shares(np.stack([second, first])).tolist() == [1, 1]
    both = changes(moved_alone(lambda code: bars(code.flip(1)) + bars(code), codes, [[1], [0]]))[1:]
    assert own_shares(both) == pytest.approx([0.5, 0.5], abs=0.05)
    assert own_shares(np.array([[3.0, 1.0], [2.0, 8.0]])) == pytest.approx([0.75, 0.8])
    assert own_shares(np.array([[1.0, 3.0], [8.0, 2.0]])) == pytest.approx([0.8, 0.75])  # the red digit's first


def test_the_best_partition_is_the_one_that_keeps_together_what_goes_together():
    random = np.random.default_rng(0)
    cause = random.normal(size=(600, 2))
    now = torch.from_numpy(cause[:, [0, 1, 0, 1]] + 0.3 * random.normal(size=(600, 4)))
    later = torch.from_numpy(cause[:, [0, 1, 0, 1]] + 0.3 * random.normal(size=(600, 4)))
    groups = best_partition(now, later, [0, 1, 2, 3], 2, random)
    assert sorted(map(sorted, groups)) == [[0, 2], [1, 3]]
    own, cross = own_and_cross_information(now, later, groups)
    assert own > 1
    assert cross < 0.1


def test_numbers_that_never_vary_are_left_out(generator):
    means = torch.randn(50, 4, 6, generator=generator)
    means[..., [1, 3, 4, 5]] *= 0.01
    assert active(means) == [0, 2]
    assert own_groups([0, 2], 2, 3) == [[0, 2], [3, 4, 5]]
    assert own_groups([0, 4], 2, 3) == [[0], [4]]


def test_correlations_are_those_of_numpy(generator):
    now, later = (torch.randn(40, 3, generator=generator) for _ in range(2))
    wanted = np.corrcoef(now.T.numpy(), later.T.numpy())[:3, 3:]
    assert correlations(now, later) == pytest.approx(wanted, abs=1e-6)


def test_pushed_digits_go_where_they_are_pushed(generator):
    pushes = Pushes(MovingDigits(16), 5)
    batch = pushes.batches(6)(generator)
    assert batch["x"].shape == (6, 5, 3, 16, 16)
    assert batch["u"].shape == (6, 4, 4)
    before, after = (centres(batch["x"][:, k]) for k in (0, 4))
    wanted = batch["u"].sum(1) * 9 / 20  # of 9 pixels a twentieth; digits at the border stay there
    inside = ((before - after).abs() - wanted.abs()).abs() < 0.2
    assert inside.float().mean() > 0.7


def centres(pictures):
    """Row and column of the middle of the red ink, then of the green: [n, 4]."""
    ink = pictures[:, :2].float()
    line = torch.arange(16.0)
    total = ink.sum((2, 3)).clamp(min=1)
    return torch.stack([(ink.sum(3) * line).sum(2) / total, (ink.sum(2) * line).sum(2) / total], 2).flatten(1)


class Places:
    """A code that is the digits' places, and a transition that is the world's."""

    action_size, code_size = 4, 4

    def encode(self, pictures):
        return centres(pictures)

    def predict(self, code, action):
        return code + 0.45 * action

    def linearize(self, code, action):
        n = len(code)
        return torch.eye(4).expand(n, 4, 4), 0.45 * torch.eye(4).expand(n, 4, 4), torch.zeros(n, 4)


def test_who_knows_the_places_gets_there(tmp_path):
    scores = steered_scores(Places(), Pushes(MovingDigits(16), 5), 0, 10, tmp_path)
    assert scores["planned"] > 0.9
    assert scores["placebo_ilqr"] > 0.5
    assert (tmp_path / "steered.gif").exists()


def found(row, **scores):
    model, _, variant = row.partition(", ")
    job = [Job(model, seed=k, paper="prediction", variant=variant) for k in range(3)]
    return [Found(job[k], None, {name: value + 0.01 * k for name, value in scores.items()}) for k in range(3)]


def test_claims_follow_the_figures():
    rows = {
        "independent_prediction": found("independent_prediction", cross=0.5, nats=103.0, least_own=0.6),
        "entangled_prediction": found("entangled_prediction", cross=2.0, nats=100.0),
        "independent_prediction, steered": found("independent_prediction, steered", planned=0.8),
    }
    assert [claim.shown for claim in claims(rows)] == [True, True, False, True]
    rows["independent_prediction, drawn apart"] = found("independent_prediction, drawn apart", least_own=0.9)
    assert [claim.shown for claim in claims(rows)] == [True, True, False, True, True]
    del rows["independent_prediction, drawn apart"]
    rows["independent_prediction"] = found("independent_prediction", cross=1.5, nats=120.0, least_own=0.9)
    assert [claim.shown for claim in claims(rows)] == [False, False, True, True]
    assert len(claims({"independent_prediction": rows["independent_prediction"]})) == 1
