"""Disentanglement by penalising correlation (Kågebäck & Mogren 2018).

    H [n, p]          the activations of a layer over a batch
    C                 their sample covariance
    L_Sigma           1 / p^2 sum_ij |C_ij|                                         (section 2)
    L_1               1 / (n p) sum |H_ni|, the baseline (the paper prints no formula)

    minimise          error + lambda (L_Sigma or L_1 of every penalised layer)

`watch` penalises any layer of any module. Two learners of the paper use it: an autoencoder (linear for vectors, section
3.2; convolutional for pictures, section 3.4) with the penalty on its coding layer, and a classifier of logistic units with
the penalty on all hidden layers (section 3.3).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Annotated, Literal, TypedDict

import torch
from annotated_types import MinLen
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from borders import NonNegative, Positive, Side, Size
from representations.model import Logs, Objective, Pictures, Representation, check_pictures, pixels
from representations.parts.networks import he_weights, mlp
from representations.parts.players import sole_player
from representations.parts.terms import covariance_penalty, l1_penalty

PENALTIES = {"covariance": covariance_penalty, "l1": l1_penalty}
Penalty = Literal["covariance", "l1"]


def demand_rows(batch: Tensor) -> None:
    """Raise ValueError for a batch of fewer than the 2 rows that have a covariance."""
    if len(batch) < 2:
        raise ValueError(f"a batch must have at least 2 rows, for their covariance, got {len(batch)}")


@contextmanager
def watch(module: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collect what the named layers of `module` put out, flattened to [n, p], while the block runs.

        with watch(network, ["encoder.2"]) as seen:
            error = loss(network(x), y)
        error = error + 0.2 * covariance_penalty(seen["encoder.2"])

    Names are those of `module.named_modules()`; ValueError lists them for an unknown one.
    """
    layers = dict(module.named_modules())
    unknown = [name for name in names if name not in layers]
    if unknown:
        raise ValueError(f"the module has no layer {unknown[0]!r}; its layers are {', '.join(filter(None, layers))}")
    seen: dict[str, Tensor] = {}

    def keep(name: str, _module: nn.Module, _inputs: object, output: Tensor) -> None:
        seen[name] = output.flatten(1)

    hooks = [layers[name].register_forward_hook(partial(keep, name)) for name in names]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


