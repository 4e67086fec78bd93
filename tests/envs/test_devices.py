"""Everything that a world makes lies where its input does, shown on a device that is none."""

import gymnasium as gym
import pytest
import torch

import envs
from envs.moves import moving
from tests.elsewhere import Device, There, here, there


@pytest.mark.parametrize("name", [name for name in envs.WORLDS if name != "grasp"])
def test_pictures_and_steps_are_made_where_the_factors_are(name, generator):
    world = envs.make_world(name)
    factors = world.sample(3, generator)
    wanted = world.render(factors)
    with Device():
        pictures = world.render(there(factors))
    assert isinstance(pictures, There)
    assert torch.equal(here(pictures), wanted)
    classes_alone = all(factor.kind == "categorical" for factor in world.factors)  # have no box
    for box in (False,) if classes_alone else (False, True):
        mover = moving(world, box)
        space = mover.action_space
        actions = (
            torch.zeros(3, dtype=torch.int64) if isinstance(space, gym.spaces.Discrete) else torch.ones(3, *space.shape)
        )
        after = mover.step(factors, actions)
        with Device():
            found = mover.step(there(factors), there(actions))
        assert isinstance(found, There)
        assert torch.equal(here(found), after)


def test_the_device_that_is_none_notices_what_lies_here():
    with Device(), pytest.raises(AssertionError, match="two devices"):
        there(torch.ones(3)) + torch.arange(3)
