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
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from borders import Count
from envs.draw.capsules import GROUND, LINE, paint, seen
from envs.draw.figures import FRAMES, MATERIALS, POSES, WEAPONS, figure
from envs.dsprites import classes
from envs.world import Factor, World

ATTRIBUTES: dict[str, tuple[str, ...]] = {
    "body": ("light", "dark"),
    "arms": ("bare", "gauntlets"),
    "hair": ("black", "blond", "red"),
    "gender": ("man", "woman"),
    "armour": ("leather", "plate"),
    "greaves": ("cloth", "gold"),
    "weapon": WEAPONS,
}
SIDES = tuple(math.pi * k / 2 for k in range(4))  # front, facing right, back, facing left
PITCH = 0.22  # radian that the camera looks down
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
        named = dict(zip(self.names, classes(factors, self.factors).unbind(1), strict=True))
        quarters = factors[:, -1] * (len(SIDES) / (2 * math.pi))
        named["facing"] = quarters.round().long() % len(SIDES)  # a circle's nearest
        place = torch.zeros_like(named["pose"])
        for name in MAPPED:
            place = place * len(self.factors[self.names.index(name)].values) + named[name]
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
