"""What e2c, rce and dyn_content share: pictures whose code actions move by locally linear dynamics.

    z' = A z + B u + c,   A, B, c functions of the place                                                        (E2C)
    A = M^-1,   M = I + w r^T,   w, r >= 0                                                                      (RCE)

RCE's `Transition` and `Dynamics` are dyn_content's as well; `Unfolding` and the networks are those of all three.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TypedDict

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from representations.model import OtherPictures, Pictures, Representation, pixels
from representations.parts.networks import SeparableDecoder, dense_decoder, dense_encoder, mlp, smooth_encoder
from representations.parts.terms import gaussian_kl, gaussian_log_density, gaussian_sample
from representations.parts.together import average


def moved(a: Tensor, b: Tensor, c: Tensor, code: Tensor, action: Tensor) -> Tensor:
    """A z + B u + c [n, d] for A [n, d, d], B [n, d, m], c [n, d], codes z [n, d] and actions u [n, m]."""
    return (a @ code[..., None] + b @ action[..., None])[..., 0] + c


class Moves(TypedDict):
    """Pictures, what was done there, and the pictures behind it."""

    x: Pictures
    u: Float[Tensor, "n action_size"]
    x_next: Pictures


class TwoSets(Moves):
    """Moves of one set, and pictures of another, not necessarily as many."""

    y: OtherPictures


class LocallyLinear(Representation):
    """A learner of pictures `shape` whose code is the mean of a Gaussian posterior. Its dynamics are its own.

    The encoder's first filters are smooth over `smooth` pixels and the decoder has `rank` products; `plain` are fully
    connected networks with filters at random. All have `hidden` units twice.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        action_size: int,
        code_size: int,
        hidden: int,
        smooth: float,
        rank: int,
        learning_rate: float,
        plain: bool = False,
    ):
        super().__init__()
        self.shape, self.code_size, self.action_size = tuple(shape), code_size, action_size
        self.learning_rate = learning_rate
        if plain:
            self.encoder: nn.Module = dense_encoder(self.shape, 2 * code_size, hidden)
            self.decoder: nn.Module = dense_decoder(code_size, self.shape, hidden)
        else:
            self.encoder = smooth_encoder(self.shape, hidden, 2 * code_size, smooth)
            self.decoder = SeparableDecoder(code_size, hidden, self.shape, rank)

    @abstractmethod
    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, code_size] of q(z | x) for float pictures [n, C, H, W]."""

    def encode(self, observations: Tensor) -> Tensor:
        """The posterior mean [n, code_size] of pictures [n, C, H, W]."""
        return self.posterior(pixels(observations))[0]

    def decode(self, code: Tensor) -> Tensor:
        """The expected picture [n, C, H, W] in [0, 1]."""
        return self.decoder(code).sigmoid()


class Transition(nn.Module):
    """The locally linear dynamics z' = A z + B u + c, its matrices a function of z_bar.

    B is a shared matrix plus a state-dependent part that starts near zero, as w, r and c do. The authors also let the
    matrices depend on u; then c can take over what B should say, and B is no longer the effect of an action.
    """

    def __init__(self, code_size: int, action_size: int, hidden: int):
        super().__init__()
        self.sizes = (code_size, code_size, code_size * action_size, code_size)
        self.network = mlp(code_size, hidden, hidden, sum(self.sizes))
        self.shared = nn.Parameter(0.1 * torch.randn(code_size, action_size))
        last = self.network[-1]
        assert isinstance(last, nn.Linear)
        with torch.no_grad():
            last.weight.mul_(0.1)
            last.bias.zero_()
            last.bias[: 2 * code_size] = -4.0

    def forward(self, point: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """w, r [n, d] of M = I + w r^T, B [n, d, m] and c [n, d] at codes `point` [n, d]."""
        w, r, b, c = self.network(point).split(self.sizes, -1)
        return functional.softplus(w), functional.softplus(r), self.shared + b.unflatten(-1, self.shared.shape), c

    def back(self, point: Tensor, action: Tensor, following: Tensor) -> tuple[Tensor, Tensor]:
        """z = M (z' - B u - c) [n, d] and log |det M| [n], for z' = `following`."""
        w, r, b, c = self(point)
        free = following - (b @ action[..., None])[..., 0] - c
        return free + w * (r * free).sum(-1, keepdim=True), torch.log1p((r * w).sum(-1))

    def matrices(self, point: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, c at codes `point`; A = I - w r^T / (1 + r^T w) (Sherman and Morrison)."""
        w, r, b, c = self(point)
        outer = w[..., :, None] * r[..., None, :]
        a = torch.eye(w.shape[-1], device=w.device) - outer / (1 + (r * w).sum(-1))[..., None, None]
        return a, b, c

    def step(self, point: Tensor, action: Tensor) -> Tensor:
        """A z + B u + c [n, d] at z = `point`."""
        return moved(*self.matrices(point), point, action)


class Dynamics(nn.Module):
    """The part of the bound that knows no picture of the future: q(z_bar | z', x), the transition, and their terms."""

    def __init__(self, inputs: int, code_size: int, action_size: int, hidden: int):
        super().__init__()
        self.transition = Transition(code_size, action_size, hidden)
        self.from_picture = nn.Linear(inputs, 100)
        self.from_code = nn.Linear(code_size, 5)
        self.joined = mlp(105, 100, 2 * code_size)

    def terms(
        self, pictures: Tensor, action: Tensor, mean: Tensor, logvar: Tensor, following: Tensor
    ) -> tuple[Tensor, Tensor]:
        """KL(q(z_bar | z', x) || p(z_bar | x)) [n] and log p(z | x) + log |det M| [n], for one sample z' = `following`."""
        features = torch.cat([self.from_picture(pictures.flatten(1)), self.from_code(following)], -1).relu()
        back_mean, back_logvar = self.joined(features).chunk(2, -1)
        start, log_det = self.transition.back(gaussian_sample(back_mean, back_logvar), action, following)
        return gaussian_kl(back_mean, back_logvar, mean, logvar), gaussian_log_density(start, mean, logvar) + log_det


UNEVEN = 0.35  # how unevenly directions of the actions are read off a map that counts as folded


class Unfolding(nn.Module):
    """What keeps the map of the states from folding: a linear inverse model, and a warm-up.

    The inverse model reads the action off the two codes linearly, u ~ V (mu' - mu); its Huber loss has a weight that
    falls from `weight` to a tenth of it over the first half of `steps`. During the first tenth of `steps`, and until 0.3
    of them where the map is folded, the decoder learns from codes through which no gradient flows back. Folded is a map
    off which one direction of the actions can be read and another not: the second moment of what is misread, in the unit
    of each action, is further than `UNEVEN` (Frobenius) from a multiple of I. Noise misreads all directions alike.
    `weight` 0 switches both off, and the count of steps.
    """

    done: Tensor

    def __init__(self, code_size: int, action_size: int, weight: float, steps: int):
        super().__init__()
        self.inverse = nn.Linear(code_size, action_size, bias=False)
        self.weight, self.steps = weight, steps
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))
        self.folded = torch.tensor(False)
        with torch.no_grad():
            self.inverse.weight.mul_(10)

    def loss(self, mean: Tensor, mean_next: Tensor, action: Tensor) -> Tensor:
        """The weighted loss [n] of reading actions [n, m] off codes, 0 where it is off; counts one step."""
        if not self.weight:
            return mean.new_zeros(())
        fraction = self.done / self.steps
        self.done += 1
        read = self.inverse(mean_next - mean)
        self.folded = self._uneven(read.detach() - action, action) > UNEVEN
        error = functional.huber_loss(read, action, reduction="none").sum(-1)
        return self.weight * (0.1 + 0.9 * (1 - 2 * fraction).clamp(min=0)) * error

    @staticmethod
    def _uneven(misread: Tensor, action: Tensor) -> Tensor:
        """How far the second moment of what is misread [n, m], in the unit of each action, is from a multiple of I."""
        unit = average(action.square().mean(0)).sqrt().clamp(min=1e-6)
        misread = misread / unit
        moment = average((misread[:, :, None] * misread[:, None]).mean(0))
        even = moment.diagonal().mean() * torch.eye(len(moment), device=moment.device)
        return (moment - even).square().sum().sqrt()

    def guard(self, code: Tensor) -> Tensor:
        """The code as the decoder sees it in training, behind the `loss` of the same step."""
        if not self.weight:
            return code
        early = (self.done < 0.1 * self.steps) | (self.folded & (self.done < 0.3 * self.steps))
        return torch.where(early, code.detach(), code)
