"""Training, timed: `fit` beside a bare loop, and in bfloat16 beside a plain float32 loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.harness.timing import in_turn
from benchmarks.speed.rows import ONE, Row, Sizes
from envs import make_world
from representations import fit, make
from representations.devices import choose_precision

Precision = Literal["float32", "bfloat16"]
PRECISIONS: dict[Precision, str] = {"float32": "convolutions", "bfloat16": "emulation, on CPUs without bfloat16"}


def bare_loop(
    model: Any,
    batches: Callable[[torch.Generator], Tensor],
    steps: int,
    generator: torch.Generator,
    precision: Precision,
) -> None:
    """Train beta-VAE's two networks as one would by hand: no logs, no checkpoints, no checks."""
    encoder, decoder = model.autoencoder.encoder, model.autoencoder.decoder
    optimizer = torch.optim.Adam(model.parameters(), lr=model.learning_rate)
    for _ in range(steps):
        pictures = batches(generator).float() / 255
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            mean, logvar = encoder(pictures).chunk(2, 1)
            logits = decoder(mean + torch.randn_like(mean) * (logvar / 2).exp())
            nll = functional.binary_cross_entropy_with_logits(logits, pictures, reduction="sum")
            kl = (logvar.exp() + mean.square() - 1 - logvar).sum() / 2
            loss = (nll + model.beta * kl) / len(pictures)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def plain_networks() -> tuple[nn.Sequential, nn.Sequential]:
    """beta-VAE's encoder and decoder for 64x64x1 as one would write them by hand, without channels last."""
    down = [layer for n in (1, 32, 32, 32) for layer in (nn.Conv2d(n, 32, 4, 2, 1), nn.ReLU())]
    full = nn.Sequential(nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 20))
    back = nn.Sequential(nn.Linear(10, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 512))
    up = [layer for n in (32, 32, 32, 1) for layer in (nn.ReLU(), nn.ConvTranspose2d(32, n, 4, 2, 1))]
    return nn.Sequential(*down, nn.Flatten(), full), nn.Sequential(back, nn.Unflatten(1, (32, 4, 4)), *up)


def training(sizes: Sizes) -> list[Row]:
    """Pictures a second of `fit` and of a bare loop in turn, on the same network, batches and precision.

    And of `fit` in bfloat16 and a plain float32 loop in turn, whose network does not know channels last.
    """
    rows = []
    pictures = make_world("dsprites").render(make_world("dsprites").sample(2048, sizes.generator()))

    def batches(generator: torch.Generator) -> Tensor:
        return pictures[torch.randint(len(pictures), (sizes.train_batch,), generator=generator)]

    def fitting(steps: int, precision: Precision) -> Callable[[], object]:
        torch.manual_seed(sizes.seed)
        options: dict[str, Any] = {"device": "cpu", "precision": precision, "progress": False}
        return partial(fit, make("beta_vae"), batches, steps, sizes.generator(), **options)

    own = choose_precision("auto", torch.device("cpu")) == "bfloat16"
    few = sizes.train_steps if own else max(1, sizes.train_steps // 5)
    for precision, limit in PRECISIONS.items():
        steps = sizes.train_steps if precision == "float32" else few
        made = sizes.train_batch * steps
        bare_call = partial(bare_loop, make("beta_vae"), batches, steps, sizes.generator(), precision)
        fitted, bare, ratio = in_turn(fitting(steps, precision), bare_call, sizes.repeats)
        name = f"beta_vae 64x64x1, batch 64, {precision}"
        elsewhere = "plain PyTorch 525 to 620; pythae and disent within 7 %" if precision == "float32" else ""
        for how, cost in (("fit", fitted), ("bare loop", bare)):
            rates = made / cost.clock, made / cost.processor
            rows.append(Row(f"{name}: {how}", ONE, "pictures/s", *rates, elsewhere, limit))
        rows.append(Row(f"{name}: share", ONE, "%", 100 * bare.clock / fitted.clock, 100 * ratio, "", "logs, checks"))
    plain: Any = make("beta_vae")
    plain.autoencoder.encoder, plain.autoencoder.decoder = plain_networks()
    plain_call = partial(bare_loop, plain, batches, few, sizes.generator(), "float32")
    fast, slow, ratio = in_turn(fitting(few, "bfloat16"), plain_call, sizes.repeats)
    name, made = "beta_vae 64x64x1, batch 64, plain float32 loop", sizes.train_batch * few
    limit = "convolutions, without channels last"
    rows.append(Row(name, ONE, "pictures/s", made / slow.clock, made / slow.processor, "", limit))
    share, limit = "fit in bfloat16, of the plain float32 loop", "beside it in the same run"
    return [*rows, Row(share, ONE, "%", 100 * slow.clock / fast.clock, 100 * ratio, "", limit)]
