"""A player's move as one CUDA graph: recorded once, replayed at every step.

A small network's kernels take less time than telling a GPU of them one by one: a replay tells it of all at once. What is
computed is the same, noise included. But what a loss decides or counts in Python is recorded as it was, so that a
loss must be made of tensors alone: schedules of buffers, choices by `torch.where`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from representations.batches import each
from representations.model import Batch

BEFORE = 3  # moves made as ever first, in which libraries choose their kernels and optimizers take their memory
Move = Callable[[Batch], dict[str, Any]]


class Recorded:
    """A move of one player, `move(batch)`, as `fit` makes it; its logs stay in place and hold the latest move's values.

    Raises ValueError for a batch of another shape than the recorded one, and for a log that is no tensor.
    """

    def __init__(self, move: Move, optimizer: torch.optim.Optimizer) -> None:
        self._move, self._moves = move, 0
        self._stream = torch.cuda.Stream()
        self._graph: torch.cuda.CUDAGraph | None = None
        self._held: list[Tensor] = []
        self._logs: dict[str, Any] = {}
        _recordable(optimizer)

    def __call__(self, batch: Batch) -> dict[str, Any]:
        """Make the move."""
        if self._moves < BEFORE:
            self._moves += 1
            self._stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self._stream):
                logs = self._move(batch)
            torch.cuda.current_stream().wait_stream(self._stream)
            return logs
        if self._graph is None:
            self._record(batch)
        given = _tensors(batch)
        for held, new in zip(self._held, given, strict=True):
            if (held.shape, held.dtype) != (new.shape, new.dtype):
                raise ValueError(
                    f"a recorded move takes batches of one form, {held.dtype} {tuple(held.shape)}, "
                    f"got {new.dtype} {tuple(new.shape)}: leave graphed out"
                )
            held.copy_(new)
        self._graph.replay()  # type: ignore[union-attr]
        return self._logs

    def _record(self, batch: Batch) -> None:
        """Record the move on a batch like this one, whose memory the graph reads from then on."""
        batch = each(batch, torch.clone)
        self._held, graph = _tensors(batch), torch.cuda.CUDAGraph()
        torch.cuda.synchronize()
        with torch.cuda.graph(graph, stream=self._stream):
            self._logs = self._move(batch)
        for key, value in self._logs.items():
            if not isinstance(value, Tensor):
                raise ValueError(
                    f"the log {key} is computed in Python, {value!r}, and would stay so: leave graphed out"
                )
        self._graph = graph


def set_rate(group: dict[str, Any], rate: float) -> None:
    """Set an optimizer group's learning rate, in place where a graph reads it."""
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(rate)
    else:
        group["lr"] = rate


def _recordable(optimizer: torch.optim.Optimizer) -> None:
    """Let the optimizer keep its steps and rates where a graph can read them; ValueError for one that cannot."""
    for group in optimizer.param_groups:
        if "capturable" not in group:
            raise ValueError(f"{type(optimizer).__name__} cannot be recorded: leave graphed out, or take Adam")
        device = group["params"][0].device
        group |= {"capturable": True, "lr": torch.tensor(float(group["lr"]), device=device)}
        if "fused" in group:
            group |= {"fused": True, "foreach": False}
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            if "step" in state:
                state["step"] = state["step"].to(device, torch.float32)


def _tensors(batch: Batch) -> list[Tensor]:
    """The tensors of a batch, in order."""
    found: list[Tensor] = []

    def meet(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    each(batch, meet)
    return found
