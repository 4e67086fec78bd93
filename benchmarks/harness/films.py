"""Pictures and clips side by side, as files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from borders.files.pictures import write_animation

LARGE = 72  # a smaller picture is magnified by the whole number that brings its side nearest to this, from below


def framed(pictures: Tensor) -> NDArray[np.uint8]:
    """Pictures [n, C, H, W] as colour images [n, H', W', 3], small ones magnified, with a grey line around each."""
    times = max(1, LARGE // min(pictures.shape[2:]))
    large = pictures.repeat_interleave(times, 2).repeat_interleave(times, 3)
    image = torch.nn.functional.pad(large, (1, 1, 1, 1), value=90).movedim(1, -1)
    return image.expand(*image.shape[:3], 3).numpy()


def write_wall(clips: Tensor, path: Path, milliseconds: int = 80) -> None:
    """Write a GIF of clips uint8 [rows, columns, T, C, H, W], all shown at once, each frame so long."""
    rows, columns, length = clips.shape[:3]
    images = framed(clips.flatten(0, 2))
    height, width = images.shape[1:3]
    wall = images.reshape(rows, columns, length, height, width, 3).transpose(2, 0, 3, 1, 4, 5)
    write_animation(wall.reshape(length, rows * height, columns * width, 3), path, milliseconds)
