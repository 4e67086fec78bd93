"""The results that a room keeps and stands behind, and what of them is shown: its table of scores, claims, headlines.

A result is the `result.json` of a run, with the `command` that made it, as `benchmarks/<name>/results/<file>.json`. What is
shown says the room's `about.yaml`, under `page` (see `Page`) and `headlines` (see `Headline`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.harness.rooms import Room
from benchmarks.harness.table import Table
from benchmarks.harness.words import called
from borders.files import read_json

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Page:
    """What a room's page shows of its results.

    `tables`: how many of each result's own tables, the first ones; all where it is None. `columns`: score -> heading and
    digits, and a factor such as 100 for per cent, of the table `scores`, in which a column without a number is left out;
    `prefixes`: prefix of a score's name -> name, where every model has a row for each of several sets; `published`: rows
    from elsewhere, above those of the default run. Below it stand the codes that no learning made, if it has them.
    """

    tables: int | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=lambda: {"": ""})
    published: Sequence[Sequence[str]] = ()

    def scores(self, results: Mapping[str, Result]) -> Table:
        """One table of the intervals of results by file name."""
        sets = list(self.prefixes) != [""]
        rows = [tuple(row) for row in self.published] if "default" in results else []
        for file, result in results.items():
            found = {
                model + (result.get("setting") or ""): scores for model, scores in result.get("intervals", {}).items()
            }
            if file == "default":
                found |= {called(k): _points(scores) for k, scores in result.get("baselines", {}).items()}
            for model, scores in found.items():
                for prefix, name in self.prefixes.items():
                    cells = [_cell(scores.get(prefix + score), *about[1:]) for score, about in self.columns.items()]
                    if any(cell != "-" for cell in cells):
                        rows.append((model, *([name] if sets else []), *cells))
        columns = ("model", *(["set"] if sets else []), *(about[0] for about in self.columns.values()))
        filled = [k for k in range(len(columns)) if any(row[k] != "-" for row in rows)]
        return Table("", tuple(columns[k] for k in filled), tuple(tuple(row[k] for k in filled) for row in rows))


@dataclass(frozen=True)
class Headline:
    """One row of README's table: a system, a figure of it, what was published and where ours stands.

    Ours is in the room's `results/<result>.json`: the number at the end of the path `at`, times `scale`; or, of the result's
    tables, the cell in the column `column` of the first row that begins with the cell `row`, without its interval.
    """

    system: str
    figure: str
    published: str
    result: str = "default"
    at: Sequence[str] = ()
    row: str = ""
    column: str = ""
    digits: int = 0
    scale: float = 1.0

    def ours(self, room: Room) -> str:
        """The figure as the room's result holds it; ValueError where it does not."""
        path = room.folder / "results" / f"{self.result}.json"
        found = _read(path)
        if self.at:
            for key in self.at:
                if key not in found:
                    raise ValueError(f"headline {self.system!r}: {path} has no {key!r} on the way {list(self.at)}")
                found = found[key]
            return f"{found * self.scale:,.{self.digits}f}"  # type: ignore[operator]
        for table in found.get("tables", ()):
            for row in table["rows"]:
                if row[0] == self.row and self.column in table["columns"]:
                    return row[table["columns"].index(self.column)].partition(" [")[0]
        raise ValueError(f"headline {self.system!r}: {path} has no row {self.row!r} with a column {self.column!r}")


def _points(scores: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Single scores as intervals without width."""
    return {name: {"mean": value, "low": value, "high": value} for name, value in scores.items()}


def _cell(found: Mapping[str, Any] | None, digits: int, scale: float = 1.0) -> str:
    if found is None:
        return "-"
    mean, low, high = (found[key] * scale for key in ("mean", "low", "high"))
    return f"{mean:.{digits}f}" if low == high else f"{mean:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def verdict(claim: Mapping[str, Any]) -> str:
    """What a kept claim says of itself: shown, not shown, or another word such as undecided; in bold where it is not shown."""
    said = claim["verdict"] if "verdict" in claim else claim["shown"]
    word = str(said) if not isinstance(said, bool) else "shown" if said else "not shown"
    return word if word == "shown" else f"**{word}**"


def claims_list(result: Result) -> str:
    """The command of a result, and every claim that it decides."""
    lines = [f"- {verdict(claim)}: {claim['text']} ({claim['evidence']})" for claim in result.get("claims", ())]
    return f"`{result['command']}`\n" + "".join(f"\n{line}" for line in lines) + ("\n" if lines else "")


def kept(room: Room, names: Sequence[str] = (), besides: Sequence[str] = ()) -> dict[str, Result]:
    """The kept results of a room by file name: those named, or all but those `besides`, the default's first."""
    known = {path.stem: path for path in (room.folder / "results").glob("*.json")}
    for name in names:
        if name not in known:
            raise ValueError(f"{room.name} keeps no result {name!r}; it keeps {', '.join(sorted(known))}")
    ordered = sorted(known.keys() - set(besides), key=lambda name: (name != "default", name))
    return {name: _read(known[name]) for name in names or ordered}


def _read(path: Path) -> Result:
    return read_json(path, "a kept result")
