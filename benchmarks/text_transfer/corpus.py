"""What is transferred: sentences of two sentiments or of several topics, of the world of reviews or of files, one a line.

reviews             drawn; labels of training sentences are wrong as the world says, those of test sentences are not
yelp:FOLDER         train.0 train.1 dev.0 dev.1 test.0 test.1, of Shen et al. 2017, each plain, .txt or .txt.gz
FOLDER              neg and pos, or of topics a file each, of which the first tenth tests and the next validates

Beside two classes may lie how people rewrote sentences: reference.0, reference.neg ..., a sentence, a tab and its rewrite a
line, as Li et al. 2018 have them for Yelp; further rewrites behind further tabs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from benchmarks.metrics.text import tagged_nouns, tagged_opinions
from borders.files import home, read_text
from borders.words import SPECIAL, UNKNOWN
from envs.text.reviews import Reviews
from envs.text.vocabulary import Vocabulary

WORLD_SEED = 1_000  # seeds of sentences begin here, of which every training seed has its own
ENDINGS = ("", ".txt", ".txt.gz", ".gz")
SIDES = ("negative", "positive")
REWRITTEN = "reference"
Attribute = Literal["sentiment", "topic"]


@dataclass(frozen=True)
class Part:
    """Sentences ids [n, T], their classes [n], and the factor rows [n, K] of those that a world has drawn."""

    x: Tensor
    y: Tensor
    rows: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class Rewrites:
    """Sentences, their classes [n], and how people rewrote each into another class, which are two."""

    x: Tensor
    y: Tensor
    rewritten: list[list[str]]


@dataclass(frozen=True)
class Corpus:
    """A vocabulary, sentences to train on, to validate on and to test on, and what says which words a transfer should keep.

    `classes` are the values of the `attribute`; `content` gives the words of a sentence that should stay: of a sentiment
    nouns, of a topic what is said of it. `files` says of every file that was read how many `sentences` it has, and how many of
    its lines were left out as `empty` and as `too_long`.
    """

    vocabulary: Vocabulary
    train: Part
    valid: Part
    test: Part
    content: Callable[[str], set[str]]
    world: Reviews | None = None
    files: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    attribute: Attribute = "sentiment"
    classes: tuple[str, ...] = SIDES
    rewrites: Rewrites | None = None

    @property
    def length(self) -> int:
        """How many ids a sentence may have, its end among them."""
        return self.train.x.shape[1]

    def mask(self, ids: Tensor) -> Tensor:
        """Which words of sentences [n, T] are their content: bool [n, T]."""
        found = torch.zeros_like(ids, dtype=torch.bool)
        for row, line in enumerate(self.vocabulary.lines(ids)):
            about = self.content(line)
            for place, word in enumerate(line.split()):
                found[row, place] = word in about
        return found & (ids >= SPECIAL)

    def others(self, y: Tensor) -> Tensor:
        """For sentences of classes [n] those they are transferred to [n]: of two the other, of more one by chance."""
        steps = torch.randint(1, len(self.classes), y.shape, generator=torch.Generator().manual_seed(WORLD_SEED))
        return (y + steps) % len(self.classes)

    def unknown(self) -> dict[str, float]:
        """The share of the words of each part, ends apart, that the vocabulary lacks."""
        parts = {"train": self.train.x, "valid": self.valid.x, "test": self.test.x}
        return {name: ((x == UNKNOWN).sum() / (x >= UNKNOWN).sum().clamp(min=1)).item() for name, x in parts.items()}


def drawn(train: int, test: int, seed: int, attribute: Attribute = "sentiment") -> Corpus:
    """Sentences of the world of reviews, others for every seed."""
    world, parts = Reviews(), []
    column = world.names.index(attribute)
    for k, n in enumerate((train, test, test)):
        generator = torch.Generator().manual_seed(WORLD_SEED + 10 * seed + k)
        rows = world.sample(n, generator)
        y = rows[:, column].long() if k == 2 else world.noisy(rows, generator, attribute)
        parts.append(Part(world.render(rows), y, rows))
    learned, checked, tried = parts
    content = world.nouns if attribute == "sentiment" else world.opinions
    classes = tuple(world.labels[attribute])
    return Corpus(world.vocabulary, learned, checked, tried, content, world, attribute=attribute, classes=classes)


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
    there, lines = _text(path, "sentences, one a line")
    spaced = [" ".join(line.split()) for line in lines]
    full = [line for line in spaced if line]
    kept = [line for line in full if len(line.split()) <= longest]
    if not kept:
        raise ValueError(f"{there} should hold sentences of up to {longest} words, one a line, but has none")
    return Lines(kept, len(lines) - len(full), len(full) - len(kept))


def rewrites_of(path: Path, longest: int) -> tuple[list[str], list[list[str]]]:
    """The sentences of a file of rewrites, of up to `longest` words, and the rewrites of each; longer ones are left out.

    ValueError names a line that is no sentence with its rewrites, and what `lines_of` does.
    """
    what = "sentences with their rewrites behind tabs, one a line"
    there, lines = _text(path, what)
    kept = []
    for number, line in enumerate(lines, 1):
        own, *rewritten = [" ".join(part.split()) for part in line.split("\t")]
        if not own or not rewritten or not all(rewritten):
            raise ValueError(f"{there} should hold {what}, but line {number} is {line[:60]!r}")
        if len(own.split()) <= longest:
            kept.append((own, rewritten))
    if not kept:
        raise ValueError(f"{there} should hold {what}, but has none of up to {longest} words")
    return [own for own, _ in kept], [rewritten for _, rewritten in kept]


def _text(path: Path, what: str) -> tuple[Path, list[str]]:
    """Where a file lies whose path may lack its ending, and its lines, which only line feeds end."""
    there = found_at(path) or path
    return there, read_text(there, what).removesuffix("\n").split("\n")


def found_at(path: Path) -> Path | None:
    """Where a file lies whose path may lack its ending."""
    return next((place for end in ENDINGS if (place := path.with_name(path.name + end)).exists()), None)


def read(
    data: str, train: int, test: int, words: int, longest: int, seed: int, attribute: Attribute = "sentiment"
) -> Corpus:
    """The sentences of files; of training sentences `train`, of the others `test`, as many of each class.

    ValueError for files that are none of sentences, or of one class only.
    """
    kind, _, place = data.rpartition(":")
    folder = home(place)
    if kind not in ("", "yelp") or (kind and attribute != "sentiment"):
        what = "reviews, yelp:FOLDER or FOLDER" if attribute == "sentiment" else "reviews or FOLDER for topics"
        raise ValueError(f"data must be {what}, got {data!r}")
    names = ("0", "1") if kind else ("neg", "pos") if attribute == "sentiment" else _topics(folder)
    splits = [f"{split}.{name}" for split in ("train", "dev", "test") for name in names] if kind else names
    lines = {name: lines_of(folder / name, longest) for name in splits}
    if kind:
        found = [[lines[f"{split}.{name}"].kept for name in names] for split in ("train", "dev", "test")]
    else:
        found = _split([lines[name].kept for name in names])
    generator = torch.Generator().manual_seed(WORLD_SEED + seed)
    chosen = [_chosen(of, most, generator) for of, most in zip(found, (train, test, test), strict=True)]
    counted = Vocabulary.of(chosen[0][0], "word")
    vocabulary = Vocabulary(counted.tokens[: words - SPECIAL], "word")
    learned, checked, tried = (Part(vocabulary.ids(of, longest + 1), y) for of, y in chosen)
    own = attribute == "sentiment"
    return Corpus(
        vocabulary,
        learned,
        checked,
        tried,
        tagged_nouns if own else tagged_opinions,
        files={name: of.counts() for name, of in lines.items()},
        attribute=attribute,
        classes=SIDES if own else tuple(names),
        rewrites=_rewrites(folder, names, vocabulary, longest),
    )


def _topics(folder: Path) -> tuple[str, ...]:
    """The names of a folder's files of sentences, a topic each; ValueError for fewer than two."""
    found = sorted({path.name.removesuffix(".gz").removesuffix(".txt") for path in folder.glob("*") if path.is_file()})
    names = tuple(name for name in found if not name.startswith((".", f"{REWRITTEN}.")))
    if len(names) < 2:
        raise ValueError(
            f"{folder} should hold a file of sentences for each of two topics or more, it has {len(names)}"
        )
    return names


