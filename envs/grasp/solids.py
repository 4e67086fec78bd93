"""Solids as unions of convex pieces, with the surface one sees: turned profiles, walls, tubes.

    solid = hull(V_1) u ... u hull(V_P)        exact for collision, for volume and for "is this point inside?"

A wall is cut into one piece per sector and profile segment: the six sides of such a piece are planar, so that the pieces
fill the turned polygon exactly, hollow inside included. A single hull would fill a bowl, and a dynamic concave mesh has no
collision margin in Bullet. Lengths are metres; a solid stands on z = 0 around the z axis.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

Array = NDArray[np.float64]
Faces = NDArray[np.int64]
SECTORS = 16


@dataclass(frozen=True)
class Part:
    """One closed surface, `vertices` [V, 3] and outward `faces` [F, 3], and the convex pieces [v, 3] that fill it."""

    vertices: Array
    faces: Faces
    pieces: tuple[Array, ...]


@dataclass(frozen=True)
class Solid:
    """Closed parts that may run into each other, and a colour (red, green, blue) in [0, 1]."""

    parts: tuple[Part, ...]
    colour: tuple[float, float, float] = (0.6, 0.6, 0.6)
    name: str = "solid"

    @cached_property
    def vertices(self) -> Array:
        """The vertices of all parts [V, 3]."""
        return np.concatenate([part.vertices for part in self.parts])

    @cached_property
    def faces(self) -> Faces:
        """The faces of all parts [F, 3], counter-clockwise as seen from outside."""
        offsets = np.cumsum([0, *(len(part.vertices) for part in self.parts[:-1])])
        return np.concatenate([part.faces + offset for part, offset in zip(self.parts, offsets, strict=True)])

    @cached_property
    def pieces(self) -> tuple[Array, ...]:
        """The vertices [v, 3] of every convex piece."""
        return tuple(piece for part in self.parts for piece in part.pieces)

    @cached_property
    def hulls(self) -> tuple[ConvexHull, ...]:
        """The convex hull of every piece."""
        return tuple(ConvexHull(piece) for piece in self.pieces)

    @cached_property
    def centre(self) -> Array:
        """The centre of mass [3] at uniform density; where pieces overlap, in the root of a handle, it counts twice."""
        moments, total = np.zeros(3), 0.0
        for hull in self.hulls:
            corners = hull.points[hull.simplices] - hull.points.mean(0)
            volumes = np.abs(np.linalg.det(corners)) / 6
            middle = hull.points.mean(0) + corners.sum(1) / 4
            moments += (volumes[:, None] * middle).sum(0)
            total += volumes.sum()
        return moments / total

    @property
    def low(self) -> Array:
        """The least coordinates [3]."""
        return self.vertices.min(0)

    @property
    def high(self) -> Array:
        """The largest coordinates [3]."""
        return self.vertices.max(0)

    def contains(self, points: Array) -> NDArray[np.bool_]:
        """Whether points [..., 3] lie inside or on the solid: in any of its convex pieces."""
        flat = np.asarray(points, float).reshape(-1, 3)
        inside = np.zeros(len(flat), bool)
        for hull in self.hulls:
            low, high = hull.min_bound - 1e-9, hull.max_bound + 1e-9
            near = (~inside & (flat >= low).all(1) & (flat <= high).all(1)).nonzero()[0]
            if len(near):
                normals, offsets = hull.equations[:, :3], hull.equations[:, 3]
                inside[near] = (flat[near] @ normals.T + offsets <= 1e-9).all(1)
        return inside.reshape(np.shape(points)[:-1])

    def turned(self, rotation: Array) -> Solid:
        """The solid turned by a rotation matrix [3, 3] and set down on z = 0, its centre of mass over the origin."""
        centre = self.centre @ rotation.T
        shift = np.array([-centre[0], -centre[1], -(self.vertices @ rotation.T)[:, 2].min()])
        parts = tuple(
            Part(part.vertices @ rotation.T + shift, part.faces, tuple(p @ rotation.T + shift for p in part.pieces))
            for part in self.parts
        )
        return Solid(parts, self.colour, self.name)


def _rings(rings: Array, start: Array | None, end: Array | None) -> tuple[Array, Faces]:
    """Rings [R, S, 3] joined one to the next; closed by fans to `start` and `end`, or into a torus where those are None.

    Rings run counter-clockwise as seen from the end.
    """
    count, size = rings.shape[:2]
    k = np.arange(size)
    after = (k + 1) % size
    following = count if start is None else count - 1
    base = (np.arange(following) * size)[:, None]
    above = ((np.arange(following) + 1) % count * size)[:, None]
    a, b, c, d = base + k, base + after, above + after, above + k
    faces = [np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)]
    vertices = rings.reshape(-1, 3)
    if start is not None and end is not None:
        vertices = np.concatenate([vertices, start[None], end[None]])
        first, last, top = np.full(size, count * size), np.full(size, count * size + 1), (count - 1) * size
        faces += [np.stack([first, after, k], -1), np.stack([last, top + k, top + after], -1)]
    return vertices, np.concatenate(faces)


def _turn(profile: Array, sectors: int) -> Array:
    """The rings [P, sectors, 3] that points (radius, height) [P, 2] draw about the z axis."""
    angle = np.arange(sectors) * (2 * np.pi / sectors)
    ring = np.stack([np.cos(angle), np.sin(angle)], -1)
    flat = profile[:, None, :1] * ring
    return np.concatenate([flat, np.broadcast_to(profile[:, None, 1:], (*flat.shape[:2], 1))], -1)


def turned_body(profile: Sequence[tuple[float, float]], sectors: int = SECTORS) -> Part:
    """A full body: the profile (radius > 0, height), upward, turned about the z axis; one frustum per segment."""
    points = np.asarray(profile, float)
    rings = _turn(points, sectors)
    bottom, top = np.array([0, 0, points[0, 1]]), np.array([0, 0, points[-1, 1]])
    pieces = tuple(np.concatenate([rings[i], rings[i + 1]]) for i in range(len(points) - 1))
    return Part(*_rings(rings, bottom, top), pieces)


def vessel(outer: Sequence[tuple[float, float]], wall: float, sectors: int = SECTORS) -> Part:
    """An open vessel with a floor and a wall of thickness `wall`.

    `outer` is the outside (radius, height) from the foot up to the rim; its second point is where the floor's upper side
    meets the wall. The inside is the outside moved inwards along its normal.
    """
    points = np.asarray(outer, float)
    along = np.gradient(points[1:], axis=0)
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    inward = np.stack([-along[:, 1], along[:, 0]], -1)
    inner = points[1:] + wall * inward
    inner[0] = points[1] - (wall / max(along[0, 1], 0.3), 0)
    inner[-1, 1] = max(inner[-1, 1], points[-1, 1])  # a flat rim or one that rises inwards
    outside, inside = _turn(points, sectors), _turn(inner, sectors)
    rings = np.concatenate([outside, inside[::-1]])
    surface = _rings(rings, np.zeros(3), np.array([0, 0, points[1, 1]]))
    pieces = [np.concatenate([outside[0], outside[1]])]
    for i in range(len(inner) - 1):
        for k in range(sectors):
            j = (k + 1) % sectors
            out = outside[i + 1 : i + 3][:, [k, j]]
            pieces.append(np.concatenate([out, inside[i : i + 2][:, [k, j]]]).reshape(-1, 3))
    return Part(*surface, tuple(pieces))


def tube(path: Sequence[tuple[float, float]], radii: Sequence[float], sides: int = 8) -> Part:
    """A tube of these radii about points (x, z) in the plane y = 0, with flat ends; one piece per segment."""
    points = np.zeros((len(path), 3))
    points[:, [0, 2]] = path
    ahead = np.gradient(points, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    sideways = np.broadcast_to([0.0, 1.0, 0.0], ahead.shape)
    across = np.cross(sideways, ahead)
    angle = np.arange(sides) * (2 * np.pi / sides)
    circle = np.cos(angle)[:, None] * across[:, None] + np.sin(angle)[:, None] * sideways[:, None]
    rings = points[:, None] + np.asarray(radii)[:, None, None] * circle
    pieces = tuple(np.concatenate([rings[i], rings[i + 1]]) for i in range(len(points) - 1))
    return Part(*_rings(rings, points[0], points[-1]), pieces)


def smooth(points: Sequence[tuple[float, float]], count: int) -> Array:
    """`count` points on the Catmull-Rom spline through points [P, 2]."""
    given = np.asarray(points, float)
    padded = np.concatenate([2 * given[:1] - given[1:2], given, 2 * given[-1:] - given[-2:-1]])
    place = np.linspace(0, len(given) - 1, count)
    k = np.minimum(place.astype(int), len(given) - 2)
    t = (place - k)[:, None]
    p0, p1, p2, p3 = (padded[k + j] for j in range(4))
    return p1 + t / 2 * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0)))
