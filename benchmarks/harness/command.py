"""The command line of every benchmark, made from its dataclasses.

Values come from, in rising order: the dataclass, the preset (`presets.yaml` in the benchmark's room), `--config FILE`,
the options. Dictionaries are merged, name by name: `--settings.beta_vae.beta 8` leaves the preset's other settings.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import gc
import inspect
import re
import signal
import sys
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

import yaml
from jsonargparse import ActionYesNo, ArgumentParser, DefaultHelpFormatter, set_parsing_settings

from benchmarks.harness.engines import Engine
from benchmarks.harness.own import import_modules
from benchmarks.harness.progress import line
from benchmarks.harness.rooms import ROOMS, Room, room
from benchmarks.harness.runs import JobsFailed, check_neighbours
from benchmarks.harness.table import Table, show
from benchmarks.metrics import SCORES
from borders.files import FolderInUse, read_yaml
from envs import WORLDS
from representations import MODELS

set_parsing_settings(docstring_parse_attribute_docstrings=True)

UNKNOWN = "unrecognized arguments: "
NEAR = 6  # known words that a message about an unknown one names
LINE = 78


class Lines(DefaultHelpFormatter):
    """Help whose description keeps its lines."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        folded = (textwrap.fill(line, width, subsequent_indent="  ") for line in text.splitlines())
        return "\n".join(folded)


class Parser(ArgumentParser):
    """A parser whose errors name the option, what it was given, and the form it takes."""

    def __init__(self, *arguments: Any, **options: Any):
        super().__init__(*arguments, **options)
        self.forms: dict[str, str] = {}
        self.hints: dict[str, str] = {}

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message and exit with status 2."""
        if message.startswith(UNKNOWN):
            word = message.removeprefix(UNKNOWN).split()[0].partition("=")[0]
            known = [action.option_strings[0] for action in self._actions if action.option_strings]
            message = f"unknown option {word!r}; the options are {', '.join(nearest(word, known)[:NEAR])} ..."
            message += self.hints.get(word.removeprefix("--"), "")
        key = re.match(r'Parser key "([^"]*)":', message)
        if key and key[1].partition(".")[0] in self.forms:
            name = key[1].partition(".")[0]
            value = re.search(r"(?:Got value|Given value): (.*)", message)
            message = f"--{name} takes {self.forms[name]}{f', got {value[1]!r}' if value else ''}"
        missing = re.match(r"argument (--\w+): expected", message)
        if missing:
            message = f"{missing[1]} takes {self.forms.get(missing[1][2:], 'a value')}, got nothing"
        message = message.replace('Parser key "config": ', "--config takes a YAML file: ")
        sys.stderr.write(f"error: {message}\n(all options: {self.prog} --help)\n")
        self.exit(2)


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known words, the most similar to `word` first."""
    return sorted(known, key=lambda other: -difflib.SequenceMatcher(None, word, other).ratio())


