"""What the models read: aligned sentences with parts of speech, of the world `sentences` or of files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from borders.words import UNKNOWN
from envs.files.aligned import read_aligned
from envs.text.sentences import Sentences
from envs.text.vocabulary import Vocabulary

SOURCES = ("sentences", "multi30k")
RARE = 10  # of a character: with fewer it is unknown
HELD_OUT = "val"  # the split that perplexities are measured on


@dataclass(frozen=True)
class Corpus:
    """Ids of aligned sentences [n, T] by view, those held out, and how they were made; `dropped` were too long.

    `empty` sentences to learn from have no symbol in one of the languages: they stay, as what says nothing.
    """

    train: Mapping[str, Tensor]
    test: Mapping[str, Tensor]
    vocabulary: Vocabulary
    tags: Vocabulary
    dropped: int = 0
    empty: int = 0

    def unknown(self) -> float:
        """The share of the characters to learn from, ends apart, that the vocabulary lacks."""
        ids = torch.cat([ids.flatten() for view, ids in self.train.items() if view != "tags"])
        return ((ids == UNKNOWN).sum() / (ids >= UNKNOWN).sum().clamp(min=1)).item()


def source(data: str) -> tuple[str, str]:
    """The name and the folder in `sentences`, `multi30k` or `multi30k:PATH`; ValueError for another."""
    name, _, path = data.partition(":")
    if name not in SOURCES or (path and name == "sentences"):
        raise ValueError(f"data must be sentences, multi30k or multi30k:PATH, got {data!r}")
    return name, path


def corpus(data: str, views: Sequence[str], samples: int, test: int, length: int, seed: int) -> Corpus:
    """Up to `samples` sentences to learn from and `test` to measure on, in these views.

    Of the world they are drawn by the seed; of files they are the first, and those longer than `length` symbols are left
    out. ImportError where parts of speech of real text are wanted and the tagger is not installed.
    """
    name, path = source(data)
    if name == "sentences":
        world = Sentences()
        rows = world.sample(samples + test, torch.Generator().manual_seed(seed))
        made = world.views(rows)
        train, held = ({view: made[view][part] for view in views} for part in (slice(samples), slice(samples, None)))
        return Corpus(train, held, world.vocabulary, world.tags)
    languages = [view for view in views if view != "tags"]
    files = {split: read_aligned(split, languages, path or None) for split in ("train", HELD_OUT)}
    vocabulary = Vocabulary.of((line for of in files["train"].values() for line in of), "character", RARE)
    kept = {"train": _short(files["train"], length, samples), HELD_OUT: _short(files[HELD_OUT], length, test)}
    dropped = min(samples, len(files["train"]["en"])) - len(kept["train"]["en"])
    empty = sum(not all(lines) for lines in zip(*kept["train"].values(), strict=True))
    if "tags" in views:
        for of in kept.values():
            of["tags"] = [penn(line) for line in of["en"]]
    tags = Vocabulary.of(kept["train"].get("tags", []), "word")
    books = dict.fromkeys(languages, vocabulary) | {"tags": tags}
    train, held = ({view: books[view].ids(lines) for view, lines in of.items()} for of in kept.values())
    return Corpus(train, held, vocabulary, tags, dropped, empty)


def penn(line: str) -> str:
    """The Penn tags of an English sentence, by the tagger that ships in textblob; ImportError says how to install it."""
    try:
        from textblob.en import tag
    except ImportError:
        raise ImportError("parts of speech of real text need the package textblob: pip install -e '.[text]'") from None
    return " ".join(kind for _, kind in tag(line))


def _short(lines: Mapping[str, list[str]], length: int, most: int) -> dict[str, list[str]]:
    """Of the first `most` sentences those that with their end have at most `length` characters in every language."""
    count = min(most, len(lines["en"]))
    places = [k for k in range(count) if all(len(of[k]) < length for of in lines.values())]
    if not places:
        raise ValueError(f"no sentence has at most {length} characters in every language: length must be more")
    return {language: [of[k] for k in places] for language, of in lines.items()}
