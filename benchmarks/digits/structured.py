"""structured_vae and m2 (Siddharth et al. 2016; Kingma et al. 2014): how many labels a class it takes to read digits.

Cells are a number of labels a class, a supervision rate (the share of steps that see the labels, figure 2(b)), a style of
two dimensions (figure 3(b)), the sum over classes in place of plugging in, two digits in one picture, and house numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from annotated_types import Interval, MinLen
from scipy.optimize import linear_sum_assignment
from sklearn.linear_model import LogisticRegression
from torch import Tensor

import representations
from benchmarks.digits.judge import Judge, train_judge
from benchmarks.digits.labels import Pictures, every, labelled_rows, supervised
from benchmarks.digits.source import digits
from benchmarks.digits.structured_figures import figures
from benchmarks.digits.structured_report import tables
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.metrics.codes import score_codes
from borders import Count, NonNegative, Positive, Share, Size, checked
from envs.files.idx import Split
from envs.street_digits import StreetDigits
from envs.world import World
from representations.parts.latent_graph import Estimator, GraphVAE, Structure

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("structured_vae", "m2")
STYLES = ("rotation", "scale", "shear", "thickness")
TEST_SEED, JUDGE_SEED, LABELS_SEED = 10_000, 20_000, 30_000
CHUNK = 500
HARD = ("clutter", "neighbours", "blur")  # how hard house numbers are to read
Kind = Literal["digits", "pair", "street"]
Counts = Annotated[list[Count], MinLen(1)]
Batch = Annotated[int, Interval(ge=2, le=10**6)]


@checked
@dataclass(frozen=True)
class Sizes:
    """What the cells are, how long they train, and on how many pictures they are measured.

    `opening` is the share of the steps over which the weight of the Gaussians' KL falls from `closed` to 1.
    """

    steps: Count
    batch: Batch
    test: Count
    judge_steps: Count
    pool: Count = 6000
    labels: Counts = field(default_factory=lambda: [10, 60, 100])
    rates: list[Share] = field(default_factory=list)
    rate_labels: list[Count] = field(default_factory=list)
    street_labels: list[Count] = field(default_factory=list)
    street_steps: Count = 1500
    street_batch: Batch = 64
    pair_labels: list[Count] = field(default_factory=list)
    pair_steps: Count = 3000
    marginal_labels: list[Count] = field(default_factory=list)
    grid_labels: list[Count] = field(default_factory=list)
    styled_labels: list[Count] = field(default_factory=list)
    hidden: Size = 512
    street_hidden: Size = 256
    street_channels: Size = 16
    style: Size = 50
    label_weight: NonNegative = 50.0
    street_weight: NonNegative = 500.0
    learning_rate: Positive = 1e-3
    street_rate: Positive = 1e-3
    closed: NonNegative = 10.0
    opening: Share = 0.0
    clutter: Share = 1.0
    neighbours: Share = 0.6
    blur: Share = 0.6
    styled: bool = False
    source: Literal["", "mnist", "fashion_mnist"] = ""
    street: Literal["drawn", "svhn"] = "drawn"
    kind: Kind = "digits"
    count: Count = 10
    rate: Share = 1.0
    estimator: Estimator = "plug_in"


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings, or files in `data`, that cannot be used."""
    sizes = sized(Sizes, "structured", settings)
    if sizes.street == "svhn":
        StreetDigits("test", source="svhn", path=data or None)
    fewest = int(digits(data, "train", sizes.source).handwriting.counts.min())
    wanted = max((*sizes.labels, *sizes.rate_labels, *sizes.marginal_labels, *sizes.grid_labels))
    if wanted > fewest:
        raise ValueError(
            f"papers.structured has {wanted} labels a class, but a class has only {fewest} pictures to learn from; "
            "MNIST has more: --data FOLDER"
        )


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """The cells of a model; m2 has those of the table alone."""
    sizes = sized(Sizes, "structured", settings)
    cells: list[tuple[str, Settings]] = [(f"{count} labels", {"count": count}) for count in sizes.labels]
    if model == "structured_vae":
        cells += [
            (f"{count} labels, rate {rate:g}", {"count": count, "rate": rate})
            for count in sizes.rate_labels
            for rate in sizes.rates
        ]
        cells += [(f"{n} labels, marginal", {"count": n, "estimator": "marginal"}) for n in sizes.marginal_labels]
        cells += [(f"{n} labels, style of 2", {"count": n, "style": 2}) for n in sizes.grid_labels]
        cells += [(f"styled, {n} labels", {"count": n, "styled": True}) for n in sizes.styled_labels]
        cells += [(f"two digits, {n} labels", {"count": n, "kind": "pair"}) for n in sizes.pair_labels]
        cells += [(f"street, {n} labels", {"count": n, "kind": "street"}) for n in sizes.street_labels]
    return [(name, settings | cell) for name, cell in cells]


