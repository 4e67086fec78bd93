"""Robust Controllable Embedding (Banijamali et al. 2017, arXiv 1710.05373), the base of dyn_content.

    x' ~ p(x' | z'),   z' = A z + B u + c,   A, B, c = transition(z_bar),   z, z_bar ~ p(. | x)

One encoder is tied to three roles: p(z | x) = p(z_bar | x) = q(z' | x'). The bound that is maximised is

    log p(x' | x, u) >= E log p(x' | z') - E KL(q(z_bar | z', x) || p(z_bar | x)) + H(q(z' | x'))
                        + E [log p(z | x) + log |det M|],      z = M (z' - B u - c),  M = A^-1 = I + w r^T,  w, r >= 0.

The Jacobian log |det M| = log(1 + r^T w) is left out in print; without it the right side is no bound unless M = I.

The bound alone is often maximised by a folded map of the states (a code that crosses itself): the first gradients of an
untrained decoder tear the map, and no later one mends it. `Unfolding` therefore trains the encoder on the dynamics first.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from borders import Count, NonNegative, Positive, Shape, Size
from representations.model import Logs, Objective, Representation, pixels
from representations.parts.networks import SeparableDecoder, mlp, smooth_encoder
from representations.parts.terms import (
    bernoulli_nll,
    gaussian_entropy,
    gaussian_kl,
    gaussian_log_density,
    gaussian_sample,
)


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
        moved = following - (b @ action[..., None])[..., 0] - c
        return moved + w * (r * moved).sum(-1, keepdim=True), torch.log1p((r * w).sum(-1))

    def matrices(self, point: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, c at codes `point`; A = I - w r^T / (1 + r^T w) (Sherman and Morrison)."""
        w, r, b, c = self(point)
        outer = w[..., :, None] * r[..., None, :]
        a = torch.eye(w.shape[-1], device=w.device) - outer / (1 + (r * w).sum(-1))[..., None, None]
        return a, b, c

    def step(self, point: Tensor, action: Tensor) -> Tensor:
        """A z + B u + c [n, d] at z = `point`."""
        a, b, c = self.matrices(point)
        return (a @ point[..., None] + b @ action[..., None])[..., 0] + c


class Dynamics(nn.Module):
    """The part of the bound that knows no picture of the future: q(z_bar | z', x), the transition, and their terms."""

    def __init__(self, pixels: int, code_size: int, action_size: int, hidden: int):
        super().__init__()
        self.transition = Transition(code_size, action_size, hidden)
        self.from_picture = nn.Linear(pixels, 100)
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


class Unfolding(nn.Module):
    """What keeps the map of the states from folding: a linear inverse model, and a warm-up.

    The inverse model reads the action off the two codes linearly, u ~ V (mu' - mu); its Huber loss has a weight that
    falls from `weight` to a tenth of it over the first half of `steps`. During the first tenth of `steps` the decoder
    learns from codes through which no gradient flows back. `weight` 0 switches both off.
    """

    done: Tensor

    def __init__(self, code_size: int, action_size: int, weight: float, steps: int):
        super().__init__()
        self.inverse = nn.Linear(code_size, action_size, bias=False)
        self.weight, self.steps = weight, steps
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))
        with torch.no_grad():
            self.inverse.weight.mul_(10)

    def loss(self, mean: Tensor, mean_next: Tensor, action: Tensor) -> Tensor:
        """The weighted loss [n] of reading actions [n, m] off codes; counts one step."""
        fraction = self.done / self.steps
        self.done += 1
        error = functional.huber_loss(self.inverse(mean_next - mean), action, reduction="none").sum(-1)
        return self.weight * (0.1 + 0.9 * (1 - 2 * fraction).clamp(min=0)) * error

    def guard(self, code: Tensor) -> Tensor:
        """The code as the decoder sees it in training."""
        return torch.where(self.done < 0.1 * self.steps, code.detach(), code) if self.weight else code


class RCE(Representation):
    """Robust Controllable Embedding of pictures `shape` = (C, H, W) with actions of size `action_size`.

    `hidden` units in encoder and decoder (twice), `transition` units in the transition (twice). `smooth` is the
    correlation length of the first filters in pixels, `rank` the decoder's, `unfold` the weight of the inverse model.
    `plain=True` is the recipe of the paper without any of the three: filters at random, a fully connected decoder, and
    the bound alone. `steps` is the length of training that the schedules assume.
    """

    def __init__(
        self,
        shape: Shape = (1, 40, 40),
        action_size: Size = 2,
        code_size: Size = 2,
        hidden: Size = 300,
        transition: Size = 100,
        smooth: Positive = 10.0,
        rank: Size = 8,
        unfold: NonNegative = 10.0,
        plain: bool = False,
        steps: Count = 4000,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__()
        self.shape, self.code_size, self.action_size = tuple(shape), code_size, action_size
        self.learning_rate, self.plain = learning_rate, plain
        size = shape[0] * shape[1] * shape[2]
        if plain:
            self.encoder: nn.Module = nn.Sequential(nn.Flatten(), mlp(size, hidden, hidden, 2 * code_size))
            self.decoder: nn.Module = nn.Sequential(mlp(code_size, hidden, hidden, size), nn.Unflatten(1, self.shape))
        else:
            self.encoder = smooth_encoder(self.shape, hidden, 2 * code_size, smooth)
            self.decoder = SeparableDecoder(code_size, hidden, self.shape, rank)
        self.dynamics = Dynamics(size, code_size, action_size, transition)
        self.unfolding = Unfolding(code_size, action_size, unfold, steps)

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, d] of the tied p(z | x) = q(z' | x')."""
        mean, logvar = self.encoder(pictures).chunk(2, -1)
        return mean, logvar - 4.0

    def encode(self, observations: Tensor) -> Tensor:
        """The posterior mean [n, code_size] of pictures [n, C, H, W]."""
        return self.posterior(pixels(observations))[0]

    def decode(self, code: Tensor) -> Tensor:
        """The expected picture [n, C, H, W] in [0, 1]."""
        return self.decoder(code).sigmoid()

    def predict(self, code: Tensor, action: Tensor) -> Tensor:
        """The code [n, d] after actions [n, m]."""
        return self.dynamics.transition.step(code, action)

    def linearize(self, code: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, c of the locally linear dynamics."""
        return self.dynamics.transition.matrices(code)

    def loss(self, batch: dict[str, Tensor]) -> tuple[Tensor, Logs]:
        """Minus the bound, in nats a picture, for `x`, `u`, `x_next`, plus the unfolding term."""
        x, following = pixels(batch["x"]), pixels(batch["x_next"])
        means, logvars = self.posterior(torch.cat([x, following]))
        (mean, mean_next), (logvar, logvar_next) = means.chunk(2), logvars.chunk(2)
        code = gaussian_sample(mean_next, logvar_next)
        unfold = torch.zeros(()) if self.plain else self.unfolding.loss(mean, mean_next, batch["u"]).mean()
        seen = code if self.plain else self.unfolding.guard(code)
        picture = bernoulli_nll(self.decoder(seen), following).mean()
        kl, prior = (term.mean() for term in self.dynamics.terms(x, batch["u"], mean, logvar, code))
        entropy = gaussian_entropy(logvar_next).mean()
        bound = -picture - kl + entropy + prior
        return unfold - bound, {"bound": bound, "picture": picture, "kl": kl, "entropy": entropy, "unfold": unfold}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: everything, by Adam."""
        return (
            Objective(
                "bound",
                self.loss,
                tuple(self.parameters()),
                partial(torch.optim.Adam, lr=self.learning_rate, fused=True),
            ),
        )
