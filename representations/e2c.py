"""Embed to Control (Watter et al. 2015, arXiv 1506.07365), the first of the line that dyn_content belongs to.

    z ~ q(z | x) = N(mu, diag sigma^2),   z^ = A z + B u + o,   A = I + v r^T,   v, r, B, o = transition(z)

The next code has the transition's distribution q^(z^ | z, u) = N(A mu + B u + o, A diag sigma^2 A^T), and the loss is
(equations 11 and 12)

    E [-log p(x | z) - log p(x' | z^)] + KL(q(z | x) || N(0, I)) + lambda KL(q^(z^ | mu, u) || q(z' | x')).
"""

from __future__ import annotations

import torch
from torch import Tensor

from borders import Count, NonNegative, Positive, Shape, Size
from representations.model import Logs, Objective, pixels
from representations.parts.locally_linear import LocallyLinear, Moves, Unfolding, moved
from representations.parts.networks import mlp
from representations.parts.players import sole_player
from representations.parts.terms import bernoulli_nll, gaussian_kl, gaussian_sample


class E2C(LocallyLinear):
    """Embed to Control for pictures `shape` with actions of size `action_size`; encoder and decoder are RCE's.

    `agreement` is the paper's lambda, `transition` the width of the transition's two hidden layers; `unfold` and `steps`
    are RCE's. `plain=True` is the recipe of the paper: fully connected networks with filters at random, the loss alone.
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
        agreement: NonNegative = 0.25,
        unfold: NonNegative = 10.0,
        plain: bool = False,
        steps: Count = 4000,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__(shape, action_size, code_size, hidden, smooth, rank, learning_rate, plain)
        self.agreement = agreement
        self.sizes = (code_size, code_size, code_size * action_size, code_size)
        self.transition = mlp(code_size, transition, transition, sum(self.sizes))
        self.unfolding = Unfolding(code_size, action_size, 0.0 if plain else unfold, steps)

    def posterior(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [n, d] of q(z | x)."""
        mean, logvar = self.encoder(pictures).chunk(2, -1)
        return mean, logvar

    def linearize(self, code: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, o of the locally linear dynamics; they depend on the code alone."""
        v, r, b, offset = self.transition(code).split(self.sizes, -1)
        a = torch.eye(v.shape[-1], device=v.device) + v[..., :, None] * r[..., None, :]
        return a, b.unflatten(-1, (self.code_size, self.action_size)), offset

    def predict(self, code: Tensor, action: Tensor) -> Tensor:
        """The code [n, d] after actions [n, m]."""
        return moved(*self.linearize(code, action), code, action)

    def loss(self, batch: Moves) -> tuple[Tensor, Logs]:
        """The loss in nats a picture, for `x`, `u`, `x_next`."""
        x, following, action = pixels(batch["x"]), pixels(batch["x_next"]), batch["u"]
        means, logvars = self.posterior(torch.cat([x, following]))
        (mean, mean_next), (logvar, logvar_next) = means.chunk(2), logvars.chunk(2)
        code = gaussian_sample(mean, logvar)
        a, b, offset = self.linearize(code, action)
        by_action = (b @ action[..., None])[..., 0] + offset
        codes = torch.cat([code, (a @ code[..., None])[..., 0] + by_action])
        unfold = self.unfolding.loss(mean, mean_next, action).mean()
        logits = self.decoder(self.unfolding.guard(codes))
        now, then = (part.mean() for part in bernoulli_nll(logits, torch.cat([x, following])).chunk(2))
        prior = gaussian_kl(mean, logvar).mean()
        covariance = a @ torch.diag_embed(logvar.exp()) @ a.mT
        agree = full_gaussian_kl((a @ mean[..., None])[..., 0] + by_action, covariance, mean_next, logvar_next).mean()
        loss = now + then + prior + self.agreement * agree + unfold
        return loss, {"picture": now, "picture_next": then, "prior": prior, "agree": agree, "unfold": unfold}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: everything, by Adam."""
        return sole_player(self, "loss")


def full_gaussian_kl(mean: Tensor, covariance: Tensor, other_mean: Tensor, other_logvar: Tensor) -> Tensor:
    """KL(N(mean, covariance) || N(other_mean, diag exp other_logvar)) in nats, covariance [..., d, d]: -> [...]."""
    precision = torch.exp(-other_logvar)
    trace = (covariance.diagonal(dim1=-2, dim2=-1) * precision).sum(-1)
    distance = ((mean - other_mean) ** 2 * precision).sum(-1)
    log_dets = (
        other_logvar.sum(-1)
        - torch.linalg.slogdet(covariance + 1e-6 * torch.eye(mean.shape[-1], device=mean.device)).logabsdet
    )
    return 0.5 * (trace + distance - mean.shape[-1] + log_dets)
