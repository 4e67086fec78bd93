"""What the papers of this room have in common: a job, what is known of it afterwards, and the digits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeVar

import torch

import representations
from benchmarks.harness.options import Trial
from benchmarks.harness.progress import bar
from benchmarks.harness.table import Claim, Table
from borders import checked, nearest
from envs.digits import Digits
from envs.files.idx import Split
from representations import Representation, fit
from representations.batches import Batches

Settings = dict[str, Any]
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
    """A module of this room.

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


def digits(data: str, split: Split, source: str = "", style: tuple[str, ...] = ()) -> Digits:
    """The digits of a split: the embedded ones, or with a folder `data` the files of `source` in it, MNIST unless told."""
    if not data:
        return Digits(style, "embedded", split=split)
    return Digits(style, source or "mnist", data, split)  # type: ignore[arg-type]


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
) -> M:
    """The model after `steps` of training by the job's seed, kept in the folder's `model` beside the world it is shown on.

    It is read back from there: what is scored is what a user loads.
    """
    generator = torch.Generator().manual_seed(job.seed)
    fit(model, batches, steps, generator, folder, device=job.device, resume=resume, decay=decay, progress=bar())
    representations.save(model, folder / "model", world, settings or {})
    return representations.load(folder / "model")  # type: ignore[return-value]
