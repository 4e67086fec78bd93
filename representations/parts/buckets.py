"""Batches of sentences of like length, so that little is computed for padding."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from borders import Size, checked
from representations.parts.sentences import PADDING, trimmed


class Buckets:
    """Batches as `fit` draws them: `size` rows, with replacement, of sentences of like length.

    `rows` holds what belongs to every sentence, each [n, ...]: the ids `by` whose length counts, further ids [n, T], masks of
    the ids [n, T], and values. Sentences are sorted by length and cut into at most `buckets` parts of about as many, a length
    never in two of them; a batch is drawn from one, which is drawn as often as it has sentences. Of ids those columns are cut
    that are padding in the whole batch, and of masks those of the ids `by`. Nothing is kept from batch to batch: the same
    generator draws the same batch. With one bucket a batch is of any lengths.

    Raises ValueError for no sentences, ones without a word or an end, or rows of another number.
    """

    @checked
    def __init__(self, rows: Mapping[str, Tensor], size: Size, buckets: Size = 4, by: str = "x"):
        wrong = {name: len(of) for name, of in rows.items() if len(of) != len(rows[by])}
        if wrong:
            raise ValueError(f"there must be a row for each of {len(rows[by])} sentences, got {wrong}")
        lengths = (rows[by] != PADDING).sum(1)
        if not len(lengths) or not lengths.all():
            raise ValueError("there must be a sentence at least, and none without a word or an end")
        self.rows, self.size, self.by = dict(rows), size, by
        self.order = lengths.argsort(stable=True)
        ends = lengths.unique(return_counts=True)[1].cumsum(0)  # of the sentences of each length
        even = (torch.arange(1, buckets + 1) * len(lengths)) // buckets
        self.ends = ends[torch.searchsorted(ends, even)].unique().tolist()

    def __call__(self, generator: torch.Generator) -> dict[str, Tensor]:
        """One batch."""
        device = generator.device
        place = int(torch.randint(len(self.order), (1,), generator=generator, device=device))
        start, end = next((a, b) for a, b in zip([0, *self.ends], self.ends, strict=False) if place < b)
        chosen = self.order[torch.randint(start, end, (self.size,), generator=generator, device=device).cpu()]
        found = {name: of[chosen] for name, of in self.rows.items()}
        width = trimmed(found[self.by]).shape[1]
        return {name: _cut(of, width) for name, of in found.items()}


def _cut(of: Tensor, width: int) -> Tensor:
    if of.ndim != 2:
        return of
    return of[:, :width] if of.dtype == torch.bool else trimmed(of)
