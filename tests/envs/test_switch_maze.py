"""The switch maze: its maps, its moves, its pictures, its tasks."""

from collections import deque

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env

from envs import make_world
from envs.switch_maze import AGENT, BLOCK, GOAL, SwitchMaze, draw_map, read_map
from envs.tasks import SwitchMazeTask

ALL = ("left", "right", "up", "down", "down+left", "pass", "toggle", "up")
SMALL = "S.../.#../..S./...."


def test_drawn_maps_hold_what_was_asked_for_and_are_connected():
    maps = {draw_map(6, 5, 3, layout) for layout in range(20)}
    assert len(maps) > 15
    for text in maps:
        assert (text.count("#"), text.count("S")) == (5, 3)
        assert read_map(text).shape == (6, 6)
    assert draw_map(7, 4, 1, 3) == draw_map(7, 4, 1, 3)


def test_moves_follow_the_map_and_toggles_go_round():
    world = SwitchMaze(map=SMALL, shades=3, actions=ALL)
    for row in world.lattice():
        moved = world.step(row.repeat(len(ALL), 1), torch.arange(len(ALL)))
        for name, after in zip(ALL, moved, strict=True):
            down, right = {"left": (0, -1), "right": (0, 1), "up": (-1, 0), "down": (1, 0), "down+left": (1, -1)}.get(
                name, (0, 0)
            )
            r, c = int(row[0]) + down, int(row[1]) + right
            open_ = 0 <= r < 4 and 0 <= c < 4 and SMALL.split("/")[r][c] != "#"
            expected = row.clone()
            if open_:
                expected[0], expected[1] = r, c
            for k, place in enumerate([(0, 0), (2, 2)]):
                if name == "toggle" and tuple(row[:2].int().tolist()) == place:
                    expected[2 + k] = (row[2 + k] + 1) % 3
            assert torch.equal(after, expected), (row, name)


def test_permissible_actions_are_those_that_change_something():
    world = SwitchMaze(map=SMALL, actions=ALL)
    allowed = world.permissible(torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [3.0, 3.0, 1.0, 1.0]]))
    named = [{name for name, yes in zip(ALL, row, strict=True) if yes} for row in allowed]
    assert named == [{"right", "down", "toggle"}, {"left", "right", "down+left"}, {"left", "up"}]


def test_opposite_moves_undo_each_other_and_walks_reach_every_state(generator):
    world = SwitchMaze(size=5, blocks=6, switches=1, shades=2, layout=4)
    start = world.sample(1, generator)
    seen, waiting = {tuple(start[0].tolist())}, deque([start[0]])
    while waiting:
        row = waiting.popleft()
        for after in world.step(row.repeat(6, 1), torch.arange(6)):
            if tuple(after.tolist()) not in seen:
                seen.add(tuple(after.tolist()))
                waiting.append(after)
    assert seen == {tuple(row.tolist()) for row in world.lattice()}
    assert len(seen) == 19 * 2
    factors = world.sample(300, generator)
    for there, back in ((0, 1), (2, 3)):
        moves = world.permissible(factors)[:, there]
        gone = world.step(factors, torch.full((300,), there))
        assert torch.equal(world.step(gone, torch.full((300,), back))[moves], factors[moves])


def test_one_state_moves_and_is_drawn_as_in_a_batch(generator):
    for goal in (False, True):
        world = SwitchMaze(size=5, blocks=3, switches=2, goal=goal, actions=ALL)
        factors = world.sample(200, generator)
        actions = torch.randint(len(ALL), (200,), generator=generator)
        moved, pictures = world.step(factors, actions), world.render(factors)
        for i in range(200):
            assert world.move_one(tuple(factors[i].tolist()), (int(actions[i]),)) == tuple(moved[i].tolist())
            drawn = torch.from_numpy(world.draw_one(tuple(factors[i].tolist())))
            assert torch.equal(drawn.permute(2, 0, 1), pictures[i])


def cell_of(pictures, world, row, column):
    pixel, margin = world._pixel, world._margin
    return pictures[
        :, :, margin + row * pixel : margin + (row + 1) * pixel, margin + column * pixel : margin + (column + 1) * pixel
    ]


def test_every_state_has_its_own_picture_and_a_cell_shows_its_own_factors():
    world = SwitchMaze(map=SMALL, shades=3)
    states = world.lattice()
    pictures = world.render(states)
    assert len({picture.numpy().tobytes() for picture in pictures}) == len(states) == 15 * 9
    assert (cell_of(pictures, world, 1, 1) == torch.tensor(BLOCK)[:, None, None]).all()
    red = (pictures == torch.tensor(AGENT)[:, None, None]).all(1)
    for state, mask in zip(states, red, strict=True):
        place = mask.nonzero().float().mean(0)
        torch.testing.assert_close(place, (state[:2] + 0.5) * 16 - 0.5)
    away = (states[:, 0] != 2) | (states[:, 1] != 2)
    greens = cell_of(pictures, world, 2, 2)[:, 1].flatten(1).float()
    assert (greens[away].std(1) == 0).all()
    by_shade = [greens[away & (states[:, 3] == shade)].unique() for shade in range(3)]
    assert all(len(values) == 1 for values in by_shade)
    assert by_shade[0] < by_shade[1] < by_shade[2]


