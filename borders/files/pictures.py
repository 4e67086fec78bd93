"""Pictures: figures and animations to files, photographs from files."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio.v3 as imageio
import numpy as np
from numpy.typing import NDArray

from borders.files.disk import check_file, write_atomically

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PIXELS = 2**26


def write_figure(figure: Figure, path: Path, dpi: float = 110) -> None:
    """Write a figure of matplotlib atomically, in the format that the name ends in."""
    write_atomically(path, lambda partial: figure.savefig(partial, dpi=dpi))


def write_animation(frames: Iterable[NDArray[Any]], path: Path, milliseconds: int) -> None:
    """Write pictures uint8 [H, W] or [H, W, 3], each shown so long, to a GIF that never ends, atomically.

    Where `imageio-ffmpeg` is installed (`pip install -e ".[video]"`), an MP4 of the same name stands beside it; a side of an
    odd number of pixels is one longer there.
    """
    shown = np.stack(list(frames))
    write_atomically(path, lambda partial: imageio.imwrite(partial, shown, duration=milliseconds, loop=0))
    if find_spec("imageio_ffmpeg") is None:
        return
    colour = shown if shown.ndim == 4 else shown[..., None].repeat(3, 3)
    even = np.pad(colour, ((0, 0), *((0, side % 2) for side in shown.shape[1:3]), (0, 0)), mode="edge")
    told: dict[str, Any] = {"plugin": "FFMPEG", "fps": 1000 / milliseconds, "macro_block_size": 2}
    write_atomically(path.with_suffix(".mp4"), lambda partial: imageio.imwrite(partial, even, **told))


def png_of(picture: NDArray[np.uint8]) -> bytes:
    """A picture uint8 [H, W] or [H, W, 3] as a PNG file's content, for a page that holds it."""
    return imageio.imwrite("<bytes>", picture, extension=".png")


def read_picture(path: Path, what: str, grey: bool = False) -> NDArray[np.uint8]:
    """A picture uint8 [H, W, 3], or [H, W] in grey, the first one of a file of several; ValueError names another file."""
    check_file(path, what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # of a bomb of pixels
            shape = imageio.improps(path, index=0, plugin="pillow").shape
            if shape[0] * shape[1] > MOST_PIXELS:
                raise ValueError(f"it has {shape[0]} x {shape[1]} pixels, more than {MOST_PIXELS:,}")
        return np.array(imageio.imread(path, index=0, mode="L" if grey else "RGB", plugin="pillow"))
    except Exception as error:  # every format's reader raises its own
        raise ValueError(f"{path} should be {what}, but it is damaged or another file: {error}") from None
