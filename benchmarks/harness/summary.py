"""The end of a sweep: tables and claims on the terminal, `report.html`, and one `result.json` for several jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.report import write_report
from benchmarks.harness.runs import job_folders, plain
from benchmarks.harness.table import Claim, Interval, Table, interval, show
from representations.files import write_json

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


def first_figures(jobs: Sequence[Any], out: Path, row: str = "model") -> dict[str, Path]:
    """The pictures in the folders of the first seed's jobs, by caption."""
    return {
        f"{getattr(job, row)}, seed {job.seed}: {file.stem}": file
        for job, folder in zip(jobs, job_folders(out, jobs), strict=True)
        if job.seed == jobs[0].seed
        for file in sorted([*folder.glob("*.png"), *folder.glob("*.gif")])
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
    **more: Any,
) -> dict[str, Any]:
    """Print tables and claims, write `report.html`, and `result.json` where there are several jobs; return its content.

    `results` are those of the jobs, and behind them those of controls that were run beside them. `rows` are the scores as
    intervals, of which `scores` has the means; `kept` are the tables that the file holds, if not all; `more` are further
    entries of the file, or others in place of these.
    """
    show(tables, claims)
    folders = job_folders(out, jobs)
    configuration = plain(jobs[0]) if len({job.model for job in jobs}) == 1 else [plain(job) for job in jobs]
    write_report(out / "report.html", title, introduction, tables, claims, figures, configuration)
    content = {key: results[0][key] for key in SHARED if key in results[0]} | {
        "model": ",".join(dict.fromkeys(job.model for job in jobs)),
        "seed": sorted({job.seed for job in jobs}),
        "scores": {row: {name: found.mean for name, found in scores.items()} for row, scores in rows.items()},
        "intervals": {row: {name: vars(found) for name, found in scores.items()} for row, scores in rows.items()},
        "tables": [vars(table) for table in (tables if kept is None else kept)],
        "claims": [vars(claim) for claim in claims],
        "seconds": {folder.name: result["seconds"] for folder, result in zip(folders, results, strict=False)},
        **more,
    }
    if len(jobs) > 1:
        write_json(out / "result.json", content)
    print(f"report: {out / 'report.html'}")
    return content
