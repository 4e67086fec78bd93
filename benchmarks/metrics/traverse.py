"""A latent traversal of any saved model: `traverse("runs/my-run").savefig("traversal.png")`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.metrics.plots import traversals
from borders.files import read_json
from envs.stored import open_world
from envs.world import World
from representations import Decodes, Representation, load
from representations.model import levels
from representations.registry import find_model

SIDES = (0.025, 0.975)  # the quantiles between which a code dimension is moved
STEPS = 9
SAMPLES = 500
CHUNK = 250


def traverse(
    model: Representation | str | Path,
    world: World | str | None = None,
    generator: torch.Generator | None = None,
    *,
    samples: int = SAMPLES,
    steps: int = STEPS,
) -> Figure:
    """Every dimension of a model's code moved over its range, the others at their medians: a row each, as it decodes.

    `model` is a learner that decodes, or the folder of a saved one or of its run, whose `config.json` says the world that
    it was trained on; otherwise `world` says it. The ranges hold 95 % of the codes of `samples` pictures. ValueError for a
    model that does not decode, or a world that nobody named; what the world or the model raises where they do not fit.
    """
    if not isinstance(model, Representation):
        folder = find_model(model)
        model = load(folder)
        about = read_json(folder / "config.json", "the configuration of a saved model")
        if world is None and "world" in about:
            world = open_world(about["world"], **about.get("world_settings", {}))
    if not isinstance(model, Decodes):
        raise ValueError(f"{type(model).__name__} does not decode, so there is nothing to see of its code")
    if world is None:
        raise ValueError("name the world whose pictures the model takes: traverse(model, world)")
    world = open_world(world) if isinstance(world, str) else world
    drawn = torch.Generator().manual_seed(0) if generator is None else generator
    device = next(model.parameters()).device
    with torch.no_grad():
        pictures = world.render(world.sample(samples, drawn))
        codes = torch.cat([model.encode(part.to(device)).cpu() for part in pictures.split(CHUNK)])
    return traversals(moved(model, codes, steps))


@torch.no_grad()
def moved(model: Any, codes: Tensor, steps: int = STEPS) -> Tensor:
    """Every code dimension moved over its range with the others at their medians: uint8 [d, steps, C, H, W]."""
    d = codes.shape[1]
    low, high = (codes.quantile(q, 0) for q in SIDES)
    rows = codes.median(0).values.repeat(d * steps, 1).view(d, steps, d)
    share = torch.linspace(0, 1, steps)[:, None]
    rows[torch.arange(d), :, torch.arange(d)] = (low + share * (high - low)).T
    device = next(model.parameters()).device
    pictures = torch.cat([model.decode(part.to(device)).cpu() for part in rows.flatten(0, 1).split(CHUNK)])
    return levels(pictures).unflatten(0, (d, steps))
