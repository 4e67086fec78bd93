"""What a loss does that several processes share: see the others' rows, and draw noise as one process would.

Process r of W has rows r n / W to (r + 1) n / W of every batch of n. Where a loss is a mean over rows,

    loss(batch) = 1 / W sum_r loss(share r),

the mean of the processes' gradients is the batch's own, and such a loss needs nothing of this file but its noise:
`normal_like` and `uniform_like` draw what one process would for the whole batch, and give the rows that are ours. A term
that looks across rows (a covariance, a permutation) takes those of `everyone`, or the `average` of means. Every process
then has the whole batch's term f, and each row's gradient comes back W-fold to where the row is, once from each; the mean
over processes is the gradient of f.

In one process all of these change nothing, and noise is torch's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Group:
    """`count` processes, of which this is number `rank`.

    `gather` stacks a tensor [...] of each to [count, ...], and hands gradients back; `draws` is in the same state everywhere.
    """

    rank: int
    count: int
    gather: Callable[[Tensor], Tensor]
    draws: torch.Generator


_group: ContextVar[Group | None] = ContextVar("group", default=None)


@contextmanager
def sharing(group: Group | None) -> Iterator[None]:
    """Inside, batches are shared among the processes of `group`; with None this process has all of them."""
    token = _group.set(group)
    try:
        yield
    finally:
        _group.reset(token)


def own(rows: Tensor) -> Tensor:
    """This process's rows [n / W, ...] of a whole batch's [n, ...]; ValueError where they cannot be divided evenly."""
    group = _group.get()
    if group is None:
        return rows
    size, left = divmod(len(rows), group.count)
    if left or not size:
        raise ValueError(f"a batch of {len(rows)} rows cannot be divided evenly among {group.count} processes")
    return rows[group.rank * size : (group.rank + 1) * size]


def everyone(rows: Tensor) -> Tensor:
    """The whole batch's rows [n, ...] of this process's [n / W, ...]."""
    group = _group.get()
    return rows if group is None else group.gather(rows).flatten(0, 1)


def average(value: Tensor) -> Tensor:
    """The mean over processes of a tensor [...], such as a mean over rows."""
    group = _group.get()
    return value if group is None else group.gather(value).mean(0)


def normal_like(rows: Tensor) -> Tensor:
    """Standard normal noise of the shape of `rows` [n, ...], the same for a row however many processes there are."""
    group = _group.get()
    return torch.randn_like(rows) if group is None else own(_whole(rows, group).normal_(generator=group.draws))


def uniform_like(rows: Tensor) -> Tensor:
    """Uniform noise on [0, 1) of the shape of `rows` [n, ...], the same for a row however many processes there are."""
    group = _group.get()
    return torch.rand_like(rows) if group is None else own(_whole(rows, group).uniform_(generator=group.draws))


def _whole(rows: Tensor, group: Group) -> Tensor:
    """Room for the whole batch's rows, in memory as one process would have them: that is the order they are drawn in."""
    last = rows.ndim == 4 and not rows.is_contiguous() and rows.is_contiguous(memory_format=torch.channels_last)
    form = torch.channels_last if last else torch.contiguous_format
    shape = (group.count * len(rows), *rows.shape[1:])
    return torch.empty(shape, dtype=rows.dtype, device=rows.device, memory_format=form)
