"""Learning sentences, timed: `fit` beside a bare loop, with fused recurrent kernels in both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from benchmarks.speed.rows import Row, Sizes, beside_bare
from envs import make_world
from representations import make
from representations.language_multitask import PARTS, VIEWS
from representations.parts.sentences import trimmed

NAME = "language_multitask R-D-P, LSTM 128, batch {}"
SHARE = NAME.format(64) + ": share"
SETTINGS: dict[str, Any] = {"decoders": "R,D,P", "hidden": 128, "embedding": 32}
Batches = Callable[[torch.Generator], dict[str, Tensor]]


def bare_loop(model: Any, batches: Batches, steps: int, generator: torch.Generator) -> None:
    """Train the encoder and its decoders as one would by hand: no logs, no checkpoints, no checks."""
    optimizer = torch.optim.Adam(model.parameters(), lr=model.learning_rate)
    for _ in range(steps):
        loss = hand_loss(model, batches(generator))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), model.longest)
        optimizer.step()


def hand_loss(model: Any, batch: Mapping[str, Tensor]) -> Tensor:
    """The learner's loss on a batch that is cut into parts by length."""
    symbols = {name: int((batch[VIEWS[name]] != 0).sum()) for name in model.names}
    loss = torch.zeros(())
    for rows in (batch["en"] != 0).sum(1).argsort().chunk(PARTS):
        ids = trimmed(batch["en"][rows])
        states, _ = model.encoder(model.embedding(ids))
        code = model.representation(states[torch.arange(len(ids)), (ids != 0).sum(1) - 1])
        for name, decoder in model.decoders.items():
            said = trimmed(batch[VIEWS[name]][rows])
            first = tuple(part[None].contiguous() for part in decoder.start(code).chunk(2, 1))
            read = torch.cat([torch.ones(len(said), 1, dtype=torch.int64), said[:, :-1]], 1)
            states, _ = decoder.recurrent(decoder.embedding(read), first)
            logits = decoder.output(states[said != 0])
            loss = loss + functional.cross_entropy(logits, said[said != 0], reduction="sum") / symbols[name]
    return loss


def sentences(sizes: Sizes) -> list[Row]:
    """Sentences a second of `fit` and of a bare loop in turn: characters of three languages' sentences, and their tags."""
    world = make_world("sentences")
    views = world.views(world.sample(2048, sizes.generator()))  # type: ignore[attr-defined]
    sizes_of = {"words": len(world.vocabulary), "tags": len(world.tags), **SETTINGS}  # type: ignore[attr-defined]

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        rows = torch.randint(2048, (sizes.train_batch,), generator=generator)
        return {name: trimmed(ids[rows]) for name, ids in views.items()}

    model, n = partial(make, "language_multitask", **sizes_of), sizes.train_batch
    told = "recurrent layers, step by step", "fused 300, a hand loop 110 (LSTM 512)"
    return beside_bare(NAME.format(n), "sentences/s", model, bare_loop, batches, n, sizes, *told)
