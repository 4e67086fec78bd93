"""The figures of `benchmarks.sprites`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.harness.autoencoding import draw, sheet, traversal_figure
from benchmarks.harness.summary import by_row
from benchmarks.metrics.plots import position_heat_map
from borders.files import read_npz
from borders.files.pictures import write_figure
from envs.world import World


def write(figure: Figure, path: Path) -> None:
    """Save a figure as PNG and free it."""
    write_figure(figure, path)
    figure.clear()


def figures(model: Any, world: World, factors: Tensor, pictures: Tensor, kl: Tensor, folder: Path) -> None:
    """Traversals and reconstructions of a trained model, and where it puts positions if the world has them."""
    write(traversal_figure(model.autoencoder, pictures[0], kl), folder / "traversals.png")
    with torch.no_grad():
        codes = torch.cat([model.encode(batch) for batch in pictures.split(500)])
    write(sheet([pictures[:10], draw(model, codes[:10])], ["pictures", "drawn"]), folder / "reconstructions.png")
    if {"x", "y"} <= set(world.names):
        columns = [world.names.index("x"), world.names.index("y")]
        write(position_heat_map(codes, factors[:, columns]), folder / "positions.png")


def curve_figure(results: Sequence[Mapping[str, Any]], todo: Sequence[Any]) -> Figure:
    """FactorVAE score and beta-VAE metric against reconstruction, a line per model, its knob beside every point."""
    rows = by_row(results, [job.row for job in todo])
    figure = Figure(figsize=(10, 4), layout="constrained")
    for place, name in enumerate(("beta_vae_fixed", "factor_vae")):
        axes = figure.add_subplot(1, 2, place + 1)
        for model in dict.fromkeys(label.split(" (")[0] for label in rows):
            points = [
                (np.mean([s["nll"] for s in found]), np.mean([s[name] for s in found]), label)
                for label, found in rows.items()
                if label.split(" (")[0] == model and name in found[0]
            ]
            if points:
                axes.plot([p[0] for p in points], [p[1] for p in points], "o-", label=model)
            for across, up, label in points:
                axes.annotate(label.partition("(")[2].rstrip(")"), (across, up), fontsize=7)
        axes.set(xlabel="-log p(x | z) (nats a picture)", ylabel=name)
    axes.legend(fontsize=8)
    return figure


def kl_figure(logs: Sequence[Mapping[str, float]], names: Sequence[str]) -> Figure:
    """KL of every latent against the capacity it was trained at, and against the reconstruction term.

    `logs` are the lines of a run that log `capacity`, `nll` and `kl_0` .. `kl_{d-1}`; `names` label the d curves.
    """
    figure = Figure(figsize=(10, 3.6), layout="constrained")
    for place, (key, label) in enumerate((("capacity", "capacity C (nats)"), ("nll", "-log p(x | z) (nats)"))):
        axes = figure.add_subplot(1, 2, place + 1)
        across = np.array([line[f"bound/{key}"] for line in logs])
        for i, name in enumerate(names):
            axes.plot(across, [line[f"bound/kl_{i}"] for line in logs], label=name)
        axes.set(xlabel=label, ylabel="KL (nats)")
        if key == "nll":
            axes.invert_xaxis()
            axes.set_xscale("log")
            axes.legend(fontsize=8)
    return figure


def stage_figure(pictures: Tensor, logs: Sequence[Mapping[str, float]], folder: Path) -> Figure:
    """Pictures uint8 [n, C, H, W] above what the model drew of them at the stages of training saved in `folder`."""
    nats = {int(line["step"]): line["bound/kl"] for line in logs}
    rows, labels = [pictures], ["pictures"]
    for file in sorted(folder.glob("stage-*.npz")):
        step = int(file.stem.removeprefix("stage-"))
        rows.append(torch.from_numpy(read_npz(file, "pictures drawn while a model learned", ["pictures"])["pictures"]))
        labels.append(f"{nats[min(nats, key=lambda known: abs(known - step))]:.1f} nats")
    return sheet(rows, labels)
