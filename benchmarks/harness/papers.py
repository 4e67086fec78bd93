"""A benchmark of several papers, each a module with settings of its own: their jobs, their results, and what is told of them.

A job is one model in one cell of a paper's tables with one seed. `presets.yaml` has a section for every paper, in `papers`,
whose `seeds` say how many it takes unless the command does.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import torch

import representations
from benchmarks.harness.options import Sweep, Trial, check_keys, listed
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe, job_folders
from benchmarks.harness.summary import Summary, intervals
from benchmarks.harness.table import ENOUGH, Claim, Interval, Table, interval
from borders import checked, nearest
from representations import Representation, fit
from representations.batches import Batches

Settings = dict[str, Any]
Cells = dict[tuple[str, str], list["Found"]]
S = TypeVar("S")
M = TypeVar("M", bound=Representation)


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Trial):
    """One model in one cell of a paper's tables with one seed; `variant` names the cell, such as "joint, 2"."""

    paper: str
    variant: str
    data: str = ""
    settings: Settings = field(default_factory=dict)

    @property
    def row(self) -> str:
        """How the cell is called in tables."""
        return f"{self.model}, {self.variant}" if self.variant else self.model


class Found(NamedTuple):
    """A finished job, its folder, and its scores."""

    job: Job
    folder: Path
    scores: Mapping[str, Any]


class Told(NamedTuple):
    """What a paper's results say: tables, claims, and pictures by caption."""

    tables: Sequence[Table]
    claims: Sequence[Claim]
    pictures: Mapping[str, Path]


class Paper(Protocol):
    """A paper.

    `check` raises ValueError or TypeError for settings (its section of `presets.yaml`, merged with what the command said)
    that cannot be run. `variants` gives every cell of a model in its tables, with the settings of the cell's jobs; `seeds`
    among them are how many it takes at most. `run`
    trains, measures, draws PNG files into the folder, saves the model in its `model`, and gives the scores by name.
    `tables` says what was found; pictures it makes of several jobs are written to `out`.
    """

    @property
    def MODELS(self) -> tuple[str, ...]: ...  # noqa: D102

    def check(self, settings: Settings, data: str) -> None: ...  # noqa: D102

    def variants(self, model: str, settings: Settings) -> list[tuple[str, Settings]]: ...  # noqa: D102

    def run(self, job: Job, folder: Path, resume: bool) -> dict[str, Any]: ...  # noqa: D102

    def tables(self, out: Path, results: Sequence[Found]) -> Told: ...  # noqa: D102


