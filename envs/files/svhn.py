"""The published Street View House Numbers (Netzer et al. 2011), cropped digits, where somebody has their files.

`train_32x32.mat` and `test_32x32.mat` hold `X`, uint8 [32, 32, 3, N], and `y` [N, 1], whose classes are 1 to 10: 10 is the
digit 0. MATLAB's format holds no code that is executed.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from borders.files import LARGEST, data_folder, read_bytes

ORIGIN = "SVHN, cropped digits (Netzer et al. 2011; http://ufldl.stanford.edu/housenumbers)"
FILES = {"train": ("train_32x32.mat",), "test": ("test_32x32.mat",), "all": ("train_32x32.mat", "test_32x32.mat")}
SHAPE = (32, 32, 3)


def load_svhn(
    split: Literal["all", "train", "test"] = "all", path: str | Path | None = None
) -> tuple[NDArray, NDArray]:
    """Pictures uint8 [N, 3, 32, 32] and digits uint8 [N] of a split: 73,257 to train on, 26,032 to test on, or both.

    They are looked for in `path`, or in the folder that DISCO_DATA names, and in its folder `svhn`. Raises FileNotFoundError
    or ValueError that says which file, what was expected and where it is published.
    """
    root = data_folder(path)
    if not root:
        raise FileNotFoundError(
            f"no folder to look for {FILES[split][0]} in: set path or DISCO_DATA; it is of {ORIGIN}"
        )
    parts = [read_svhn(_find(root, name)) for name in FILES[split]]
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _find(root: Path, name: str) -> Path:
    for file in (root / name, root / "svhn" / name):
        if file.is_file():
            return file
    raise FileNotFoundError(f"no file {name} in {root} or its folder svhn; it is of {ORIGIN}")


def read_svhn(file: Path) -> tuple[NDArray, NDArray]:
    """Pictures uint8 [N, 3, 32, 32] and digits uint8 [N] of one file; ValueError says what is wrong with another."""
    from scipy.io import loadmat, whosmat

    content = read_bytes(file, f"a file of {ORIGIN}")
    try:
        told = {name: shape for name, shape, _ in whosmat(io.BytesIO(content))}
        sizes = [int(np.prod(told.get(name, ()), dtype=np.int64)) for name in ("X", "y")]
        if sum(sizes) > LARGEST:
            raise ValueError(f"it unpacks to more than {LARGEST:,} bytes")
        found = loadmat(io.BytesIO(content), variable_names=("X", "y"))
    except Exception as error:  # scipy reads the bytes as they come, which fail in many ways
        raise ValueError(f"{file} should be a file of {ORIGIN}, but it is damaged or another file: {error}") from None
    if not {"X", "y"} <= found.keys():
        raise ValueError(
            f"{file} should be a file of {ORIGIN} with X and y, but it holds {', '.join(told) or 'nothing'}"
        )
    x, y = found["X"], np.asarray(found["y"])
    if x.dtype != np.uint8 or x.shape[:3] != SHAPE or x.ndim != 4 or y.size != x.shape[3] or not y.size:
        raise ValueError(
            f"{file}: expected X uint8 [32, 32, 3, N] and y [N, 1], got X {x.dtype} {list(x.shape)} and y {list(y.shape)}; "
            f"it should be of {ORIGIN}"
        )
    classes = np.unique(y)
    if not np.array_equal(classes, np.arange(1, 11)):
        raise ValueError(f"{file}: expected the classes 1 to 10, got {classes.tolist()[:12]}; it should be of {ORIGIN}")
    return np.ascontiguousarray(x.transpose(3, 2, 0, 1)), (y.reshape(-1) % 10).astype(np.uint8)
