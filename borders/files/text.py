"""Texts, JSON, YAML and logs of JSON lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import IO, Any

import yaml

from borders.files.disk import LARGEST, read_bytes, write_atomically

LARGEST_TEXT = 64 << 20  # bytes; logs, which are read line by line, may have more
LARGEST_YAML_TEXT = 4 << 20  # bytes
LARGEST_YAML = 100_000  # values of a YAML file once its aliases are spelled out


def write_text(path: Path, text: str) -> None:
    """Write a text atomically."""
    write_atomically(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically; numpy's and torch's numbers count as Python's. TypeError names what JSON cannot hold."""
    try:
        text = json.dumps(content, indent=2, default=_number)
    except TypeError as error:
        raise TypeError(f"{path} cannot be written: {error}") from None
    write_text(path, text + "\n")


def _number(value: Any) -> Any:
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        return value.item()
    raise TypeError(f"JSON has no form for {value!r}, a {type(value).__name__}")


def write_yaml(path: Path, content: Any) -> None:
    """Write a YAML file atomically."""
    write_text(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


def append_line(path: Path, text: str) -> None:
    """Add one line to a log in one piece; OSError if `path` is a link."""
    with open_log(path) as file:
        file.write(text + "\n")


def open_log(path: Path) -> IO[str]:
    """A text file open for what is added at its end; OSError if `path` is a link."""
    mode = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    return open(os.open(path, mode, 0o666), "a", encoding="utf-8")


def read_text(path: Path, what: str, largest: int = LARGEST_TEXT) -> str:
    """The text of a file that should be `what`; ValueError if it is missing, no file, too large or not UTF-8."""
    try:
        return read_bytes(path, what, largest).decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} should be {what}, but it is not UTF-8 text: {error.reason}") from None


def read_json(path: Path, what: str, needs: tuple[str, ...] = ()) -> dict[str, Any]:
    """The object in a JSON file that should be `what` and hold the keys `needs`; ValueError says what it is instead."""
    return _object(path, what, needs, read_text(path, what))


def _object(path: Path, what: str, needs: tuple[str, ...], text: str, where: str = "it") -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        said = "is empty" if not text.strip() else f"is no JSON: {str(error) or 'nested too deeply'}"
        raise ValueError(f"{path} should be {what}, but {where} {said}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} should be {what}, but {where} holds a {type(found).__name__}, not an object")
    missing = [key for key in needs if key not in found]
    if missing:
        raise ValueError(f"{path} should be {what}, but {where} has no {', '.join(missing)}")
    return found


def read_log(path: Path, what: str, needs: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The objects in a file of JSON lines; a last line that was broken off is left out, any other fault a ValueError."""
    text = read_text(path, what, LARGEST)
    lines = text.split("\n")[:-1]
    return [_object(path, what, needs, line, f"line {number}") for number, line in enumerate(lines, 1)]


class _Loader(yaml.SafeLoader):
    """YAML's plain types, aliases allowed as long as their sum stays small."""

    def get_single_node(self) -> Any:
        """The document's tree, checked before anything is made of it."""
        node = super().get_single_node()
        if node is not None and _spelled_out(node, {}) > LARGEST_YAML:
            raise yaml.YAMLError(f"it holds more than {LARGEST_YAML:,} values once its aliases are spelled out")
        return node


def _spelled_out(node: Any, known: dict[int, int | None]) -> int:
    if id(node) not in known:
        known[id(node)] = None
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        inner = parts if isinstance(node, yaml.CollectionNode) else []
        known[id(node)] = 1 + sum(_spelled_out(part, known) for part in inner)
    size = known[id(node)]
    if size is None:
        raise yaml.YAMLError("an alias stands for something that holds itself")
    return size


def read_yaml(path: Path, what: str, needs: tuple[str, ...] = ()) -> dict[str, Any]:
    """The mapping in a YAML file that should be `what` and hold the keys `needs`; ValueError says what it is instead.

    Only plain types are made, and aliases that multiply into a huge document are refused.
    """
    try:
        found = yaml.load(read_text(path, what, LARGEST_YAML_TEXT), _Loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, ValueError) and str(error).startswith(str(path)):
            raise
        raise ValueError(f"{path} should be {what}, but it is no YAML: {error or 'nested too deeply'}") from None
    if not isinstance(found, dict):
        said = "is empty" if found is None else f"holds a {type(found).__name__}, not a mapping"
        raise ValueError(f"{path} should be {what}, but it {said}")
    missing = [key for key in needs if key not in found]
    if missing:
        raise ValueError(f"{path} should be {what}, but it has no {', '.join(missing)}")
    return found
