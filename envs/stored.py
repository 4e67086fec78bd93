"""Pictures that people have, as a world: a folder of picture files, or an npz file that may say their factors.

    pictures.npz   pictures  uint8 [n, H, W], [n, H, W, C] or [n, C, H, W], C 1 or 3
                   factors   [n, K]                                                     optional
                   kinds     K words: continuous, ordinal, categorical, circular:PERIOD  optional, numbers unless told
                   names     K words                                                    optional

A folder with the files of CelebA says what is seen on its faces, and whose they are. Without factors the only factor is
which picture it is, and no score of factors applies (`known` is False). A stored world draws the rows that it has; it has no
picture of another combination.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from borders import Count, checked
from borders.files import LARGEST, read_npz
from borders.files.pictures import read_picture
from envs.files.celeba import is_celeba, load_celeba
from envs.registry import WORLDS, make_world
from envs.world import Factor, World

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff")
WHAT = "pictures uint8 [n, H, W], [n, H, W, C] or [n, C, H, W], with or without factors [n, K], kinds and names"
NAMES = ("pictures", "images", "imgs")
KINDS = ("continuous", "ordinal", "categorical", "circular")


class Stored(World):
    """Pictures uint8 [n, C, H, W] with factor rows [n, K] of these factors, or without any."""

    def __init__(self, pictures: Tensor, rows: Tensor | None = None, factors: tuple[Factor, ...] = ()) -> None:
        self.pictures, self.shape, self.known = pictures, tuple(pictures.shape[1:]), rows is not None
        self.rows = torch.arange(len(pictures)).float()[:, None] if rows is None else rows.float()
        self.factors = factors if self.known else (Factor.categorical("picture", len(pictures), "file"),)
        self._places = {row.tobytes(): place for place, row in reversed(list(enumerate(self.rows.numpy())))}

    def draw(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Factors [n, K] and pictures of rows that are drawn with replacement."""
        chosen = torch.randint(len(self.rows), (n,), generator=generator, device=generator.device).cpu()
        return self.rows[chosen], self.pictures[chosen]

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        return self.draw(n, generator)[0].to(generator.device)

    def _render(self, factors: Tensor) -> Tensor:
        wanted = [row.tobytes() for row in np.ascontiguousarray(factors.cpu().float().numpy())]
        missing = next((k for k, row in enumerate(wanted) if row not in self._places), None)
        if missing is not None:
            named = dict(zip(self.names, factors[missing].tolist(), strict=True))
            raise ValueError(f"no stored picture has the factors {named}; a stored world has no other combinations")
        return self.pictures[[self._places[row] for row in wanted]].to(factors.device)


