"""Grasps by script, in place of people in virtual reality: antipodal pairs of points, and what perturbs them.

Two points of the surface are antipodal if the line between them lies within both friction cones: closing on them cannot
slide (Nguyen 1988). The gripper's x axis is put along that line, its origin in the middle, its approach at random around
the line, mostly from above.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from envs.grasp.frames import MAX_OPENING, MIN_OPENING, moved
from envs.grasp.gripper import TIP
from envs.grasp.solids import Solid

Array = NDArray[np.float64]
CONE = np.radians(20)  # of both contacts; the friction cone at 0.8 is 39 degrees
CLEARANCE = 0.012  # metres that the fingers are further apart than the object is wide, both sides together
# Standard deviations of perturbations: metres and radian, drawn in equal shares.
SPREADS = ((0.004, np.radians(6)), (0.008, np.radians(12)), (0.016, np.radians(20)), (0.030, np.radians(35)))


def surface_points(solid: Solid, n: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """`n` points uniform on the surface and their outward normals, each [n, 3]."""
    a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
    normals = np.cross(b - a, c - a)
    areas = np.linalg.norm(normals, axis=1)
    chosen = generator.choice(len(areas), n, p=areas / areas.sum())
    u, v = generator.random((2, n, 1))
    flip = u + v > 1
    u, v = np.where(flip, 1 - u, u), np.where(flip, 1 - v, v)
    points = a[chosen] + u * (b - a)[chosen] + v * (c - a)[chosen]
    return points, normals[chosen] / areas[chosen, None]


def crossings(solid: Solid, origins: Array, directions: Array) -> tuple[Array, Array]:
    """Where rays [n, 3] cross every face [F]: distances [n, F], inf where they do not, and the faces' normals [F, 3].

    Möller and Trumbore 1997.
    """
    a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
    e1, e2 = b - a, c - a
    p = np.cross(directions[:, None], e2)
    determinant = (e1 * p).sum(-1)
    safe = np.where(np.abs(determinant) < 1e-15, 1.0, determinant)
    offset = origins[:, None] - a
    u = (offset * p).sum(-1) / safe
    q = np.cross(offset, e1)
    v = (directions[:, None] * q).sum(-1) / safe
    t = (e2 * q).sum(-1) / safe
    hit = (np.abs(determinant) >= 1e-15) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 1e-6)
    normals = np.cross(e1, e2)
    return np.where(hit, t, np.inf), normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-15)


def antipodal(solid: Solid, n: int, generator: np.random.Generator) -> tuple[Array, Array]:
    """Up to `n` antipodal grasps of an object standing at the origin: poses [m, 4, 4] and openings [m], m <= n.

    They are not checked for collisions; that is what an attempt does.
    """
    points, normals = surface_points(solid, n, generator)
    lean = Rotation.from_rotvec(generator.normal(0, CONE / 3, (n, 3)))
    inward = lean.apply(-normals)
    distance, faces = crossings(solid, points - 1e-6 * normals, inward)
    leaves = np.einsum("nj,fj->nf", inward, faces) > np.cos(CONE)
    distance = np.where(leaves & (distance < MAX_OPENING - CLEARANCE), distance, np.inf)
    met = np.isfinite(distance).any(1)
    points, inward, distance = points[met], inward[met], distance[met]
    # Of several exits (a wall, or the whole vessel) one at random.
    draw = np.where(np.isfinite(distance), generator.random(distance.shape), np.inf)
    width = np.take_along_axis(distance, draw.argmin(1)[:, None], 1)[:, 0]
    return _poses(points + inward * width[:, None] / 2, inward, generator), _openings(width, generator)


def _openings(width: Array, generator: np.random.Generator) -> Array:
    spare = width + CLEARANCE
    return np.clip(spare + generator.random(len(width)) * (MAX_OPENING - spare), MIN_OPENING, MAX_OPENING)


def _poses(middles: Array, closing: Array, generator: np.random.Generator) -> Array:
    """Gripper poses whose x axis is `closing`: the best of four random approaches, by how far they come from above."""
    n = len(middles)
    helper = generator.normal(size=(4, n, 3))
    approach = helper - (helper * closing).sum(-1, keepdims=True) * closing
    approach /= np.linalg.norm(approach, axis=-1, keepdims=True)
    best = approach[approach[..., 2].argmin(0), np.arange(n)]
    sign = np.where(generator.random(n) < 0.5, -1.0, 1.0)[:, None]
    poses = np.tile(np.eye(4), (n, 1, 1))
    poses[:, :3, 0], poses[:, :3, 2] = sign * closing, best
    poses[:, :3, 1] = np.cross(poses[:, :3, 2], poses[:, :3, 0])
    # The contact may lie anywhere on the pads, from the tips (deep) to 20 mm behind them.
    poses[:, :3, 3] = middles + best * generator.uniform(-TIP, 0.005, (n, 1))
    return poses


def perturbed(pose: Array, n: int, generator: np.random.Generator) -> Array:
    """`n` poses [n, 4, 4] around one, moved in its own frame by the mixture of normal steps `SPREADS`."""
    spread = np.asarray(SPREADS)[generator.integers(len(SPREADS), size=n)]
    step = generator.normal(size=(n, 6)) * np.repeat(spread, 3, axis=1)
    return moved(np.broadcast_to(pose, (n, 4, 4)), step)
