"""What every world looks like and how fast it is drawn: `python -m benchmarks.worlds --out DIR`.

A world of pictures gets a contact sheet, one row per factor: it runs over its grid while the others keep the values of
a typical sample. A world of points gets a scatter plot, a world of sentences its lines, a world of videos also a GIF. The
speed is that of `render`, the median over repeats, by the clock and by the processor time of all threads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.films import framed, write_wall
from benchmarks.harness.options import ALONE, Common, Timed, listed
from benchmarks.harness.runs import Timer, describe
from benchmarks.harness.summary import Summary, first_figures
from benchmarks.harness.table import UP, Table
from benchmarks.harness.timing import Work, rate
from borders.files.pictures import write_figure
from envs import WORLDS, VideoWorld, World, make_world
from envs.text.world import TextWorld

DOTS = 100  # pixels of a sheet per inch
MARGIN = 1.5  # inches for the labels
CAPTIONS = {"factors.png": "a row for every factor, which runs over its grid", "clips.gif": "eight clips"}
INTRODUCTION = (
    "In a sheet one factor runs along each row over its grid, the others keep the values of a typical sample; a world "
    "of points is drawn once for every factor, which gives the colour, and of a world of sentences the lines stand there.",
    "The speed is that of drawing a batch, the median over repeats, by the clock and by processor time of all threads.",
)


@dataclass(frozen=True)
class Worlds:
    """What to draw and to time."""

    world: str = ""
    """Names in envs.WORLDS, separated by commas; all unless told."""
    columns: int = 10
    """The most values of a factor in a contact sheet."""
    batch: int = 256
    """Pictures per call that is timed."""
    repeats: int = 9
    """Timed calls per world."""
    frames: int = 32
    """Length of the clips in the GIFs."""

    def __post_init__(self) -> None:
        for name in ("columns", "batch", "repeats", "frames"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass(frozen=True)
class Job(Worlds):
    """One world."""

    model: str = ""
    preset: str = "default"
    seed: int = 0


def typical_row(world: World, generator: torch.Generator) -> Tensor:
    """The factors [1, K] of the sample, of 17, whose picture has the median contrast."""
    rows = world.sample(17, generator)
    contrast = world.render(rows).flatten(1).float().std(dim=1)
    return rows[contrast.argsort()[8]][None]


def traversals(world: World, columns: int, generator: torch.Generator) -> list[tuple[Tensor, Tensor]]:
    """For every factor its grid's values [m], m at most `columns`, and their pictures [m, C, H, W]."""
    row = typical_row(world, generator)
    out = []
    for k, factor in enumerate(world.factors):
        values = factor.grid(columns)
        rows = row.repeat(len(values), 1)
        rows[:, k] = values
        out.append((values, world.render(rows)))
    return out


def contact_sheet(world: World, columns: int, generator: torch.Generator, path: Path) -> None:
    """Write a PNG with a labelled row of pictures per factor."""
    rows = traversals(world, columns, generator)
    lines, labels = [], []
    for factor, (values, pictures) in zip(world.factors, rows, strict=True):
        images = framed(pictures)
        line = np.full((images.shape[1], images.shape[2] * columns, 3), 255, np.uint8)
        line[:, : images.shape[2] * len(images)] = np.concatenate(list(images), axis=1)
        lines.append(line)
        labels.append(f"{factor.name}\n{values[0]:.3g} to {values[-1]:.3g} {factor.unit}".rstrip())
    sheet = np.concatenate(lines)
    height, width = sheet.shape[0] / DOTS, sheet.shape[1] / DOTS
    figure = Figure(figsize=(width + MARGIN, height))
    axis = figure.add_axes((MARGIN / (width + MARGIN), 0, width / (width + MARGIN), 1))
    axis.imshow(sheet, interpolation="nearest", aspect="auto")
    axis.set_xticks([])
    axis.set_yticks([(k + 0.5) * len(lines[0]) for k in range(len(lines))], labels, fontsize=7)
    axis.tick_params(length=0)
    axis.set_frame_on(False)
    write_figure(figure, path, dpi=DOTS)


def scatter(world: World, generator: torch.Generator, path: Path) -> None:
    """Write a PNG of 1,500 points of a world of points in space, once per factor, which gives the colour."""
    rows = world.sample(1500, generator)
    points = world.render(rows).numpy()
    figure = Figure(figsize=(4 * len(world.factors), 4), layout="constrained")
    for k, factor in enumerate(world.factors):
        axis = figure.add_subplot(1, len(world.factors), k + 1, projection="3d" if points.shape[1] == 3 else None)
        axis.scatter(*points.T, c=rows[:, k].numpy(), marker=".")  # type: ignore[misc]
        axis.set_title(f"{factor.name} [{factor.unit}]" if factor.unit else factor.name)
    write_figure(figure, path, dpi=120)


