"""The contract that every world and every environment keeps."""

import copy
import inspect
import os
import subprocess
import sys
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

import envs
from envs.moves import moving
from envs.register import IDS
from envs.world import Factor

PICTURES = [name for name in envs.WORLDS if name != "swiss_roll"]


@pytest.fixture(scope="module", params=list(envs.WORLDS))
def world(request):
    return envs.make_world(request.param)


def test_samples_are_seeded_and_in_range(world):
    draws = [world.sample(40, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1)]
    assert draws[0].dtype == torch.float32
    assert draws[0].shape == (40, len(world.factors))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
    world.check(draws[0])
    for factor, column in zip(world.factors, draws[0].T, strict=True):
        if factor.values:
            assert set(column.tolist()) <= set(torch.tensor(factor.values).tolist())


def test_rendering_is_pure_and_row_by_row(world, generator):
    factors = world.sample(6, generator)
    before = factors.clone()
    pictures = world.render(factors)
    assert pictures.shape == (6, *world.shape)
    assert torch.equal(factors, before)
    assert pictures.is_contiguous()
    if pictures.ndim == 4:
        assert torch.equal(world.screens(factors), pictures.permute(0, 2, 3, 1))
        assert world.screens(factors).is_contiguous()
    assert torch.equal(pictures, torch.cat([world.render(row[None]) for row in factors]))
    assert len(world.render(factors[:0])) == 0


def test_names_are_unique_and_grids_are_drawable(world, generator):
    assert len(set(world.names)) == len(world.names)
    base = world.sample(1, generator)
    for k, factor in enumerate(world.factors):
        values = factor.grid(5)
        rows = base.repeat(len(values), 1)
        rows[:, k] = values
        assert len(world.render(rows)) == len(values)


def test_values_out_of_range_and_wrong_shapes_are_refused(world, generator):
    factors = world.sample(3, generator)
    for k, factor in enumerate(world.factors):
        for wrong in (factor.high + 1 + abs(factor.high), float("nan")):
            bad = factors.clone()
            bad[1, k] = wrong
            with pytest.raises(ValueError, match=factor.name):
                world.render(bad)
    with pytest.raises(ValueError, match="shape"):
        world.render(factors[0])
    with pytest.raises(TypeError, match="float"):
        world.render(factors.long())


def test_a_rounding_error_beyond_a_range_is_drawn_at_its_end(world, generator):
    factors = world.sample(1, generator)
    for k, factor in enumerate(world.factors):
        for end, over in ((factor.low, -5e-5), (factor.high, 5e-5)):
            edge, beyond = factors.clone(), factors.clone()
            edge[0, k], beyond[0, k] = end, end + over
            world.check(beyond)
            assert torch.equal(world.render(beyond), world.render(edge))


def test_factors_are_printed_in_a_line_each(world):
    for factor in world.factors:
        assert len(repr(factor)) < 130
        assert repr(factor.name) in repr(factor)
    many = Factor.categorical("example", 7000)
    assert repr(many) == "Factor('example', categorical, 'class', 0 to 6999, 7000 values: 0, 1, 2, ..., 6999)"


def test_a_condition_on_named_factors_holds_for_every_sample(world, generator):
    name, factor = world.names[0], world.factors[0]
    middle = (factor.low + factor.high) / 2
    rows = world.sample(50, generator, where=lambda f: f[name] <= middle)
    assert rows.shape[0] == 50
    assert (rows[:, 0] <= middle).all()
    with pytest.raises(ValueError, match="where"):
        world.sample(1, generator, where=lambda f: f[name] > factor.high + 1)


def test_an_unknown_world_or_setting_lists_the_known_ones_nearest_first():
    with pytest.raises(ValueError, match=r"unknown world 'planer'; the worlds are planar, "):
        envs.make_world("planer")
    with pytest.raises(TypeError, match=r"no setting 'nose'; its settings are noise, "):
        envs.make_world("planar", nose=1)


@pytest.mark.parametrize("name", IDS)
def test_both_checkers_accept_the_environment(name):
    env = gym.make(name, render_mode="rgb_array")
    check_env(env.unwrapped)
    sb3_check_env(env, warn=False)
    env.reset(seed=3)
    assert env.render().ndim == 3


