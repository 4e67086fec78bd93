"""Sentences whose sentiment moves through a code (Larsson et al. 2017, "Disentangled Representations for Manipulation of
Sentiment in Text").

    z = CNN(x)                      filters of widths 1 to 4, the greatest response of each over the sentence
    p(y | z) = softmax(W z + b)     the sentiment
    p(x | z)                        a GRU whose first state is z

    first      minimise -log p(x | z)                       sentences without labels
    then       minimise -log p(x | z) - log p(y | z)        the unweighted sum                      (section 3.1)

    f*(z) = 1/m sum_i k(z_i^s, z) - 1/n sum_j k(z_j^t, z),  k(a, b) = exp(-|a - b|^2 / (2 sigma))   (eq. 2)
    V = [z_1^t .. z_n^t, z_1^s .. z_m^s, z],  z* = z + V delta
    delta = argmin f*(z + V delta) + budget |V delta|^2 / sigma     by BFGS                               (section 3.2)

z^s are codes of sentences of z's own sentiment, z^t those of the other. Sigma, unpublished, is the median of the squared
distances between them: at 1 the kernel of codes so far apart has no gradient. The paper's lambda, 7e-5, is budget / sigma of
its own codes; ours is free of their scale.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.distance import pdist
from torch import Tensor, nn
from torch.nn import functional

from borders import Natural, NonNegative, Positive, Size, checked
from representations.model import Codes, Logs, Objective, Representation
from representations.parts.ramp import Ramp
from representations.parts.sentences import (
    BEGIN,
    PADDING,
    Classes,
    Labelled,
    NgramFilters,
    Sentences,
    Values,
    begun,
    check_sentences,
    likeliest,
    mean_nll,
)

WIDTHS = (1, 2, 3, 4)


class SentimentMMD(Representation):
    """Sentences over `words` ids of up to `length`, ends counted, of `classes` sentiments; a batch is a dict of `x` and `y`.

    `filters` of each width from 1 to 4 make a code of 4 `filters`, as large as the GRU's state. For the first `warmup`
    steps the sentiment is not learned. The latest `examples` sentences of each class are kept in a buffer: `transfer`
    moves a code away from those of its class and towards those of the target, no further than `budget` lets it.
    """

    kept: Tensor
    filled: Tensor

    def __init__(
        self,
        words: Size = 1000,
        length: Size = 20,
        classes: Classes = 2,
        embedding: Size = 128,
        filters: Size = 75,
        examples: Size = 90,
        budget: NonNegative = 0.3,
        warmup: Natural = 500,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__()
        self.words, self.length, self.classes, self.code_size = words, length, classes, len(WIDTHS) * filters
        self.budget, self.learning_rate = budget, learning_rate
        self.embedding = nn.Embedding(words, embedding, PADDING)
        self.features = NgramFilters(embedding, WIDTHS, filters)
        self.classify = nn.Linear(self.code_size, classes)
        self.decoder = nn.GRU(embedding, self.code_size, batch_first=True)
        self.speak = nn.Linear(self.code_size, words)
        self.ramp = Ramp(0.0, 1.0, warmup)
        self.register_buffer("kept", torch.zeros(classes, examples, length, dtype=torch.int64))
        self.register_buffer("filled", torch.zeros(classes, dtype=torch.int64))

    def encode(self, ids: Sentences) -> Tensor:
        """The codes z [n, code_size] of sentences [n, T]."""
        check_sentences(ids, self.words)
        return self.features(self.embedding(ids), ids != PADDING)

    def decode(self, code: Codes) -> Tensor:
        """The sentences [n, length] of codes [n, code_size]: the likeliest word behind those before."""

        def step(words: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            states, state = self.decoder(self.embedding(words)[:, None], state)
            return self.speak(states[:, 0]), state

        begins = torch.full((len(code),), BEGIN, device=code.device)
        return likeliest(step, code[None], begins, self.length)

    def transfer(self, ids: Sentences, y_target: Values) -> Tensor:
        """Sentences [n, length] of the traversed codes of ids [n, T], with the sentiments `y_target` [n]."""
        with torch.no_grad():
            return self.decode(self.move(self.encode(ids), y_target))

    def move(self, code: Codes, y_target: Values) -> Tensor:
        """Codes [n, code_size] traversed to sentiments `y_target` [n]; one that is said to have it stays where it is.

        ValueError where training has kept no examples of a class that is needed.
        """
        with torch.no_grad():
            own, moved = self.classify(code).argmax(-1), code.clone()
            for source in range(self.classes):
                for target in range(self.classes):
                    rows = torch.nonzero((own == source) & (y_target == target) & (own != y_target))[:, 0]
                    if len(rows):
                        sets = (self.examples(source), self.examples(target))
                        moved[rows] = traverse(code[rows], *sets, self.budget)
        return moved

    def examples(self, sentiment: int) -> Tensor:
        """The codes [m, code_size] of the sentences of a class that training kept; ValueError where there are none."""
        count = min(int(self.filled[sentiment]), self.kept.shape[1])
        if not count:
            raise ValueError(
                f"training has shown no sentence of class {sentiment}, so that no code can be moved to or from it"
            )
        return self.encode(self.kept[sentiment, :count])

    def loss(self, batch: Labelled) -> tuple[Tensor, Logs]:
        """-log p(x | z) in nats a word, and behind the warm-up -log p(y | z) beside it."""
        ids, values = batch["x"], batch["y"]
        code = self.encode(ids)
        states, _ = self.decoder(self.embedding(begun(ids)), code[None])
        said = mean_nll(self.speak(states), ids)
        logits = self.classify(code).float()
        told = functional.cross_entropy(logits, values)
        self._keep(ids, values)
        logs = {"nll": said, "sentiment": told, "accuracy": (logits.argmax(-1) == values).float().mean()}
        return said + told * (self.ramp.now() == 1), logs

    def objectives(self) -> tuple[Objective, ...]:
        """One player, by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate)
        return (Objective("both", self.loss, tuple(self.parameters()), adam, after=self.ramp.advance),)

    @torch.no_grad()
    def _keep(self, ids: Tensor, values: Tensor) -> None:
        """Put sentences [n, T] in the place of the oldest that are kept of their classes."""
        if not self.training:
            return
        rows = functional.pad(ids, (0, max(0, self.length - ids.shape[1])))[:, : self.length]
        for sentiment in range(self.classes):
            mine = rows[values == sentiment][-self.kept.shape[1] :]
            places = (self.filled[sentiment] + torch.arange(len(mine), device=ids.device)) % self.kept.shape[1]
            self.kept[sentiment, places] = mine
            self.filled[sentiment] += len(mine)


