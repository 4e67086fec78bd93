import json

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.harness.papers import Found, Job, models_of
from benchmarks.identities import run as identities
from benchmarks.identities.embedding import MODELS, batches, split
from benchmarks.identities.embedding_report import claims, distributions
from benchmarks.identities.measures import auc, near_one, recall, rotated, told, told_of_strangers, values
from envs.characters import Characters

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def world():
    return Characters(16)


def test_the_command_runs_every_step_and_says_what_it_shows(tmp_path, capsys):
    out = tmp_path / "run"
    identities.main(["--model=f_statistic,histogram", "--preset=quick", "--workers=1", f"--out={out}"])
    found = json.loads((out / "result.json").read_text())
    assert {"recall_1", "own_auc", "rotated_auc", "chance_auc", "mig"} <= found["intervals"]["f_statistic"].keys()
    assert {claim["verdict"] for claim in found["claims"]} == {"undecided"}
    printed = capsys.readouterr().out
    assert "90.5 ± 0.4" in printed
    assert "data:image/png" in (out / "report.html").read_text()
    folder = next(out.glob("f_statistic-*"))
    assert {"neighbours.png", "ends.png", "log.jsonl", "model"} <= {file.name for file in folder.iterdir()}


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--papers.embeding.pictures=3", "write --papers"),
        ("--papers.embedding.sides=3", "sides"),
        ("--papers.embedding.each.vae=3", "by model"),
        ("--papers.embedding.settings.triplet.margin=-1", "margin"),
        ("--model=tripled", "unknown model 'tripled'; the models are triplet"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(option, said, tmp_path):
    with pytest.raises(SystemExit) as ended:
        identities.main(["--preset=quick", f"--out={tmp_path / 'run'}", option])
    assert said in str(ended.value)
    assert not (tmp_path / "run").exists()


def test_held_out_identities_are_never_learned_from(world, generator):
    learned, held = split(world, 3)
    assert sorted([*learned.tolist(), *held.tolist()]) == list(range(672))
    assert len(held) == 134
    assert not torch.equal(held, split(world, 4)[1])
    batch = batches(world, learned, 6, 4)(generator)
    assert batch["x"].shape == (24, 3, 16, 16)
    assert batch["y"].unique(return_counts=True)[1].tolist() == [4] * 6
    assert not set(batch["y"].tolist()) & set(held.tolist())


def test_recall_by_hand():
    codes = torch.tensor([[0.0], [1.0], [2.5], [2.6], [9.0], [9.1]])
    labels = torch.tensor([0, 0, 1, 0, 2, 2])
    found = recall(codes, labels, (1, 2, 3))
    assert found == {1: pytest.approx(4 / 6), 2: pytest.approx(5 / 6), 3: pytest.approx(5 / 6)}


def test_an_area_is_scikit_learns_whichever_way_it_points(generator):
    codes = torch.randn(60, 3, generator=generator).round(decimals=1).numpy()
    positive = (codes[:, 1] + torch.randn(60, generator=generator).numpy()) > 0
    found = auc(codes, positive)
    for k in range(3):
        area = roc_auc_score(positive, codes[:, k])
        assert found[k] == pytest.approx(max(area, 1 - area))
    np.testing.assert_allclose(auc(-codes, positive), found)
    assert auc(np.ones((4, 1)), np.array([True, False, True, False]))[0] == 0.5
    with pytest.raises(ValueError, match="some of the 60 rows and not for all"):
        auc(codes, positive | True)


def test_an_attribute_of_two_values_counts_once():
    assert len(values()) == 15
    assert sum(name.startswith("weapon ") for _, _, name in values()) == 7
    assert sum(name.startswith("body ") for _, _, name in values()) == 1


def test_codes_that_are_the_attributes_are_told_by_single_dimensions_and_rotated_ones_are_not(world, generator):
    every = torch.arange(672)
    identity = every.repeat_interleave(2)
    attributes = world.who(identity)
    columns = [(attributes[:, column] == value).float() for column, value, _ in values()]
    codes = torch.stack(columns, 1) + 0.05 * torch.randn(len(identity), 15, generator=generator)
    own = told(codes, attributes)
    assert near_one(own, 0.95) == 15
    turned = told(rotated(codes, generator), attributes)
    assert near_one(turned, 0.95) < 3
    torch.testing.assert_close(rotated(codes, generator).norm(dim=1), codes.double().norm(dim=1))
    chance = told_of_strangers(codes, attributes, identity, generator)
    assert 0.5 < sum(chance.values()) / 15 < 0.6


def found(model, seed, **scores):
    areas = {kind: {"a": scores[f"{kind}_auc"], "b": 0.6} for kind in ("own", "rotated", "untrained", "chance")}
    return Found(Job(model, seed=seed, paper="embedding", variant=""), None, scores | {"areas": areas, "values": 2.0})


def many(model, **more):
    base = {"own_90": 5.0, "own_95": 4.0, "own_auc": 0.9, "rotated_auc": 0.7, "untrained_auc": 0.6, "chance_auc": 0.55}
    return [
        found(model, k, **{n: v + 0.001 * k for n, v in (base | {"recall_1": 0.9} | more).items()}) for k in range(3)
    ]


def test_claims_follow_the_figures():
    rows = {"f_statistic": many("f_statistic"), "triplet": many("triplet", own_90=3.0, own_auc=0.8, recall_1=0.95)}
    assert [claim.shown for claim in claims(rows)] == [True, True, True, False]
    rows["f_statistic"] = many("f_statistic", own_90=2.0, rotated_auc=0.95)
    assert [claim.shown for claim in claims(rows)] == [False, True, False, False]
    rows["triplet"] = many("triplet", own_90=2.0)
    assert claims(rows)[0].shown is False  # as many are not more
    mixed = [*many("triplet", own_90=1.0)[:1], *many("triplet", own_90=4.0)[1:]]
    assert claims({"f_statistic": many("f_statistic", own_90=2.0), "triplet": mixed})[0].shown is None
    assert claims({"triplet": many("triplet")}) == []


def test_the_distribution_begins_with_all_values():
    figure = distributions({"f_statistic": many("f_statistic"), "triplet": many("triplet", own_auc=0.8)})
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines][:2] == ["f_statistic", "triplet"]
    assert lines[0].get_ydata()[0] == 1
    assert list(lines[0].get_xdata()) == sorted(lines[0].get_xdata())


def test_every_model_can_be_asked_for():
    assert set(MODELS) < set(models_of(identities.PARTS))
