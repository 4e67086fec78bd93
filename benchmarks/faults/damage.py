"""Damage: every file of a run is spoiled in every way, and must be named, never taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import representations
from benchmarks.faults.tally import Tally, Toy
from benchmarks.faults.victim import CHECKPOINT, train
from benchmarks.harness.runs import claim_folder, plain, read_result
from borders.files import read_npz, write_json, write_npz


def damage(folder: Path, count: int, seed: int) -> Tally:
    """Every file of a run emptied, cut, overwritten, flipped at one bit, replaced by a folder: named, never taken."""
    tally, run, job = Tally(), folder / "run", Toy("a")
    claim_folder(run, plain(job))
    train(run)
    write_json(run / "result.json", {"scores": {}})
    write_npz(run / "codes.npz", {"codes": np.arange(999.0)})
    readers: dict[str, Callable[[], object]] = {
        CHECKPOINT: lambda: train(run),
        "log.jsonl": lambda: train(run),
        "config.yaml": lambda: claim_folder(run, plain(job)),
        "result.json": lambda: read_result(run),
        "codes.npz": lambda: read_npz(run / "codes.npz", "codes"),
        "model/config.json": lambda: representations.load(run / "model"),
        "model/model.safetensors": lambda: representations.load(run / "model"),
    }
    for name, read in readers.items():
        path = run / name
        kept = path.read_bytes()
        for what, content in damages(kept, name.endswith((".safetensors", ".npz"))).items():
            path.unlink()
            path.mkdir() if content is None else path.write_bytes(content)
            tally.note(_named(read, path, what))
            path.rmdir() if content is None else path.unlink()
            path.write_bytes(kept)
        read()
    return tally


def damages(content: bytes, checked: bool) -> dict[str, bytes | None]:
    """Contents in place of a file's, None for a folder; a flipped bit only where a checksum can tell it."""
    half = len(content) // 2
    found: dict[str, bytes | None] = {"emptied": b"", "another file": b"\x80\x04K\x01.", "a folder": None}
    if checked:
        found |= {
            "cut": content[:half],
            "a flipped bit": content[:half] + bytes([content[half] ^ 1]) + content[half + 1 :],
        }
    else:
        found |= {"cut": b"{" + content[1:half], "a list": b"[1, 2]\n", "latin": b'{"a": "\xe9"}\n'}
    return found


def _named(read: Callable[[], object], path: Path, what: str) -> str:
    """What is wrong with the answer to a damaged file: it must be a ValueError that names it."""
    try:
        read()
    except ValueError as error:
        return "" if path.name in str(error) else f"{path.name} {what}: an error without its name, {error}"
    except Exception as error:
        return f"{path.name} {what}: {error!r}"
    return f"{path.name} {what}: taken as if it were whole"
