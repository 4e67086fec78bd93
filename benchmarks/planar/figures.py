"""The pictures of the planar benchmark: the paper's figure 3, the latent maps, and GIFs of planned runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image, ImageDraw
from torch import Tensor

from benchmarks.harness.control import Drive
from benchmarks.metrics.arrays import least_squares
from borders.files.pictures import write_animation, write_figure
from envs.planar import Planar

SETS = ("X (with actions)", "Y (without)")
SCALE = 8


def _draw_map(axes: Axes, points: Tensor, positions: Tensor, title: str) -> None:
    """Points [n, 2] coloured by the position they belong to: row as red, column as blue."""
    colour = (positions - 1.5) / 37
    rgb = torch.stack([colour[:, 0], torch.full_like(colour[:, 0], 0.3), colour[:, 1]], 1).numpy()
    axes.scatter(points[:, 1], points[:, 0], c=rgb, s=3)
    axes.set_title(title, fontsize=9)
    axes.set_aspect("equal", "datalim")
    axes.tick_params(labelsize=6)


def _maps(axes: list[Axes], model: Any, world: Planar) -> None:
    """The true map, and the maps that the model makes of X and of Y."""
    factors = world.lattice()
    _draw_map(axes[0], factors[:, :2], factors[:, :2], "true positions (pixels)")
    axes[0].invert_yaxis()
    for shape, name in enumerate(SETS):
        factors = world.lattice(shape)
        _draw_map(axes[1 + shape], model.encode(world.render(factors)), factors[:, :2], f"codes of {name}")


def latent_maps(model: Any, world: Planar, path: Path) -> None:
    """The true map beside the maps of X and Y, as a PNG."""
    figure = Figure(figsize=(9, 3.2), layout="constrained")
    _maps([figure.add_subplot(1, 3, i + 1) for i in range(3)], model, world)
    write_figure(figure, path, dpi=120)


def figure_3(model: Any, world: Planar, path: Path, generator: torch.Generator) -> None:
    """The paper's figure 3: (a) the maps; (b) for X, (c) for Y, four random actions in a row and their prediction."""
    figure = Figure(figsize=(11, 6.2), layout="constrained")
    left, right = np.asarray(figure.subfigures(1, 2, width_ratios=(1, 2.6)))
    left.suptitle("(a) maps", fontsize=9)
    _maps([left.add_subplot(3, 1, i + 1) for i in range(3)], model, world)
    panels = np.asarray(right.subfigures(2, 1))
    for shape, (panel, name) in enumerate(zip(panels, SETS, strict=True)):
        panel.suptitle(f"({'bc'[shape]}) {name}: observations above; reconstruction and predictions below", fontsize=9)
        factors = world.sample(1, generator)
        factors[:, 2] = shape
        code = model.encode(world.render(factors))
        for step in range(5):
            for row, picture in enumerate((world.render(factors)[0, 0] / 255, model.decode(code)[0, 0])):
                axes = panel.add_subplot(2, 5, row * 5 + step + 1)
                axes.imshow(picture, cmap="gray", vmin=0, vmax=1)
                axes.set_axis_off()
            action = (2 * torch.rand(1, 2, generator=generator) - 1) * 3
            factors, code = world.step(factors, action, generator), model.predict(code, action)
    write_figure(figure, path, dpi=120)


def run_gif(model: Any, world: Planar, driven: Drive, path: Path, episode: int = 0) -> None:
    """One planned run, enlarged: the path so far in green, the goal ringed, the predicted path of each plan in red.

    Predicted codes are placed on the map by the affine fit of positions to codes.
    """
    shape = int(driven.goals[episode, 2])
    lattice = world.lattice(shape)
    codes = model.encode(world.render(lattice))
    design = torch.cat([codes, torch.ones(len(codes), 1)], 1).double()
    place = least_squares(design, lattice[:, :2].double()).float()
    frames = []
    factors = driven.factors[episode]
    goal = _dot(driven.goals[episode, :2])
    for step in range(len(factors)):
        picture = world.render(factors[step][None])[0, 0].numpy().repeat(SCALE, 0).repeat(SCALE, 1)
        image = Image.fromarray(picture).convert("RGB")
        draw = ImageDraw.Draw(image)
        radius = driven.tolerance * SCALE
        draw.ellipse(
            [goal[0] - radius, goal[1] - radius, goal[0] + radius, goal[1] + radius], outline=(90, 160, 255), width=2
        )
        draw.line([_dot(p) for p in factors[: step + 1, :2]], fill=(60, 200, 90), width=3)
        if step < len(driven.plans):
            plan = driven.plans[step][episode]
            predicted = torch.cat([plan, torch.ones(len(plan), 1)], 1) @ place
            draw.line([_dot(p) for p in predicted], fill=(230, 70, 60), width=2)
        frames.append(np.asarray(image))
    write_animation(frames, path, milliseconds=120)


def _dot(position: Tensor) -> tuple[float, float]:
    """A position (row, column) as (x, y) in the enlarged picture."""
    return float(position[1]) * SCALE, float(position[0]) * SCALE
