"""What is measured and drawn of any learner that encodes and decodes pictures."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from benchmarks.harness.options import Batch, Precise, Repeated
from benchmarks.harness.runs import Timer, describe
from benchmarks.metrics.plots import traversals
from benchmarks.metrics.scoring import Samples
from borders import Count, checked
from representations.devices import Precision, choose_device, choose_precision
from representations.model import levels, pixels
from representations.parts.terms import bernoulli_nll, gaussian_kl_each, gaussian_sample

BATCH = 500
USED = 0.1  # nats of mean KL from which a latent counts as used


@checked
@dataclass(frozen=True, kw_only=True)
class Budget(Precise, Repeated):
    """What a sweep over such learners can be told, and every job of it knows."""

    batch: Batch = 32
    """Pictures a step."""
    precision: Precision = "auto"
    """float32, bfloat16, or auto: bfloat16 where the processor is faster in it."""
    samples: Samples = 5000
    """Pictures in the pool behind the scores."""
    test: Count = 2000
    """Pictures on which reconstruction is measured, at most."""


def seeded(seed: int) -> torch.Generator:
    """A generator with this seed."""
    return torch.Generator().manual_seed(seed)


def described(benchmark: str, job: Any, scores: dict[str, Any], timer: Timer, began: float) -> dict[str, Any]:
    """What `result.json` holds, with the precision computed in and the seconds of processor time since `began`."""
    precision = choose_precision(job.precision, choose_device(job.device))
    spent = {"precision": precision, "processor": round(time.process_time() - began, 1)}
    return describe(benchmark, job, scores, timer.seconds) | spent


@torch.no_grad()
def reconstruction(autoencoder: torch.nn.Module, pictures: Tensor) -> tuple[dict[str, float], Tensor]:
    """How well pictures uint8 [n, C, H, W] come back, and the mean KL [d] of every latent in nats.

    `nll` is E_q[-log p(x | z)] in nats a picture at one posterior sample; `pixel_error` the mean squared error of a
    pixel at the posterior mean; `latents_used` counts the latents with a mean KL above 0.1 nats. The noise comes from
    torch's default generator. `autoencoder` has `posterior`, `decode` and `logits`, as `GaussianAutoencoder`.
    """
    nll, error, kl = [], [], []
    for batch in pictures.split(BATCH):
        target = pixels(batch)
        mean, logvar = autoencoder.posterior(batch)  # type: ignore[operator]
        nll.append(bernoulli_nll(autoencoder.logits(gaussian_sample(mean, logvar)), target))  # type: ignore[operator]
        error.append((autoencoder.decode(mean) - target).square().flatten(1).mean(1))  # type: ignore[operator]
        kl.append(gaussian_kl_each(mean, logvar))
    each = torch.cat(kl).mean(0)
    found = {"nll": torch.cat(nll).mean().item(), "pixel_error": torch.cat(error).mean().item()}
    return found | {"kl": each.sum().item(), "latents_used": float((each > USED).sum())}, each


@torch.no_grad()
def draw(autoencoder: torch.nn.Module, codes: Tensor) -> Tensor:
    """Pictures uint8 [n, C, H, W] of codes [n, d]."""
    return levels(autoencoder.decode(codes))  # type: ignore[operator]


@torch.no_grad()
def traversal_figure(autoencoder: torch.nn.Module, picture: Tensor, kl: Tensor, steps: int = 9) -> Figure:
    """Every latent of one picture [C, H, W] moved from -3 to 3 with the others held, the largest KL [d] first."""
    code = autoencoder.posterior(picture[None])[0]  # type: ignore[operator]
    d = code.shape[1]
    codes = code.repeat(d * steps, 1).view(d, steps, d)
    codes[torch.arange(d), :, torch.arange(d)] = torch.linspace(-3, 3, steps, device=code.device)
    pictures = draw(autoencoder, codes.flatten(0, 1))
    return traversals(pictures.view(d, steps, *picture.shape).cpu(), kl.cpu())


def sheet(rows: Sequence[Tensor], labels: Sequence[str]) -> Figure:
    """Rows of pictures uint8 [n, C, H, W], n alike, each with a label."""
    padded = [torch.nn.functional.pad(row.cpu(), (1, 1, 1, 1), value=128) for row in rows]
    grid = torch.stack(padded).permute(0, 3, 1, 4, 2)
    down, height, across, width, channels = grid.shape
    longest = max(len(line) for label in labels for line in label.split("\n"))
    figure = Figure(figsize=(0.7 * across + 0.6 + 0.09 * longest, 0.7 * down + 0.2), layout="constrained")
    axes = figure.add_subplot()
    image = grid.reshape(down * height, across * width, channels).expand(-1, -1, 3)
    axes.imshow(image.numpy(), interpolation="nearest")
    axes.set_yticks([(i + 0.5) * height for i in range(down)], labels)
    axes.set_xticks([])
    axes.tick_params(length=0)
    return figure
