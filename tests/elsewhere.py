"""A device that is none, to show on any machine that tensors stay where they are.

`ELSEWHERE` holds ordinary tensors under another name: an operation that mixes them with tensors of this machine, other
than numbers, is an error, as it is on a GPU, and so is drawing there by a generator from here. What `.to` or a constructor
puts there is there.
"""

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

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
    if asked and isinstance(kwargs.get("generator"), torch.Generator):
        raise AssertionError(f"{func} draws on one device by a generator of another")
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


def there_in(module):
    """The module with its weights and buffers on `ELSEWHERE`."""
    for part in module.modules():
        for name, weight in part._parameters.items():
            if weight is not None:
                part._parameters[name] = torch.nn.Parameter(there(weight.detach()), weight.requires_grad)
        for name, buffer in part._buffers.items():
            part._buffers[name] = there(buffer)
    return module