def sentences(world: TextWorld, columns: int, generator: torch.Generator, path: Path) -> None:
    """Write a PNG with the lines of a world of sentences: behind each factor, one for every value on its grid."""
    drawn = world.sample(64, generator)
    telling = drawn[world.told(drawn).long().argmax(0)]  # for each factor a sentence that tells it
    lines = []
    for k, (factor, row) in enumerate(zip(world.factors, telling, strict=True)):
        values = factor.grid(columns)
        rows = row.repeat(len(values), 1)
        rows[:, k] = values
        lines += [
            (factor.name if not place else "", line)
            for place, line in enumerate(world.vocabulary.lines(world.render(rows)))
        ]
    figure = Figure(figsize=(9, 0.16 * len(lines) + 0.1))
    for place, (name, line) in enumerate(lines):
        height = 1 - (place + 1) / (len(lines) + 1)
        figure.text(0.01, height, name, fontsize=7, weight="bold")
        figure.text(0.12, height, line, fontsize=7)
    write_figure(figure, path, dpi=DOTS)


def speed(world: World, batch: int, repeats: int, generator: torch.Generator) -> dict[str, float]:
    """Median pictures per second of `render`: by the clock and by processor time (that of all threads together)."""
    rows = world.sample(batch, generator)
    found = rate(lambda: Work(partial(world.render, rows), batch), repeats, torch.get_num_threads())
    return {"per_second": found.clock, "per_processor_second": found.processor}


def plan(own: Common, values: dict[str, Any]) -> Plan:
    """A job for every chosen world; ValueError lists the known ones."""
    names = listed(values["world"]) or list(WORLDS)
    for name in names:
        make_world(name)
    shared = values | {"preset": own.preset, "seed": own.seed or 0}
    return Plan([Job(**shared | {"world": name, "model": name}) for name in names])


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Draw and time one world; writes its pictures into `folder`."""
    timer = Timer()
    with timer("drawing"):
        world, generator = make_world(job.world), torch.Generator().manual_seed(job.seed)
        draw(world, job, generator, folder)
    with timer("timing"):
        measured = speed(world, job.batch, job.repeats, generator)
    scores = {"factors": len(world.factors), "shape": list(world.shape), **measured}
    return describe("worlds", job, scores, timer.seconds)


def draw(world: World, job: Worlds, generator: torch.Generator, folder: Path) -> None:
    """Write what there is to see of a world: a sheet or a scatter plot, and a GIF of a world of videos."""
    if len(world.shape) == 3:
        contact_sheet(world, job.columns, generator, folder / "factors.png")
    elif isinstance(world, TextWorld):
        sentences(world, job.columns, generator, folder / "factors.png")
    elif world.render(world.sample(1, generator)).is_floating_point():
        scatter(world, generator, folder / "factors.png")
    if isinstance(world, VideoWorld):
        clips = world.clip(8, job.frames, generator).frames
        write_wall(clips.unflatten(0, (2, 4)), folder / "clips.gif")


def table(results: Sequence[Mapping[str, Any]]) -> Table:
    """The worlds and their speeds."""
    columns = (
        "world",
        "factors",
        "shape",
        f"pictures / second{UP}",
        f"pictures / processor second{UP}",
        "seconds in all",
    )
    rows = tuple(
        (
            result["model"],
            str(result["scores"]["factors"]),
            "x".join(map(str, result["scores"]["shape"])),
            f"{result['scores']['per_second']:,.0f}",
            f"{result['scores']['per_processor_second']:,.0f}",
            f"{sum(result['seconds'].values()):.1f}",
        )
        for result in results
    )
    return Table(f"Worlds, drawn with {results[0]['hardware']['threads']} threads", columns, rows)


def summary(out: Path, jobs: Sequence[Job], results: Sequence[Mapping[str, Any]]) -> Summary:
    """The speeds, and the pictures of the worlds."""
    return Summary(
        title="Worlds",
        introduction=INTRODUCTION,
        tables=[table(results)],
        figures=first_figures(jobs, out, captions=CAPTIONS),
        more={"scores": {result["model"]: result["scores"] for result in results}, "seed": jobs[0].seed},
    )


EXPERIMENT = Experiment("worlds", Worlds, plan, run, summary, Timed, fixed=ALONE)
main = EXPERIMENT.main
