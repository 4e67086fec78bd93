"""Where the digits of this room come from."""

from __future__ import annotations

from envs.digits import Digits
from envs.files.idx import Split


def digits(data: str, split: Split, source: str = "", style: tuple[str, ...] = ()) -> Digits:
    """The digits of a split: the embedded ones, or with a folder `data` the files of `source` in it, MNIST unless told."""
    if not data:
        return Digits(style, "embedded", split=split)
    return Digits(style, source or "mnist", data, split)  # type: ignore[arg-type]
