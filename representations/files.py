"""Where our own files are written and read: whole or not at all, UTF-8 whatever the locale, and one process a folder.

Reading answers every foreign or damaged file with a ValueError that names it and says what it should be. A file is written
beside its place under a name that nobody can foresee and that is new, then put in place, so that two writers never
share one, a reader never sees half of one, and a link that somebody planted is replaced, not followed.
"""

from __future__ import annotations

import errno
import json
import os
import re
import secrets
import socket
import stat
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import torch
import yaml
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save_file
from torch import Tensor

LARGEST_TEXT = 64 << 20  # bytes of a JSON, YAML or log file
LARGEST_YAML = 100_000  # values of a YAML file once its aliases are spelled out
CHECKSUM = "crc32"


def home(path: str | Path) -> Path:
    """The path with `~` as the home folder."""
    return Path(path).expanduser()


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a new file beside `path`, then put it in place; whatever goes wrong, the old file survives."""
    partial = path.with_name(f".{path.stem}.{os.getpid()}-{secrets.token_hex(4)}.partial{path.suffix}")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        write(partial)
        with partial.open("r+b") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def set_aside(path: Path) -> None:
    """Rename a file to `previous-` and its name, where there is one."""
    if path.exists():
        os.replace(path, path.with_name(f"previous-{path.name}"))


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
    mode = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    with open(os.open(path, mode, 0o666), "a", encoding="utf-8") as file:
        file.write(text + "\n")


def read_text(path: Path, what: str) -> str:
    """The text of a file that should be `what`; ValueError if it is missing, no file, too large or not UTF-8."""
    check_file(path, what, LARGEST_TEXT)
    try:
        return path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} should be {what}, but it is not UTF-8 text: {error.reason}") from None
    except OSError as error:
        raise ValueError(f"{path} should be {what}, but it cannot be read: {error.strerror}") from None


def check_file(path: Path, what: str, largest: int | None = None) -> None:
    """Raise ValueError unless `path` is a file (no folder, pipe or device) of at most `largest` bytes."""
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{path} should be {what}, but there is no such file") from None
    except OSError as error:
        raise ValueError(f"{path} should be {what}, but it cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(about.st_mode):
        found = "a folder" if stat.S_ISDIR(about.st_mode) else "no ordinary file"
        raise ValueError(f"{path} should be {what}, but it is {found}")
    if largest is not None and about.st_size > largest:
        raise ValueError(f"{path} should be {what}, but it has {about.st_size:,} bytes, more than {largest:,}")


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
    text = read_text(path, what)
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
        found = yaml.load(read_text(path, what), _Loader)
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


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors, each with memory of its own on the CPU, to a safetensors file, and a checksum in its metadata.

    OSError where the disk is full, or the file cannot be written for another reason.
    """
    about = {**(metadata or {}), CHECKSUM: _checksum(tensors)}
    try:
        write_atomically(path, lambda partial: save_file(dict(tensors), partial, about))
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        code = int(number[1]) if number else errno.EIO
        raise OSError(code, os.strerror(code), str(path)) from error


def read_tensors(path: Path, what: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and the metadata of a safetensors file; ValueError says what is wrong with another.

    Tensors that do not fit the checksum in the metadata are damaged; a file from elsewhere needs none.
    """
    check_file(path, what)
    try:
        content = path.read_bytes()  # opened once: header and tensors are of one file, also where another replaces it
        tensors = load_tensors(content)
        size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + size]).get("__metadata__", {})
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ValueError(f"{path} should be {what}, but it is damaged or no safetensors file: {error}") from None
    if CHECKSUM in metadata and metadata[CHECKSUM] != _checksum(tensors):
        raise ValueError(f"{path} should be {what}, but it is damaged: its tensors do not fit its checksum")
    return tensors, metadata


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    found = 0
    for key in sorted(tensors):
        value = tensors[key].contiguous()
        found = zlib.crc32(f"{key} {value.dtype} {list(value.shape)}".encode(), found)
        found = zlib.crc32(value.view(-1).view(torch.uint8).numpy().data, found)
    return f"{found:08x}"


_claimed: dict[tuple[Path, str], tuple[FileLock, int]] = {}
_guard = threading.RLock()


class FolderInUse(RuntimeError):
    """Another process has claimed the folder."""


@contextmanager
def claimed(folder: Path, patience: float = 1.0, use: str = "run") -> Iterator[None]:
    """Make `folder` and keep it, for one use, for this process; the end of the process, however it comes, sets it free.

    Inside, what broken writers left behind is gone. FolderInUse says which process has the folder if it is not free
    within `patience` seconds. The process that has it may ask again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = folder.resolve()
    lock_file, owner = place / f".{use}.lock", place / f".{use}.json"
    with _guard:
        lock, count = _claimed.get((place, use)) or (FileLock(lock_file), 0)
        try:
            if not count:
                lock.acquire(timeout=patience)
                _say_who(place, owner)
        except Timeout:
            raise FolderInUse(f"{folder} is in use by {_who(owner)}; wait for it, or name another folder") from None
        _claimed[place, use] = lock, count + 1
    try:
        yield
    finally:
        with _guard:
            lock, count = _claimed.pop((place, use))
            if count > 1:
                _claimed[place, use] = lock, count - 1
            else:
                with suppress(OSError):
                    owner.unlink(missing_ok=True)
                lock.release()


def _say_who(place: Path, owner: Path) -> None:
    for left in [*place.glob(".*.partial*"), *place.glob("*/.*.partial*")]:
        left.unlink(missing_ok=True)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    command = " ".join(Path(sys.argv[0] or "python").parts[-2:])
    with suppress(OSError):  # on a full disk the folder is kept all the same
        write_json(owner, {"process": os.getpid(), "host": socket.gethostname(), "since": since, "command": command})


def _who(owner: Path) -> str:
    try:
        about = read_json(owner, "a note of who has the folder", ("process", "host", "since", "command"))
    except ValueError:
        return "another process"
    return f"process {about['process']} on {about['host']} since {about['since']} ({about['command']})"
