"""causal_mechanisms (Parascandolo et al. 2017): whether every mechanism gets an expert of its own, and what the experts undo.

Canonical and transformed pictures come from different halves of the training digits, so that no picture has its original
among the others. As many experts as mechanisms, too many, too few, and a single net of more filters compete; a judge that
saw canonical digits alone tells the class before and after, and printed letters, which no expert saw, are tried as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from annotated_types import MinLen
from torch import Tensor

import representations
from benchmarks.digits.judge import Judge, train_judge
from benchmarks.digits.mechanisms_figures import before_and_after, iterations, shares, tried
from benchmarks.digits.mechanisms_measure import (
    TEST_SEED,
    Competition,
    each_mechanism,
    measure,
    of_letters,
    transfer,
    views,
)
from benchmarks.digits.mechanisms_report import tables
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.metrics.scoring import LEAST
from borders import Count, Natural, Positive, Size, checked
from borders.files.pictures import write_figure
from envs.files.idx import Split
from envs.transformed_digits import MECHANISMS, Mechanism, TransformedDigits
from envs.world import World
from representations.causal_mechanisms import CausalMechanisms

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("causal_mechanisms",)
JUDGE_SEED = 20_000
STEADY = 0.5  # of the steps, before learning rates fall
Blocks = Annotated[tuple[Size, ...], MinLen(1)]


@checked
@dataclass(frozen=True)
class Sizes:
    """How long the experts compete, how many and how large they are, and on how many pictures they are measured."""

    steps: Count
    batch: Count
    """Pictures of either kind a step."""
    judge_steps: Count
    test: Count
    """Pictures of every mechanism."""
    many: Size
    few: Size
    control_seeds: Count
    """Of the cells with too many experts, too few, and one net."""
    mechanisms: Annotated[tuple[Mechanism, ...], MinLen(1)] = MECHANISMS
    side: Literal[20, 24, 32] = 32
    filters: Size = 16
    single_filters: Size = 48
    widths: Blocks = (16, 32, 64)
    convolutions: Blocks = (1, 1, 1)
    hidden: Size = 256
    identity: Natural = 120
    shown: Natural = 8
    learning_rate: Positive = 1e-3
    discriminator_rate: Positive = 1e-3
    source: Literal["", "mnist", "fashion_mnist"] = ""
    experts: Natural = 0
    """0 for as many as mechanisms."""
    checks: Natural = 0
    """How often test digits are looked at while experts compete; 0 is never."""


class Originals(World):
    """The canonical pictures of a world of transformed digits, by class and example: what a judge learns from."""

    def __init__(self, world: TransformedDigits):
        self.world, self.shape, self.factors = world, world.shape, world.factors[1:]

    def _render(self, factors: Tensor) -> Tensor:
        return self.world.render(torch.cat([torch.zeros(len(factors), 1), factors], 1))


def world_of(sizes: Sizes, data: str, split: Split) -> TransformedDigits:
    """The transformed digits of a split: embedded, or of the files in the folder `data`."""
    source = (sizes.source or "mnist") if data else "embedded"
    return TransformedDigits(sizes.mechanisms, sizes.side, source, data or None, split)


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings, or files in `data`, that cannot be used."""
    sizes = sized(Sizes, "mechanisms", settings)
    if sizes.test * len(sizes.mechanisms) < LEAST:
        raise ValueError(
            f"test must give {LEAST} pictures of {len(sizes.mechanisms)} mechanisms, got {sizes.test} of each"
        )
    world_of(sizes, data, "test")
    build(sizes)


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """As many experts as mechanisms; and for fewer seeds too many, too few, and one net."""
    sizes = sized(Sizes, "mechanisms", settings)
    found = [(f"{len(sizes.mechanisms)} experts", settings)]
    few = {"seeds": sizes.control_seeds}
    found += [(f"{count} experts", settings | few | {"experts": count}) for count in (sizes.many, sizes.few)]
    return [*found, ("one net", settings | few | {"experts": 1, "filters": sizes.single_filters})]


