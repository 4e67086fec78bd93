"""What a run of a learner of sentences leaves beside its model, so that the model can be used on a sentence of one's own.

vocabulary.json    the tokens of its vocabulary, whether words or characters, and how many a sentence may have
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from borders import Size, checked
from borders.files import read_json, write_json
from borders.words import UNKNOWN
from envs.text.vocabulary import Vocabulary

FILE = "vocabulary.json"


@checked
@dataclass(frozen=True)
class Words:
    """A vocabulary, how many ids a sentence may have, its end among them, and what else is needed to read what is said."""

    vocabulary: Vocabulary
    longest: Size
    more: Mapping[str, Any]

    def write(self, folder: Path) -> None:
        """Leave it in the folder of a run."""
        told = {"level": self.vocabulary.level, "tokens": list(self.vocabulary.tokens), "longest": self.longest}
        write_json(folder / FILE, told | dict(self.more))

    @classmethod
    def read(cls, folder: Path, *needs: str) -> Words:
        """That of a run, with what else it `needs`; ValueError where the folder holds none, or several runs."""
        what = "the vocabulary of a run of a learner of sentences"
        kept = read_json(folder / FILE, what, ("level", "tokens", "longest", *needs))
        level, tokens, longest = (kept.pop(name) for name in ("level", "tokens", "longest"))
        return cls(Vocabulary(tuple(tokens), level), longest, kept)

    def ids(self, sentence: str) -> Tensor:
        """The ids [1, T] of a sentence; words that are unknown are printed. ValueError for none, or one that is too long."""
        line = " ".join(sentence.split())
        if not line:
            raise ValueError("sentence must have a word at least, got none")
        found = self.vocabulary.ids([line], self.longest)
        parts = line.split() if self.vocabulary.level == "word" else list(line)
        unknown = [part for part, number in zip(parts, found[0].tolist(), strict=False) if number == UNKNOWN]
        if unknown:
            print(f"unknown {self.vocabulary.level}s: {', '.join(unknown)}", file=sys.stderr)
        return found


def run_folder(folder: Path) -> Path:
    """The folder of a run of one model and seed: this, or the only one in it. ValueError where several are."""
    inside = [] if (folder / FILE).exists() else sorted(path.parent for path in folder.glob(f"*/{FILE}"))
    if len(inside) > 1:
        raise ValueError(f"run must be one of {', '.join(str(path) for path in inside)}, got {folder}")
    return inside[0] if inside else folder


def asks_for_a_sentence(words: list[str]) -> bool:
    """Whether a command's words are about a sentence of one's own."""
    return any(word.partition("=")[0] == "--sentence" for word in words)
