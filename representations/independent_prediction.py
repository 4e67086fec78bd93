"""Disentangling video with independent prediction (Whitney & Fergus 2017, arXiv 1901.05590), and its entangled baseline.

    z_t = (z_t^1 .. z_t^k)                                                  factors of d numbers each
    p(z_1) = N(0, I)
    p(z_t | z_{t-1}, z_{t-2}) = prod_i N(z_t^i; f_i(z_{t-1}^i, z_{t-2}^i, u_{t-1}))      each factor from its own past
    q(z_t | z_{t-1}, x_t) = N(g(x_t, p_t)),   p_t the mean and log variance of the line above         a filter
    p(x_t | z_t) = N(decoder(z_t), variance I)

    log p(x_1 .. x_T) >= sum_t E_q log p(x_t | z_t) - E_q KL(q(z_t | z_{t-1}, x_t) || p(z_t | z_{t-1}, z_{t-2}))
                                                                                                            (section 2)

What is predicted well from its own past alone is an object, so long as objects do not meet. The entangled model has one
transition of all k d numbers, with as many weights. The published program's transitions read two previous latents, of which
the paper tells one (`order`).

Ours are: actions u, so that a planner can steer what was learned; a KL whose weight rises from 0 to 1 over `warmup` steps; a
linear map beside the generator (`Drawer`); and factors that draw apart (`drawn`), decoder(z) = sum_i decoder_i(z^i). The bound
does not ask for the row and the column of one object in one factor, since neither is needed to predict the other; but a
decoder that knows one of them alone cannot draw the object.

All frames of a batch are encoded in one call and drawn in one; only the filter, on k d numbers, goes frame by frame.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from functools import partial
from typing import Annotated, Literal, NamedTuple, TypedDict

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from borders import Natural, Positive, Shape, Size
from representations.model import Codes, Logs, Objective, Pictures, Representation, pixels
from representations.parts.prediction import Apart, Drawer, Transition, weights_of
from representations.parts.ramp import Ramp
from representations.parts.terms import LOG_2PI, gaussian_sample
from representations.parts.videos import Clips, LongClips, check_square, frame_encoder

LongActions = Float[Tensor, "n pushes action_size"]
Drawn = Literal["together", "apart"]
SLOPE = 0.2  # of leaky ReLU


class SteeredClips(TypedDict):
    """Clips, and what was done between their frames."""

    x: Clips
    u: Float[Tensor, "n moves action_size"]


class Filtered(NamedTuple):
    """What the filter made of clips: its posterior and the predicted prior, and a code of every frame, all [n, T, D]."""

    mean: Tensor
    logvar: Tensor
    prior_mean: Tensor
    prior_logvar: Tensor
    code: Tensor

    def kl(self) -> Tensor:
        """KL(q || p) of every number, in nats: [n, T, D]."""
        apart = self.logvar - self.prior_logvar
        far = (self.mean - self.prior_mean).square() * torch.exp(-self.prior_logvar)
        return 0.5 * (torch.exp(apart) + far - 1 - apart)


class Bound(NamedTuple):
    """Minus the bound in two parts, in nats of every frame: `nll` [n, T], and `kl` [n, T, D] of every number."""

    nll: Tensor
    kl: Tensor


class Prediction(Representation):
    """A filter, a decoder and transitions of `factors` times `size` numbers, for clips of pictures `shape` = (C, H, W).

    Transitions, with `hidden` units in a layer of each factor's, see the codes of the last `order` frames (before the first,
    everything stood still) and actions of `action_size` numbers: 0, and clips come without. `width` is the number of filters
    of the widest maps, shared out among decoders where `drawn` is "apart"; `features` that of the units between the pictures
    and the posterior, and behind the code in a decoder. `variance` is that of a pixel: `constant` is what a frame that is
    drawn exactly still costs of the bound, in nats. The defaults are the published program's for two moving digits. Pictures
    are squares, their side a power of two from 16.
    """

    def __init__(
        self,
        shape: Shape = (3, 64, 64),
        frames: Annotated[int, Interval(ge=2, le=4096)] = 5,
        factors: Size = 2,
        size: Size = 25,
        order: Literal[1, 2] = 2,
        action_size: Natural = 0,
        width: Size = 64,
        features: Size = 64,
        hidden: Size = 128,
        drawn: Drawn = "together",
        warmup: Natural = 0,
        variance: Positive = 0.25,
        learning_rate: Positive = 3e-4,
    ):
        super().__init__()
        check_square(shape)
        self.shape, self.frames, self.moves = tuple(shape), frames, frames - 1
        self.factors, self.size, self.code_size = factors, size, factors * size
        self.order, self.action_size, self.variance, self.learning_rate = order, action_size, variance, learning_rate
        self.ramp = Ramp(0.0, 1.0, warmup)
        self.constant = 0.5 * math.prod(shape) * (LOG_2PI + math.log(variance))
        d = self.code_size
        self.transition = self._transition_of(hidden)
        self.encoder = nn.Sequential(frame_encoder(self.shape, features, width), nn.Linear(features, features))
        self.from_mean, self.from_logvar = nn.Linear(d, features), nn.Linear(d, features)
        self.joined = nn.Sequential(nn.Linear(3 * features, features), nn.LeakyReLU(SLOPE), nn.Linear(features, 2 * d))
        self.decoder: nn.Module = Drawer(d, features, self.shape, width)
        if drawn == "apart":
            share = max(width // factors, 1)
            self.decoder = Apart([Drawer(size, features, self.shape, share) for _ in range(factors)], size)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # on a CPU two thirds of the time

    @abstractmethod
    def _transition_of(self, hidden: int) -> Transition:
        """The transition of this model."""

    def encode(self, observations: Pictures) -> Tensor:
        """The posterior mean [n, code_size] of pictures [n, C, H, W], each as the first of a clip."""
        seen = self._seen(observations)
        return self._posterior(seen, *self._nothing(len(seen)))[0]

    def encode_clips(self, clips: LongClips, actions: LongActions | None = None) -> Tensor:
        """The means [n, T, code_size] of the filter at every frame of clips [n, T, C, H, W].

        `actions` [n, T - 1, action_size] are those between frames, of a model that has any; else ValueError.
        """
        return self.filter(clips, actions, sample=False).code

    def decode(self, code: Codes) -> Tensor:
        """The expected picture [n, C, H, W] in [0, 1]."""
        return self.decoder(code).float().clamp(0, 1)

    def predict(self, code: Tensor, action: Tensor) -> Tensor:
        """The expected next code [n, code_size] after actions [n, action_size], of what stood still before."""
        return self.transition([code] * self.order, action)[0]

    def linearize(self, code: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, c of `predict` around the given point, by differentiation."""
        by_code, by_action = torch.func.vmap(torch.func.jacrev(self.predict, argnums=(0, 1)))(code, action)
        moved = (by_code @ code[..., None] + by_action @ action[..., None])[..., 0]
        return by_code, by_action, self.predict(code, action) - moved

    def generate(self, n: Natural, generator: torch.Generator, length: Natural = 0) -> Tensor:
        """`n` clips [n, T, C, H, W] in [0, 1], of `length` frames or as many as clips have in training.

        Actions, where the model has any, are uniform in [-1, 1].
        """
        steps, device = length or self.frames, self.from_mean.weight.device
        noise = torch.randn(n, steps, self.code_size, generator=generator, device=generator.device).to(device)
        pushes = 2 * torch.rand(n, steps, self.action_size, generator=generator, device=generator.device) - 1
        codes = [noise[:, 0]]
        for step in range(1, steps):
            mean, logvar = self.transition(self._past(codes), pushes[:, step].to(device))
            codes.append(mean + noise[:, step] * torch.exp(0.5 * logvar))
        return self.decode(torch.cat(codes)).unflatten(0, (steps, n)).transpose(0, 1)

    def filter(self, clips: LongClips, actions: LongActions | None = None, sample: bool = True) -> Filtered:
        """Codes of every frame of clips, from left to right: draws from the posterior by torch's generator, or its means."""
        n, length = clips.shape[:2]
        if actions is None and not self.action_size:
            actions = torch.zeros(n, length - 1, 0, device=clips.device)
        if actions is None or tuple(actions.shape) != (n, length - 1, self.action_size):
            got = "none" if actions is None else list(actions.shape)
            raise ValueError(f"actions must have shape {[n, length - 1, self.action_size]}, got {got}")
        seen = self._seen(clips.flatten(0, 1)).unflatten(0, (n, length))
        prior = self._nothing(n)
        codes: list[Tensor] = []
        rows = []
        for step in range(length):
            if step:
                prior = self.transition(self._past(codes), actions[:, step - 1])
            mean, logvar = self._posterior(seen[:, step], prior[0].detach(), prior[1].detach())  # appendix A
            codes.append(gaussian_sample(mean, logvar) if sample else mean)
            rows.append((mean, logvar, *prior, codes[-1]))
        return Filtered(*(torch.stack(column, 1) for column in zip(*rows, strict=True)))

    def bound(self, clips: LongClips, actions: LongActions | None = None) -> Bound:
        """Minus the bound of clips at one draw of the posterior."""
        found = self.filter(clips, actions)
        drawn = self.decoder(found.code.flatten(0, 1)).float().unflatten(0, clips.shape[:2])
        error = (drawn - pixels(clips)).square().flatten(2).sum(2)
        return Bound(0.5 * error / self.variance + self.constant, found.kl())

    def loss(self, batch: Clips) -> tuple[Tensor, Logs]:
        """Minus the bound, in nats a frame, for clips [n, frames, C, H, W]."""
        return self._weighed(self.bound(batch))

    def steered_loss(self, batch: SteeredClips) -> tuple[Tensor, Logs]:
        """Minus the bound, in nats a frame, for clips `x` and the actions `u` between their frames."""
        return self._weighed(self.bound(batch["x"], batch["u"]))

    def objectives(self) -> tuple[Objective, ...]:
        """One player: everything, by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate, fused=True)
        loss = self.steered_loss if self.action_size else self.loss
        return (Objective("bound", loss, tuple(self.parameters()), adam, after=self.ramp.advance),)

    def _weighed(self, bound: Bound) -> tuple[Tensor, Logs]:
        """Both parts, as means over frames."""
        nll, kl = bound.nll.mean(), bound.kl.sum(-1).mean()
        return nll + self.ramp.now() * kl, {"nll": nll, "kl": kl}

    def _seen(self, pictures: Tensor) -> Tensor:
        """What the encoder says of pictures [n, C, H, W]: [n, D]."""
        return self.encoder(pixels(pictures).to(memory_format=torch.channels_last)).float()

    def _nothing(self, n: int) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, D] of the prior of the first of n clips: all zeros."""
        zeros = torch.zeros(n, self.code_size, device=self.from_mean.weight.device)
        return zeros, zeros

    def _past(self, codes: list[Tensor]) -> list[Tensor]:
        """The codes of the last `order` frames, the last one first."""
        return [codes[max(len(codes) - 1 - back, 0)] for back in range(self.order)]

    def _posterior(self, seen: Tensor, mean: Tensor, logvar: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, D] of q, from what was seen and what was predicted."""
        parts = torch.cat([seen, self.from_mean(mean), self.from_logvar(logvar)], -1)
        found_mean, found_logvar = self.joined(functional.leaky_relu(parts, SLOPE)).float().chunk(2, -1)
        return found_mean, found_logvar


class IndependentPrediction(Prediction):
    """Each factor predicted from its own past; settings are those of `Prediction`."""

    def _transition_of(self, hidden: int) -> Transition:
        return Transition(self.factors, self.size, self.order, self.action_size, hidden)


class EntangledPrediction(Prediction):
    """The same with one transition of all numbers; its layers are so wide that it has as many weights as the factors' have."""

    def _transition_of(self, hidden: int) -> Transition:
        inputs = self.order * self.size + self.action_size
        wanted = self.factors * weights_of(inputs, hidden, 2 * self.size)
        joint, outputs = self.order * self.code_size + self.action_size, 2 * self.code_size
        widths = range(1, self.factors * hidden + 1)
        wide = min(widths, key=lambda width: abs(weights_of(joint, width, outputs) - wanted))
        return Transition(1, self.code_size, self.order, self.action_size, wide)
