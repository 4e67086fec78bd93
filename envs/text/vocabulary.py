"""Sentences as ids and back: word by word, or character by character.

    0 padding   1 begin   2 end   3 unknown   4 ...  the tokens
    a row       tokens, the end, padding

A vocabulary is a value: its tokens in order, and how a line is cut into them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Literal

import torch
from torch import Tensor

from borders.words import END, SPECIAL, UNKNOWN

Level = Literal["character", "word"]


@dataclass(frozen=True)
class Vocabulary:
    """Tokens, and whether a line is cut into characters, or into words at its spaces.

    `len(vocabulary)` counts all ids, those of padding, begin, end and unknown too.
    """

    tokens: tuple[str, ...]
    level: Level

    def __post_init__(self) -> None:
        """Refuse what could not be told apart."""
        if self.level not in ("character", "word"):
            raise ValueError(f"level must be character or word, got {self.level!r}")
        twice = [token for token, count in Counter(self.tokens).items() if count > 1]
        if twice:
            raise ValueError(f"tokens must be different, got {twice[0]!r} more than once")

    @classmethod
    def of(cls, lines: Iterable[str], level: Level, least: int = 1) -> Vocabulary:
        """The tokens that occur in lines at least `least` times, the most frequent first."""
        counts = Counter(chain.from_iterable(_cut(line, level) for line in lines))
        ordered = sorted(counts.items(), key=lambda found: (-found[1], found[0]))
        return cls(tuple(token for token, count in ordered if count >= least), level)

    def __len__(self) -> int:
        return len(self.tokens) + SPECIAL

    @cached_property
    def _places(self) -> dict[str, int]:
        return {token: place for place, token in enumerate(self.tokens, SPECIAL)}

    def ids(self, lines: Sequence[str], length: int | None = None) -> Tensor:
        """The ids of lines, int64 [n, length], as wide as the longest with its end unless `length` is told.

        What the vocabulary lacks is unknown. Raises ValueError where a line with its end is longer than `length`.
        """
        rows = [[self._places.get(token, UNKNOWN) for token in _cut(line, self.level)] + [END] for line in lines]
        longest = max(map(len, rows), default=1)
        if length is not None and longest > length:
            place = next(place for place, row in enumerate(rows) if len(row) > length)
            raise ValueError(
                f"sentence {place} has {len(rows[place])} {self.level}s with its end, more than {length}: "
                f"{lines[place][:40]!r}"
            )
        found = torch.zeros(len(rows), length or longest, dtype=torch.int64)
        for place, row in enumerate(rows):
            found[place, : len(row)] = torch.tensor(row)
        return found

    def lines(self, ids: Tensor) -> list[str]:
        """The lines of ids [n, T] up to their ends; what was unknown is �. ValueError for ids that it does not have."""
        if ids.numel() and not (ids.min() >= 0 and ids.max() < len(self)):
            raise ValueError(f"ids must lie in 0 .. {len(self) - 1}, got {ids.min().item()} .. {ids.max().item()}")
        found = []
        for row in ids.tolist():
            kept = row[: row.index(END)] if END in row else row
            words = ["�" if place == UNKNOWN else self.tokens[place - SPECIAL] for place in kept if place > END]
            found.append((" " if self.level == "word" else "").join(words))
        return found


def _cut(line: str, level: Level) -> list[str]:
    return list(line) if level == "character" else line.split()
