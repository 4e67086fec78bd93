"""Tensors, by an annotation of jaxtyping such as `Float[Tensor, "n code_size"]`.

An axis is a number, or a name: that of an attribute of the object whose method is called (an integer, or behind a star a
tuple), else it has the same length wherever it stands among the arguments of one call. "..." stands for any axes.

A floating tensor must be finite. It is cast to the floating type in which the object computes; one of half precision
becomes float32 where there is none. Under `torch.func`'s
transforms and in a compiled graph the values cannot be looked at, and are not.
"""

from __future__ import annotations

import inspect
import math
from typing import Any, get_args

import jaxtyping
import torch
from torch import Tensor, nn

INTEGERS = (torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64)
KINDS = {
    jaxtyping.Float: ("float", Tensor.is_floating_point),
    jaxtyping.UInt8: ("uint8", lambda value: value.dtype == torch.uint8),
    jaxtyping.Bool: ("bool", lambda value: value.dtype == torch.bool),
    jaxtyping.Integer: ("integer", lambda value: value.dtype in INTEGERS),
    jaxtyping.Shaped: ("torch", lambda value: True),
}
Sizes = dict[str, Any]


class TensorCheck:
    """The check of one argument, whose annotation is one of jaxtyping's or a union of those with equal axes."""

    def __init__(self, hint: Any):
        hints = [each for each in (get_args(hint) or (hint,)) if each is not type(None)]
        self.optional = type(None) in get_args(hint)
        self.kinds = [KINDS[each.dtype] for each in hints]
        self.axes = tuple(hints[0].dim_str.split())
        self.floats = any(kind[0] == "float" for kind in self.kinds)

    def __call__(self, name: str, value: Any, owner: object, sizes: Sizes) -> Any:
        """The tensor, cast where needed; TypeError or ValueError says what `name` must be."""
        if value is None and self.optional:
            return None
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a {self._wanted(owner, sizes)} tensor, got {type(value).__name__}")
        if not any(right(value) for _, right in self.kinds) or value.layout != torch.strided:
            layout = "" if value.layout == torch.strided else f" ({value.layout})"
            raise TypeError(f"{name} must be a {self._wanted(owner, sizes)} tensor, got {value.dtype}{layout}")
        self._match(name, value, owner, sizes)
        home = _home(owner) if isinstance(owner, nn.Module) else None
        device = value.device if home is None else home.device
        if value.is_meta or value.device != device:
            raise ValueError(f"{name} must be on the device {device}, got a tensor on {value.device}")
        if not value.is_floating_point() or torch.compiler.is_compiling():
            return value
        if torch._C._functorch.peek_interpreter_stack() is None:
            demand_finite(name, value)
        own = value.dtype if value.dtype == torch.float64 else torch.float32
        dtype = own if home is None else home.dtype
        if value.dtype == dtype or torch.is_autocast_enabled(value.device.type):
            return value
        return value.to(dtype)

    def _match(self, name: str, value: Tensor, owner: object, sizes: Sizes) -> None:
        """Compare the shape with the axes, and note the lengths that are free."""
        shape = tuple(value.shape)
        wanted: list[tuple[str, int | None]] = []
        found: Sizes = {}
        for place, axis in enumerate(self.axes):
            size = _length(axis, owner, sizes)
            if size is None and (axis == "..." or axis[0] == "*"):  # the one axis that stands for any number of them
                size = shape[place : len(shape) - (len(self.axes) - place - 1)]
                found[axis] = size
            wanted += [(axis, each) for each in size] if isinstance(size, tuple) else [(axis, size)]
        if len(shape) != len(wanted) or any(
            size not in (None, got) for (_, size), got in zip(wanted, shape, strict=True)
        ):
            raise ValueError(f"{name} must be a {self._wanted(owner, sizes)} tensor, got shape {list(shape)}")
        sizes |= {axis: length for (axis, _), length in zip(wanted, shape, strict=True) if axis[0] != "*"} | found

    def _wanted(self, owner: object, sizes: Sizes) -> str:
        """What the tensor must be, in words: "float [n, code_size = 3]"."""
        parts = []
        for axis in self.axes:
            size = _length(axis, owner, sizes)
            if isinstance(size, tuple):
                parts += [str(entry) for entry in size]
            else:
                name = axis.lstrip("*") if axis != "..." else axis
                parts.append(name if size is None or name.isdigit() else f"{name} = {size}")
        return f"{' or '.join(kind for kind, _ in self.kinds)} [{', '.join(parts)}]"


def _length(axis: str, owner: object, sizes: Sizes) -> Any:
    """The length of an axis as far as it is known: a number, a tuple behind a star, or None."""
    if axis.isdigit():
        return int(axis)
    if axis != "..." and axis in sizes:
        return sizes[axis]
    name = axis.lstrip("*")
    own = getattr(owner, "__dict__", {}).get(name)
    if own is None and hasattr(type(owner), name):
        own = getattr(owner, name)
    return own if isinstance(own, int | tuple) and not isinstance(own, bool) else None


def _home(module: nn.Module) -> Tensor | None:
    """The first floating parameter or buffer of a module: where, and in which type, it computes."""
    for own in (*module._parameters.values(), *module._buffers.values()):
        if own is not None and own.is_floating_point():
            return own
    homes = (_home(child) for child in module._modules.values() if child is not None)
    return next((home for home in homes if home is not None), None)


def tensor(hint: Any) -> TensorCheck | None:
    """The check of a jaxtyping annotation, of a union of some, or of one with None; None for anything else."""
    parts = [part for part in (get_args(hint) or (hint,)) if part is not type(None)]
    if parts and all(inspect.isclass(part) and issubclass(part, jaxtyping.AbstractArray) for part in parts):
        return TensorCheck(hint)
    return None


def demand_finite(name: str, value: Tensor) -> None:
    """Raise ValueError naming the first entry of a floating tensor that is not finite."""
    value = value.detach()
    if math.isfinite(value.sum()):  # one look at the sum; it may overflow where no entry is to blame
        return
    bad = ~value.isfinite()
    if bad.any():
        place = tuple(bad.nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {value[place].item()} at {list(place)}")