@pytest.mark.parametrize("name", IDS)
def test_a_seed_fixes_the_episode_and_the_limit_ends_it(name):
    runs = []
    for _ in range(2):
        env = gym.make(name)
        observation, info = env.reset(seed=5)
        env.action_space.seed(5)
        assert info["goal"].shape == observation.shape
        steps, seen = 0, [observation]
        truncated = False
        while not truncated:
            observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
            assert not terminated
            assert np.isfinite(reward)
            assert {"factors", "goal_factors", "distance", "success", "is_success"} <= info.keys()
            seen.append(observation)
            steps += 1
        assert steps == IDS[name][1]
        runs.append(seen)
    assert all(np.array_equal(a, b) for a, b in zip(*runs, strict=True))


@pytest.mark.parametrize("name", IDS)
def test_the_vector_environment_resets_in_the_same_step_and_keeps_the_last_picture(name):
    env = gym.make_vec(name, num_envs=3)
    limit = IDS[name][1]
    observation, info = env.reset(seed=1)
    assert observation.shape == env.observation_space.shape
    env.action_space.seed(1)
    for step in range(1, limit + 1):
        observation, _, terminated, truncated, info = env.step(env.action_space.sample())
        assert not terminated.any()
        assert truncated.all() == (step == limit)
    assert info["_final_obs"].all()
    world = env.unwrapped.world
    last = torch.from_numpy(info["final_info"]["factors"])
    assert np.array_equal(world.render(last).permute(0, 2, 3, 1).numpy(), info["final_obs"])
    assert np.array_equal(world.render(torch.from_numpy(info["factors"])).permute(0, 2, 3, 1).numpy(), observation)


def test_planar_vector_rows_move_as_single_environments_do():
    env = gym.make_vec("disco/Planar-v0", num_envs=4)
    _, info = env.reset(seed=2)
    action = np.array([[3, 0], [0, 3], [-3, -3], [1, 2]], np.float32)
    _, reward, _, _, after = env.step(action)
    for row in range(4):
        single = gym.make("disco/Planar-v0").unwrapped
        single.reset(seed=0)
        single._factors, single._goal = info["factors"][row], info["goal_factors"][row]
        single._wanted = single._goal[single.task.goal_columns]
        _, one, _, _, told = single.step(action[row])
        np.testing.assert_allclose(told["factors"], after["factors"][row])
        np.testing.assert_allclose(one, reward[row], rtol=1e-6)


def test_goal_conditioned_rewards_agree_with_steps():
    env = gym.make("disco/Planar-v0", goal_dict=True).unwrapped
    check_env(env)
    observation, _ = env.reset(seed=0)
    for _ in range(3):
        observation, reward, _, _, info = env.step(np.array([2.0, -1.0], np.float32))
        assert env.compute_reward(observation["achieved_goal"], observation["desired_goal"], info) == reward
    both = [np.stack([observation[key]] * 5) for key in ("achieved_goal", "desired_goal")]
    assert env.compute_reward(*both, [{}] * 5).shape == (5,)
    assert not hasattr(gym.make("disco/Planar-v0").unwrapped, "compute_reward")


@pytest.mark.parametrize("name", IDS)
def test_a_goal_and_a_start_can_be_given(name):
    env = gym.make(name)
    world = env.unwrapped.world
    start, goal = world.sample(2, torch.Generator().manual_seed(4)).numpy()
    _, info = env.reset(seed=0, options={"start": start, "goal": goal})
    assert np.array_equal(info["factors"], start)
    assert np.array_equal(info["goal"], world.render(torch.from_numpy(goal)[None])[0].permute(1, 2, 0).numpy())
    rows = gym.make_vec(name, num_envs=2)
    _, info = rows.reset(seed=0, options={"goal": np.stack([start, goal])})
    assert np.array_equal(info["goal_factors"], np.stack([start, goal]))
    with pytest.raises(ValueError, match="2 factor rows"):
        rows.reset(options={"goal": np.stack([start] * 3)})


