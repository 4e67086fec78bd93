"""Search for settings: `python -m benchmarks.sweep FILE.yaml`.

    benchmark: sprites                                # any benchmark that leaves a result.json
    options: {model: beta_vae, seed: 40}              # given to every trial
    space:
      settings.beta_vae.beta: [1, 4, 16]              # choices
      settings.beta_vae.learning_rate: {low: 1.0e-4, high: 1.0e-2, log: true}
    method: random                                    # grid, random or optuna
    trials: 20
    score: factor_vae                                 # a score's name; its mean over rows where there are several
    maximize: true

A trial is a run of the benchmark's own command in a folder of its own, so that it resumes and reports as that does. The same
command continues a search that was broken off; a trial that failed is shown with its error, stops no other, and is tried
again by the next command. Give trials seeds that no report uses.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import shlex
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.command import parse
from benchmarks.harness.ending import plain_errors
from benchmarks.harness.engines import Engine
from benchmarks.harness.options import Common
from benchmarks.harness.progress import duration, line
from benchmarks.harness.rooms import rooms
from benchmarks.harness.runs import Timer, claim_folder, describe, folder_name, plain, read_result
from benchmarks.harness.space import METHODS, Point, Tree, at_random, grid, read_space, words
from benchmarks.harness.summary import conclude
from benchmarks.harness.table import tolerate_encodings
from benchmarks.sweep.report import summary
from borders.files import open_log, read_json, read_text, write_json, write_text

OWN = ("out", "workers", "engine", "resume")  # options of the search, not of its trials
ERROR = "error.txt"


@dataclass(frozen=True)
class Search:
    """What to search."""

    benchmark: str = ""
    """The benchmark whose command is run."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options that every trial is given."""
    space: dict[str, Any] = field(default_factory=dict)
    """Option -> list of choices, or range {low, high} with log: true or step."""
    method: str = "grid"
    """grid (every point), random, or optuna (tree-structured Parzen estimator)."""
    trials: int = 0
    """How many trials; for a grid all of its points unless told."""
    score: str = ""
    """The score that is compared."""
    maximize: bool = True
    """Whether more is better."""
    batch: int = 4
    """Trials that Optuna is asked for at once; it learns between batches."""

    def __post_init__(self) -> None:
        known = [room.name for room in rooms() if room.name != "sweep"]
        if self.benchmark not in known:
            raise ValueError(f"benchmark must be one of {', '.join(known)}, got {self.benchmark!r}")
        if self.method not in METHODS:
            raise ValueError(f"method must be one of {', '.join(METHODS)}, got {self.method!r}")
        if not self.score:
            raise ValueError("score must name a score of the benchmark's result.json")
        for name, least in (("trials", 0 if self.method == "grid" else 1), ("batch", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least} for {self.method}, got {getattr(self, name)}")
        for name in OWN:
            if name in (*self.options, *self.space):
                raise ValueError(f"{name} is an option of the search itself: give it on the command line")
        if self.method == "grid":
            grid(read_space(self.space))
        read_space(self.space)


@dataclass(frozen=True)
class Trial:
    """One run of a benchmark's command; `model` is the benchmark, `seed` the trial's number, `point` what it tries."""

    model: str
    seed: int
    point: dict[str, Any]
    options: dict[str, Any]
    score: str
    preset: str = "default"

    def given(self, folder: Path) -> list[str]:
        """The words of the benchmark's command."""
        return [*words(self.options), *words(self.point), f"--out={folder / 'run'}", "--workers=1"]


def run(trial: Trial, folder: Path, resume: bool = True) -> dict[str, Any]:
    """Run the benchmark's command in `folder/run`; RuntimeError with its message where it ends without a result.

    What it prints goes to `folder/output.txt`.
    """
    timer, given = Timer(), [*trial.given(folder), *([] if resume else ["--no-resume"])]
    with timer("trial"), open_log(folder / "output.txt") as said:
        said.write(f"$ python -m benchmarks.{trial.model} {shlex.join(given)}\n")
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                importlib.import_module(f"benchmarks.{trial.model}").main(given)
            except SystemExit as error:
                said.flush()
                if error.code:
                    raise RuntimeError(_last_words(folder, error)) from None
    result = read_json(folder / "run" / "result.json", "the result of a run", ("scores",))
    return describe("sweep", trial, {trial.score: figure(result["scores"], trial.score)}, timer.seconds)


def _last_words(folder: Path, error: SystemExit) -> str:
    """Why a command ended: its message, or the last line that it printed."""
    text = error.code if isinstance(error.code, str) else read_text(folder / "output.txt", "what a trial printed")
    return text.strip().splitlines()[-1].removeprefix("error: ")


def figure(scores: Mapping[str, Any], name: str) -> float:
    """The score `name`, or its mean over the rows that have it; ValueError lists the scores if none does."""
    if isinstance(scores.get(name), (int, float)):
        return float(scores[name])
    rows = [row for row in scores.values() if isinstance(row, Mapping)]
    found = [float(row[name]) for row in rows if name in row]
    if not found:
        known = sorted({key for row in rows or [scores] for key in row})
        raise ValueError(f"the benchmark has no score {name!r}; its scores are {', '.join(known)}")
    return math.fsum(found) / len(found)


def _attempt(trial: Trial, folder: Path, resume: bool) -> float:
    """Run one trial, whose error is left in `error.txt`; the seconds it took."""
    began = time.perf_counter()
    (folder / ERROR).unlink(missing_ok=True)
    try:
        write_json(folder / "result.json", run(trial, folder, resume))
    except Exception as error:
        write_text(folder / ERROR, f"{error}\n\n{traceback.format_exc()}")
    return time.perf_counter() - began


def batches(search: Search, seed: int, scored: Mapping[int, float | None]) -> Iterator[list[Point]]:
    """The points of a search, all at once or, where it learns, a batch after the other.

    `scored` holds the scores of the trials so far by number, None for those that failed; it is read between batches.
    """
    space = read_space(search.space)
    if search.method == "grid":
        points = grid(space)
        yield points[: search.trials or len(points)]
        return
    if search.method == "random":
        yield at_random(space, search.trials, seed)
        return
    tree, done = Tree(space, search.maximize, seed), 0
    while done < search.trials:
        points = tree.ask(min(search.batch, search.trials - done))
        yield points
        tree.tell([scored[done + k] for k in range(len(points))])
        done += len(points)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """The command: the content of `result.json`. Exit status 1 where a trial failed."""
    tolerate_encodings()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and not given[0].startswith("-"):
        given = ["--config", *given]
    own, values = parse("sweep", Common, Search, given, fixed=("seeds", "device", "shard"))
    with plain_errors():
        search, seed = Search(**values), own.seed or 0
        importlib.import_module(f"benchmarks.{search.benchmark}")
        out = Path(own.out).expanduser() if own.out else Path("runs") / f"sweep-{search.benchmark}-{search.method}"
        claim_folder(out, plain(search) | {"seed": seed})
        scored: dict[int, float | None] = {}
        trials: list[Trial] = []
        folders: list[Path] = []
        total = search.trials or len(grid(read_space(search.space)))
        for points in batches(search, seed, scored):
            new = [
                Trial(search.benchmark, len(trials) + k, p, search.options, search.score) for k, p in enumerate(points)
            ]
            places = [out / f"trial-{trial.seed:03d}-{folder_name(trial).rpartition('-')[2]}" for trial in new]
            for trial, folder in zip(new, places, strict=True):
                claim_folder(folder, plain(trial))
            trials, folders = [*trials, *new], [*folders, *places]
            _compute(trials, folders, total, own.chosen_engine(), own.resume)
            scored |= {trial.seed: _score(folder, trial) for trial, folder in zip(new, places, strict=True)}
    finished = [(t, f) for t, f in zip(trials, folders, strict=True) if scored[t.seed] is not None]
    failed = {t.seed: _error(f) for t, f in zip(trials, folders, strict=True) if scored[t.seed] is None}
    if not finished:
        raise SystemExit(f"error: all {len(trials)} trials failed; the first said: {next(iter(failed.values()))}")
    results = [read_result(folder) for _, folder in finished]
    found = summary(
        out,
        search,
        [trial for trial, _ in finished],
        results,
        {trials[k].seed: (trials[k].point, why) for k, why in failed.items()},
    )
    command = f"python -m benchmarks.sweep {shlex.join(given[1:] if given[:1] == ['--config'] else given)}"
    content = conclude(out, [trial for trial, _ in finished], results, command=command, **vars(found))
    if failed:
        raise SystemExit(1)
    return content


def _compute(trials: Sequence[Trial], folders: Sequence[Path], total: int, engine: Engine, resume: bool) -> None:
    """Run the trials that have no result, and say how far the search is."""
    rows = [(t, f.resolve(), resume) for t, f in zip(trials, folders, strict=True) if not (f / "result.json").exists()]
    began, running = time.perf_counter(), engine.at_once(len(rows))
    for done, (place, seconds) in enumerate(engine.map(_attempt, rows), 1):
        trial, folder, _ = rows[place]
        finished = sum((f / "result.json").exists() for f in folders)
        failed = sum((f / ERROR).exists() for f in folders)
        left = (time.perf_counter() - began) / done * (total - finished - failed)
        state = f"failed: {_error(folder)}" if (folder / ERROR).exists() else f"{_score(folder, trial):.4g}"
        line(
            f"trial {trial.seed}: {state} in {duration(seconds)}  ({finished} finished, {failed} failed, "
            f"{min(running, len(rows) - done)} running, of {total}; about {duration(left)} left)"
        )


def _score(folder: Path, trial: Trial) -> float | None:
    return read_result(folder)["scores"][trial.score] if (folder / "result.json").exists() else None


def _error(folder: Path) -> str:
    """The first line of what a failed trial said."""
    file = folder / ERROR
    return read_text(file, "the error of a trial").splitlines()[0] if file.exists() else "its process was killed"
