"""The one training loop. It names no model: a model gives players, this moves them.

Step t draws everything from the seed (root, t): the batches and the noise inside a loss alike. A run that was killed and
resumed from a checkpoint therefore meets the same batches and the same noise as one that was not.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from tqdm import tqdm

from representations.files import write_atomically
from representations.model import Batch, Objective, Representation, owned

CHECKPOINT = "checkpoint.safetensors"
Batches = Callable[[torch.Generator], Batch]
Precision = Literal["float32", "bfloat16", "auto"]


def choose_device(name: str = "auto") -> torch.device:
    """The device `name`, or with "auto" a GPU where there is one; ValueError if it is not to be had."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} is not available here: {error}") from None
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """The precision `name`; with "auto" bfloat16 where the device computes in it (a CPU with AMX or AVX-512 BF16).

    Weights, optimizer and losses stay float32 either way: bfloat16 is torch's autocast, for products and convolutions.
    """
    if name not in get_args(Precision):
        raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}, got {name!r}")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    own = device.type == "cpu" and (torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())
    return "bfloat16" if own else "float32"


def fit(
    model: Representation,
    batches: Batches,
    steps: int,
    generator: torch.Generator,
    run: str | Path | None = None,
    *,
    device: str = "auto",
    precision: Precision = "float32",
    decay: bool = False,
    resume: bool = False,
    log_every: int = 100,
    checkpoint_every: int = 1000,
    progress: bool = True,
    on_step: Callable[[int], None] | None = None,
    tensorboard: bool = False,
) -> list[dict[str, float]]:
    """Train `model` for `steps` steps and return the logs, one dict every `log_every` steps.

    `batches(generator)` draws one batch (a tensor, or a tuple or dict of tensors). With a `run` folder the logs go to
    `log.jsonl`, and behind a log line, when `checkpoint_every` steps have passed, a checkpoint is written; `resume`
    continues from the checkpoint, if there is one. `decay` takes every learning rate linearly to zero; `precision` is
    chosen by `choose_precision`; `on_step(t)` is called behind step t; `tensorboard` writes the log's figures as events into
    the `run` folder too, where the package is installed. Raises FloatingPointError, naming step and player,
    where a loss stops being finite, and ValueError for a checkpoint of another model.
    """
    if steps < 0 or log_every < 1 or checkpoint_every < 1:
        raise ValueError(f"steps, log_every, checkpoint_every: got {steps}, {log_every}, {checkpoint_every}")
    target = choose_device(device)
    computed = choose_precision(precision, target)
    model.to(target).train()
    players = [(player, player.optimizer(player.parameters)) for player in model.objectives()]
    rates = [[group["lr"] for group in optimizer.param_groups] for _, optimizer in players]
    if tensorboard and run is None:
        raise ValueError("tensorboard needs a run folder to write to")
    root = int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    folder = Path(run) if run is not None else None
    start = 0
    logs: list[dict[str, float]] = []
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        if resume and (folder / CHECKPOINT).exists():
            start = _restore(folder / CHECKPOINT, model, players, root)
        logs = _keep_log(folder / "log.jsonl", start)
    board = _board(folder, start) if folder is not None and tensorboard else None
    draws = torch.Generator(generator.device)
    began, since, saved = time.perf_counter(), start, start
    window: dict[str, Any] = {}
    bar = tqdm(
        range(start, steps), initial=start, total=steps, disable=None if progress else True, mininterval=1, leave=False
    )
    with torch.random.fork_rng(devices=[target] if target.type == "cuda" else []):
        for step in bar:
            torch.manual_seed(root + step)
            draws.manual_seed(root + step)
            for (player, optimizer), initial in zip(players, rates, strict=True):
                if decay:
                    for group, rate in zip(optimizer.param_groups, initial, strict=True):
                        group["lr"] = rate * (1 - step / steps)
                for _ in range(player.repeats):
                    values = _move(player, optimizer, to_device(batches(draws), target), computed)
                for key, value in values.items():
                    window[key] = window.get(key, 0) + value
            done = step + 1
            if on_step is not None:
                on_step(done)
            if done % log_every == 0 or done == steps:
                line = {"step": done, "seconds": round(time.perf_counter() - began, 3)}
                line |= {key: float(total) / (done - since) for key, total in window.items()}
                bad = [key for key, value in line.items() if not abs(value) < float("inf")]
                if bad:
                    raise FloatingPointError(f"{', '.join(bad)} stopped being finite between steps {since} and {done}")
                logs.append(line)
                window, since = {}, done
                bar.set_postfix({key: f"{value:.4g}" for key, value in list(line.items())[2:5]})
                if board is not None:
                    for key, value in line.items():
                        board.add_scalar(key, value, done)
                if folder is not None:
                    with (folder / "log.jsonl").open("a") as file:
                        file.write(json.dumps(line) + "\n")
                    if done - saved >= checkpoint_every or done == steps:
                        _checkpoint(folder / CHECKPOINT, model, players, done, root)
                        saved = done
    if board is not None:
        board.close()
    model.eval()
    return logs


