"""The end of a sweep: tables and claims on the terminal, `report.html`, and one `result.json` for several jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.report import losses, provenance, write_report
from benchmarks.harness.runs import job_folders, plain
from benchmarks.harness.table import Claim, Interval, Table, interval, show
from borders.files import write_json
from borders.files.pictures import write_figure

LOSSES = "losses.png"
SHARED = ("benchmark", "preset", "precision", "versions", "hardware")


def intervals(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> dict[str, dict[str, Interval]]:
    """Means and intervals of rows: row -> one dict of scores a seed, in; row -> score -> interval, out."""
    return {row: {name: interval([s[name] for s in scores]) for name in scores[0]} for row, scores in rows.items()}


def by_row(results: Sequence[Mapping[str, Any]], rows: Sequence[str] | None = None) -> dict[str, list[Any]]:
    """The scores of results by row, which is the model's name unless `rows` names another for every result."""
    found: dict[str, list[Any]] = {}
    for row, result in zip(rows or [r["model"] for r in results], results, strict=True):
        found.setdefault(row, []).append(result["scores"])
    return found


@dataclass(frozen=True)
class Summary:
    """What is said of a benchmark's results.

    `rows` are the scores as intervals, of which `scores` in `result.json` has the means; `kept` are the tables that the file
    holds, if not all; `figures` are files by caption; `more` are further entries of the file, or others in place of its
    own; `after` is printed at the end; `repetitions` decide the claims, if not the seeds.
    """

    title: str
    introduction: Sequence[str]
    tables: Sequence[Table]
    claims: Sequence[Claim] = ()
    figures: Mapping[str, Path] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, Interval]] = field(default_factory=dict)
    kept: Sequence[Table] | None = None
    more: Mapping[str, Any] = field(default_factory=dict)
    after: str = ""
    repetitions: int | None = None


def first_figures(
    jobs: Sequence[Any], out: Path, row: str = "model", captions: Mapping[str, str] | None = None
) -> dict[str, Path]:
    """The pictures in the folders of the first seed's jobs, by caption; `captions` says by file name what is seen."""
    told = captions or {}
    return {
        f"{getattr(job, row)}, seed {job.seed}: {told.get(file.name, file.stem)}": file
        for job, folder in zip(jobs, job_folders(out, jobs), strict=True)
        if job.seed == jobs[0].seed
        for file in sorted([*folder.glob("*.png"), *folder.glob("*.gif")])
        if file.name != LOSSES
    }


def conclude(
    out: Path,
    jobs: Sequence[Any],
    results: Sequence[Mapping[str, Any]],
    *,
    title: str,
    introduction: Sequence[str],
    tables: Sequence[Table],
    claims: Sequence[Claim],
    figures: Mapping[str, Path],
    rows: Mapping[str, Mapping[str, Interval]],
    kept: Sequence[Table] | None = None,
    command: str = "",
    more: Mapping[str, Any] | None = None,
    after: str = "",
    repetitions: int | None = None,
) -> dict[str, Any]:
    """Print tables and claims, write `report.html` and `result.json`; return the content of the latter.

    `results` are those of the jobs, and behind them those of jobs that were run beside them. The others are a `Summary`'s.
    The file has the same entries for one job, whose folder `out` is, and for several: of one its own `result.json` gets
    intervals, tables and claims beside its scores; of several `seed` is a list, scores are means by row, and what differs
    from job to job stands by the job's folder. Claims are undecided where the preset or the number of seeds cannot decide
    them.
    """
    folders, seeds = job_folders(out, jobs), sorted({job.seed for job in jobs})
    decided = [claim.decided_by(jobs[0].preset, repetitions or len(seeds)) for claim in claims]
    show(tables, decided)
    configuration = plain(jobs[0]) if len({job.model for job in jobs}) == 1 else [plain(job) for job in jobs]
    every = {**figures, **_losses(out, jobs, folders)}
    about = provenance(command, results)
    write_report(out / "report.html", title, introduction, tables, decided, every, configuration, about)
    found = {
        "command": command,
        "date": about["date"],
        "intervals": {row: {name: vars(found) for name, found in scores.items()} for row, scores in rows.items()},
        "tables": [vars(table) for table in (tables if kept is None else kept)],
        "claims": [claim.plain() for claim in decided],
    }
    if len(jobs) == 1:
        content = {**results[0], **found, **{k: v for k, v in (more or {}).items() if k not in results[0]}}
    else:
        each = {folder.name: result for folder, result in zip(folders, results, strict=False)}
        content = {
            key: results[0][key] if key in SHARED else {name: result[key] for name, result in each.items()}
            for key in results[0]
        } | {
            "model": ",".join(dict.fromkeys(job.model for job in jobs)),
            "seed": seeds,
            "scores": {row: {name: found.mean for name, found in scores.items()} for row, scores in rows.items()},
            **found,
            **(more or {}),
        }
    write_json(out / "result.json", content)
    print(f"report: {out / 'report.html'}")
    if after:
        print(after)
    return content


def _losses(out: Path, jobs: Sequence[Any], folders: Sequence[Path]) -> dict[str, Path]:
    """The figure of the losses, drawn into `out`, by its caption; none where no job left a log of them."""
    logs: dict[str, list[Path]] = {}
    for job, folder in zip(jobs, folders, strict=True):
        if (folder / "log.jsonl").exists():
            logs.setdefault(getattr(job, "row", job.model), []).append(folder / "log.jsonl")
    figure = losses(logs)
    if figure is None:
        return {}
    write_figure(figure, out / LOSSES)
    return {"The loss of every player over the steps of training, a line for each seed": out / LOSSES}
