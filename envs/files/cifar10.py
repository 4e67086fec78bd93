"""The published CIFAR-10 pictures (Krizhevsky 2009), read from the binary files where somebody has them.

`data_batch_1.bin` .. `data_batch_5.bin` and `test_batch.bin` hold 10,000 records each: one byte of class, then 32 x 32
pixels of red, of green and of blue, row by row. The Python version of the data set is pickled and is not read.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from borders import checked
from borders.files import data_folder, read_bytes

RECORDS = 10_000
SHAPE = (3, 32, 32)
CLASSES = 10
FOLDER = "cifar-10-batches-bin"
FILES = {"train": tuple(f"data_batch_{k}.bin" for k in range(1, 6)), "test": ("test_batch.bin",)}
ORIGIN = "CIFAR-10, binary version (Krizhevsky 2009; https://www.cs.toronto.edu/~kriz/cifar.html)"


@checked
def load_cifar10(split: Literal["train", "test"], path: str | Path | None = None) -> tuple[Tensor, Tensor]:
    """Pictures uint8 [N, 3, 32, 32] and classes int64 [N] of a split: 50,000 to train on, 10,000 to test on.

    They are looked for in `path`, or in the folder that DISCO_DATA names, and in its folder `cifar-10-batches-bin`.
    Raises FileNotFoundError or ValueError that says which file, what was expected and where it is published.
    """
    root = data_folder(path)
    if not root:
        raise FileNotFoundError(
            f"no folder to look for {FILES[split][0]} in: set path or DISCO_DATA; it is of {ORIGIN}"
        )
    parts = [_records(_find(root, name)) for name in FILES[split]]
    records = torch.from_numpy(np.concatenate(parts))
    return records[:, 1:].reshape(-1, *SHAPE), records[:, 0].long()


def _find(root: Path, name: str) -> Path:
    for file in (root / name, root / FOLDER / name):
        if file.is_file():
            return file
    raise FileNotFoundError(f"no file {name} in {root} or its folder {FOLDER}; it is of {ORIGIN}")


def _records(file: Path) -> np.ndarray:
    """The records of one file, uint8 [RECORDS, 1 + 3072]."""
    size = 1 + int(np.prod(SHAPE))
    content = np.frombuffer(read_bytes(file, f"a file of {ORIGIN}"), np.uint8)
    if len(content) != RECORDS * size:
        raise ValueError(f"{file}: expected {RECORDS * size} bytes, got {len(content)}: cut short, or not of {ORIGIN}")
    records = content.reshape(RECORDS, size)
    if records[:, 0].max() >= CLASSES:
        raise ValueError(
            f"{file}: expected classes 0 to {CLASSES - 1}, got {records[:, 0].max()}; it should be of {ORIGIN}"
        )
    return records
