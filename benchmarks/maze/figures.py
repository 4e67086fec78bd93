"""The pictures of the maze benchmark: the paper's figures 2 to 6."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde
from torch import Tensor

from benchmarks.maze.measures import Map, Variations
from borders.files.pictures import write_animation, write_figure
from envs.switch_maze import SwitchMaze

COLOURS = ("tab:blue", "tab:green", "tab:red", "black", "hotpink", "tab:cyan", "tab:orange", "tab:olive")


def maze_figures(
    model: Any, world: SwitchMaze, maze: Map, found: Variations, paths: Tensor, folder: Path, generator: torch.Generator
) -> None:
    """`figure_2.png`, `predictions.png`, `policies.png` and `composed.gif` in `folder`."""
    figure_2(model, world, maze, found, folder / "figure_2.png")
    predictions(model, maze, folder / "predictions.png", generator)
    policies(model, world, maze, folder / "policies.png", generator)
    composed(maze, paths, folder / "composed.gif")


def figure_2(model: Any, world: SwitchMaze, maze: Map, found: Variations, path: Path) -> None:
    """(a) Variations h' - h with their density, coloured by the (last) action; (b) the codes, neighbours joined.

    Codes of more than two dimensions are shown by their two principal components.
    """
    codes, change = model.encode(maze.pictures), found.change
    if codes.shape[1] > 2:
        axes_ = torch.linalg.svd(codes - codes.mean(0), full_matrices=False)[2][:2]
        codes, change = (codes - codes.mean(0)) @ axes_.T, change @ axes_.T
    figure = Figure(figsize=(9, 4.3), layout="constrained")
    left, right = (figure.add_subplot(1, 2, i + 1) for i in range(2))
    points = change.numpy()
    if np.linalg.matrix_rank(np.cov(points.T), tol=1e-9) == 2:
        low, high = points.min(0) - 0.5, points.max(0) + 0.5
        grid = np.stack(np.meshgrid(np.linspace(low[0], high[0], 80), np.linspace(low[1], high[1], 80)))
        density = gaussian_kde(points.T, 0.15)(grid.reshape(2, -1)).reshape(80, 80)
        left.contourf(*grid, density**0.5, levels=12, cmap="Greys", alpha=0.6)
    for action, name in enumerate(world.actions):
        rows = points[(found.action == action).numpy()]
        left.scatter(rows[:, 0], rows[:, 1], s=7, color=COLOURS[action % 8], label=f"{name} ({len(rows)})")
    left.legend(fontsize=7)
    left.set_title(f"(a) {len(points)} variations h' - h", fontsize=9)
    for action in range(len(world.actions)):
        if world.actions[action] in ("right", "down"):
            joined = torch.stack([codes, codes[maze.following[:, action]]], 1)
            for line in joined[maze.following[:, action] != torch.arange(len(codes))].tolist():
                right.plot(*zip(*line, strict=True), color="lightgrey", linewidth=0.8, zorder=0)
    place = (maze.states[:, :2] / (world.size - 1)).numpy()
    colour = np.stack([place[:, 0], np.full(len(place), 0.3), place[:, 1]], 1)
    right.scatter(codes[:, 0], codes[:, 1], c=colour, s=22)
    right.set_title("(b) codes of all states; red: row, blue: column", fontsize=9)
    for axes in (left, right):
        axes.set_aspect("equal", "datalim")
    write_figure(figure, path)


def predictions(model: Any, maze: Map, path: Path, generator: torch.Generator, columns: int = 8) -> None:
    """Figures 3 and 5a: a state, its reconstruction, the decoded prediction for a factor, and what its policy led to."""
    before = torch.randint(len(maze.states), (columns,), generator=generator)
    code = model.encode(maze.pictures[before])
    factor = model.draw_factors(code, 1, generator)[0][:, 0]
    now = before
    for _ in range(model.horizon):
        policy = model.log_policy(model.encode(maze.pictures[now]), factor, maze.allowed[now])
        now = maze.following[torch.arange(len(maze.states))[now], policy.argmax(-1)]
    rows = {
        "state": maze.pictures[before].float() / 255,
        "decoded": model.decode(code),
        "predicted": model.decode(model.predict(code, factor)),
        "reached": maze.pictures[now].float() / 255,
    }
    figure = Figure(figsize=(columns * 1.05, 4.4), layout="constrained")
    for down, (name, pictures) in enumerate(rows.items()):
        for across, picture in enumerate(pictures):
            axes = figure.add_subplot(4, columns, down * columns + across + 1)
            axes.imshow(picture.permute(1, 2, 0).numpy())
            axes.set_xticks([])
            axes.set_yticks([])
            if not across:
                axes.set_ylabel(name, fontsize=8)
    write_figure(figure, path)


def policies(model: Any, world: SwitchMaze, maze: Map, path: Path, generator: torch.Generator, rows: int = 8) -> None:
    """Figure 6b: pi(a | h, phi), a row for each of some factors, in four states."""
    chosen = torch.randint(len(maze.states), (4,), generator=generator)
    codes = model.encode(maze.pictures[chosen])
    factor = model.draw_factors(codes, rows, generator)[0]
    chance = model.log_policy(codes[:, None].expand(-1, rows, -1), factor, maze.allowed[chosen][:, None]).exp()
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    for column, state in enumerate(chosen.tolist()):
        axes = figure.add_subplot(2, 4, column + 1)
        axes.imshow(maze.pictures[state].permute(1, 2, 0).numpy())
        axes.set_axis_off()
        axes = figure.add_subplot(2, 4, 4 + column + 1)
        axes.imshow(chance[column].numpy(), cmap="viridis", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(world.actions)), world.actions, rotation=60, fontsize=7)
        labels = [" ".join(f"{value:+.1f}" for value in row) for row in factor[column].tolist()]
        axes.set_yticks(range(rows), labels, fontsize=6)
    write_figure(figure, path)


def composed(maze: Map, paths: Tensor, path: Path, runs: int = 6) -> None:
    """Figure 5b as a GIF: some composed runs side by side, the state above and the last state below."""
    steps = int((paths != paths[:, -1:]).any(0).sum()) + 2
    last = maze.pictures[paths[:runs, -1]]
    frames = []
    for now in paths[:runs, : min(steps, paths.shape[1])].unbind(1):
        pair = torch.cat([maze.pictures[now], torch.full_like(last[:, :, :3], 255), last], 2)
        row = torch.cat(list(torch.nn.functional.pad(pair, (2, 2), value=255)), 2)
        frames.append(row.permute(1, 2, 0).numpy())
    write_animation(frames, path, milliseconds=250)


def digit_figure(codes: Tensor, factors: Tensor, path: Path) -> None:
    """Figure 4: every feature, its mean and deviation over everything else, as a function of each true coordinate."""
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    scaled = (codes - codes.mean(0)) / codes.std(0).clamp(min=1e-9)
    for place, (column, name) in enumerate(((1, "x1"), (0, "y1"), (3, "x2"), (2, "y2"))):
        axes = figure.add_subplot(1, 4, place + 1)
        values = factors[:, column].unique()
        for k in range(codes.shape[1]):
            groups = [scaled[factors[:, column] == value, k] for value in values]
            mean = torch.stack([group.mean() for group in groups])
            spread = torch.stack([group.std() for group in groups])
            line = axes.plot(values, mean, marker="o", markersize=3, label=f"h{k}")[0]
            axes.fill_between(values, mean - spread, mean + spread, color=line.get_color(), alpha=0.1, linewidth=0)
        axes.set_title(name, fontsize=9)
        axes.set_ylim(-2.5, 2.5)
    axes.legend(fontsize=7)
    write_figure(figure, path)
