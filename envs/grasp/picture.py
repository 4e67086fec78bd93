"""RGBD pictures of meshes on a table in perspective, by spans of triangles against a depth buffer.

A point (X, Y, Z) in the camera's frame is seen at column W/2 (1 + X / (Z t)), row H/2 (1 + Y / (Z t)), with t the tangent
of half the field of view. On the screen 1 / Z is affine over a triangle, so that the spans of `envs.draw.raster` hold. The
key of a sample is 1 / Z in its high bits and the triangle's number below: the maximum is the nearest surface, and depth
and colour follow from it. The table is the plane z = 0, met in closed form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from envs.draw.raster import doubled_area, runs, span
from envs.grasp.frames import TAN_HALF

FAR = 1.2  # metres: depth of what is further away, the horizon included
NEAR = 0.02
LEVELS = 2**30  # steps of 1 / Z between 0 and 1 / NEAR
FACE_BITS = 24
TABLE = (0.55, 0.52, 0.48)
SKY = (0.80, 0.84, 0.88)
LIGHT = (0.35, -0.25, 0.90)  # towards the light, in the world
AMBIENT = 0.4


@dataclass(frozen=True)
class Model:
    """A mesh in the world: `vertices` [V, 3] in metres, `faces` [F, 3], one colour (red, green, blue) in [0, 1]."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    colour: tuple[float, float, float]


@dataclass(frozen=True)
class Picture:
    """`colour` uint8 [n, 3, S, S]; `depth` float32 [n, S, S] in metres along the optical axis; `mask` bool [n, S, S].

    `mask` marks pixels that show a model and not the table or the sky.
    """

    colour: Tensor
    depth: Tensor
    mask: Tensor

    @property
    def rgbd(self) -> Tensor:
        """Colour in [0, 1] and depth in metres: float32 [n, 4, S, S]."""
        return torch.cat([self.colour.float() / 255, self.depth[:, None]], 1)


def ray_directions(size: int, tan_half: float = TAN_HALF, device: torch.device | None = None) -> Tensor:
    """Directions [size, size, 3] in the camera's frame, of unit depth, through the middles of the pixels."""
    place = ((torch.arange(size, device=device) + 0.5) / size * 2 - 1) * tan_half
    y, x = torch.meshgrid(place, place, indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)], -1)


def draw(models: Sequence[Model], cameras: Tensor, size: int = 64, tan_half: float = TAN_HALF) -> Picture:
    """Pictures of the models and the table from camera-to-world poses [n, 4, 4], on the device of these."""
    cameras, device = cameras.double(), cameras.device
    vertices = torch.cat([torch.as_tensor(model.vertices, device=device) for model in models]).double()
    counts = [len(model.vertices) for model in models]
    offsets = np.cumsum([0, *counts[:-1]])
    faces = torch.cat([torch.as_tensor(m.faces, device=device) + int(o) for m, o in zip(models, offsets, strict=True)])
    shades = _shades(models).to(device)
    inverse, face = _nearest(vertices, faces, cameras, size, tan_half)
    mask = face >= 0
    depth = torch.where(mask, 1 / inverse.clamp(min=1 / FAR), FAR)
    directions = ray_directions(size, tan_half, device).double()
    falling = torch.einsum("nj,hwj->nhw", cameras[:, 2, :3], directions)
    table = -cameras[:, 2, 3, None, None] / torch.where(falling < -1e-9, falling, -1e-9)
    mask = mask & (depth <= table)
    depth = torch.where(mask, depth, table).clamp(max=FAR)
    ground = torch.where((table < FAR)[..., None], shades.new_tensor(TABLE), shades.new_tensor(SKY))
    colour = torch.where(mask[..., None], shades[face.clamp(min=0)], ground)
    pixels = (colour * 255).round().to(torch.uint8).permute(0, 3, 1, 2).contiguous()
    return Picture(pixels, depth.float(), mask)


def _shades(models: Sequence[Model]) -> Tensor:
    """The colour of every face under one distant light, [F, 3]."""
    light = np.asarray(LIGHT) / np.linalg.norm(LIGHT)
    found = []
    for model in models:
        a, b, c = (model.vertices[model.faces[:, k]] for k in range(3))
        normal = np.cross(b - a, c - a)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
        found.append((AMBIENT + (1 - AMBIENT) * np.clip(normal @ light, 0, 1))[:, None] * np.asarray(model.colour))
    return torch.as_tensor(np.concatenate(found)).float()


def _nearest(vertices: Tensor, faces: Tensor, cameras: Tensor, size: int, tan_half: float) -> tuple[Tensor, Tensor]:
    """1 / depth of the nearest surface [n, size, size], and its face, -1 where there is none."""
    local = (vertices - cameras[:, None, :3, 3]) @ cameras[:, :3, :3]
    depth = local[..., 2]
    if not bool((depth > NEAR).all()):
        raise ValueError(f"a model comes within {NEAR} m of a camera or lies behind it: depth {depth.min():.3f} m")
    screen = (local[..., :2] / (depth[..., None] * tan_half) + 1) * (size / 2)
    corners = torch.cat([screen, 1 / depth[..., None]], -1)[:, faces.flatten()].view(len(cameras), -1, 3, 3)
    facing = doubled_area(tuple(corners.unbind(2))) < -1e-9  # type: ignore[arg-type]
    picture, number = facing.nonzero().unbind(1)
    kept = corners[picture, number]
    area = doubled_area(tuple(kept.unbind(1)))  # type: ignore[arg-type]
    x, y, inverse = kept.permute(2, 1, 0).contiguous()
    slope_x = torch.stack([y[1] - y[2], y[2] - y[0], y[0] - y[1]]) / area
    slope_y = torch.stack([x[2] - x[1], x[0] - x[2], x[1] - x[0]]) / area
    start = slope_x * (0.5 - x.roll(-1, 0)) + slope_y * (0.5 - y.roll(-1, 0))
    first = (y.amin(0) - 0.5).ceil().clamp(0, size).long()
    last = (y.amax(0) - 0.5).floor().clamp(-1, size - 1).long()
    triangle, row = runs(first, last)
    slope_x, start = slope_x[:, triangle], start[:, triangle] + slope_y[:, triangle] * row
    line, column = runs(*span(start, slope_x, size))
    weights = start[:, line] + slope_x[:, line] * column
    owner = triangle[line]
    value = (weights * inverse[:, owner]).sum(0).clamp(0, 1 / NEAR)
    key = ((value * (NEAR * LEVELS)).long() << FACE_BITS) | number[owner]
    sample = (picture[owner] * size + row[line]) * size + column
    nearest = torch.full((len(cameras) * size * size,), -1, dtype=torch.int64, device=cameras.device)
    nearest.scatter_reduce_(0, sample, key, "amax")
    nearest = nearest.view(len(cameras), size, size)
    found = nearest >= 0
    face = torch.where(found, nearest & (2**FACE_BITS - 1), -1)
    return torch.where(found, (nearest >> FACE_BITS).double() / (NEAR * LEVELS), 0.0), face
