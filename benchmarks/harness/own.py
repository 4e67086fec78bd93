"""A user's own: what saved models are called, and worlds and learners that were registered beside the project's.

Those are in `envs.WORLDS` and `representations.MODELS`. Processes that compute jobs get them with the first job, whether they
come from a module, a script or a notebook.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from envs import WORLDS
from representations import MODELS

HOUSE = ("envs", "representations", "agents", "planners", "benchmarks")


@dataclass(frozen=True)
class Registered:
    """Own worlds and learners by name."""

    worlds: dict[str, type]
    models: dict[str, type]

    def register(self) -> None:
        """Make them known in this process."""
        WORLDS.update(self.worlds)
        MODELS.update(self.models)

    def modules(self) -> list[Any]:
        """The modules that define them."""
        classes = [*self.worlds.values(), *self.models.values()]
        return [sys.modules[name] for name in dict.fromkeys(cls.__module__ for cls in classes) if name != "__main__"]


def model_name(folder: str | Path) -> str:
    """What a saved model is called: its folder's name, or that of the run whose `model` it is."""
    path = Path(folder)
    return path.parent.name if path.name == "model" else path.name


def registered() -> Registered:
    """What was registered in this process beside the project's own."""
    return Registered(*({name: cls for name, cls in known.items() if not _ours(cls)} for known in (WORLDS, MODELS)))  # type: ignore[attr-defined]


def _ours(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in HOUSE


def import_modules(names: Sequence[str]) -> None:
    """Import modules, which register what they define; ValueError says which is not found from here."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    for name in names:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"--import {name}: {error}; give a module's name, as Python imports it from this folder"
            ) from None
