"""The Swiss roll of figure 2 (Klys et al. 2018): what z keeps of the label, and where points go whose label is switched.

Points of the roll are labelled by a plane across it. Fresh networks, which no learner met, read the label from z; the plane
itself says on which side a point lies whose label was switched, and the roll how far off it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

import representations
from benchmarks.faces.codes import posterior, sampled
from benchmarks.faces.swiss_report import tables
from benchmarks.harness.autoencoding import seeded
from benchmarks.harness.papers import Job, Settings, sized, trained
from benchmarks.harness.probes import probe
from borders import Count, NonNegative, Positive, Size, checked
from borders.files.pictures import write_figure
from envs.swiss_roll import SwissRoll
from representations import Representation

__all__ = ["MODELS", "check", "run", "tables", "variants"]

MODELS = ("csvae", "cond_vae", "cond_vae_info")
TEST_SEED, PROBE_SEED, ROLL_SEED = 10_000, 20_000, 30_000
MIDDLE, UNIT = (0.0, 10.5, 0.0), 7.0  # of the coordinates that learners see: their spread is about 1
HIDDEN = (64, 64)  # of fresh networks


@checked
@dataclass(frozen=True)
class Sizes:
    """How long a model trains, what its networks and weights are, and on how many points it is measured."""

    steps: Count
    batch: Count
    test: Count
    hidden: Size = 64
    z_size: Size = 2
    w_size: Size = 2
    learning_rate: Positive = 1e-3
    hide: NonNegative = 10.0
    """b_4 of the paper."""
    strong: NonNegative = 1000.0
    """b_4 of the second cell of csvae."""


def check(settings: Settings, data: str) -> None:
    """Raise ValueError or TypeError for settings that cannot be used."""
    sized(Sizes, "swiss", settings)


def variants(model: str, settings: Settings) -> list[tuple[str, Settings]]:
    """The paper's weights, and of csvae an adversary that counts for more."""
    sizes = sized(Sizes, "swiss", settings)
    found = [("roll", settings)]
    if model == "csvae":
        found.append((f"roll, b4 = {sizes.strong:g}", settings | {"hide": sizes.strong}))
    return found


def build(model: str, sizes: Sizes) -> Representation:
    """The model of a cell; as in the figure, points labelled 1 have the narrow prior at the origin of w."""
    shared = {"shape": (3,), "attributes": 1, "z_size": sizes.z_size, "hidden": sizes.hidden}
    own: dict[str, Any] = {"hide": sizes.hide} if model != "cond_vae" else {}
    if model == "csvae":
        own |= {"w_size": sizes.w_size, "present": (0.0, 0.1), "absent": (3.0, 1.0)}
    return representations.make(model, **shared, **own, learning_rate=sizes.learning_rate)


def points(world: SwissRoll, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """`n` points as learners see them [n, 3], and their labels, float [n, 1]."""
    found = world.render(world.sample(n, generator))
    return (found - torch.tensor(MIDDLE)) / UNIT, world.label(found)[:, None].float()


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train a cell's model, probe its z, switch labels, and draw it."""
    sizes, world = sized(Sizes, "swiss", job.settings), SwissRoll()
    torch.manual_seed(job.seed)
    model = build(job.model, sizes)

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        x, y = points(world, sizes.batch, generator)
        return {"x": x, "y": y}

    model = trained(model, batches, sizes.steps, job, folder, resume, "swiss_roll", decay=True)
    scores = measure(model, world, sizes.test)
    write_figure(figure(model, world), folder / "roll.png", dpi=110)
    return scores


@torch.no_grad()
def measure(model: Any, world: SwissRoll, test: int) -> dict[str, float]:
    """What fresh networks read, and what decoded and switched points are like, in units of the roll."""
    (x, y), (other, other_y) = (points(world, test, seeded(seed)) for seed in (TEST_SEED, PROBE_SEED))
    roll, _ = points(world, 20 * test, seeded(ROLL_SEED))
    q, p = posterior(model, x, y), posterior(model, other, other_y)
    z, other_z = sampled(q, seeded(TEST_SEED + 1)), sampled(p, seeded(PROBE_SEED + 1))
    decoded, switched = model.switch(x, y, y), model.switch(x, y, 1 - y)

    def off(found: Tensor) -> float:
        return UNIT * torch.cat([torch.cdist(part, roll).amin(1) for part in found.split(500)]).mean().item()

    def read(codes: Tensor, test_codes: Tensor) -> float:
        return probe(codes, other_y[:, 0], test_codes, y[:, 0], HIDDEN)

    side = world.label(switched * UNIT + torch.tensor(MIDDLE))
    return {
        "probe": read(other_z, z),
        "probe_mean": read(p[0], q[0]),
        "probe_points": read(other, x),
        "switched": (side == 1 - y[:, 0]).float().mean().item(),
        "error": UNIT * (decoded - x).norm(dim=1).mean().item(),
        "off_decoded": off(decoded),
        "off_switched": off(switched),
    }


@torch.no_grad()
def figure(model: Any, world: SwissRoll, n: int = 3000) -> Figure:
    """The roll, decoded and with labels switched; and the codes z, w, and one of each (figure 2)."""
    x, y = points(world, n, seeded(TEST_SEED + 2))
    codes = posterior(model, x, y)
    panels = {"points": x, "decoded": model.switch(x, y, y), "label switched": model.switch(x, y, 1 - y)}
    shown = {f"{name}: x, z": found[:, [0, 2]] for name, found in panels.items()}
    z, w = codes[0], codes[2] if len(codes) > 2 else None
    if z.shape[1] > 1:
        shown["Z: z1, z2"] = z[:, :2]
    if w is not None and w.shape[1] > 1:
        shown["W: w1, w2"] = w[:, :2]
        shown["z2, w1"] = torch.stack([z[:, -1], w[:, 0]], 1)
    made = Figure(figsize=(2.1 * len(shown), 2.3), layout="constrained")
    for place, (title, found) in enumerate(shown.items()):
        axes = made.add_subplot(1, len(shown), place + 1)
        for label, colour in ((0, "tab:blue"), (1, "tab:orange")):
            part = found[y[:, 0] == label]
            axes.scatter(part[:, 0], part[:, 1], s=1.5, c=colour, label=str(label), linewidths=0)
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelsize=6)
        if place == 0:
            axes.legend(fontsize=6, markerscale=4, title="label", title_fontsize=6)
    return made
