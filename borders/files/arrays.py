"""Arrays in npz and idx files: headers first, up to a limit, and never executed.

idx file = 0, 0, type (8: unsigned byte), rank, size of every axis (4 bytes, big endian), then the bytes in row order
"""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from borders.checked import checked
from borders.files.disk import LARGEST, check_file, home, read_bytes, write_atomically

DAMAGED = (OSError, EOFError, ValueError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile, zlib.error)


def write_npz(path: Path, arrays: Mapping[str, ArrayLike]) -> None:
    """Write arrays to an npz file atomically; TypeError for one of objects, which would be pickled."""
    plain = {name: np.asarray(values) for name, values in arrays.items()}
    for name, values in plain.items():
        if values.dtype.hasobject:
            raise TypeError(f"{path} cannot be written: its array {name!r} is one of objects")
    write_atomically(path, lambda partial: np.savez_compressed(partial, **plain))  # type: ignore[arg-type]


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
        check_file(path, what, LARGEST)

    def __enter__(self) -> NpzFile:
        try:
            with self.path.open("rb") as file:
                single = file.read(6) == b"\x93NUMPY"
            if single:
                raise ValueError("it is a single array (.npy), not an .npz")
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

    def stream(self, name: str) -> IO[bytes]:
        """The bytes of one array, its header first."""
        if f"{name}.npy" not in self._archive.namelist():
            raise ValueError(f"it has no array {name!r}, its arrays are {', '.join(self.names) or 'none'}")
        if self._archive.getinfo(f"{name}.npy").flag_bits & 1:
            raise ValueError(f"its array {name!r} is encrypted")
        return self._archive.open(f"{name}.npy")

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype, int]:
        """Shape, type and bytes of an array, which the archive holds whole and which is none of objects."""
        with self.stream(name) as stream:
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
        with self.stream(name) as stream:
            return np.lib.format.read_array(stream, allow_pickle=False)


def header_of(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Shape, whether in Fortran's order, and type of the array whose bytes begin here."""
    try:
        if np.lib.format.read_magic(stream) == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)
    except Exception as error:  # numpy reads the header as Python's tokens, which fail in many ways
        raise ValueError(f"the header of an array is damaged: {error}") from None


@checked
def read_idx(path: str | Path) -> np.ndarray:
    """The array in the idx file at `path`, plain or .gz: uint8 with the axes that the file names; see `parse_idx`."""
    return parse_idx(read_bytes(home(path), "an idx file"), str(home(path)))


@checked
def parse_idx(content: bytes, where: str) -> np.ndarray:
    """The array in the bytes of an idx file, uint8 with the axes that its header names.

    Raises ValueError, naming `where` and what was expected, if it is cut short, too long or no idx file of bytes.
    """
    if len(content) < 4 or content[:3] != b"\x00\x00\x08" or content[3] == 0:
        got = content[:4].hex(" ") or "nothing"
        raise ValueError(
            f"{where}: expected the magic number of an idx file of bytes, 00 00 08 and the rank, got {got}"
        )
    start = 4 + 4 * content[3]
    if len(content) < start:
        raise ValueError(f"{where}: expected a header of {start} bytes, but the file ends after {len(content)}")
    sizes = struct.unpack(f">{content[3]}I", content[4:start])
    expected = start + math.prod(sizes)
    if len(content) != expected:
        raise ValueError(
            f"{where}: expected {expected} bytes for sizes {sizes}, got {len(content)}: cut short or damaged"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)
