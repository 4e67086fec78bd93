import base64
import dataclasses
import io
import json
import pickle
import zipfile
from pathlib import Path

import gymnasium as gym
import imageio.v3 as imageio
import numpy as np
import pytest
import stable_baselines3
import torch
import yaml
from scipy import stats
from stable_baselines3.common.vec_env import VecEnv

from agents.sb3 import EncodeVec, RepresentationExtractor
from benchmarks.harness.command import merged, parse, presets_of
from benchmarks.harness.curves import interquartile_band, interquartile_mean, steps_to
from benchmarks.harness.policy import Policy, SeeFactors, learner, restore, view
from benchmarks.harness.runs import sweep
from benchmarks.policies.measures import evaluate, step_times
from benchmarks.policies.report import claims, table
from benchmarks.policies.run import Policies, label, main, plan, pretraining, run
from envs import WORLDS, Factor, MovingWorld
from representations import load, make, save

SMALL = {"steps": 128, "rows": 4, "every": 64, "episodes": 3, "device": "cpu"}
PPO = {"n_steps": 8, "batch_size": 16, "n_epochs": 1}


@pytest.fixture
def folder(tmp_path):
    return str(save(make("rce", hidden=16), tmp_path / "model"))


def test_interquartile_mean_cuts_a_quarter_at_each_end():
    values = np.array([[0.0, 5.0, 7.0, 100.0], [1.0, 1.0, 1.0, 1.0]]).T
    assert interquartile_mean(values).tolist() == [6.0, 1.0]
    low, high = interquartile_band(values)
    assert low[0] < 6 < high[0]
    assert low[1] == high[1] == 1


def test_band_is_that_of_a_bootstrap_written_out():
    values = np.random.default_rng(1).normal(size=8)
    draws = np.random.default_rng(2).choice(values, (4000, 8))
    expected = np.percentile(stats.trim_mean(draws, 0.25, axis=1), [2.5, 97.5])
    np.testing.assert_allclose(interquartile_band(values, 4000), expected, atol=0.08)


def test_a_single_seed_has_no_band():
    assert np.isnan(interquartile_band([[1.0, 2.0]])).all()


def test_threshold_is_met_at_the_first_evaluation_above_it():
    assert steps_to([10, 20, 30], [0.2, 0.9, 0.5], 0.9) == 20
    assert steps_to([10, 20], [0.2, 0.8], 0.9) is None


def test_state_is_the_factors_of_the_picture_shown():
    job = Policy(model="state", encoder="state")
    envs, _ = view(job, 3, 0)
    plain, _ = view(Policy(model="pixels", encoder="pixels"), 3, 0)
    assert isinstance(envs, SeeFactors)
    seen, pictures = envs.reset(), plain.reset()
    world = plain.get_attr("world")[0]
    for step in range(1, 85):
        drawn = draw(world, seen["observation"])
        assert np.array_equal(drawn, pictures["observation"])
        assert envs.observation_space["observation"].contains(seen["observation"][0])
        actions = np.full((3, 2), 0.7, np.float32)
        seen, _, dones, infos = envs.step(actions)
        pictures, _, _, others = plain.step(actions)
        assert dones.all() == (step % 40 == 0)
        for row in np.flatnonzero(dones):
            last = infos[row]["terminal_observation"]["observation"][None]
            assert np.array_equal(draw(world, last)[0], others[row]["terminal_observation"]["observation"])


def draw(world, factors):
    import torch

    return world.render(torch.from_numpy(factors)).permute(0, 2, 3, 1).numpy()


def test_encoder_is_shown_as_asked(folder):
    frozen, _ = view(Policy(model="rce@0", encoder=folder), 2, 0)
    assert isinstance(frozen, EncodeVec)
    tuned, kwargs = view(Policy(model="rce@0", encoder=folder, frozen=False), 2, 0)
    assert not isinstance(tuned, EncodeVec)
    assert kwargs["features_extractor_class"] is RepresentationExtractor
    assert kwargs["features_extractor_kwargs"]["frozen"] is False


class Straight:
    """Heads straight for the goal from the state: mostly succeeds, since the diagonals are nearly free."""

    def predict(self, seen, deterministic):
        if not deterministic:
            return Still().predict(seen, deterministic)
        way = seen["desired_goal"] - seen["observation"][:, :2]
        return way * np.minimum(1, 3 / np.abs(way).max(1, keepdims=True).clip(1e-6)), None


