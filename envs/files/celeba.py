"""What is said of CelebA's faces (Liu et al. 2015), where somebody has its files: 40 attributes, and who it is.

`list_attr_celeba.txt` has the number of pictures, then the attributes' names, then a line a picture: its file, and 1 or -1
for every attribute. `identity_CelebA.txt` has a line a picture too: its file and a number. The aligned pictures, 178 x 218,
are in `img_align_celeba`.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from borders import nearest
from borders.files import read_text

ORIGIN = "CelebA, aligned (Liu et al. 2015; https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html)"
ATTRIBUTES, IDENTITIES, PICTURES = "list_attr_celeba.txt", "identity_CelebA.txt", "img_align_celeba"


class Told(NamedTuple):
    """Picture files [n], the attributes' names [K], which there are bool [n, K], and who it is, int64 [n]."""

    files: tuple[Path, ...]
    names: tuple[str, ...]
    attributes: NDArray[np.bool_]
    identities: NDArray[np.int64]


def is_celeba(folder: Path) -> bool:
    """Whether a folder has the file of attributes."""
    return (folder / ATTRIBUTES).is_file()


def load_celeba(folder: Path, attributes: tuple[str, ...] = (), most: int | None = None) -> Told:
    """What the files in `folder` say of the first `most` pictures, of all unless told; of `attributes`, all unless named.

    Raises FileNotFoundError or ValueError that says which file, what was expected and where it is published.
    """
    for name in (ATTRIBUTES, IDENTITIES, PICTURES):
        if not (folder / name).exists():
            raise FileNotFoundError(f"no {name} in {folder}; it is of {ORIGIN}")
    first, heads, *lines = _lines(folder / ATTRIBUTES, 2)
    names = tuple(heads)
    chosen = attributes or names
    for name in chosen:
        if name not in names:
            raise ValueError(f"CelebA has no attribute {name!r}; its attributes are {nearest(name, names)}")
    if first != [str(len(lines))]:
        raise ValueError(
            f"{folder / ATTRIBUTES}: expected as many lines as its first says, {' '.join(first)[:20]}, got {len(lines)}: cut "
            f"short, or not of {ORIGIN}"
        )
    lines = lines[:most]
    values = [
        _entries(folder / ATTRIBUTES, place + 3, line, len(names), ("1", "-1")) for place, line in enumerate(lines)
    ]
    known = {
        line[0]: _entries(folder / IDENTITIES, place + 1, line, 1)[0]
        for place, line in enumerate(_lines(folder / IDENTITIES, 1))
    }
    files = [line[0] for line in lines]
    missing = next((name for name in files if name not in known), None)
    if missing is not None:
        raise ValueError(f"{folder / IDENTITIES}: expected a line for {missing}; it should be of {ORIGIN}")
    places = [names.index(name) for name in chosen]
    there = np.array(values).reshape(len(files), len(names))[:, places] > 0
    return Told(
        tuple(folder / PICTURES / name for name in files),
        tuple(chosen),
        there,
        np.array([known[name] for name in files], np.int64),
    )


def _lines(file: Path, least: int) -> list[list[str]]:
    lines = [line.split() for line in read_text(file, f"a file of {ORIGIN}").splitlines() if line.strip()]
    if len(lines) <= least:
        raise ValueError(f"{file}: expected more than {least} lines, got {len(lines)}; it should be of {ORIGIN}")
    return lines


def _entries(file: Path, place: int, line: list[str], count: int, allowed: tuple[str, ...] = ()) -> list[int]:
    """The numbers behind the name of a picture; ValueError names the line."""
    name, *values = line
    right = len(values) == count and all(value in allowed if allowed else value.isdigit() for value in values)
    if not right or Path(name).name != name:
        what = f"{count} times {' or '.join(allowed)}" if allowed else "its number"
        raise ValueError(
            f"{file}: expected a picture's file and {what} in line {place}, got {' '.join(line)[:60]!r}; it should be of "
            f"{ORIGIN}"
        )
    return [int(value) for value in values]
