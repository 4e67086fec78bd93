"""`disco/Grasp-v0`: Gymnasium's contract, attempts, errors, one physics client per process."""

import copy
import gc
import math
import os
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
import trimesh
from gymnasium.utils.env_checker import check_env

import envs
from envs.grasp.env import GraspEnv, choose_objects
from envs.grasp.frames import check_opening, vector_of
from envs.grasp.sampler import antipodal

pytest.importorskip("pybullet")
ID = "disco/Grasp-v0"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_gymnasiums_checker_accepts_the_environment():
    env = gym.make(ID, render_mode="rgb_array")
    check_env(env.unwrapped)
    observation, info = env.reset(seed=3)
    assert observation["rgb"].dtype == np.uint8
    assert 0.1 < np.median(observation["depth"]) < 5
    envs.make_world("grasp").check(torch.from_numpy(info["factors"])[None])
    assert env.render().shape == (256, 256, 3)
    env.close()


def demonstrations(env):
    scene = env.unwrapped.scene
    for seed in range(6):
        for pose, opening in zip(*antipodal(scene.solid, 60, np.random.default_rng(seed)), strict=True):
            placed = scene.pose @ pose
            if placed[2, 3] > 0:
                yield np.append(vector_of(placed), opening)


def test_an_episode_ends_with_success_and_the_object_is_put_back_behind_failures():
    env = GraspEnv(objects=["cup_03", "bottle_02"], render_mode="rgb_array")
    first, _ = env.reset(seed=5)
    reasons = []
    for action in demonstrations(env):
        observation, reward, terminated, truncated, info = env.step(action)
        reasons.append(info["reason"])
        assert (reward, terminated) == (float(info["success"]), info["success"])
        assert not truncated
        assert all(np.array_equal(first[key], observation[key]) for key in first)
        if terminated:
            break
    assert reasons[-1] == "success"
    assert info["rise"] > 0.1
    frame = env.render()
    again, _ = env.reset(seed=5)
    assert all(np.array_equal(first[key], again[key]) for key in first)
    assert env.step(action)[4]["reason"] == "success"
    assert np.array_equal(env.render(), frame)
    env.close()


def test_actions_outside_the_workspace_and_unknown_objects_are_refused(tmp_path):
    env = GraspEnv()
    with pytest.raises(gym.error.ResetNeeded):
        env.step(env.action_space.sample())
    env.reset(seed=0, options={"object": "mug_00", "place": (0.0, 0.0, 0.0)})
    good = np.array([0, 0, 0.3, np.pi, 0, 0, 0.08])
    assert env.step(good)[4]["reason"] == "miss"
    for bad, told in (
        (good * np.nan, "finite"),
        (good[:6], "7 finite"),
        (good + np.eye(7)[0] * 0.5, "workspace"),
        (good + np.eye(7)[6] * 0.1, "workspace"),
    ):
        with pytest.raises(ValueError, match=told):
            env.step(bad)
    with pytest.raises(ValueError, match="neither all, seen, novel"):
        GraspEnv(objects="forks")
    with pytest.raises(ValueError, match="elevations"):
        GraspEnv(elevations=(95,))
    with pytest.raises(ValueError, match="render_mode"):
        GraspEnv(render_mode="human")
    with pytest.raises(ValueError, match="falls off"):
        env.reset(options={"object": "mug_00", "place": (0.5, 0.0, 0.0)})
    assert len(choose_objects("novel")) == 21
    assert len(choose_objects("seen")) == 80
    mesh = trimesh.creation.box((0.04, 0.05, 0.06))
    mesh.export(tmp_path / "box.stl")
    own = GraspEnv(objects=[str(tmp_path / "box.stl")])
    _, info = own.reset(seed=1)
    assert np.isnan(info["factors"][:5]).all()
    assert np.isfinite(info["factors"][5:]).all()
    env.close(), own.close()


def test_bounds_of_the_space_in_single_precision_are_in_it():
    env = GraspEnv(objects="mug_00")
    env.reset(seed=0)
    space = env.action_space
    for action in (space.low, space.high, np.array([0, 0, 0.1, 0, np.pi, 0, 0.1], np.float32)):
        assert space.contains(action)
        assert env.step(action)[4]["reason"] in ("collision", "miss", "slip", "success")
    assert check_opening(float(np.float32(0.1))) == 0.1
    with pytest.raises(ValueError, match="opening"):
        check_opening(0.1001)
    env.close()


def test_a_copy_has_a_client_of_its_own_and_the_same_future():
    env = gym.make(ID, objects="cup_03")
    env.reset(seed=5)
    twin = copy.deepcopy(env)
    actions = list(demonstrations(env))[:3]
    wanted = [env.step(action)[4]["reason"] for action in actions]
    env.close()
    assert [twin.step(action)[4]["reason"] for action in actions] == wanted
    twin.close()