def test_evaluation_knows_success_and_repeats_its_episodes():
    envs: VecEnv = view(Policy(model="state", encoder="state"), 12, 5)[0]
    first = evaluate(Straight(), envs)
    assert 0.6 < first[0] <= 1
    assert -12 < first[1] < -4
    assert evaluate(Straight(), envs) == first
    assert evaluate(Straight(), envs, noise=True)[0] == 0
    assert evaluate(Still(), envs)[0] == 0


class Still:
    def predict(self, seen, deterministic):
        return np.zeros((len(seen["observation"]), 2), np.float32), None


def test_run_leaves_curve_film_policy_and_scores(tmp_path, folder):
    job = Policy(model="rce@0", encoder=folder, settings=PPO, **SMALL)
    result = run(job, tmp_path / "run")
    scores = result["scores"]
    assert scores["curve"]["steps"] == [64, 128]
    assert scores["steps_to_threshold"] is None
    assert 0 < scores["encode_ms"] < scores["act_ms"]
    assert scores["step_ms"] == pytest.approx(1000 * scores["train_seconds"] / 128 * 4)
    assert scores["pretrain_transitions"] == 0
    film = imageio.imread(tmp_path / "run" / "policy.gif")
    assert film.shape[0] <= 40  # equal frames in a row are one
    assert film.shape[2] == 4 * (film.shape[1] + 8)
    assert (tmp_path / "run" / "policy.zip").exists()
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2


def test_saved_policy_is_restored_with_the_view_it_learned_from(tmp_path, folder):
    job = Policy(model="rce@0", encoder=folder, settings=PPO, **SMALL)
    sweep(run, [job], tmp_path / "run", workers=1)
    policy, envs = restore(tmp_path / "run", 2, 0)
    assert isinstance(envs, EncodeVec)
    seen = envs.reset()
    assert policy.predict(seen)[0].shape == (2, 2)
    again = learner(job, *view(job, 4, 0))
    again.set_parameters(policy.get_parameters())
    assert np.array_equal(again.predict(seen, deterministic=True)[0], policy.predict(seen, deterministic=True)[0])
    with pytest.raises(ValueError, match="is not the folder of a policy"):
        restore(tmp_path, 2, 0)


@pytest.fixture
def saved(tmp_path):
    """The folder of a policy on the state, and a file that only foreign code would make."""
    job = Policy(model="state", encoder="state", settings=PPO, **SMALL)
    sweep(run, [job], tmp_path / "run", workers=1)
    return tmp_path / "run", tmp_path / "made"


