"""Objects from files: any mesh that trimesh reads, or a URDF; checked, cut into convex pieces, set on the table.

A mesh that is not watertight has no inside, and its volume, which trimesh reports all the same, means nothing: it is
refused. A mesh that is not convex is cut by V-HACD, as Bullet ships it; its parts that are convex stay as they are.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from envs.grasp.scene import import_bullet
from envs.grasp.solids import Part, Solid

VHACD_RESOLUTION = 50_000  # voxels
LARGEST = 0.5  # metres
SMALLEST = 0.005


def load_solid(path: str | Path, scale: float = 1.0) -> Solid:
    """The object in a mesh file or URDF, in metres after multiplication by `scale`, set down on z = 0 as it is turned.

    Raises ValueError for a file that is missing or unreadable, a mesh that is not watertight or has no volume, and one
    that is not 5 mm to 0.5 m large.
    """
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"there is no mesh or URDF file {file}")
    if not (np.isfinite(scale) and scale > 0):
        raise ValueError(f"scale must be positive, got {scale}")
    meshes = _urdf_meshes(file) if file.suffix == ".urdf" else [_read(file)]
    parts = []
    for mesh in meshes:
        mesh.apply_scale(scale)
        parts.append(solid_part(mesh, file.name))
    solid = Solid(tuple(parts), name=file.stem)
    extent = float((solid.high - solid.low).max())
    if not SMALLEST <= extent <= LARGEST:
        raise ValueError(
            f"{file.name} is {extent:g} m large, expected {SMALLEST} to {LARGEST}; is it in millimetres? scale={scale:g}"
        )
    return solid.turned(np.eye(3))


def solid_part(mesh: trimesh.Trimesh, name: str = "mesh") -> Part:
    """A closed mesh with its convex pieces; ValueError if it is not watertight, or holds no volume."""
    if not len(mesh.faces) or not mesh.is_watertight:
        raise ValueError(
            f"{name} is not watertight: {len(mesh.faces)} faces, with edges that do not have two faces each"
        )
    thin = 1e-5 * float(mesh.extents.max()) ** 3
    if not mesh.is_winding_consistent or not mesh.volume > thin:
        raise ValueError(f"{name} has no volume ({mesh.volume:g} m^3): it is flat, or its faces are turned inside out")
    pieces: list[Any] = []
    for body in mesh.split(only_watertight=True):
        pieces += [np.asarray(body.vertices)] if body.is_convex else decompose(body)
    return Part(np.asarray(mesh.vertices, float), np.asarray(mesh.faces, np.int64), tuple(pieces))


def decompose(mesh: trimesh.Trimesh) -> list[Any]:
    """The vertices [v, 3] of convex pieces that approximate a mesh, by V-HACD."""
    bullet = import_bullet()
    with tempfile.TemporaryDirectory() as folder:
        source, target, log = (str(Path(folder) / name) for name in ("in.obj", "out.obj", "log.txt"))
        mesh.export(source)
        with _quiet():
            bullet.vhacd(source, target, log, resolution=VHACD_RESOLUTION)
        lines = Path(target).read_text().splitlines()
    pieces: list[list[list[float]]] = []
    for line in lines:
        kind, _, rest = line.partition(" ")
        if kind == "o":
            pieces.append([])
        elif kind == "v":
            pieces[-1].append([float(value) for value in rest.split()])
    return [np.asarray(piece) for piece in pieces if len(piece) >= 4]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without what C++ prints to the standard output: V-HACD reports every percent."""
    kept = os.dup(1)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


def resting(solid: Solid) -> Solid:
    """The solid turned as it most probably comes to rest on a table."""
    points = trimesh.Trimesh(solid.vertices, solid.faces, process=False).convex_hull
    transforms, _ = trimesh.poses.compute_stable_poses(points, center_mass=solid.centre, n_samples=1)
    return solid.turned(transforms[0][:3, :3])


def _read(file: Path) -> trimesh.Trimesh:
    try:
        mesh = trimesh.load(file, force="mesh")
    except Exception as error:  # every format's reader raises its own
        raise ValueError(f"{file} cannot be read as a mesh: {error}") from None
    if not isinstance(mesh, trimesh.Trimesh) or not np.isfinite(mesh.vertices).all():
        raise ValueError(f"{file} holds no mesh with finite vertices")
    mesh.merge_vertices(merge_tex=True, merge_norm=True)
    return mesh


def _numbers(element: Any, key: str, default: str) -> Any:
    return np.array([float(value) for value in (element.get(key, default) if element is not None else default).split()])


def _urdf_meshes(file: Path) -> list[trimesh.Trimesh]:
    """The collision meshes of a URDF's links (visual ones where there are none), in the frame of its first link."""
    try:
        root = ElementTree.parse(file).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"{file} is not a URDF: {error}") from None
    links = root.findall("link")
    shapes = [shape for link in links for shape in link.findall("collision") or link.findall("visual")]
    if len(links) != 1 or not shapes:
        raise ValueError(f"{file} must hold one link with a collision or visual shape, it has {len(links)} links")
    found = []
    for shape in shapes:
        mesh = shape.find("geometry/mesh")
        if mesh is None:
            raise ValueError(f"{file}: only mesh geometry is read, got {[g.tag for g in shape.findall('geometry/*')]}")
        made = _read(file.parent / mesh.get("filename", ""))
        made.apply_scale(_numbers(mesh, "scale", "1 1 1"))
        origin = shape.find("origin")
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_euler("xyz", _numbers(origin, "rpy", "0 0 0")).as_matrix()
        pose[:3, 3] = _numbers(origin, "xyz", "0 0 0")
        made.apply_transform(pose)
        found.append(made)
    return found
