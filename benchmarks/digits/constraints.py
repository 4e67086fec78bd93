"""linear_constraints (Lin et al. 2019): how linear a code is in attributes, and whether pictures asked for come out.

Two-dimensional codes of plain digits, trained jointly or apart, are Table 1. Codes of `code_size` dimensions of styled
digits know the class and two numbers, shear and thickness, and are asked for pictures; an independent judge says what
these show.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

import representations
from benchmarks.digits.constraints_report import tables
from benchmarks.digits.judge import Judge, train_judge
from benchmarks.digits.source import digits
from benchmarks.harness.autoencoding import seeded, sheet
from benchmarks.harness.papers import Job, Settings, sized, trained
from borders import Count, NonNegative, Positive, Size, checked
from borders.files.pictures import write_figure
from envs.digits import Digits
from envs.world import World
from representations.linear_constraints import LinearConstraints, peaked
from representations.model import levels, pixels

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("linear_constraints",)
STYLES = ("shear", "thickness")
TEST_SEED, JUDGE_SEED = 10_000, 20_000
PEAKS = (0.99, 0.9)
# Shares of classes, as in figure 5; what is left goes to all others evenly, and no class gets nothing: its logarithm would
# ask for a code far from any that was trained.
FIGURE_5 = (
    *({3: 0.99}, {5: 0.9}, {7: 0.9}),
    *({4: 0.49, 9: 0.49}, {3: 0.49, 8: 0.49}, {1: 0.4, 7: 0.55}, {2: 0.3, 3: 0.3, 8: 0.35}),
)


@checked
@dataclass(frozen=True)
class Sizes:
    """How long a model trains and on how many pictures, what its networks are, and on how many it is measured."""

    steps: Count
    batch: Count
    judge_steps: Count
    pool: Count
    test: Count
    hidden: Size
    network: Literal["conv", "dense"] = "dense"
    channels: Size = 32
    code_size: Size = 16
    weight: NonNegative = 10.0
    learning_rate: Positive = 1e-3
    source: Literal["", "mnist", "fashion_mnist"] = ""
    kind: Literal["AE", "VAE"] = "VAE"
    joint: bool = True
    styled: bool = False


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings, or files in `data`, that cannot be used."""
    sizes = sized(Sizes, "constraints", settings)
    digits(data, "test", sizes.source)


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """Table 1, and large codes of styled digits, trained jointly."""
    large = sized(Sizes, "constraints", settings).code_size
    cells = [(kind, joint, 2, False) for kind in ("AE", "VAE") for joint in (False, True)]
    cells += [(kind, True, large, True) for kind in ("AE", "VAE")]
    return [
        (
            f"{kind}, {'joint' if joint else 'separate'}, {size}",
            settings | {"kind": kind, "joint": joint, "code_size": size, "styled": styled},
        )
        for kind, joint, size, styled in cells
    ]


def build(sizes: Sizes, world: Digits) -> LinearConstraints:
    """The model of a cell: it estimates the class, and of styled digits their styles."""
    numbers = [(factor.low, factor.high) for factor in world.factors[2:]]
    return representations.make(  # type: ignore[return-value]
        "linear_constraints",
        shape=tuple(world.shape),
        attributes=(len(world.factors[0].values), *numbers),
        code_size=sizes.code_size,
        variational=sizes.kind == "VAE",
        joint=sizes.joint,
        weight=sizes.weight,
        network=sizes.network,
        channels=sizes.channels,
        hidden=sizes.hidden,
        learning_rate=sizes.learning_rate,
    )


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train a cell's model, judge what it decodes, and draw it."""
    sizes = sized(Sizes, "constraints", job.settings)
    style = STYLES if sizes.styled else ()
    train, test = (digits(job.data, split, sizes.source, style) for split in ("train", "test"))
    torch.manual_seed(job.seed)
    model = build(sizes, train)
    x, rows = shown(train, sizes.pool, job.seed)
    y = rows[:, [0, *range(2, len(train.factors))]]  # which example of its class a picture shows is no attribute

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        index = torch.randint(len(x), (sizes.batch,), generator=generator)
        return {"x": x[index], "y": y[index]}

    drawn = ("", {}) if job.data else ("digits", {"style": list(style)})
    model = trained(model, batches, sizes.steps, job, folder, resume, *drawn, decay=True)
    judge = judge_of(job.data, sizes.source, style, sizes.judge_steps)
    if sizes.joint:
        figures(model, test, folder)
    return measure(model, train, test, sizes) | asked(model, judge, test, sizes)


@cache
def judge_of(data: str, source: str, style: tuple[str, ...], steps: int) -> Judge:
    """The judge of pictures in this style: the same for every job, and trained once in a process."""
    return train_judge(digits(data, "train", source, style), style, steps, JUDGE_SEED)


