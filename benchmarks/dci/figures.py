"""The figures of `benchmarks.dci`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.harness.autoencoding import sheet
from benchmarks.metrics import DCI
from benchmarks.metrics.plots import hinton, traversals
from benchmarks.metrics.traverse import moved
from borders.files.pictures import write_figure
from envs.world import World
from representations.model import levels

SHOWN = 12
STEPS = 9
POINTS = 1500


def figures(
    model: Any, world: World, factors: Tensor, codes: Tensor, seen: Tensor, found: Mapping[str, DCI], folder: Path
) -> None:
    """Hinton diagrams, factors against codes, traversals, and generated pictures if the model generates."""
    rows = [f"$c_{{{i}}}$" for i in range(codes.shape[1])]
    for name, scores in found.items():
        _write(hinton(scores.importance, rows, world.names), folder / f"hinton_{name}.png")
    _write(factors_against_codes(factors, codes, world, found["forest"]), folder / "codes.png")
    _write(traversals(moved(model, codes), names=rows), folder / "traversals.png")
    if hasattr(model, "generate"):
        with torch.no_grad():
            drawn = model.generate(SHOWN, torch.Generator().manual_seed(0)).cpu()
        pictures = levels(drawn)
        _write(sheet([seen[:SHOWN].cpu(), pictures], ["training", "generated"]), folder / "samples.png")


def factors_against_codes(factors: Tensor, codes: Tensor, world: World, found: DCI) -> Figure:
    """Every factor against the two code dimensions that matter most for it (figure 4 of the paper)."""
    figure = Figure(figsize=(2.4 * len(world.names), 4.4), layout="constrained")
    for j, name in enumerate(world.names):
        for row, i in enumerate((-found.importance[:, j]).argsort()[:2]):
            axes = figure.add_subplot(2, len(world.names), row * len(world.names) + j + 1)
            axes.plot(factors[:POINTS, j], codes[:POINTS, i], ".", markersize=1.5)
            axes.set(xlabel=name, ylabel=f"$c_{{{i}}}$")
    return figure


def _write(figure: Figure, path: Path) -> None:
    write_figure(figure, path)
    figure.clear()
