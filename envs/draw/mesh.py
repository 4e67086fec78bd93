"""Closed triangle meshes made of surfaces of revolution and tubes, and a teapot made of those.

A mesh is watertight when every edge belongs to exactly two triangles that pass it in opposite directions; seen from
outside, corners run counter-clockwise. Every part below is watertight by itself; parts may run into each other, a depth
buffer shows the outer surface.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mesh:
    """`vertices` float32 [V, 3], their unit outward `normals` (means over the faces around), `faces` int64 [F, 3]."""

    vertices: Tensor
    normals: Tensor
    faces: Tensor


def closed_surface(rings: Tensor, start: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """Vertices and faces of rings [R, S, 3] joined one to the next, closed by a fan to the points `start` and `end`.

    Rings run counter-clockwise as seen from the end.
    """
    count, segments = rings.shape[:2]
    vertices = torch.cat([rings.reshape(-1, 3), start[None], end[None]])
    k = torch.arange(segments)
    after = (k + 1) % segments
    base = (torch.arange(count - 1) * segments)[:, None]
    a, b, c, d = base + k, base + after, base + segments + after, base + segments + k
    side = torch.cat([torch.stack([a, b, c], -1).view(-1, 3), torch.stack([a, c, d], -1).view(-1, 3)])
    first, last = torch.full_like(k, count * segments), torch.full_like(k, count * segments + 1)
    top = (count - 1) * segments
    return vertices, torch.cat(
        [side, torch.stack([first, after, k], -1), torch.stack([last, top + k, top + after], -1)]
    )


def revolve(profile: Tensor, segments: int) -> tuple[Tensor, Tensor]:
    """Turn a profile [P, 2] of (radius, height), upward from axis to axis, about the vertical axis."""
    angle = torch.arange(segments) * (2 * math.pi / segments)
    radius, height = profile[1:-1, :1], profile[1:-1, 1:]
    rings = torch.stack([radius * angle.cos(), radius * angle.sin(), height.expand(-1, segments)], dim=-1)
    poles = torch.nn.functional.pad(profile[[0, -1], 1:], (2, 0))
    return closed_surface(rings, poles[0], poles[1])


def tube(path: Tensor, radii: Tensor, segments: int) -> tuple[Tensor, Tensor]:
    """A tube of these radii [P] about a path [P, 3] in the plane y = 0, with flat ends."""
    ahead = torch.nn.functional.normalize(torch.gradient(path, dim=0)[0], dim=1)
    sideways = torch.tensor([0.0, 1.0, 0.0]).expand_as(ahead)
    across = torch.linalg.cross(sideways, ahead)
    angle = torch.arange(segments)[:, None] * (2 * math.pi / segments)
    circle = angle.cos() * across[:, None] + angle.sin() * sideways[:, None]
    return closed_surface(path[:, None] + radii[:, None, None] * circle, path[0], path[-1])


def smooth(points: Tensor, count: int) -> Tensor:
    """`count` points on the Catmull-Rom spline through points [P, D]."""
    padded = torch.cat([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    place = torch.linspace(0, len(points) - 1, count)
    k = place.long().clamp(max=len(points) - 2)
    t = (place - k)[:, None]
    p0, p1, p2, p3 = (padded[k + j] for j in range(4))
    return p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))


def upright(points: Tensor) -> Tensor:
    """Points [P, 2] of (x, z) in the plane y = 0: [P, 3]."""
    return torch.stack([points[:, 0], torch.zeros(len(points)), points[:, 1]], dim=1)


def join(*parts: tuple[Tensor, Tensor]) -> Mesh:
    """One mesh of several parts, with normals."""
    vertices = torch.cat([part[0] for part in parts])
    offsets = [sum(len(part[0]) for part in parts[:k]) for k in range(len(parts))]
    faces = torch.cat([part[1] + offset for part, offset in zip(parts, offsets, strict=True)])
    a, b, c = vertices[faces].unbind(1)
    weighted = torch.linalg.cross(b - a, c - a)[:, None].expand(-1, 3, -1).reshape(-1, 3)
    normals = torch.zeros_like(vertices).index_add_(0, faces.flatten(), weighted)
    return Mesh(vertices, torch.nn.functional.normalize(normals, dim=1), faces)


def teapot() -> Mesh:
    """A teapot of radius 1 about the origin, standing on -z, spout towards +x: belly, lid with knob, handle, spout."""
    belly = smooth(torch.tensor([[0.40, -0.45], [0.56, -0.33], [0.64, -0.12], [0.60, 0.10], [0.47, 0.26]]), 10)
    lid = smooth(torch.tensor([[0.47, 0.31], [0.36, 0.39], [0.16, 0.45], [0.07, 0.49]]), 5)
    knob = smooth(torch.tensor([[0.11, 0.54], [0.11, 0.60], [0.05, 0.64]]), 4)
    profile = torch.cat([torch.tensor([[0.0, -0.45]]), belly, lid, knob, torch.tensor([[0.0, 0.65]])])
    grip = torch.tensor([[-0.45, 0.20], [-0.72, 0.24], [-0.92, 0.10], [-0.86, -0.14], [-0.50, -0.28]])
    nose = torch.tensor([[0.45, -0.22], [0.68, -0.12], [0.78, 0.12], [0.93, 0.27]])
    handle = tube(upright(smooth(grip, 11)), torch.full((11,), 0.06), 8)
    spout = tube(upright(smooth(nose, 7)), torch.linspace(0.17, 0.065, 7), 10)
    return join(revolve(profile, 20), handle, spout)
