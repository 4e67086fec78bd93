"""The parser of a benchmark's options: help that says what each is for, errors that show the form it takes."""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import sys
import textwrap
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn, Union, get_args, get_origin, get_type_hints

from jsonargparse import ActionYesNo, ArgumentParser, DefaultHelpFormatter, set_parsing_settings

from benchmarks.harness.options import Common, nearest
from benchmarks.harness.rooms import Room
from benchmarks.metrics import SCORES
from envs import WORLDS
from representations import MODELS

set_parsing_settings(docstring_parse_attribute_docstrings=True)

UNKNOWN = "unrecognized arguments: "
NEAR = 6  # known words that a message about an unknown one names


class Lines(DefaultHelpFormatter):
    """Help whose description keeps its lines, and whose switches fit into one."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        folded = (textwrap.fill(line, width, subsequent_indent="  ") for line in text.splitlines())
        return "\n".join(folded)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        if isinstance(action, ActionYesNo):
            return " [true|false], ".join(action.option_strings)
        return super()._format_action_invocation(action)


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


def parser_of(about: Room, sweep: type[Common], job: type[Any], models: Sequence[str], fixed: Sequence[str]) -> Parser:
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
