"""The worlds by name."""

from __future__ import annotations

import difflib
import inspect

from envs.planar import Planar
from envs.world import World

WORLDS: dict[str, type[World]] = {"planar": Planar}


def make_world(name: str, **settings: object) -> World:
    """The world `name` with `settings`; ValueError or TypeError lists what is allowed, nearest first."""
    if name not in WORLDS:
        raise ValueError(f"unknown world {name!r}; the worlds are {_nearest(name, WORLDS)}")
    world = WORLDS[name]
    known = [p for p in inspect.signature(world).parameters]
    for setting in settings:
        if setting not in known:
            raise TypeError(f"world {name!r} has no setting {setting!r}; its settings are {_nearest(setting, known)}")
    return world(**settings)


def _nearest(name: str, known: object) -> str:
    """The names in `known`, those most like `name` first."""
    ratio = lambda other: -difflib.SequenceMatcher(None, name, other).ratio()  # noqa: E731
    return ", ".join(sorted(known, key=ratio)) or "(none)"  # type: ignore[call-overload]
