"""What a representation is, how it is made, saved and loaded.

A representation is an `nn.Module` whose constructor's arguments are its whole configuration. It encodes observations, and
training it is a game: every `Objective` is one player, moved in order at every step.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from representations.files import read_json, read_tensors, write_atomically, write_json

Batch = Any
Logs = dict[str, Tensor]


@dataclass(frozen=True)
class Objective:
    """One player of the training game.

    `loss(batch)` gives the scalar that this player minimises over `parameters`, and logs; `optimizer(parameters)` makes
    the optimizer. The player moves `repeats` times a step, each time on a new batch, and calls `after()` behind every move.
    """

    name: str
    loss: Callable[[Batch], tuple[Tensor, Logs]]
    parameters: tuple[nn.Parameter, ...]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    repeats: int = 1
    after: Callable[[], None] | None = None


class Representation(nn.Module, ABC):
    """A learner. Subclasses say how they encode and what they minimise; `settings` holds the constructor's arguments."""

    code_size: int
    settings: dict[str, Any]

    def __new__(cls, *args: Any, **settings: Any) -> Self:
        """Remember the constructor's arguments as JSON knows them, so that any instance can be saved and made again."""
        self = super().__new__(cls)
        bound = inspect.signature(cls.__init__).bind_partial(self, *args, **settings)
        bound.apply_defaults()
        settings = {k: v for k, v in bound.arguments.items() if k != "self"}
        self.__dict__["settings"] = {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()}
        return self

    @abstractmethod
    def encode(self, observations: Tensor) -> Tensor:
        """The deterministic codes [n, code_size] of observations, uint8 pictures [n, C, H, W] for learners of pictures."""

    @abstractmethod
    def objectives(self) -> tuple[Objective, ...]:
        """The players of the training game, in the order in which they move."""


@runtime_checkable
class Decodes(Protocol):
    """Can draw a code."""

    def decode(self, code: Tensor) -> Tensor:
        """Pictures in [0, 1], float [n, C, H, W], of codes [n, code_size]."""
        ...


@runtime_checkable
class Predicts(Protocol):
    """Has a locally linear model of how actions move its code."""

    def predict(self, code: Tensor, action: Tensor) -> Tensor:
        """The expected next codes [n, code_size] after actions [n, m]."""
        ...

    def linearize(self, code: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A [n, d, d], B [n, d, m], c [n, d] with code' = A code + B action + c around the given point."""
        ...


@runtime_checkable
class Generates(Protocol):
    """Can draw new observations."""

    def generate(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` new pictures in [0, 1], float [n, C, H, W]."""
        ...


def pixels(observations: Tensor) -> Tensor:
    """Pictures as every learner takes them: float in [0, 1] from uint8 0 .. 255, or floats already in [0, 1].

    Raises TypeError for another dtype and ValueError for floats that are not finite or outside [0, 1].
    """
    if observations.dtype == torch.uint8:
        return observations.float().div_(255)
    if not observations.is_floating_point():
        raise TypeError(f"pictures must be uint8 or float, got {observations.dtype}")
    if observations.numel() and not (observations.amin() >= 0 and observations.amax() <= 1):
        low, high = observations.amin().item(), observations.amax().item()
        raise ValueError(f"float pictures must lie in [0, 1], got values from {low:g} to {high:g}")
    return observations


def check_pictures(observations: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `observations` are pictures [n, *shape]."""
    if not isinstance(observations, Tensor) or tuple(observations.shape[1:]) != tuple(shape):
        got = tuple(observations.shape) if isinstance(observations, Tensor) else type(observations).__name__
        raise ValueError(f"observations must have shape [n, {', '.join(map(str, shape))}], got {got}")


def write_model(model: Representation, folder: Path, name: str) -> Path:
    """Write `model.safetensors` and `config.json` (model name and settings) to `folder`; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {key: value.detach().contiguous().cpu() for key, value in model.state_dict().items()}
    bad = not_finite(tensors)
    if bad:
        raise ValueError(f"{name} is not saved to {folder}: its {', '.join(bad)} hold values that are not finite")
    write_atomically(folder / "model.safetensors", lambda path: save_file(tensors, path))
    write_json(folder / "config.json", {"model": name, "settings": model.settings})
    return folder


def read_config(folder: Path) -> tuple[str, dict[str, Any]]:
    """The model's name and settings in a saved folder; ValueError says what is wrong with a foreign one."""
    path = folder / "config.json"
    if not path.exists():
        raise ValueError(f"{folder} is not a saved model: it has no config.json")
    config = read_json(path, "the configuration of a saved model", ("model", "settings"))
    if not isinstance(config["model"], str) or not isinstance(config["settings"], dict):
        raise ValueError(f"{path} should name a model and its settings, got {config}")
    return config["model"], config["settings"]


def not_finite(tensors: Mapping[str, Tensor], most: int = 5) -> list[str]:
    """The names of the first tensors that hold a NaN or an infinity; one look at the device where there is none."""
    floats = {key: value for key, value in tensors.items() if value.is_floating_point() and value.numel()}
    if not floats or torch.stack([norm.isfinite() for norm in torch._foreach_norm(list(floats.values()))]).all():
        return []
    return [key for key, value in floats.items() if not value.isfinite().all()][:most]


def read_weights(model: nn.Module, path: Path) -> None:
    """Load a safetensors file into `model`; ValueError says how the two differ."""
    tensors, _ = read_tensors(path, "the weights of a saved model")
    own = model.state_dict()
    wrong = [f"{k} is missing" for k in own.keys() - tensors.keys()]
    wrong += [f"{k} is not known" for k in tensors.keys() - own.keys()]
    wrong += [
        f"{k} has shape {list(tensors[k].shape)}, not {list(own[k].shape)}"
        for k in own.keys() & tensors.keys()
        if tensors[k].shape != own[k].shape
    ]
    if wrong:
        raise ValueError(f"{path} does not fit {type(model).__name__}: {'; '.join(sorted(wrong)[:5])}")
    model.load_state_dict(tensors)
