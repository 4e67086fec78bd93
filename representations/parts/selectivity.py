"""What `icf` and `icf_discrete` share: the reward, its REINFORCE estimator, the unit of changes, their base.

S = log A(h', h, phi) - log mean_j A(h', h, phi_j)                                   (Thomas et al. 2018, equation 1)
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import torch
from annotated_types import Interval, MultipleOf
from torch import Tensor, nn

from borders import Side
from representations.model import Representation, pixels
from representations.parts.terms import linear_schedule

FADE = 0.2  # share of the training over which h becomes visible to policies
Estimator = Literal["enumerated", "sampled"]
Alike = Annotated[float, Interval(ge=0, le=1 - FADE)]  # a share of the training that leaves room for the rest
Sides16 = tuple[Side, Annotated[Side, MultipleOf(16)], Annotated[Side, MultipleOf(16)]]
RUNNING = 0.05  # share of the newest batch in the running unit and origin of codes


def visible(step: Tensor, steps: int, alike: float) -> Tensor:
    """How much policies see of h at this step of `steps`: 0 for the share `alike`, then rising to 1."""
    return ((step / steps - alike) / FADE).clamp(0, 1) if alike else torch.ones_like(step)


def log_ratio(scores: Tensor, log_share: Tensor | None = None) -> Tensor:
    """log A - log mean_j A from log A [..., j] (equation 1); or the mean by shares, of which these are the logarithms."""
    if log_share is None:
        return scores - (scores.logsumexp(-1, keepdim=True) - math.log(scores.shape[-1]))
    return scores - (scores + log_share).logsumexp(-1, keepdim=True)


def entropy(log_probabilities: Tensor) -> Tensor:
    """The entropy in nats of distributions [..., a]: [...]."""
    return -(log_probabilities.exp() * log_probabilities).sum(-1)


def reinforced(reward: Tensor, log_pi: Tensor, weight: Tensor, value: Tensor, normalise: bool) -> tuple[Tensor, Tensor]:
    """A number with the gradient of E reward, and the squared error of the baseline.

        grad E f = E [grad f + (f - V) grad log pi]                                                        (appendix D)

    Rewards, log probabilities of what was done and their importance weights are [n, j], the baseline V is [n, 1 or j].
    `normalise` divides f - V by its deviation.
    """
    gain = (reward - value).detach()
    if normalise:
        gain = gain / ((weight * gain.square()).sum() / weight.sum().clamp(min=1e-6)).sqrt().clamp(min=1e-3)
    return (weight * (reward + gain * log_pi)).mean(), (weight * (reward.detach() - value).square()).mean()


def whitening(changes: Tensor, weight: Tensor, ridge: float = 1e-4) -> Tensor:
    """W [d, d] such that rows of changes [n, d] times W, weighted by [n], have (nearly) the second moment I: Cholesky.

    `ridge` times the mean of the moment's diagonal is added to that, so that what hardly changes is not blown up to 1.
    """
    eye = torch.eye(changes.shape[1], device=changes.device)
    moment = (changes.T * weight) @ changes / weight.sum().clamp(min=1e-6)
    moment = moment + (ridge * moment.diagonal().mean() + 1e-8) * eye
    return torch.linalg.solve_triangular(torch.linalg.cholesky(moment), eye, upper=False).T


class Whitening(nn.Module):
    """Gives codes the unit in which their changes have the second moment I, and their mean as the origin.

    In training both are a batch's, with gradients (`learn`); elsewhere their running means.
    """

    unit: Tensor
    centre: Tensor
    batches: Tensor

    def __init__(self, size: int, ridge: float = 1e-4):
        super().__init__()
        self.ridge = ridge
        self.register_buffer("unit", torch.eye(size))
        self.register_buffer("centre", torch.zeros(size))
        self.register_buffer("batches", torch.zeros(()))

    def forward(self, codes: Tensor) -> Tensor:
        """Raw codes [..., size] in the running unit."""
        return (codes - self.centre) @ self.unit

    def learn(self, codes: Tensor, changes: Tensor, weight: Tensor) -> Tensor:
        """Codes [n, size] in the unit of this batch's changes [..., size], each of weight [...] 0 or more."""
        unit, centre = whitening(changes.flatten(0, -2), weight.flatten(), self.ridge), codes.mean(0)
        with torch.no_grad():
            share = torch.where(self.batches == 0, 1.0, RUNNING)
            self.unit.lerp_(unit, share)
            self.centre.lerp_(centre, share)
            self.batches += 1
        return (codes - centre) @ unit


class Controlled(Representation):
    """A learner of features of pictures by the policies that change them, one of several `actions` at a time.

    Its code is what `encoder` gives in the unit of changes, with `ridge` in that (see `Whitening`). Policies see of the code
    what `visible` says, for the share `alike` of `steps`; `bonus` is the weight of their entropy, which falls from the first
    to the second of `entropies`. `normalise` is that of `reinforced`.
    """

    encoder: nn.Module
    step: Tensor

    def __init__(
        self,
        shape: tuple[int, ...],
        actions: int,
        code_size: int,
        estimator: str,
        whiten: bool,
        alike: float,
        normalise: bool,
        entropies: tuple[float, float],
        steps: int,
        learning_rate: float,
        ridge: float = 1e-4,
    ):
        super().__init__()
        self.shape, self.actions, self.code_size = tuple(shape), actions, code_size
        self.estimator, self.whiten, self.alike, self.normalise = estimator, whiten, alike, normalise
        self.entropies, self.steps, self.learning_rate = entropies, steps, learning_rate
        self.white = Whitening(code_size, ridge)
        self.register_buffer("step", torch.zeros(()))

    def encode(self, observations: Tensor) -> Tensor:
        """The features h [n, code_size] of pictures [n, C, H, W]."""
        return self.white(self.encoder(pixels(observations)))

    def _visible(self) -> Tensor:
        """How much of h the networks see at this step of the training: 0 to 1."""
        return visible(self.step, self.steps, self.alike)

    def _bonus(self, done: Tensor, steps: float) -> Tensor:
        """The weight of the entropy after `done` of `steps`."""
        return linear_schedule(done, steps, *self.entropies)

    @staticmethod
    def _log_choice(logits: Tensor, allowed: Tensor | None = None) -> Tensor:
        """log pi from logits [..., actions]; an action that `allowed` [..., actions] excludes has probability 0."""
        return (logits if allowed is None else logits.masked_fill(~allowed, -1e9)).log_softmax(-1)
