import json

import numpy as np
import pytest
import torch

from benchmarks.harness.observations import collect, collect_by
from benchmarks.harness.policy import Policy
from benchmarks.harness.pretraining import PretrainJob, batches_of, build, run
from benchmarks.harness.runs import sweep
from benchmarks.metrics import traverse
from benchmarks.policies.run import run as run_policy
from benchmarks.pretrain import main
from envs import make_world
from envs.moves import moving
from representations import load


def test_collected_transitions_obey_the_world(generator):
    world = make_world("planar")
    data = collect(world, 300, generator)
    assert torch.equal(data.x, world.render(data.factors))
    assert torch.equal(data.x_next, world.render(world.step(data.factors, data.u)))
    assert data.u.shape == (300, 2)
    assert data.u.abs().max() <= 3


def test_a_walk_goes_on_from_where_it_was(generator):
    world = make_world("planar")
    data = collect(world, 64 * 40 + 10, generator, "walk")
    episodes = data.factors[: 64 * 40].view(40, 64, 3)
    following = world.step(data.factors, data.u)[: 64 * 40].view(40, 64, 3)
    assert torch.equal(episodes[1:], following[:-1])
    assert len(data.x) == 64 * 40 + 10


def test_a_policy_can_collect(generator):
    world = make_world("planar")
    data = collect(world, 200, generator, "walk", act=lambda pictures: torch.full((len(pictures), 2), 3.0))
    assert (data.u == 3).all()
    assert data.factors[128:, :2].mean() > data.factors[:64, :2].mean() + 3


def test_discrete_actions_are_collected_as_one_hot(generator):
    world = moving(make_world("dsprites"))
    data = collect(world, 20, generator)
    assert data.u.shape == (20, 2 * len(world.factors))
    assert torch.equal(world.step(data.factors, data.u.argmax(1)), world.step(data.factors, data.u.argmax(1)))
    assert torch.equal(data.x_next, world.render(world.step(data.factors, data.u.argmax(1))))
    assert (data.u.sum(1) == 1).all()


def test_a_saved_policy_collects_along_its_episodes(tmp_path):
    small = {"steps": 64, "rows": 4, "every": 64, "episodes": 2, "device": "cpu", "settings": {"n_steps": 16}}
    sweep(run_policy, [Policy(model="state", encoder="state", **small)], tmp_path / "run", workers=1)
    world = make_world("planar")
    data = collect_by(tmp_path / "run", world, 64 * 40 + 100, seed=1)
    assert torch.equal(data.x, world.render(data.factors))
    assert torch.equal(data.x_next, world.render(world.step(data.factors, data.u)))
    episodes = data.factors[: 64 * 40].view(40, 64, 3)
    following = world.step(data.factors, data.u)[: 64 * 40].view(40, 64, 3)
    assert torch.equal(episodes[1:], following[:-1])
    again = data.factors[64 * 40 :][:64, :2]  # where the next episodes start: in a corner
    assert ((again < 7.1) | (again > 32.9)).all()
    with pytest.raises(ValueError, match="was trained in another world"):
        collect_by(tmp_path / "run", make_world("planar", shapes=("tee",)), 10, seed=1)


def test_batches_are_what_the_model_learns_from(generator):
    data = collect(make_world("planar"), 100, generator)
    world, model = build(PretrainJob(model="beta_vae", settings={"channels": 2, "hidden": 4}))
    assert batches_of(data, world, model, 7)(generator).shape == (7, 1, 40, 40)
    world, model = build(PretrainJob(model="dyn_content", settings={"hidden": 4}))
    batch = batches_of(data, world, model, 9)(generator)
    assert {key: tuple(value.shape)[:2] for key, value in batch.items()} == {
        "x": (9, 1),
        "u": (9, 2),
        "x_next": (9, 1),
        "y": (9, 1),
    }
    shape = {picture.numpy().tobytes(): int(row[2]) for picture, row in zip(data.x, data.factors, strict=True)}
    assert {shape[picture.numpy().tobytes()] for picture in batch["x"]} == {0}
    assert {shape[picture.numpy().tobytes()] for picture in batch["y"]} == {1}


