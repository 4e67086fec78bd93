"""Grasps in simulation, as a data set: `python -m benchmarks.grasp_data --objects 101 --grasps 150000 --workers 2`.

For every scene, an object in a random place, an antipodal grasp that succeeds is looked for: the demonstration. It is
perturbed until half of the kept grasps succeed, a quarter fail by meeting object or table, and a quarter fail otherwise:
left alone, four failures of five are such collisions, and predicting the outcome would be a collision test.

One object is one shard, one file, written at once. A run that was broken off continues with the same command; every
shard depends on the seed and the object alone, not on workers, engine or order.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.grasp.set import Shard, read_names, read_shard, write_shard
from benchmarks.harness.command import parse
from benchmarks.harness.ending import plain_errors
from benchmarks.harness.engines import Engine
from benchmarks.harness.options import Common
from benchmarks.harness.pool import Failure
from benchmarks.harness.rooms import Room
from benchmarks.harness.table import Table, show, tolerate_encodings
from borders import Count, Natural, checked
from borders.files import claimed, home, read_json, write_json
from envs.grasp.demonstration import demonstrate
from envs.grasp.frames import MAX_OPENING, MIN_OPENING
from envs.grasp.objects import CATEGORIES, ObjectSpec, library, subset
from envs.grasp.sampler import perturbed
from envs.grasp.scene import REASONS, GraspScene
from envs.grasp.world import SPREAD

PATIENCE = 12  # perturbed grasps tried, at most, for each that is kept
OPENING_SPREAD = 0.008


@checked
@dataclass(frozen=True)
class Generation:
    """What to generate."""

    objects: int = 101
    """How many of the 101 objects, spread over the categories."""
    grasps: Count = 8080
    """Grasps in all, about: every object gets the same whole number of scenes."""
    per_scene: Count = 20
    """Grasps in a scene, around one demonstration (the paper: 100)."""
    seed: Natural = 0
    """Seed of everything that is drawn."""
    engine: str = "local"
    """local (processes on this machine) or ray."""
    workers: int = 0
    """Processes at a time; 0 for one per core."""
    out: Path = Path("runs/grasp_data")
    """The folder of the data set."""

    def __post_init__(self) -> None:
        subset(self.objects)
        if self.per_scene < 4 or self.per_scene % 4:
            raise ValueError(f"per_scene must be a multiple of 4, got {self.per_scene}")
        if self.grasps < self.objects * self.per_scene:
            raise ValueError(
                f"grasps must be at least one scene per object, {self.objects} x {self.per_scene}, got {self.grasps}"
            )
        Engine(self.engine, self.workers)


def scenes_of(settings: Generation) -> int:
    """Scenes per object."""
    return round(settings.grasps / (settings.objects * settings.per_scene))


def describe(settings: Generation) -> dict[str, Any]:
    """What determines the data: the content of `dataset.json`."""
    names = [spec.name for spec in subset(settings.objects)]
    return {"names": names, "scenes": scenes_of(settings), "per_scene": settings.per_scene, "seed": settings.seed}


def make_shard(spec: ObjectSpec, scenes: int, per_scene: int, seed: int) -> Shard:
    """All scenes of one object; the same for the same arguments. RuntimeError if no grasp of it ever succeeds."""
    number = [other.name for other in library()].index(spec.name)
    found = []
    with GraspScene(spec.build()) as scene:
        for index in range(scenes):
            found.append(try_scene(scene, per_scene, np.random.default_rng([seed, number, index])))
    return Shard(*(np.stack(column) for column in zip(*found, strict=True)))


def try_scene(scene: GraspScene, count: int, draws: np.random.Generator) -> tuple[Any, ...]:
    """A place, a demonstration and `count` perturbed grasps there, as a row of a shard; RuntimeError where there are none."""
    place = draws.uniform((-SPREAD, -SPREAD, 0), (SPREAD, SPREAD, 2 * math.pi))
    scene.place(*place)
    demonstration, width = demonstrate(scene, draws)
    quota = {"success": count // 2, "collision": count // 4, "other": count // 4}
    kept: dict[str, list[tuple[Any, ...]]] = {key: [] for key in quota}
    tries = 0
    for pose in _inside(perturbed(demonstration, PATIENCE * count, draws)):
        opening = float(np.clip(width + draws.normal(0, OPENING_SPREAD), MIN_OPENING, MAX_OPENING))
        outcome = scene.attempt(pose, opening)
        tries += 1
        kind = outcome.reason if outcome.reason in quota else "other"
        kept[kind].append((pose, opening, REASONS.index(outcome.reason), outcome.rise))
        if all(len(kept[key]) >= least for key, least in quota.items()):
            break
    chosen = [row for key, most in quota.items() for row in kept[key][:most]]
    spare = [row for key in ("other", "collision", "success") for row in kept[key][quota[key] :]]
    if len(chosen) + len(spare) < count:
        raise RuntimeError(
            f"{scene.solid.name}: only {len(chosen) + len(spare)} of {count} grasps lie in the workspace"
        )
    poses, openings, reasons, rises = zip(*(chosen + spare)[:count], strict=True)
    reason = np.array(reasons, np.uint8)
    return place, demonstration, np.stack(poses), np.array(openings), reason, np.array(rises), np.int64(tries)


def _inside(poses: Any) -> Any:
    """The poses whose grasp centre lies above the table."""
    return poses[poses[:, 2, 3] > 0]


def generate(settings: Generation, progress: bool = True) -> Path:
    """Make every shard that is missing or damaged; the data set's folder.

    Raises ValueError for a folder with another data set in it, RuntimeError if a worker was killed: finished shards stay,
    and the same call continues.
    """
    folder, about = settings.out, describe(settings)
    manifest = folder / "dataset.json"
    if manifest.exists():
        if read_json(manifest, "the list of a grasping data set") != about:
            raise ValueError(f"{folder} holds another data set (see its dataset.json); name another folder")
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is not empty and not a grasping data set; name a new or an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    write_json(manifest, about)
    with claimed(folder):
        _make(settings, folder, progress)
    return folder


def _make(settings: Generation, folder: Path, progress: bool) -> None:
    """Make what is missing in a folder that is ours."""
    specs = subset(settings.objects)
    todo = [spec for spec in specs if not _valid(folder / f"{spec.name}.npz", settings)]
    engine = Engine(settings.engine, settings.workers)
    bar = tqdm(total=len(specs), initial=len(specs) - len(todo), unit="object", disable=None if progress else True)
    failed: list[Failure] = []
    try:
        for _, found in engine.map(_save, [(spec, settings, folder.resolve()) for spec in todo]):
            if isinstance(found, Failure):
                failed.append(found)
            bar.update()
    finally:
        bar.close()
    for one in failed:
        if one.exception is not None:
            raise one.exception
        done = sum(_valid(folder / f"{spec.name}.npz", settings) for spec in specs)
        raise RuntimeError(
            f"a worker was killed (out of memory?): {done} of {len(specs)} shards are finished and valid; the same command "
            f"continues, with fewer --workers if memory was short"
        )


def _valid(path: Path, settings: Generation) -> bool:
    try:
        return path.exists() and read_shard(path).reason.shape == (scenes_of(settings), settings.per_scene)
    except ValueError:
        return False


def _save(spec: ObjectSpec, settings: Generation, folder: Path) -> str:
    shard = make_shard(spec, scenes_of(settings), settings.per_scene, settings.seed)
    write_shard(shard, folder / f"{spec.name}.npz")
    return spec.name


def summary(folder: Path) -> Table:
    """Outcomes by category: what share of the kept grasps, and attempts behind each."""
    found: dict[str, Counter[str]] = {category: Counter() for category in CATEGORIES}
    tries: Counter[str] = Counter()
    known = {spec.name: spec for spec in library()}
    for name in read_names(folder):
        shard = read_shard(folder / f"{name}.npz")
        category = known[name].category
        found[category].update(REASONS[int(reason)] for reason in shard.reason.flatten())
        tries[category] += int(shard.tries.sum())
    rows = []
    for category, counts in found.items():
        total = sum(counts.values())
        if total:
            shares = (f"{counts[reason] / total:.1%}" for reason in REASONS)
            rows.append((category, f"{total:,}", *shares, f"{tries[category] / total:.1f}"))
    return Table(f"Grasps in {folder}", ("category", "grasps", *REASONS, "attempts a grasp"), tuple(rows))


ABOUT = Room("grasp_data", "which grasps of which objects succeed, as a data set", "101 objects", "5 minutes")
FIXED = ("seeds", "device", "shard", "resume", "ray_address", "gpus_per_job", "retries")


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    tolerate_encodings()
    own, values = parse("grasp", Common, Generation, arguments, fixed=FIXED, about=ABOUT)
    with plain_errors(RuntimeError):
        values |= {"out": home(own.out)} if own.out else {}
        show(
            [summary(generate(Generation(**values, seed=own.seed or 0, engine=own.engine, workers=own.workers)))],
            (),
        )
