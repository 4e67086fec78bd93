import json

import imageio.v3 as imageio
import numpy as np
import pytest
from scipy import stats
from stable_baselines3.common.vec_env import VecEnv

from agents.sb3 import EncodeVec, RepresentationExtractor
from benchmarks.curves import interquartile_band, interquartile_mean, steps_to
from benchmarks.policies import Policy, SeeFactors, claims, evaluate, label, main, run, tables, view
from representations import make, save

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
    frozen, _ = view(Policy(model="rce", encoder=folder), 2, 0)
    assert isinstance(frozen, EncodeVec)
    tuned, kwargs = view(Policy(model="rce", encoder=folder, frozen=False), 2, 0)
    assert not isinstance(tuned, EncodeVec)
    assert kwargs["features_extractor_class"] is RepresentationExtractor
    assert kwargs["features_extractor_kwargs"]["frozen"] is False


class Straight:
    """Heads straight for the goal from the state: mostly succeeds, since the diagonals are nearly free."""

    def predict(self, seen, deterministic):
        way = seen["desired_goal"] - seen["observation"][:, :2]
        return way * np.minimum(1, 3 / np.abs(way).max(1, keepdims=True).clip(1e-6)), None


def test_evaluation_knows_success_and_repeats_its_episodes():
    envs: VecEnv = view(Policy(model="state", encoder="state"), 12, 5)[0]
    first = evaluate(Straight(), envs)
    assert 0.6 < first[0] <= 1
    assert -12 < first[1] < -4
    assert evaluate(Straight(), envs) == first
    assert evaluate(Still(), envs)[0] == 0


class Still:
    def predict(self, seen, deterministic):
        return np.zeros((len(seen["observation"]), 2), np.float32), None


def test_run_leaves_curve_film_policy_and_scores(tmp_path, folder):
    job = Policy(model="rce", encoder=folder, settings=PPO, **SMALL)
    result = run(job, tmp_path / "run")
    scores = result["scores"]
    assert scores["curve"]["steps"] == [64, 128]
    assert scores["steps_to_threshold"] is None
    assert scores["encode_ms"] > 0
    assert scores["step_ms"] > 0
    film = imageio.imread(tmp_path / "run" / "policy.gif")
    assert film.shape[0] <= 40  # equal frames in a row are one
    assert film.shape[2] == 4 * (film.shape[1] + 8)
    assert (tmp_path / "run" / "policy.zip").exists()
    assert len((tmp_path / "run" / "log.jsonl").read_text().splitlines()) == 2


def result(name, steps, seed=0, success=1.0, encode=0.0):
    curve = {"steps": [100, 200], "success": [0.0, success], "return": [0, 0], "seconds": [1, 2]}
    scores = {
        "steps_to_threshold": steps,
        "success": success,
        "steps_per_second": 1e4,
        "step_ms": 6.4,
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
    faster, cheap = claims(pixels + quick, jobs)
    assert faster.shown
    assert "100; 100; 100 on the code, never; never; never on pixels" in faster.evidence
    assert cheap.shown
    assert "19%" in cheap.evidence
    faster, cheap = claims(pixels + slow, jobs)
    assert not faster.shown
    assert not cheap.shown
    [table] = tables(pixels + quick, jobs)
    assert [row[:4] for row in table.rows] == [("pixels", "> 200", "0 of 3", "30%"), ("vae@1", "100", "3 of 3", "100%")]


def test_label_names_the_weights(folder, tmp_path):
    assert label(folder).startswith("rce@")
    assert label(folder) != label(str(save(make("rce", hidden=16), tmp_path / "other")))
    with pytest.raises(ValueError, match="pixels, state or a saved model's folder"):
        label("pixel")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--encoder", "pixel"], "encoder must be pixels, state or a saved model's folder, got 'pixel'"),
        (["--model", "vae"], "name what to compare with --encoder"),
        (["--algorithm", "dqn"], "dqn needs Discrete actions"),
        (["--algorithm", "a3c"], "algorithm must be one of ppo, sac, dqn, got 'a3c'"),
        (["--env", "envs:disco/Plan-v0"], "Plan"),
        (["--env_settings", '{"shapes": ["disc"]}'], "shapes must be some of"),
        (["--threshold", "90"], "threshold must be in"),
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
            json.dumps(PPO),
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
    assert "success_by_steps" in "".join(path.name for path in out.iterdir())
    assert "data:image/gif" in (out / "report.html").read_text()
