"""Bytes on a disk: where they are looked for, how they are read up to a limit, and how they are put in place at once."""

from __future__ import annotations

import gzip
import io
import os
import secrets
import stat
import zlib
from collections.abc import Callable
from pathlib import Path

LARGEST = 2 << 30  # bytes of everything that is read or unpacked at once


def home(path: str | Path) -> Path:
    """The path with `~` as the home folder."""
    return Path(path).expanduser()


def data_folder(path: str | Path | None = None) -> Path | None:
    """`path`, or the folder that the variable DISCO_DATA names, with `~` as the home folder; None if neither is given."""
    named = path or os.environ.get("DISCO_DATA")
    return home(named) if named else None


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


def write_bytes(path: Path, content: bytes) -> None:
    """Write bytes atomically."""
    write_atomically(path, lambda partial: partial.write_bytes(content))


def set_aside(path: Path) -> None:
    """Rename a file to `previous-` and its name, where there is one."""
    if path.exists():
        os.replace(path, path.with_name(f"previous-{path.name}"))


def check_file(path: Path, what: str, largest: int = LARGEST) -> None:
    """Raise ValueError unless `path` is a file (no folder, pipe or device) of at most `largest` bytes."""
    try:
        about = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(f"{path} should be {what}, but there is no such file") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} should be {what}, but it cannot be read: {_reason(error)}") from None
    if not stat.S_ISREG(about.st_mode):
        found = "a folder" if stat.S_ISDIR(about.st_mode) else "no ordinary file"
        raise ValueError(f"{path} should be {what}, but it is {found}")
    if about.st_size > largest:
        raise ValueError(f"{path} should be {what}, but it has {about.st_size:,} bytes, more than {largest:,}")


def read_bytes(path: Path, what: str, largest: int = LARGEST) -> bytes:
    """The content of a file that should be `what`, unpacked where its name ends in .gz; ValueError names another."""
    check_file(path, what, largest)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} should be {what}, but it cannot be read: {_reason(error)}") from None
    return unpack(content, str(path), what, largest) if path.suffix == ".gz" else content


def unpack(content: bytes, where: str, what: str, largest: int = LARGEST) -> bytes:
    """What a gzip file's content holds; ValueError if it is damaged or unpacks to more than `largest` bytes."""
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            found = stream.read(largest + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{where} should be {what}, a whole gzip file, but it does not unpack: {error}") from None
    if len(found) > largest:
        raise ValueError(f"{where} should be {what}, but it unpacks to more than {largest:,} bytes")
    return found


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
