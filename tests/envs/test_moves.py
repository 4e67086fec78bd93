"""Actions that move the factors of any world, discrete and in a box."""

import gymnasium as gym
import pytest
import torch

import envs
from envs.moves import Moves, moving

BOXED = [name for name in envs.WORLDS if name != "planar"]  # which has actions of its own


@pytest.mark.parametrize("name", BOXED)
def test_a_whole_step_in_the_box_is_the_discrete_one_and_classes_stay(name, generator):
    inner = envs.make_world(name)
    if all(factor.kind == "categorical" for factor in inner.factors):
        with pytest.raises(ValueError, match="not a class"):
            moving(inner, box=True)
        return
    world = moving(inner, box=True)
    start = world.sample(8, generator)
    circular = [k for k, factor in enumerate(world.factors) if factor.kind == "circular"]
    for k in circular:
        start[:, k] %= world.factors[k].high  # dSprites lists its last orientation, 2 pi, beside its first, 0
    for entry, k in enumerate(world.moved):
        factor = world.factors[k]
        action = torch.zeros(8, len(world.moved))
        action[:, entry] = 1.0
        after = world.step(start, action)
        rest = [j for j in range(len(world.factors)) if j != k]
        assert torch.equal(after[:, rest], start[:, rest])
        step = (factor.high - factor.low) / 20
        if factor.values:
            step = (factor.values[-1] - factor.values[0]) / max(len(factor.values) - 1, 1)
        wanted = start[:, k] + step
        wanted = wanted % factor.high if factor.kind == "circular" else wanted.clamp(max=factor.high)
        wanted = torch.where(world.possible(after) & (after[:, k] != start[:, k]), wanted, after[:, k])
        torch.testing.assert_close(after[:, k], wanted)
    assert not any(world.factors[k].kind == "categorical" for k in world.moved)
    assert torch.equal(world.step(start, torch.full_like(action, 9.0)), world.step(start, torch.ones_like(action)))
    assert torch.equal(world.step(start, torch.zeros_like(action)), start)


def test_a_box_world_keeps_its_own_actions_and_a_discrete_one_gets_a_box():
    planar = envs.make_world("planar")
    assert moving(planar, box=True) is planar
    maze = envs.make_world("switch_maze")
    assert moving(maze) is maze
    assert isinstance(moving(maze, box=True), Moves)
    dots = envs.make_world("dsprites")
    assert moving(moving(dots), box=True).action_space.shape == (4,)
    with pytest.raises(ValueError, match="not a class"):
        moving(envs.make_world("digits", style=()), box=True)


def test_no_block_is_entered_in_the_box(generator):
    maze = envs.make_world("switch_maze", map="..../.##./.##./....", goal=True)
    world = moving(maze, box=True)
    factors = world.sample(200, generator)
    for _ in range(20):
        factors = world.step(factors, 2 * torch.rand(200, len(world.moved), generator=generator) - 1)
        assert maze.possible(factors).all()


def test_actions_of_another_shape_or_not_finite_are_refused(generator):
    world = moving(envs.make_world("blobs"), box=True)
    start = world.sample(2, generator)
    with pytest.raises(ValueError, match="shape"):
        world.step(start, torch.zeros(2, 3))
    with pytest.raises(ValueError, match="finite"):
        world.step(start, torch.full((2, 2), torch.nan))


@pytest.mark.parametrize("box", [False, True])
def test_double_factors_stay_double(box, generator):
    world = moving(envs.make_world("dsprites"), box)
    factors = world.sample(4, generator).double()
    action = torch.zeros(4, 4) if box else torch.zeros(4, dtype=torch.int64)
    assert world.step(factors, action).dtype == torch.float64


def test_a_box_of_actions_is_an_environment_too():
    env = gym.make("disco/DSprites-v0", box=True)
    env.reset(seed=0)
    before = env.unwrapped._factors.copy()
    _, _, _, _, info = env.step([0, 0, 1.0, -1.0])
    assert info["factors"][0] == before[0]
    rows = gym.make_vec("disco/DigitGrid-v0", num_envs=2, box=True)
    assert rows.action_space.shape == (2, 4)
