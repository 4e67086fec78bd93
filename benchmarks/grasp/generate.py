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
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import torch
from joblib.externals.loky.process_executor import TerminatedWorkerError
from jsonargparse import auto_cli
from tqdm import tqdm

from benchmarks.grasp.set import Shard, read_names, read_shard, write_shard
from benchmarks.harness.command import plain_errors
from benchmarks.harness.rooms import CHECKOUT
from benchmarks.harness.runs import check_neighbours
from benchmarks.harness.table import Table, show
from envs.grasp.demonstration import demonstrate
from envs.grasp.frames import MAX_OPENING, MIN_OPENING
from envs.grasp.objects import CATEGORIES, ObjectSpec, library, subset
from envs.grasp.sampler import perturbed
from envs.grasp.scene import REASONS, GraspScene
from envs.grasp.world import SPREAD
from representations.files import read_json, write_json

PATIENCE = 12  # perturbed grasps tried, at most, for each that is kept
OPENING_SPREAD = 0.008


@dataclass(frozen=True)
class Generation:
    """What to generate.

    Args:
        objects: how many of the 101 objects, spread over the categories.
        grasps: grasps in all, about: every object gets the same whole number of scenes.
        per_scene: grasps in a scene, around one demonstration (the paper: 100).
        seed: seed of everything that is drawn.
        engine: local (processes on this machine) or ray.
        workers: processes at a time; 0 for one per core.
        out: the folder of the data set.
    """

    objects: int = 101
    grasps: int = 8080
    per_scene: int = 20
    seed: int = 0
    engine: str = "local"
    workers: int = 0
    out: Path = Path("runs/grasp_data")

    def __post_init__(self) -> None:
        subset(self.objects)
        if self.per_scene < 4 or self.per_scene % 4:
            raise ValueError(f"per_scene must be a multiple of 4, got {self.per_scene}")
        if self.grasps < self.objects * self.per_scene:
            raise ValueError(
                f"grasps must be at least one scene per object, {self.objects} x {self.per_scene}, got {self.grasps}"
            )
        if self.engine not in ("local", "ray"):
            raise ValueError(f"engine must be 'local' or 'ray', got {self.engine!r}")
        if self.workers < 0:
            raise ValueError(f"workers must not be negative, got {self.workers}")


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
            found.append(_scene(scene, per_scene, np.random.default_rng([seed, number, index])))
    return Shard(*(np.stack(column) for column in zip(*found, strict=True)))


def _scene(scene: GraspScene, count: int, draws: np.random.Generator) -> tuple[Any, ...]:
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
    specs = subset(settings.objects)
    todo = [spec for spec in specs if not _valid(folder / f"{spec.name}.npz", settings)]
    run = _by_ray if settings.engine == "ray" else _local
    bar = tqdm(total=len(specs), initial=len(specs) - len(todo), unit="object", disable=None if progress else True)
    try:
        for _ in run(_save, [(spec, settings, folder.resolve()) for spec in todo], settings.workers):
            bar.update()
    except TerminatedWorkerError as error:
        done = sum(_valid(folder / f"{spec.name}.npz", settings) for spec in specs)
        raise RuntimeError(
            f"a worker was killed (out of memory?): {done} of {len(specs)} shards are finished and valid; the same command "
            f"continues, with fewer --workers if memory was short"
        ) from error
    finally:
        bar.close()
    return folder


def _valid(path: Path, settings: Generation) -> bool:
    try:
        return path.exists() and read_shard(path).reason.shape == (scenes_of(settings), settings.per_scene)
    except ValueError:
        return False


def _save(spec: ObjectSpec, settings: Generation, folder: Path) -> str:
    torch.set_num_threads(1)
    shard = make_shard(spec, scenes_of(settings), settings.per_scene, settings.seed)
    write_shard(shard, folder / f"{spec.name}.npz")
    return spec.name


def _local(call: Callable[..., str], rows: Sequence[tuple[Any, ...]], workers: int) -> Iterator[str]:
    if workers == 1 or len(rows) < 2:
        yield from (call(*row) for row in rows)
        return
    parallel = joblib.Parallel(n_jobs=workers or -1, backend="loky", return_as="generator_unordered", batch_size=1)
    yield from parallel(joblib.delayed(call)(*row) for row in rows)


def _by_ray(call: Callable[..., str], rows: Sequence[tuple[Any, ...]], workers: int) -> Iterator[str]:
    try:
        import ray
    except ImportError:
        raise ImportError("engine 'ray' needs the package ray: pip install -e '.[cluster]'") from None
    ray.init(runtime_env={"working_dir": str(CHECKOUT)}, ignore_reinit_error=True, num_cpus=workers or None)
    waiting = [ray.remote(call).options(max_retries=2).remote(*row) for row in rows]
    while waiting:
        done, waiting = ray.wait(waiting)
        yield from ray.get(done)


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


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    check_neighbours()
    with plain_errors(RuntimeError):
        settings = auto_cli(Generation, args=arguments, description=(__doc__ or "").splitlines()[0])
        show([summary(generate(settings))], ())
