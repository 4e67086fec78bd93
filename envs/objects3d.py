"""A shaded, coloured teapot seen from any side (Eastwood and Williams 2018, appendix A.1).

    azimuth in [0, 2 pi), elevation in [0, pi / 2], red, green, blue in [0, 1], all uniform and independent
    pixel = 255 min(1, exposure colour brightness) ^ (1 / gamma)
    brightness = 0.3 + 0.7 max(0, normal . light) on the object, 0 off it

The object turns by its azimuth about the vertical, the camera stands at its elevation and looks at the centre; light
comes over the camera's left shoulder. The paper's renderer is not public: this teapot is a mesh of our own, drawn in
parallel projection with four samples a pixel. Without exposure and gamma pictures are linear in colour, and principal
components read it off; with 2 and 2.2, as cameras and screens have them, they score nearest to the paper's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import torch
from annotated_types import Interval
from torch import Tensor

from envs.draw.mesh import Mesh, teapot
from envs.draw.raster import rasterise
from envs.world import Factor, World

HALF_WIDTH = 1.04  # of the screen; the object's radius is 1
LIGHT = (-0.41, 0.58, 0.70)  # rightward, upward, towards the camera; unit length
AMBIENT = 0.3
Ratio = Annotated[float, Interval(ge=0.01, le=100)]
CHUNK = 16  # pictures drawn at a time, so that the work stays in the processor's cache


def gap(factors: Mapping[str, Tensor]) -> Tensor:
    """Red objects from above, about a tenth of all, which the zero-shot experiment holds out; a `where` expression.

    Train on `sample(n, generator, where=lambda f: ~gap(f))` and test on `sample(n, generator, where=gap)`.
    """
    red = (factors["red"] > factors["green"] + 0.15) & (factors["red"] > factors["blue"] + 0.15)
    return red & (factors["elevation"] > math.pi / 4)


class Objects3D(World):
    """The teapot with the factors azimuth, elevation (radian), red, green, blue: pictures uint8 [n, 3, side, side].

    `side` is the picture's in pixels, at least 8, 64 in the paper; `exposure` and `gamma` turn light into pixels.
    """

    def __init__(
        self, side: Annotated[int, Interval(ge=8, le=2048)] = 64, exposure: Ratio = 1.0, gamma: Ratio = 1.0
    ) -> None:
        self.side, self.shape, self.exposure, self.gamma = side, (3, side, side), exposure, gamma
        self.factors = (
            Factor.circular("azimuth", 2 * math.pi),
            Factor.continuous("elevation", 0.0, math.pi / 2, "radian"),
            *(Factor.continuous(name, 0.0, 1.0) for name in ("red", "green", "blue")),
        )
        self.mesh: Mesh = teapot()

    def brightness(self, azimuth: Tensor, elevation: Tensor) -> Tensor:
        """What the object's colour is multiplied by: float32 [n, side, side] in [0, 1], from angles [n] in radian."""
        turned = _seen(self.mesh.vertices.to(azimuth), azimuth, elevation)
        normal = _seen(self.mesh.normals.to(azimuth), azimuth, elevation)
        lit = sum((c * side for c, side in zip(normal, LIGHT, strict=True)), torch.zeros_like(azimuth)[:, None])
        right, up, near = turned
        x = (right / HALF_WIDTH + 1) * (self.side / 2)
        y = (1 - up / HALF_WIDTH) * (self.side / 2)
        corner = torch.stack([x, y, (1 - near / HALF_WIDTH) / 2, AMBIENT + (1 - AMBIENT) * lit.clamp(0, 1)], dim=-1)
        corners = corner.index_select(1, self.mesh.faces.flatten().to(azimuth.device))
        return rasterise(corners.view(len(azimuth), len(self.mesh.faces), 3, 4), self.side)

    def _render(self, factors: Tensor) -> Tensor:
        pictures = torch.empty(len(factors), *self.shape, dtype=torch.uint8, device=factors.device)
        for picture, rows in zip(pictures.split(CHUNK), factors.float().split(CHUNK), strict=True):
            azimuth, elevation = rows[:, :2].t().contiguous()
            light = self.brightness(azimuth, elevation)
            value = self.exposure * rows[:, 2:, None, None].clamp(0, 1) * light[:, None]
            if self.gamma != 1:
                value = value.pow_(1 / self.gamma)
            picture.copy_((255 * value.clamp_(max=1)).round())
        return pictures


def _seen(vectors: Tensor, azimuth: Tensor, elevation: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors [V, 3] of the object in the camera's frame: rightward, upward and towards the camera, each [n, V]."""
    x, y, z = vectors.t().contiguous()
    cos, sin = azimuth.cos()[:, None], azimuth.sin()[:, None]
    right, away = cos * x - sin * y, sin * x + cos * y
    cos, sin = elevation.cos()[:, None], elevation.sin()[:, None]
    return right, sin * away + cos * z, sin * z - cos * away
