"""Objects from files: a mesh or a URDF; checked, cut into convex pieces, set on the table.

A mesh that is not watertight has no inside, and its volume, which trimesh reports all the same, means nothing: it is
refused. Bodies that touch, or run into each other, are fine. Textures and materials are not read.
"""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import trimesh
from scipy.spatial.transform import Rotation

from borders import Positive, checked
from borders.files import home, read_bytes
from borders.files.meshes import FORMATS, read_mesh
from envs.grasp.convex import NotClosed, bodies, pieces_of
from envs.grasp.solids import Part, Solid

LARGEST = 0.5  # metres
SMALLEST = 0.005
MOST_BYTES = 64 << 20  # of a URDF
KINDS = f"a mesh ({', '.join(FORMATS)}) or a URDF"


@lru_cache(maxsize=32)
def resting_solid(file: Path, changed: int, scale: float = 1.0) -> Solid:
    """The object of a file as it comes to rest; read once as long as its time of change, `changed`, is the same."""
    return resting(load_solid(file, scale))


@checked
def load_solid(path: str | Path, scale: Positive = 1.0) -> Solid:
    """The object in a mesh file or URDF, in metres after multiplication by `scale`, set down on z = 0 as it is turned.

    Raises ValueError for a file that is missing or unreadable, a mesh that is not watertight or has no volume, and one
    that is not 5 mm to 0.5 m large.
    """
    file = home(path)
    if file.suffix.lower() not in (*FORMATS, ".urdf"):
        raise ValueError(f"{file} is neither {KINDS}")
    shapes = _urdf_shapes(file) if file.suffix.lower() == ".urdf" else [read_mesh(file)]
    parts = []
    for groups in shapes:
        for mesh in groups:
            mesh.apply_scale(scale)
        parts += _parts(groups, file.name)
    solid = Solid(tuple(parts), name=file.stem)
    extent = float((solid.high - solid.low).max())
    if not SMALLEST <= extent <= LARGEST:
        raise ValueError(
            f"{file.name} is {extent:g} m large with scale={scale:g}, expected {SMALLEST} to {LARGEST}; "
            "a file in millimetres takes scale=0.001"
        )
    return solid.turned(np.eye(3))


def _parts(groups: list[trimesh.Trimesh], name: str) -> list[Part]:
    """The parts of a file's groups where each is closed by itself, or of all of them together."""
    try:
        return [solid_part(group, name) for group in groups]
    except NotClosed:
        if len(groups) == 1:
            raise
        return [solid_part(_joined(groups), name)]


def _joined(groups: list[trimesh.Trimesh]) -> trimesh.Trimesh:
    offsets = np.cumsum([0, *(len(group.vertices) for group in groups[:-1])])
    faces = [group.faces + offset for group, offset in zip(groups, offsets, strict=True)]
    return trimesh.Trimesh(np.concatenate([g.vertices for g in groups]), np.concatenate(faces), process=False)


def solid_part(mesh: trimesh.Trimesh, name: str = "mesh") -> Part:
    """A closed mesh with its convex pieces; ValueError if it is not watertight, or holds no volume."""
    closed = bodies(mesh, name)
    whole = _joined(closed)
    return Part(np.asarray(whole.vertices, float), np.asarray(whole.faces, np.int64), tuple(pieces_of(closed)))


def resting(solid: Solid) -> Solid:
    """The solid turned as it most probably comes to rest on a table."""
    points = trimesh.Trimesh(solid.vertices, solid.faces, process=False).convex_hull
    transforms, _ = trimesh.poses.compute_stable_poses(points, center_mass=solid.centre, n_samples=1)
    return solid.turned(transforms[0][:3, :3])


def _numbers(element: Any, key: str, default: str, count: int, file: Path) -> Any:
    text = element.get(key, default) if element is not None else default
    try:
        values = np.array([float(value) for value in text.split()])
    except ValueError:
        values = np.array([])
    if len(values) != count or not np.isfinite(values).all():
        raise ValueError(f"{file}: {key} must be {count} finite number(s), got {text!r}")
    return values


def _urdf_shapes(file: Path) -> list[list[trimesh.Trimesh]]:
    """The collision shapes of a URDF's link (visual ones where there are none), in the link's frame."""
    try:
        root = ElementTree.fromstring(read_bytes(file, "a URDF", MOST_BYTES))
    except (ElementTree.ParseError, UnicodeDecodeError, LookupError) as error:
        raise ValueError(f"{file} is not a URDF: {error}") from None
    links = root.findall("link")
    shapes = [shape for link in links for shape in link.findall("collision") or link.findall("visual")]
    if len(links) != 1 or not shapes:
        raise ValueError(f"{file} must hold one link with a collision or visual shape, it has {len(links)} links")
    found = []
    for shape in shapes:
        groups = _geometry(shape, file)
        origin = shape.find("origin")
        pose = np.eye(4)
        pose[:3, :3] = Rotation.from_euler("xyz", _numbers(origin, "rpy", "0 0 0", 3, file)).as_matrix()
        pose[:3, 3] = _numbers(origin, "xyz", "0 0 0", 3, file)
        for mesh in groups:
            mesh.apply_transform(pose)
        found.append(groups)
    return found


def _geometry(shape: Any, file: Path) -> list[trimesh.Trimesh]:
    """The groups of one shape: a mesh, a box, a sphere or a cylinder."""
    made = shape.find("geometry/*")
    kind = "nothing" if made is None else made.tag
    if kind == "mesh":
        groups = read_mesh(_find_mesh(made.get("filename", ""), file))
        for mesh in groups:
            mesh.apply_scale(_numbers(made, "scale", "1 1 1", 3, file))
        return groups
    if kind == "box":
        return [trimesh.creation.box(_positive(_numbers(made, "size", "", 3, file), "size", file))]
    if kind == "sphere":
        [radius] = _positive(_numbers(made, "radius", "", 1, file), "radius", file)
        return [trimesh.creation.icosphere(subdivisions=3, radius=radius)]
    if kind == "cylinder":
        sizes = np.concatenate([_numbers(made, key, "", 1, file) for key in ("radius", "length")])
        radius, length = _positive(sizes, "radius and length", file)
        return [trimesh.creation.cylinder(radius, length, sections=32)]
    raise ValueError(f"{file}: geometry must be a mesh, box, sphere or cylinder, got {kind}")


def _positive(values: Any, key: str, file: Path) -> Any:
    if not (values > 0).all():
        raise ValueError(f"{file}: {key} must be positive, got {values.tolist()}")
    return values


def _find_mesh(name: str, file: Path) -> Path:
    """The file that a URDF means by `name`: beside it, or in the package that is one of the folders above it.

    Packages are looked for above the URDF, in the folders there, and below those of ROS_PACKAGE_PATH.
    """
    scheme, _, rest = name.rpartition("://")
    if scheme == "package":
        package, _, inside = rest.partition("/")
        above = list(file.resolve().parents)
        folders = [folder for folder in above if folder.name == package]
        folders += [folder / package for folder in above]
        folders += [Path(root) / package for root in os.environ.get("ROS_PACKAGE_PATH", "").split(os.pathsep) if root]
        tried = [folder / inside for folder in folders]
    elif scheme in ("", "file"):
        tried = [file.parent / (unquote(rest) if scheme else name)]
    else:
        raise ValueError(f"{file}: a mesh must be a path, package:// or file://, got {name!r}")
    for path in tried:
        if path.is_file():
            return path
    raise ValueError(f"{file}: there is no file {name!r}; looked for {tried[0]}" + (" and others" if tried[1:] else ""))
