"""Registries: what is known by name is looked up and made in one way, and a misspelt name is answered with the nearest."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def nearest(name: object, known: Iterable[str]) -> str:
    """The names in `known`, those most like `name` first."""
    order = sorted(known, key=lambda other: -difflib.SequenceMatcher(None, str(name), other).ratio())
    return ", ".join(order) or "(none)"


def look_up(kind: str, name: str, registry: Mapping[str, T]) -> T:
    """`registry[name]`; TypeError or ValueError lists the known names, nearest first."""
    if not isinstance(name, str):
        raise TypeError(f"the {kind} must be given by name, one of {', '.join(registry)}, got {name!r}")
    if name not in registry:
        raise ValueError(f"unknown {kind} {name!r}; the {kind}s are {nearest(name, registry)}")
    return registry[name]


def make_named(kind: str, name: str, registry: Mapping[str, type[T]], settings: Mapping[str, Any]) -> T:
    """A new `registry[name]` with `settings`; an unknown name or setting raises an error that lists what is known."""
    made = look_up(kind, name, registry)
    known = known_settings(made)
    for setting in settings:
        if setting not in known:
            raise TypeError(f"{kind} {name!r} has no setting {setting!r}; its settings are {nearest(setting, known)}")
    return made(**settings)


def known_settings(made: type) -> tuple[str, ...]:
    """The names of a constructor's settings; where it takes more (`**settings`), those of the classes below too."""
    known: list[str] = []
    for each in made.__mro__:
        if "__init__" not in vars(each):
            continue
        parameters = list(inspect.signature(vars(each)["__init__"]).parameters.values())[1:]
        known += [p.name for p in parameters if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return tuple(dict.fromkeys(known))
