"""class_conditional (Kondamudi & Balasubramanian 2019): which of two codes knows the class, and what each changes in a picture.

Fresh networks, which the learner never met, read the class from samples of z and of w of pictures of other writers. The
digits are styled, so that it is known what the codes should hold beside the class.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

import representations
from benchmarks.digits.capacities_report import tables
from benchmarks.digits.constraints import shown
from benchmarks.digits.source import digits
from benchmarks.harness.autoencoding import sheet
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.harness.probes import probe
from benchmarks.metrics import score_codes
from borders import Count, NonNegative, Positive, Share, Size, checked
from borders.files.pictures import write_figure
from envs.digits import Digits
from envs.world import World
from representations.class_conditional import ClassConditional, Learner, Posterior
from representations.model import levels, pixels
from representations.parts.terms import bernoulli_nll, gaussian_kl_each

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("class_conditional",)
STYLES = ("shear", "thickness")
TEST_SEED, NOISE_SEED = 10_000, 30_000
CELLS: dict[str, Settings] = {
    "without L_class": {"classifier": "none"},
    "L_class, classifier on z": {"classifier": "z"},
    "L_class, classifier on w": {"classifier": "w"},
    "L_class, w taught too": {"classifier": "taught"},
    "beta = gamma = 1, C = 0": {"classifier": "w", "beta": 1.0, "z_capacity": 0.0, "w_capacity": 0.0},
    "naive": {"classifier": "none", "naive": True},
}


@checked
@dataclass(frozen=True)
class Sizes:
    """How long a model trains, what its networks and capacities are, and on how many pictures it is measured."""

    steps: Count
    batch: Count
    test: Count
    hidden: Size
    beta: NonNegative
    """Of both codes: gamma is the same, as in the paper."""
    z_capacity: NonNegative = 15.0
    w_capacity: NonNegative = 25.0
    ramp: Share = 0.75
    """Of the steps, in which the capacities rise."""
    weight: NonNegative = 1.0
    latents: Size = 10
    learning_rate: Positive = 1e-3
    source: Literal["", "mnist", "fashion_mnist"] = ""
    classifier: Learner = "w"
    naive: bool = False


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings, or files in `data`, that cannot be used."""
    sizes = sized(Sizes, "capacities", settings)
    digits(data, "test", sizes.source)


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """Tables 1 and 2: without L_class and with it, on either code; weights of one; and the naive model."""
    sized(Sizes, "capacities", settings)
    return [(name, settings | cell) for name, cell in CELLS.items()]


def build(sizes: Sizes, world: World) -> ClassConditional:
    """The model of a cell."""
    return representations.make(  # type: ignore[return-value]
        "class_conditional",
        shape=tuple(world.shape),
        classes=len(world.factors[0].values),
        z_size=sizes.latents,
        w_size=0 if sizes.naive else sizes.latents,
        classifier=sizes.classifier,
        z_capacity=sizes.z_capacity,
        w_capacity=sizes.w_capacity,
        beta=sizes.beta,
        gamma=sizes.beta,
        weight=sizes.weight,
        steps=round(sizes.ramp * sizes.steps),
        hidden=sizes.hidden,
        learning_rate=sizes.learning_rate,
    )


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train a cell's model, probe its codes, and draw it."""
    sizes = sized(Sizes, "capacities", job.settings)
    train, test = (digits(job.data, split, sizes.source, STYLES) for split in ("train", "test"))
    torch.manual_seed(job.seed)
    model = build(sizes, train)

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        rows = train.sample(sizes.batch, generator)
        return {"x": train.render(rows), "y": rows[:, 0].long()}

    drawn = ("", {}) if job.data else ("digits", {"style": list(STYLES)})
    model = trained(model, batches, sizes.steps, job, folder, resume, *drawn)
    figures(model, test, folder)
    return measure(model, train, test, sizes)


