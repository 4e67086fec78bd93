"""The grasping benchmark end to end, small; its scores and claims on hand-made figures."""

import dataclasses
import json

import pytest
import torch
from sklearn.metrics import roc_auc_score

from benchmarks.grasp import run as grasp
from benchmarks.grasp.figures import cubes
from benchmarks.grasp.plan import Planned
from benchmarks.grasp.report import claims, tables
from benchmarks.grasp.run import GraspJob
from benchmarks.grasp.scores import _auc, outcome_scores
from benchmarks.grasp.set import GraspSet
from benchmarks.harness.options import Sweep
from benchmarks.harness.table import interval
from envs.grasp.objects import CATEGORIES, library

pytest.importorskip("pybullet")


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grasp")
    words = ["--preset", "quick", "--model", "geometry_grasp", "--seed", "3", "--workers", "1"]
    grasp.main([*words, "--data", str(folder / "data"), "--out", str(folder / "run")])
    return folder


def test_a_run_leaves_everything_that_is_promised(quick):
    out = quick / "run"
    result = json.loads((out / "result.json").read_text())
    assert {"benchmark", "model", "preset", "seed", "scores", "seconds", "versions", "hardware"} <= result.keys()
    assert (result["benchmark"], result["model"], result["seed"]) == ("grasp", "geometry_grasp", 3)
    wanted = {"accuracy", "auc", "plan", "plan_1", "plan_at_once", "iou", "balanced_others", "balanced_collisions"}
    wanted |= {f"accuracy_{elevation}_{category}" for elevation in (15, 30, 45, 60) for category in CATEGORIES}
    wanted |= {f"plan_{category}" for category in CATEGORIES} | {f"iou_{category}" for category in CATEGORIES}
    assert wanted <= result["scores"].keys()
    assert all(0 <= value <= 1 for value in result["scores"].values())
    for name in (
        "config.yaml",
        "log.jsonl",
        "shape/log.jsonl",
        "joint/log.jsonl",
        "scene.png",
        "shapes.png",
        "report.html",
    ):
        assert (out / name).stat().st_size > 0, name
    assert (out / "model" / "model.safetensors").exists()
    assert "data:image/png;base64" in (out / "report.html").read_text()
    control = json.loads(next((out / "control").glob("**/result.json")).read_text())
    assert control["model"] == "random"
    assert "accuracy" not in control["scores"]


def test_a_finished_run_is_kept_and_another_configuration_refused(quick):
    words = ["--preset", "quick", "--model", "geometry_grasp", "--workers", "1", "--data", str(quick / "data")]
    before = (quick / "run" / "log.jsonl").stat().st_mtime_ns
    grasp.main([*words, "--seed", "3", "--out", str(quick / "run")])
    assert (quick / "run" / "log.jsonl").stat().st_mtime_ns == before
    with pytest.raises(SystemExit, match="another configuration"):
        grasp.main([*words, "--seed", "4", "--out", str(quick / "run")])


def hand_made():
    """Two scenes of two views with four grasps: a success, two collisions, a miss in each."""
    specs = tuple(next(s for s in library() if s.category == name) for name in ("bottle", "teapot"))
    reason = torch.tensor([[0, 1, 1, 2]]).repeat(2, 1)
    empty = torch.zeros(2, 2)
    elevation = torch.tensor([[15, 30]]).repeat(2, 1)
    pose = torch.zeros(2, 4, 4, 4)
    category = torch.tensor([0, 6])
    return GraspSet(specs, category, empty > 0, empty, empty, elevation, empty, empty, pose, reason.float(), reason)


def test_scores_of_hand_made_logits():
    data = hand_made()
    logits = torch.tensor([[1.0, -1.0, 1.0, -1.0], [1.0, -1.0, -1.0, 1.0]]).repeat(2, 1, 1)
    logits[1, 1] = torch.tensor([-1.0, 1.0, 1.0, 1.0])
    scores = outcome_scores(logits, data)
    assert scores["accuracy"] == pytest.approx((3 + 3 + 3 + 0) / 16)
    assert scores["accuracy_15"] == pytest.approx(6 / 8)
    assert scores["accuracy_30_teapot"] == 0
    assert scores["accuracy_30_bottle"] == pytest.approx(3 / 4)
    assert scores["told_success"] == pytest.approx(3 / 4)
    assert scores["told_collisions"] == pytest.approx((1 + 2 + 1 + 0) / 8)
    assert scores["told_others"] == pytest.approx((1 + 0 + 1 + 0) / 4)
    assert scores["balanced_others"] == pytest.approx((0.75 + 0.5) / 2)
    perfect = torch.where(data.reason == 0, 3.0, -3.0)[:, None].expand(2, 2, 4)
    found = outcome_scores(perfect, data)
    assert found["accuracy"] == found["auc"] == found["balanced_collisions"] == 1


