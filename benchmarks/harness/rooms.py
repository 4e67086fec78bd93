"""The benchmarks: every folder of `benchmarks/` with an `about.yaml`, which says what it asks, of whom, in what time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from borders.files import read_yaml

ROOMS = Path(__file__).resolve().parent.parent
CHECKOUT = ROOMS.parent


@dataclass(frozen=True)
class Room:
    """One benchmark: `python -m benchmarks.<name>`; `time` is that of its defaults on two cores.

    `page` and `headlines` say what of its results stands on its page and in README: see `harness.pages`.
    """

    name: str
    question: str
    systems: str
    time: str
    page: Mapping[str, Any] = field(default_factory=dict)
    headlines: Sequence[Mapping[str, Any]] = ()

    @property
    def folder(self) -> Path:
        """Where it lives."""
        return ROOMS / self.name


def room(name: str) -> Room:
    """The benchmark `name`, as its `about.yaml` describes it."""
    return Room(name, **read_yaml(ROOMS / name / "about.yaml", "what a benchmark is about"))


def rooms() -> list[Room]:
    """All benchmarks by name."""
    return [room(path.parent.name) for path in sorted(ROOMS.glob("*/about.yaml"))]
