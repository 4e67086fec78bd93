"""Everything that a world makes lies where its input does, shown on a device that is none.

`ELSEWHERE` holds ordinary tensors under another name: an operation that mixes them with tensors of this machine, other
than numbers, is an error, as it is on a GPU. What `.to` or a constructor puts there is there.
"""

import gymnasium as gym
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

import envs
from envs.moves import moving

ELSEWHERE = torch.device("cuda:7")


class There(torch.Tensor):
    """A tensor that says it is on `ELSEWHERE`."""

    @property
    def device(self):
        return ELSEWHERE

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


def here(value):
    return value.as_subclass(torch.Tensor) if isinstance(value, There) else value


def there(value):
    return value.as_subclass(There) if type(value) is torch.Tensor else value


HOME = (torch.Tensor.cpu, torch.Tensor.numpy, torch.Tensor.tolist, torch.Tensor.item, torch.Tensor.__repr__)
INDEXING = (torch.Tensor.__getitem__, torch.Tensor.__setitem__)


def run(func, args, kwargs):
    flat, _ = tree_flatten((args, kwargs))
    asked = any(isinstance(value, torch.device) and value == ELSEWHERE for value in flat)
    tensors = [value for value in flat if isinstance(value, torch.Tensor)]
    away = any(isinstance(value, There) for value in tensors)
    moved = func in (torch.Tensor.to, torch.Tensor.cpu, torch.Tensor.numpy, torch.as_tensor)
    strangers = [value for value in tensors if not isinstance(value, There) and value.ndim]
    if away and strangers and not moved and func not in INDEXING:
        raise AssertionError(f"{func} mixes tensors of two devices: {[tuple(value.shape) for value in strangers]}")
    back = away and func is torch.Tensor.to and not asked and any(isinstance(v, torch.device | str) for v in flat)
    strip = lambda value: torch.device("cpu") if isinstance(value, torch.device) else here(value)  # noqa: E731
    with torch._C.DisableTorchFunctionSubclass():
        found = func(*tree_map(strip, args), **tree_map(strip, kwargs))
    return tree_map(there, found) if (away or asked) and func not in HOME and not back else found


class Device(TorchFunctionMode):
    """Calls without a tensor of `ELSEWHERE` that ask for it, such as `torch.arange(3, device=...)`."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        return run(func, args, kwargs or {})


@pytest.mark.parametrize("name", [name for name in envs.WORLDS if name != "grasp"])
def test_pictures_and_steps_are_made_where_the_factors_are(name, generator):
    world = envs.make_world(name)
    factors = world.sample(3, generator)
    wanted = world.render(factors)
    with Device():
        pictures = world.render(there(factors))
    assert isinstance(pictures, There)
    assert torch.equal(here(pictures), wanted)
    for box in (False, True) if name != "digits" else (False,):
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
