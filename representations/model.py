"""What a representation is, how it is made, saved and loaded.

A representation is an `nn.Module` whose constructor's arguments are its whole configuration. It encodes observations, and
training it is a game: every `Objective` is one player, moved in order at every step.
"""

from __future__ import annotations

import functools
import inspect
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from borders import Natural, checked, plain, recording, tupled, unchecked
from borders.files import read_json, read_tensors, write_json, write_tensors

Batch = Any
Logs = dict[str, Tensor]
FloatPictures = Float[Tensor, "n *shape"]
Pictures = UInt8[Tensor, "n *shape"] | FloatPictures
OtherPictures = UInt8[Tensor, "others *shape"] | Float[Tensor, "others *shape"]  # beside Pictures, of another number
Codes = Float[Tensor, "*n code_size"]
Actions = Float[Tensor, "*n action_size"]


@dataclass(frozen=True)
class Objective:
    """One player of the training game.

    `loss(batch)` gives the scalar that this player minimises over `parameters`, and logs; `optimizer(parameters)` makes
    the optimizer. The player moves `repeats` times a step, each time on a new batch, and calls `after()` behind every move.
    One that is not `fresh` learns from what an earlier player kept, and its loss is given None for a batch. While `waits()`
    is true the player is passed over: no batch is drawn for it, and its optimizer has not begun.
    """

    name: str
    loss: Callable[[Batch], tuple[Tensor, Logs]]
    parameters: tuple[nn.Parameter, ...]
    optimizer: Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
    repeats: int = 1
    after: Callable[[], None] | None = None
    fresh: bool = True
    waits: Callable[[], bool] | None = None


class Representation(nn.Module, ABC):
    """A learner. Subclasses say how they encode and what they minimise; `settings` holds the constructor's arguments.

    Constructors and the methods of the contract check their arguments by the annotations (`borders`): those of the
    subclass, or where it has none those written here.
    """

    code_size: int
    settings: dict[str, Any]

    def __init_subclass__(cls, **more: Any) -> None:
        """Set the borders."""
        super().__init_subclass__(**more)
        for name, method in list(vars(cls).items()):
            if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_")):
                inner = _remembered(method) if name == "__init__" else method
                setattr(cls, name, checked(inner, CONTRACT.get(name)))

    @abstractmethod
    def encode(self, observations: Pictures) -> Tensor:
        """The deterministic codes [n, code_size] of observations, uint8 pictures [n, C, H, W] for learners of pictures."""

    @abstractmethod
    def objectives(self) -> tuple[Objective, ...]:
        """The players of the training game, in the order in which they move."""


def _remembered(constructor: Callable[..., None]) -> Callable[..., None]:
    """The constructor, which notes its arguments in `settings` as JSON knows them, so that any instance can be saved."""
    signature = inspect.signature(constructor)

    @functools.wraps(constructor)
    def remember(self: Representation, *args: Any, **settings: Any) -> None:
        if unchecked(type(self).__init__) is remember:  # not on the way through a subclass's constructor
            bound = signature.bind(self, *args, **settings)
            bound.apply_defaults()
            found: dict[str, Any] = {}
            for name, value in list(bound.arguments.items())[1:]:
                kind = signature.parameters[name].kind
                if kind == inspect.Parameter.VAR_POSITIONAL and value:
                    raise TypeError(f"{type(self).__name__} takes its settings by name, got {value!r} without one")
                found |= value if kind == inspect.Parameter.VAR_KEYWORD else {name: value}
            self.__dict__["settings"] = {name: as_json(name, value) for name, value in found.items()}
        try:
            constructor(self, *args, **settings)
        except (RuntimeError, MemoryError) as error:
            if "alloc" not in str(error) and "memory" not in str(error):
                raise
            raise ValueError(
                f"{type(self).__name__} of these settings needs more memory than there is: {settings}"
            ) from error

    return remember


def as_json(name: str, value: Any) -> Any:
    """A setting as a JSON file gives it back; TypeError where that is not the same setting."""
    value = plain(value)
    try:
        read = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError):
        read = None
    if tupled(read) != tupled(value):
        raise TypeError(
            f"{name} must be a number, a word, or a list or dict of those, to be saved and loaded, got {value!r}"
        )
    return read


