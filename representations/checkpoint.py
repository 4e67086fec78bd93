"""The state of a training between two steps, written to one safetensors file and read back to the same numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from borders.files import read_tensors, write_tensors
from representations.model import Objective, not_finite, owned

Players = list[tuple[Objective, torch.optim.Optimizer]]
WHAT = "the checkpoint of a training"
OPTIONS = ("precision", "decay")
ABSENT = "not set"


@dataclass
class Standing:
    """Where a training stands beside its weights: steps done, seconds spent, and the log line that is being summed."""

    step: int = 0
    seconds: float = 0.0
    since: int = 0
    """The step of the last log line."""
    window: dict[str, tuple[Any, int]] = field(default_factory=dict)
    """Sums since then, and of how many steps."""
    epoch: int = 0
    drawn: int = 0
    """Batches of the epoch drawn, where batches are iterated."""


def write_checkpoint(
    path: Path, model: nn.Module, players: Players, standing: Standing, about: Mapping[str, Any]
) -> list[str]:
    """Write a training's state atomically, or nothing and the names of what in it is not finite."""
    tensors = {f"model/{key}": value for key, value in model.state_dict().items()}
    for player, optimizer in players:
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{player.name}/{index}/{key}": torch.as_tensor(v) for key, v in state.items()}
    bad = not_finite(tensors)
    if bad:
        return bad
    for key, (value, moves) in standing.window.items():
        tensors[f"window/{key}"] = value if isinstance(value, Tensor) else torch.tensor(value, dtype=torch.float64)
        tensors[f"moves/{key}"] = torch.tensor(moves)
    numbers = {name: repr(getattr(standing, name)) for name in ("step", "seconds", "since", "epoch", "drawn")}
    metadata = {"about": json.dumps(about, default=str), **numbers}
    write_tensors(path, owned(tensors), metadata)
    return []


Content = tuple[dict[str, Tensor], dict[str, str]]


def read_checkpoint(path: Path) -> Content:
    """What `restore` takes; ValueError for a file that is damaged."""
    return read_tensors(path, WHAT)


def restore(content: Content, path: Path, model: nn.Module, players: Players, about: Mapping[str, Any]) -> Standing:
    """Load a training's state, the content of `path`, into model and optimizers.

    ValueError for one of another model, seed or other settings, which are named.
    """
    tensors, metadata = content
    try:
        found = json.loads(metadata["about"])
        numbers = {name: int(metadata[name]) for name in ("step", "since", "epoch", "drawn")}
        seconds = float(metadata["seconds"])
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path} should be {WHAT}, but it says nothing of it: {error!r}") from None
    wanted = json.loads(json.dumps(about, default=str))
    differing = _differences(found, wanted)
    if differing:
        raise ValueError(
            f"{path} does not fit {wanted['model']}: {'; '.join(differing)}. Name another folder, or do not resume"
        )
    try:
        model.load_state_dict(_part(tensors, "model/"))
        for player, optimizer in players:
            optimizer.load_state_dict(
                {
                    "state": _optimizer_state(_part(tensors, f"optimizer/{player.name}/"), player),
                    "param_groups": optimizer.state_dict()["param_groups"],
                }
            )
    except (RuntimeError, ValueError, IndexError) as error:
        raise ValueError(f"{path} does not fit {wanted['model']}: {error}") from None
    moves, steps = _part(tensors, "moves/"), numbers["step"] - numbers["since"]  # older checkpoints hold no moves
    window = {key: (total, int(moves.get(key, steps))) for key, total in _part(tensors, "window/").items()}
    return Standing(seconds=seconds, window=window, **numbers)


def _differences(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """In what two descriptions of trainings differ, in words."""
    if found.get("model") != wanted["model"]:
        return [f"it is of {found.get('model')}"]
    said = []
    if found.get("seed") != wanted["seed"]:
        said.append("it is of another seed")
    if found.get("trained") != wanted["trained"]:
        said.append("other parameters were trained")
    there, here = ({**about.get("settings", {}), **{k: about.get(k) for k in OPTIONS}} for about in (found, wanted))
    keys = [key for key in {**here, **there} if there.get(key, ABSENT) != here.get(key, ABSENT)]
    return said + [f"its {key} is {there.get(key, ABSENT)!r}, not {here.get(key, ABSENT)!r}" for key in keys]


def _part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _optimizer_state(tensors: Mapping[str, Tensor], player: Objective) -> dict[int, dict[str, Tensor]]:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, name = key.split("/")
        like = player.parameters[int(index)]
        if value.shape == like.shape:  # a moment: in memory as its parameter is, as fused optimizers read both in order
            value = torch.empty_like(like, dtype=value.dtype, requires_grad=False).copy_(value)
        state.setdefault(int(index), {})[name] = value
    return state