@pytest.mark.parametrize("size", range(4, 11))
def test_the_goal_is_framed_wherever_it_is(size, generator):
    world = SwitchMaze(size=size, goal=True)
    factors = world.sample(100, generator)
    plain = SwitchMaze(size=size).render(factors[:, :-2])
    framed = world.render(factors)
    for row, a, b in zip(factors.long(), plain, framed, strict=True):
        changed = cell_of((a != b).any(0)[None, None], world, *row[-2:].tolist())
        assert int((a != b).any(0).sum()) == int(changed.sum()) > 0
        corner = cell_of(b[None], world, *row[-2:].tolist())[0, :, 0, 0]
        assert corner.tolist() == list(GOAL)


def test_tasks_begin_unsolved_mostly_and_are_judged_by_steps(generator):
    world = make_world("switch_maze", goal=True)
    for protocol, wanted in (("reach", slice(0, 2)), ("switches", slice(2, 4)), ("both", slice(0, 4))):
        task = SwitchMazeTask(world, protocol)
        start, goal = task.begin(200, generator)
        world.check(start), world.check(goal)
        assert torch.equal(goal[:, -2:], start[:, -2:])
        assert torch.equal(goal[:, :2], goal[:, -2:])
        verdict = task.judge(start, goal)
        assert torch.equal(verdict.distance, (start - goal)[:, wanted].abs().sum(1))
        assert verdict.success.float().mean() < 0.3
        assert task.judge(goal, goal).success.all()
        assert (verdict.reward <= 0).all()


def test_a_script_that_knows_the_factors_solves_the_default_environment():
    env = gym.make_vec("disco/SwitchMaze-v0", num_envs=20)
    _, info = env.reset(seed=0)
    world, task = env.unwrapped.world, env.unwrapped.task
    begun, rewards = info["distance"].copy(), []
    for _ in range(20):
        factors, goals = torch.from_numpy(info["factors"]), torch.from_numpy(info["goal_factors"])
        tried = [task.judge(world.step(factors, torch.full((20,), a)), goals).distance for a in range(6)]
        _, reward, *_, info = env.step(torch.stack(tried).argmin(0).numpy())
        rewards.append(reward)
    assert info["success"].mean() > 0.8
    assert (begun > 0).mean() > 0.8
    assert np.mean(rewards[-1]) > np.mean(rewards[0])


def test_symbolic_observations_are_the_factors():
    env = gym.make("disco/SwitchMaze-v0", symbolic=True, goal_dict=True).unwrapped
    check_env(env)
    observation, info = env.reset(seed=3)
    assert np.array_equal(observation["observation"], info["factors"])
    assert np.array_equal(observation["desired_goal"], info["factors"][-2:])
    rows = gym.make_vec("disco/SwitchMaze-v0", num_envs=3, symbolic=True)
    observation, info = rows.reset(seed=3)
    for step in range(50):
        assert rows.observation_space.contains(observation)
        observation, *_, info = rows.step(np.full(3, step % 6))
        assert np.array_equal(observation, info["factors"])
    assert info["final_obs"].shape == (3, 6)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"actions": ("fly",)}, "left, right"),
        ({"actions": ()}, "left, right"),
        ({"shades": 1}, "shades"),
        ({"size": 3}, "size must be 4 to 10"),
        ({"blocks": 40}, "at most half"),
        ({"map": "..../...."}, "square"),
        ({"map": "..../.X../..../...."}, "'S' only"),
        ({"map": "..#./..#./..#./..#."}, "reachable"),
        ({"map": "####/####/####/####"}, "reachable"),
    ],
)
def test_impossible_settings_are_named(settings, told):
    with pytest.raises(ValueError, match=told):
        SwitchMaze(**settings)


def test_bad_actions_and_protocols_are_named():
    world = SwitchMaze(switches=0)
    with pytest.raises(ValueError, match="below 6"):
        world.step(world.lattice()[:2], torch.tensor([0, 6]))
    with pytest.raises(ValueError, match="below 6"):
        world.move_one((0.0, 0.0), (7,))
    with pytest.raises(ValueError, match="needs a world with switches"):
        SwitchMazeTask(world, "both")
    with pytest.raises(ValueError, match="'reach', 'switches' or 'both'"):
        SwitchMazeTask(world, "win")