class Trap:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def rewrite(path, member, content):
    """Replace a member of a zip file."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()} | {member: content}
    with zipfile.ZipFile(path, "w") as new:
        for name, part in parts.items():
            new.writestr(name, part)


def test_pickled_settings_in_a_policys_folder_are_not_opened(saved):
    folder, made = saved
    trap = base64.b64encode(pickle.dumps(Trap(made))).decode()
    rewrite(folder / "policy.zip", "data", json.dumps({"policy_class": {":type:": "x", ":serialized:": trap}}))
    policy, _ = restore(folder, 2, 0)
    assert policy.predict(policy.env.reset())[0].shape == (2, 2)
    assert not made.exists()
    with pytest.raises(KeyError):  # the library's own way
        stable_baselines3.PPO.load(folder / "policy.zip", device="cpu")
    assert made.exists()


def test_weights_that_are_more_than_tensors_are_refused_unopened(saved):
    folder, made = saved
    stream = io.BytesIO()
    torch.save({"log_std": Trap(made)}, stream)
    rewrite(folder / "policy.zip", "policy.pth", stream.getvalue())
    with pytest.raises(ValueError, match="more than tensors"):
        restore(folder, 2, 0)
    assert not made.exists()


@pytest.mark.parametrize("env", ["booby:disco/Planar-v0", "booby:Anything-v0", "Anything-v0"])
def test_a_module_named_in_a_policys_folder_is_not_imported(saved, env, monkeypatch):
    folder, made = saved
    (folder / "booby.py").write_text(f"import pathlib; pathlib.Path({str(made)!r}).touch()")
    monkeypatch.syspath_prepend(folder)
    config = yaml.safe_load((folder / "config.yaml").read_text()) | {"env": env}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(ValueError, match="--import"):
        restore(folder, 2, 0)
    assert not made.exists()


def test_hindsight_waits_for_whole_episodes_and_relabels_goals():
    settings = {"learning_starts": 0, "batch_size": 16, "buffer_size": 1000, "gradient_steps": 1}
    job = Policy(model="state", encoder="state", algorithm="sac", hindsight=True, settings=settings, rows=2)
    policy = learner(job, *view(job, job.rows, 0))
    assert policy.learning_starts == 82
    policy.learn(100)
    batch = policy.replay_buffer.sample(200)
    far = (batch.next_observations["achieved_goal"] - batch.observations["desired_goal"]).norm(dim=1)
    np.testing.assert_allclose(batch.rewards[:, 0], -far / 40, atol=1e-5)
    corners = np.isin(batch.observations["desired_goal"], (3.0, 37.0)).all(1)
    assert 0.1 < corners.mean() < 0.5  # one goal in five is the episode's own
    assert policy.ep_success_buffer is not None
    assert len(policy.ep_success_buffer) == 2


def test_dqn_learns_where_actions_are_discrete():
    settings = {"learning_starts": 32, "buffer_size": 200, "batch_size": 8}
    env = {"env": "envs:disco/DSprites-v0", "env_settings": {}, "algorithm": "dqn", "hindsight": False}
    job = Policy(model="state", encoder="state", settings=settings, **env, **SMALL)
    policy = learner(job, *view(job, 4, 0))
    before = {name: value.clone() for name, value in policy.q_net.state_dict().items()}
    policy.learn(64)
    changed = [name for name, value in policy.q_net.state_dict().items() if not value.equal(before[name])]
    assert any("weight" in name for name in changed)


def named(tmp_path, **values):
    shared = {"env_settings": {"shapes": ["square", "cross"], "protocol": "pcc"}, "algorithm": "ppo", "settings": {}}
    options = Policies(encoder="dyn_content,state", encoders=str(tmp_path / "encoders"), seeds=2)
    return plan(options, shared | {"env": "envs:disco/Planar-v0"} | values).jobs


def test_named_encoder_is_pretrained_for_every_seed_and_found_again(tmp_path):
    cheap = {"observations": 60, "steps": 2, "batch": 8, "scores": "", "settings": {"hidden": 8}}
    jobs = named(tmp_path, pretrain=cheap, **SMALL | {"steps": 64})
    assert [job.model for job in jobs] == ["dyn_content"] * 2 + ["state"] * 2
    assert jobs[0].encoder != jobs[1].encoder
    before = pretraining(jobs[1])
    assert (before.world, before.world_settings, before.seed) == ("planar", {"shapes": ["square", "cross"]}, 1)
    job = dataclasses.replace(jobs[0], settings=PPO)
    scores = run(job, tmp_path / "first")["scores"]
    assert scores["pretrain_transitions"] == 16  # what two steps of eight can have seen
    assert scores["pretrain_seconds"] > 0
    assert load(job.encoder).settings["hidden"] == 8
    weights = Path(job.encoder) / "model.safetensors"
    made = weights.stat().st_mtime_ns
    assert run(job, tmp_path / "second")["scores"]["pretrain_transitions"] == 16
    assert weights.stat().st_mtime_ns == made


def test_settings_change_what_they_name_and_leave_the_rest_of_the_preset(tmp_path):
    usual = presets_of("policies")["default"]["settings"]
    job = named(tmp_path, settings=merged(usual, {"ppo": {"learning_rate": 0.5}, "sac": {"tau": 1}}))[-1]
    assert job.settings["learning_rate"] == 0.5
    assert job.settings["n_steps"] == 32
    assert "tau" not in job.settings


def test_pixels_have_settings_of_their_own():
    settings = {"ppo": {"gamma": 0.5, "policy_kwargs": {"log_std_init": 0.6}}, "sac": {"tau": 1}}
    own = {"ppo": {"n_steps": 8, "policy_kwargs": {"net_arch": [4]}}, "sac": {"tau": 0.5}}
    options = Policies(encoder="pixels,state", seed=0)
    values = {"env": "envs:disco/Planar-v0", "env_settings": {}, "algorithm": "ppo"}
    pixels, state = plan(options, values | {"settings": settings | {"pixels": own}}).jobs
    assert state.settings == settings["ppo"]
    assert pixels.settings == {
        "gamma": 0.5,
        "n_steps": 8,
        "policy_kwargs": {"log_std_init": 0.6, "net_arch": [4]},
    }


def test_single_settings_are_read_as_numbers():
    words = ["--settings.ppo.learning_rate", "1e-3", "--settings.sac.ent_coef", "auto", "--settings.dqn.a=false"]
    words += ["--pretrain.steps=0", "--pretrain.batch", "8"]
    _, values = parse("policies", Policies, Policy, words)
    given = values["settings"]
    assert (given["ppo"]["learning_rate"], given["sac"]["ent_coef"], given["dqn"]["a"]) == (0.001, "auto", False)
    assert (values["pretrain"]["steps"], values["pretrain"]["batch"]) == (0, 8)


def test_several_single_settings_are_merged_with_those_of_the_preset():
    _, values = parse("policies", Policies, Policy, ["--settings.ppo.gamma=0.9", "--settings.ppo.n_steps", "8"])
    assert values["settings"]["ppo"]["gamma"] == 0.9
    assert values["settings"]["ppo"]["n_steps"] == 8
    assert values["settings"]["ppo"]["batch_size"] == 512
    assert values["settings"]["sac"]["batch_size"] == 256


def test_wrong_pretraining_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"pretrain has no setting 'step'; its settings are .*world, world_settings"):
        named(tmp_path, pretrain={"step": 2})
    with pytest.raises(TypeError, match="no setting 'betta'"):
        named(tmp_path, pretrain={"settings": {"betta": 2}})


def test_steps_are_timed_with_the_encoder_in_them(folder):
    job = Policy(model="rce@0", encoder=folder)
    envs, kwargs = view(job, 3, 0)
    calls = []
    inner = envs.encode
    envs.encode = lambda seen: calls.append(len(seen["observation"])) or inner(seen)
    times = step_times(learner(job, envs, kwargs), envs)
    assert set(calls) == {3}
    assert 0 < times["encode_ms"] < times["act_ms"]


def result(name, steps, seed=0, success=1.0, encode=0.0):
    curve = {"steps": [100, 200], "success": [0.0, success], "return": [0, 0], "seconds": [1, 2]}
    scores = {
        "steps_to_threshold": steps,
        "success": success,
        "success_with_noise": 1.0,
        "train_seconds": 2.0,
        "step_ms": 6.4,
        "act_ms": 3.0,
        "pretrain_transitions": 0,
        "pretrain_seconds": 0.0,
        "encode_ms": encode,
        "curve": curve,
    }
    return {"model": name, "seed": seed, "scores": scores, "seconds": {"training": 2.0}}


def test_claims_are_decided_by_the_figures():
    jobs = [Policy(model="pixels", encoder="pixels", steps=200)]
    pixels = [result("pixels", None, seed, 0.3) for seed in range(3)]
    quick, slow = (
        [result("vae@1", steps, seed, encode=ms) for seed in range(3)] for steps, ms in ((100, 1.0), (None, 3))
    )
    faster, cheap, quiet = claims(pixels + quick, jobs)
    assert faster.shown
    assert "100; 100; 100 on the code, never; never; never on pixels" in faster.evidence
    assert cheap.shown
    assert "19%: 1.00 ms more than 5.40 ms; on pixels 6.40 ms" in cheap.evidence
    assert not quiet.shown
    assert "50%: 1.00 ms more than 2.00 ms" in quiet.evidence
    faster, cheap, _ = claims(pixels + slow, jobs)
    assert not faster.shown
    assert not cheap.shown
    rows = table(pixels + quick, jobs).rows
    assert [row[:3] for row in rows] == [("pixels", "> 200 (0 of 3)", "30%"), ("vae@1", "100", "100%")]
    assert rows[1][-1] == "1.00 (19% and 50%)"


def test_label_names_the_weights(folder, tmp_path):
    assert label(folder).startswith("rce@")
    assert label(folder) != label(str(save(make("rce", hidden=16), tmp_path / "other")))
    assert label("vae") == "vae"
    with pytest.raises(ValueError, match="a saved model's folder or one of pixels, state, beta_vae"):
        label("pixel")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encoder", "pixel"], "encoder must be a saved model's folder or one of pixels, state, .* got 'pixel'"),
        (["--model", "vae"], "name what to compare with --encoder"),
        (["--algorithm", "dqn"], "dqn needs Discrete actions"),
        (["--algorithm", "a3c"], "algorithm must be one of ppo, sac, dqn, got 'a3c'"),
        (["--env", "envs:disco/Plan-v0"], "Plan"),
        (["--env_settings", '{"shapes": ["disc"]}'], "shapes must be some of"),
        (["--threshold", "90"], "threshold must be in"),
        (["--hindsight", "true"], "hindsight needs a replay buffer"),
        (["--world", "planet"], "unknown world 'planet'; the worlds are planar"),
        (["--world", "pictures/of.npz"], "no moves to make among stored pictures: --world takes a name"),
        (["--world", "dsprites", "--env", "envs:disco/SwitchMaze-v0"], "give --world or --env, not both"),
        (["--settings", '{"gamma": 0.9}'], "settings are given by algorithm, ppo, sac, dqn, got 'gamma'"),
        (["--settings.pixels.gamma", "0.9"], "settings.pixels are given by algorithm, ppo, sac, dqn, got 'gamma'"),
    ],
)
def test_wrong_options_are_named(options, message, tmp_path):
    with pytest.raises(SystemExit, match=message):
        main([*options, "--out", str(tmp_path / "run")])


def test_command_compares_encoders(tmp_path, folder, capsys):
    small = [f"--{key}={value}" for key, value in SMALL.items()]
    out = tmp_path / "run"
    main(
        [
            "--encoder",
            f"state,{folder}",
            "--seeds",
            "1",
            *small,
            "--settings",
            json.dumps({"ppo": PPO}),
            "--workers",
            "1",
            "--out",
            str(out),
        ]
    )
    said = capsys.readouterr().out
    assert "steps to 90% success" in said
    assert "adds less than 30%" in said
    assert len(list(out.glob("*/result.json"))) == 2
    whole = json.loads((out / "result.json").read_text())
    assert whole["command"].startswith(f"python -m benchmarks.policies --encoder state,{folder} --seeds 1")
    assert [row[0] for row in whole["tables"][0]["rows"]] == ["state", label(folder)]
    assert len(whole["claims"]) == 2
    parts = [json.loads(path.read_text()) for path in out.glob("*/result.json")]
    assert whole["cpu_minutes"] == pytest.approx(sum(part["seconds"]["cpu"] for part in parts) / 60, abs=0.06)
    assert "success_by_steps" in "".join(path.name for path in out.iterdir())
    assert "data:image/gif" in (out / "report.html").read_text()


class Slide(MovingWorld):
    """A bright column that an action moves: a world of one's own."""

    factors = (Factor.continuous("x", 0, 15, "pixel"),)
    shape = (1, 16, 16)
    action_space = gym.spaces.Box(-2, 2, (1,), np.float32)

    def _render(self, factors):
        apart = (torch.arange(16.0) - factors[:, :1]).abs()
        return ((1 - apart).clamp(min=0) * 255).to(torch.uint8)[:, None, None].expand(-1, 1, 16, 16)

    def step(self, factors, actions, generator=None):
        return (factors + actions).clamp(0, 15)


