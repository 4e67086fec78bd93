"""How fast grasping is: attempts in Bullet, RGBD pictures, projections of voxel grids."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from benchmarks.harness.timing import Work, rate
from benchmarks.speed.rows import ONE, Row, Sizes
from envs.grasp.demonstration import demonstrate
from envs.grasp.frames import camera_poses
from envs.grasp.objects import subset
from envs.grasp.picture import draw
from envs.grasp.sampler import perturbed
from envs.grasp.scene import GraspScene
from envs.grasp.world import placed
from representations.parts.grasping import BOX, usual_cameras
from representations.parts.projection import directions, project

VOXELS, PIXELS, SAMPLES = 40, 32, 40


def attempts(sizes: Sizes) -> Work:
    """Grasps around one demonstration at each of seven objects, one of each category: half of them run to the lift."""
    draws = np.random.default_rng(sizes.seed)
    scenes, todo = [], []
    for spec in subset(7):
        scene = GraspScene(spec.build())
        pose, opening = demonstrate(scene, draws)
        poses = perturbed(pose, max(2, sizes.batch // 16), draws)
        todo += [(scene, each, opening) for each in poses if each[2, 3] > 0]
        scenes.append(scene)

    def call() -> None:
        for scene, pose, opening in todo:
            scene.attempt(pose, opening)

    return Work(call, len(todo))


def pictures(sizes: Sizes) -> Work:
    """RGBD pictures of 64 x 64 of the same objects, eight views a call."""
    models = [placed(spec.build(), np.eye(4)) for spec in subset(7)]
    angle = torch.linspace(0, 5, 8, dtype=torch.float64)
    views = camera_poses(angle, 0.3 + angle / 8, torch.full_like(angle, 0.55))

    def call() -> None:
        for model in models:
            draw([model], views)

    return Work(call, len(models) * len(views))


def projections(sizes: Sizes, backward: bool) -> Work:
    """Views of 32 x 32 pixels with 40 samples a ray of grids of 40 x 40 x 40, with or without the gradient."""
    count = max(2, sizes.batch // 16)
    grid = torch.rand(count, VOXELS, VOXELS, VOXELS, generator=sizes.generator()).requires_grad_(backward)
    views = usual_cameras(count)[:, None]
    rays, depths = directions(PIXELS, 0.21), torch.linspace(0.35, 0.75, SAMPLES)

    def call() -> None:
        seen = project(grid, views, rays, depths, BOX)
        if backward:
            grid.grad = None
            (seen.silhouette.sum() + seen.depth.sum()).backward()

    return Work(call, count)


def measure(sizes: Sizes) -> list[Row]:
    """Attempts, pictures and projections a second on one core."""
    sampling = "trilinear samples: eight reads each, in no order"
    works = (
        ("grasp attempts", partial(attempts, sizes), "attempts/s", "VGN: 19", "Bullet's contacts; bodies made anew"),
        ("grasp RGBD pictures 64x64", partial(pictures, sizes), "pictures/s", "TinyRenderer 230", "spans of triangles"),
        ("projections 32x32x40", partial(projections, sizes, False), "views/s", "", sampling),
        ("projections and gradients", partial(projections, sizes, True), "views/s", "", sampling),
    )
    rows = []
    for name, make, unit, elsewhere, limit in works:
        found = rate(make, sizes.repeats)
        rows.append(Row(name, ONE, unit, found.clock, found.processor, elsewhere, limit))
    return rows