class CovariancePenalty(Representation):
    """An autoencoder of `shape` with `weight` times L_Sigma ("covariance") or L_1 ("l1") of its coding layer.

    Vectors (p,) get a linear coding layer and a linear output layer; pictures (C, H, W), H and W multiples of 4, two
    convolutions of stride 2 and two full layers, and their transposes: about 500,000 weights at 32 x 32. The error is
    the mean squared error of a number of the input; pixels count from -1 to 1, the one common scale on which the
    paper's 0.0365 with 84 units is possible for CIFAR-10 (on [0, 1] it is over half the variance; of standardised pixels,
    84 principal components leave three times as much). Weights of the picture networks start as He et al. 2015 have them:
    torch's own leave the code hundreds of times larger, and after 800 steps three times the error.
    """

    def __init__(
        self,
        shape: tuple[Side, ...] = (3, 32, 32),
        code_size: Size = 84,
        penalty: Penalty = "covariance",
        weight: NonNegative = 0.08,
        channels: Size = 32,
        hidden: Size = 112,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__()
        if len(shape) not in (1, 3):
            raise ValueError(f"shape must be (p,) or (C, H, W), got {shape}")
        self.shape, self.code_size, self.learning_rate = tuple(shape), code_size, learning_rate
        self.span = 2.0 if len(shape) == 3 else 1.0  # of a number's range, in the units of the error
        self.penalty, self.weight = penalty, weight
        if len(shape) == 1:
            self.encoder: nn.Module = nn.Linear(shape[0], code_size)
            self.decoder: nn.Module = nn.Linear(code_size, shape[0])
        else:
            if shape[1] % 4 or shape[2] % 4:
                raise ValueError(f"shape must have sides that are multiples of 4, got {shape}")
            deepest = (channels, shape[1] // 4, shape[2] // 4)
            self.encoder = nn.Sequential(
                nn.Conv2d(shape[0], channels, 4, 2, 1),
                nn.ReLU(),
                nn.Conv2d(channels, channels, 4, 2, 1),
                nn.ReLU(),
                nn.Flatten(),
                mlp(math.prod(deepest), hidden, code_size),
            )
            self.decoder = nn.Sequential(
                mlp(code_size, hidden, math.prod(deepest)),
                nn.Unflatten(1, deepest),
                nn.ReLU(),
                nn.ConvTranspose2d(channels, channels, 4, 2, 1),
                nn.ReLU(),
                nn.ConvTranspose2d(channels, shape[0], 4, 2, 1),
                nn.Sigmoid(),
            )
            he_weights(self)
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # two thirds of a step's time

    def _numbers(self, observations: Tensor) -> Tensor:
        check_pictures(observations, self.shape)
        return pixels(observations) if len(self.shape) == 3 else observations

    def encode(self, observations: Tensor) -> Tensor:
        """The coding layer [n, code_size] of pictures [n, C, H, W], or of float vectors [n, p]."""
        return self.encoder(self._numbers(observations))

    def decode(self, code: Tensor) -> Tensor:
        """What the decoder makes of codes [n, code_size]: pictures in [0, 1], or vectors."""
        return self.decoder(code)

    def error(self, decoded: Tensor, observations: Tensor) -> Tensor:
        """The mean squared error of a number, pixels from -1 to 1, of what `decode` gave for observations [n, *shape]."""
        return self.span**2 * functional.mse_loss(decoded.float(), self._numbers(observations))

    def loss(self, batch: Pictures) -> tuple[Tensor, Logs]:
        """Mean squared error plus the weighted penalty, for at least 2 observations [n, *shape], else ValueError."""
        demand_rows(batch)
        with watch(self, ["encoder"]) as seen:
            error = self.error(self.decode(self.encode(batch)), batch)
        cost = PENALTIES[self.penalty](seen["encoder"])
        return error + self.weight * cost, {"error": error, "cost": cost}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: both networks, by Adam."""
        return sole_player(self, "error")


class Labelled(TypedDict):
    """Inputs, and what is to be said of them, 0 or 1."""

    x: Float[Tensor, "n inputs"]
    y: Float[Tensor, "n outputs"]


class CovarianceClassifier(Representation):
    """Logistic layers `sizes` with `weight` times the penalty of every hidden layer; learns y in {0, 1} from x.

    The default is the paper's over-specified network for the exclusive or: two inputs, two hidden layers of four. Weights
    start `gain` times as large as Glorot & Bengio 2010 have them: from small ones the penalty flattens the layers before
    the error has a slope.
    """

    def __init__(
        self,
        sizes: Annotated[tuple[Size, ...], MinLen(3)] = (2, 4, 4, 1),
        penalty: Penalty = "covariance",
        weight: NonNegative = 0.2,
        gain: Positive = 2.0,
        learning_rate: Positive = 0.1,
    ):
        super().__init__()
        self.inputs, self.outputs = sizes[0], sizes[-1]
        self.code_size, self.penalty, self.weight, self.learning_rate = sizes[-2], penalty, weight, learning_rate
        self.network: nn.Sequential = mlp(*sizes, activation=nn.Sigmoid)
        for layer in (m for m in self.network if isinstance(m, nn.Linear)):
            nn.init.xavier_normal_(layer.weight, gain)
            nn.init.zeros_(layer.bias)
        self.hidden = [str(i) for i, layer in enumerate(self.network) if isinstance(layer, nn.Sigmoid)]

    def layers(self, observations: Tensor) -> list[Tensor]:
        """The activations [n, units] of every hidden layer for inputs [n, sizes[0]], first to last."""
        with watch(self.network, self.hidden) as seen:
            self.network(observations)
        return [seen[name] for name in self.hidden]

    def encode(self, observations: Float[Tensor, "n inputs"]) -> Tensor:
        """The last hidden layer [n, code_size] for inputs [n, sizes[0]]."""
        return self.layers(observations)[-1]

    def classify(self, observations: Tensor) -> Tensor:
        """The probability of 1 [n, sizes[-1]] for inputs [n, sizes[0]]."""
        return self.network(observations).sigmoid()

    def loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """Cross-entropy in nats plus the weighted penalties, for inputs `x` [n, sizes[0]] and targets `y` [n, sizes[-1]]."""
        demand_rows(batch["x"])
        with watch(self.network, self.hidden) as seen:
            logits = self.network(batch["x"])
        error = functional.binary_cross_entropy_with_logits(logits, batch["y"])
        cost = torch.stack([PENALTIES[self.penalty](layer) for layer in seen.values()]).sum()
        return error + self.weight * cost, {"error": error, "cost": cost}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: the network, by Adam."""
        return sole_player(self, "error")
