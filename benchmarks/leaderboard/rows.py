"""What stands on the leaderboard: learners with settings found by seeded random search, and rows of honesty.

A setting is drawn once for its number and learner, whatever the world, so that the same row exists in every world. All
codes have ten numbers (but where a row cannot), see the same pictures, and are read by the same consumers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.leaderboard.pictures import Pictures
from benchmarks.metrics.control import ControlTask
from representations.model import pixels
from representations.parts.networks import conv_encoder

SIZE = 10
SEARCH = 20_251  # seed of the search
STEPS_TOLD, RATE_TOLD = 800, 1e-3  # of the network that is told the factors
MOVED = "pictures and actions"  # the stratum of learners that see actions
Encode = Callable[[Tensor], Tensor]
Draw = Callable[[np.random.Generator], Any]


def _log(low: float, high: float) -> Draw:
    """Log-uniform, five digits."""
    return lambda random: float(f"{np.exp(random.uniform(np.log(low), np.log(high))):.5g}")


def _one(*options: Any) -> Draw:
    """One of some options."""
    return lambda random: options[int(random.integers(len(options)))]


@dataclass(frozen=True)
class Learner:
    """A learner of the board: a model's name, what never changes, what is searched, and whether it sees actions.

    `share` is its part of the steps, `sides` what its pictures' sides must be a multiple of.
    """

    model: str
    fixed: Mapping[str, Any]
    searched: Mapping[str, Draw]
    stratum: str = "pictures"
    share: float = 1.0
    sides: int = 1

    def settings(self, number: int) -> dict[str, Any]:
        """The settings of this number; those of number 0 are the middle of the search for no learner in particular."""
        random = np.random.default_rng([SEARCH, number, *self.model.encode()])
        return {**self.fixed, **{name: draw(random) for name, draw in self.searched.items()}}


NET: dict[str, int] = {"code_size": SIZE, "channels": 16, "hidden": 128}
RATE = {"learning_rate": _log(5e-4, 2e-3)}
MOVES = {"unfold": _log(1, 30), "smooth": _log(3, 30), "learning_rate": _log(5e-4, 2e-3)}
LEARNERS: dict[str, Learner] = {
    "pca": Learner("pca", {"code_size": SIZE}, {}),
    "vae": Learner("vae", NET, RATE),
    "beta_vae": Learner("beta_vae", NET, RATE | {"beta": _log(1.5, 16)}),
    "capacity_vae": Learner("capacity_vae", NET, RATE | {"gamma": _log(3, 100), "last": _log(5, 25)}),
    "dip_vae_i": Learner("dip_vae", NET | {"kind": "I"}, RATE | {"lambda_od": _log(0.3, 10)}),
    "dip_vae_ii": Learner("dip_vae", NET | {"kind": "II"}, RATE | {"lambda_od": _log(0.3, 10)}),
    "factor_vae": Learner("factor_vae", NET, RATE | {"gamma": _log(3, 60)}),
    "disentangled_autoencoder": Learner(
        "disentangled_autoencoder",
        NET,
        RATE | {"network": _one("conv", "dense"), "noise": _one(0.0, 0.2), "beta": _log(0.3, 10)},
    ),
    "infogan": Learner(
        "infogan",
        {"code_size": SIZE, "network": "convolutional", "channels": 16, "hidden": 128, "repeats": 2},
        {"information": _log(2, 20), "penalty": _log(3, 30), "learning_rate": _log(1e-4, 5e-4)},
        share=0.4,  # three moves a step
    ),
    "mvae": Learner(
        "mvae",
        {"slots": 2, "object_size": SIZE // 2, "channels": 16, "hidden": 128},
        RATE | {"pool": _one("max", "sum")},
        share=0.4,  # its pictures are drawn at their full size twice
    ),
    "object_vae": Learner("object_vae", NET | {"object_size": SIZE // 2}, RATE, share=0.4),
    "icf": Learner(
        "icf",
        {"code_size": SIZE, "samples": 32, "closeness": 0.3, "alike": 0.2, "reconstruction": 1.0},
        {"ridge": _log(0.01, 0.3), "blur": _log(0.05, 0.5), "learning_rate": _log(5e-4, 2e-3)},
        MOVED,
        share=0.5,  # a step looks at every move from every state
        sides=16,
    ),
    "rce": Learner("rce", {"code_size": SIZE}, MOVES, MOVED),
    "e2c": Learner("e2c", {"code_size": SIZE}, MOVES, MOVED),
    "dyn_content": Learner("dyn_content", {"dynamics_size": 6, "content_size": 4}, MOVES, MOVED),
}


def _constant(see: Pictures, states: Tensor, seed: int) -> Encode:
    return lambda s: torch.zeros(len(s), SIZE, dtype=torch.float64)


def _noise(see: Pictures, states: Tensor, seed: int) -> Encode:
    generator = torch.Generator().manual_seed(seed)
    return lambda s: torch.randn(len(s), SIZE, generator=generator, dtype=torch.float64)


def _random_projection(see: Pictures, states: Tensor, seed: int) -> Encode:
    generator = torch.Generator().manual_seed(seed)
    size = int(np.prod(see.shape))
    weight = torch.randn(size, SIZE, generator=generator, dtype=torch.float64) / size**0.5
    return lambda s: see.flat(s) @ weight


def _pixels(see: Pictures, states: Tensor, seed: int) -> Encode:
    """Pictures of 4 x 4 pixels a channel: what can be had without any encoder."""
    pool = nn.AdaptiveAvgPool2d(4)
    return lambda s: pool(pixels(see(s))).flatten(1).double()


def _random_linear(see: Pictures, states: Tensor, seed: int) -> Encode:
    generator = torch.Generator().manual_seed(seed)
    task = see.task
    mix = torch.randn(len(task.factors), SIZE, generator=generator, dtype=torch.float64)
    return lambda s: s[:, : len(task.factors)] / task.spans @ mix


def _untrained(see: Pictures, states: Tensor, seed: int) -> Encode:
    return _through(_network(see, SIZE, seed), see)


def _supervised(see: Pictures, states: Tensor, seed: int) -> Encode:
    """A network that is told the movable factors, an angle as cosine and sine."""
    wanted, pictures = _told(see.task, states), see(states)
    network = _network(see, wanted.shape[1], seed)
    optimizer = torch.optim.Adam(network.parameters(), RATE_TOLD)
    generator = torch.Generator().manual_seed(seed)
    for step in range(STEPS_TOLD):
        optimizer.param_groups[0]["lr"] = RATE_TOLD * (1 - step / STEPS_TOLD)
        rows = torch.randint(len(pictures), (64,), generator=generator)
        loss = (network(pixels(pictures[rows])) - wanted[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return _through(network, see)


def _told(task: ControlTask, states: Tensor) -> Tensor:
    columns = []
    for k in task.moved:
        factor, value = task.factors[k], states[:, k]
        if factor.kind == "circular":
            turn = 2 * torch.pi * value / factor.high
            columns += [turn.cos(), turn.sin()]
        else:
            columns.append((value - factor.low) / (factor.high - factor.low) * 3.46 - 1.73)
    return torch.stack(columns, 1).float()


def _network(see: Pictures, size: int, seed: int) -> nn.Module:
    """The encoder of the autoencoders."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return conv_encoder(see.shape, size, NET["channels"], NET["hidden"])


