"""The grasping data set: what a shard holds, reading it, and drawing its pictures.

A shard is one object: scenes (a place on the table and one demonstrated grasp) and the perturbed grasps tried in each.
Pictures are not stored: they are a pure function of object, place and camera, and are drawn when the set is read.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from borders.files import read_json, read_npz, write_npz
from envs.grasp.frames import DISTANCE, camera_poses, planted
from envs.grasp.objects import ObjectSpec, library
from envs.grasp.picture import draw
from envs.grasp.scene import REASONS
from envs.grasp.solids import Solid
from envs.grasp.world import ELEVATIONS, placed
from representations.parts.grasping import facing


@dataclass(frozen=True)
class Shard:
    """Grasps at one object: S scenes with G grasps each, poses in the world.

    place [S, 3] (x, y, yaw); demonstration [S, 4, 4]; pose [S, G, 4, 4]; opening [S, G]; reason uint8 [S, G], an index
    into `scene.REASONS`; rise [S, G] metres; tries [S], attempts behind the grasps that were kept.
    """

    place: NDArray[np.float64]
    demonstration: NDArray[np.float64]
    pose: NDArray[np.float64]
    opening: NDArray[np.float64]
    reason: NDArray[np.uint8]
    rise: NDArray[np.float64]
    tries: NDArray[np.int64]


def write_shard(shard: Shard, path: Path) -> None:
    """Write a shard atomically: a worker that is killed leaves no half of one."""
    write_npz(path, {field.name: getattr(shard, field.name) for field in fields(Shard)})


def read_shard(path: Path) -> Shard:
    """Read a shard; ValueError says which file is damaged, and how."""
    if not path.exists():
        raise ValueError(f"the shard {path} is missing: run python -m benchmarks.grasp_data with its --out again")
    what = "a shard of a grasping data set (delete it and generate it again)"
    found = Shard(**read_npz(path, what, [field.name for field in fields(Shard)]))
    if found.reason.ndim != 2:
        raise ValueError(
            f"the shard {path} is damaged: reason must have shape (scenes, grasps), got {found.reason.shape}"
        )
    scenes, grasps = found.reason.shape
    shapes = {
        "place": (scenes, 3),
        "pose": (scenes, grasps, 4, 4),
        "opening": (scenes, grasps),
        "rise": (scenes, grasps),
    }
    for name, shape in shapes.items():
        values = getattr(found, name)
        if values.shape != shape or not np.isfinite(values).all():
            raise ValueError(
                f"the shard {path} is damaged: {name} must be finite with shape {shape}, got {values.shape}"
            )
    if found.reason.max(initial=0) >= len(REASONS):
        raise ValueError(f"the shard {path} is damaged: a reason is {found.reason.max()}, there are {len(REASONS)}")
    return found


class Graspable(Protocol):
    """An object of a set."""

    @property
    def name(self) -> str:
        """Its own."""

    @property
    def category(self) -> str:
        """What it is one of."""

    def build(self) -> Solid:
        """Its shape."""


@dataclass(frozen=True)
class GraspSet:
    """N scenes with V views and G grasps each, as tensors.

    category [N] and novel bool [N]; place [N, 3]; camera float32 [N, V, 4, 4] to the world; elevation [N, V] in degrees;
    rgbd float32 [N, V, 4, 64, 64] (colour in [0, 1], depth in metres); mask bool [N, V, 64, 64]; pose float32
    [N, G, 4, 4]; opening [N, G]; reason int64 [N, G]; `specs` the object of every scene.
    """

    specs: tuple[Graspable, ...]
    category: Tensor
    novel: Tensor
    place: Tensor
    camera: Tensor
    elevation: Tensor
    rgbd: Tensor
    mask: Tensor
    pose: Tensor
    opening: Tensor
    reason: Tensor

    def take(self, index: Tensor) -> GraspSet:
        """Some of the scenes."""
        specs = tuple(self.specs[int(i)] for i in index)
        return GraspSet(specs, *(getattr(self, field.name)[index] for field in fields(self)[1:]))


def read_names(folder: Path) -> list[str]:
    """The objects of the data set in `folder`; ValueError for a folder that holds none."""
    path = folder / "dataset.json"
    if not path.exists():
        raise ValueError(f"{folder} is not a grasping data set: it has no dataset.json")
    names = read_json(path, "the list of a grasping data set", ("names",))["names"]
    known = [spec.name for spec in library()]
    if not isinstance(names, list) or not names or any(name not in known for name in names):
        raise ValueError(f"{path} should name objects of the library, got {names}")
    return names


def read_set(folder: Path, azimuths: int, seed: int = 0, elevations: Sequence[int] = ELEVATIONS) -> GraspSet:
    """The data set in `folder` with pictures from `azimuths` random directions at every elevation.

    Raises ValueError for a folder that holds none, and for missing or damaged shards.
    """
    names = read_names(folder)
    known = {spec.name: spec for spec in library()}
    specs: list[ObjectSpec] = []
    columns: dict[str, list[Tensor]] = {field.name: [] for field in fields(GraspSet)[1:]}
    for name in names:
        shard = read_shard(folder / f"{name}.npz")
        draws = np.random.default_rng([seed, list(known).index(name)])
        seen = views(known[name].build(), shard.place, azimuths, draws, elevations)
        scenes = len(shard.place)
        specs += [known[name]] * scenes
        category = list(dict.fromkeys(spec.category for spec in library())).index(known[name].category)
        found = seen | {
            "category": torch.full((scenes,), category),
            "novel": torch.full((scenes,), known[name].novel),
            "place": torch.as_tensor(shard.place).float(),
            "pose": torch.as_tensor(shard.pose).float(),
            "opening": torch.as_tensor(shard.opening).float(),
            "reason": torch.as_tensor(shard.reason).long(),
        }
        for key, value in found.items():
            columns[key].append(value)
    return GraspSet(tuple(specs), **{key: torch.cat(values) for key, values in columns.items()})


def views(
    solid: Solid,
    place: NDArray[np.float64],
    azimuths: int,
    draws: np.random.Generator,
    elevations: Sequence[int] = ELEVATIONS,
) -> dict[str, Tensor]:
    """Cameras and pictures of one object's scenes, V = azimuths x elevations."""
    count = azimuths * len(elevations)
    elevation = torch.tensor(elevations).repeat(azimuths)
    found: dict[str, list[Tensor]] = {"camera": [], "rgbd": [], "mask": [], "elevation": []}
    for x, y, yaw in place:
        azimuth = torch.as_tensor(draws.uniform(0, 2 * math.pi, count))
        distance = torch.as_tensor(draws.uniform(DISTANCE - 0.05, DISTANCE + 0.05, count))
        camera = camera_poses(azimuth, torch.deg2rad(elevation.double()), distance)
        picture = draw([placed(solid, planted(x, y, yaw))], camera)
        for key, value in zip(found, (camera.float(), picture.rgbd, picture.mask, elevation), strict=True):
            found[key].append(value)
    return {key: torch.stack(values) for key, values in found.items()}


def occupancy(data: GraspSet, scene: int, view: int, points: Tensor) -> Tensor:
    """Whether points [..., 3] of the frame that faces the camera of a view lie inside the scene's object: bool [...]."""
    x, y, yaw = data.place[scene].tolist()
    to_world = torch.linalg.inv(facing(data.camera[scene, view][None].double()))[0]
    to_object = torch.linalg.inv(torch.as_tensor(planted(x, y, yaw))) @ to_world
    local = points.double() @ to_object[:3, :3].T + to_object[:3, 3]
    return torch.from_numpy(data.specs[scene].build().contains(local.numpy()))
