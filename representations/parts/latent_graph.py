"""Latent variables that form a small directed graph, in the prior and in the encoder (Siddharth et al. 2016, section 2.1).

    v                       a node: one of k classes, or k Gaussian dimensions; nodes stand behind those they hang on
    p(v | pa(v))            prior: uniform or N(0, I) without parents, else by a network of the parents
    q(v | x, pa(v), re(v))  encoder: reads the picture, the parents, and what else the node is told to read
    p(x | V)                decoder: independent Bernoulli pixels, given all nodes V

    L(x, y) = E_q [log p(x | V) + sum_v log p(v | pa(v)) - sum_{v hidden} log q(v | x, ...)]      nodes y observed

    minimise  mean_n -L(x_n, y_n)  -  alpha mean_{n with labels} E_q sum_{v observed} log q(y_v | x, ...)

The KL of the Gaussians can weigh more than 1 at first, and then fall to 1: before the encoder knows a class, Gaussians that
are open learn to say it, and the decoder never listens to the class again. The papers train long enough to do without.

An expectation over hidden classes is taken in one of two ways (section 2.2). "marginal": the sum over all their values,
each weighed by its probability, with the Gaussians that hang on them drawn anew for each (Kingma et al. 2014, eq. 7);
"plug_in": the vector of probabilities stands in the place of the class, in the encoder, the prior and the decoder alike,
which costs one pass, and is near where q(v | x) is near certain. Gaussians are drawn once.

A label that is not known takes no part in any of it: it is replaced by 0 before anything is computed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from borders import Size, checked
from representations.model import Logs, Objective, Representation, check_pictures, pixels
from representations.parts.networks import Background, mlp
from representations.parts.ramp import Ramp
from representations.parts.terms import bernoulli_nll, gaussian_kl, gaussian_sample

Structure = dict[str, dict[str, Any]]
Estimator = Literal["plug_in", "marginal"]
PRIOR_HIDDEN = 64
MOST = 10_000  # values of all classes together over which a sum is taken


@checked
@dataclass(frozen=True)
class Node:
    """A latent variable of `size` classes or dimensions.

    It hangs on its `parents` in the prior and in the encoder, and on `reads` in the encoder alone.
    """

    kind: Literal["categorical", "gaussian"]
    size: Size
    parents: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()

    @property
    def given(self) -> tuple[str, ...]:
        """The nodes that the encoder reads."""
        return tuple(dict.fromkeys((*self.parents, *self.reads)))

    @property
    def outputs(self) -> int:
        """How many numbers a distribution of this node has: logits, or means and log variances."""
        return self.size if self.kind == "categorical" else 2 * self.size


def nodes_of(structure: Structure) -> dict[str, Node]:
    """The nodes of a declaration such as {"digit": {"kind": "categorical", "size": 10}, "style": {"kind": "gaussian",
    "size": 50, "reads": ["digit"]}}; ValueError or TypeError says what is wrong with which.
    """
    nodes: dict[str, Node] = {}
    if not structure:
        raise ValueError("structure must declare at least one node, got none")
    for name, told in structure.items():
        try:
            node = Node(**told)
        except (TypeError, ValueError) as error:
            wanted = "kind (categorical or gaussian), size, parents and reads"
            raise type(error)(f"structure: node {name!r} is told by its {wanted}: {error}") from None
        late = [other for other in node.given if other not in nodes]
        if late:
            raise ValueError(
                f"structure: node {name!r} hangs on {late[0]!r}, which must be declared before it; before it stand "
                f"{', '.join(nodes) or 'none'}"
            )
        nodes[name] = node
    return nodes


class Head(nn.Module):
    """Features of a picture and the values of other nodes -> the numbers of q(v | x, ...).

    Linear, or with a layer of `hidden` softplus units. The picture's part is computed once a picture (`look`), however
    many values of the other nodes are tried with it.
    """

    def __init__(self, features: int, given: int, hidden: int, outputs: int):
        super().__init__()
        self.look = nn.Linear(features, hidden or outputs)
        self.given = nn.Linear(given, hidden or outputs, bias=False) if given else None
        self.last = nn.Sequential(nn.Softplus(), nn.Linear(hidden, outputs)) if hidden else nn.Identity()

    def forward(self, looked: Tensor, given: Tensor) -> Tensor:
        """[m, outputs] of what `look` gave [m, ...] and the other nodes' values [m, given]."""
        return self.last(looked if self.given is None else looked + self.given(given)).float()


class Look(NamedTuple):
    """What is known of n pictures after a look, in m >= n lines: one a picture, or one for each value of its classes.

    `rows` [m] is the picture of a line, `values` [m, size] those of all nodes, `weight` [m] the line's probability,
    `kl_classes` and `kl_gaussians` [m] the prior's and the encoder's part of -L in nats, `log_q` [m] that of the observed
    classes.
    """

    rows: Tensor
    values: Tensor
    weight: Tensor
    kl_classes: Tensor
    kl_gaussians: Tensor
    log_q: Tensor

    def mean(self, of_line: Tensor, n: int) -> Tensor:
        """The expectation [n] for each picture of what its lines say [m]."""
        return of_line.new_zeros(n).index_add(0, self.rows, self.weight * of_line)


