"""A folder that belongs to one process, until its end."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from borders.files.text import read_json, write_json

_claimed: dict[tuple[Path, str], tuple[FileLock, int]] = {}
_guard = threading.RLock()


class FolderInUse(RuntimeError):
    """Another process has claimed the folder."""


@contextmanager
def claimed(folder: Path, patience: float = 1.0, use: str = "run") -> Iterator[None]:
    """Make `folder` and keep it, for one use, for this process; the end of the process, however it comes, sets it free.

    Inside, what broken writers left behind is gone. FolderInUse says which process has the folder if it is not free
    within `patience` seconds. The process that has it may ask again.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = folder.resolve()
    lock_file, owner = place / f".{use}.lock", place / f".{use}.json"
    with _guard:
        lock, count = _claimed.get((place, use)) or (FileLock(lock_file), 0)
        try:
            if not count:
                lock.acquire(timeout=patience)
                _say_who(place, owner)
        except Timeout:
            raise FolderInUse(f"{folder} is in use by {_who(owner)}; wait for it, or name another folder") from None
        _claimed[place, use] = lock, count + 1
    try:
        yield
    finally:
        with _guard:
            lock, count = _claimed.pop((place, use))
            if count > 1:
                _claimed[place, use] = lock, count - 1
            else:
                with suppress(OSError):
                    owner.unlink(missing_ok=True)
                lock.release()


def _say_who(place: Path, owner: Path) -> None:
    for left in [*place.glob(".*.partial*"), *place.glob("*/.*.partial*")]:
        left.unlink(missing_ok=True)
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    command = " ".join(Path(sys.argv[0] or "python").parts[-2:])
    with suppress(OSError):  # on a full disk the folder is kept all the same
        write_json(owner, {"process": os.getpid(), "host": socket.gethostname(), "since": since, "command": command})


def _who(owner: Path) -> str:
    try:
        about = read_json(owner, "a note of who has the folder", ("process", "host", "since", "command"))
    except ValueError:
        return "another process"
    return f"process {about['process']} on {about['host']} since {about['since']} ({about['command']})"