def coded(model: ClassConditional, world: World, n: int, seed: int) -> tuple[Tensor, Tensor, Posterior]:
    """Pictures of a world, their factor rows, and their posterior, which is told the class."""
    pictures, rows = shown(world, n, seed)
    return pictures, rows, model.posterior(pictures, rows[:, 0].long())


@torch.no_grad()
def measure(model: ClassConditional, train: World, test: World, sizes: Sizes) -> dict[str, float]:
    """The class as fresh probes read it from z and from w; the styles likewise; and what the bound is made of."""
    _, seen_rows, seen = coded(model, train, 2 * sizes.test, TEST_SEED)
    pictures, rows, posterior = coded(model, test, sizes.test, TEST_SEED + 1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(NOISE_SEED)
        drawn, drawn_test = seen.sample(), posterior.sample()
    label, label_test = seen_rows[:, 0].long(), rows[:, 0].long()
    found: dict[str, float] = {}
    parts = {"z": (0, posterior.z_mean), "w": (1, posterior.w_mean)}
    for name, (place, mean) in parts.items():
        if not mean.shape[1]:
            continue
        found[f"accuracy_{name}"] = probe(drawn[place], label, drawn_test[place], label_test)
        means = seen.z_mean if name == "z" else seen.w_mean
        found[f"mean_{name}"] = probe(means, label, mean, label_test)
        for k, style in enumerate(test.names[2:], 2):
            ridge = make_pipeline(StandardScaler(), Ridge()).fit(means.numpy(), seen_rows[:, k].numpy())
            found[f"{style}_{name}"] = float(ridge.score(mean.numpy(), rows[:, k].numpy()))
    z, w = drawn_test
    picture = model.draw(z, w, label_test).clamp(1e-6, 1 - 1e-6)
    found["nll"] = bernoulli_nll(picture.logit(), pixels(pictures)).mean().item()
    found["kl_z"], found["kl_w"] = (
        gaussian_kl_each(*part).sum(1).mean().item() for part in (posterior[:2], posterior[2:])
    )
    told = [0, *range(2, len(test.factors))]
    kinds = [test.factors[k] for k in told]
    scored = score_codes(model.encode(pictures), rows[:, told], kinds, ["mig", "dci_lasso"])
    return found | {"mig": scored["mig"], "disentanglement": scored["dci_lasso_disentanglement"]}


@torch.no_grad()
def figures(model: ClassConditional, test: Digits, folder: Path) -> None:
    """Pictures with the z, or the w, or the class of others; and one latent of each code moved (figures 2, 3)."""
    pictures, rows = shown(test, 200, TEST_SEED + 4)
    classes = model.classes
    first = torch.stack([(rows[:, 0].long() == k).nonzero()[0, 0] for k in range(classes)])
    label = torch.arange(classes)
    posterior = model.posterior(pictures[first], label)
    z, w = posterior.z_mean, posterior.w_mean
    lines, labels = [pictures[first], levels(model.draw(z, w, label))], ["seen", "decoded"]
    for giver in (0, 3, 7):
        given = giver % classes
        lines.append(levels(model.draw(z[given].expand_as(z), w, label)))
        labels.append(f"z of column {given}")
        if model.w_size:
            lines.append(levels(model.draw(z, w[given].expand_as(w), label)))
            labels.append(f"w of column {given}")
    lines.append(levels(model.draw(z, w, (label + 1) % classes)))
    labels.append("as the next class")
    write_figure(sheet(lines, labels), folder / "swaps.png")

    lines, labels = [], []
    sizes = {"z": (z, posterior.z_logvar), "w": (w, posterior.w_logvar)}
    for name, (mean, logvar) in sizes.items():
        order = gaussian_kl_each(mean, logvar).mean(0).argsort(descending=True)[:3].tolist()
        for latent in order:
            for value in (-3.0, 3.0):
                moved = {"z": z.clone(), "w": w.clone()}
                moved[name][:, latent] = value
                lines.append(levels(model.draw(moved["z"], moved["w"], label)))
                labels.append(f"{name}{latent} = {value:g}")
    write_figure(sheet(lines, labels), folder / "traversals.png")
