"""The one training loop. It names no model: a model gives players, this moves them.

Step t draws everything from the seed (root, t): the batches and the noise inside a loss alike. A run that was stopped and
resumed from a checkpoint therefore meets the same batches and the same noise as one that was not.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from tqdm import tqdm

from borders import Count, Natural, Positive, Share
from borders.files import append_line, claimed, home, set_aside
from borders.settings import setting
from representations.batches import Batches, Stream, each
from representations.checkpoint import Content, Players, Standing, read_checkpoint, restore, write_checkpoint
from representations.devices import Precision, choose_device, choose_precision
from representations.model import Batch, Objective, Representation, not_finite
from representations.parts.together import sharing
from representations.processes import Processes
from representations.recorded import Recorded, set_rate
from representations.stopping import Stopped, stopping
from representations.told import diverged, event_board, keep_log, number

if TYPE_CHECKING:
    from lightning_fabric import Fabric

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"


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
    steady: Share = 0.0,
    resume: bool = False,
    log_every: int = 100,
    checkpoint_every: int = 1000,
    checkpoint_seconds: float = 30.0,
    progress: bool | str = True,
    on_step: Callable[[int], None] | None = None,
    tensorboard: bool = False,
    graphed: bool = False,
    fabric: Fabric | None = None,
) -> list[dict[str, float]]:
    """Train `model` for `steps` steps and return the logs, one dict every `log_every` steps.

    `batches(generator)` draws one batch (a tensor, or a nest of tuples, lists and dicts of tensors); an iterable of batches
    is taken too, see `Stream`, and `Stepped` where batches change as the training goes on. What requires no gradient is left
    as it is. With a `run` folder, which belongs to this process meanwhile, the logs go to `log.jsonl` and the state to a
    checkpoint, every `checkpoint_every` steps, when `checkpoint_seconds` have passed, and on SIGINT or SIGTERM, which then
    end in `Stopped`. `resume` continues from the checkpoint, if there is one; otherwise an earlier one is set aside. `decay`
    takes every learning rate linearly to zero, from the share `steady` of the training on; `precision` is chosen by
    `choose_precision`; `progress` shows a bar on a terminal, behind a text if it is one; `on_step(t)` is called behind
    step t; `tensorboard` writes the log's figures as events into the `run` folder too, where the package is installed.
    `graphed` records every player's move as a CUDA graph and replays it (see `Recorded`): several times as fast for small
    networks on a GPU, where losses are made of tensors alone.

    With a launched `fabric` (Lightning's, strategy ddp) its processes train one model: each takes its rows of every batch,
    `batches` being the same in all, and they learn what one process would (see `parts.together`); the device is fabric's.
    Logs are means over processes, checkpoints are those of the first and fit any number of them. Between processes,
    signals and checkpoints wait for the next line of the log.

    Raises FloatingPointError where a loss, a weight or a gradient stops being finite: it names steps and what it was, and
    the last good state, which stays. ValueError for a checkpoint of another model, seed or other settings, or a damaged
    one; FolderInUse where another process has the folder.
    """
    given = (("steps", steps, Natural), ("log_every", log_every, Count), ("checkpoint_every", checkpoint_every, Count))
    told = (
        ("device", device, str),
        ("decay", decay, bool),
        ("resume", resume, bool),
        ("tensorboard", tensorboard, bool),
        ("graphed", graphed, bool),
    )
    for name, value, kind in (
        *given,
        *told,
        ("checkpoint_seconds", checkpoint_seconds, Positive),
        ("steady", steady, Share),
    ):
        setting(kind)(name, value)  # type: ignore[misc]
    if on_step is not None and not callable(on_step):
        raise TypeError(f"on_step must be a function of the step, got {on_step!r}")
    if tensorboard and run is None:
        raise ValueError("tensorboard needs a run folder to write to")
    if fabric is not None and device != "auto":
        raise ValueError(f"the device is fabric's: leave device at auto, got {device!r}")
    target = choose_device(device) if fabric is None else fabric.device
    if graphed and (target.type != "cuda" or fabric is not None):
        raise ValueError(f"graphed needs a GPU and one process, got {target}{'' if fabric is None else ' and fabric'}")
    together = Processes(fabric)
    computed = choose_precision(precision, target)
    model.to(target).train()
    players = _players(model)
    rates = [[group["lr"] for group in optimizer.param_groups] for _, optimizer in players]
    root = together.agreed(int(torch.randint(2**31, (1,), generator=generator, device=generator.device)))
    stream, standing = Stream(batches, root, partial(_placed, together, target)), Standing()
    folder = home(run) if run is not None else None
    checkpoint = folder / CHECKPOINT if folder is not None else None
    logs: list[dict[str, float]] = []
    about = _about(model, players) | {
        "seed": root,
        "precision": precision,
        "decay": _fall(steps, steady) if decay else False,
    }
    with ExitStack() as stack:
        stack.enter_context(sharing(together.group))
        if folder is not None:
            content = together.first(partial(_begin, stack, folder / CHECKPOINT, resume))
            if content is not None:
                standing = restore(content, folder / CHECKPOINT, model, players, about)
                stream.skip_to(standing.epoch, standing.drawn)
                if progress and together.leads:
                    print(f"{folder}: continues at step {standing.step} of {steps}", file=sys.stderr)
            logs = together.first(partial(keep_log, folder / LOG, standing))
        players = together.joined(model, players)
        movers: list[Callable[[Batch], dict[str, Any]]] = [
            partial(_move, player, optimizer, precision=computed) for player, optimizer in players
        ]
        if graphed:
            movers = [Recorded(move, optimizer) for move, (_, optimizer) in zip(movers, players, strict=True)]
        mine = folder if together.leads else None
        board = event_board(mine, standing.step) if mine is not None and tensorboard else None
        draws = torch.Generator(generator.device)
        began = time.perf_counter() - standing.seconds
        saved, saved_at = standing.step, time.monotonic()
        good = standing.step if standing.step else None
        label = progress if isinstance(progress, str) else None
        hidden = None if progress and together.leads else True
        shown: dict[str, Any] = {"desc": label, "disable": hidden, "mininterval": 1, "leave": False}
        bar = tqdm(range(standing.step, steps), initial=standing.step, total=steps, **shown)
        stop = stack.enter_context(stopping(folder is not None))
        stack.enter_context(torch.random.fork_rng(devices=[target] if target.type == "cuda" else []))
        stack.callback(bar.close)
        for step in bar:
            together.seed(root + step)
            draws.manual_seed(root + step)
            for (player, optimizer), move, initial in zip(players, movers, rates, strict=True):
                if decay:
                    for group, rate in zip(optimizer.param_groups, initial, strict=True):
                        set_rate(group, rate * min(1.0, (1 - step / steps) / max(1 - steady, 1 / steps)))
                if player.waits is not None and player.waits():
                    continue
                for _ in range(player.repeats):
                    values = move(stream.draw(draws, step) if player.fresh else None)
                for key, value in values.items():
                    total, moves = standing.window.get(key, (0, 0))
                    standing.window[key] = total + value, moves + 1
            done = standing.step = step + 1
            if on_step is not None:
                on_step(done)
            told = done % log_every == 0 or done == steps
            if told:
                line = {"step": done, "seconds": round(time.perf_counter() - began, 3)}
                means = {key: number(key, total) / moves for key, (total, moves) in standing.window.items()}
                line |= together.averaged(means)
                bad = [key for key, value in line.items() if not abs(value) < float("inf")]
                bad = together.agreed(bad + _not_finite(model, players))
                if bad:
                    raise FloatingPointError(diverged(bad, standing.since, done, checkpoint, good))
                logs.append(line)
                standing.window, standing.since = {}, done
                bar.set_postfix({key: f"{value:.4g}" for key, value in list(line.items())[2:5]})
                if board is not None:
                    for key, value in line.items():
                        board.add_scalar(key, value, done)
                if mine is not None:
                    append_line(mine / LOG, json.dumps(line))
            if folder is None or (together.count > 1 and not told):
                continue
            late = done - saved >= checkpoint_every or time.monotonic() - saved_at >= checkpoint_seconds
            late, stopped = together.largest(late, stop[0] if stop else 0)
            if late or done == steps or stopped:
                standing.seconds = time.perf_counter() - began
                standing.epoch, standing.drawn = stream.epoch, stream.drawn
                bad = together.first(partial(_save, folder / CHECKPOINT, model, players, standing, about))
                if bad:
                    raise FloatingPointError(diverged(bad, standing.since, done, checkpoint, good))
                good = saved = done
                saved_at = time.monotonic()
            if stopped:
                raise Stopped(f"stopped at step {done} of {steps}; the same command continues", int(stopped))
        if board is not None:
            board.close()
    model.eval()
    return logs


def _fall(steps: int, steady: float) -> int | list[float]:
    """How learning rates fall, as a checkpoint says it."""
    return [steps, steady] if steady else steps


def _begin(stack: ExitStack, checkpoint: Path, resume: bool) -> Content | None:
    """Take the folder of a checkpoint, and give its content to continue from, or set it aside."""
    stack.enter_context(claimed(checkpoint.parent))
    if resume and checkpoint.exists():
        return read_checkpoint(checkpoint)
    if not resume:
        set_aside(checkpoint)
    return None


def _save(path: Path, model: Representation, players: Players, standing: Standing, about: dict[str, Any]) -> list[str]:
    """Write a checkpoint, or nothing and what is not finite."""
    return _not_finite(model, players) or write_checkpoint(path, model, players, standing, about)


def _placed(together: Processes, device: torch.device, batch: Batch) -> Batch:
    """This process's rows of a batch, on the device."""
    return each(together.share(batch), lambda rows: rows.to(device, non_blocking=True))


def _players(model: Representation) -> Players:
    """The players with what they may move, those who may move nothing left out, and their optimizers."""
    found = []
    for player in model.objectives():
        free = tuple(parameter for parameter in player.parameters if parameter.requires_grad)
        if free:
            found.append((dataclasses.replace(player, parameters=free), player.optimizer(free)))
    if not found:
        raise ValueError(f"there is nothing to train: no parameter of {type(model).__name__} requires a gradient")
    return found


def _names(model: nn.Module) -> dict[int, str]:
    return {id(parameter): name for name, parameter in model.named_parameters()}


def _about(model: Representation, players: Players) -> dict[str, Any]:
    """What a checkpoint must agree in with the training that continues it."""
    names = _names(model)
    return {
        "model": type(model).__name__,
        "settings": getattr(model, "settings", {}),
        "trained": {player.name: [names.get(id(p), "?") for p in player.parameters] for player, _ in players},
    }


def _not_finite(model: nn.Module, players: Players) -> list[str]:
    """The names of weights and of gradients that are not finite."""
    names = _names(model)
    moved = [parameter for player, _ in players for parameter in player.parameters if parameter.grad is not None]
    gradients = {f"the gradient of {names.get(id(p), '?')}": p.grad for p in moved if p.grad is not None}
    return not_finite({**model.state_dict(), **gradients})


def _move(player: Objective, optimizer: torch.optim.Optimizer, batch: Batch, precision: str) -> dict[str, Any]:
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
    told = {f"{player.name}/{key}": value for key, value in logs.items()}
    for key, value in told.items():
        if not hasattr(value, "__float__"):
            raise TypeError(f"the log {key} must be a number or a tensor of one, got {value!r}")
    plain = {key: value.detach() if isinstance(value, Tensor) else value for key, value in told.items()}
    return {f"{player.name}/loss": loss.detach(), **plain}