def structure_of(sizes: Sizes) -> Structure:
    """The declaration of a cell's latents: a class and a style, or two classes and a style."""
    names = ["left", "right"] if sizes.kind == "pair" else ["digit"]
    classes: Structure = {name: {"kind": "categorical", "size": 10} for name in names}
    return classes | {"style": {"kind": "gaussian", "size": sizes.style, "reads": names}}


def steps_of(sizes: Sizes) -> int:
    """How long a cell's model trains."""
    return {"digits": sizes.steps, "pair": sizes.pair_steps, "street": sizes.street_steps}[sizes.kind]


def build(model: str, sizes: Sizes, shape: tuple[int, ...]) -> GraphVAE:
    """The model of a cell for pictures `shape`."""
    street = sizes.kind == "street"
    settings: Settings = {"shape": shape, "hidden": sizes.street_hidden if street else sizes.hidden}
    settings |= {"label_weight": sizes.street_weight if street else sizes.label_weight}
    settings |= {"learning_rate": sizes.street_rate if street else sizes.learning_rate}
    settings |= {"closed": sizes.closed, "opening": round(sizes.opening * steps_of(sizes))}
    if model == "m2":
        return representations.make("m2", style=sizes.style, **settings)  # type: ignore[return-value]
    settings |= {"network": "conv", "channels": sizes.street_channels} if street else {}
    settings |= {"structure": structure_of(sizes), "estimator": sizes.estimator}
    return representations.make("structured_vae", **settings)  # type: ignore[return-value]


def world_of(sizes: Sizes, data: str, split: Split) -> World:
    """The world of a cell."""
    if sizes.kind == "street":
        drawn = sizes.street == "drawn"
        hard = {name: getattr(sizes, name) for name in HARD}
        return StreetDigits(split, **hard) if drawn else StreetDigits(split, source="svhn", path=data or None)
    return digits(data, split, sizes.source, STYLES if sizes.styled else ())


def pictures(sizes: Sizes, world: World, n: int, generator: torch.Generator) -> Pictures:
    """`n` pictures of a cell; of plain digits, which are not endless, each of them once."""
    if sizes.kind == "pair":
        first, second = (world.sample(n, generator) for _ in range(2))
        x = torch.cat([world.render(first), world.render(second)], -1)
        both = torch.cat([first, second], 1)
        return Pictures(x, both[:, [0, first.shape[1]]].long(), both)
    plain = sizes.kind == "digits" and not sizes.styled
    rows = every(world) if plain else world.sample(n, generator)  # type: ignore[arg-type]
    return Pictures(world.render(rows), rows[:, :1].long(), rows)


def shown_on(sizes: Sizes, data: str) -> tuple[str, Settings]:
    """The name and the settings of a cell's world, for a saved model; no name where it is of a user's files."""
    if data or sizes.kind == "pair":
        return "", {}
    if sizes.kind == "street":
        return "street_digits", {name: getattr(sizes, name) for name in HARD}
    return "digits", {"style": list(STYLES) if sizes.styled else []}


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train a cell's model, measure and draw it."""
    sizes = sized(Sizes, "structured", job.settings)
    train, test = (world_of(sizes, job.data, split) for split in ("train", "test"))
    data = pictures(sizes, train, sizes.pool, seeded(LABELS_SEED + job.seed))
    labelled = labelled_rows(data.labels, sizes.count, seeded(LABELS_SEED + job.seed))
    torch.manual_seed(job.seed)
    model = build(job.model, sizes, tuple(data.x.shape[1:]))
    batches = supervised(data, labelled, sizes.street_batch if sizes.kind == "street" else sizes.batch, sizes.rate)
    model = trained(model, batches, steps_of(sizes), job, folder, resume, *shown_on(sizes, job.data), decay=True)
    seen = pictures(sizes, test, sizes.test, seeded(TEST_SEED))
    figures(model, seen.x, seen.labels, folder)
    found = measure(model, seen)
    if sizes.kind == "digits":
        found |= of_style(model, seen, test, sizes)
        if sizes.rate == 1 and sizes.style > 2 and sizes.count == max(sizes.labels):
            judge = train_judge(train, (), sizes.judge_steps, JUDGE_SEED)
            found |= analogies(model, judge, seen)
    return found


