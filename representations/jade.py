"""JADE: joint autoencoders for disentanglement (Karimi et al. 2017, arXiv 1711.09163), and its two baselines.

    x, l    a primary picture with its class, of few;     y, l    a secondary one of the same class, of many
    q(z1 | x), q(z2 | x)   style and content of x,        q(z3 | y), q(z4 | y)   of y: Gaussians that never see the class

    L(x, l) = E_q log p(x | z1, z2) + w E_q log p(l | z2) - KL(q(z1 | x) || N(0, I)) - KL(q(z2 | x) || N(0, I))    (eq. 1)
    maximise   L(x, l) + L(y, l) - m KL(q(z2 | x) || q(z4 | y))                                                    (eq. 2)

over pairs drawn anew at every step; w = m = 1 is the paper's, in nats. p(l | z) is one classifier for both. The print has
q(z2 | x, l): that would tell the class to the classifier, and nobody knows it at test time.

The paired classifier is the two encoders and the shared classifier without the rest; the single one has no secondary.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import MinLen
from torch import Tensor, nn
from torch.nn import functional

from borders import NonNegative, Positive, Shape, Share, Size
from representations.model import Logs, Objective, Representation, check_pictures, pixels
from representations.parts.labels import known_classes
from representations.parts.networks import Background, Standardise, he_weights
from representations.parts.terms import bernoulli_nll, gaussian_kl, gaussian_kl_each, gaussian_sample

Filters = Annotated[tuple[Size, ...], MinLen(1)]
Batch = Mapping[str, Tensor]
POOLS = 3
NARROW = -4.0  # log variance at the start
PRIMARY, SECONDARY = (32, 48, 32, 4), (16, 16, 8)  # filters, half as many as the paper has


def _sides(shape: Sequence[int], filters: Sequence[int]) -> list[tuple[int, int]]:
    """The sizes of the maps that each convolution reads, and last those that come out."""
    sides = [(shape[1], shape[2])]
    for depth in range(len(filters)):
        height, width = sides[-1]
        sides.append((height // 2, width // 2) if depth < POOLS else (height, width))
    if min(sides[-1]) < 1:
        raise ValueError(
            f"shape must have sides of at least {2 ** min(POOLS, len(filters))} pixels, got {tuple(shape)}"
        )
    return sides


def tower(shape: Sequence[int], filters: Sequence[int], outputs: int) -> nn.Sequential:
    """Pictures [n, C, H, W] -> [n, outputs]: standardised, 3 x 3 convolutions with ReLU, max-pooling behind three."""
    sides = _sides(shape, filters)
    layers: list[nn.Module] = [Standardise()]
    for depth, (inner, outer) in enumerate(zip((shape[0], *filters), filters, strict=False)):
        layers += [nn.Conv2d(inner, outer, 3, padding=1), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] * (depth < POOLS)
    network = nn.Sequential(*layers, nn.Flatten(), nn.Linear(filters[-1] * math.prod(sides[-1]), outputs))
    return _started(network)


def mirror(inputs: int, shape: Sequence[int], filters: Sequence[int]) -> nn.Sequential:
    """Codes [n, inputs] -> logits [n, C, H, W]: the reverse of `tower`, with growing in the place of pooling."""
    sides = _sides(shape, filters)
    layers: list[nn.Module] = [nn.Linear(inputs, filters[-1] * math.prod(sides[-1]))]
    layers += [nn.Unflatten(1, (filters[-1], *sides[-1]))]
    for depth in reversed(range(len(filters))):
        layers += [nn.ReLU()]
        layers += [nn.Upsample(sides[depth])] * (depth < POOLS)
        layers += [nn.Conv2d(filters[depth], filters[depth - 1] if depth else shape[0], 3, padding=1)]
    return _started(nn.Sequential(*layers), last=0.1)


def classifier(inputs: int, hidden: int, dropout: float, classes: int) -> nn.Sequential:
    """Codes [n, inputs] -> logits [n, classes]: three blocks of `hidden` units, ReLU and dropout."""
    layers: list[nn.Module] = []
    for width in (inputs, hidden, hidden):
        layers += [nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout)]
    return _started(nn.Sequential(*layers, nn.Linear(hidden, classes)))


def _started(network: nn.Sequential, last: float = 1.0) -> nn.Sequential:
    """The network with He's weights, the last layer's `last` times as large; its maps are laid out channels last.

    Four convolutions, a bottleneck and four full layers behind it do not begin to learn from torch's own small weights.
    """
    he_weights(network, last)
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]


class DigitClassifier(Representation):
    """What the three have in common: a `tower` of primary pictures `shape` and a classifier of `content` numbers.

    Batches are dicts: pictures `x` and their classes `y` [n], and where a secondary set is learned from, pictures
    `secondary` [n, ...] of the same classes, row by row.
    """

    def __init__(self, shape: tuple[int, ...], classes: int, content: int, hidden: int, dropout: float, rate: float):
        super().__init__()
        self.shape, self.classes, self.content, self.learning_rate = tuple(shape), classes, content, rate
        self.classifier = classifier(content, hidden, dropout, classes)

    @abstractmethod
    def classify(self, observations: Tensor) -> Tensor:
        """The classes' logits [n, classes] of primary pictures [n, C, H, W]."""

    @abstractmethod
    def loss(self, batch: Batch) -> tuple[Tensor, Logs]:
        """What all networks minimise, in nats a pair, and its terms as logs."""

    def labels(self, batch: Batch) -> Tensor:
        """The classes [n] of a batch; ValueError where one is not known or there is no such class."""
        return known_classes(batch, self.classes, type(self).__name__)

    def objectives(self) -> tuple[Objective, ...]:
        """One player: all networks, by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate, fused=True)
        return (Objective("error", self.loss, tuple(self.parameters()), adam),)


class Bottleneck(DigitClassifier):
    """What the two baselines have in common: a bottleneck of `content` numbers, which are the code."""

    def __init__(self, filters: tuple[int, ...], shape: tuple[int, ...], classes: int, content: int, *rest: Any):
        super().__init__(shape, classes, content, *rest)
        self.code_size = content
        self.encoder = tower(shape, filters, content)

    def encode(self, observations: Tensor) -> Tensor:
        """The bottleneck [n, content] of primary pictures [n, C, H, W]."""
        check_pictures(observations, self.shape)
        return self.encoder(pixels(observations)).float()

    def classify(self, observations: Tensor) -> Tensor:
        """The classes' logits [n, classes] of primary pictures [n, C, H, W]."""
        return self.classifier(self.encode(observations)).float()


