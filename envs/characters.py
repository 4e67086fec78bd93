"""Characters of a game: 672 identities of seven attributes, in several poses and seen from four sides.

    identity    (body, arms, hair, gender, armour, greaves, weapon), every combination       2 x 2 x 3 x 2 x 2 x 2 x 7 = 672
    view        a pose, one of its frames, and the side from which it is seen                         5 x 4 x 4 = 80

After the sprites of Reed et al. 2015 as Ridgeway & Mozer 2018 (arXiv 1802.05312, section 3) describe them: 60 x 60 pixels in
colour, seven attributes, 672 identities, every combination. They say "2 to 5 distinct values"; no product of such numbers
is 672 = 2^5 3 7, so that here one attribute, the weapon, has seven.

A character is a figure of capsules on a skeleton that the pose bends. Gender, weapon, pose, frame and side say which of
1,120 maps of tones it is drawn from, the other attributes which colours these have: drawing is looking up.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import Annotated, NamedTuple

import torch
from annotated_types import Interval
from torch import Tensor

from borders import Count
from envs.draw.capsules import GROUND, LINE, paint, seen
from envs.dsprites import classes
from envs.world import Factor, World

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "body": ("light", "dark"),
    "arms": ("bare", "gauntlets"),
    "hair": ("black", "blond", "red"),
    "gender": ("man", "woman"),
    "armour": ("leather", "plate"),
    "greaves": ("cloth", "gold"),
    "weapon": ("spear", "sword", "bow", "axe", "staff", "torch", "mace"),
}
POSES = ("walk", "thrust", "slash", "cast", "shoot")
FRAMES = 4
SIDES = tuple(math.pi * k / 2 for k in range(4))  # front, facing right, back, facing left
PITCH = 0.22  # radian that the camera looks down
MATERIALS = (
    "skin",
    "arm",
    "hair",
    "torso",
    "trim",
    "leg",
    "boot",
    "eye",
    "wood",
    "steel",
    "bow",
    "grip",
    "head",
    "rod",
    "orb",
    "flame",
    "iron",
)
Colour = tuple[int, int, int]
SET: dict[str, Colour] = {  # what no attribute changes
    "ground": (112, 148, 100),
    "line": (24, 20, 32),
    "boot": (64, 48, 44),
    "eye": (16, 16, 28),
    "wood": (196, 148, 72),
    "steel": (236, 240, 248),
    "bow": (200, 56, 40),
    "grip": (232, 176, 32),
    "head": (96, 120, 168),
    "rod": (72, 40, 96),
    "orb": (64, 232, 248),
    "flame": (255, 140, 0),
    "iron": (52, 52, 60),
}
HAIRS = ((40, 36, 44), (248, 216, 80), (212, 60, 20))
CHANGED: dict[str, tuple[str, tuple[Colour, ...]]] = {  # material -> the attribute that changes it, and its colours
    "skin": ("body", ((250, 206, 172), (100, 58, 38))),
    "hair": ("hair", HAIRS),
    "torso": ("armour", ((188, 122, 58), (148, 160, 180))),
    "trim": ("armour", ((136, 84, 36), (216, 224, 236))),
    "leg": ("greaves", ((44, 104, 60), (240, 184, 40))),
    "arm": ("arms", ((0, 0, 0), (128, 48, 168))),  # bare arms have the skin's
}
SHADE = 0.72  # of a material's colour, in its own shade
SCALE, ORIGIN, OUTLINE = 0.68, (0.5, 0.9), 0.013  # of the picture's side
CHUNK = 64  # pictures drawn at a time, so that the work stays in the processor's cache


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


MAPPED = ("gender", "weapon", "pose", "frame", "facing")  # what chooses a map


@lru_cache(maxsize=4)
def tones(samples: int, device: torch.device) -> Tensor:
    """The maps of all genders, weapons, poses, frames and sides, in this order: uint8 [1120, samples * samples]."""
    figures = [
        figure(gender, weapon, pose, frame)
        for gender in ATTRIBUTES["gender"]
        for weapon in ATTRIBUTES["weapon"]
        for pose in POSES
        for frame in range(FRAMES)
    ]
    most = max(map(len, figures))
    ends, radii = torch.zeros(len(figures), most, 2, 3), torch.zeros(len(figures), most, 2)
    materials = torch.zeros(len(figures), most, dtype=torch.int64)
    for k, capsules in enumerate(figures):
        ends[k, : len(capsules)] = torch.tensor([(part.start, part.end) for part in capsules])
        radii[k, : len(capsules)] = torch.tensor([(part.wide, part.narrow) for part in capsules])
        materials[k, : len(capsules)] = torch.tensor([MATERIALS.index(part.material) + 1 for part in capsules])
    count = len(SIDES)
    placed = seen(ends.repeat_interleave(count, 0), torch.tensor(SIDES).repeat(len(figures)), PITCH)
    placed[..., :2] = SCALE * placed[..., :2] + torch.tensor(ORIGIN)
    shared = (SCALE * radii.repeat_interleave(count, 0), materials.repeat_interleave(count, 0))
    return paint(placed, *shared, samples, OUTLINE).flatten(1).to(device)


def tone(material: str) -> int:
    """The lit tone of a material; the next one is that of its shade."""
    return 2 * (MATERIALS.index(material) + 1)


def packed(colour: Colour, light: float = 1.0) -> int:
    """A colour as one number, red + green 2^10 + blue 2^20, so that the four samples of a pixel are added at once."""
    red, green, blue = (round(light * part) for part in colour)
    return red + (green << 10) + (blue << 20)


@lru_cache(maxsize=4)
def palette(device: torch.device) -> tuple[Tensor, dict[str, Tensor]]:
    """The packed colours int32 [tones] that no attribute changes, and by material those [values, 2] of its attribute."""
    fixed = torch.zeros(tone(MATERIALS[-1]) + 2, dtype=torch.int32)
    fixed[GROUND], fixed[LINE] = packed(SET["ground"]), packed(SET["line"])
    for material in set(MATERIALS) & set(SET):
        fixed[tone(material) : tone(material) + 2] = torch.tensor(
            [packed(SET[material], light) for light in (1, SHADE)]
        )
    changed = {
        material: torch.tensor(
            [[packed(colour, light) for light in (1, SHADE)] for colour in colours], dtype=torch.int32
        )
        for material, (_, colours) in CHANGED.items()
    }
    return fixed.to(device), {material: table.to(device) for material, table in changed.items()}


class Characters(World):
    """Characters of a game by seven attributes, pose, frame and side: pictures uint8 [n, 3, side, side].

    The attributes are classes, by the places of their values in `ATTRIBUTES`; `frame` is the place in the pose's course, and
    `facing` is 0 towards the camera and pi / 2 to the right. `side` is the picture's in pixels, 60 as published.
    """

    def __init__(self, side: Annotated[int, Interval(ge=16, le=256)] = 60) -> None:
        self.side, self.shape = side, (3, side, side)
        self.attributes = tuple(Factor.categorical(name, len(values)) for name, values in ATTRIBUTES.items())
        self.sizes = tuple(len(values) for values in ATTRIBUTES.values())
        self.identities = math.prod(self.sizes)
        self.factors = (
            *self.attributes,
            Factor.categorical("pose", len(POSES)),
            Factor.ordinal("frame", tuple(range(FRAMES))),
            Factor.circular("facing", 2 * math.pi, values=SIDES),
        )

    def identity(self, factors: Tensor) -> Tensor:
        """Who is in the pictures of factor rows [n, 10], or attribute rows [n, 7]: int64 [n], from 0 to 671."""
        number = torch.zeros(len(factors), dtype=torch.int64, device=factors.device)
        for column, size in zip(factors[:, : len(self.sizes)].round().long().unbind(1), self.sizes, strict=True):
            number = number * size + column
        return number

    def who(self, identity: Tensor) -> Tensor:
        """The attributes float32 [n, 7] of identities [n], the reverse of `identity`."""
        columns = []
        for size in reversed(self.sizes):
            columns.append(identity % size)
            identity = identity // size
        return torch.stack(columns[::-1], 1).float()

    def views(self, identity: Tensor, count: Count, generator: torch.Generator) -> Tensor:
        """Factor rows [n, count, 10] of identities [n], with poses, frames and sides drawn for each row."""
        rows = self.sample(len(identity) * count, generator)
        rows[:, : len(self.sizes)] = self.who(identity.to(rows.device)).repeat_interleave(count, 0)
        return rows.view(len(identity), count, -1)

    def _render(self, factors: Tensor) -> Tensor:
        return torch.cat([self._drawn(part) for part in factors.split(CHUNK)]) if len(factors) else self._drawn(factors)

    def _drawn(self, factors: Tensor) -> Tensor:
        """The pictures of a chunk of rows."""
        device, side, n = factors.device, self.side, len(factors)
        values = classes(factors, self.factors)
        named = dict(zip(self.names, values.unbind(1), strict=True))
        place = torch.zeros_like(named["pose"])
        for name, size in zip(MAPPED, (2, 7, len(POSES), FRAMES, len(SIDES)), strict=True):
            place = place * size + named[name]
        fixed, changed = palette(device)
        colours = fixed.expand(n, -1).clone()
        for material, (attribute, _) in CHANGED.items():
            colours[:, tone(material) : tone(material) + 2] = changed[material][named[attribute]]
        bare, skin, arm = named["arms"][:, None] == 0, tone("skin"), tone("arm")
        colours[:, arm : arm + 2] = torch.where(bare, colours[:, skin : skin + 2], colours[:, arm : arm + 2])
        samples = tones(2 * side, device).index_select(0, place).long()
        light = colours.gather(1, samples).view(n, 2 * side, 2 * side)
        light = light[:, 0::2] + light[:, 1::2]
        light = light[..., 0::2] + light[..., 1::2]
        parts = [((light >> shift & 1023) + 2) >> 2 for shift in (0, 10, 20)]
        return torch.stack(parts, 1).to(torch.uint8)