def _rewrites(folder: Path, names: Sequence[str], vocabulary: Vocabulary, longest: int) -> Rewrites | None:
    """How people rewrote sentences, where the folder says so of two classes."""
    there = [folder / f"{REWRITTEN}.{name}" for name in names]
    if len(names) != 2 or not any(map(found_at, there)):
        return None
    sides = [rewrites_of(path, longest) for path in there]
    x = vocabulary.ids([line for own, _ in sides for line in own], longest + 1)
    y = torch.arange(2).repeat_interleave(torch.tensor([len(own) for own, _ in sides]))
    return Rewrites(x, y, [of for _, rewritten in sides for of in rewritten])


def _split(sides: Sequence[list[str]]) -> list[list[list[str]]]:
    """Sentences to train on, to validate on and to test on, of each side: those behind two tenths, the second, the first."""
    cuts = [max(1, len(lines) // 10) for lines in sides]
    if min(map(len, sides)) < 3:
        raise ValueError(
            f"there must be 3 sentences or more of each class, got {', '.join(str(len(s)) for s in sides)}"
        )
    return [
        [lines[2 * tenth :] for lines, tenth in zip(sides, cuts, strict=True)],
        [lines[tenth : 2 * tenth] for lines, tenth in zip(sides, cuts, strict=True)],
        [lines[:tenth] for lines, tenth in zip(sides, cuts, strict=True)],
    ]


def _chosen(sides: Sequence[list[str]], most: int, generator: torch.Generator) -> tuple[list[str], Tensor]:
    """Up to `most` sentences, as many of each class, and their classes; ValueError where none of a class may be taken."""
    n = min(most // len(sides), *map(len, sides))
    if not n:
        raise ValueError(f"train and test must be at least {len(sides)}, the number of classes, got {most}")
    picked = [[side[k] for k in torch.randperm(len(side), generator=generator)[:n].tolist()] for side in sides]
    return [line for side in picked for line in side], torch.arange(len(sides)).repeat_interleave(n)
