"""Class-conditional and class-generic disentangled representations (Kondamudi & Balasubramanian 2019).

    q(z | x), q(w | x, y)           the class-generic code, and the one that may depend on the class y
    p(z) = p(w | y) = N(0, I)
    p(x | z, w, y)                  independent Bernoulli pixels
    h(z), or h(w)                   a classifier's logits, an output for every class

    L_VAE = E_q log p(x | z, w, y) - beta |KL(q(z | x) || p(z)) - C_z| - gamma |KL(q(w | x, y) || p(w | y)) - C_w|    (eq. 4)
    L_class(z) = -sum_k [y_k log s(h_k(z)) + (1 - y_k) log(1 - s(h_k(z)))]                                            (eq. 5)

    maximise over the autoencoder   L_VAE + weight min(L_class(z), chance)
    minimise over the classifier    L_class, of z or of w                                                            (eq. 6)

C_z and C_w rise linearly over `steps` steps of training. The paper prints L_class without its minus, as what "the network"
maximises; a code that hides the class is one whose cross-entropy is large, hence the sign here. What is maximised needs a
bound: a picture whose L_class has reached that of a classifier that says 1 / K to everything adds no more.

The paper found the classifier on w in the second step "very helpful": it learns what tells classes apart in w, and z must
not have that. A classifier that never learns on z proves nothing about z, which is why benchmarks probe both with others.
`classifier` "taught" is our reading of the aim, "to channel the class information": w's encoder moves in the second step too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal, NamedTuple

import torch
from annotated_types import Interval
from torch import Tensor, nn
from torch.nn import functional

from borders import Natural, NonNegative, Positive, Shape, Size, Width
from representations.model import Logs, Objective, Representation, check_pictures, pixels
from representations.parts.networks import Background, dense_decoder, dense_encoder, mlp
from representations.parts.ramp import Ramp
from representations.parts.terms import bernoulli_nll, capacity_gap, gaussian_kl_each, gaussian_sample

Classes = Annotated[int, Interval(ge=2, le=2**14)]
Learner = Literal["none", "z", "w", "taught"]


class Posterior(NamedTuple):
    """Means and log variances of q(z | x) [n, z_size] and of q(w | x, y) [n, w_size]."""

    z_mean: Tensor
    z_logvar: Tensor
    w_mean: Tensor
    w_logvar: Tensor

    def sample(self) -> tuple[Tensor, Tensor]:
        """A draw of z and of w."""
        return gaussian_sample(self.z_mean, self.z_logvar), gaussian_sample(self.w_mean, self.w_logvar)


class ClassConditional(Representation):
    """Codes z and w of pictures `shape` = (C, H, W) of `classes` classes; a batch is a dict of pictures `x` and labels `y`.

    `classifier` says what the second step learns on: "z" as printed, "w" as the paper's experiments have it, "taught" (w,
    whose encoder learns too), or "none" for a model without L_class. `z_capacity` and `w_capacity` in nats are reached
    after `steps` steps; 0 leaves a weighed KL term. `w_size` 0 is the naive model of section 3.1: one code z, whose encoder
    sees the class, and no classifier. `hidden` units in two layers of every network, one of the classifier.

    Raises ValueError for a classifier on w, or on z by way of w, whose sizes differ, and for one of the naive model.
    """

    def __init__(
        self,
        shape: Shape = (1, 28, 28),
        classes: Classes = 10,
        z_size: Size = 10,
        w_size: Width = 10,
        classifier: Learner = "w",
        z_capacity: NonNegative = 15.0,
        w_capacity: NonNegative = 25.0,
        beta: NonNegative = 100.0,
        gamma: NonNegative = 100.0,
        weight: NonNegative = 1.0,
        steps: Natural = 5000,
        hidden: Size = 400,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__()
        if classifier != "none" and not w_size:
            raise ValueError(f"the naive model (w_size 0) has no classifier: it must be 'none', got {classifier!r}")
        if classifier in ("w", "taught") and z_size != w_size:
            raise ValueError(f"one classifier reads z and w, so that their sizes must agree, got {z_size} and {w_size}")
        self.shape, self.classes, self.z_size, self.w_size = tuple(shape), classes, z_size, w_size
        self.code_size, self.learner = z_size + w_size, classifier
        self.beta, self.gamma, self.weight, self.learning_rate = beta, gamma, weight, learning_rate
        told = math.prod(shape) + classes
        self.z_encoder: nn.Module = (
            dense_encoder(shape, 2 * z_size, hidden) if w_size else mlp(told, hidden, hidden, 2 * z_size)
        )
        self.w_encoder = mlp(told, hidden, hidden, 2 * w_size) if w_size else None
        self.decoder = dense_decoder(z_size + w_size + classes, self.shape, hidden)
        self.background = Background()
        self.classifier = mlp(z_size, hidden, classes) if classifier != "none" else None
        self.z_ramp, self.w_ramp = Ramp(0.0, z_capacity, steps), Ramp(0.0, w_capacity, steps)

    def posterior(self, observations: Tensor, labels: Tensor) -> Posterior:
        """The posterior of pictures [n, C, H, W] of classes `labels` [n]."""
        check_pictures(observations, self.shape)
        pictures = pixels(observations)
        told = torch.cat([pictures.flatten(1), self._one_hot(labels)], 1)
        if self.w_encoder is None:
            mean, logvar = self.z_encoder(told).float().chunk(2, -1)
            return Posterior(mean, logvar, mean[:, :0], logvar[:, :0])
        return Posterior(*self.z_encoder(pictures).float().chunk(2, -1), *self.w_encoder(told).float().chunk(2, -1))

    def encode(self, observations: Tensor) -> Tensor:
        """The posterior means of z and w [n, code_size] of pictures whose class is not known: over all classes, evenly."""
        every = [self.posterior(observations, torch.full((len(observations),), k)) for k in range(self.classes)]
        return torch.cat(
            [torch.stack([p.z_mean for p in every]).mean(0), torch.stack([p.w_mean for p in every]).mean(0)], 1
        )

    def draw(self, z: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        """The expected pictures [n, C, H, W] in [0, 1] of codes z [n, z_size] and w [n, w_size] and classes [n]."""
        return self._logits(z, w, labels).sigmoid()

    def generate(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` expected pictures [n, C, H, W] of codes drawn from their priors and classes drawn evenly."""
        code = torch.randn(n, self.code_size, generator=generator, device=generator.device)
        labels = torch.randint(self.classes, (n,), generator=generator, device=generator.device)
        z, w = code.to(self._device).split([self.z_size, self.w_size], 1)
        return self.draw(z, w, labels)

    def class_loss(self, code: Tensor, labels: Tensor) -> Tensor:
        """L_class of codes [n, z_size] of pictures of classes `labels` [n], in nats: [n] (eq. 5)."""
        assert self.classifier is not None
        logits = self.classifier(code).float()
        return functional.binary_cross_entropy_with_logits(logits, self._one_hot(labels), reduction="none").sum(-1)

    @property
    def chance(self) -> float:
        """L_class where every output says 1 / K."""
        return math.log(self.classes) + (self.classes - 1) * math.log(self.classes / (self.classes - 1))

    def loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What the autoencoder minimises, in nats a picture."""
        posterior, target, labels = self.posterior(batch["x"], batch["y"]), pixels(batch["x"]), batch["y"]
        z, w = posterior.sample()
        self.background(self.decoder, target)
        nll = bernoulli_nll(self._logits(z, w, labels), target).mean()
        kl_z, kl_w = gaussian_kl_each(*posterior[:2]), gaussian_kl_each(*posterior[2:])
        total = nll + self.beta * capacity_gap(kl_z, self.z_ramp.now())
        logs = {"nll": nll, "kl_z": kl_z.sum(1).mean(), "kl_w": kl_w.sum(1).mean()}
        if self.w_size:
            total = total + self.gamma * capacity_gap(kl_w, self.w_ramp.now())
        if self.classifier is not None:
            hidden = self.class_loss(z, labels)
            total = total - self.weight * hidden.clamp(max=self.chance).mean()
            logs["class_z"] = hidden.mean()
        return total, logs

    def classifier_loss(self, batch: Mapping[str, Tensor]) -> tuple[Tensor, Logs]:
        """What the classifier minimises, in nats a picture."""
        with torch.set_grad_enabled(self.learner == "taught"):
            z, w = self.posterior(batch["x"], batch["y"]).sample()
        loss = self.class_loss(z if self.learner == "z" else w, batch["y"]).mean()
        return loss, {}

    def objectives(self) -> tuple[Objective, ...]:
        """The autoencoder, and behind it the classifier if there is one; each by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate)
        networks = [self.z_encoder, self.decoder] + ([self.w_encoder] if self.w_encoder is not None else [])
        own = tuple(p for network in networks for p in network.parameters())
        players = [Objective("bound", self.loss, own, adam, after=self._advance)]
        if self.classifier is not None:
            learns = list(self.classifier.parameters())
            if self.learner == "taught" and self.w_encoder is not None:
                learns += self.w_encoder.parameters()
            players.append(Objective("classifier", self.classifier_loss, tuple(learns), adam))
        return tuple(players)

    def _advance(self) -> None:
        self.z_ramp.advance()
        self.w_ramp.advance()

    def _logits(self, z: Tensor, w: Tensor, labels: Tensor) -> Tensor:
        return self.decoder(torch.cat([z, w, self._one_hot(labels)], 1)).float()

    def _one_hot(self, labels: Tensor) -> Tensor:
        return functional.one_hot(labels.to(self._device).round().long(), self.classes).float()

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device