def build(sizes: Sizes) -> CausalMechanisms:
    """The model of a cell."""
    return representations.make(  # type: ignore[return-value]
        "causal_mechanisms",
        shape=(1, sizes.side, sizes.side),
        experts=sizes.experts or len(sizes.mechanisms),
        filters=sizes.filters,
        widths=sizes.widths,
        convolutions=sizes.convolutions,
        hidden=sizes.hidden,
        identity=sizes.identity,
        shown=sizes.shown,
        learning_rate=sizes.learning_rate,
        discriminator_rate=sizes.discriminator_rate,
    )


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Let the experts of a cell compete, measure what they undo, and draw it."""
    sizes = sized(Sizes, "mechanisms", job.settings)
    train, test = world_of(sizes, job.data, "train"), world_of(sizes, job.data, "test")
    torch.manual_seed(job.seed)
    model = build(sizes)

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        rows = halves(train, sizes.batch, generator)
        return {"x": train.render(rows), "y": rows[:, 0].long()}

    settings = {"mechanisms": list(sizes.mechanisms), "side": sizes.side}
    drawn = ("", {}) if job.data else ("transformed_digits", settings)
    judge = judge_of(sizes.mechanisms, sizes.side, sizes.source, job.data, sizes.judge_steps)
    rows = each_mechanism(test, sizes.test)
    every = max(1, sizes.steps // sizes.checks) if sizes.checks else 0
    look = Competition(model, judge, test, rows, every, folder / "curve.jsonl")
    model = trained(model, batches, sizes.steps, job, folder, resume, *drawn, decay=True, on_step=look, steady=STEADY)
    scores, wins = measure(model, judge, test, rows)
    more, letter_wins = transfer(model, wins.argmax(1), sizes.mechanisms, sizes.side)
    figures(model, test, wins, letter_wins, folder)
    curve = look.curve()
    if curve:
        bounds = {"transformed": scores["accuracy_transformed"], "canonical": scores["accuracy_clean"]}
        write_figure(iterations(curve, bounds, sizes.mechanisms), folder / "iterations.png")
    return scores | more


def halves(world: TransformedDigits, n: int, generator: torch.Generator) -> Tensor:
    """`n` rows of canonical digits and behind them `n` of transformed ones, from two halves of every class's examples."""
    rows = world.sample(2 * n, generator)
    counts = world.handwriting.counts[rows[:, 1].long()]
    first = counts // 2
    share = torch.rand(2 * n, generator=generator)
    canonical = torch.arange(2 * n) < n
    rows[:, 2] = torch.where(canonical, share * first, first + share * (counts - first)).floor()
    kinds = 1 + torch.randint(len(world.mechanisms), (2 * n,), generator=generator)
    rows[:, 0] = torch.where(canonical, 0, kinds)
    return rows


@cache
def judge_of(mechanisms: tuple[Mechanism, ...], side: Literal[20, 24, 32], source: str, data: str, steps: int) -> Judge:
    """The judge of canonical digits; the same for all jobs of a process."""
    kind: Any = (source or "mnist") if data else "embedded"
    world = TransformedDigits(mechanisms, side, kind, data or None, "train")
    return train_judge(Originals(world), (), steps, JUDGE_SEED, channels=16)


def figures(model: CausalMechanisms, world: TransformedDigits, wins: Tensor, of_glyphs: Tensor, folder: Path) -> None:
    """What every expert does to every mechanism (figure 2), restored digits (figure 3), and who won what (figure 6)."""
    count = len(world.mechanisms)
    tried(model, views(world, each_mechanism(world, 1)).seen, world.mechanisms, folder / "experts.png")
    sample = world.sample(16, seeded(TEST_SEED + 1))
    sample[:, 0] = 1 + torch.arange(16) % count
    shown = views(world, sample)
    before_and_after(model, shown.seen, shown.original, folder / "restored.png")
    plain = of_letters(world.mechanisms, world.side)
    place = torch.arange(16) % count * 26 + (5 * torch.arange(16)) % 26
    before_and_after(model, plain.seen[place], plain.original[place], folder / "letters.png")
    write_figure(shares({"digits": wins, "letters": of_glyphs}, world.mechanisms), folder / "wins.png")
