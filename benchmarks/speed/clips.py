"""Learning to generate clips, timed: `fit` beside a bare loop on the same networks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.speed.rows import Row, Sizes, beside_bare
from envs import make_world
from representations import make

BATCH = 8
FRAMES = 16
NAME = "{} 32x32x3, 16 frames, width 16, batch {}"
SETTINGS: dict[str, Any] = {"shape": (3, 32, 32), "frames": FRAMES, "width": 16, "clip_width": 16}
MODELS: dict[str, dict[str, Any]] = {"mocogan": {"frame_width": 16}, "vgan": {}}
Batches = Callable[[torch.Generator], Tensor]


def hand_made(model: Any, n: int) -> Tensor:
    """`n` clips of the model, from -1 to 1, written down by hand."""
    if hasattr(model, "walk"):
        content, start = torch.randn(n, model.content), torch.randn(1, n, model.motion)
        path, _ = model.walk(torch.randn(n, FRAMES, model.noise), start)
        codes = torch.cat([content[:, None].expand(-1, FRAMES, -1), path], 2).flatten(0, 1)
        return (model.generator(codes) / 2).tanh().unflatten(0, (n, FRAMES))
    z = torch.randn(n, model.noise)
    maps = model.foreground(z)
    mask, colour = model.mask(maps).sigmoid(), (model.colour(maps) / 2).tanh()
    return (mask * colour + (1 - mask) * (model.background(z) / 2).tanh()[:, :, None]).transpose(1, 2)


def bare_loop(model: Any, batches: Batches, steps: int, generator: torch.Generator) -> None:
    """Play the judges' and the generator's game as one would by hand: no logs, no checkpoints, no checks."""
    networks = [model.clip_judge] + ([model.frame_judge] if hasattr(model, "frame_judge") else [])
    judges = [torch.optim.Adam(network.parameters(), 2e-4, (0.5, 0.999)) for network in networks]
    told = {id(p) for network in networks for p in network.parameters()}
    makers = [p for p in model.parameters() if id(p) not in told]
    maker = torch.optim.Adam(makers, 2e-4, (0.5, 0.999))

    def seen(network: Any, clips: Tensor) -> Tensor:
        if network is not model.clip_judge:
            clips = clips[torch.arange(len(clips)), torch.randint(FRAMES, (len(clips),))]
        return network(clips + model.haze * torch.randn_like(clips))

    for _ in range(steps):
        for network, optimizer in zip(networks, judges, strict=True):
            real = batches(generator).float() / 127.5 - 1
            with torch.no_grad():
                fake = hand_made(model, len(real))
            loss = functional.softplus(-seen(network, real)).mean() + functional.softplus(seen(network, fake)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        fake = hand_made(model, BATCH)
        fooled = torch.stack([functional.softplus(-seen(network, fake)).mean() for network in networks]).sum()
        maker.zero_grad()
        fooled.backward(inputs=makers)
        maker.step()


def clips(sizes: Sizes) -> list[Row]:
    """Clips a second of `fit` and of a bare loop in turn, of each model; a step is a move of every player."""
    n = min(BATCH, sizes.train_batch)
    pool = make_world("shape_motion", size=32).clip(64, FRAMES, sizes.generator()).frames  # type: ignore[attr-defined]

    def batches(generator: torch.Generator) -> Tensor:
        return pool[torch.randint(len(pool), (n,), generator=generator)]

    rows = []
    for name, more in MODELS.items():
        model = partial(make, name, **SETTINGS, **more)
        called = NAME.format(name, n)
        rows += beside_bare(called, "clips/s", model, bare_loop, batches, n, sizes, "convolutions")
    return rows
