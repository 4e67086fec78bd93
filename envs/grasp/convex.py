"""From a surface to the bodies it bounds, and from a body to the convex pieces that Bullet collides with.

Around an edge where several closed bodies touch, more than two faces meet. Going round it counter-clockwise, the inside of
a body begins at a face that runs against the edge's direction and ends at one that runs with it; faces are joined across the
edge in these pairs, like brackets, and what is connected then is one body.

A body is cut into convex pieces by planes across the axes. A piece is the hull of what the body fills of a box: its faces,
clipped by the sides of the box, and the corners of the box that lie inside. So no piece reaches beyond the body's hull, and
two meet without a gap. The piece with the most room in it that is not the body's is cut where that leaves the least, until
all such room is a twentieth of the body: a body that is nearly convex stays one piece, its hull.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import ConvexHull, QhullError

Array = NDArray[np.float64]
SPARE = 0.05  # of a body: the room in its pieces that it does not fill
MOST_PIECES = 64  # of a body
GRID = 32  # samples along each axis
SHIFTS = np.array([0.5178, 0.4713, 0.4909])  # of the samples within their cells: away from where people put vertices
MIDDLE = 0.4973
BENDS = 4
SAME_ANGLE = 1e-5  # radian
THINNEST = 2e-4  # metres: a body's volume over half its surface
MOST_CORNERS = 256  # of a piece
MANY = 20_000  # points that a hull is not made of all at once


class NotClosed(ValueError):
    """A surface that bounds no body."""


def bodies(mesh: trimesh.Trimesh, name: str) -> list[trimesh.Trimesh]:
    """The closed bodies of a surface, vertices at the same place taken as one; they may touch or run into each other.

    Raises ValueError that says what is wrong: vertices that are not finite, edges with one face only (unless they end
    inside another body), faces wound against their neighbours or inside out, a body that is flat.
    """
    if not np.isfinite(mesh.vertices).all():
        raise ValueError(f"{name} has {int((~np.isfinite(mesh.vertices)).any(1).sum())} vertices that are not finite")
    whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=False)
    whole.merge_vertices()
    whole.update_faces(whole.nondegenerate_faces(height=0.0))
    parts = [_part(whole, faces) for faces in _connected(whole)]
    closed = [part for part in parts if not len(_open_edges(part))]
    closed += [_capped(part, closed, name) for part in parts if len(_open_edges(part))]
    if not closed:
        raise NotClosed(f"{name} has no faces")
    for part in closed:
        if not _wound_alike(part):
            raise ValueError(f"{name}: neighbouring faces are wound in opposite directions; turn them all outwards")
        thickness = 2 * abs(part.volume) / part.area
        if not thickness > max(THINNEST, 1e-5 * float(part.extents.max())):
            raise ValueError(f"{name} has no volume to speak of: a body of it is flat, {thickness * 1e3:.2g} mm thick")
    solid = [part for part in closed if part.volume > 0]
    for cavity in (part for part in closed if part.volume < 0):
        if not any((cavity.bounds[0] >= s.bounds[0]).all() and (cavity.bounds[1] <= s.bounds[1]).all() for s in solid):
            raise ValueError(f"{name} has no volume ({cavity.volume:g} m^3): its faces are turned inside out")
    return closed


def pieces_of(closed: list[trimesh.Trimesh]) -> list[Array]:
    """The vertices [v, 3] of the convex pieces of closed bodies; cavities are filled."""
    found: list[Array] = []
    for body in closed:
        if body.volume > 0:
            found += [np.asarray(body.vertices)] if body.is_convex else decompose(body)
    return found


def decompose(mesh: trimesh.Trimesh) -> list[Array]:
    """The vertices [v, 3] of convex pieces whose union holds a closed mesh and little more, within its hull."""
    inside, outside = _samples(mesh)
    sharp = (mesh.face_adjacency_angles > 0.05) & ~mesh.face_adjacency_convex
    bends = mesh.vertices[np.unique(mesh.face_adjacency_edges[sharp])]
    whole = _piece(mesh.triangles, np.array(mesh.bounds), np.empty((0, 3)), outside)
    pieces = [] if whole is None else [whole]
    while pieces and len(pieces) < MOST_PIECES and sum(len(piece.spare) for piece in pieces) > SPARE * len(inside):
        worst = pieces.pop(int(np.argmax([len(piece.spare) for piece in pieces])))
        # A ring has as much spare room in its halves as before, but not in its quarters: of equal cuts the balanced one.
        spare = lambda halves: (sum(rooms := [len(half.spare) for half in halves]), max(rooms, default=0))  # noqa: E731
        pieces += min(_cut_everywhere(mesh, worst, bends), key=spare)
    return [piece.corners for piece in pieces]


@dataclass(frozen=True)
class _Piece:
    """What the body fills of a box [2, 3]: its faces there, the corners of the box that it holds, the corners of their hull.

    `spare` are the samples in the hull that are not the body's.
    """

    triangles: Array
    box: Array
    filled: Array
    corners: Array
    spare: Array


def _piece(triangles: Array, box: Array, filled: Array, outside: Array) -> _Piece | None:
    """The piece of a box; None where the body fills next to nothing of it."""
    try:
        corners = _sparse(np.concatenate([triangles.reshape(-1, 3), filled]))
        sides = np.unique(ConvexHull(corners).equations.round(10), axis=0)  # a side of many triangles once
    except (QhullError, ValueError):
        return None
    near = outside[((outside >= corners.min(0)) & (outside <= corners.max(0))).all(1)]
    spare = near[(near @ sides[:, :3].T + sides[:, 3] <= 0).all(1)]
    return _Piece(triangles, box, filled, corners, spare)


def _cut_everywhere(mesh: trimesh.Trimesh, piece: _Piece, bends: Array) -> list[list[_Piece]]:
    """The halves of a piece for every cut that is tried."""
    cuts = [(axis, at) for axis in range(3) for at in _cuts(piece, bends, axis)]
    corners = np.array(np.meshgrid(*piece.box.T, indexing="ij")).reshape(3, -1).T
    new = np.array([corners[corners[:, axis] == piece.box[0, axis]] for axis, _ in cuts])
    for ends, (axis, at) in zip(new, cuts, strict=True):
        ends[:, axis] = at
    held = (_winding(mesh, new.reshape(-1, 3)) != 0).reshape(new.shape[:2])
    found = []
    for (axis, at), ends in zip(cuts, (ends[h] for ends, h in zip(new, held, strict=True)), strict=True):
        halves = []
        for side in (0, 1):
            normal, box = np.zeros(3), piece.box.copy()
            normal[axis], box[1 - side, axis] = 1 - 2 * side, at
            triangles = _below(piece.triangles, normal, -normal[axis] * at)
            own = piece.filled[(piece.filled[:, axis] > at) == bool(side)]
            half = _piece(triangles, box, np.concatenate([own, ends]), piece.spare)
            if half is not None:
                halves.append(half)
        found.append(halves)
    return found


def _cuts(piece: _Piece, bends: Array, axis: int) -> list[float]:
    """Where a piece could be cut: in the middle, and at a few of the places where the body is bent inwards."""
    low, high = piece.corners.min(0), piece.corners.max(0)
    margin = (high - low) * 0.02
    within = bends[((bends > low + margin) & (bends < high - margin)).all(1) | _touches(bends, low, high, margin, axis)]
    places = np.unique(within[:, axis].round(7))
    chosen = places[np.unique(np.linspace(0, len(places) - 1, BENDS).round().astype(int))] if len(places) else places
    return [float(low[axis] + MIDDLE * (high - low)[axis]), *chosen.tolist()]


def _touches(points: Array, low: Array, high: Array, margin: Array, axis: int) -> NDArray[np.bool_]:
    """Which points lie in the box, faces included, and well between its ends along the axis."""
    held = ((points >= low - margin) & (points <= high + margin)).all(1)
    return held & (points[:, axis] > low[axis] + margin[axis]) & (points[:, axis] < high[axis] - margin[axis])


def _samples(mesh: trimesh.Trimesh) -> tuple[Array, Array]:
    """Points of a grid inside the closed mesh and points outside it, within its bounds: [i, 3] and [o, 3]."""
    low, high = mesh.bounds
    axes = [low + (high - low) * ((k + SHIFTS) / GRID) for k in np.arange(GRID)[:, None]]
    x, y, z = np.array(axes).reshape(GRID, 3).T
    columns = np.array(np.meshgrid(x, y, indexing="ij")).reshape(2, -1).T
    column, height, sign = _crossings(mesh, columns)
    count = np.zeros((len(columns), GRID + 1), np.int64)
    np.add.at(count, (column, np.searchsorted(z, height)), sign)
    filled = count.cumsum(1)[:, :-1] != 0
    points = np.concatenate([np.repeat(columns, GRID, 0), np.tile(z, len(columns))[:, None]], 1)
    return points[filled.flatten()], points[~filled.flatten()]


def _winding(mesh: trimesh.Trimesh, points: Array) -> NDArray[np.int64]:
    """How often the surface winds around points [n, 3]: 0 outside, 1 inside a closed mesh."""
    moved = points + 1e-7 * mesh.extents * SHIFTS  # off the edges, which a vertical line could meet
    column, height, sign = _crossings(mesh, moved[:, :2])
    below = height < moved[column, 2]
    return np.bincount(column[below], sign[below], len(points)).round().astype(np.int64)


def _crossings(mesh: trimesh.Trimesh, columns: Array) -> tuple[NDArray[np.int64], Array, NDArray[np.int64]]:
    """Where the vertical lines at `columns` [n, 2] cross the surface: their number, the height, and 1 on the way in."""
    flat = mesh.triangles
    low, high = flat[:, :, :2].min(1), flat[:, :, :2].max(1)
    order = np.argsort(columns[:, 0])
    sorted_x = columns[order, 0]
    first, last = np.searchsorted(sorted_x, low[:, 0]), np.searchsorted(sorted_x, high[:, 0], "right")
    face = np.repeat(np.arange(len(flat)), last - first)
    place = np.arange(len(face)) - np.repeat(np.cumsum(last - first) - (last - first) - first, last - first)
    column = order[place]
    y = columns[column, 1]
    near = (y >= low[face, 1]) & (y <= high[face, 1])
    face, column = face[near], column[near]
    a, b, c = np.moveaxis(flat[face], 1, 0)
    p = columns[column]
    area = _cross(b - a, c - a)
    with np.errstate(divide="ignore", invalid="ignore"):
        u, v = _cross(p - a[:, :2], c - a) / area, _cross(b - a, p - a[:, :2]) / area
        hit = (u >= 0) & (v >= 0) & (u + v <= 1)
        height = a[:, 2] + u * (b - a)[:, 2] + v * (c - a)[:, 2]
    return column[hit], height[hit], -np.sign(area[hit]).astype(np.int64)


def _cross(a: Array, b: Array) -> Array:
    return np.asarray(a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0])


def _below(triangles: Array, normal: Array, offset: float) -> Array:
    """Triangles [n, 3, 3] clipped to the half-space normal . x + offset <= 0, cut into triangles again."""
    height = triangles @ normal + offset
    over = height > 1e-12
    count = over.sum(1)
    kept = [triangles[count == 0]]
    for outside in (1, 2):  # corners outside: one leaves a quadrilateral, two a triangle
        cut = count == outside
        # The corner that is alone on its side comes first.
        first = (over[cut] if outside == 1 else ~over[cut]).argmax(1)
        order = (first[:, None] + np.arange(3)) % 3
        a, b, c = np.moveaxis(np.take_along_axis(triangles[cut], order[..., None], 1), 1, 0)
        ha, hb, hc = np.take_along_axis(height[cut], order, 1).T[..., None]
        ab, ac = a + (b - a) * (ha / (ha - hb)), a + (c - a) * (ha / (ha - hc))
        kept += [np.stack([ab, b, c], 1), np.stack([ab, c, ac], 1)] if outside == 1 else [np.stack([a, ab, ac], 1)]
    return np.concatenate(kept)


def _sparse(points: Array) -> Array:
    """The corners of the hull of points; of very many, those furthest along evenly spread directions."""
    if len(points) < MANY:
        points = points[ConvexHull(points).vertices]
    if len(points) <= MOST_CORNERS:
        return points
    k = np.arange(MOST_CORNERS) + 0.5
    z, turn = 1 - 2 * k / MOST_CORNERS, np.pi * (1 + 5**0.5) * k
    directions = np.stack([np.cos(turn) * np.sqrt(1 - z**2), np.sin(turn) * np.sqrt(1 - z**2), z])
    return points[np.unique((points @ directions).argmax(0))]


def _connected(mesh: trimesh.Trimesh) -> list[NDArray[np.int64]]:
    """The faces of every body: connected across edges, and at edges of more than two faces in pairs round the inside."""
    ends = mesh.faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)  # half-edge 3 f + j runs from corner j of face f
    _, edge = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True)
    order = np.argsort(edge, kind="stable")
    starts = np.flatnonzero(np.diff(edge[order], prepend=-1))
    pairs = []
    for half in np.split(order, starts[1:]):
        if len(half) == 2:
            pairs.append((half[0], half[1]))
        elif len(half) > 2:
            pairs += _brackets(mesh, half, ends)
    a, b = (np.array(pairs, np.int64).reshape(-1, 2) // 3).T
    size = len(mesh.faces)
    count, label = connected_components(coo_array((np.ones(len(a)), (a, b)), (size, size)), directed=False)
    return [np.flatnonzero(label == k) for k in range(count)]


def _brackets(mesh: trimesh.Trimesh, half: NDArray[np.int64], ends: NDArray[np.int64]) -> list[tuple[Any, Any]]:
    """The half-edges of one edge in pairs between which its faces hold the inside of a body."""
    low, high = mesh.vertices[np.sort(ends[half[0]])]
    along = (high - low) / np.linalg.norm(high - low)
    with_it = ends[half, 0] < ends[half, 1]
    corner = mesh.vertices[mesh.faces[half // 3, (half + 2) % 3]] - low
    across = corner - (corner @ along)[:, None] * along
    ahead = across[0] / np.linalg.norm(across[0])
    angle = np.arctan2(across @ np.cross(along, ahead), across @ ahead)
    step = np.round((angle + 100 * SAME_ANGLE) % (2 * np.pi) / SAME_ANGLE)
    turns = np.lexsort((~with_it, step))  # of two faces that lie on each other, an inside ends before the next begins
    pairs, begun = [], []
    for place in [*turns, *turns]:
        if not with_it[place]:
            begun.append(place)
        elif begun:
            pairs.append((half[begun.pop()], half[place]))
        if len(pairs) == len(half) // 2:
            break
    return pairs


def _part(mesh: trimesh.Trimesh, faces: NDArray[np.int64]) -> trimesh.Trimesh:
    used, index = np.unique(mesh.faces[faces], return_inverse=True)
    return trimesh.Trimesh(mesh.vertices[used], index.reshape(-1, 3), process=False)


def _open_edges(part: trimesh.Trimesh) -> NDArray[np.int64]:
    """The half-edges [n, 2] that no other face runs along."""
    ends = np.sort(part.edges, axis=1)
    _, edge, count = np.unique(ends, axis=0, return_inverse=True, return_counts=True)
    return np.asarray(part.edges)[count[edge] % 2 == 1]


def _wound_alike(part: trimesh.Trimesh) -> bool:
    """Whether as many faces run along every edge one way as the other."""
    ends = np.asarray(part.edges)
    _, edge = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True)
    return not np.bincount(edge, np.where(ends[:, 0] < ends[:, 1], 1, -1)).any()


def _capped(part: trimesh.Trimesh, closed: list[trimesh.Trimesh], name: str) -> trimesh.Trimesh:
    """A surface whose open ends lie inside closed bodies, such as a handle's in a wall, with those ends closed by fans."""
    edges = _open_edges(part)
    middle = part.vertices[np.unique(edges)]
    if not any((_winding(body, middle) != 0).all() for body in closed) and not _all_inside(middle, closed):
        raise NotClosed(
            f"{name} is not watertight: {len(edges)} edges of its {len(part.faces)} faces belong to one face only"
        )
    size = len(part.vertices)
    count, label = connected_components(coo_array((np.ones(len(edges)), tuple(edges.T)), (size, size)), directed=False)
    loops = [edges[label[edges[:, 0]] == k] for k in range(count)]
    loops = [loop for loop in loops if len(loop)]
    tips = [part.vertices[np.unique(loop)].mean(0) for loop in loops]
    fans = [np.column_stack([loop[:, ::-1], np.full(len(loop), size + k)]) for k, loop in enumerate(loops)]
    return trimesh.Trimesh(np.concatenate([part.vertices, tips]), np.concatenate([part.faces, *fans]), process=False)


def _all_inside(points: Array, closed: list[trimesh.Trimesh]) -> bool:
    inside = np.zeros(len(points), bool)
    for body in closed:
        inside |= _winding(body, points) != 0
    return bool(inside.all())
