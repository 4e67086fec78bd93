"""causal_mechanisms (Parascandolo et al. 2017): whether every mechanism gets an expert of its own, and what the experts undo.

Canonical and transformed pictures come from different halves of the training digits, so that no picture has its original
among the others. As many experts as mechanisms, too many, too few, and a single net of more filters compete; a judge that
saw canonical digits alone tells the class before and after, and printed letters, which no expert saw, are tried as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from annotated_types import MinLen
from matplotlib.figure import Figure
from torch import Tensor

import representations
from benchmarks.digits.judge import Judge, train_judge
from benchmarks.digits.letters import letters
from benchmarks.digits.mechanisms_report import tables
from benchmarks.harness.autoencoding import seeded, sheet
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.metrics import score_codes
from benchmarks.metrics.scoring import LEAST
from borders import Count, Natural, Positive, Size, checked
from borders.files.pictures import write_figure
from envs.files.idx import Split
from envs.transformed_digits import GRAINS, MECHANISMS, Mechanism, TransformedDigits, transform
from envs.world import Factor, World
from representations.causal_mechanisms import CausalMechanisms
from representations.model import levels, pixels

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("causal_mechanisms",)
TEST_SEED, JUDGE_SEED = 10_000, 20_000
COLOUR = (40, 160, 40)  # of the frame around a winner's output
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
    source: Literal["", "mnist", "fashion_mnist"] = ""
    experts: Natural = 0
    """0 for as many as mechanisms."""


class Originals(World):
    """The canonical pictures of a world of transformed digits, by class and example: what a judge learns from."""

    def __init__(self, world: TransformedDigits):
        self.world, self.shape, self.factors = world, world.shape, world.factors[1:]

    def _render(self, factors: Tensor) -> Tensor:
        return self.world.render(torch.cat([torch.zeros(len(factors), 1), factors], 1))


class Views(NamedTuple):
    """Pictures that a mechanism changed, and what they were: float [n, C, H, W]; the mechanism's class from 1 on [n]."""

    seen: Tensor
    original: Tensor
    mechanism: Tensor


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
        discriminator_rate=sizes.learning_rate,
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
    model = trained(model, batches, sizes.steps, job, folder, resume, *drawn)
    judge = judge_of(sizes.mechanisms, sizes.side, sizes.source, job.data, sizes.judge_steps)
    rows = each_mechanism(test, sizes.test)
    scores, wins = measure(model, judge, test, rows)
    more, letter_wins = transfer(model, wins.argmax(1), sizes)
    figures(model, test, wins, letter_wins, folder)
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


def each_mechanism(world: TransformedDigits, n: int) -> Tensor:
    """`n` rows of every mechanism, of the same digits, those of the first mechanism first."""
    rows = world.sample(n, seeded(TEST_SEED)).repeat(len(world.mechanisms), 1)
    rows[:, 0] = 1 + torch.arange(len(world.mechanisms)).repeat_interleave(n)
    return rows


@cache
def judge_of(mechanisms: tuple[Mechanism, ...], side: Literal[20, 24, 32], source: str, data: str, steps: int) -> Judge:
    """The judge of canonical digits; the same for all jobs of a process."""
    kind: Any = (source or "mnist") if data else "embedded"
    world = TransformedDigits(mechanisms, side, kind, data or None, "train")
    return train_judge(Originals(world), (), steps, JUDGE_SEED, channels=16)


def views(world: TransformedDigits, rows: Tensor) -> Views:
    """The pictures of rows, and their originals."""
    original = rows.clone()
    original[:, 0] = 0
    return Views(pixels(world.render(rows)), pixels(world.render(original)), rows[:, 0].long())


def of_letters(mechanisms: tuple[str, ...], side: int) -> Views:
    """The alphabet under every mechanism, those of the first mechanism first."""
    plain = letters(side)
    grain = torch.arange(len(plain)) % GRAINS
    seen = torch.cat([transform(plain, name, grain) for name in mechanisms])
    kinds = 1 + torch.arange(len(mechanisms)).repeat_interleave(len(plain))
    return Views(seen, plain.repeat(len(mechanisms), 1, 1, 1), kinds)


def errors(pictures: Tensor, original: Tensor, mechanism: Tensor) -> Tensor:
    """The mean squared error of a pixel for every mechanism: [mechanisms]."""
    each = (pictures - original).square().flatten(1).mean(1)
    return torch.stack([each[mechanism == kind].mean() for kind in mechanism.unique()])


def counts(mechanism: Tensor, won: Tensor, experts: int) -> Tensor:
    """The share of every mechanism's pictures that every expert won: [mechanisms, experts]."""
    kinds = mechanism.unique()
    return torch.stack([torch.bincount(won[mechanism == k], minlength=experts) / (mechanism == k).sum() for k in kinds])


