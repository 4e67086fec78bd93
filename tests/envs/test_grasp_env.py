"""`disco/Grasp-v0`: Gymnasium's contract, attempts, errors, one physics client per process."""

import gymnasium as gym
import numpy as np
import pytest
import torch
import trimesh
from gymnasium.utils.env_checker import check_env

import envs
from envs.grasp.env import GraspEnv, choose_objects
from envs.grasp.frames import vector_of
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