@pytest.mark.parametrize("name", IDS)
def test_an_action_outside_the_space_is_an_error_and_the_environment_goes_on_living(name):
    single, rows = gym.make(name, disable_env_checker=True), gym.make_vec(name, num_envs=3)
    for env, space in ((single, single.action_space), (rows, rows.action_space)):
        observation, _ = env.reset(seed=0)
        space.seed(0)
        good = np.asarray(space.sample())
        wrong = [good.astype(np.float64) + 0.5, good - 1000, good + 1000] if good.dtype.kind in "iu" else []
        for bad in [*wrong, "left", None, np.full(good.shape, np.nan), np.zeros((7, 7))]:
            with pytest.raises(ValueError, match="action"):
                env.step(bad)
        if env is rows:  # one bad row of a batch
            bad = good.astype(np.float64)
            bad[1] = np.nan
            with pytest.raises(ValueError, match="action"):
                env.step(bad)
        again, *_ = env.step(good)
        assert again.shape == observation.shape


@pytest.mark.parametrize("name", IDS)
def test_before_reset_gymnasium_says_what_is_missing(name):
    for env in (gym.make(name, render_mode="rgb_array").unwrapped, gym.make_vec(name, num_envs=2)):
        with pytest.raises(gym.error.ResetNeeded):
            env.step(env.action_space.sample())
        with pytest.raises(gym.error.ResetNeeded):
            env.render()


def test_no_environment_shares_its_action_space_with_another():
    world, task = _planar()
    one, other = envs.WorldEnv(world, task), envs.WorldEnv(world, task)
    assert one.action_space is not other.action_space
    for name in envs.WORLDS:
        first, second = (moving(envs.make_world(name)).action_space for _ in range(2))
        assert first is not second


@pytest.mark.parametrize("name", IDS)
def test_a_copied_environment_goes_its_own_way(name):
    env = gym.make(name)
    env.reset(seed=0)
    env.action_space.seed(0)
    actions = [env.action_space.sample() for _ in range(4)]
    env.step(actions[0])
    twin = copy.deepcopy(env)
    wanted = [env.step(action)[4]["factors"] for action in actions]
    assert all(np.array_equal(twin.step(a)[4]["factors"], told) for a, told in zip(actions, wanted, strict=True))


@pytest.mark.parametrize("name", IDS)
def test_lists_of_pictures_come_from_gymnasiums_wrapper(name):
    env = gym.make(name, render_mode="rgb_array_list")
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert [frame.ndim for frame in env.render()] == [3, 3]


def test_unknown_options_and_states_that_cannot_be_are_refused():
    planar = gym.make("disco/Planar-v0").unwrapped
    with pytest.raises(ValueError, match=r"no option 'starts'; its options are start, goal"):
        planar.reset(options={"starts": [5.0, 5.0, 0.0]})
    for option in ("start", "goal"):
        for row in ([20.5, 5.5, 0.0], [5.0, 5.0, 0.5]):
            with pytest.raises(ValueError, match=option):
                planar.reset(options={option: row})
    maze = gym.make("disco/SwitchMaze-v0", map="..../.##./.##./....").unwrapped
    for row in ([1.0, 1.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0]):
        with pytest.raises(ValueError, match="start"):
            maze.reset(options={"start": row})
    assert maze.reset(options={"start": [3.0, 3.0, 0.0, 0.0]})[1]["factors"].tolist() == [3, 3, 0, 0]
    digits = gym.make_vec("disco/DigitGrid-v0", num_envs=2)
    with pytest.raises(ValueError, match="row_0"):
        digits.reset(options={"start": [0.5, 0, 0, 0, 0, 0, 0, 0]})


def test_an_unknown_setting_lists_the_environments_too():
    for make in (gym.make, lambda name, **settings: gym.make_vec(name, num_envs=2, **settings)):
        with pytest.raises(TypeError, match=r"no setting 'goal_dit'; its settings are goal_dict, .*noise"):
            make("disco/Planar-v0", goal_dit=True)
        with pytest.raises(TypeError, match=r"its settings are protocol, .*symbolic"):
            make("disco/SwitchMaze-v0", protocl="both")


