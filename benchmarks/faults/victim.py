"""The training to which everything happens: small, and where blows should fall into it, with a checkpoint at every step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import representations
from borders.files import read_log, read_tensors
from representations import Representation, fit
from representations.model import Objective

STEPS = 600
SMALL: dict[str, Any] = {"shape": (1, 8, 8), "code_size": 2, "hidden": 8, "channels": 2}
CHECKPOINT = "checkpoint.safetensors"


class Spoiled:
    """A model whose loss, gradient or weight becomes NaN at one move."""

    def __init__(self, model: Representation, what: str, at: int) -> None:
        self.model, self.what, self.at, self.moves = model, what, at, 0

    def objectives(self) -> tuple[Objective, ...]:
        """The model's one player, spoiled."""
        [player] = type(self.model).objectives(self.model)
        first = player.parameters[0]

        def loss(batch: Tensor) -> Any:
            self.moves += 1
            value, logs = player.loss(batch)
            now = self.moves == self.at
            if now and self.what == "gradient":
                first.register_hook(lambda gradient: gradient * float("nan"))
            return (value * float("nan") if now and self.what == "loss" else value), logs

        def after() -> None:
            if self.what == "weight" and self.moves == self.at:
                first.data.view(-1)[0] = float("nan")

        return (Objective(player.name, loss, player.parameters, player.optimizer, after=after),)


def make() -> Representation:
    """The model, the same every time."""
    torch.manual_seed(0)
    return representations.make("vae", **SMALL)


def pictures(generator: torch.Generator) -> Tensor:
    """A batch."""
    return torch.rand(8, *SMALL["shape"], generator=generator)


def train(folder: Path, resume: bool = True, steps: int = STEPS, **options: Any) -> Representation:
    """Train the model in `folder`, save it in `folder/model` and return it."""
    torch.set_num_threads(1)
    model = options.pop("model", None) or make()
    told: dict[str, Any] = {"device": "cpu", "progress": False, "log_every": 50}
    fit(model, pictures, steps, torch.Generator().manual_seed(0), folder, resume=resume, **told | options)
    representations.save(model, folder / "model")
    return model


def train_on(folder: Path) -> None:
    """Continue the training with a checkpoint at every step."""
    train(folder, checkpoint_every=1)


def step_of(folder: Path) -> int:
    """The step of the checkpoint in a run's folder, which must be whole; 0 where there is none."""
    path = folder / CHECKPOINT
    return int(read_tensors(path, "a checkpoint")[1]["step"]) if path.exists() else 0


def difference(folder: Path, whole: Path) -> str:
    """In what a run's end differs from that of one that nothing happened to; empty where in nothing."""
    found, wanted = (representations.load(run / "model").state_dict() for run in (folder, whole))
    weights = [key for key, value in wanted.items() if not torch.equal(found[key], value)]
    if weights:
        return f"other weights in {', '.join(weights)}"
    logs = ([{**line, "seconds": 0} for line in read_log(run / "log.jsonl", "a log")] for run in (folder, whole))
    return "" if next(logs) == next(logs) else "another log"
