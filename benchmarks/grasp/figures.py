"""The pictures of the grasping benchmark: the scene, imagined shapes beside true ones, a planned grasp."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.grasp.plan import Episodes, Planned
from benchmarks.grasp.set import GraspSet, occupancy
from borders.files.pictures import write_animation, write_figure
from envs.grasp import gripper
from envs.grasp.frames import camera_poses, planted
from envs.grasp.objects import CATEGORIES, library
from envs.grasp.picture import Model, draw
from envs.grasp.world import ELEVATIONS, placed
from representations.parts.grasping import BOX, facing

SIDE = 240
RED, GREEN = (0.80, 0.25, 0.22), (0.25, 0.70, 0.30)
CUBE_FACES, CUBE = gripper.CUBE_FACES, gripper.CUBE


def _camera(azimuth: float, elevation: float, distance: float = 0.55) -> Tensor:
    values = (azimuth, math.radians(elevation), distance)
    return camera_poses(*(torch.tensor([value], dtype=torch.float64) for value in values))


def shown(models: list[Model], camera: Tensor, side: int = SIDE) -> np.ndarray:
    """A picture for human eyes, four samples a pixel: uint8 [side, side, 3]."""
    large = draw(models, camera, 2 * side).colour[0].float()
    return torch.nn.functional.avg_pool2d(large, 2).permute(1, 2, 0).to(torch.uint8).numpy()


def scene_figure(path: Path) -> None:
    """One object of each category from the four elevations, and its depth."""
    figure = Figure(figsize=(9, 11), layout="constrained")
    axes = figure.subplots(len(CATEGORIES), 2 * len(ELEVATIONS))
    for row, category in enumerate(CATEGORIES):
        spec = next(spec for spec in library() if spec.category == category and spec.novel)
        model = placed(spec.build(), planted(0, 0, 0.6))
        for column, elevation in enumerate(ELEVATIONS):
            camera = _camera(1.2, elevation)
            axes[row, column].imshow(shown([model], camera, 96))
            axes[row, column].set_title(f"{category}, {elevation}°" if column == 0 else f"{elevation}°", fontsize=7)
            depth = draw([model], camera, 96).depth[0].numpy()
            axes[row, column + len(ELEVATIONS)].imshow(depth, cmap="viridis", vmin=0.4, vmax=0.8)
            axes[row, column + len(ELEVATIONS)].set_title("depth 0.4 to 0.8 m" if column == 0 else "", fontsize=7)
    for one in axes.flat:
        one.set_axis_off()
    write_figure(figure, path, dpi=90)


def cubes(grid: Tensor, colour: tuple[float, float, float]) -> list[Model]:
    """The visible cubes of a grid bool [Z, Y, X] over `BOX`, to be drawn."""
    padded = torch.nn.functional.pad(grid, (1, 1, 1, 1, 1, 1))
    inner = grid.clone()
    for axis in range(3):
        for shift in (0, 2):
            window = [slice(1, -1)] * 3
            window[axis] = slice(shift, shift + grid.shape[axis])
            inner &= padded[tuple(window)]
    middles = BOX.centres(len(grid))[grid & ~inner].double().numpy()
    if not len(middles):
        return []
    side = (BOX.high[0] - BOX.low[0]) / len(grid)
    vertices = (middles[:, None] + side * CUBE).reshape(-1, 3)
    faces = (CUBE_FACES + 8 * np.arange(len(middles))[:, None, None]).reshape(-1, 3)
    return [Model(vertices, faces, colour)]


def shapes_figure(model: Any, data: GraspSet, path: Path) -> None:
    """A novel object of each category: picture, imagined voxels from two sides with their IoU, true voxels."""
    figure = Figure(figsize=(10.5, 6.2), layout="constrained")
    axes = figure.subplots(5, len(CATEGORIES))
    for column, category in enumerate(CATEGORIES):
        index = next(i for i, spec in enumerate(data.specs) if spec.category == category)
        view = 2  # 45 degrees
        rgbd, camera = data.rgbd[index, view][None], data.camera[index, view][None]
        grid = model.voxel(model.encode(rgbd, camera), rgbd, camera)[0] > 0.5
        truth = occupancy(data, index, view, BOX.centres(model.voxels))
        score = float((grid & truth).sum() / (grid | truth).sum())
        own = (facing(camera) @ camera).double()
        behind = _camera(math.pi, 30)
        colour = data.specs[index].build().colour
        rows = [(rgbd[0, :3].permute(1, 2, 0).numpy(), category)]
        for title, view_camera in (("imagined", own), ("from behind", behind)):
            rows.append(
                (shown(cubes(grid, colour), view_camera, 128) if bool(grid.any()) else np.zeros((8, 8, 3)), title)
            )
            rows.append((shown(cubes(truth, colour), view_camera, 128), "true"))
        rows[1] = (rows[1][0], f"imagined, IoU {score:.2f}")
        for axis, (picture, title) in zip(axes[:, column], rows, strict=True):
            axis.imshow(picture)
            axis.set_title(title, fontsize=7)
            axis.set_axis_off()
    write_figure(figure, path, dpi=90)


def grasp_gif(data: GraspSet, starts: Episodes, planned: Planned, path: Path) -> None:
    """The planned grasps that took longest, up to 12 steps, side by side: red until the attempt that succeeds."""
    wanted = [int(i) for i in planned.steps.argsort(descending=True) if 2 <= planned.steps[i] <= 12]
    chosen: list[int] = []
    for episode in wanted:
        taken = {data.specs[int(starts.scene[other])].category for other in chosen}
        if data.specs[int(starts.scene[episode])].category not in taken and len(chosen) < 3:
            chosen.append(episode)
    if not chosen:
        return
    last = int(max(planned.steps[episode] for episode in chosen))
    frames = []
    for step in [*range(last + 1), last, last]:
        panels = [_panel(data, starts, planned, episode, step) for episode in chosen]
        frames.append(np.concatenate(panels, 1))
    write_animation(frames, path, milliseconds=450)


def _panel(data: GraspSet, starts: Episodes, planned: Planned, episode: int, step: int) -> np.ndarray:
    scene, done = int(starts.scene[episode]), int(planned.steps[episode])
    step = min(step, done)
    colour = GREEN if step == done else RED
    models = [placed(data.specs[scene].build(), planted(*data.place[scene].tolist()))]
    pose = planned.poses[episode, step].double().numpy()
    models += gripper.models(pose, float(starts.opening[episode]), colour)
    x, y = data.camera[scene, int(starts.view[episode]), :2, 3].tolist()
    image = Image.fromarray(shown(models, _camera(math.atan2(y, x), 35, 0.75)))
    name = data.specs[scene].category
    ImageDraw.Draw(image).text(
        (8, 6), f"{name}: attempt {step}" if step else f"{name}: a failed grasp", fill=(20, 20, 20)
    )
    return np.asarray(image)


def draw_figures(model: Any, data: GraspSet, starts: Episodes, planned: Planned, folder: Path) -> None:
    """All figures of one run."""
    scene_figure(folder / "scene.png")
    grasp_gif(data, starts, planned, folder / "grasp.gif")
    if hasattr(model, "voxel"):
        shapes_figure(model, data, folder / "shapes.png")