def sized(kind: type[S], paper: str, settings: Mapping[str, Any]) -> S:
    """A paper's settings as its dataclass `kind`, which checks them; an unknown name is answered with the nearest."""
    known = [each.name for each in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for name in settings:
        if name not in known:
            raise ValueError(f"papers.{paper} has no setting {name!r}; its settings are {nearest(name, known)}")
    return kind(**settings)


def trained(
    model: M,
    batches: Batches,
    steps: int,
    job: Job,
    folder: Path,
    resume: bool,
    world: str = "",
    settings: Mapping[str, Any] | None = None,
    decay: bool = False,
    on_step: Callable[[int], None] | None = None,
    steady: float = 0.0,
) -> M:
    """The model after `steps` of training by the job's seed, kept in the folder's `model` beside the world it is shown on.

    It is read back from there: what is scored is what a user loads. `steady` and `on_step` are those of `fit`.
    """
    generator = torch.Generator().manual_seed(job.seed)
    options: dict[str, Any] = {"device": job.device, "resume": resume, "decay": decay, "steady": steady}
    options["on_step"] = on_step
    fit(model, batches, steps, generator, folder, progress=bar(), **options)
    representations.save(model, folder / "model", world, settings or {})
    return representations.load(folder / "model")  # type: ignore[return-value]


def cells_of(results: Sequence[Found]) -> Cells:
    """The results of every model and variant, over seeds."""
    found: Cells = {}
    for each in results:
        found.setdefault((each.job.model, each.job.variant), []).append(each)
    return found


def by_variant(results: Sequence[Found]) -> dict[str, list[Found]]:
    """The results of every variant of one model, over seeds."""
    return {variant: rows for (_, variant), rows in cells_of(results).items()}


def over(rows: Sequence[Found], name: str, scale: float = 1) -> Interval:
    """A score over seeds, `scale` times as large."""
    return interval([scale * row.scores[name] for row in rows])


def gap(
    first: Sequence[Found], second: Sequence[Found], name: str = "error", scale: float = 100, other: str = ""
) -> Interval:
    """How much larger a score is in the first cell, seed by seed, `scale` times as much: points of a share unless told.

    It is compared with the same score of the second cell, or with its score `other`.
    """
    both = {row.job.seed: row.scores[other or name] for row in second}
    return interval([scale * (row.scores[name] - both[row.job.seed]) for row in first if row.job.seed in both])


def pictures(results: Sequence[Found], captions: Mapping[str, str]) -> dict[str, Path]:
    """The pictures in the folders of the first seed's jobs, by row and caption; `captions` says by file name what is seen."""
    return {
        f"{each.job.row}, seed {each.job.seed}: {caption}": each.folder / name
        for each in results
        if each.job.seed == results[0].job.seed
        for name, caption in captions.items()
        if (each.folder / name).exists()
    }


def claim(text: str, more: Interval, evidence: str) -> Claim:
    """A claim that a difference is above 0: shown or not by its interval, undecided where that has 0 in it."""
    return Claim(text, True if more.low > 0 else False if more.high <= 0 else None, evidence)


def by_row(results: Sequence[Found]) -> dict[str, list[Found]]:
    """The results of every row of a table, over seeds."""
    found: dict[str, list[Found]] = {}
    for each in results:
        found.setdefault(each.job.row, []).append(each)
    return found


def models_of(papers: Mapping[str, Paper]) -> tuple[str, ...]:
    """The models of all papers, once each."""
    return tuple(dict.fromkeys(model for paper in papers.values() for model in paper.MODELS))


def paper_jobs(
    papers: Mapping[str, Paper], own: Sweep, told: Mapping[str, Mapping[str, Any]], data: str = ""
) -> list[Job]:
    """The jobs of a sweep, `told` being settings by paper.

    ValueError or TypeError for an unknown model, and for settings that a paper refuses.
    """
    check_keys("papers", told, papers, "paper")
    found = []
    for model in dataclasses.replace(own, model=own.model or "all").models(models_of(papers)):
        for name, paper in papers.items():
            if model not in paper.MODELS:
                continue
            settings = dict(told.get(name, {}))
            seeds = settings.pop("seeds", own.seeds)
            paper.check(settings, data)
            sweep = own if own.seeds is not None or own.seed is not None else dataclasses.replace(own, seeds=seeds)
            for variant, cell in paper.variants(model, settings):
                chosen = dict(cell)
                few = chosen.pop("seeds", None)
                shared: dict[str, Any] = {"paper": name, "variant": variant, "data": data, "settings": chosen}
                found += [Job(model, own.preset, seed, own.device, **shared) for seed in sweep.all_seeds()[:few]]
    return found


def part_jobs(
    parts: Mapping[str, Paper], names: str, own: Sweep, told: Mapping[str, Mapping[str, Any]], data: str = ""
) -> list[Job]:
    """The jobs of the parts of a room that are named, separated by commas, or of all; what is told of the others is left.

    ValueError or TypeError for an unknown part, and for what `paper_jobs` refuses.
    """
    wanted = listed(names) or list(parts)
    for name in wanted:
        if name not in parts:
            raise ValueError(f"unknown part {name!r}; the parts are {nearest(name, parts)}")
    others = set(parts) - set(wanted)
    chosen = {name: part for name, part in parts.items() if name in wanted}
    return paper_jobs(chosen, own, {name: settings for name, settings in told.items() if name not in others}, data)


def run_paper(benchmark: str, papers: Mapping[str, Paper], job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    timer = Timer()
    with timer("job"):
        scores = papers[job.paper].run(job, folder, resume)
    return describe(benchmark, job, scores, timer.seconds)


def summarise(
    title: str,
    introduction: Sequence[str],
    papers: Mapping[str, Paper],
    out: Path,
    todo: Sequence[Job],
    results: Sequence[Mapping[str, Any]],
) -> Summary:
    """Tables, claims and figures, paper by paper; claims are decided by a paper's own number of seeds."""
    found = [
        Found(job, folder, result["scores"])
        for job, folder, result in zip(todo, job_folders(out, todo), results, strict=True)
    ]
    tables: list[Table] = []
    claims: list[Claim] = []
    figures: dict[str, Path] = {}
    rows: dict[str, list[Mapping[str, float]]] = {}
    for name in dict.fromkeys(job.paper for job in todo):
        own = [each for each in found if each.job.paper == name]
        told = papers[name].tables(out, own)
        seeds = len({each.job.seed for each in own})
        tables += told.tables
        claims += [claim if todo[0].preset == "quick" else claim.decided_by("", seeds) for claim in told.claims]
        figures |= told.pictures
        for each in own:
            numbers = {key: value for key, value in each.scores.items() if isinstance(value, (int, float))}
            rows.setdefault(each.job.row, []).append(numbers)
    return Summary(title, introduction, tables, claims, figures, intervals(rows), repetitions=ENOUGH)
