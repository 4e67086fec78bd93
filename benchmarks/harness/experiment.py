"""A benchmark as data: what it takes, which jobs it plans, how one runs, and what is said at the end.

command line -> plan: every check that can fail -> jobs, one folder each -> summary: tables, claims, report
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.command import parse
from benchmarks.harness.ending import plain_errors, stoppable
from benchmarks.harness.options import Common, Sweep
from benchmarks.harness.progress import line
from benchmarks.harness.runs import claim_folder, compute, folder_name, job_folders, key, plain, read_result
from benchmarks.harness.summary import Summary, conclude
from benchmarks.harness.table import tolerate_encodings
from borders.files import claimed, home
from representations.devices import choose_device


@dataclass(frozen=True)
class Plan:
    """The jobs of a command, and those that run beside them, by the name of their folder: controls, bounds, baselines."""

    jobs: Sequence[Any]
    beside: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def placed(self, out: Path) -> list[tuple[Any, Path]]:
        """Every job with its folder, those of the command first."""
        found = list(zip(self.jobs, job_folders(out, self.jobs), strict=True))
        return found + [(job, out / name / folder_name(job)) for name, jobs in self.beside.items() for job in jobs]


@dataclass(frozen=True)
class Experiment:
    """One benchmark; `main` is its command.

    `options` is the dataclass of what it takes beside `sweep`. `plan(own, values)` makes the jobs, and raises ValueError or
    TypeError for everything that would fail later. `run(job, folder, resume)` gives the content of a job's `result.json`.
    `summary(out, jobs, results)` says what was found: results of jobs, and behind them of those beside them.
    """

    name: str
    options: type[Any]
    plan: Callable[[Any, dict[str, Any]], Plan]
    run: Callable[[Any, Path, bool], dict[str, Any]]
    summary: Callable[[Path, Sequence[Any], Sequence[dict[str, Any]]], Summary]
    sweep: type[Common] = Sweep
    models: Sequence[str] | Callable[[], Sequence[str]] = ()
    fixed: Sequence[str] = ()
    """Options of the sweep that this benchmark does not take."""
    prepare: Callable[[Any, Plan], None] | None = None
    """What is made before the first job, such as data that all of them read."""
    errors: tuple[type[Exception], ...] = ()
    """What a user's mistake raises, beside TypeError and ValueError."""

    def main(self, arguments: Sequence[str] | None = None) -> dict[str, Any] | None:
        """The command: the content of `result.json`, or None where a shard has no report."""
        tolerate_encodings()
        words = list(sys.argv[1:] if arguments is None else arguments)
        own, values = parse(self.name, self.sweep, self.options, words, self.models, self.fixed)
        with plain_errors(*self.errors), ExitStack() as stack:
            choose_device(own.device)
            plan = self.plan(own, values)
            out = home(own.out) if own.out else Path("runs") / self.default_name(own, plan.jobs)
            placed = plan.placed(out)
            if len(plan.jobs) > 1:
                claim_folder(out, plain(values) | {"preset": own.preset})
            for job, folder in placed:
                claim_folder(folder, plain(job))
            if not own.shard:  # shards share their folder, and each job's belongs to the one that runs it
                stack.enter_context(claimed(out, use="sweep"))
            if self.prepare:
                self.prepare(own, plan)
            part = [*placed[len(plan.jobs) :], *placed[: len(plan.jobs)]][own.part()]  # what is beside comes first
            compute(self.run, part, own.chosen_engine(), resume=own.resume)
        with stoppable():
            return self._report(out, plan, placed, f"python -m benchmarks.{self.name} {shlex.join(words)}")

    def _report(self, out: Path, plan: Plan, placed: Sequence[tuple[Any, Path]], command: str) -> dict[str, Any] | None:
        missing = [folder for _, folder in placed if not (folder / "result.json").exists()]
        if missing:
            line(
                f"{len(placed) - len(missing)} of {len(placed)} jobs are finished; the report follows with the last shard"
            )
            return None
        results = [read_result(folder) for _, folder in placed]
        found = self.summary(out, plan.jobs, results)
        return conclude(out, plan.jobs, results, command=command, **vars(found))

    def default_name(self, own: Common, jobs: Sequence[Any]) -> str:
        """What the run's folder is called below runs/."""
        models = list(dict.fromkeys(job.model for job in jobs))
        named = "-".join(models) if len(models) < 5 else f"{len(models)}-models"
        return f"{self.name}-{named}-{own.preset}-{key(list(jobs) if len(jobs) > 1 else jobs[0])}"
