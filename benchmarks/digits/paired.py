"""jade, paired_classifier and single_classifier (Karimi et al. 2017): what a second set of the same classes is worth.

Primary are house numbers, a few a class; secondary handwritten digits, as many as one likes. House numbers of the test are
printed in fonts that neither set has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import Interval
from torch import Tensor

import representations
from benchmarks.digits.labels import labelled_rows
from benchmarks.digits.paired_report import activations, tables
from benchmarks.digits.source import digits
from benchmarks.harness.autoencoding import seeded, sheet
from benchmarks.harness.papers import Job, Settings, sized, trained
from borders import Count, NonNegative, Positive, Share, Size, checked
from borders.files.pictures import write_figure
from envs.street_digits import StreetDigits
from envs.world import World
from representations.jade import DigitClassifier, Jade, PairedClassifier
from representations.model import levels

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("jade", "paired_classifier", "single_classifier")
TEST_SEED, PRIMARY_SEED, SECONDARY_SEED = 10_000, 40_000, 50_000
CHUNK = 500
USED = 0.1  # nats of mean KL from which a unit counts as used
HARD = ("clutter", "neighbours", "blur", "contrast")  # how hard house numbers are to read


@checked
@dataclass(frozen=True)
class Sizes:
    """How many labelled pictures there are, how long models train, and how hard the primary pictures are."""

    steps: Count
    batch: Annotated[int, Interval(ge=2, le=10**6)]
    test: Count
    labels: list[Count]
    secondary: Count = 200
    filters: tuple[Size, ...] = (32, 48, 32, 4)
    secondary_filters: tuple[Size, ...] = (16, 16, 8)
    hidden: Size = 250
    dropout: Share = 0.5
    label_weight: NonNegative = 100.0
    match_weight: NonNegative = 10.0
    learning_rate: Positive = 1e-3
    clutter: Share = 1.0
    neighbours: Share = 0.6
    blur: Share = 0.6
    contrast: Share = 0.3
    source: Literal["", "mnist"] = ""
    street: Literal["drawn", "svhn"] = "drawn"
    count: Count = 10


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings, or files in `data`, that cannot be used."""
    sizes = sized(Sizes, "paired", settings)
    if sizes.street == "svhn":
        primary(sizes, "test", data)


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """A cell for every number of labelled primary pictures a class."""
    return [(f"{count} labels", settings | {"count": count}) for count in sized(Sizes, "paired", settings).labels]


def primary(sizes: Sizes, split: Literal["train", "test"], data: str) -> World:
    """The world of house numbers."""
    if sizes.street == "svhn":
        return StreetDigits(split, source="svhn", path=data or None)
    hard = {name: getattr(sizes, name) for name in HARD}
    return StreetDigits(split, **hard)


def secondary(sizes: Sizes, split: Literal["train", "test"], data: str) -> World:
    """The world of handwritten digits: MNIST where the data folder is MNIST's."""
    return digits(data if sizes.street == "drawn" else "", split, sizes.source)


def build(model: str, sizes: Sizes) -> DigitClassifier:
    """The model of a cell."""
    settings: Settings = {"filters": sizes.filters, "hidden": sizes.hidden, "dropout": sizes.dropout}
    settings |= {"learning_rate": sizes.learning_rate}
    if model != "single_classifier":
        settings |= {"secondary_filters": sizes.secondary_filters}
    if model == "jade":
        settings |= {"label_weight": sizes.label_weight, "match_weight": sizes.match_weight}
    return representations.make(model, **settings)  # type: ignore[return-value]


