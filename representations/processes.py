"""Processes that train one model, as Lightning Fabric started them: what the loop asks of them.

Each has the whole model and its rows of every batch (see `parts.together`). Behind every backward pass torch's
DistributedDataParallel takes the mean of the gradients, and at its beginning the first process's buffers go to all, so that all
are the same model and take the same step. Weights are the first process's, as is the run's folder; it alone says something.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from representations.batches import each
from representations.checkpoint import Players
from representations.model import Batch, Logs, Objective
from representations.parts.together import Group, own

if TYPE_CHECKING:
    from lightning_fabric import Fabric

APART = (
    2**24
)  # between the seeds of two processes: more than there are steps, in the 32 bits that a CPU's generator reads
T = TypeVar("T")


class Processes:
    """This process alone, or one of those of `fabric`, which must be launched and share by DistributedDataParallel."""

    def __init__(self, fabric: Fabric | None = None) -> None:
        self.fabric: Any = fabric
        self.rank, self.count = (fabric.global_rank, fabric.world_size) if fabric is not None else (0, 1)
        self.group: Group | None = None
        if fabric is not None:
            _check(fabric)
        if fabric is not None and self.count > 1:
            gather: Any = partial(fabric.all_gather, sync_grads=True)
            self.group = Group(self.rank, self.count, gather, torch.Generator(fabric.device))

    @property
    def leads(self) -> bool:
        """Whether this is the first process, or the only one."""
        return self.rank == 0

    def seed(self, number: int) -> None:
        """Start all noise from `number`: what is drawn together is the same in all processes, torch's own is not."""
        torch.manual_seed(number + self.rank * APART)
        if self.group is not None:
            self.group.draws.manual_seed(number)

    def share(self, batch: Batch) -> Batch:
        """This process's rows of a batch; a number stays. ValueError where its tensors have not all as many rows."""
        if self.group is None:
            return batch
        sizes: set[int] = set()

        def divide(rows: Tensor) -> Tensor:
            sizes.update(rows.shape[:1])
            return own(rows) if rows.ndim else rows

        divided = each(batch, divide)
        if len(sizes) > 1:
            raise ValueError(f"a batch whose tensors have {sorted(sizes)} rows cannot be divided among processes")
        return divided

    def agreed(self, value: T) -> T:
        """The first process's value."""
        return value if self.group is None else self.fabric.broadcast(value)

    def first(self, call: Callable[[], T]) -> T:
        """What `call` gives in the first process, in all of them; what it raises there is raised everywhere."""
        if self.group is None:
            return call()
        found: Any = None
        if self.leads:
            try:
                found = call(), None
            except Exception as error:
                found = None, error
        result, wrong = self.fabric.broadcast(found)
        if wrong is not None:
            raise wrong
        return result

    def largest(self, *values: float) -> list[float]:
        """The largest of each value over the processes."""
        return list(values) if self.group is None else self._reduced(values, "max")

    def averaged(self, values: Mapping[str, float]) -> dict[str, float]:
        """The mean of each value over the processes."""
        if self.group is None:
            return dict(values)
        return dict(zip(values, self._reduced(list(values.values()), "mean"), strict=True))

    def _reduced(self, values: Any, how: str) -> list[float]:
        sent = torch.tensor(values, dtype=torch.float64, device=self.fabric.device)
        return self.fabric.all_reduce(sent, reduce_op=how).tolist()

    def joined(self, model: nn.Module, players: Players) -> Players:
        """The players, their losses such that gradients are the processes' mean; the first one's weights go to all."""
        if self.group is None:
            return players
        return [
            (dataclasses.replace(player, loss=self.fabric.setup_module(_Turn(model, player))), optimizer)
            for player, optimizer in players
        ]


class _Turn(nn.Module):
    """A player's loss as a module, which holds what the player moves and what nobody does: weights and buffers."""

    def __init__(self, model: nn.Module, player: Objective) -> None:
        super().__init__()
        self.loss = player.loss
        still = [parameter for parameter in model.parameters() if not parameter.requires_grad]
        self.held = nn.ParameterList([*player.parameters, *still])
        for number, buffer in enumerate(model.buffers()):
            self.register_buffer(f"buffer_{number}", buffer)

    def forward(self, batch: Batch) -> tuple[Tensor, Logs]:
        """The loss, and the logs without gradients."""
        loss, logs = self.loss(batch)
        return loss, {key: value.detach() if isinstance(value, Tensor) else value for key, value in logs.items()}


def _check(fabric: Any) -> None:
    """Raise ValueError for a way to share that `fit` has no loop for."""
    from lightning_fabric.strategies import DDPStrategy, SingleDeviceStrategy

    if not isinstance(fabric.strategy, (DDPStrategy, SingleDeviceStrategy)):
        raise ValueError(f"fabric must have the strategy ddp, got a {type(fabric.strategy).__name__}")
    if fabric.strategy.precision.precision != "32-true":
        raise ValueError(
            f"fabric must leave precision to fit(..., precision=...), got precision={fabric.strategy.precision.precision!r}"
        )
