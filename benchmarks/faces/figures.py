"""Pictures of switched faces: attributes changed, styles given to others, the plane of styles (Klys et al., figures 3, 6)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from benchmarks.faces.cells import Labelled
from benchmarks.faces.codes import posterior, switch
from benchmarks.harness.autoencoding import sheet
from borders.files.pictures import write_figure
from envs.faces import ATTRIBUTES, Faces
from representations.model import levels

if TYPE_CHECKING:
    from benchmarks.faces.attributes import Faced

ACROSS = 10  # faces in a row
GIVERS = 4  # faces whose style others are given, of each attribute
REACH = 2.0  # standard deviations of the prior of present attributes, to either side


@torch.no_grad()
def figures(model: Any, world: Faces, test: Faced, folder: Path) -> None:
    """Write `switched.png` beside true pictures, and of a model with w `styles.png`, a giver a kind, and `plane.png`."""
    rows, y = test.rows[:ACROSS], test.labels[:ACROSS]
    true, givers = [], []
    for k, name in enumerate(world.attributes):
        turned = rows.clone()
        turned[:, world.names.index(name)] = 1 - y[:, k]
        true.append(world.render(turned))
        place = world.names.index(ATTRIBUTES[name][0].name)
        kinds = range(len(ATTRIBUTES[name][0].values))
        there = test.labels[:, k] > 0.5
        givers.append(torch.cat([(there & (test.rows[:, place] == kind)).nonzero()[:1, 0] for kind in kinds]))
    draw(model, world.attributes, Labelled(test.pictures, test.labels), folder, true, givers)


@torch.no_grad()
def draw(
    model: Any,
    attributes: Sequence[str],
    test: Labelled,
    folder: Path,
    true: Sequence[Tensor] = (),
    givers: Sequence[Tensor] = (),
) -> None:
    """Write what `figures` does of faces with these attributes; `true` pictures by attribute where they are known.

    `givers` are numbers of faces, by attribute; the first ones that have it unless told.
    """
    write_figure(switching(model, attributes, test, true), folder / "switched.png")
    if hasattr(model, "w_size"):
        chosen = givers or [(label > 0.5).nonzero()[:GIVERS, 0] for label in test.labels.T]
        write_figure(styles(model, attributes, test, chosen), folder / "styles.png")
        write_figure(plane(model, attributes, test), folder / "plane.png")


def switching(model: Any, attributes: Sequence[str], test: Labelled, true: Sequence[Tensor]) -> Any:
    """Faces as they are seen, decoded, and with every attribute switched, beside the true picture of that if there is one."""
    x, y = test.pictures[:ACROSS], test.labels[:ACROSS]
    lines, names = [x, levels(switch(model, x, y, y))], ["seen", "decoded"]
    for k, name in enumerate(attributes):
        wanted = y.clone()
        wanted[:, k] = 1 - y[:, k]
        lines.append(levels(switch(model, x, y, wanted)))
        names.append(f"{name.replace('_', ' ')} switched")
        if true:
            lines.append(true[k])
            names.append("the same, true")
    return sheet(lines, names)


def styles(model: Any, attributes: Sequence[str], test: Labelled, givers: Sequence[Tensor]) -> Any:
    """Every attribute as some faces have it, given to faces that have it not; the giver stands first in its row."""
    lines, names = [], []
    for k, name in enumerate(attributes):
        lacking = (test.labels[:, k] < 0.5).nonzero()[: ACROSS - 1, 0]
        x, y = test.pictures[lacking], test.labels[lacking]
        wanted = y.clone()
        wanted[:, k] = 1
        lines.append(torch.cat([torch.full_like(x[:1], 255), x]))
        names.append(f"without {name.replace('_', ' ')}")
        for giver in givers[k].split(1):
            w = posterior(model, test.pictures[giver], test.labels[giver])[2]
            given = levels(switch(model, x, y, wanted, w.expand(len(x), -1)))
            lines.append(torch.cat([test.pictures[giver], given]))
            names.append("the first one's")
    return sheet(lines, names)


def plane(model: Any, attributes: Sequence[str], test: Labelled) -> Any:
    """One face with points of every attribute's plane w_k: its first two dimensions about the mean of present ones."""
    face = int(test.labels.sum(1).argmin())
    side = 7
    mean, spread = model.present
    axis = mean + spread * torch.linspace(-REACH, REACH, side)
    lines, names = [], []
    for k, name in enumerate(attributes):
        wanted = test.labels[face].repeat(side, 1)
        wanted[:, k] = 1
        for level in axis.flip(0):
            style = torch.full((side, len(attributes) * model.w_size), mean)
            style[:, k * model.w_size] = axis
            style[:, (k + 1) * model.w_size - 1] = level if model.w_size > 1 else axis
            seen, labels = (
                part[face : face + 1].expand(side, *part.shape[1:]) for part in (test.pictures, test.labels)
            )
            lines.append(levels(switch(model, seen, labels, wanted, style)))
            names.append(f"{name.replace('_', ' ')}, w2 = {level:.1f}")
    return sheet(lines, names)
