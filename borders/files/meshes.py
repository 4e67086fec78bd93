"""Meshes: the triangles of a file; textures and materials are not read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import trimesh

from borders.files.disk import check_file

FORMATS = (".obj", ".stl", ".ply", ".off", ".glb", ".gltf")
MOST_BYTES = 256 << 20
MOST_FACES = 1_000_000


def read_mesh(path: Path) -> list[trimesh.Trimesh]:
    """The groups of a mesh file, as they are written; ValueError says what is wrong with another file."""
    kind = path.suffix.lower()
    what = f"a mesh ({', '.join(FORMATS)})"
    if kind not in FORMATS:
        raise ValueError(f"{path} should be {what}")
    check_file(path, what, MOST_BYTES)
    groups: dict[str, Any] = {}
    if kind == ".obj":
        groups = {"split_objects": True, "split_groups": True, "group_material": False}
    try:
        scene = trimesh.load_scene(path, process=False, skip_materials=True, **groups)
        found = [mesh for mesh in scene.dump() if isinstance(mesh, trimesh.Trimesh)]
        found = [trimesh.Trimesh(mesh.vertices, mesh.faces, process=False) for mesh in found]
    except Exception as error:  # every format's reader raises its own
        raise ValueError(f"{path} should be a mesh, a whole {kind} file, but it cannot be read: {error}") from None
    faces = sum(len(mesh.faces) for mesh in found)
    if not faces:  # a reader takes some damaged files for empty ones
        raise ValueError(f"{path} should be a mesh, a whole {kind} file, but it has 0 faces")
    if faces > MOST_FACES:
        raise ValueError(f"{path} should be a mesh of at most {MOST_FACES:,} faces, but it has {faces:,}")
    return found


def write_groups(path: Path, groups: Iterable[tuple[Iterable[Any], Iterable[Any]]]) -> None:
    """Write corners [n, 3] and triangles [m, 3] of every group to an OBJ file.

    It is for a reader that follows at once, in a folder of one's own: not put in place atomically.
    """
    lines, base = [], 1
    for number, (corners, triangles) in enumerate(groups):
        rows = [tuple(map(float, corner)) for corner in corners]
        lines.append(f"o piece_{number}")
        lines += [f"v {x:.7g} {y:.7g} {z:.7g}" for x, y, z in rows]
        lines += ["f " + " ".join(str(base + int(i)) for i in triangle) for triangle in triangles]
        base += len(rows)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
