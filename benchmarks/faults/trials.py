"""The faults by name: each trial does something to a run, counts how often, and says what was lost."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from benchmarks.faults.blows import command, kills, stops
from benchmarks.faults.company import dying, shared
from benchmarks.faults.damage import damage
from benchmarks.faults.disks import file_limit, full_disk
from benchmarks.faults.numbers import spoiled
from benchmarks.faults.tally import Tally

TRIALS: dict[str, Callable[[Path, int, int], Tally]] = {
    "kills": kills,
    "stops": stops,
    "command": command,
    "full_disk": full_disk,
    "file_limit": file_limit,
    "damage": damage,
    "shared": shared,
    "dying": dying,
    "spoiled": spoiled,
}
