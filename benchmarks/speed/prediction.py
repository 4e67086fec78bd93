"""Learning to filter clips, timed: `fit` beside a bare loop on the same networks."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.speed.rows import Row, Sizes, beside_bare
from envs.moving_digits import MovingDigits
from representations import make

BATCH, FRAMES = 16, 5
NAME = "independent_prediction 32x32x3, 5 frames, width 16, batch {}"
SETTINGS: dict[str, Any] = {"shape": (3, 32, 32), "frames": FRAMES, "size": 5, "width": 16}


def hand_made(model: Any, clips: Tensor) -> Tensor:
    """Minus the bound of clips from 0 to 1, in nats a frame, written down by hand."""
    n, d = len(clips), model.code_size
    seen = model.encoder(clips.flatten(0, 1)).unflatten(0, (n, FRAMES))
    mean = logvar = torch.zeros(n, d)
    codes: list[Tensor] = []
    kl = torch.zeros(n)
    for step in range(FRAMES):
        if step:
            mean, logvar = model.transition([codes[-1], codes[max(step - 2, 0)]], torch.zeros(n, 0))
        told = [seen[:, step], model.from_mean(mean.detach()), model.from_logvar(logvar.detach())]
        found, spread = model.joined(functional.leaky_relu(torch.cat(told, 1), 0.2)).chunk(2, 1)
        kl = kl + 0.5 * ((spread - logvar).exp() + (found - mean) ** 2 / logvar.exp() - 1 - spread + logvar).sum(1)
        codes.append(found + torch.randn_like(found) * (spread / 2).exp())
    drawn = model.decoder(torch.stack(codes, 1).flatten(0, 1)).unflatten(0, (n, FRAMES))
    error = (drawn - clips).square().sum() / model.variance
    return (error + clips.numel() * math.log(2 * math.pi * model.variance)) / (2 * n * FRAMES) + kl.mean() / FRAMES


def bare_loop(model: Any, batches: Callable[[torch.Generator], Tensor], steps: int, generator: torch.Generator) -> None:
    """Train as one would by hand: no logs, no checkpoints, no checks."""
    optimizer = torch.optim.Adam(model.parameters(), model.learning_rate)
    for _ in range(steps):
        loss = hand_made(model, batches(generator).float() / 255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def predicted_clips(sizes: Sizes) -> list[Row]:
    """Clips a second of `fit` and of a bare loop in turn."""
    n = min(BATCH, sizes.train_batch)
    pool = MovingDigits(32).clip(64, FRAMES, sizes.generator()).frames

    def batches(generator: torch.Generator) -> Tensor:
        return pool[torch.randint(len(pool), (n,), generator=generator)]

    model = partial(make, "independent_prediction", **SETTINGS)
    return beside_bare(NAME.format(n), "clips/s", model, bare_loop, batches, n, sizes, "convolutions")