@pytest.mark.parametrize("world", ["slide", "dsprites"])
def test_a_policy_acts_in_a_world_of_ones_own_or_another_of_ours(world, tmp_path, monkeypatch):
    monkeypatch.setitem(WORLDS, "slide", Slide)
    small = [f"--{key}={value}" for key, value in SMALL.items()]
    main(
        [
            "--world",
            world,
            "--encoder",
            "state",
            "--seed=0",
            *small,
            "--settings.ppo.n_steps=8",
            "--settings.ppo.batch_size=16",
            f"--out={tmp_path / 'run'}",
        ]
    )
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["env"] == {"slide": "envs:disco/world-slide-v0", "dsprites": "envs:disco/DSprites-v0"}[world]
    assert config["env_settings"] == {}
    policy, envs = restore(tmp_path / "run", 2, 0)
    assert len(policy.predict(envs.reset())[0]) == 2
    assert json.loads((tmp_path / "run" / "result.json").read_text())["scores"]["curve"]["steps"] == [64, 128]


def test_a_named_encoder_is_pretrained_on_a_world_of_ones_own(tmp_path, monkeypatch):
    monkeypatch.setitem(WORLDS, "slide", Slide)
    own, values = parse("policies", Policies, Policy, ["--world=slide", "--encoder=rce", "--seed=0"])
    [job] = plan(dataclasses.replace(own, encoders=str(tmp_path)), values).jobs
    before = pretraining(job)
    assert (before.world, before.world_settings, before.model) == ("slide", {}, "rce")
