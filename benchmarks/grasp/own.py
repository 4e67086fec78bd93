"""Meshes of one's own to plan on: `python -m benchmarks.grasp --objects FOLDER`.

Every mesh or URDF of the folder is set down as it comes to rest and tried as novel objects are: perturbed grasps around
antipodal ones that succeed, pictures from all elevations, and planning from grasps that failed.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from benchmarks.grasp.generate import Shard, try_scene
from benchmarks.grasp.set import GraspSet, views
from borders.files.meshes import FORMATS
from envs.grasp.files import resting_solid
from envs.grasp.scene import GraspScene
from envs.grasp.solids import Solid

APART = 10_000  # between the seeds of these objects and of the library's


@dataclass(frozen=True)
class OwnObject:
    """A mesh file or a URDF, in metres after multiplication by `scale`."""

    file: Path
    scale: float
    category: str = "own"

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.file.stem

    def build(self) -> Solid:
        """The object at rest on the table."""
        return resting_solid(self.file, self.file.stat().st_mtime_ns, self.scale)


def own_objects(folder: Path, scale: float) -> tuple[OwnObject, ...]:
    """The URDFs in a folder, or where it has none its meshes, each of which can be read; ValueError for others."""
    if not folder.is_dir():
        raise ValueError(f"objects must be a number or a folder of meshes or URDFs, got {folder}")
    files = sorted(file.resolve() for file in folder.iterdir() if file.is_file())
    urdfs = [file for file in files if file.suffix.lower() == ".urdf"]
    found = tuple(OwnObject(f, scale) for f in urdfs or [file for file in files if file.suffix.lower() in FORMATS])
    names = [own.name for own in found]
    if not found or len(set(names)) < len(names):
        raise ValueError(f"{folder} must hold meshes ({', '.join(FORMATS)}) or URDFs of different names, got {names}")
    for own in found:
        own.build()
    return found


def own_set(objects: tuple[OwnObject, ...], scenes: int, per_scene: int, azimuths: int, seed: int) -> GraspSet:
    """Scenes, grasps and pictures of the objects; the same for the same arguments.

    Raises ValueError for an object that does not stand, RuntimeError for one of which no grasp succeeds.
    """
    specs: list[OwnObject] = []
    columns: dict[str, list[torch.Tensor]] = {field.name: [] for field in fields(GraspSet)[1:]}
    for number, own in enumerate(objects):
        with GraspScene(own.build()) as scene:
            scene.settle()
            tried = [
                try_scene(scene, per_scene, np.random.default_rng([seed, APART + number, index]))
                for index in range(scenes)
            ]
        shard = Shard(*(np.stack(column) for column in zip(*tried, strict=True)))
        specs += [own] * scenes
        found = views(own.build(), shard.place, azimuths, np.random.default_rng([seed, APART + number]))
        found |= {"category": torch.full((scenes,), -1), "novel": torch.ones(scenes, dtype=torch.bool)}
        found |= {name: torch.as_tensor(getattr(shard, name)).float() for name in ("place", "pose", "opening")}
        found["reason"] = torch.as_tensor(shard.reason).long()
        for name, value in found.items():
            columns[name].append(value)
    return GraspSet(tuple(specs), **{name: torch.cat(values) for name, values in columns.items()})
