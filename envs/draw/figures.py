"""Figures of capsules on a skeleton that a pose bends, and what they hold: the parts that characters are drawn of.

Lengths are in heights of a figure, which stands at the origin: x to its left, y up, z forward.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

POSES = ("walk", "thrust", "slash", "cast", "shoot")
FRAMES = 4
WEAPONS = ("spear", "sword", "bow", "axe", "staff", "torch", "mace")
MATERIALS = (
    *("skin", "arm", "hair", "torso", "trim", "leg", "boot", "eye"),
    *("wood", "steel", "bow", "grip", "head", "rod", "orb", "flame", "iron"),
)
TOPS = {  # of weapons on a shaft: materials of shaft and top, how far the top is from the hand, and its radius
    "axe": ("wood", "head", 0.34, 0.1),
    "staff": ("rod", "orb", 0.35, 0.085),
    "torch": ("wood", "flame", 0.26, 0.1),
    "mace": ("rod", "iron", 0.28, 0.1),
}


class Capsule(NamedTuple):
    """A limb: material, both ends (x to the figure's left, y up, z forward; its height is 1) and both radii."""

    material: str
    start: tuple[float, float, float]
    end: tuple[float, float, float]
    wide: float
    narrow: float


class Stance(NamedTuple):
    """What a frame of a pose bends: feet and hands, and where the weapon in the right hand points."""

    left_foot: tuple[float, float, float]
    right_foot: tuple[float, float, float]
    left_hand: tuple[float, float, float]
    right_hand: tuple[float, float, float]
    weapon: tuple[float, float, float]
    bob: float = 0.0


def stance(pose: str, frame: int) -> Stance:
    """The stance of a frame, 0 to 3, of a pose."""
    t = frame / (FRAMES - 1)
    feet = ((0.11, 0.05, 0.0), (-0.11, 0.05, 0.0))
    if pose == "walk":
        swing = math.sin(2 * math.pi * (frame + 0.5) / FRAMES)
        left = (0.09, 0.05 + 0.05 * max(swing, 0), 0.2 * swing)
        right = (-0.09, 0.05 + 0.05 * max(-swing, 0), -0.2 * swing)
        bob = 0.02 * (frame % 2)
        return Stance(left, right, (0.3, 0.36, -0.2 * swing), (-0.3, 0.38, 0.12 + 0.08 * swing), (-0.1, 1.0, 0.6), bob)
    if pose == "thrust":
        reach = (0.0, 0.08, 0.18, 0.12)[frame]
        wide = ((0.12, 0.05, -0.1), (-0.12, 0.05, 0.06 + 0.3 * reach))
        return Stance(*wide, (0.34, 0.44, 0.0), (-0.36, 0.44, 0.06 + reach), (-0.45, 0.45, 1.0))
    if pose == "slash":
        turn = math.radians(130 - 170 * t)  # from behind the head to the ground before the feet
        hand = (-0.3 + 0.1 * t, 0.56 + 0.2 * math.sin(turn), 0.08 + 0.14 * math.cos(turn))
        return Stance(*feet, (0.3, 0.42, -0.05), hand, (-0.35, math.sin(turn), math.cos(turn)))
    if pose == "cast":
        height = 0.38 + 0.3 * t
        out = 0.32 + 0.06 * math.sin(math.pi * t)
        return Stance(*feet, (out, height, 0.08), (-out, height, 0.08), (-0.5 + 0.4 * t, 1.0, 0.4))
    drawn = (0.0, 0.3, 0.6, 1.0)[frame]  # shoot: the weapon is held out, the other hand drawn back
    step = ((0.1, 0.05, -0.12), (-0.1, 0.05, 0.12))
    return Stance(*step, (0.42, 0.48, 0.16 - 0.24 * drawn), (-0.42, 0.5, 0.2), (-0.3, 1.0, 0.1))


def along(point: tuple[float, ...], way: tuple[float, ...], far: float) -> tuple[float, float, float]:
    """The point `far` along a way from another point."""
    length = math.sqrt(sum(w * w for w in way))
    x, y, z = (p + far * w / length for p, w in zip(point, way, strict=True))
    return x, y, z


def between(
    a: tuple[float, ...], b: tuple[float, ...], aside: tuple[float, float, float]
) -> tuple[float, float, float]:
    """The middle of two points, moved aside: a joint."""
    x, y, z = ((p + q) / 2 + s for p, q, s in zip(a, b, aside, strict=True))
    return x, y, z


def held(weapon: str, hand: tuple[float, float, float], way: tuple[float, float, float]) -> list[Capsule]:
    """A weapon in a hand, that points along a way."""
    if weapon == "spear":
        neck = along(hand, way, 0.34)
        return [
            Capsule("wood", along(hand, way, -0.4), neck, 0.022, 0.022),
            Capsule("steel", neck, along(hand, way, 0.5), 0.055, 0.008),
        ]
    if weapon == "sword":
        guard = along(hand, way, 0.07)
        side = (way[1] + 1e-3, -way[0], 0.0) if abs(way[2]) < 0.7 else (1.0, 0.0, 0.0)
        return [
            Capsule("grip", along(hand, way, -0.07), guard, 0.025, 0.025),
            Capsule("grip", along(guard, side, -0.09), along(guard, side, 0.09), 0.025, 0.025),
            Capsule("steel", along(hand, way, 0.11), along(hand, way, 0.4), 0.055, 0.045),
        ]
    if weapon in TOPS:
        shaft, top, far, wide = TOPS[weapon]
        end = along(hand, way, far)
        shown = [Capsule(shaft, along(hand, way, -0.5 * far), end, 0.022, 0.022)]
        if weapon == "axe":
            blade = along(end, (way[1], -way[0], 0.0) if abs(way[2]) < 0.7 else (0.0, 1.0, 0.0), 0.09)
            return [*shown, Capsule(top, along(end, way, -0.04), blade, 0.05, wide)]
        return [*shown, Capsule(top, end, along(end, way, 0.05), wide, 0.4 * wide if weapon == "torch" else wide)]
    # A bow stands across the way of its arrow: along `way`, its belly forward.
    level = abs(way[2]) > 0.7 * math.sqrt(sum(w * w for w in way))
    belly = (0.0, 1.0, 0.0) if level else (0.0, 0.0, 1.0)
    points = [
        along(along(hand, way, u), belly, 0.16 * (1 - (u / 0.34) ** 2) - 0.16) for u in (-0.34, -0.17, 0.0, 0.17, 0.34)
    ]
    limbs = [Capsule("bow", a, b, 0.028, 0.028) for a, b in pairwise(points)]
    return [*limbs, Capsule("steel", points[0], points[-1], 0.008, 0.008)]


def figure(gender: str, weapon: str, pose: str, frame: int) -> list[Capsule]:
    """The capsules of a character."""
    at = stance(pose, frame)
    woman = gender == "woman"
    hip, shoulder, waist = 0.08, (0.15 if woman else 0.2), (0.1 if woman else 0.135)
    rise = at.bob
    parts = []
    for sign, foot in ((1, at.left_foot), (-1, at.right_foot)):
        top = (sign * hip, 0.34 + rise, 0.0)
        knee = between(top, foot, (0.0, 0.0, 0.03))
        parts += [Capsule("leg", top, knee, 0.085, 0.08), Capsule("leg", knee, foot, 0.08, 0.065)]
        parts += [Capsule("boot", foot, (foot[0], foot[1] - 0.01, foot[2] + 0.08), 0.065, 0.055)]
    parts.append(Capsule("torso", (0, 0.4 + rise, 0), (0, 0.58 + rise, 0), waist, 0.125 if woman else 0.16))
    if woman:
        parts.append(Capsule("torso", (0, 0.4 + rise, 0), (0, 0.24 + rise, 0), 0.11, 0.2))
    parts.append(Capsule("trim", (-0.07, 0.4 + rise, 0.03), (0.07, 0.4 + rise, 0.03), 0.06, 0.06))
    for sign, hand in ((1, at.left_hand), (-1, at.right_hand)):
        top, hand = (sign * shoulder, 0.6 + rise, 0.0), (hand[0], hand[1] + rise, hand[2])
        elbow = between(top, hand, (0.05 * sign, -0.03, -0.03))
        parts += [Capsule("skin", top, elbow, 0.065, 0.06), Capsule("arm", elbow, hand, 0.06, 0.055)]
        parts += [Capsule("arm", hand, hand, 0.075, 0.075)]
        parts += [Capsule("trim", (top[0], top[1] + 0.02, 0.0), top, 0.075 if woman else 0.1, 0.075 if woman else 0.1)]
    face = 0.8 + rise
    parts.append(Capsule("skin", (0, face, 0), (0, face, 0), 0.17, 0.17))
    parts += [
        Capsule("eye", (s * 0.07, face - 0.01, 0.15), (s * 0.07, face - 0.05, 0.15), 0.024, 0.024) for s in (1, -1)
    ]
    parts.append(Capsule("hair", (0, face + 0.03, -0.1), (0, face + 0.07, -0.09), 0.155, 0.155))
    parts.append(Capsule("hair", (-0.08, face + 0.16, 0.05), (0.08, face + 0.16, 0.05), 0.055, 0.055))
    if woman:
        parts.append(Capsule("hair", (0, face, -0.12), (0, face - 0.24, -0.15), 0.14, 0.13))
        parts += [
            Capsule("hair", (s * 0.17, face + 0.06, -0.02), (s * 0.17, face - 0.2, 0.0), 0.05, 0.04) for s in (1, -1)
        ]
    else:
        parts.append(Capsule("hair", (-0.06, face - 0.14, 0.11), (0.06, face - 0.14, 0.11), 0.045, 0.045))
    hand = at.right_hand
    return parts + held(weapon, (hand[0], hand[1] + rise, hand[2] + 0.03), at.weapon)
