"""Where batches come from: a function of a generator, or anything that can be iterated, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from representations.model import Batch

Batches = Callable[[torch.Generator], Batch] | Iterable[Batch]
EPOCHS = 2**31  # seeds of epochs begin behind those of steps
END = object()


class Stream:
    """One batch after another, and where the stream stands: `epoch` and how many batches of it were drawn.

    A function is called with a generator for every batch. What can be iterated (a list, a `DataLoader`) is iterated anew
    in every epoch; torch's default generator, and the generator that a `DataLoader` was given, then start from the seed
    (root, epoch), so that a shuffled order is the same in a resumed run. A batch that is a list or tuple of one, as a
    `DataLoader` makes it of a `TensorDataset` of one tensor, counts as what is in it.
    """

    def __init__(self, batches: Batches, root: int) -> None:
        if not callable(batches) and (isinstance(batches, (Tensor, Mapping, str)) or not isinstance(batches, Iterable)):
            raise TypeError(
                f"batches must be a function of a generator, or an iterable of batches such as a list or a DataLoader, got "
                f"a {type(batches).__name__}"
            )
        self._batches, self._root = batches, root
        self.epoch, self.drawn = 0, 0
        self._iterator: Iterator[Batch] | None = None
        self._first: Any = END

    def draw(self, generator: torch.Generator) -> Batch:
        """The next batch; ValueError where there is none."""
        if callable(self._batches):
            return self._batches(generator)
        if self._iterator is None:
            self._begin()
        batch, self._first = self._first, END
        if batch is END and self._iterator is not None:
            batch = next(self._iterator, END)
        if batch is END:
            self.epoch, self.drawn = self.epoch + 1, 0
            self._begin()
            batch, self._first = self._first, END
        self.drawn += 1
        alone = isinstance(batch, (list, tuple)) and len(batch) == 1 and not hasattr(batch, "_fields")
        return batch[0] if alone else batch

    def skip_to(self, epoch: int, drawn: int) -> None:
        """Go on where another stream of the same batches stood."""
        self.epoch, self.drawn = epoch, 0
        for _ in range(drawn):
            self.draw(torch.Generator())

    def _begin(self) -> None:
        """Start the epoch, the order of which may be drawn when it begins or with its first batch."""
        own = getattr(self._batches, "generator", None)
        if isinstance(own, torch.Generator):
            own.manual_seed(self._root + EPOCHS + self.epoch)
        before = torch.default_generator.get_state()
        torch.default_generator.manual_seed(self._root + EPOCHS + self.epoch)
        self._iterator = iter(self._batches)  # type: ignore[arg-type]
        self._first = next(self._iterator, END)
        torch.default_generator.set_state(before)
        if self._first is END:
            again = " a second time: give a list, a DataLoader or a function" if self.epoch else ""
            raise ValueError(f"batches, a {type(self._batches).__name__}, gave none{again}")


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch, a tensor or a nest of tuples, named tuples, lists and dicts of tensors, on `device`."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(to_device(value, device) for value in batch)
    return batch
