"""Arrays that people have on disk: found below DISCO_DATA, unpacked up to a limit, and never executed.

Every foreign or damaged file is answered with a ValueError that names it and says what it should be.
"""

from __future__ import annotations

import gzip
import math
import os
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

LARGEST = 2 << 30  # bytes of everything that is unpacked at once
DAMAGED = (OSError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


def data_folder(path: str | Path | None = None) -> Path | None:
    """`path`, or the folder that the variable DISCO_DATA names, with `~` as the home folder; None if neither is given."""
    named = path or os.environ.get("DISCO_DATA")
    return Path(named).expanduser() if named else None


def read_bytes(path: Path, what: str, largest: int = LARGEST) -> bytes:
    """The content of a file that should be `what`, unpacked where its name ends in .gz."""
    size = _size(path, what)
    if size > largest:
        raise ValueError(f"{path} should be {what}, but it has {size:,} bytes, more than {largest:,}")
    content = path.read_bytes()
    return unpack(content, str(path), what, largest) if path.suffix == ".gz" else content


def unpack(content: bytes, where: str, what: str, largest: int = LARGEST) -> bytes:
    """What a gzip file's content holds; ValueError if it is damaged or unpacks to more than `largest` bytes."""
    import io

    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as stream:
            found = stream.read(largest + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"{where} should be {what}, a whole gzip file, but it does not unpack: {error}") from None
    if len(found) > largest:
        raise ValueError(f"{where} should be {what}, but it unpacks to more than {largest:,} bytes")
    return found


def read_npz(path: Path, what: str, names: Sequence[str] = (), largest: int = LARGEST) -> dict[str, NDArray]:
    """The arrays `names` of an npz file that should be `what`, all of them unless told.

    Arrays of objects, which are pickles, are refused, and so is what unpacks to more than `largest` bytes.
    """
    with NpzFile(path, what) as file:
        wanted = names or file.names
        sizes = {name: file.header(name)[2] for name in wanted}
        if sum(sizes.values()) > largest:
            raise ValueError(f"{path} should be {what}, but it unpacks to more than {largest:,} bytes")
        return {name: file.read(name) for name in wanted}


class NpzFile:
    """An open npz file, `with NpzFile(path, what) as file: ...`, whose headers are known before an array is read.

    What goes wrong inside with the file itself leaves as a ValueError that names it.
    """

    def __init__(self, path: Path, what: str) -> None:
        self.path, self.what = path, what
        _size(path, what)

    def __enter__(self) -> NpzFile:
        with self.path.open("rb") as file:
            if file.read(6) == b"\x93NUMPY":
                raise ValueError(f"{self.path} should be {self.what}, but it is a single array (.npy), not an .npz")
        try:
            self._archive = zipfile.ZipFile(self.path)
        except DAMAGED as error:
            raise self._wrong(error) from None
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._archive.close()
        if isinstance(error, DAMAGED) and not str(error).startswith(str(self.path)):
            raise self._wrong(error) from error

    def _wrong(self, error: BaseException) -> ValueError:
        said = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
        return ValueError(
            f"{self.path} should be {self.what}, but it is damaged or another file: {said or repr(error)}"
        )

    @property
    def names(self) -> list[str]:
        """The arrays' names."""
        return [name.removesuffix(".npy") for name in self._archive.namelist()]

    def open(self, name: str) -> IO[bytes]:
        """The bytes of one array, its header first."""
        if f"{name}.npy" not in self._archive.namelist():
            raise ValueError(f"it has no array {name!r}, its arrays are {', '.join(self.names) or 'none'}")
        if self._archive.getinfo(f"{name}.npy").flag_bits & 1:
            raise ValueError(f"its array {name!r} is encrypted")
        return self._archive.open(f"{name}.npy")

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype, int]:
        """Shape, type and bytes of an array, which the archive holds whole and which is none of objects."""
        with self.open(name) as stream:
            shape, _, dtype = header_of(stream)
            if dtype.hasobject:
                raise ValueError(f"its array {name!r} is one of objects, a pickle, which could execute code")
            size, held = math.prod(shape) * dtype.itemsize, self._archive.getinfo(f"{name}.npy").file_size
            if size != held - stream.tell():
                raise ValueError(f"its array {name!r} says {size:,} bytes, shape {shape}, but {held:,} are there")
        return shape, dtype, size

    def read(self, name: str) -> NDArray:
        """One array."""
        self.header(name)
        with self.open(name) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)


def header_of(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and type of the array whose bytes begin here."""
    try:
        if np.lib.format.read_magic(stream) == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # numpy reads the header as Python's tokens, which fail in many ways
        raise ValueError(f"the header of an array is damaged: {error}") from None


def _size(path: Path, what: str) -> int:
    try:
        about = path.stat()
    except OSError as error:
        raise ValueError(f"{path} should be {what}, but it cannot be read: {error.strerror}") from None
    if not stat.S_ISREG(about.st_mode):
        found = "a folder" if stat.S_ISDIR(about.st_mode) else "no ordinary file"
        raise ValueError(f"{path} should be {what}, but it is {found}")
    return about.st_size
