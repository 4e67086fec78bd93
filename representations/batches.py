"""Where batches come from: a function of a generator, or anything that can be iterated, again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from representations.model import Batch

Batches = Callable[[torch.Generator], Batch] | Iterable[Batch]
EPOCHS = 2**31  # seeds of epochs begin behind those of steps
END = object()


@dataclass(frozen=True)
class Rendered:
    """Batches of pictures as a world draws them, in two: `sample(generator)` gives rows, `render(rows)` their pictures.

    Rows then go to the device where a learner is, and are drawn there; of several processes each draws its own.
    """

    sample: Callable[[torch.Generator], Batch]
    render: Callable[[Batch], Batch]

    def __call__(self, generator: torch.Generator) -> Batch:
        """A batch, where the generator is."""
        return self.render(self.sample(generator))


@dataclass(frozen=True)
class Stepped:
    """Batches that change as a training goes on: `draw(generator, step)` is told how many steps were taken before."""

    draw: Callable[[torch.Generator, int], Batch]

    def __call__(self, generator: torch.Generator) -> Batch:
        """A batch of the first step."""
        return self.draw(generator, 0)


def as_it_is(batch: Batch) -> Batch:
    """The batch."""
    return batch


class Stream:
    """One batch after another, and where the stream stands: `epoch` and how many batches of it were drawn.

    A function is called with a generator for every batch. What can be iterated (a list, a `DataLoader`) is iterated anew
    in every epoch; torch's default generator, and the generator that a `DataLoader` was given, then start from the seed
    (root, epoch), so that a shuffled order is the same in a resumed run. A batch that is a list or tuple of one, as a
    `DataLoader` makes it of a `TensorDataset` of one tensor, counts as what is in it. `ready` is what becomes of a batch, or
    of the rows of one that is `Rendered`.
    """

    def __init__(self, batches: Batches, root: int, ready: Callable[[Batch], Batch] = as_it_is) -> None:
        if not callable(batches) and (isinstance(batches, (Tensor, Mapping, str)) or not isinstance(batches, Iterable)):
            raise TypeError(
                f"batches must be a function of a generator, or an iterable of batches such as a list or a DataLoader, got "
                f"a {type(batches).__name__}"
            )
        self._batches, self._root, self._ready = batches, root, ready
        self.epoch, self.drawn = 0, 0
        self._iterator: Iterator[Batch] | None = None
        self._first: Any = END

    def draw(self, generator: torch.Generator, step: int = 0) -> Batch:
        """The next batch, behind `step` steps; ValueError where there is none."""
        if isinstance(self._batches, Stepped):
            return self._ready(self._batches.draw(generator, step))
        if isinstance(self._batches, Rendered):
            return self._batches.render(self._ready(self._batches.sample(generator)))
        if callable(self._batches):
            return self._ready(self._batches(generator))
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
        return self._ready(batch[0] if alone else batch)

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


def each(batch: Batch, change: Callable[[Tensor], Tensor]) -> Batch:
    """The batch, a tensor or a nest of tuples, named tuples, lists and dicts of tensors, with every tensor changed."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, dict):
        return {key: each(value, change) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(each(value, change) for value in batch))
    if isinstance(batch, (list, tuple)):
        return type(batch)(each(value, change) for value in batch)
    return batch