class SingleClassifier(Bottleneck):
    """The classifier of primary pictures alone, through a bottleneck of `content` numbers, which are the code."""

    def __init__(
        self,
        shape: Shape = (3, 32, 32),
        classes: Size = 10,
        content: Size = 10,
        filters: Filters = PRIMARY,
        hidden: Size = 250,
        dropout: Share = 0.5,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__(filters, shape, classes, content, hidden, dropout, learning_rate)

    def loss(self, batch: Batch) -> tuple[Tensor, Logs]:
        """The cross-entropy of primary pictures, in nats."""
        loss = functional.cross_entropy(self.classify(batch["x"]), self.labels(batch))
        return loss, {"label": loss}


class PairedClassifier(Bottleneck):
    """Two bottlenecks, of primary pictures `shape` and of secondary ones, before one classifier."""

    def __init__(
        self,
        shape: Shape = (3, 32, 32),
        secondary_shape: Shape = (1, 28, 28),
        classes: Size = 10,
        content: Size = 10,
        filters: Filters = PRIMARY,
        secondary_filters: Filters = SECONDARY,
        hidden: Size = 250,
        dropout: Share = 0.5,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__(filters, shape, classes, content, hidden, dropout, learning_rate)
        self.secondary_shape = tuple(secondary_shape)
        self.secondary = tower(secondary_shape, secondary_filters, content)

    def classify_secondary(self, observations: Tensor) -> Tensor:
        """The classes' logits [n, classes] of secondary pictures."""
        check_pictures(observations, self.secondary_shape)
        return self.classifier(self.secondary(pixels(observations))).float()

    def loss(self, batch: Batch) -> tuple[Tensor, Logs]:
        """The sum of the cross-entropies of both sets, in nats."""
        labels = self.labels(batch)
        first = functional.cross_entropy(self.classify(batch["x"]), labels)
        second = functional.cross_entropy(self.classify_secondary(batch["secondary"]), labels)
        return first + second, {"label": first, "label_secondary": second}


class Autoencoder(nn.Module):
    """One of JADE's two: pictures `shape` -> q(content, style | x) -> pictures."""

    def __init__(self, shape: tuple[int, ...], code_size: int, filters: tuple[int, ...]):
        super().__init__()
        self.shape = tuple(shape)
        self.encoder, self.decoder = tower(shape, filters, 2 * code_size), mirror(code_size, shape, filters)
        # Posteriors start narrow, as in the prior's own noise no class is ever seen, and all alike: where a few are far
        # narrower than the rest, the KL of contents is all that the first steps see.
        with torch.no_grad():
            self.encoder[-1].weight[code_size:] = 0  # type: ignore[index, operator]
            self.encoder[-1].bias[code_size:] = NARROW  # type: ignore[index, operator]
        self.background = Background()

    def posterior(self, observations: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, d] of pictures [n, C, H, W]."""
        check_pictures(observations, self.shape)
        mean, logvar = self.encoder(pixels(observations)).float().chunk(2, -1)
        return mean, logvar

    def nll(self, code: Tensor, observations: Tensor) -> Tensor:
        """-log p(x | z) in nats [n]."""
        target = pixels(observations)
        self.background(self.decoder, target)
        return bernoulli_nll(self.decoder(code).float(), target)


class Jade(DigitClassifier):
    """JADE of primary pictures `shape` and secondary ones; the code is [content, style] of primary pictures, the means.

    `label_weight` is w and `match_weight` m of the bound above. The paper has twice the filters, 500 `hidden` units, and
    says no weights.
    """

    def __init__(
        self,
        shape: Shape = (3, 32, 32),
        secondary_shape: Shape = (1, 28, 28),
        classes: Size = 10,
        content: Size = 10,
        style: Size = 10,
        filters: Filters = PRIMARY,
        secondary_filters: Filters = SECONDARY,
        hidden: Size = 250,
        dropout: Share = 0.5,
        label_weight: NonNegative = 1.0,
        match_weight: NonNegative = 1.0,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__(shape, classes, content, hidden, dropout, learning_rate)
        self.code_size, self.label_weight, self.match_weight = content + style, label_weight, match_weight
        self.primary = Autoencoder(shape, content + style, filters)
        self.secondary = Autoencoder(secondary_shape, content + style, secondary_filters)

    def encode(self, observations: Tensor) -> Tensor:
        """Content and style, the posterior means [n, content + style], of primary pictures [n, C, H, W]."""
        return self.primary.posterior(observations)[0]

    def decode(self, code: Tensor) -> Tensor:
        """The expected primary picture [n, C, H, W] in [0, 1]."""
        return self.primary.decoder(code).float().sigmoid()

    def generate(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` primary pictures [n, C, H, W] of codes drawn from the prior."""
        code = torch.randn(n, self.code_size, generator=generator, device=generator.device)
        return self.decode(code.to(next(self.parameters()).device))

    def classify(self, observations: Tensor) -> Tensor:
        """The classes' logits [n, classes] of primary pictures [n, C, H, W], by their content."""
        return self.classifier(self.encode(observations)[:, : self.content]).float()

    def classify_secondary(self, observations: Tensor) -> Tensor:
        """The classes' logits [n, classes] of secondary pictures, by their content."""
        return self.classifier(self.secondary.posterior(observations)[0][:, : self.content]).float()

    def loss(self, batch: Batch) -> tuple[Tensor, Logs]:
        """Minus equation 2, in nats a pair; logs its terms."""
        labels = self.labels(batch)
        logs: Logs = {}
        total = torch.zeros((), device=labels.device)
        contents = []
        for name, side, pictures in (
            ("", self.primary, batch["x"]),
            ("_secondary", self.secondary, batch["secondary"]),
        ):
            mean, logvar = side.posterior(pictures)
            code = gaussian_sample(mean, logvar)
            nll, kl = side.nll(code, pictures).mean(), gaussian_kl_each(mean, logvar).mean(0)
            label = functional.cross_entropy(self.classifier(code[:, : self.content]).float(), labels)
            total = total + nll + kl.sum() + self.label_weight * label  # equation 1
            logs |= {f"nll{name}": nll, f"label{name}": label, f"kl_content{name}": kl[: self.content].sum()}
            logs |= {f"kl_style{name}": kl[self.content :].sum()}
            contents += [mean[:, : self.content], logvar[:, : self.content]]
        match = gaussian_kl(*contents).mean()
        return total + self.match_weight * match, logs | {"match": match}