def _board(folder: Path, start: int) -> Any:
    """A writer of TensorBoard's events, those behind step `start` dropped; ImportError where it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ImportError("tensorboard=True needs the package tensorboard: pip install -e '.[cluster]'") from None
    return SummaryWriter(str(folder), purge_step=start + 1)


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch, a tensor or a nest of tuples and dicts of tensors, on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    return type(batch)(to_device(value, device) for value in batch)


def _move(player: Objective, optimizer: torch.optim.Optimizer, batch: Batch, precision: str) -> dict[str, Tensor]:
    """One move of one player; its logs under its own name, still on the device."""
    device = player.parameters[0].device.type
    with torch.autocast(device, torch.bfloat16, enabled=precision == "bfloat16"):
        loss, logs = player.loss(batch)
    for parameter in player.parameters:
        parameter.grad = None
    # Unlike `autograd.grad`, `backward` lays a gradient out in memory as its parameter is: fused optimizers read both in order.
    loss.backward(inputs=player.parameters)
    optimizer.step()
    if player.after is not None:
        player.after()
    return {f"{player.name}/loss": loss.detach(), **{f"{player.name}/{k}": v.detach() for k, v in logs.items()}}


def _checkpoint(path: Path, model: Representation, players: list, step: int, root: int) -> None:
    """Model, optimizers and step in one safetensors file, put in place atomically."""
    tensors = {f"model/{key}": value for key, value in owned(model.state_dict()).items()}
    for player, optimizer in players:
        for index, state in optimizer.state_dict()["state"].items():
            tensors |= {
                f"optimizer/{player.name}/{index}/{key}": torch.as_tensor(v).contiguous() for key, v in state.items()
            }
    about = {"step": str(step), "root": str(root)}
    write_atomically(path, lambda partial: save_file({k: v.cpu() for k, v in tensors.items()}, partial, about))


def _restore(path: Path, model: Representation, players: list, root: int) -> int:
    """Load a checkpoint into model and optimizers; return its step."""
    try:
        with safe_open(path, "pt") as file:
            about = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        step, other = int(about["step"]), int(about["root"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is damaged or not a checkpoint: {error!r}") from None
    if other != root:
        raise ValueError(f"{path} belongs to a run with another seed; give another folder, or do not resume")
    own = {key.removeprefix("model/"): value for key, value in tensors.items() if key.startswith("model/")}
    try:
        model.load_state_dict(own)
    except RuntimeError as error:
        raise ValueError(f"{path} does not fit {type(model).__name__}: {error}") from None
    for player, optimizer in players:
        state: dict[int, dict[str, Any]] = {}
        prefix = f"optimizer/{player.name}/"
        for key, value in tensors.items():
            if key.startswith(prefix):
                index, field = key.removeprefix(prefix).split("/")
                like = player.parameters[int(index)]
                if value.shape == like.shape:  # a moment: in memory as its parameter is, as in `_move`
                    value = torch.empty_like(like, dtype=value.dtype, requires_grad=False).copy_(value)
                state.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    return step


def _keep_log(path: Path, step: int) -> list[dict[str, float]]:
    """Cut the log back to the lines up to `step`, and return them."""
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")] if path.exists() else []
    kept = [line for line in lines if line["step"] <= step]
    write_atomically(path, lambda partial: partial.write_text("".join(json.dumps(line) + "\n" for line in kept)))
    return kept