@torch.no_grad()
def encoded(model: GraphVAE, x: Tensor) -> Tensor:
    """The codes [n, code_size] of pictures."""
    return torch.cat([model.encode(part) for part in x.split(CHUNK)])


def matched(predicted: Tensor, labels: Tensor, classes: int) -> float:
    """The error of predictions [n], once their names are given to classes in the best way (Kuhn's assignment)."""
    table = torch.zeros(classes, classes).index_put_((predicted, labels), torch.ones(len(labels)), accumulate=True)
    best = linear_sum_assignment(-table.numpy())
    return 1 - float(table.numpy()[best].sum()) / len(labels)


def measure(model: GraphVAE, seen: Pictures) -> dict[str, float]:
    """The share of classes read wrongly, whatever their names (`matched`), and the encoder's doubt in nats."""
    code = encoded(model, seen.x)
    found: dict[str, list[float]] = {"error": [], "matched": [], "doubt": []}
    for column, name in enumerate(model.graph.classes):
        odds = model.node(code, name)
        predicted, label = odds.argmax(1), seen.labels[:, column]
        found["error"].append((predicted != label).float().mean().item())
        found["matched"].append(matched(predicted, label, odds.shape[1]))
        found["doubt"].append(-(odds * odds.clamp(min=1e-12).log()).sum(1).mean().item())
    return {key: float(np.mean(values)) for key, values in found.items()}


def of_style(model: GraphVAE, seen: Pictures, world: World, sizes: Sizes) -> dict[str, float]:
    """What a linear probe reads of the class, and of each style factor (R squared), off the style alone; MIG of all."""
    code = encoded(model, seen.x)
    style = model.node(code, "style").double().numpy()
    style = (style - style.mean(0)) / style.std(0).clip(1e-6)
    half = len(style) // 2
    order = np.random.default_rng(0).permutation(len(style))
    fitted, rest = order[:half], order[half:]
    label = seen.labels[:, 0].numpy()
    probe = LogisticRegression(max_iter=300).fit(style[fitted], label[fitted])
    found = {"class_in_style": float(probe.score(style[rest], label[rest]))}
    columns = [k for k, name in enumerate(world.names) if name in STYLES]
    design = np.concatenate([style, np.ones((len(style), 1))], 1)
    for k in columns:
        truth = seen.rows[:, k].double().numpy()
        weights = np.linalg.lstsq(design[fitted], truth[fitted], rcond=None)[0]
        missed = np.square(design[rest] @ weights - truth[rest]).mean()
        found[f"r2_{world.names[k]}"] = 1 - float(missed / truth[rest].var())
    if columns:
        kept = [0, *columns]
        scores = score_codes(code.numpy(), seen.rows[:, kept].numpy(), [world.factors[k] for k in kept], ["mig"])
        found["mig"] = scores["mig"]
    return found


@torch.no_grad()
def analogies(model: GraphVAE, judge: Judge, seen: Pictures, n: int = 100) -> dict[str, float]:
    """How often a judge sees the digit that the class was set to, style held, in pictures of all ten from `n` test pictures."""
    code = model.encode(seen.x[:n]).repeat_interleave(10, 0)
    wanted = torch.arange(10).repeat(len(code) // 10)
    code[:, model.graph.place["digit"]] = torch.eye(10)[wanted]
    return {"analogies": judge.accuracy(model.decode(code), wanted), "judge": judge.accuracy(seen.x, seen.labels[:, 0])}
