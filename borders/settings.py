"""Settings: numbers, words and what is made of them, by an annotation such as `Annotated[int, Ge(1)]`.

An integer is no bool and no float, a number is finite and no string, a list counts as a tuple, and numpy's numbers become
Python's, so that what was accepted can be written as JSON. The checks are pydantic's, in its strict mode; the messages say
the argument's name, what is allowed, and the value.
"""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Annotated, Any, get_args

import numpy as np
from annotated_types import Interval
from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

Count = Annotated[int, Interval(ge=1, le=2**31)]
Natural = Annotated[int, Interval(ge=0, le=2**31)]
Size = Annotated[int, Interval(ge=1, le=2**14)]  # of a layer or a code: beyond this no machine holds the weights
Width = Annotated[int, Interval(ge=0, le=2**14)]  # of what may be absent
Side = Annotated[int, Interval(ge=1, le=2**12)]  # of a picture, in pixels or channels
Shape = tuple[Side, Side, Side]  # (C, H, W)
# What is computed in float32 must not overflow or vanish there.
Real = Annotated[float, Interval(ge=-1e30, le=1e30)]
Positive = Annotated[float, Interval(ge=1e-30, le=1e30)]
NonNegative = Annotated[float, Interval(ge=0, le=1e30)]
Share = Annotated[float, Interval(ge=0, le=1)]

STRICT = ConfigDict(strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
Check = Callable[[str, Any], Any]


def plain(value: Any) -> Any:
    """`value` with numpy's numbers as Python's, at any depth of lists, tuples and dicts."""
    if isinstance(value, np.generic):
        return value.item()
    if type(value) in (list, tuple):
        return type(value)(plain(entry) for entry in value)
    if type(value) is dict:
        return {plain(key): plain(entry) for key, entry in value.items()}
    return value


def tupled(value: Any) -> Any:
    """`value` with tuples in the place of lists, at any depth of both."""
    return tuple(tupled(entry) for entry in value) if type(value) in (list, tuple) else value


def setting(hint: Any) -> Check | None:
    """The check of an argument with the annotation `hint`: (name, value) -> the value as it is kept.

    It raises TypeError for another type and ValueError for another value. None where nothing can be checked.
    """
    if hint in (Any, object, inspect.Parameter.empty):
        return None
    if inspect.isclass(hint) and hint.__module__ not in ("builtins", "pathlib"):
        return None if getattr(hint, "_is_protocol", False) else _instance(hint)
    if any(getattr(part, "_is_protocol", False) for part in (hint, *get_args(hint))):
        return None
    try:
        adapter = TypeAdapter(hint, config=STRICT)
    except PydanticUserError:
        return None

    wants_tuple = "tuple[" in str(hint)

    def check(name: str, value: Any) -> Any:
        try:
            return adapter.validate_python(tupled(plain(value)) if wants_tuple else plain(value))
        except ValidationError as error:
            raise _error(name, value, error, hint) from None

    return check


def _instance(kind: type) -> Check:
    """The check that an argument is an instance of a class."""

    def check(name: str, value: Any) -> Any:
        if not isinstance(value, kind):
            wanted = f"{kind.__module__.split('.')[0]}.{kind.__qualname__}"
            raise TypeError(f"{name} must be a {wanted}, got {type(value).__module__}.{type(value).__qualname__}")
        return value

    return check


def _error(name: str, value: Any, error: ValidationError, hint: Any) -> Exception:
    """The error in one line: what the argument, or the entry at fault, must be and what was given."""
    faults = error.errors(include_url=False)
    places = {tuple(part for part in fault["loc"] if isinstance(part, int)) for fault in faults}
    kinds = {fault["type"] for fault in faults}
    if kinds & {"missing", "too_long"} and typing.get_origin(hint) is tuple:
        wanted = f"have {len(get_args(hint))} entries"
        return ValueError(f"{name} must {wanted}, got {value!r}")
    if len(places) == 1 and not kinds & {"missing", "too_long"}:
        name += "".join(f"[{part}]" for part in places.pop())
        value = faults[0]["input"]
    wanted = " or ".join(dict.fromkeys(map(_wanted, faults)))
    given = repr(value)
    given = f"{given[:100]} ..." if len(given) > 100 else given
    wrong_type = all(fault["type"].endswith(("type", "instance_of", "sequence_str")) for fault in faults)
    return (TypeError if wrong_type else ValueError)(f"{name} must {wanted}, got {given} ({type(value).__name__})")


def _wanted(fault: Any) -> str:
    """What is wanted, behind the word "must"."""
    bounds = {
        "ge": "be at least",
        "gt": "be above",
        "le": "be at most",
        "lt": "be below",
        "min_length": "have at least",
    }
    for key, bound in (fault.get("ctx") or {}).items():
        if key in bounds:
            return f"{bounds[key]} {bound:.12g}" + " entries" * (key == "min_length")
    if fault["type"] in ("missing", "sequence_str"):
        return {"missing": "have more entries", "sequence_str": "be a sequence of strings"}[fault["type"]]
    return (
        re.sub(r"^\w+ should ", "", fault["msg"])
        .replace("a valid integer", "an integer")
        .replace("a valid bytes", "bytes")
        .replace("valid ", "")
    )