def shown(world: World, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures and factor rows of a world, the same for every model."""
    rows = world.sample(n, seeded(seed))
    return world.render(rows), rows


@torch.no_grad()
def measure(model: LinearConstraints, train: World, test: World, sizes: Sizes) -> dict[str, float]:
    """How well attributes are read off the code: by the model's own estimator, and by a linear probe fitted afterwards."""
    seen, seen_rows = shown(train, sizes.test, TEST_SEED)
    pictures, rows = shown(test, sizes.test, TEST_SEED + 1)
    code = model.encode(pictures)
    estimates = model.estimate(code)
    label = rows[:, 0].long()
    found = {"accuracy": (estimates[0].argmax(1) == label).float().mean().item()}
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500))
    probe.fit(model.encode(seen).numpy(), seen_rows[:, 0].long().numpy())
    found["probe"] = float(probe.score(code.numpy(), label.numpy()))
    for k, name in enumerate(test.names[2:]):
        found[f"r2_{name}"] = explained(estimates[1 + k], rows[:, 2 + k])
    found["error"] = (model.decode(code) - pixels(pictures)).square().flatten(1).sum(1).mean().item()
    return found


def explained(estimate: Tensor, truth: Tensor) -> float:
    """The share of the variance of `truth` [n] that an estimate [n] explains."""
    return 1 - ((estimate - truth).square().mean() / truth.var(correction=0)).item()


@torch.no_grad()
def asked(model: LinearConstraints, judge: Judge, test: World, sizes: Sizes) -> dict[str, float]:
    """What a judge sees in pictures that were asked for, by class, by two classes at once, and by edits of test pictures.

    `reached_centred` and `reached_last` are the shares of classes that come out when the mean code is the start, with either
    form of the ratios; the others start at the codes of test pictures, so that styles differ.
    """
    pictures, rows = shown(test, sizes.test, TEST_SEED + 2)
    classes, code, generator = model.sizes[0], model.encode(pictures), seeded(TEST_SEED + 3)
    found = {"judge": judge.accuracy(pictures, rows[:, 0])}
    each = torch.arange(classes)
    for ratios in ("centred", "last"):
        drawn = model.decode(model.invert({0: peaked(each, classes)}, ratios=ratios))
        found[f"reached_{ratios}"] = judge.accuracy(drawn, each)
    wanted = torch.randint(classes, (len(code),), generator=generator)
    for peak in PEAKS:
        codes = model.invert({0: peaked(wanted, classes, peak)}, code)
        found[f"asked_{peak:g}"] = judge.accuracy(model.decode(codes), wanted)
    said = model.estimate(codes)[0]
    found["exact"] = (said - peaked(wanted, classes, PEAKS[-1])).abs().max().item()
    other = (wanted + 1 + torch.randint(classes - 1, (len(code),), generator=generator)) % classes
    both = (peaked(wanted, classes) + peaked(other, classes)) / 2
    seen = judge(model.decode(model.invert({0: both}, code)))[0]
    found["either"] = seen.gather(1, torch.stack([wanted, other], 1)).sum(1).mean().item()
    for k, name in enumerate(test.names[2:]):
        factor = test.factors[2 + k]
        value = factor.sample(len(code), generator)
        odds, numbers = judge(model.decode(model.edit(code, {1 + k: value})))
        found[f"asked_{name}"] = explained(numbers[:, k], value)
        found[f"kept_{name}"] = (odds.argmax(1) == rows[:, 0].long()).float().mean().item()
    if len(test.factors) > 2:
        odds, numbers = judge(model.decode(model.edit(code, {0: peaked(wanted, classes)})))
        found["edited"] = (odds.argmax(1) == wanted).float().mean().item()
        held = judge(pictures)[1]
        found["held"] = min(explained(numbers[:, k], held[:, k]) for k in range(held.shape[1]))
    return found


@torch.no_grad()
def figures(model: LinearConstraints, test: World, folder: Path) -> None:
    """Requested distributions as in figure 5, with ten styles each; and one attribute of test pictures moved."""
    pictures, rows = shown(test, 200, TEST_SEED + 4)
    classes = model.sizes[0]
    code = model.encode(pictures)
    lines, labels = [], []
    for request in FIGURE_5:
        wanted = torch.full((10, classes), (1 - sum(request.values())) / (classes - len(request)))
        wanted[:, list(request)] = torch.tensor(list(request.values()))
        lines.append(levels(model.decode(model.invert({0: wanted}, code[:10]))))
        labels.append("\n".join(f"{k}: {share:g}" for k, share in request.items()))
    write_figure(sheet(lines, labels), folder / "asked.png")
    first = torch.stack([(rows[:, 0].long() == k).nonzero()[0, 0] for k in range(classes)])
    lines, labels = [pictures[first]], ["seen"]
    lines.append(levels(model.decode(code[first])))
    labels.append("decoded")
    lines.append(
        levels(model.decode(model.edit(code[first], {0: peaked((torch.arange(classes) + 1) % classes, classes)})))
    )
    labels.append("the next\ndigit")
    for k, factor in enumerate(test.factors[2:]):
        for value in (factor.low, factor.high):
            lines.append(levels(model.decode(model.edit(code[first], {1 + k: torch.full((classes,), value)}))))
            labels.append(f"{factor.name}\n{value:g}")
    write_figure(sheet(lines, labels), folder / "edited.png")