@torch.no_grad()
def measure(
    model: CausalMechanisms, judge: Judge, world: TransformedDigits, rows: Tensor
) -> tuple[dict[str, float], Tensor]:
    """What the experts do with test digits of all mechanisms; and who won how much, [mechanisms, experts].

    A mechanism's expert is the one that wins most of its pictures, and it counts as undone where at most half of its squared
    error is left. `own` is 1 where all mechanisms have different experts, as many as there are mechanisms.
    """
    seen, original, mechanism = views(world, rows)
    restored, won = model.restore(seen)
    wins, label = counts(mechanism, won, model.code_size), rows[:, 1]
    best, different = wins.argmax(1), len(set(wins.argmax(1).tolist()))
    before, after = errors(seen, original, mechanism), errors(restored, original, mechanism)
    found = {
        "accuracy_clean": judge.accuracy(original, label),
        "accuracy_transformed": judge.accuracy(seen, label),
        "accuracy_restored": judge.accuracy(restored, label),
        "own": float(different == len(wins)),
        "experts_used": float(different),
        "won_by_own": wins[torch.arange(len(wins)), best].mean().item(),
        "undone": float((after <= before / 2).sum()),
        "error_before": before.mean().item(),
        "error_after": after.mean().item(),
    }
    if model.code_size > 1:
        kinds = [Factor.categorical("mechanism", len(world.mechanisms) + 1), world.factors[1]]
        scored = score_codes(model.encode(seen), rows[:, :2], kinds, ["mig", "explicitness"])
        found |= {name: scored[name] for name in ("mig", "explicitness")}
    return found, wins


@torch.no_grad()
def transfer(model: CausalMechanisms, best: Tensor, sizes: Sizes) -> tuple[dict[str, float], Tensor]:
    """The same of letters, which expert won being compared with who wins the mechanism's digits, `best` [mechanisms].

    A letter is told by the nearest of the plain alphabet; `letters_undone` takes each mechanism's own expert, unasked.
    """
    seen, original, mechanism = of_letters(sizes.mechanisms, sizes.side)
    restored, won = model.restore(seen)
    own = model.apply_expert(seen, best[mechanism - 1])
    before, after = errors(seen, original, mechanism), errors(own, original, mechanism)
    truth = torch.arange(len(seen)) % 26
    plain = letters(sizes.side).flatten(1)

    def told(pictures: Tensor) -> float:
        return (torch.cdist(pictures.flatten(1), plain).argmin(1) == truth).float().mean().item()

    found = {
        "letters_transformed": told(seen),
        "letters_restored": told(restored),
        "letters_same_expert": (won == best[mechanism - 1]).float().mean().item(),
        "letters_undone": float((after <= before / 2).sum()),
    }
    return found, counts(mechanism, won, model.code_size)


def framed(pictures: Tensor, wanted: Tensor) -> Tensor:
    """Float pictures [n, 1, H, W] as uint8 [n, 3, H, W], those that are `wanted` [n] in a frame."""
    found = levels(pictures).expand(-1, 3, -1, -1).clone()
    inside = torch.zeros(pictures.shape[-2:], dtype=torch.bool)
    inside[1:-1, 1:-1] = True
    edge = wanted[:, None, None] & ~inside
    colour = torch.tensor(COLOUR, dtype=torch.uint8)
    found.permute(0, 2, 3, 1)[edge] = colour
    return found


@torch.no_grad()
def figures(model: CausalMechanisms, world: TransformedDigits, wins: Tensor, of_glyphs: Tensor, folder: Path) -> None:
    """What every expert does to every mechanism (figure 2), restored digits (figure 3), and who won what (figure 6)."""
    count, experts = len(world.mechanisms), model.code_size
    rows = each_mechanism(world, 1)
    seen = views(world, rows).seen
    made, logits = model.scores(seen)
    won = logits.argmax(1)
    lines = [framed(seen, torch.zeros(count, dtype=torch.bool))]
    lines += [framed(made[:, j], won == j) for j in range(experts)]
    figure = sheet(lines, ["input", *(f"expert {j}" for j in range(experts))])
    width = world.side + 2  # of a picture in the sheet
    figure.axes[0].set_xticks([(i + 0.5) * width for i in range(count)], world.mechanisms, fontsize=7)
    write_figure(figure, folder / "experts.png")

    sample = world.sample(16, seeded(TEST_SEED + 1))
    sample[:, 0] = 1 + torch.arange(16) % count
    shown = views(world, sample)
    plain = of_letters(world.mechanisms, world.side)
    place = torch.arange(16) % count * 26 + (5 * torch.arange(16)) % 26
    for name, (given, original) in (
        ("restored", (shown.seen, shown.original)),
        ("letters", (plain.seen[place], plain.original[place])),
    ):
        lines = [framed(each, torch.zeros(16, dtype=torch.bool)) for each in (given, model.restore(given)[0], original)]
        write_figure(sheet(lines, ["seen", "restored", "original"]), folder / f"{name}.png")
    write_figure(shares({"digits": wins, "letters": of_glyphs}, world.mechanisms), folder / "wins.png")


def shares(wins: dict[str, Tensor], mechanisms: tuple[str, ...]) -> Figure:
    """Who won what share of every mechanism's pictures, a map for each kind of glyph."""
    experts = next(iter(wins.values())).shape[1]
    figure = Figure(
        figsize=(1.6 + max(1.5, 0.45 * experts) * len(wins), 1.0 + 0.3 * len(mechanisms)), layout="constrained"
    )
    axes = figure.subplots(1, len(wins), squeeze=False, sharey=True)[0]
    for place, (name, share) in zip(axes, wins.items(), strict=True):
        place.imshow(np.asarray(share), vmin=0, vmax=1, cmap="Blues", aspect="auto")
        for (row, column), value in np.ndenumerate(np.asarray(share)):
            if value >= 0.05:
                colour = "white" if value > 0.5 else "black"
                place.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=colour)
        place.set(title=f"{name}: % won", xlabel="expert", xticks=range(experts))
        place.set_yticks(range(len(mechanisms)), mechanisms)
    return figure