def check_keys(option: str, given: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Raise ValueError with the right form where the dictionary of an option has a name in it that is not known."""
    known = tuple(known)
    for name, value in given.items():
        if name not in known:
            nested = isinstance(value, dict)
            place = known[0] if nested else f"{what.upper()}.{name}"
            raise ValueError(
                f"{option} are given by {what}, {', '.join(nearest(name, known) if nested else known)}, got {name!r}: "
                f"write --{option}.{place} {'...' if nested else value}"
            )


@contextmanager
def settings_of(model: str) -> Iterator[None]:
    """Inside, what a learner says against its settings names the option that gives them."""
    try:
        yield
    except (TypeError, ValueError) as error:
        raise ValueError(f"{error} (--settings.{model}.NAME VALUE)") from error


@contextmanager
def stoppable() -> Iterator[None]:
    """Inside, Ctrl-C ends the program with one line and status 130, and SIGTERM behind a training's step with 143."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        line(str(stopped) or "stopped")
        gc.freeze()  # the end of the process need not look for cycles among all that was imported
        raise SystemExit(128 + getattr(stopped, "number", signal.SIGINT)) from None


@contextmanager
def plain_errors(*more: type[Exception]) -> Iterator[None]:
    """Inside, what a user can mend (TypeError, ValueError or one of `more`) ends the program with its message alone.

    So does what a run met: a loss that is no number, a full disk, a folder in use, jobs that failed; and see `stoppable`.
    """
    expected: tuple[type[Exception], ...] = (TypeError, ValueError, FloatingPointError, OSError, FolderInUse, *more)
    try:
        with stoppable():
            yield
    except JobsFailed as failed:
        rows = tuple((Path(folder).name, failure.error) for folder, failure in failed.failed.items())
        show([Table("Jobs that failed", ("job", "error"), rows)], ())
        raise SystemExit(f"error: {failed}") from None
    except expected as error:
        raise SystemExit(f"error: {error}") from error


@dataclass(frozen=True)
class Common:
    """What every benchmark can be told."""

    preset: str = "default"
    """quick (seconds, to see that everything runs), default (minutes on two cores) or paper (the paper's sizes)."""
    seed: int | None = None
    """The first seed; given alone, the only one."""
    seeds: int | None = None
    """How many seeds; 3 unless told."""
    device: str = "auto"
    """auto, cpu or cuda."""
    out: str | None = None
    """The run's folder; a new one below runs/ unless told."""
    engine: str = "local"
    """local (processes on this machine) or ray."""
    workers: int = 0
    """Jobs at a time; 0 for one per core."""
    ray_address: str = ""
    """With --engine ray: the cluster's address, such as auto; a cluster of this machine alone unless told."""
    gpus_per_job: float | None = None
    """With --engine ray: GPUs, or a share of one, for every job."""
    retries: int = 2
    """With --engine ray: how often a job runs again whose worker was lost."""
    shard: str = ""
    """i/n runs every n-th job, from the i-th, and no report; the same command without it merges what shards left."""
    resume: bool = True
    """Keep finished jobs and continue broken ones; with --no-resume everything starts anew."""

    def all_seeds(self) -> range:
        """The seeds to run."""
        first = self.seed or 0
        count = self.seeds if self.seeds is not None else (3 if self.seed is None else 1)
        if count < 1:
            raise ValueError(f"seeds must be at least 1, got {count}")
        return range(first, first + count)

    def chosen_engine(self) -> Engine:
        """Where jobs are computed; ValueError for an engine that is unknown, misused or not installed."""
        engine = Engine(self.engine, self.workers, self.ray_address, self.gpus_per_job, self.retries)
        engine.check()
        return engine

    def part(self) -> slice:
        """Which of the jobs are this shard's, all without one."""
        if not self.shard:
            return slice(None)
        found = re.fullmatch(r"(\d+)/(\d+)", self.shard)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise ValueError(f"shard must be i/n with i from 1 to n, such as 2/8, got {self.shard!r}")
        return slice(int(found[1]) - 1, None, int(found[2]))


@dataclass(frozen=True)
class Sweep(Common):
    """What a benchmark of several models can be told, whatever it trains."""

    model: str = ""
    """A model, a comma list of them, or all."""

    def models(self, known: Sequence[str]) -> tuple[str, ...]:
        """The chosen models; ValueError lists the known ones, nearest first."""
        chosen = tuple(known) if self.model == "all" else tuple(name.strip() for name in self.model.split(","))
        for name in chosen:
            if name not in known:
                raise ValueError(f"unknown model {name!r}; the models are {', '.join(nearest(name, known))}, or all")
        return chosen


@dataclass(frozen=True)
class Timed(Common):
    """What a benchmark can be told whose jobs are timed: they run one at a time, and again with every command."""

    workers: int = 1
    """Jobs at a time; more than one disturb each other's times."""
    resume: bool = False
    """Keep what was measured before."""


ALONE = ("seeds", "device")  # what a benchmark without trainings does not take
TOGETHER = (*ALONE, "workers", "engine", "ray_address", "gpus_per_job", "retries", "shard")  # and one of this machine


def parse(
    name: str,
    sweep: type[Common],
    job: type[Any],
    arguments: Sequence[str] | None,
    models: Sequence[str] | Callable[[], Sequence[str]] = (),
    fixed: Sequence[str] = (),
    about: Room | None = None,
) -> tuple[Any, dict[str, Any]]:
    """Read the command line of benchmark `name`: the sweep, and the job's settings that are not the sweep's.

    `models` are listed by the help; `fixed` are options of the sweep that this benchmark does not take; `about` describes
    a command that is not a benchmark itself, but has the presets of `name`. Exits with a message that shows what is allowed
    where an option is unknown or has a wrong value.
    """
    check_neighbours()
    words = list(sys.argv[1:] if arguments is None else arguments)
    words, modules = _taken(words, "import")
    with plain_errors():
        import_modules([part for value in modules for part in value.split(",") if part])
    known = models() if callable(models) else models
    parser, presets = _parser(about or room(name), sweep, job, known, fixed), presets_of(name)
    own_fields, job_fields = _fields(sweep), _fields(job)
    words, deep = _deep([_underscored(word, {**job_fields, **own_fields}) for word in words], job_fields)
    chosen = _preset(words, presets, parser)
    while True:
        preset = {k: v for k, v in presets[chosen].items() if about is None or k in job_fields} | {"preset": chosen}
        parser.set_defaults(preset)
        values = parser.parse_args([word for word in words if word != "--print_config"]).as_dict()
        values.pop("config", None), values.pop("import", None)
        if values["preset"] == chosen:
            break
        chosen = values["preset"]  # named in the configuration file, not on the command line
        words = [f"--preset={_preset([f'--preset={chosen}'], presets, parser)}", *words]
    for key, value in values.items():
        if isinstance(value, dict) and key in job_fields:
            values[key] = merged(preset.get(key) or {}, _typed(value))
    for path, value in deep:
        _put(values, path, _typed(value), parser)
        wanted = _leaf(job_fields[path[0]], len(path) - 1)
        if get_origin(wanted) is dict and not isinstance(value, dict):
            owner = "MODEL" if path[0] == "settings" else "NAME"
            parser.error(f"{path[0]} are given by name, got {path[-1]!r}: write --{path[0]}.{owner}.{path[-1]} {value}")
        if wanted in (int, float) and not isinstance(value, (int, wanted)):
            parser.error(f"--{'.'.join(path)} takes {form('', wanted)}, got {value!r}")
    if "--print_config" in words:
        print(yaml.safe_dump(_printable(values), sort_keys=False), end="")
        parser.exit(0)
    try:
        own = sweep(**{key: values.pop(key) for key in own_fields if key in values})
        own.all_seeds(), own.part(), own.chosen_engine()
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    return own, values


def presets_of(name: str) -> dict[str, dict[str, Any]]:
    """The presets of benchmark `name`: options by preset's name."""
    path = ROOMS / name / "presets.yaml"
    empty: dict[str, dict[str, Any]] = {"quick": {}, "default": {}, "paper": {}}
    return read_yaml(path, "the presets of a benchmark") if path.exists() else empty


def merged(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Two nests of dictionaries, those of `given` in place of those of `base` with the same names."""
    both = dict(base)
    for key, value in given.items():
        old = both.get(key)
        both[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return both


def _parser(about: Room, sweep: type[Common], job: type[Any], models: Sequence[str], fixed: Sequence[str]) -> Parser:
    """The parser of a benchmark, its description the benchmark's own question and what can be named."""
    hints = get_type_hints(job) | get_type_hints(sweep)
    text = f"{about.question}\n \n"
    text += f"models: {', '.join(models)}\n" if models else f"systems: {about.systems}\n"
    text += f"worlds: {', '.join(WORLDS)}\n" if "world" in hints else ""
    text += f"scores: {', '.join(SCORES)}\n" if {"scores", "names"} & hints.keys() else ""
    text += f"typical time: {about.time}"
    parser = Parser(
        prog=f"python -m benchmarks.{about.name}",
        usage=f"python -m benchmarks.{about.name} [--OPTION VALUE ...]",
        description=text,
        formatter_class=Lines,
        allow_abbrev=False,
        print_config=None,
    )
    parser.add_argument("--config", action="config", help="a YAML file with any of these options")
    parser.add_argument(
        "--print_config", action="store_true", default=argparse.SUPPRESS, help="print all values and exit"
    )
    parser.add_argument("--import", default="", help="modules, separated by commas, that register worlds or learners")
    seen: set[str] = {"print_config"}
    for cls in (sweep, job):
        fields = {field.name: field for field in dataclasses.fields(cls) if field.name not in (*fixed, *seen)}
        flags = [key for key in fields if get_type_hints(cls)[key] is bool]
        leave = ({field.name for field in dataclasses.fields(cls)} - fields.keys()) | set(flags)
        parser.add_class_arguments(cls, as_group=False, skip=leave)
        for key in flags:
            action = ActionYesNo(no_prefix="no-")
            parser.add_argument(f"--{key}", action=action, nargs="?", default=fields[key].default, help=_help(cls, key))
        seen |= fields.keys()
    parser.forms = {key: form(key, hint) for key, hint in hints.items()}
    if get_origin(hints.get("settings")) is dict:
        keyed = get_origin(get_args(hints["settings"])[1]) is dict
        for model in models:
            for setting in inspect.signature(MODELS[model]).parameters if model in MODELS else ():
                option = f"--settings.{f'{model}.' * keyed}{setting}"
                parser.hints.setdefault(setting, f" ({setting} is a setting of {model}: {option} VALUE)")
    return parser


def _help(cls: type[Any], name: str) -> str:
    """The docstring of a dataclass's attribute."""
    from docstring_parser import parse_from_object

    for known in cls.__mro__[:-1]:
        for found in parse_from_object(known).params:
            if found.arg_name == name and found.description:
                return found.description
    return ""


def form(name: str, hint: Any) -> str:
    """What an option of this type takes, in words and with an example."""
    if get_origin(hint) in (Union, types.UnionType):
        hint = next(part for part in get_args(hint) if part is not type(None))
    origin = get_origin(hint) or hint
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if origin in (tuple, list):
        return f"a list, such as --{name} '[{'1, 2' if int in get_args(hint) else '0.5, 1.0'}]'"
    if origin is dict:
        inner = get_args(hint)[1]
        deep = get_origin(inner) is dict
        value = {int: "8", float: "0.5"}.get(get_args(inner)[1] if deep else inner, "VALUE")
        which = "KEY.NAME" if deep else "NAME"
        return f"settings by name, such as --{name}.{which} {value}"
    words = {int: "a whole number, such as 3", float: "a number, such as 0.5", bool: "true or false", Path: "a path"}
    return words.get(origin, "a word")


def _fields(cls: type[Any]) -> dict[str, Any]:
    """The names of a dataclass's fields, with their types."""
    hints = get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def _underscored(word: str, known: Mapping[str, Any]) -> str:
    """`--ray-address` as `--ray_address`, where that is known."""
    name, equals, value = word.partition("=")
    plain = name.removeprefix("--").replace("-", "_")
    return f"--{plain}{equals}{value}" if name.startswith("--") and plain in known else word


def _taken(words: Sequence[str], name: str) -> tuple[list[str], list[str]]:
    """The words without `--name value` and `--name=value`, and those values."""
    kept, found, ahead = [], [], iter(words)
    for word in ahead:
        if word == f"--{name}":
            found.append(next(ahead, ""))
        elif word.startswith(f"--{name}="):
            found.append(word.partition("=")[2])
        else:
            kept.append(word)
    return kept, found


def _deep(words: Sequence[str], fields: Mapping[str, Any]) -> tuple[list[str], list[tuple[list[str], Any]]]:
    """The words without options into dictionaries, `--settings.beta_vae.beta 8`, and those: the path and the value."""
    kept, found, ahead = [], [], iter(words)
    for word in ahead:
        option, equals, value = word.partition("=")
        path = option.removeprefix("--").split(".")
        if option.startswith("--") and len(path) > 1 and get_origin(fields.get(path[0])) is dict:
            found.append((path, yaml.safe_load(value if equals else next(ahead, ""))))
        else:
            kept.append(word)
    return kept, found


def _leaf(hint: Any, depth: int) -> Any:
    """What a nest of dictionaries of this type holds at this depth."""
    for _ in range(depth):
        hint = get_args(hint)[1] if get_origin(hint) is dict else Any
    return hint


def _put(values: dict[str, Any], path: Sequence[str], value: Any, parser: Parser) -> None:
    """Put a value into a nest of dictionaries."""
    place = values
    for depth, key in enumerate(path[:-1]):
        place = place.setdefault(key, {})
        if not isinstance(place, dict):
            parser.error(f"--{'.'.join(path)}: {'.'.join(path[: depth + 1])} is {place}, which holds no settings")
    if isinstance(place.get(path[-1]), dict) and not isinstance(value, dict):
        parser.error(
            f"--{'.'.join(path)} takes settings by name, such as --{'.'.join(path)}.NAME {value}, got {value!r}"
        )
    old = place.get(path[-1])
    place[path[-1]] = merged(old, value) if isinstance(old, dict) else value


def _typed(value: Any) -> Any:
    """Numbers and truth values for words that stand for them, in what `--settings.gamma 1e-3` left as text."""
    if isinstance(value, dict):
        return {key: _typed(inner) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value


def _printable(value: Any) -> Any:
    """A nest of values as YAML writes them."""
    if isinstance(value, Mapping):
        return {key: _printable(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_printable(inner) for inner in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def _preset(words: Sequence[str], presets: dict[str, Any], parser: Parser) -> str:
    chosen = (_taken(words, "preset")[1] or ["default"])[-1]
    if chosen not in presets:
        parser.error(f"preset must be one of {', '.join(presets)}, got {chosen!r}")
    return chosen