@checked
def traverse(
    code: Float[Tensor, "n d"],
    source: Float[Tensor, "m d"],
    target: Float[Tensor, "k d"],
    budget: NonNegative = 0.3,
    steps: Size = 200,
) -> Tensor:
    """z* [n, d]: codes moved from where `source` lies to where `target` does, where f* + budget |z* - z|^2 / sigma is least.

    scipy's BFGS over delta, of at most `steps` iterations a code, each code by itself.
    """
    rows, first, second = (part.detach().double().cpu().numpy() for part in (code, source, target))
    both = np.concatenate([second, first])
    sigma = float(np.median(pdist(both, "sqeuclidean"))) if len(both) > 1 else 1.0
    signs = np.concatenate([np.full(len(second), -1 / len(second)), np.full(len(first), 1 / len(first))])
    moved = [_descend(z, both, signs, sigma or 1.0, budget, steps) for z in rows]
    return torch.from_numpy(np.stack(moved)).to(code) if moved else code.clone()


Vector = NDArray[np.float64]


def _descend(z: Vector, points: Vector, signs: Vector, sigma: float, budget: float, steps: int) -> Vector:
    """z + V delta of one code z [d], for the points [N, d] that f* weighs by `signs` [N]."""
    span = np.concatenate([points, z[None]])

    def value(delta: Vector) -> tuple[float, Vector]:
        change = delta @ span
        away = z + change - points
        weighed = signs * np.exp(-(away**2).sum(1) / (2 * sigma))
        slope = (2 * budget * change - weighed @ away) / sigma
        return float(weighed.sum() + budget * change @ change / sigma), span @ slope

    found = minimize(value, np.zeros(len(span)), jac=True, method="BFGS", options={"maxiter": steps})
    return z + found.x @ span
