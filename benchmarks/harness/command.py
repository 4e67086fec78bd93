"""The command line of every benchmark, made from its dataclasses.

Values come from, in rising order: the dataclass, the preset (`presets.yaml` in the benchmark's room), `--config FILE`,
the options. Dictionaries are merged, name by name: `--settings.beta_vae.beta 8` leaves the preset's other settings.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_args, get_origin, get_type_hints

import yaml

from benchmarks.harness.ending import plain_errors
from benchmarks.harness.options import Common
from benchmarks.harness.own import import_modules
from benchmarks.harness.parser import Parser, form, parser_of
from benchmarks.harness.rooms import ROOMS, Room, room
from benchmarks.harness.runs import check_neighbours
from borders.files import home, read_yaml


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
    parser, presets = parser_of(about or room(name), sweep, job, known, fixed), presets_of(name)
    own_fields, job_fields = _fields(sweep), _fields(job)
    words, deep = _deep([_underscored(word, {**job_fields, **own_fields}) for word in words], job_fields)
    for file in _taken(words, "config")[1]:  # before jsonargparse, which would spell out whatever its aliases stand for
        if home(file).is_file():
            try:
                read_yaml(home(file), "a YAML file with options by name")
            except ValueError as error:
                parser.error(str(error))
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
