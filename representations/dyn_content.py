"""Disentangling dynamics and content for control and planning (Banijamali et al. 2018).

Set X holds triples (x, u, x'), set Y single pictures y of the same system seen otherwise. A picture is drawn from a code
of dynamics (z for X, v for Y) and a code of content w; only z and v move, as in RCE. Equation 5 of the paper:

    log p(x' | x, u) + log p(y) >= E log p(x' | z', w_x) - E KL(q(z_bar | z', x) || p(z_bar | x)) + H(q(z' | x'))
        + E log p(z | x) - KL(q(w_x | x) || p(w_x)) + E log p(y | v, w_y) - KL(q(v | y) || p(v)) - KL(q(w_y | y) || p(w_y))

with p(v) tied to q(z | x) (equation 6), one encoder and decoder for both sets, p(w_x) = N(+1, I), p(w_y) = N(-1, I).

Two readings that the paper leaves open. p(v) is the mean of q(z | x) over the batch's pictures x, since no x belongs to a
y. And a picture is drawn with the content of another picture of its set: content is what a set shares, so whatever w
held of the position would be of no use, and none is put there.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from borders import Count, NonNegative, Positive, Shape, Size
from representations.model import Logs, Objective, pixels
from representations.parts.locally_linear import Dynamics, LocallyLinear, TwoSets, Unfolding
from representations.parts.players import sole_player
from representations.parts.terms import (
    bernoulli_nll,
    gaussian_entropy,
    gaussian_kl,
    gaussian_log_density,
    gaussian_sample,
)


class DynContent(LocallyLinear):
    """Dynamics and content apart. The code is [z, w]: `dynamics_size` numbers that move, `content_size` that do not.

    The other settings are RCE's.
    """

    def __init__(
        self,
        shape: Shape = (1, 40, 40),
        action_size: Size = 2,
        dynamics_size: Size = 2,
        content_size: Size = 2,
        hidden: Size = 300,
        transition: Size = 100,
        smooth: Positive = 10.0,
        rank: Size = 8,
        unfold: NonNegative = 10.0,
        steps: Count = 4000,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__(shape, action_size, dynamics_size + content_size, hidden, smooth, rank, learning_rate)
        self.sizes = (dynamics_size, content_size)
        self.dynamics = Dynamics(math.prod(shape), dynamics_size, action_size, transition)
        self.unfolding = Unfolding(dynamics_size, action_size, unfold, steps)

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, code_size] of [z, w], whichever set the pictures are from."""
        z, z_logvar, w, w_logvar = self.encoder(pictures).split((*self.sizes[:1] * 2, *self.sizes[1:] * 2), -1)
        return torch.cat([z, w], -1), torch.cat([z_logvar - 4.0, w_logvar], -1)

    def predict(self, code: Tensor, action: Tensor) -> Tensor:
        """The code after actions [n, m]: z moves, w stays."""
        z, w = code.split(self.sizes, -1)
        return torch.cat([self.dynamics.transition.step(z, action), w], -1)

    def linearize(self, code: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, c of the whole code: RCE's for z, the identity for w."""
        a, b, c = self.dynamics.transition.matrices(code[..., : self.sizes[0]])
        content = code.shape[-1] - self.sizes[0]
        identity = torch.eye(content, device=code.device).expand(*code.shape[:-1], content, content)
        whole = torch.zeros(*code.shape, code.shape[-1], device=code.device)
        whole[..., : self.sizes[0], : self.sizes[0]], whole[..., self.sizes[0] :, self.sizes[0] :] = a, identity
        pad = torch.nn.functional.pad
        return whole, pad(b, (0, 0, 0, content)), pad(c, (0, content))

    def loss(self, batch: TwoSets) -> tuple[Tensor, Logs]:
        """Minus equation 5, in nats, for `x`, `u`, `x_next` and as many `y`, plus the unfolding term."""
        x, x_next, y = (pixels(batch[key]) for key in ("x", "x_next", "y"))
        parts = (len(x), len(x), len(y))
        posterior = self.posterior(torch.cat([x, x_next, y]))
        (z, z_next, v), (w_x, _, w_y), (z_logvar, next_logvar, v_logvar), (wx_logvar, _, wy_logvar) = (
            part.split(parts) for whole in posterior for part in whole.split(self.sizes, -1)
        )
        following, other = gaussian_sample(z_next, next_logvar), gaussian_sample(v, v_logvar)
        unfold = self.unfolding.loss(z, z_next, batch["u"]).mean()
        codes = self.unfolding.guard(torch.cat([following, other]))
        content = torch.cat([gaussian_sample(w_x, wx_logvar).roll(1, 0), gaussian_sample(w_y, wy_logvar).roll(1, 0)])
        logits = self.decoder(torch.cat([codes, content], -1))
        picture_x, picture_y = (part.mean() for part in bernoulli_nll(logits, torch.cat([x_next, y])).split(parts[1:]))
        kl, prior = (term.mean() for term in self.dynamics.terms(x, batch["u"], z, z_logvar, following))
        entropy = gaussian_entropy(next_logvar).mean()
        content_kl = gaussian_kl(w_x, wx_logvar, 1.0).mean() + gaussian_kl(w_y, wy_logvar, -1.0).mean()
        mixture = gaussian_log_density(other[:, None], z, z_logvar).logsumexp(1) - math.log(len(z))
        tied = (-gaussian_entropy(v_logvar) - mixture).mean()
        bound = -picture_x - kl + entropy + prior - content_kl - picture_y - tied
        return unfold - bound, {
            "bound": bound,
            "picture_x": picture_x,
            "picture_y": picture_y,
            "kl": kl,
            "entropy": entropy,
            "content_kl": content_kl,
            "tied": tied,
            "unfold": unfold,
        }

    def objectives(self) -> tuple[Objective, ...]:
        """One player: everything, by Adam."""
        return sole_player(self)