def drawn(world: World, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Factors [n, K] and pictures [n, C, H, W] of a world; of a stored one each row that it has, not one of each kind."""
    if isinstance(world, Stored):
        return world.draw(n, generator)
    factors = world.sample(n, generator)
    return factors, world.render(factors)


def open_world(name: str, **settings: Any) -> World:
    """The world of a name in `envs.WORLDS`, of a folder of pictures (settings side, grey), or of an npz file of them.

    A folder with CelebA's files has its attributes and identities for factors (settings attributes and most, too).

    ValueError or TypeError says what is allowed, and what is wrong with a file.
    """
    path = Path(name).expanduser()
    if name in WORLDS or not (path.exists() or path.suffix == ".npz" or "/" in name):
        return make_world(name, **settings)
    if path.is_dir():
        return read_celeba(path, **settings) if is_celeba(path) else read_folder(path, **settings)
    if settings:
        raise TypeError(f"an npz file of pictures has no settings, got {', '.join(settings)}")
    return read_pictures(path)


def read_folder(folder: Path, side: int = 64, grey: bool = False) -> Stored:
    """The pictures of a folder and those below it, their middle square as `side` x `side` pixels, in order of their names."""
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    if not files:
        raise ValueError(f"{folder} holds no pictures; their names end in {', '.join(SUFFIXES)}")
    return Stored(_loaded(files, folder, side, grey))


@checked
def read_celeba(
    folder: Path, side: int = 64, grey: bool = False, attributes: tuple[str, ...] = (), most: Count | None = None
) -> Stored:
    """The faces of CelebA in a folder, their middle square as `side` x `side` pixels: see `envs.files.celeba`.

    Factors are the attributes, all 40 or those named, each there (1) or not, and the identity. `most` reads the first ones.
    """
    told = load_celeba(folder, attributes, most)
    pictures = _loaded(told.files, folder, side, grey)
    known, identities = np.unique(told.identities, return_inverse=True)
    rows = np.column_stack([told.attributes, identities]).astype(np.float32)
    factors = (
        *(Factor.categorical(name, 2) for name in told.names),
        Factor.categorical("identity", len(known), "person"),
    )
    return Stored(pictures, torch.from_numpy(rows), factors)


def _loaded(files: Sequence[Path], folder: Path, side: int, grey: bool) -> Tensor:
    """The middle squares of picture files, uint8 [n, C, side, side]."""
    if not isinstance(side, int) or side < 1:
        raise ValueError(f"side must be a whole number of pixels, at least 1, got {side!r}")
    channels = 1 if grey else 3
    if len(files) * channels * side * side > LARGEST:
        raise ValueError(f"the {len(files)} pictures of {folder} take more than {LARGEST:,} bytes at side {side}")
    pictures = torch.empty(len(files), channels, side, side, dtype=torch.uint8)
    for place, file in enumerate(files):
        pictures[place] = _square(torch.from_numpy(read_picture(file, "a picture", grey)), side)
    return pictures


def _square(picture: Tensor, side: int) -> Tensor:
    """The middle square of a picture [H, W] or [H, W, C] as [C, side, side]."""
    picture = picture[..., None] if picture.ndim == 2 else picture
    least = min(picture.shape[:2])
    top, left = ((length - least) // 2 for length in picture.shape[:2])
    middle = picture[top : top + least, left : left + least].permute(2, 0, 1)[None].float()
    sized = torch.nn.functional.interpolate(middle, (side, side), mode="bilinear", antialias=True, align_corners=False)
    return sized[0].round().clamp(0, 255).to(torch.uint8)


def read_pictures(path: Path) -> Stored:
    """The pictures of an npz file, with their factors where it has them; ValueError says what is wrong with it."""
    arrays = read_npz(path, WHAT)
    name = next((name for name in NAMES if name in arrays), None)
    if name is None:
        raise ValueError(f"{path} should hold {WHAT}, but it has no array 'pictures', only {', '.join(arrays)}")
    pictures = arrays[name]
    shape = pictures.shape
    if pictures.dtype != np.uint8 or pictures.ndim not in (3, 4) or not len(pictures):
        raise ValueError(f"{path} should hold {WHAT}, but its {name} are {pictures.dtype} {shape}")
    if pictures.ndim == 3:
        pictures = pictures[:, None]
    elif shape[1] not in (1, 3) and shape[3] in (1, 3):
        pictures = np.moveaxis(pictures, 3, 1)
    elif shape[1] not in (1, 3):
        raise ValueError(f"{path} should hold {WHAT}, with C 1 or 3, but its {name} are {shape}")
    seen = torch.from_numpy(np.ascontiguousarray(pictures))
    if "factors" not in arrays:
        return Stored(seen)
    words = [str(word) for word in arrays["kinds"].reshape(-1)] if "kinds" in arrays else None
    names = [str(word) for word in arrays["names"].reshape(-1)] if "names" in arrays else None
    try:
        values, factors = described(arrays["factors"], words, names)
        if len(values) != len(seen):
            raise ValueError(f"there are {len(values)} factor rows for {len(seen)} pictures")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None
    return Stored(seen, torch.from_numpy(values), factors)


def described(
    factors: NDArray,
    kinds: Sequence[Factor | str | tuple[str, float]] | None = None,
    names: Sequence[str] | None = None,
) -> tuple[NDArray[np.float64], tuple[Factor, ...]]:
    """Factor values [n, K], with a `Factor` for every column: classes are numbered, angles taken within their period.

    `kinds` has an entry for every column: a `Factor`, a word, or ("circular", period), also written "circular:6.28"; None
    makes all of them numbers. `names` are factor_0, factor_1, ... unless told. TypeError or ValueError for what is neither.
    """
    values = np.array(factors, dtype=np.float64) if np.asarray(factors).dtype.kind in "fiub" else None
    if values is None or values.ndim != 2 or not values.size:
        raise ValueError(f"factors must be numbers [n, K], got {np.asarray(factors).dtype} {np.shape(factors)}")
    if not np.isfinite(values).all():
        raise ValueError("factors must be finite")
    count = values.shape[1]
    given = ["continuous"] * count if kinds is None else list(kinds)
    called = [f"factor_{k}" for k in range(count)] if names is None else list(names)
    for what, entries in (("kinds", given), ("names", called)):
        if len(entries) != count:
            raise ValueError(f"{what} must describe {count} factor columns, got {len(entries)} entries")
    return values, tuple(_factor(values[:, k], given[k], called[k]) for k in range(count))


def _factor(column: NDArray[np.float64], kind: Factor | str | tuple[str, float], name: str) -> Factor:
    """The factor of a column, which is changed in place where classes are numbered and angles taken within a period."""
    if isinstance(kind, Factor):
        return kind
    word, period = kind.partition(":")[::2] if isinstance(kind, str) else kind
    if word not in KINDS or bool(period) != (word == "circular"):
        raise ValueError(
            f"the kind of {name} must be one of {', '.join(KINDS)}, circular as circular:PERIOD, got {kind!r}"
        )
    distinct = np.unique(column)
    if word == "circular":
        column %= float(period)
        return Factor.circular(name, float(period))
    if word == "categorical":
        column[:] = np.searchsorted(distinct, column)
        return Factor.categorical(name, len(distinct))
    if word == "ordinal" or len(distinct) == 1:
        return Factor.ordinal(name, distinct.tolist())
    return Factor.continuous(name, float(distinct[0]), float(distinct[-1]))
