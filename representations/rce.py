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

import math

import torch
from torch import Tensor

from borders import Count, NonNegative, Positive, Shape, Size
from representations.model import Logs, Objective, pixels
from representations.parts.locally_linear import Dynamics, LocallyLinear, Moves, Unfolding
from representations.parts.players import sole_player
from representations.parts.terms import bernoulli_nll, gaussian_entropy, gaussian_sample


class RCE(LocallyLinear):
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
        super().__init__(shape, action_size, code_size, hidden, smooth, rank, learning_rate, plain)
        self.dynamics = Dynamics(math.prod(shape), code_size, action_size, transition)
        self.unfolding = Unfolding(code_size, action_size, 0.0 if plain else unfold, steps)

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, d] of the tied p(z | x) = q(z' | x')."""
        mean, logvar = self.encoder(pictures).chunk(2, -1)
        return mean, logvar - 4.0

    def predict(self, code: Tensor, action: Tensor) -> Tensor:
        """The code [n, d] after actions [n, m]."""
        return self.dynamics.transition.step(code, action)

    def linearize(self, code: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, c of the locally linear dynamics."""
        return self.dynamics.transition.matrices(code)

    def loss(self, batch: Moves) -> tuple[Tensor, Logs]:
        """Minus the bound, in nats a picture, for `x`, `u`, `x_next`, plus the unfolding term."""
        x, following = pixels(batch["x"]), pixels(batch["x_next"])
        means, logvars = self.posterior(torch.cat([x, following]))
        (mean, mean_next), (logvar, logvar_next) = means.chunk(2), logvars.chunk(2)
        code = gaussian_sample(mean_next, logvar_next)
        unfold = self.unfolding.loss(mean, mean_next, batch["u"]).mean()
        picture = bernoulli_nll(self.decoder(self.unfolding.guard(code)), following).mean()
        kl, prior = (term.mean() for term in self.dynamics.terms(x, batch["u"], mean, logvar, code))
        entropy = gaussian_entropy(logvar_next).mean()
        bound = -picture - kl + entropy + prior
        return unfold - bound, {"bound": bound, "picture": picture, "kl": kl, "entropy": entropy, "unfold": unfold}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: everything, by Adam."""
        return sole_player(self)
