"""The generated parts of the README.md of every room: `python -m benchmarks.readme`.

A part stands between `<!-- name -->` and `<!-- /name -->` and is made anew from what is kept or registered:

    results [file ...]   of results in this room's `results/` the command, the claims, and the tables that the room shows
    scores [file ...]    one table of such results, a row a model, with the columns that the room declares
    benchmarks           every room: its question, the time it takes, and the link to its page
    systems              every room's headlines, on a page that has `benchmarks` too: what was published, what was found
    worlds, environments, models, metrics    what is registered

Any other part is the room's own: the module of that name in it gives the text, `part(words)`.

Without names `results` and `scores` show whatever no other part of that kind names. What a room shows of its results it says
itself (`harness.kept`): a new benchmark needs no code here.
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.ending import plain_errors
from benchmarks.harness.kept import Headline, Page, Result, claims_list, kept
from benchmarks.harness.parser import Parser
from benchmarks.harness.rooms import CHECKOUT, ROOMS, Room, rooms
from benchmarks.harness.table import Table
from borders.files import read_text, write_text

HOUSES = ("borders", "envs", "representations", "planners", "agents", "benchmarks")
PART = re.compile(
    r"(?P<begin><!-- (?P<name>\w+)(?: (?P<words>[^>]*?))? -->\n)(?P<inside>.*?)(?P<end><!-- /(?P=name) -->)", re.DOTALL
)

MARK = re.compile(r"^<!-- /?\w+(?: [^>]*?)? -->$", re.MULTILINE)


def results_part(room: Room, results: Mapping[str, Result]) -> str:
    """Command, claims and tables of results."""
    parts = []
    for result in results.values():
        parts.append(claims_list(result))
        for table in result.get("tables", ())[: Page(**room.page).tables]:
            heading = f"{table['title']}:\n\n" if table["title"] else ""
            parts.append(heading + Table(**{**table, "rows": tuple(table["rows"])}).markdown())
    return "\n".join(parts)


def systems_part() -> str:
    """The headlines of all rooms; the links to their pages are those that the part `benchmarks` defines."""
    rows = [
        (line.system, line.figure, line.published, line.ours(room), f"[{room.name}]")
        for room in rooms()
        for line in (Headline(**entry) for entry in room.headlines)
    ]
    return _aligned(("system", "figure", "paper", "ours", "page"), rows)


def benchmarks_part(page: Path) -> str:
    """Every room with its question and time, and the links to their pages, as seen from `page`."""
    items = [f"- [{room.name}]: {room.question} ({room.time})" for room in rooms()]
    lines = [line for item in items for line in textwrap.wrap(item, 80, subsequent_indent="  ")]
    return "\n".join([*lines, "", *_links(page)]) + "\n"


def rooms_part(page: Path) -> str:
    """The names of all rooms and the links to their pages, as seen from `page`."""
    names = textwrap.wrap(", ".join(f"[{room.name}]" for room in rooms()), 80, break_on_hyphens=False)
    return "\n".join([*names, "", *_links(page)]) + "\n"


def _links(page: Path) -> list[str]:
    where = os.path.relpath(ROOMS, page.parent)
    return [f"[{room.name}]: {os.path.normpath(f'{where}/{room.name}')}/README.md" for room in rooms()]


def _aligned(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in plain text too."""
    widths = [max(len(line[k]) for line in (columns, *rows)) for k in range(len(columns))]
    lines = [columns, ["-" * width for width in widths], *rows]
    padded = (" | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in lines)
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _summary(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def worlds_part() -> str:
    """Every registered world and what it draws."""
    from envs import WORLDS

    return Table(
        "", ("world", "what it is"), tuple((f"`{name}`", _summary(w)) for name, w in WORLDS.items())
    ).markdown()


def environments_part() -> str:
    """Every Gymnasium id of ours and the steps of an episode."""
    import gymnasium as gym

    import envs  # noqa: F401  (registers them)

    ours = [spec for name, spec in sorted(gym.registry.items()) if name.startswith("disco/")]
    rows = tuple((f"`{spec.id}`", str(spec.max_episode_steps)) for spec in ours)
    return Table("", ("id", "steps of an episode"), rows).markdown()


ABILITIES = {"decodes": "decode", "predicts": "predict", "generates": "generate"}


def models_part() -> str:
    """Every registered model: its file, the paper as that names it, what it can do, and where it is measured."""
    from representations import MODELS

    measured = {name: room.name for room in rooms() for name in re.findall(r"\w+", room.systems) if name in MODELS}
    measured |= {entry["system"]: room.name for room in rooms() for entry in room.headlines}
    rows = []
    for name, model in MODELS.items():
        file = Path(inspect.getfile(model)).name
        able = ", ".join(word for word, method in ABILITIES.items() if hasattr(model, method))
        page = f"[{measured[name]}](../benchmarks/{measured[name]}/README.md)" if name in measured else ""
        rows.append((f"[`{name}`]({file})", _summary(inspect.getmodule(model)), able, page))
    return Table("", ("model", "paper", "ability", "measured in"), tuple(rows)).markdown()


def metrics_part() -> str:
    """Every score, and how it is computed: our way, and the published protocol's where that differs."""
    from benchmarks.metrics import PROTOCOLS, SCORES

    rows = tuple(
        (f"`{name}`", PROTOCOLS[name][0], PROTOCOLS[name][1] if len(set(PROTOCOLS[name])) > 1 else "the same")
        for name in SCORES
    )
    return Table("", ("score", "ours", "`compat=True`"), rows).markdown()


def pages() -> list[Path]:
    """README.md of the project and of each of its rooms."""
    return [
        CHECKOUT / "README.md",
        *(path for house in HOUSES for path in sorted((CHECKOUT / house).rglob("README.md"))),
    ]


def filled(page: Path) -> str:
    """The text of a page with its generated parts made anew."""
    text = read_text(page, "a page")
    own = next((room for room in rooms() if room.folder == page.parent), None)
    named: dict[str, list[str]] = {}
    parts = list(PART.finditer(text))
    if 2 * len(parts) != len(MARK.findall(text)):
        raise ValueError(f"{page}: every <!-- name --> needs its <!-- /name --> behind it, and none inside")
    for part in parts:
        named.setdefault(part["name"], []).extend((part["words"] or "").split())

    def of_room(kind: str, make: Callable[[Room, Mapping[str, Result]], str]) -> Callable[[Sequence[str]], str]:
        def made(words: Sequence[str]) -> str:
            if own is None:
                raise ValueError(f"{page} is no benchmark's page, and has no {kind} to show")
            return make(own, kept(own, words, named[kind]))

        return made

    makers: dict[str, Callable[[Sequence[str]], str]] = {
        "results": of_room("results", results_part),
        "scores": of_room("scores", lambda room, results: Page(**room.page).scores(results).markdown()),
        "systems": lambda words: systems_part(),
        "benchmarks": lambda words: benchmarks_part(page),
        "rooms": lambda words: rooms_part(page),
        "worlds": lambda words: worlds_part(),
        "environments": lambda words: environments_part(),
        "models": lambda words: models_part(),
        "metrics": lambda words: metrics_part(),
    }

    def made(part: re.Match[str]) -> str:
        make = makers.get(part["name"])
        if make is None and own is not None and (own.folder / f"{part['name']}.py").exists():
            make = getattr(importlib.import_module(f"benchmarks.{own.name}.{part['name']}"), "part", None)
        if make is None:
            raise ValueError(f"{page}: unknown part {part['name']!r}; the parts are {', '.join(makers)}")
        return part["begin"] + make((part["words"] or "").split()) + part["end"]

    return PART.sub(made, text)


def stale() -> dict[Path, str]:
    """The pages that are out of date, and what they should be."""
    texts = {page: filled(page) for page in pages()}
    return {page: text for page, text in texts.items() if text != read_text(page, "a page")}


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = Parser(prog="python -m benchmarks.readme", description="Make the generated parts of every README.md anew.")
    help_ = "only name the pages that are out of date; the exit status is 1 if there are any"
    parser.add_argument("--check", action="store_true", help=help_)
    check = parser.parse_args(arguments).check
    with plain_errors():
        found = stale()
    for page, text in found.items():
        if not check:
            write_text(page, text)
        print(f"{page.relative_to(CHECKOUT).as_posix()} {'is out of date' if check else 'was made anew'}")
    if not found:
        print("every page is up to date")
    elif check:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