def _through(network: nn.Module, see: Pictures) -> Encode:
    @torch.no_grad()
    def encode(states: Tensor) -> Tensor:
        return torch.cat([network(pixels(see(part))) for part in states.split(500)]).double()

    return encode


def _aligned(see: Pictures, states: Tensor, seed: int) -> Encode:
    told = _told(see.task, states)
    return lambda s: (_told(see.task, s) - told.mean(0)).double() / told.std(0).double()


def _rotated(see: Pictures, states: Tensor, seed: int) -> Encode:
    aligned = _aligned(see, states, seed)
    return turned(aligned, aligned(states[:1]).shape[1], seed)


def turned(encode: Encode, size: int, seed: int) -> Encode:
    """A code after a Haar rotation."""
    generator = torch.Generator().manual_seed(50_000 + seed)
    q, r = torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64))
    turn = q * r.diagonal().sign()
    return lambda states: encode(states) @ turn.T


# Codes that no learning made, by pictures, the states of the training, and the seed.
HONESTY: dict[str, Callable[[Pictures, Tensor, int], Encode]] = {
    "constant": _constant,
    "noise": _noise,
    "untrained encoder": _untrained,
    "random projection": _random_projection,
    "random linear map of the factors": _random_linear,
    "pooled pixels": _pixels,
    "supervised factors": _supervised,
    "aligned oracle": _aligned,
    "rotated oracle": _rotated,
}
PIXELS = "pixels end to end"  # a policy that reads pictures itself: no code, so nothing else to score
