"""What is transferred: sentences of two sentiments, of the world of reviews or of files, one sentence a line.

reviews             drawn; labels of training sentences are wrong as the world says, those of test sentences are not
yelp:FOLDER         train.0 train.1 dev.0 dev.1 test.0 test.1, of Shen et al. 2017, each plain, .txt or .txt.gz
FOLDER              neg and pos, of which the first tenth tests and the next validates
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.metrics.text import tagged_nouns
from borders.files import home, read_text
from borders.words import SPECIAL, UNKNOWN
from envs.text.reviews import Reviews
from envs.text.vocabulary import Vocabulary

WORLD_SEED = 1_000  # seeds of sentences begin here, of which every training seed has its own
ENDINGS = ("", ".txt", ".txt.gz")
SIDES = ("negative", "positive")


@dataclass(frozen=True)
class Part:
    """Sentences ids [n, T], their sentiments [n], and the factor rows [n, K] of those that a world has drawn."""

    x: Tensor
    y: Tensor
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Corpus:
    """A vocabulary, sentences to train on, to validate on and to test on, and what says which words are nouns.

    `files` says of every file that was read how many `sentences` it has, and how many of its lines were left out as `empty`
    and as `too_long`.
    """

    vocabulary: Vocabulary
    train: Part
    valid: Part
    test: Part
    nouns: Callable[[str], set[str]]
    world: Reviews | None = None
    files: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @property
    def length(self) -> int:
        """How many ids a sentence may have, its end among them."""
        return self.train.x.shape[1]

    def mask(self, ids: Tensor) -> Tensor:
        """Which words of sentences [n, T] are nouns: bool [n, T]."""
        found = torch.zeros_like(ids, dtype=torch.bool)
        for row, line in enumerate(self.vocabulary.lines(ids)):
            about = self.nouns(line)
            for place, word in enumerate(line.split()):
                found[row, place] = word in about
        return found & (ids >= SPECIAL)

    def unknown(self) -> dict[str, float]:
        """The share of the words of each part, ends apart, that the vocabulary lacks."""
        parts = {"train": self.train.x, "valid": self.valid.x, "test": self.test.x}
        return {name: ((x == UNKNOWN).sum() / (x >= UNKNOWN).sum().clamp(min=1)).item() for name, x in parts.items()}


def drawn(train: int, test: int, seed: int) -> Corpus:
    """Sentences of the world of reviews, others for every seed."""
    world, parts = Reviews(), []
    for k, n in enumerate((train, test, test)):
        generator = torch.Generator().manual_seed(WORLD_SEED + 10 * seed + k)
        rows = world.sample(n, generator)
        parts.append(Part(world.render(rows), rows[:, 0].long() if k == 2 else world.noisy(rows, generator), rows))
    learned, checked, tried = parts
    return Corpus(world.vocabulary, learned, checked, tried, world.nouns, world)


@dataclass(frozen=True)
class Lines:
    """The sentences of a file, and how many of its lines are none: empty ones, and those of too many words."""

    kept: list[str]
    empty: int
    too_long: int

    def counts(self) -> dict[str, int]:
        """How many lines were kept and left out."""
        return {"sentences": len(self.kept), "empty": self.empty, "too_long": self.too_long}


def lines_of(path: Path, longest: int) -> Lines:
    """The sentences of a file, one a line, of up to `longest` words; longer ones and empty lines are left out and counted.

    `path` may lack its ending. ValueError names a file that is missing, has no such line, or is not UTF-8.
    """
    there = next((place for end in ENDINGS if (place := path.with_name(path.name + end)).exists()), path)
    text = read_text(there, "sentences, one a line").removesuffix("\n")
    lines = [" ".join(line.split()) for line in text.split("\n")]
    full = [line for line in lines if line]
    kept = [line for line in full if len(line.split()) <= longest]
    if not kept:
        raise ValueError(f"{there} should hold sentences of up to {longest} words, one a line, but has none")
    return Lines(kept, len(lines) - len(full), len(full) - len(kept))


def read(data: str, train: int, test: int, words: int, longest: int, seed: int) -> Corpus:
    """The sentences of files; of training sentences `train`, of the others `test`, half of each sentiment."""
    kind, _, place = data.rpartition(":")
    if kind not in ("", "yelp"):
        raise ValueError(f"data must be reviews, yelp:FOLDER or FOLDER, got {data!r}")
    names = [f"{split}.{y}" for split in ("train", "dev", "test") for y in (0, 1)] if kind else ["neg", "pos"]
    lines = {name: lines_of(home(place) / name, longest) for name in names}
    if kind:
        found = [[lines[f"{split}.{y}"].kept for y in (0, 1)] for split in ("train", "dev", "test")]
    else:
        found = _split([lines[name].kept for name in names])
    generator = torch.Generator().manual_seed(WORLD_SEED + seed)
    chosen = [_chosen(of, most, generator) for of, most in zip(found, (train, test, test), strict=True)]
    counted = Vocabulary.of(chosen[0][0], "word")
    vocabulary = Vocabulary(counted.tokens[: words - SPECIAL], "word")
    learned, checked, tried = (Part(vocabulary.ids(lines, longest + 1), y) for lines, y in chosen)
    counts = {name: of.counts() for name, of in lines.items()}
    return Corpus(vocabulary, learned, checked, tried, tagged_nouns, files=counts)


def _split(sides: Sequence[list[str]]) -> list[list[list[str]]]:
    """Sentences to train on, to validate on and to test on, of each side: those behind two tenths, the second, the first."""
    cuts = [max(1, len(lines) // 10) for lines in sides]
    if min(map(len, sides)) < 3:
        raise ValueError(
            f"there must be 3 sentences or more of each sentiment, got {', '.join(str(len(s)) for s in sides)}"
        )
    return [
        [lines[2 * tenth :] for lines, tenth in zip(sides, cuts, strict=True)],
        [lines[tenth : 2 * tenth] for lines, tenth in zip(sides, cuts, strict=True)],
        [lines[:tenth] for lines, tenth in zip(sides, cuts, strict=True)],
    ]


def _chosen(sides: Sequence[list[str]], most: int, generator: torch.Generator) -> tuple[list[str], Tensor]:
    """Up to `most` sentences, as many of each sentiment, and their sentiments."""
    n = min(most // 2, *map(len, sides))
    picked = [[side[k] for k in torch.randperm(len(side), generator=generator)[:n].tolist()] for side in sides]
    return picked[0] + picked[1], torch.arange(2).repeat_interleave(n)