def test_the_area_under_the_curve_is_scikit_learns(generator):
    logits = torch.randn(200, generator=generator).round(decimals=1)  # with ties
    success = torch.rand(200, generator=generator) < 0.4
    assert _auc(logits, success) == pytest.approx(roc_auc_score(success.numpy(), logits.numpy()))


def scores_of(accuracy, plan):
    return {"accuracy": interval(accuracy), "plan": interval(plan)}


def test_a_claim_is_shown_only_outside_the_interval():
    ours, theirs = scores_of([0.74, 0.75, 0.76], [0.8, 0.82, 0.81]), scores_of([0.70, 0.69, 0.71], [0.8, 0.9, 0.7])
    decided = claims({"geometry_grasp": ours, "grasp_cnn": theirs, "random": {"plan": interval([0.5, 0.6, 0.5])}})
    assert [claim.shown for claim in decided] == [True, False, True, True]
    assert not any(
        claim.shown
        for claim in claims({"geometry_grasp": scores_of([0.9], [0.9]), "grasp_cnn": scores_of([0.1], [0.1])})
    )
    assert claims({"grasp_cnn": theirs}) == []


def test_the_tables_hold_the_published_figures_and_ours():
    scores = scores_of([0.74, 0.76], [0.8, 0.82]) | {f"accuracy_{e}": interval([0.7, 0.8]) for e in (15, 30, 45, 60)}
    first, second, third, extra = tables({"geometry_grasp": scores, "random": {"plan": interval([0.5])}})
    text = first.markdown() + second.markdown() + third.markdown()
    for figure in ("76.55", "77.25", "75.27", "75.76", "71.42", "70.18", "61.46", "55.85", "48.6", "79.39"):
        assert figure in text
    assert any(row[0] == "geometry_grasp (15)" and row[-1].startswith("75.0") for row in first.rows)
    assert not any(row[0].startswith("random") for row in first.rows)
    assert any(row[0] == "random" and row[-1] == "50.0" for row in third.rows)
    assert len(extra.rows) == 2


def test_success_within_a_number_of_attempts():
    planned = Planned(torch.tensor([0, 1, 5, 20]), torch.zeros(4, 21, 4, 4))
    assert planned.within(1).tolist() == [False, True, False, False]
    assert planned.within(20).tolist() == [False, True, True, True]


def test_only_visible_cubes_are_drawn():
    grid = torch.zeros(6, 6, 6, dtype=torch.bool)
    grid[1:4, 1:4, 1:4] = True
    [model] = cubes(grid, (1, 0, 0))
    assert len(model.faces) == 26 * 12
    assert cubes(torch.zeros(4, 4, 4, dtype=torch.bool), (1, 0, 0)) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--model", "geometry_grisp"], "the models are geometry_grasp"),
        (["--preset", "huge"], "quick, default, long, paper"),
        (["--repeats", "0"], "repeats must be at least 1"),
        (["--objects", "5"], "objects must be at least 14"),
        (["--precision", "int8"], "--precision takes one of float32, bfloat16, auto, got 'int8'"),
    ],
)
def test_a_wrong_word_on_the_command_line_is_named(words, told, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        grasp.main([*words, "--out", str(tmp_path / "run")])
    assert told in str(caught.value) + capsys.readouterr().err


def test_seeds_take_the_data_sets_in_turn():
    values = dataclasses.asdict(GraspJob(data_seed=4, data_sets=2))
    values = {name: value for name, value in values.items() if name not in ("model", "preset", "seed", "device")}
    planned = grasp.plan(Sweep(model="grasp_cnn", seeds=3), values)
    for jobs in (planned.jobs, planned.beside["control"]):
        assert [(job.seed, job.data_seed) for job in jobs] == [(0, 4), (1, 5), (2, 4)]
    assert {grasp.generation(job).out.name for job in planned.jobs} == {
        "grasp_data-101x4x20-seed4",
        "grasp_data-101x4x20-seed5",
    }
    one = grasp.plan(Sweep(model="grasp_cnn", seeds=3), values | {"data": "somewhere"})
    assert {(job.data_seed, grasp.generation(job).out.name) for job in one.jobs} == {(4, "somewhere")}


def test_every_preset_makes_a_job():
    for settings in ({}, {"shape_steps": 0, "joint_steps": 5}):
        assert GraspJob(**settings).attempts == 20
    with pytest.raises(ValueError, match="shape_steps must be at least 0"):
        GraspJob(shape_steps=-1)
