"""The grasping scene as a world of factors: which object, where it stands, from where it is seen.

    category                         one of the seven
    height, width, detail, hue       the object's shape and colour, in [0, 1]
    x, y, yaw                        where it stands on the table, metres and radian
    azimuth, elevation, distance     of the camera, radian and metres

The 101 objects of `envs.grasp.objects.library` are fixed points of this space.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from envs.grasp.frames import DISTANCE, camera_poses, planted
from envs.grasp.objects import CATEGORIES, ObjectSpec, build
from envs.grasp.picture import Model, Picture, draw
from envs.grasp.solids import Solid
from envs.world import Factor, World

SPREAD = 0.02  # metres: the object stands within this of the middle, along x and along y
ELEVATIONS = (15, 30, 45, 60)  # degrees: trained on at 15 and 45, tested on all
FACTORS = (
    Factor.categorical("category", len(CATEGORIES)),
    *(Factor.continuous(name, 0, 1) for name in ("height", "width", "detail")),
    Factor.circular("hue", 1, "turn"),
    Factor.continuous("x", -SPREAD, SPREAD, "metre"),
    Factor.continuous("y", -SPREAD, SPREAD, "metre"),
    Factor.circular("yaw", 2 * math.pi),
    Factor.circular("azimuth", 2 * math.pi),
    Factor.continuous("elevation", math.radians(10), math.radians(70), "radian"),
    Factor.continuous("distance", DISTANCE - 0.05, DISTANCE + 0.05, "metre"),
)


@lru_cache(maxsize=128)
def _solid(category: int, height: float, width: float, detail: float, hue: float) -> Solid:
    height, width, detail = (min(max(value, 0.0), 1.0) for value in (height, width, detail))
    return build(CATEGORIES[category], height, width, detail, hue % 1.0)


def placed(solid: Solid, pose: object) -> Model:
    """The solid where it stands, to be drawn; `pose` [4, 4]."""
    matrix = torch.as_tensor(pose).double().numpy()
    return Model(solid.vertices @ matrix[:3, :3].T + matrix[:3, 3], solid.faces, solid.colour)


def row(spec: ObjectSpec, x: float, y: float, yaw: float, azimuth: float, elevation: float, distance: float) -> Tensor:
    """The factor row [11] of an object that stands and is seen so."""
    shape = [CATEGORIES.index(spec.category), spec.height, spec.width, spec.detail, spec.hue]
    turn = 2 * math.pi
    return torch.tensor([*shape, x, y, yaw % turn, azimuth % turn, elevation, distance], dtype=torch.float32)


class Grasp(World):
    """RGB pictures uint8 [n, 3, 64, 64] of an object on a table; `depth` gives what the same camera measures."""

    def __init__(self, size: Annotated[int, Interval(ge=16, le=2048)] = 64):
        self.size, self.shape, self.factors = size, (3, size, size), FACTORS

    def solid(self, factors: Tensor) -> Solid:
        """The object of one factor row [11]."""
        category, *shape = factors[:5].tolist()
        return _solid(round(category), *shape)

    def picture(self, factors: Tensor) -> Picture:
        """Colour, depth in metres and the object's mask, of factor rows [n, 11]."""
        self.check(factors)
        rows = factors.double().cpu()
        found = []
        for values in rows:
            x, y, yaw, *camera = values[5:]
            model = placed(self.solid(values), planted(float(x), float(y), float(yaw)))
            found.append(draw([model], camera_poses(*(v[None] for v in camera)), self.size))
        if not found:
            side = self.size
            return Picture(
                torch.zeros(0, *self.shape, dtype=torch.uint8),
                torch.zeros(0, side, side),
                torch.zeros(0, side, side, dtype=torch.bool),
            )
        return Picture(*(torch.cat([getattr(p, name) for p in found]) for name in ("colour", "depth", "mask")))

    def depth(self, factors: Tensor) -> Tensor:
        """Depth along the optical axis in metres, float32 [n, size, size], of factor rows [n, 11]."""
        return self.picture(factors).depth.to(factors.device)

    def _render(self, factors: Tensor) -> Tensor:
        return self.picture(factors).colour.to(factors.device)
