"""The published dSprites file, read as packed rows but never shipped.

`dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz` holds `imgs` uint8 [N, 64, 64] of 0 and 1, `latents_classes` int64
[N, 6] and `latents_values` float64 [N, 6] with the columns colour, shape, scale, orientation, x, y; picture n is the
n-th combination, the last column running fastest. Its array `metadata` is a pickle and is not opened. The pictures
would take 3 GB, so they are read in slices, a pixel to a bit.
"""

from __future__ import annotations

from pathlib import Path
from typing import IO

import numpy as np
import torch
from torch import Tensor

from borders import checked
from borders.files import NpzFile, data_folder, header_of
from envs.world import Factor

NAME = "dsprites_ndarray_co1sh3sc6or40x32y32_64x64.npz"
SOURCE = "https://github.com/google-deepmind/dsprites-dataset"
SLICE = 8192


def find_file(path: str | Path | None) -> Path | None:
    """The file that `path` (a file or a folder) or the folder in DISCO_DATA leads to; None if nothing was named.

    Raises FileNotFoundError if `path` was given and leads to no file.
    """
    if path is None:
        folder = data_folder()
        file = folder / NAME if folder else None
        return file if file is not None and file.is_file() else None
    given = Path(path).expanduser()
    file = given / NAME if given.is_dir() else given
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist; expected the dSprites file {NAME}, published at {SOURCE}")
    return file


class StoredPictures:
    """A picture for every combination of factor values: `rows` int64 [N, 64] and the `values` of each factor."""

    def __init__(self, rows: Tensor, values: list[tuple[float, ...]]) -> None:
        self.values = values
        sizes = [len(v) for v in values]
        self._stride = torch.tensor([int(np.prod(sizes[k + 1 :])) for k in range(len(sizes))])
        self._rows = {rows.device: rows}

    def factors(self, drawn: tuple[Factor, ...]) -> tuple[Factor, ...]:
        """The drawn world's factors with the file's values in their place."""
        shape, scale, orientation, x, y = drawn
        return (
            Factor.categorical(shape.name, len(self.values[0])),
            Factor.ordinal(scale.name, self.values[1], scale.unit),
            Factor.circular(orientation.name, orientation.high, orientation.unit, self.values[2]),
            Factor.ordinal(x.name, self.values[3], x.unit),
            Factor.ordinal(y.name, self.values[4], y.unit),
        )

    def rows(self, index: Tensor) -> Tensor:
        """The packed rows [n, 64] of class indices int64 [n, 5], on the indices' device."""
        if index.device not in self._rows:
            self._rows[index.device] = next(iter(self._rows.values())).to(index.device)
        return self._rows[index.device].index_select(0, (index * self._stride.to(index.device)).sum(1))


@checked
def read_file(file: Path) -> StoredPictures:
    """Read a file in the published format. Raises ValueError that says what is wrong with it."""
    expected = (
        f"{NAME} with imgs uint8 [N, 64, 64], latents_classes and latents_values [N, 6], the dSprites file published at "
        f"{SOURCE}"
    )
    with NpzFile(file, expected) as arrays:
        classes = arrays.read("latents_classes")
        values = _grid(classes, arrays.read("latents_values"))
        shape, dtype, _ = arrays.header("imgs")
        if shape != (len(classes), 64, 64) or dtype != np.uint8:
            raise ValueError(f"imgs is {dtype} {shape}, not uint8 ({len(classes)}, 64, 64)")
        with arrays.stream("imgs") as stream:
            rows = _packed(stream, len(classes))
    return StoredPictures(rows, values)


def _grid(classes: np.ndarray, latents: np.ndarray) -> list[tuple[float, ...]]:
    """The values of the last five columns, once it is sure that the rows are all combinations in order."""
    if classes.ndim != 2 or classes.shape[1] != 6 or latents.shape != classes.shape or not len(classes):
        raise ValueError(f"latents have the shapes {classes.shape} and {latents.shape}, not [N, 6]")
    sizes = classes.max(0) + 1
    if np.prod(sizes) != len(classes) or sizes[0] != 1:
        raise ValueError(
            f"{len(classes)} pictures are not the {' x '.join(map(str, sizes))} combinations of the classes"
        )
    if not np.array_equal(classes, np.stack(np.unravel_index(np.arange(len(classes)), tuple(sizes)), axis=1)):
        raise ValueError("latents_classes is not in the published order")
    stride = [int(np.prod(sizes[k + 1 :])) for k in range(6)]
    values = [latents[np.arange(sizes[k]) * stride[k], k] for k in range(1, 6)]
    if not all(np.isfinite(v).all() and (np.diff(v) > 0).all() for v in values):
        raise ValueError("latents_values do not rise with latents_classes")
    return [tuple(v.tolist()) for v in values]


def _packed(stream: IO[bytes], count: int) -> Tensor:
    """Read `imgs` slice by slice into int64 [count, 64]: pictures, or in Fortran's order pixels, one after the other."""
    if header_of(stream)[1]:
        return _packed_pixels(stream, count)
    rows = np.empty((count, 64), dtype="<i8")
    for start in range(0, count, SLICE):
        want = min(SLICE, count - start) * 4096
        chunk = np.frombuffer(stream.read(want), dtype=np.uint8)
        if len(chunk) != want:
            raise ValueError(f"imgs ends after {start + len(chunk) // 4096} of {count} pictures")
        if chunk.max() > 1:
            raise ValueError("imgs holds values other than 0 and 1")
        rows[start : start + SLICE] = np.packbits(chunk, bitorder="little").view("<i8").reshape(-1, 64)
    return torch.from_numpy(rows)


def _packed_pixels(stream: IO[bytes], count: int) -> Tensor:
    rows = np.zeros((64, count), dtype="<i8")
    for column in range(64):
        for row in range(64):
            pixel = np.frombuffer(stream.read(count), dtype=np.uint8)
            if len(pixel) != count or pixel.max() > 1:
                what = "holds values other than 0 and 1" if len(pixel) == count else "ends too early"
                raise ValueError(f"imgs, in Fortran's order, {what} at row {row}, column {column}")
            rows[row] |= pixel.astype("<i8") << column
    return torch.from_numpy(np.ascontiguousarray(rows.T))
