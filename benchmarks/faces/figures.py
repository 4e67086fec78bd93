"""Pictures of switched faces: attributes changed, styles given to others, the plane of styles (Klys et al., figures 3, 6)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.faces.codes import posterior, switch
from benchmarks.harness.autoencoding import sheet
from borders.files.pictures import write_figure
from envs.faces import ATTRIBUTES, Faces

if TYPE_CHECKING:
    from benchmarks.faces.attributes import Faced

ACROSS = 10  # faces in a row
REACH = 2.0  # standard deviations of the prior of present attributes, to either side


def byte(pictures: Tensor) -> Tensor:
    """Pictures in [0, 1] as uint8."""
    return (pictures * 255).round().clamp(0, 255).to(torch.uint8)


@torch.no_grad()
def figures(model: Any, world: Faces, test: Faced, folder: Path) -> None:
    """Write `switched.png`, and of a model with w `styles.png` and `plane.png`."""
    write_figure(switching(model, world, test), folder / "switched.png")
    if hasattr(model, "w_size"):
        write_figure(styles(model, world, test), folder / "styles.png")
        write_figure(plane(model, world, test), folder / "plane.png")


def switching(model: Any, world: Faces, test: Faced) -> Any:
    """Faces as they are seen, decoded, and with every attribute switched beside the true picture of that."""
    x, rows, y = test.pictures[:ACROSS], test.rows[:ACROSS], test.labels[:ACROSS]
    lines, names = [x, byte(switch(model, x, y, y))], ["seen", "decoded"]
    for k, name in enumerate(world.attributes):
        wanted, true = y.clone(), rows.clone()
        wanted[:, k] = true[:, world.names.index(name)] = 1 - y[:, k]
        word = name.replace("_", " ")
        lines += [byte(switch(model, x, y, wanted)), world.render(true)]
        names += [f"{word} switched", "the same, true"]
    return sheet(lines, names)


def styles(model: Any, world: Faces, test: Faced) -> Any:
    """Every attribute as some faces have it, given to faces that have it not; the giver stands first in its row."""
    lines, names = [], []
    for k, name in enumerate(world.attributes):
        place = world.names.index(ATTRIBUTES[name][0].name)
        lacking = (test.labels[:, k] < 0.5).nonzero()[: ACROSS - 1, 0]
        x, y = test.pictures[lacking], test.labels[lacking]
        wanted = y.clone()
        wanted[:, k] = 1
        lines.append(torch.cat([torch.full_like(x[:1], 255), x]))
        names.append(f"without {name.replace('_', ' ')}")
        for kind in range(len(ATTRIBUTES[name][0].values)):
            giver = ((test.labels[:, k] > 0.5) & (test.rows[:, place] == kind)).nonzero()[:1, 0]
            w = posterior(model, test.pictures[giver], test.labels[giver])[2]
            given = byte(switch(model, x, y, wanted, w.expand(len(x), -1)))
            lines.append(torch.cat([test.pictures[giver], given]))
            names.append("the first one's")
    return sheet(lines, names)


def plane(model: Any, world: Faces, test: Faced) -> Any:
    """One face with points of every attribute's plane w_k: its first two dimensions about the mean of present ones."""
    face = int((test.labels.sum(1) == 0).nonzero()[0, 0])
    side = 7
    mean, spread = model.present
    axis = mean + spread * torch.linspace(-REACH, REACH, side)
    lines, names = [], []
    for k, name in enumerate(world.attributes):
        wanted = test.labels[face].repeat(side, 1)
        wanted[:, k] = 1
        for level in axis.flip(0):
            style = torch.full((side, len(world.attributes) * model.w_size), mean)
            style[:, k * model.w_size] = axis
            style[:, (k + 1) * model.w_size - 1] = level if model.w_size > 1 else axis
            seen, labels = (
                part[face : face + 1].expand(side, *part.shape[1:]) for part in (test.pictures, test.labels)
            )
            lines.append(byte(switch(model, seen, labels, wanted, style)))
            names.append(f"{name.replace('_', ' ')}, w2 = {level:.1f}")
    return sheet(lines, names)
