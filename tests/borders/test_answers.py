"""Mistakes at entries that no registry lists: environments, agents, the loop, data sets, the command line."""

import gymnasium as gym
import numpy as np
import pytest
import torch

import benchmarks.metrics as metrics
from agents import FactorAgent
from agents.sb3 import SmallExtractor
from borders.files import parse_idx, read_idx
from envs.files.cifar10 import load_cifar10
from envs.files.idx import load_published
from representations import fit, make

PLANAR = "envs:disco/Planar-v0"


def maze(**settings):
    return gym.make("envs:disco/SwitchMaze-v0", goal_dict=True, **settings).unwrapped


def trained(**options):
    model = make("vae", shape=(1, 8, 8), code_size=2, hidden=4, channels=2)
    return fit(model, lambda generator: torch.rand(4, 1, 8, 8), 1, torch.Generator(), progress=False, **options)


def scored(encode, **options):
    from envs import make_world

    given = {"samples": 700, "seeds": 1} | options
    return metrics.score(encode, make_world("planar"), ["mig"], torch.Generator().manual_seed(0), **given)


def reward(achieved, desired):
    env = maze()
    env.reset(seed=0)
    return env.compute_reward(achieved, desired, {})


def followed():
    model = make("icf", shape=(1, 16, 16), hidden=8).eval()
    return FactorAgent(model, torch.Generator()).act(torch.rand(3, 1, 16, 16), torch.ones(3, 9, dtype=torch.bool))


def small(**options):
    return SmallExtractor(gym.make(PLANAR, goal_dict=True).observation_space, **options)


GOALS = np.zeros((3, 2), np.float32)
MISTAKES = {
    "options are a number": (
        lambda: gym.make(PLANAR).reset(options=3),
        TypeError,
        "options as a dict with start, goal",
    ),
    "options of a batch": (lambda: gym.make_vec(PLANAR, num_envs=2).reset(options=3), TypeError, "options as a dict"),
    "num_envs is a word": (lambda: gym.make_vec(PLANAR, num_envs="2"), TypeError, "num_envs must be an integer"),
    "num_envs is missing": (lambda: gym.make_vec("envs:disco/Grasp-v0", num_envs=None), TypeError, "num_envs must be"),
    "no steps": (
        lambda: gym.make_vec(PLANAR, num_envs=2, max_episode_steps=0),
        ValueError,
        "max_episode_steps must be",
    ),
    "a goal that is a word": (lambda: reward("a", GOALS), TypeError, "achieved_goal must hold numbers"),
    "a goal of another width": (
        lambda: reward(GOALS[:, :1], GOALS),
        ValueError,
        r"achieved_goal must have shape \[n, ",
    ),
    "a goal that is no number": (lambda: reward(GOALS, GOALS * np.nan), ValueError, "desired_goal must be finite"),
    "goals of two lengths": (lambda: reward(GOALS, GOALS[:2]), ValueError, "must be of one shape"),
    "actions that are not there": (followed, ValueError, r"allowed must have shape \[3, "),
    "no channels": (lambda: small(channels=None), TypeError, "channels must be"),
    "one word for names": (lambda: small(leave_out="achieved_goal"), TypeError, "leave_out must be a sequence"),
    "no device": (lambda: trained(device=None), TypeError, "device must be a string"),
    "a sixth processor": (lambda: trained(device="cpu:5"), ValueError, "there is one cpu"),
    "a number in place of a function": (lambda: trained(on_step=3), TypeError, "on_step must be a function"),
    "a word for a truth value": (lambda: trained(resume="no"), TypeError, "resume must be"),
    "codes of two widths": (lambda: scored(lambda x: torch.rand(len(x), len(x))), ValueError, "codes of one width"),
    "a gap that is never met": (
        lambda: scored(lambda x: x.float().flatten(1)[:, :3], gap=lambda f: f["row"] < -1),
        ValueError,
        "gap holds for none",
    ),
    "no held-out row": (
        lambda: metrics.dci(np.eye(200)[:, :3], np.eye(200)[:, :3], held_out=np.zeros(200, bool)),
        ValueError,
        "held_out marks no row",
    ),
    "a split that is no word": (lambda: load_cifar10(["test"]), ValueError, "split must be 'train' or 'test'"),
    "a folder that is a number": (lambda: load_cifar10("test", 3), TypeError, "path must be"),
    "a set that nobody published": (lambda: load_published("mnst", "test"), ValueError, "unknown data set 'mnst'"),
    "a file that is a number": (lambda: read_idx(3), TypeError, "path must be"),
    "a word for bytes": (lambda: parse_idx("a", "b"), TypeError, "content must be bytes"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_by_the_name_of_the_argument(name):
    call, kind, told = MISTAKES[name]
    with pytest.raises(kind, match=told):
        call()


def test_a_batch_without_a_limit_is_never_cut():
    env = gym.make_vec(PLANAR, num_envs=2, max_episode_steps=-1)  # Gymnasium's word for none
    env.reset(seed=0)
    assert not any(env.step(env.action_space.sample() * 0)[3].any() for _ in range(45))


def test_aliases_in_a_configuration_file_are_bounded(tmp_path, capsys):
    from benchmarks.sprites.run import main

    tens = [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 9)]
    (tmp_path / "bomb.yaml").write_text("\n".join(["a0: &a0 [1, 1]", *tens]))
    with pytest.raises(SystemExit):
        main([f"--config={tmp_path / 'bomb.yaml'}", f"--out={tmp_path / 'out'}"])
    assert "once its aliases are spelled out" in capsys.readouterr().err