def test_the_next_step_may_start_new_episodes_as_gymnasiums_wrappers_want():
    env = gym.make_vec("disco/Planar-v0", num_envs=3, autoreset_mode="NEXT_STEP", max_episode_steps=2)
    assert env.metadata["autoreset_mode"] == gym.vector.AutoresetMode.NEXT_STEP
    assert gym.make_vec("disco/Planar-v0", num_envs=3).metadata["autoreset_mode"] == gym.vector.AutoresetMode.SAME_STEP
    env.reset(seed=0)
    push = np.full((3, 2), 1.0, np.float32)
    moved, last, first, second = (env.step(push) for _ in range(4))
    assert [step[3].all() for step in (moved, last, first, second)] == [False, True, False, False]
    assert "final_obs" not in last[4]
    assert np.array_equal(first[1], np.zeros(3))
    assert first[4]["_goal"].all()
    assert (np.abs(first[4]["factors"] - last[4]["factors"]).sum(1) > 2).all()
    np.testing.assert_allclose(second[4]["factors"][:, :2] - first[4]["factors"][:, :2], 1.0)
    wrapped = gym.wrappers.vector.NormalizeObservation(
        gym.make_vec("disco/DSprites-v0", num_envs=2, autoreset_mode=gym.vector.AutoresetMode.NEXT_STEP)
    )
    assert wrapped.reset(seed=0)[0].shape == (2, 64, 64, 1)
    with pytest.raises(ValueError, match="autoreset_mode"):
        gym.make_vec("disco/Planar-v0", num_envs=2, autoreset_mode="sometimes")


FORK = """
import multiprocessing, torch
torch.set_num_threads(2)
torch.relu(torch.randn(1_000_000))  # the parent has computed in parallel
{before}
def drawn(name):
    import envs
    world = envs.make_world(name)
    return len(world.render(world.sample(40, torch.Generator().manual_seed(0))))
with multiprocessing.get_context("fork").Pool(1) as pool:
    print(pool.map_async(drawn, {names}).get(100))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
@pytest.mark.parametrize("before", ["import envs", ""])
def test_forked_workers_draw_after_the_parent_has_computed(before):
    code = FORK.format(before=before, names=list(envs.WORLDS))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=200, check=False)
    assert done.stdout.strip() == str([40] * len(envs.WORLDS)), done.stderr[-500:]


def test_other_processes_keep_their_threads():
    code = "import torch; torch.set_num_threads(3); import envs; print(torch.get_num_threads())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "3"


def test_bad_actions_are_refused_with_what_is_allowed():
    for env, good in ((gym.make("disco/Planar-v0"), (2,)), (gym.make_vec("disco/Planar-v0", num_envs=3), (3, 2))):
        env.reset(seed=0)
        with pytest.raises(ValueError, match="finite"):
            env.unwrapped.step(np.full(good, np.nan, np.float32))
        with pytest.raises(ValueError, match="shape"):
            env.unwrapped.step(np.zeros((7,), np.float32))
    with pytest.raises(ValueError, match="num_envs"):
        gym.make_vec("disco/Planar-v0", num_envs=0)
    with pytest.raises(ValueError, match="render_mode"):
        envs.WorldEnv(*_planar(), render_mode="human")


def _planar():
    world = envs.make_world("planar")
    return world, envs.tasks.PlanarTask(world)


def test_gym_make_imports_and_registers_in_a_fresh_process():
    code = "import gymnasium as gym; env = gym.make('envs:disco/Planar-v0'); print(env.reset(seed=0)[0].shape)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=".", check=True)
    assert done.stdout.strip() == "(40, 40, 1)"


@pytest.mark.parametrize("name", [n for n, made in envs.WORLDS.items() if "path" in inspect.signature(made).parameters])
def test_a_folder_of_data_is_named_by_a_string_or_a_path(name, tmp_path):
    sources = dict.fromkeys(("digit_grid", "digits", "moving_digits", "transformed_digits"), "mnist")
    sources["street_digits"] = "svhn"
    settings = {"source": sources[name]} if name in sources else {}
    for folder in (str(tmp_path), tmp_path, Path("nowhere")):
        with pytest.raises(FileNotFoundError, match=Path(folder).name):
            envs.make_world(name, path=folder, **settings)
