"""101 everyday objects in 7 categories, made from three shape parameters each (Yan et al. 2017, section 1).

A category is a function of (height, width, detail) in [0, 1]: `height` and `width` scale the object within what a gripper
of 0.10 m can meet, `detail` bends its profile. The paper's meshes are not public; these are of our own design. Bottles,
sugar bowls and teapots are closed with their lid or cap on; bowls, cups, mugs and plates are hollow. A plate's rim rises
by 45 to 65 degrees to 26 to 38 mm, or no gripper could reach under it.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from envs.grasp.solids import Part, Solid, smooth, tube, turned_body, vessel

CATEGORIES = ("bottle", "bowl", "cup", "plate", "mug", "sugarbowl", "teapot")
COUNTS = (15, 15, 15, 14, 14, 14, 14)  # 101 objects
NOVEL_EVERY = 4  # every fourth object of a category is held out: 21 in all
PARAMETERS = ("height", "width", "detail")


def _between(low: float, high: float, share: float) -> float:
    return low + (high - low) * share


def _bottle(height: float, width: float, detail: float) -> tuple[Part, ...]:
    h, r = _between(0.12, 0.18, height), _between(0.022, 0.036, width)
    shoulder, neck = _between(0.5, 0.72, detail) * h, _between(0.30, 0.5, detail) * r
    body = smooth([(0.9 * r, 0.0), (r, 0.1 * h), (r, shoulder - 0.06 * h), (neck, shoulder + 0.12 * h)], 7)
    top = [(neck, 0.90 * h), (1.25 * neck, 0.905 * h), (1.25 * neck, h)]
    return (turned_body([*map(tuple, body), *top]),)


def _open_profile(h: float, foot: float, rim: float, belly: float, count: int) -> list[tuple[float, float]]:
    """An outside from the foot to the rim that runs through `belly` at half the height, floor of 4 mm."""
    curve = smooth([(foot, 0.004), (belly, 0.45 * h), (rim, h)], count)
    return [(0.97 * foot, 0.0), *((float(r), float(z)) for r, z in curve)]


def _bowl(height: float, width: float, detail: float) -> tuple[Part, ...]:
    h, rim = _between(0.040, 0.070, height), _between(0.050, 0.075, width)
    foot = _between(0.40, 0.60, detail) * rim
    return (vessel(_open_profile(h, foot, rim, _between(0.80, 0.92, detail) * rim, 7), 0.005),)


def _cup(height: float, width: float, detail: float) -> tuple[Part, ...]:
    h, rim = _between(0.060, 0.110, height), _between(0.028, 0.044, width)
    foot = _between(0.60, 0.95, detail) * rim
    return (vessel(_open_profile(h, foot, rim, (foot + rim) / 2 * _between(0.97, 1.06, width), 5), 0.004),)


def _plate(height: float, width: float, detail: float) -> tuple[Part, ...]:
    h, rim = _between(0.026, 0.038, height), _between(0.062, 0.085, width)
    slope = math.radians(_between(45, 65, detail))
    foot = rim - (h - 0.004) / math.tan(slope)
    return (vessel([(0.97 * foot, 0.0), (foot, 0.004), ((foot + rim) / 2, (h + 0.004) / 2), (rim, h)], 0.005),)


def _handle(low: tuple[float, float], high: tuple[float, float], reach: float, radius: float) -> Part:
    """A handle from the wall at `low` (radius, height) out by `reach` and back to the wall at `high`."""
    (x0, z0), (x1, z1) = low, high
    out = max(x0, x1) + reach
    path = smooth([(x0, z0), (out, z0 + 0.15 * (z1 - z0)), (out, z0 + 0.85 * (z1 - z0)), (x1, z1)], 9)
    return tube([(float(x), float(z)) for x, z in path], [radius] * 9)


def _mug(height: float, width: float, detail: float) -> tuple[Part, ...]:
    h, rim = _between(0.070, 0.105, height), _between(0.034, 0.044, width)
    foot = _between(0.85, 1.0, detail) * rim
    at = lambda z: foot + (rim - foot) * z / h - 0.0025  # noqa: E731
    body = vessel([(0.97 * foot, 0.0), (foot, 0.004), ((foot + rim) / 2, h / 2), (rim, h)], 0.005)
    low, high = 0.22 * h, _between(0.70, 0.85, detail) * h
    return body, _handle((at(low), low), (at(high), high), _between(0.022, 0.034, detail), 0.0045)


def _sugarbowl(height: float, width: float, detail: float) -> tuple[Part, ...]:
    h, r = _between(0.055, 0.085, height), _between(0.034, 0.046, width)
    knob = _between(0.008, 0.012, detail)
    body = smooth([(0.62 * r, 0.0), (r, _between(0.35, 0.5, detail) * h), (0.80 * r, 0.78 * h)], 6)
    lid = [(0.86 * r, 0.80 * h), (0.55 * r, 0.96 * h), (0.6 * knob, h)]
    grip = [(knob, h + 0.010), (knob, h + 0.016), (0.5 * knob, h + 0.020)]
    whole = turned_body([*map(tuple, body), *lid, *grip])
    ear = lambda side: _mirror(_handle((0.9 * r, 0.30 * h), (0.84 * r, 0.68 * h), 0.020, 0.004), side)  # noqa: E731
    return whole, ear(1), ear(-1)


def _teapot(height: float, width: float, detail: float) -> tuple[Part, ...]:
    h, r = _between(0.070, 0.100, height), _between(0.038, 0.050, width)
    knob = _between(0.007, 0.011, detail)
    body = smooth([(0.65 * r, 0.0), (r, _between(0.36, 0.5, detail) * h), (0.60 * r, 0.86 * h)], 7)
    lid = [(0.45 * r, 0.93 * h), (0.6 * knob, h), (knob, h + 0.008), (knob, h + 0.014), (0.5 * knob, h + 0.018)]
    whole = turned_body([*map(tuple, body), *lid])
    handle = _mirror(_handle((0.9 * r, 0.25 * h), (0.80 * r, 0.72 * h), _between(0.022, 0.030, detail), 0.0045), -1)
    end = _between(0.028, 0.040, detail)
    nose = smooth([(0.75 * r, 0.25 * h), (r + 0.5 * end, 0.45 * h), (r + end, _between(0.80, 0.95, detail) * h)], 6)
    spout = tube([(float(x), float(z)) for x, z in nose], np.linspace(0.013, 0.006, 6).tolist())
    return whole, handle, spout


def _mirror(part: Part, side: int) -> Part:
    """The part itself, or for `side` -1 the part turned half about the z axis."""
    flip = np.array([side, side, 1.0])
    return Part(part.vertices * flip, part.faces, tuple(piece * flip for piece in part.pieces))


MAKERS: dict[str, Callable[[float, float, float], tuple[Part, ...]]] = {
    "bottle": _bottle,
    "bowl": _bowl,
    "cup": _cup,
    "plate": _plate,
    "mug": _mug,
    "sugarbowl": _sugarbowl,
    "teapot": _teapot,
}


@dataclass(frozen=True)
class ObjectSpec:
    """Which object: its category, its parameters (height, width, detail) in [0, 1], the hue of its colour in [0, 1)."""

    category: str
    height: float
    width: float
    detail: float
    hue: float
    name: str = ""
    novel: bool = False

    def build(self) -> Solid:
        """The object, standing on z = 0 around the z axis."""
        return build(self.category, self.height, self.width, self.detail, self.hue, self.name or self.category)


def build(category: str, height: float, width: float, detail: float, hue: float = 0.6, name: str = "") -> Solid:
    """An object of a category; ValueError for an unknown one and for parameters outside [0, 1]."""
    if category not in MAKERS:
        raise ValueError(f"category must be one of {', '.join(CATEGORIES)}, got {category!r}")
    for key, value in zip((*PARAMETERS, "hue"), (height, width, detail, hue), strict=True):
        if not 0 <= value <= 1:
            raise ValueError(f"{key} must lie in [0, 1], got {value}")
    return Solid(MAKERS[category](height, width, detail), colorsys.hsv_to_rgb(hue, 0.55, 0.85), name or category)


@lru_cache(maxsize=1)
def library() -> tuple[ObjectSpec, ...]:
    """The 101 objects, category by category; always the same. Every fourth of a category is `novel`.

    The parameters of a category fill [0, 1]^3 evenly (a Latin hypercube), so that novel objects lie between seen ones.
    """
    found = []
    for number, (category, count) in enumerate(zip(CATEGORIES, COUNTS, strict=True)):
        generator = np.random.default_rng(1000 + number)
        columns = [(generator.permutation(count) + generator.random(count)) / count for _ in range(4)]
        for i, values in enumerate(zip(*columns, strict=True)):
            height, width, detail, hue = (float(value) for value in values)
            novel = i % NOVEL_EVERY == NOVEL_EVERY - 1
            found.append(ObjectSpec(category, height, width, detail, hue, f"{category}_{i:02d}", novel))
    return tuple(found)


def subset(count: int) -> tuple[ObjectSpec, ...]:
    """`count` objects of the library, spread over categories and over novel and seen ones; ValueError outside 1 to 101."""
    specs = library()
    if not 1 <= count <= len(specs):
        raise ValueError(f"objects must be 1 to {len(specs)}, got {count}")
    starts = np.cumsum([0, *COUNTS[:-1]])
    order = sorted(range(max(COUNTS)), key=lambda i: (i // NOVEL_EVERY, i % NOVEL_EVERY != NOVEL_EVERY - 1))
    turns = [specs[start + i] for i in order for start, size in zip(starts, COUNTS, strict=True) if i < size]
    return tuple(turns[:count])
