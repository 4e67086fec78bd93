"""Grasp planning in simulation: from failed grasps, try again until success, and count.

The physics is the data set's own. A planner proposes for all episodes at once; each proposal is attempted where its
object stands; episodes that succeed are done.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from agents import GraspPlanner
from benchmarks.grasp.set import GraspSet
from envs.grasp.scene import GraspScene


@dataclass(frozen=True)
class Episodes:
    """Where planning starts: scene [E], an index into the set; view [E]; pose [E, 4, 4] and opening [E] that failed."""

    scene: Tensor
    view: Tensor
    pose: Tensor
    opening: Tensor


@dataclass(frozen=True)
class Planned:
    """What came of it: steps [E], attempts until success, 0 where none succeeded; poses [E, T + 1, 4, 4] that were tried.

    An episode's poses repeat behind its success.
    """

    steps: Tensor
    poses: Tensor

    def within(self, attempts: int) -> Tensor:
        """Whether each episode succeeded within so many attempts: bool [E]."""
        return (self.steps > 0) & (self.steps <= attempts)


def episodes(data: GraspSet, repeats: int, generator: torch.Generator) -> Episodes:
    """`repeats` failed grasps of every scene as starts, each seen by a random camera; the same for every model."""
    rows = []
    for scene in range(len(data.specs)):
        failed = (data.reason[scene] > 0).nonzero()[:, 0]
        chosen = failed[torch.randint(len(failed), (repeats,), generator=generator)]
        views = torch.randint(data.camera.shape[1], (repeats,), generator=generator)
        rows.append(torch.stack([torch.full((repeats,), scene), views, chosen], 1))
    scene_index, view, grasp = torch.cat(rows).unbind(1)
    return Episodes(scene_index, view, data.pose[scene_index, grasp], data.opening[scene_index, grasp])


@contextmanager
def scenes_of(data: GraspSet) -> Iterator[dict[str, GraspScene]]:
    """A physics client for every object of the set, by name; closed at the end."""
    made: dict[str, GraspScene] = {}
    try:
        for spec in data.specs:
            if spec.name not in made:
                made[spec.name] = GraspScene(spec.build())
        yield made
    finally:
        for scene in made.values():
            scene.close()


def attempt(data: GraspSet, made: dict[str, GraspScene], scene: Tensor, pose: Tensor, opening: Tensor) -> Tensor:
    """Try one grasp in each of the scenes [E] of the set: bool [E]."""
    found = []
    for index, matrix, width in zip(scene.tolist(), pose.double().numpy(), opening.tolist(), strict=True):
        clean = matrix.copy()
        u, _, v = torch.linalg.svd(torch.from_numpy(matrix[:3, :3]))
        clean[:3, :3], clean[3] = (u @ v).numpy(), (0, 0, 0, 1)
        where = made[data.specs[index].name]
        where.place(*data.place[index].tolist())
        found.append(where.attempt(clean, min(max(width, 0.01), 0.10)).success)
    return torch.tensor(found, dtype=torch.bool)


def observe(data: GraspSet, starts: Episodes, planner: GraspPlanner, batch: int = 64) -> dict[str, Tensor]:
    """What the planner's model remembers of every episode's picture."""
    parts = [
        planner.look(data.rgbd[scene, view], data.camera[scene, view])
        for scene, view in zip(starts.scene.split(batch), starts.view.split(batch), strict=True)
    ]
    return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}


def plan_greedily(
    data: GraspSet,
    made: dict[str, GraspScene],
    starts: Episodes,
    planner: GraspPlanner,
    attempts: int,
) -> Planned:
    """Up to `attempts` steps from every start, as in the paper."""
    seen = observe(data, starts, planner)
    pose, steps = starts.pose.clone(), torch.zeros(len(starts.scene), dtype=torch.int64)
    path = [pose.clone()]
    for count in range(1, attempts + 1):
        open_ = (steps == 0).nonzero()[:, 0]
        if len(open_):
            now: dict[str, Any] = {"pose": pose[open_], "opening": starts.opening[open_]}
            now["seen"] = {key: value[open_] for key, value in seen.items()}
            pose[open_] = planner.act(now)
            done = attempt(data, made, starts.scene[open_], pose[open_], starts.opening[open_])
            steps[open_[done]] = count
        path.append(pose.clone())
    return Planned(steps, torch.stack(path, 1))


def plan_at_once(
    data: GraspSet, made: dict[str, GraspScene], starts: Episodes, planner: GraspPlanner, batch: int = 16
) -> Tensor:
    """One attempt from every start, at what the full cross-entropy method finds: bool [E]."""
    seen = observe(data, starts, planner)
    poses = []
    for index in torch.arange(len(starts.scene)).split(batch):
        now: dict[str, Any] = {"pose": starts.pose[index], "opening": starts.opening[index]}
        poses.append(planner.plan(now | {"seen": {key: value[index] for key, value in seen.items()}}))
    return attempt(data, made, starts.scene, torch.cat(poses), starts.opening)