@runtime_checkable
class Decodes(Protocol):
    """Can draw a code."""

    def decode(self, code: Float[Tensor, "n code_size"]) -> Tensor:
        """Pictures in [0, 1], float [n, C, H, W], of codes [n, code_size]."""
        ...


@runtime_checkable
class Predicts(Protocol):
    """Has a locally linear model of how actions move its code."""

    def predict(self, code: Codes, action: Actions) -> Tensor:
        """The expected next codes [n, code_size] after actions [n, m]."""
        ...

    def linearize(self, code: Codes, action: Actions) -> tuple[Tensor, Tensor, Tensor]:
        """A [n, d, d], B [n, d, m], c [n, d] with code' = A code + B action + c around the given point."""
        ...


@runtime_checkable
class Generates(Protocol):
    """Can draw new observations."""

    def generate(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` new pictures in [0, 1], float [n, C, H, W], or of a learner of videos clips [n, T, C, H, W]."""
        ...


CONTRACT: dict[str, Callable[..., Any]] = {
    "encode": Representation.encode,
    "decode": Decodes.decode,
    "predict": Predicts.predict,
    "linearize": Predicts.linearize,
    "generate": Generates.generate,
}


def pixels(observations: Tensor) -> Tensor:
    """Pictures as every learner takes them: float32 in [0, 1] from uint8 0 .. 255, or of floats already in [0, 1].

    What lies beside [0, 1] by no more than rounding is cut. Raises TypeError for another dtype and ValueError for floats
    that are not finite or outside [0, 1].
    """
    if observations.dtype == torch.uint8:
        return observations.float().div_(255)
    if not observations.is_floating_point():
        raise TypeError(f"pictures must be uint8 or float, got {observations.dtype}")
    known = observations.numel() and not recording(observations)
    if known and not (observations.amin() >= 0 and observations.amax() <= 1):
        low, high = observations.amin().item(), observations.amax().item()
        rounding = max(1e-5, 4 * torch.finfo(observations.dtype).eps)
        if not (low >= -rounding and high <= 1 + rounding):
            raise ValueError(f"float pictures must lie in [0, 1], got values from {low:.9g} to {high:.9g}")
        observations = observations.clamp(0, 1)
    return observations if torch.is_autocast_enabled(observations.device.type) else observations.float()


def levels(pictures: Tensor) -> Tensor:
    """Pictures uint8 of those in [0, 1], of which the nearest level of 255 is taken: what `pixels` takes back."""
    return (pictures * 255).round().clamp(0, 255).to(torch.uint8)


def check_pictures(observations: Tensor, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless `observations` are pictures [n, *shape]."""
    if not isinstance(observations, Tensor) or tuple(observations.shape[1:]) != tuple(shape):
        got = tuple(observations.shape) if isinstance(observations, Tensor) else type(observations).__name__
        raise ValueError(f"observations must have shape [n, {', '.join(map(str, shape))}], got {got}")


def owned(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, each in memory of its own, as safetensors wants them: tied ones become copies."""
    return {key: value.detach().cpu().clone(memory_format=torch.contiguous_format) for key, value in tensors.items()}


def write_model(model: Representation, folder: Path, name: str, about: Mapping[str, Any] | None = None) -> Path:
    """Write `model.safetensors` and `config.json` to `folder`; return the folder.

    `config.json` holds the model's name, its settings, and what `about` says beside them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors = owned(model.state_dict())
    bad = not_finite(tensors)
    if bad:
        raise ValueError(f"{name} is not saved to {folder}: its {', '.join(bad)} hold values that are not finite")
    write_tensors(folder / "model.safetensors", tensors)
    write_json(folder / "config.json", {"model": name, "settings": model.settings, **(about or {})})
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
    """The names of the first tensors that hold a NaN or an infinity; one look at each device where there is none.

    They may lie on several: an optimizer that is not fused counts its steps on the CPU.
    """
    floats = {key: value for key, value in tensors.items() if value.is_floating_point() and value.numel()}
    homes: dict[torch.device, list[Tensor]] = {}
    for value in floats.values():
        homes.setdefault(value.device, []).append(value)
    if all(torch.stack([norm.isfinite() for norm in torch._foreach_norm(there)]).all() for there in homes.values()):
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