def drawn(world: World, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures and classes [n] of a world."""
    rows = world.sample(n, seeded(seed))
    return world.render(rows), rows[:, 0].long()


def pairs(x: Tensor, other: Tensor, batch: int) -> Callable[[torch.Generator], dict[str, Tensor]]:
    """What `fit` draws from: pairs of a class, drawn anew, of primary [10, n, ...] and secondary pictures [10, m, ...]."""

    def draw(generator: torch.Generator) -> dict[str, Tensor]:
        y = torch.randint(len(x), (batch,), generator=generator)
        first, second = (torch.randint(each.shape[1], (batch,), generator=generator) for each in (x, other))
        return {"x": x[y, first], "secondary": other[y, second], "y": y}

    return draw


def by_class(world: World, count: int, seed: int) -> Tensor:
    """`count` pictures of each class of a world: [10, count, C, H, W]."""
    x, label = drawn(world, 20 * count + 200, seed)
    return x[labelled_rows(label[:, None], count, seeded(seed))]


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train a cell's model, measure and draw it."""
    sizes = sized(Sizes, "paired", job.settings)
    few = by_class(primary(sizes, "train", job.data), sizes.count, PRIMARY_SEED + job.seed)
    many = by_class(secondary(sizes, "train", job.data), sizes.secondary, SECONDARY_SEED)
    torch.manual_seed(job.seed)
    model = build(job.model, sizes)
    hard = {name: getattr(sizes, name) for name in HARD}
    drawn_on = ("street_digits", hard) if sizes.street == "drawn" else ("", {})
    batches = pairs(few, many, sizes.batch)
    model = trained(model, batches, sizes.steps, job, folder, resume, *drawn_on, decay=True)
    x, label = drawn(primary(sizes, "test", job.data), sizes.test, TEST_SEED)
    y, second = drawn(secondary(sizes, "test", job.data), sizes.test, TEST_SEED)
    found = {
        "error": error(model.classify, x, label),
        "trained": error(model.classify, few.flatten(0, 1), classes(few)),
    }
    if isinstance(model, (Jade, PairedClassifier)):
        found["error_secondary"] = error(model.classify_secondary, y, second)
    if isinstance(model, Jade):
        found |= units(model, x, label)
        pictures(model, x, label, folder)
    return found


def classes(few: Tensor) -> Tensor:
    """The classes of pictures [10, n, ...] put in a row."""
    return torch.arange(len(few)).repeat_interleave(few.shape[1])


@torch.no_grad()
def error(classify: Callable[[Tensor], Tensor], x: Tensor, label: Tensor) -> float:
    """The share of pictures whose class is read wrongly."""
    found = torch.cat([classify(part).argmax(1) for part in x.split(CHUNK)])
    return (found != label).float().mean().item()


@torch.no_grad()
def units(model: Jade, x: Tensor, label: Tensor) -> dict[str, Any]:
    """What the units of the code do: mean KL in nats, how many are used, and how much of their variance is within a class.

    `within_content` and `within_style` are means over units of the share of a unit's variance over all pictures that is
    left among pictures of one class (figure 2: low for content, high for style).
    """
    mean, logvar = (
        torch.cat(parts) for parts in zip(*(model.primary.posterior(p) for p in x.split(CHUNK)), strict=True)
    )
    kl = 0.5 * (logvar.exp() + mean**2 - 1 - logvar).mean(0)
    total = mean.var(0).clamp(min=1e-8)
    shares = torch.stack([mean[label == k].var(0) / total for k in range(10)])
    content = model.content
    found: dict[str, Any] = {"within_content": shares[:, :content].mean().item()}
    found |= {"within_style": shares[:, content:].mean().item()}
    found |= {"kl_content": kl[:content].sum().item(), "kl_style": kl[content:].sum().item()}
    found |= {"used_content": float((kl[:content] > USED).sum()), "used_style": float((kl[content:] > USED).sum())}
    return found | {"shares": shares.tolist()}


@torch.no_grad()
def pictures(model: Jade, x: Tensor, label: Tensor, folder: Path) -> None:
    """Draw figure 2, and what the autoencoder makes of test pictures."""
    first = torch.stack([(label == k).nonzero()[0, 0] for k in range(10)])
    code = model.encode(x[first])
    swapped = torch.cat([code[:, : model.content].roll(1, 0), code[:, model.content :]], 1)
    rows = [x[first], *(levels(model.decode(each)) for each in (code, swapped))]
    write_figure(sheet(rows, ["seen", "decoded", "another's content"]), folder / "decoded.png")
    codes = torch.cat([model.encode(part) for part in x.split(CHUNK)])
    write_figure(activations(codes, label, model.content), folder / "activations.png")
