"""A job of this room, and what is known of it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.options import Trial
from borders import checked

Settings = dict[str, Any]


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Trial):
    """One model of a part of this room with one seed."""

    part: str
    settings: Settings = field(default_factory=dict)


class Found(NamedTuple):
    """A finished job, its folder, and its scores."""

    job: Job
    folder: Path
    scores: Mapping[str, Any]
