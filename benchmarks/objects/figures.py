"""Pictures of learned objects (Nash et al. 2017, figures 2 to 6): exchanges, sequences, traversals, KL maps, samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.harness.autoencoding import seeded, sheet
from benchmarks.objects.measures import Scenes, exchange, first_part, sequence
from borders.files.pictures import write_figure
from representations.model import levels
from representations.mvae import MVAE, SceneVAE

SCENES = 8  # drawn, half of them beside the other half
REACH, STEPS = 2.25, 9  # a traversal goes from -2.25 to 2.25
SAMPLES = 600  # seed


@torch.no_grad()
def draw(model: SceneVAE, scenes: Scenes, folder: Path) -> None:
    """Draw what both models can do with scenes, and with an mvae what its objects are."""
    pictures = scenes.pictures
    rows = [
        pictures,
        levels(model.decode(model.encode(pictures))),
        levels(model.generate(len(pictures), seeded(SAMPLES))),
    ]
    write(rows, ("seen", "decoded", "sampled"), folder / "scenes.png")
    half = len(pictures) // 2
    found = {name: levels(each) for name, each in exchange(model, pictures[:half], pictures[half:]).items()}
    pairs = [torch.stack(each.split(half), 1).flatten(0, 1) for each in (pictures, *found.values())]
    write(pairs, ("pairs seen", "decoded", "without the part", "exchanged"), folder / "exchange.png")
    code, part = model.encode(pictures[:1]), first_part(model, pictures[:1])[0]
    codes = code.repeat(len(part) * STEPS, 1).unflatten(0, (len(part), STEPS))
    for row, dimension in enumerate(part.tolist()):
        codes[row, :, dimension] = torch.linspace(-REACH, REACH, STEPS)
    lines = list(levels(model.decode(codes.flatten(0, 1))).unflatten(0, (len(part), STEPS)))
    write(lines, [f"z {dimension + 1}" for dimension in part.tolist()], folder / "traversals.png")
    if isinstance(model, MVAE):
        steps = levels(sequence(model, pictures)).transpose(0, 1)
        write(
            [pictures, *steps],
            ("seen", "nothing", *(f"{k} first" for k in range(1, len(steps)))),
            folder / "sequence.png",
        )


def maps(pictures: Tensor, drawn: Tensor, kl: Tensor, model: MVAE, folder: Path) -> None:
    """Draw reconstructions and KL maps early in training, `drawn` [n, 3, H, W] and `kl` [n, h, w], and at its end."""
    with torch.no_grad():
        late = model.decode(model.encode(pictures)), model.kl_map(pictures)
    rows = [pictures]
    for picture, map_ in ((drawn, kl), late):
        bright = (map_ / map_.amax((1, 2), keepdim=True))[:, None].expand(-1, 3, -1, -1)
        rows += [levels(picture), levels(functional.interpolate(bright, pictures.shape[2:]))]
    write(rows, ("seen", "early", "KL", "late", "KL"), folder / "maps.png")


def write(rows: Sequence[Tensor], labels: Sequence[str], path: Path) -> None:
    """Write rows of pictures, each with a label, to a PNG."""
    write_figure(sheet(rows, labels), path, dpi=110)
