"""Pictures of handwriting by class and example: the pool from which the worlds of digits draw.

    picture(c, i) = the (i mod n_c)-th of the n_c pictures of class c

The embedded source is scikit-learn's copy of the optical digits of Alpaydin and Kaynak (1998): 1,797 pictures of 8 x 8
block counts from 0 to 16. They get a blank margin of one, grow 2.4-fold by a bicubic, their contrast is doubled about
one half, and two more blank pixels make them 28 x 28.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from borders import checked
from envs.files.idx import PUBLISHED, Split, load_published

SIDE = 28
Source = Literal["embedded", "mnist", "fashion_mnist"]
TEST = 360  # the embedded pictures that form its test split: the last fifth, as the source orders them


class Pool:
    """Pictures uint8 [N, ...] by class, and by example in it, counted round.

    `classes` is their number and `examples` the most that a class has; `counts` long [classes].
    """

    def __init__(self, images: NDArray, labels: NDArray):
        order = np.argsort(labels, kind="stable")
        self.counts = torch.from_numpy(np.bincount(labels))
        self.classes = len(self.counts)
        self.examples = int(self.counts.max())
        self._first = self.counts.cumsum(0) - self.counts
        self._pictures = {torch.device("cpu"): torch.from_numpy(images[order])}

    def rows(self, label: Tensor, example: Tensor) -> Tensor:
        """The pictures uint8 [n, ...] of classes `label` [n] and examples `example` [n], on their device."""
        device = label.device
        if device not in self._pictures:
            self._pictures[device] = self._pictures[torch.device("cpu")].to(device)
        label = label.round().long()
        counts, first = self.counts.to(device)[label], self._first.to(device)[label]
        return self._pictures[device][first + example.round().long() % counts]


class Handwriting(Pool):
    """A pool of pictures of handwriting, 28 x 28.

    `source` is "embedded", "mnist" or "fashion_mnist"; the last two are read from `path` or from DISCO_DATA, see
    `envs.files.idx.load_published`. `split` is "all", "train" or "test".
    """

    @checked
    def __init__(self, source: Source = "embedded", path: str | Path | None = None, split: Split = "all"):
        if source == "embedded":
            if path is not None:
                raise ValueError(f"path is read by the sources {tuple(PUBLISHED)} only, got {path!r} for 'embedded'")
            images, labels = _embedded(split)
        else:
            images, labels = load_published(source, split, path)
        super().__init__(images, labels)

    def pictures(self, label: Tensor, example: Tensor) -> Tensor:
        """The pictures of classes `label` [n] and examples `example` [n]: float32 [n, 28, 28] in [0, 1]."""
        return self.rows(label, example).float() / 255


@cache
def _embedded(split: Split) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.datasets import load_digits

    digits = load_digits()
    grid = F.pad(torch.from_numpy(digits.images).float()[:, None] / 16, (1, 1, 1, 1))
    grown = F.interpolate(grid, size=(24, 24), mode="bicubic", align_corners=False)
    ink = F.pad((2 * grown - 0.5).clamp(0, 1), (2, 2, 2, 2))
    images = (ink[:, 0] * 255).round().to(torch.uint8).numpy()
    part = {"all": slice(None), "train": slice(None, -TEST), "test": slice(-TEST, None)}[split]
    return images[part], digits.target[part]