def test_content_is_the_first_factor_of_which_there_are_two_classes(generator):
    job = PretrainJob(model="dyn_content", world="multi_sprites", settings={"hidden": 4})
    world, model = build(job)
    names = [factor.name for factor in world.factors]
    data = collect(world, 60, generator)
    exists, shape = names.index("exists_0"), names.index("shape_0")
    data.factors[:, exists], data.factors[:, shape] = 1, torch.arange(60) % 2 + 1
    batch = batches_of(data, world, model, 9)(generator)
    for key, wanted in (("x", 1), ("y", 2)):
        rows = [(data.x == picture).flatten(1).all(1) for picture in batch[key]]
        assert all((data.factors[row, shape] == wanted).any() for row in rows)
    data.factors[:, [k for k, f in enumerate(world.factors) if f.kind == "categorical"]] = 0
    assert batches_of(data, world, model, 9)(generator)["y"].shape[0] == 9


def test_model_is_trained_scored_and_saved(tmp_path):
    job = PretrainJob(
        observations=200,
        steps=5,
        batch=16,
        samples=200,
        scores="mig",
        device="cpu",
        settings={"channels": 4, "hidden": 8, "code_size": 3},
    )
    result = run(job, tmp_path)
    assert {"pixel_error", "mig"} <= set(result["scores"])
    assert set(result["seconds"]) == {"collecting", "training", "scoring", "cpu"}
    assert (tmp_path / "reconstruction.png").exists()
    model = load(tmp_path / "model")
    assert model.code_size == 3
    assert model.settings["shape"] == [1, 40, 40]


def test_command_writes_a_report_and_says_what_comes_next(tmp_path, capsys):
    options = ["--preset", "quick", "--model", "rce", "--steps", "4", "--scores", "mig", "--device", "cpu"]
    main([*options, "--settings", '{"hidden": 8}', "--out", str(tmp_path / "run")])
    said = capsys.readouterr().out
    assert "--encoder pixels,state," in said
    assert "noise" in said
    assert json.loads((tmp_path / "run" / "result.json").read_text())["benchmark"] == "pretrain"
    assert "random_linear" in (tmp_path / "run" / "report.html").read_text()


def test_a_learner_is_pretrained_on_own_pictures_and_traversed(tmp_path, capsys):
    draws = np.random.default_rng(0)
    pictures = (255 * (draws.random((120, 64, 64)) < 0.1)).astype(np.uint8)
    np.savez(tmp_path / "own.npz", pictures=pictures, factors=pictures[:, :2, 0].astype(float))
    out, small = tmp_path / "a run, mine", ["--observations", "100", "--steps", "2", "--batch", "8", "--samples", "100"]
    options = ["--preset", "quick", "--model", "vae", "--world", str(tmp_path / "own.npz"), "--scores", "mig", *small]
    settings = ["--settings", "{channels: 4, hidden: 8, code_size: 3}"]
    main([*options, *settings, "--out", str(out), "--device", "cpu"])
    assert "random_pixels (reads the picture)" in capsys.readouterr().out
    about = json.loads((out / "model" / "config.json").read_text())
    assert about["world"] == str(tmp_path / "own.npz")
    assert load(out).code_size == 3  # by the run's folder
    assert len(traverse(out).axes[0].get_yticks()) == 3
    result = json.loads((out / "result.json").read_text())
    assert {"scores", "intervals", "tables", "claims", "command", "date"} <= result.keys()
    report = (out / "report.html").read_text()
    assert all(word in report for word in ("command", "revision", "hardware", "The loss of every"))
    with pytest.raises(SystemExit, match="e2c learns from moves"):
        main([*options, "--model", "e2c", "--out", str(tmp_path / "other")])
    with pytest.raises(SystemExit, match="beta_vae_changed does not apply to these pictures"):
        main([*options, "--scores", "beta_vae_changed", "--out", str(tmp_path / "other")])


def test_a_learner_of_clips_is_not_shown_pictures():
    with pytest.raises(ValueError, match="mocogan learns from clips, not from pictures; choose from beta_vae"):
        build(PretrainJob(model="mocogan"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model", "beta_va"], "unknown model 'beta_va'; the models are beta_vae"),
        (["--world", "plana"], "unknown world 'plana'; the worlds are planar"),
        (["--model", "covariance_classifier"], "unknown model 'covariance_classifier'; the models are"),
        (["--model", "mocogan"], "unknown model 'mocogan'; the models are"),
        (["--collect", "video"], "collect must be one of factors, walk, policy, got 'video'"),
        (["--collect", "policy"], "collect policy and a policy's folder go together"),
        (["--collect", "policy", "--policy", "nowhere"], "nowhere is not the folder of a policy"),
        (["--batch", "1"], "batch must be at least 2"),
        (["--scores", "magic"], "unknown score 'magic'"),
        (["--settings", '{"betta": 3}'], "no setting 'betta'; its settings are beta"),
    ],
)
def test_wrong_options_are_named(options, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        main([*options, "--out", str(tmp_path / "run")])
