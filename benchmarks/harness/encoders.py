"""Encoders as people name them on a command line: by name, or by a folder, which may have commas in it."""

from __future__ import annotations

from pathlib import Path

from borders.files import home


def paths_listed(text: str) -> list[str]:
    """The entries of a comma list, where an entry may be the path of something that has commas in it."""
    parts, found = text.split(","), []
    while parts:
        count = next((k for k in range(len(parts), 1, -1) if home(",".join(parts[:k])).exists()), 1)
        entry, parts = ",".join(parts[:count]).strip(), parts[count:]
        if entry:
            found.append(entry)
    return found


def is_path(text: str) -> bool:
    """Whether a word can only be meant as a path."""
    return "/" in text or text.startswith((".", "~")) or Path(text).exists()