class LatentGraph(nn.Module):
    """The nodes of a `structure` with their priors and encoders; the latter read `features` numbers of a picture.

    `place[name]` is the slice of a node in the values [n, size] of all of them; `classes` are the categorical nodes, whose
    labels [n, k] stand in this order.
    """

    def __init__(self, structure: Structure, features: int, hidden: int = 0):
        super().__init__()
        self.nodes = nodes_of(structure)
        ends = list(itertools.accumulate(node.size for node in self.nodes.values()))
        self.size = ends[-1]
        self.place = {name: slice(end - self.nodes[name].size, end) for name, end in zip(self.nodes, ends, strict=True)}
        self.classes = tuple(name for name, node in self.nodes.items() if node.kind == "categorical")
        self.sizes = tuple(self.nodes[name].size for name in self.classes)
        self.heads = nn.ModuleList(
            Head(features, self._width(node.given), hidden, node.outputs) for node in self.nodes.values()
        )
        self.priors = nn.ModuleList(
            mlp(self._width(node.parents), PRIOR_HIDDEN, node.outputs) if node.parents else nn.Identity()
            for node in self.nodes.values()
        )

    def _width(self, names: tuple[str, ...]) -> int:
        return sum(self.nodes[name].size for name in names)

    def prior(self, place: int, node: Node, values: Mapping[str, Tensor], lines: Tensor) -> Tensor:
        """The numbers of p(v | pa(v)) [m, outputs]; zeros, which are uniform and N(0, I), without parents."""
        if not node.parents:
            return lines.new_zeros(len(lines), node.outputs)
        return self.priors[place](torch.cat([values[name] for name in node.parents], -1)).float()

    def lines(self, labels: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Every value that the classes can have, given those known [n, k]: pictures [m] and classes [m, k]."""
        every = torch.tensor(list(itertools.product(*map(range, self.sizes))), device=labels.device)
        every = every.view(-1, len(self.classes))
        allowed = (~known[:, None] | (every == labels[:, None])).all(-1)
        rows, chosen = allowed.nonzero().unbind(1)
        return rows, every[chosen]

    def look(self, features: Tensor, labels: Tensor, known: Tensor, estimator: Estimator, noise: bool = True) -> Look:
        """What features [n, f] and the known ones of the labels [n, k] say; without `noise` Gaussians are at their means."""
        if estimator == "marginal":
            rows, chosen = self.lines(labels, known)
        else:
            rows, chosen = torch.arange(len(features), device=features.device), labels
        seen = known[rows].float()
        values: dict[str, Tensor] = {}
        kl, spread, log_q, log_weight = (torch.zeros(len(rows), device=features.device) for _ in range(4))
        for place, (name, node) in enumerate(self.nodes.items()):
            head: Any = self.heads[place]
            given = [values[other] for other in node.given]
            numbers = head(head.look(features)[rows], torch.cat(given, -1) if given else features[:0])
            prior = self.prior(place, node, values, numbers)
            if node.kind == "gaussian":
                mean, logvar = numbers.chunk(2, -1)
                values[name] = gaussian_sample(mean, logvar) if noise else mean
                spread = spread + gaussian_kl(mean, logvar, *prior.chunk(2, -1))
                continue
            column = self.classes.index(name)
            observed, log = seen[:, column], numbers.log_softmax(-1)
            value = functional.one_hot(chosen[:, column], node.size).float()
            if estimator == "plug_in":
                value = torch.where(observed[:, None] > 0, value, log.exp())
            values[name] = value
            of_value = (value * log).sum(-1)
            kl = kl + (1 - observed) * of_value - (value * prior.log_softmax(-1)).sum(-1)
            log_q = log_q + observed * of_value
            log_weight = log_weight + (1 - observed) * of_value
        weight = log_weight.exp() if estimator == "marginal" else torch.ones_like(log_weight)
        return Look(rows, torch.cat(list(values.values()), -1), weight, kl, spread, log_q)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` values [n, size] of all nodes from the prior, parents first, by the generator, on its device."""
        values: dict[str, Tensor] = {}
        empty = torch.zeros(n, 0, device=generator.device)
        for place, (name, node) in enumerate(self.nodes.items()):
            prior = self.prior(place, node, values, empty)
            if node.kind == "categorical":
                chosen = torch.multinomial(prior.softmax(-1), 1, generator=generator)[:, 0]
                values[name] = functional.one_hot(chosen, node.size).float()
            else:
                mean, logvar = prior.chunk(2, -1)
                noise = torch.randn(mean.shape, generator=generator, device=generator.device)
                values[name] = mean + noise * torch.exp(0.5 * logvar)
        return torch.cat(list(values.values()), -1)


class GraphVAE(Representation):
    """A learner of pictures `shape`, some with labels, whose latents are a `LatentGraph`. Its networks are its own.

    The code is the plugged-in value of every node: probabilities of classes, means of Gaussians. Batches are pictures, or
    dicts of pictures `x`, class indices `y` [n] or [n, k] and the mask `labelled` [n] or [n, k]; k counts the categorical
    nodes in the order of their declaration. Over the first `opening` steps the weight of the Gaussians' KL goes from `closed`
    to 1.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        graph: LatentGraph,
        trunk: nn.Module,
        decoder: nn.Module,
        estimator: Estimator,
        label_weight: float,
        learning_rate: float,
        closed: float,
        opening: int,
    ):
        super().__init__()
        if estimator == "marginal" and math.prod(graph.sizes) > MOST:
            raise ValueError(
                f"structure has {math.prod(graph.sizes)} values of its classes, too many to sum over (at most {MOST}): "
                "take the estimator plug_in"
            )
        self.shape, self.code_size, self.estimator = tuple(shape), graph.size, estimator
        self.graph, self.trunk, self.decoder = graph, trunk, decoder
        self.label_weight, self.learning_rate = label_weight, learning_rate
        self.background, self.ramp = Background(), Ramp(closed, 1.0, opening)

    def features(self, observations: Tensor) -> Tensor:
        """What the encoders of all nodes read [n, f] of pictures [n, C, H, W]."""
        check_pictures(observations, self.shape)
        return self.trunk(pixels(observations))

    def encode(self, observations: Tensor) -> Tensor:
        """The value [n, code_size] of every node: probabilities of classes, means of Gaussians (see `graph.place`)."""
        features = self.features(observations)
        hidden = torch.zeros(len(features), len(self.graph.classes), dtype=torch.long, device=features.device)
        return self.graph.look(features, hidden, hidden.bool(), "plug_in", noise=False).values

    def node(self, code: Tensor, name: str) -> Tensor:
        """The part [n, size] of codes [n, code_size] that belongs to a node."""
        return code[:, self.graph.place[name]]

    def decode(self, code: Tensor) -> Tensor:
        """The expected picture [n, C, H, W] in [0, 1] of codes, such as those of `encode` with a class set anew."""
        return self.decoder(code).float().sigmoid()

    def generate(self, n: int, generator: torch.Generator) -> Tensor:
        """`n` pictures [n, C, H, W] of values drawn from the prior."""
        with torch.no_grad():
            home = next(self.parameters()).device
            return self.decode(self.graph.draw(n, generator).to(home))

    def supervision(self, batch: Tensor | Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures, labels [n, k] with 0 for every hidden one, and which are known [n, k], of a batch.

        ValueError for labels of another number of nodes, or of a class that a node does not have.
        """
        k = len(self.graph.classes)
        if isinstance(batch, Tensor):
            hidden = torch.zeros(len(batch), k, dtype=torch.long, device=batch.device)
            return batch, hidden, hidden.bool()
        x, labels, known = batch["x"], batch["y"], batch["labelled"].bool()
        labels = labels.view(len(x), -1)
        known = known.view(len(x), -1).expand(len(x), labels.shape[1])
        if labels.shape[1] != k:
            raise ValueError(f"y must have {k} columns, for {', '.join(self.graph.classes)}, got {labels.shape[1]}")
        labels = torch.where(known, labels, 0).long()
        wrong = (labels < 0) | (labels >= labels.new_tensor(self.graph.sizes))
        if wrong.any():
            raise ValueError(f"labels must be class indices below {self.graph.sizes}, got {labels[wrong][0].item()}")
        return x, labels, known

    def loss(self, batch: Tensor | Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """-L and the weighed classifier's term in nats, of pictures with or without labels; logs the parts."""
        x, labels, known = self.supervision(batch)
        target = pixels(x)
        look = self.graph.look(self.features(x), labels, known, self.estimator)
        self.background(self.decoder, target)
        nll = bernoulli_nll(self.decoder(look.values).float(), target[look.rows])
        kl = look.kl_classes + look.kl_gaussians
        weighed = look.kl_classes + self.ramp.now() * look.kl_gaussians
        bound = look.mean(nll + weighed, len(x)).mean()
        wrong = -look.mean(look.log_q, len(x)).sum() / known.any(-1).sum().clamp(min=1)
        logs = {"nll": look.mean(nll, len(x)).mean(), "kl": look.mean(kl, len(x)).mean(), "label": wrong}
        return bound + self.label_weight * wrong, logs

    def objectives(self) -> tuple[Objective, ...]:
        """One player: all networks, by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate, fused=True)
        return (Objective("bound", self.loss, tuple(self.parameters()), adam, after=self.ramp.advance),)