def test_environments_that_are_dropped_leave_no_client_behind():
    def resident():
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def visit():
        gym.make(ID, objects="mug_00", size=16).reset(seed=0)

    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc here")
    for _ in range(3):
        visit()
    gc.collect()
    before = resident()
    for _ in range(10):
        visit()
    gc.collect()
    assert resident() - before < 60  # one client is 30 MB


def test_options_and_settings_that_it_does_not_have_are_refused():
    env = GraspEnv(objects="mug_00")
    for options in ({"objects": "mug_00"}, {"place": (0, 0)}, {"place": (0, 0, math.nan)}, {"object": "fork"}):
        with pytest.raises(ValueError, match=r"option|place|fork"):
            env.reset(options=options)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="falls off"):
        env.reset(options={"place": (0.5, 0.0, 0.0)})
    env.step(env.action_space.low)  # what was refused has left the scene as it was
    env.close()
    with pytest.raises(TypeError, match=r"no setting 'sise'; its settings are size, "):
        gym.make(ID, sise=32)
    for wrong in ({"scale": 0}, {"scale": math.nan}, {"size": 0}, {"physics": {"mass": -1}}, {"physics": {"step": 0}}):
        with pytest.raises((ValueError, TypeError), match=r"scale|size|mass|step"):
            gym.make(ID, **wrong)
    with pytest.raises(gym.error.ResetNeeded):
        GraspEnv(render_mode="rgb_array").render()


def test_files_are_found_from_where_they_were_named_and_scaled(tmp_path, monkeypatch):
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    trimesh.creation.box((40, 50, 60)).export("box.stl")
    env = gym.make(ID, objects=[Path("box.stl")], scale=0.001)
    monkeypatch.chdir(tmp_path / "elsewhere")
    env.reset(seed=0)
    solid = env.unwrapped.scene.solid
    assert sorted(solid.high - solid.low) == pytest.approx([0.04, 0.05, 0.06])
    env.close()
    monkeypatch.setenv("HOME", str(tmp_path))
    assert choose_objects("~/box.stl") == [tmp_path / "box.stl"]
    assert choose_objects(Path("~/box.stl")) == [tmp_path / "box.stl"]
    with pytest.raises(TypeError, match="names and paths"):
        choose_objects([3])


def test_a_wrong_row_or_option_leaves_the_processes_alive_and_a_dead_one_is_named():
    env = gym.make_vec(ID, num_envs=2, objects=["bottle_01"], size=16, autoreset_mode="NEXT_STEP", max_episode_steps=2)
    assert env.metadata["autoreset_mode"] == gym.vector.AutoresetMode.NEXT_STEP
    with pytest.raises(gym.error.ResetNeeded):
        env.step(env.action_space.sample())
    env.reset(seed=0)
    high = np.tile(np.array([0, 0, 0.35, np.pi, 0, 0, 0.08], np.float32), (2, 1))
    bad = high.copy()
    bad[1, 0] = np.nan
    with pytest.raises(ValueError, match="finite"):
        env.step(bad)
    with pytest.raises(ValueError, match="no option"):
        env.reset(options={"things": 1})
    with pytest.raises(ValueError, match="place"):
        env.reset(options={"place": (3.0, 0, 0)})
    assert [bool(env.step(high)[3].all()) for _ in range(3)] == [False, True, False]
    env.processes[1].kill()
    env.processes[1].join()
    with pytest.raises(gym.error.ClosedEnvironmentError, match="environment 1 died"):
        env.step(high)
    env.close()
    assert not any(process.is_alive() for process in env.processes)


def test_the_vector_environment_has_one_client_per_process_and_resets_in_the_same_step():
    env = gym.make_vec(ID, num_envs=2, objects=["bottle_01"])
    assert env.metadata["autoreset_mode"] == gym.vector.AutoresetMode.SAME_STEP
    observation, info = env.reset(seed=0)
    assert observation["rgb"].shape == (2, 64, 64, 3)
    assert info["factors"].shape == (2, 11)
    assert not np.array_equal(info["factors"][0], info["factors"][1])
    high = np.tile(np.array([0, 0, 0.35, np.pi, 0, 0, 0.08], np.float32), (2, 1))
    for step in range(20):
        observation, _, terminated, truncated, info = env.step(high)
        assert not terminated.any()
        assert truncated.all() == (step == 19)
    assert "final_obs" in info
    env.close()
    with pytest.raises(ValueError, match="num_envs"):
        gym.make_vec(ID, num_envs=0)


def test_a_batch_of_environments_leaves_the_callers_threads_alone():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        env = gym.make_vec(ID, num_envs=1)
        env.close()
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
