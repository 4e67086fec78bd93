"""Sentences of several languages that say the same, line by line: one text file a language and split.

FOLDER/SPLIT.LANGUAGE    such as train.en, train.de, train.fr of Multi30K, also packed as .gz; UTF-8, a sentence a line
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from borders import checked
from borders.files import data_folder, read_text

FOLDER = "multi30k"
ORIGIN = "aligned sentences, such as Multi30K (Elliott et al. 2016; https://github.com/multi30k/dataset)"


@checked
def read_aligned(
    split: str, languages: Sequence[str] = ("en", "de", "fr"), path: str | Path | None = None
) -> dict[str, list[str]]:
    """The lines of a split by language, line k of each the same sentence; empty lines stay, for what is beside them.

    The files are looked for in `path`, or in the folder that DISCO_DATA names, and in its folder `multi30k`. Raises
    FileNotFoundError where one is missing, and ValueError where one is empty, not UTF-8, or has more lines than another.
    """
    root = data_folder(path)
    if not root:
        raise FileNotFoundError(f"no folder to look for {split}.en in: set path or DISCO_DATA; it is of {ORIGIN}")
    files = {language: _find(root, f"{split}.{language}") for language in languages}
    found = {language: _lines(file) for language, file in files.items()}
    first = files[languages[0]]
    for language, file in files.items():
        if len(found[language]) != len(found[languages[0]]):
            raise ValueError(
                f"{first} has {len(found[languages[0]]):,} lines and {file} {len(found[language]):,}: line k of each must "
                f"be the same sentence"
            )
    return found


def _find(root: Path, name: str) -> Path:
    for folder in (root, root / FOLDER):
        for file in (folder / name, folder / f"{name}.gz"):
            if file.is_file():
                return file
    raise FileNotFoundError(f"no file {name} or {name}.gz in {root} or its folder {FOLDER}; it is of {ORIGIN}")


def _lines(file: Path) -> list[str]:
    """The lines of a file; only line feeds end them, with or without a carriage return."""
    text = read_text(file, f"a file of {ORIGIN}")
    lines = [line.removesuffix("\r").strip() for line in text.removesuffix("\n").split("\n")]
    if not any(lines):
        raise ValueError(f"{file} should be a file of {ORIGIN}, but it is empty")
    return lines
