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
NOTHING: dict[str, Any] = {}
LENGTHS = (int, tuple, torch.Size)
HOME = " home"  # beside the lengths of a call's axes, where its owner computes
Sizes = dict[str, Any]


class TensorCheck:
    """The check of one argument, whose annotation is one of jaxtyping's or a union of those with equal axes."""

    def __init__(self, hint: Any):
        hints = [each for each in (get_args(hint) or (hint,)) if each is not type(None)]
        self.optional = type(None) in get_args(hint)
        self.kinds = [KINDS[each.dtype] for each in hints]
        self.rights = tuple(right for _, right in self.kinds)
        self.axes = tuple(hints[0].dim_str.split())
        self.plan: list[tuple[str, Any, str, int]] = [
            (axis, int(axis) if axis.isdigit() else None, axis.lstrip("*"), len(self.axes) - place - 1)
            for place, axis in enumerate(self.axes)
        ]

    def __call__(self, name: str, value: Any, owner: object, sizes: Sizes) -> Any:
        """The tensor, cast where needed; TypeError or ValueError says what `name` must be."""
        if value is None and self.optional:
            return None
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a {self._wanted(owner, sizes)} tensor, got {type(value).__name__}")
        for right in self.rights:
            if right(value):
                break
        else:
            raise TypeError(f"{name} must be a {self._wanted(owner, sizes)} tensor, got {value.dtype}")
        if value.layout is not torch.strided:
            raise TypeError(f"{name} must be a {self._wanted(owner, sizes)} tensor, got {value.dtype} ({value.layout})")
        if not self._match(value.shape, owner, sizes):
            wanted = self._wanted(owner, sizes)
            raise ValueError(f"{name} must be a {wanted} tensor, got shape {list(value.shape)}")
        if HOME not in sizes:
            sizes[HOME] = _home(owner) if isinstance(owner, nn.Module) else None
        home = sizes[HOME]
        if value.is_meta or (home is not None and value.device != home.device):
            device = value.device if home is None else home.device
            raise ValueError(f"{name} must be on the device {device}, got a tensor on {value.device}")
        if not value.is_floating_point() or torch.compiler.is_compiling():
            return value
        if torch._C._functorch.peek_interpreter_stack() is None:
            demand_finite(name, value)
        dtype = home.dtype if home is not None else torch.float64 if value.dtype == torch.float64 else torch.float32
        if value.dtype == dtype or torch.is_autocast_enabled(value.device.type):
            return value
        return value.to(dtype)

    def _match(self, shape: tuple[int, ...], owner: object, sizes: Sizes) -> bool:
        """Whether a shape has these axes; if so, the lengths that were free are noted."""
        place, rank = 0, len(shape)
        found: Sizes = {}
        for axis, size, name, behind in self.plan:
            if size is None:
                size = sizes.get(axis) if axis != "..." else None
                if size is None and owner is not None:
                    size = _own(owner, name)
            if type(size) is int:
                if place >= rank or shape[place] != size:
                    return False
                place += 1
            elif size is not None:
                end = place + len(size)
                if shape[place:end] != size:
                    return False
                place = end
            elif axis[0] in "*.":  # any number of axes
                end = rank - behind
                if end < place:
                    return False
                found[axis] = tuple(shape[place:end])
                place = end
            else:
                if place >= rank:
                    return False
                found[axis] = shape[place]
                place += 1
        if place == rank:
            sizes.update(found)
        return place == rank

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
    return sizes[axis] if axis in sizes and axis != "..." else _own(owner, axis.lstrip("*"))


def _own(owner: object, name: str) -> Any:
    """An attribute of an object that is a length, or a tuple of some; None for anything else."""
    own = getattr(owner, "__dict__", NOTHING).get(name)
    if own is None and hasattr(type(owner), name):
        own = getattr(owner, name)
    return own if type(own) in LENGTHS else None


def _home(module: nn.Module) -> Tensor | None:
    """The first floating parameter or buffer of a module: where, and in which type, it computes."""
    inside = [module]
    while inside:
        each = inside.pop()
        for held in (each._parameters, each._buffers):
            for own in held.values():
                if own is not None and own.is_floating_point():
                    return own
        inside += [child for child in reversed(each._modules.values()) if child is not None]
    return None


def tensor(hint: Any) -> TensorCheck | None:
    """The check of a jaxtyping annotation, of a union of some, or of one with None; None for anything else."""
    parts = [part for part in (get_args(hint) or (hint,)) if part is not type(None)]
    if parts and all(inspect.isclass(part) and issubclass(part, jaxtyping.AbstractArray) for part in parts):
        return TensorCheck(hint)
    return None


def recording(value: Tensor) -> bool:
    """Whether a CUDA graph is being recorded, when a tensor has no values yet that one could ask for."""
    return value.is_cuda and torch.cuda.is_current_stream_capturing()


def demand_finite(name: str, value: Tensor) -> None:
    """Raise ValueError naming the first entry of a floating tensor that is not finite; none while a graph is recorded."""
    if recording(value):
        return
    if value.requires_grad:
        value = value.detach()
    if math.isfinite(value.sum()):  # one look at the sum; it may overflow where no entry is to blame
        return
    bad = ~value.isfinite()
    if bad.any():
        place = tuple(bad.nonzero()[0].tolist())
        raise ValueError(f"{name} must be finite, got {value[place].item()} at {list(place)}")
