"""The report of a run: one self-contained HTML file with its tables, claims, pictures and configuration."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import yaml
from matplotlib.figure import Figure

from benchmarks.harness.progress import duration
from benchmarks.harness.table import Claim, Table
from borders.files import read_bytes, read_log, read_text, write_text

TEMPLATE = Path(__file__).with_name("report.html")
PANELS = 12  # of losses that a figure shows


def write_report(
    path: Path,
    title: str,
    introduction: Sequence[str],
    tables: Sequence[Table],
    claims: Sequence[Claim],
    figures: Mapping[str, Path],
    config: object,
    about: Mapping[str, str] | None = None,
) -> None:
    """Write `report.html`; `figures` maps captions to PNG or GIF files, which are embedded; `about` stands at the top."""
    embedded = []
    for caption, file in figures.items():
        data = base64.b64encode(read_bytes(file, "a figure")).decode()
        embedded.append((caption, f"data:image/{file.suffix[1:]};base64,{data}"))
    text = (
        jinja2.Environment(autoescape=True)
        .from_string(read_text(TEMPLATE, "the form of a report"))
        .render(
            title=title,
            about=about or {},
            introduction=introduction,
            tables=tables,
            claims=claims,
            figures=embedded,
            config=yaml.safe_dump(config, sort_keys=False, allow_unicode=True),
        )
    )
    write_text(path, text)


def provenance(command: str, results: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """What a reader needs to make the run again: command, date, revision, hardware, and how long it took."""
    last = results[-1]
    machine = last["hardware"]
    chips = ", ".join(filter(None, (machine["processor"], f"{machine['cores']} cores", machine["gpu"])))
    phases: dict[str, float] = {}
    for result in results:
        for phase, seconds in result["seconds"].items():
            phases[phase] = phases.get(phase, 0.0) + seconds
    spent = ", ".join(f"{phase} {duration(seconds)}" for phase, seconds in phases.items())
    return {
        "command": command,
        "date": max(str(result.get("date", "")) for result in results),
        "revision": last["versions"]["revision"],
        "hardware": chips,
        "time, all jobs": spent,
    }


def losses(logs: Mapping[str, Sequence[Path]]) -> Figure | None:
    """Every loss of `log.jsonl` files over the steps: a panel for each name and player, a line for each of its files."""
    panels: dict[str, list[tuple[list[float], list[float]]]] = {}
    for name, files in logs.items():
        for file in files:
            rows = read_log(file, "the log of a training")
            for key in dict.fromkeys(key for row in rows for key in row if key.endswith("/loss")):
                line = [(row["step"], row[key]) for row in rows if key in row]
                player = key.removesuffix("/loss")
                panels.setdefault(f"{name}: {player}", []).append(([x for x, _ in line], [y for _, y in line]))
    if not panels:
        return None
    shown = list(panels.items())[:PANELS]
    across = min(len(shown), 3)
    down = -(-len(shown) // across)
    figure = Figure(figsize=(3.6 * across, 2.5 * down), layout="constrained")
    for place, (name, lines) in enumerate(shown):
        axes = figure.add_subplot(down, across, place + 1)
        for steps, values in lines:
            axes.plot(steps, values, linewidth=1, marker="." if len(steps) < 3 else None)
        axes.set_title(name, fontsize=8)
        axes.tick_params(labelsize=7)
        if min(min(values) for _, values in lines) > 0:
            axes.set_yscale("log")
    return figure
