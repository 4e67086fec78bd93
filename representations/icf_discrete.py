"""Independently controllable features, the discrete case (Thomas et al. 2018, appendix B.1), `papers` row icf_discrete.

    h = f(s) in R^K,  a ~ pi_k(. | h),  k = 1 .. K        a feature h_k and its own policy, for every k

    S_k(h) = E_{a ~ pi_k} [log A_k(h', h) - log mean_j A_j(h', h)]                         (equation 1 with phi = e_k)
    A_k = exp(-|h' - h - sqrt(K) e_k|^2 / 2)     "gaussian"        A_k = max(0, h'_k - h_k)     "directed"
    A_k = |h'_k - h_k|                           "absolute" (Thomas et al. 2017)

    maximise   mean_k (E S_k + e E H(pi_k))            nothing else: no decoder

With `signed` every feature has two policies, one that raises it and one that lowers it, with the factors e_k and -e_k: K
coordinates then use 2 K actions.

"enumerated" takes the expectation over all actions; "sampled" takes one action a state from the policy of a random k, and
every policy learns from it by importance weights, REINFORCE and a baseline (appendices A.1 and D). `whiten` and `alike` are
those of `representations.icf`: changes have the covariance I, and at first a policy is the same everywhere.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from representations.icf import FADE, FLOOR, coder, entropy, whitening
from representations.model import Logs, Objective, Representation, check_pictures, pixels
from representations.networks import mlp
from representations.terms import linear_schedule


class ICFDiscrete(Representation):
    """`code_size` features of pictures `shape`, each with one or, if `signed`, two policies over `actions`.

    Settings as above; `entropy` is e at first and falls linearly to `last_entropy` over `steps`. Raises ValueError for an
    unknown kernel or estimator.

    A batch of `loss` holds `pictures` [B, C, H, W]. "enumerated": `after` [B, actions, C, H, W], the picture after every
    action, and `allowed` bool [B, actions]. "sampled": `after` [B, 1, C, H, W], `actions` long [B] that led there, their
    `chances` [B] under the behaviour, and `allowed`.
    """

    step: Tensor
    unit: Tensor
    centre: Tensor

    def __init__(
        self,
        shape: tuple[int, int, int] = (1, 64, 64),
        actions: int = 8,
        code_size: int = 4,
        channels: int = 8,
        hidden: int = 32,
        kernel: Literal["gaussian", "directed", "absolute"] = "gaussian",
        estimator: Literal["enumerated", "sampled"] = "enumerated",
        whiten: bool = True,
        alike: float = 0.5,
        signed: bool = True,
        attend: bool = True,
        normalise: bool = True,
        entropy: float = 0.3,
        last_entropy: float = 0.0,
        steps: int = 1200,
        learning_rate: float = 1e-3,
    ):
        super().__init__()
        for name, value, known in (
            ("kernel", kernel, ("gaussian", "directed", "absolute")),
            ("estimator", estimator, ("enumerated", "sampled")),
        ):
            if value not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}")
        if not 0 <= alike <= 1 - FADE:
            raise ValueError(f"alike must lie in [0, {1 - FADE:g}], got {alike}")
        self.shape, self.code_size, self.actions = tuple(shape), code_size, actions
        self.kernel, self.estimator, self.whiten, self.alike = kernel, estimator, whiten, alike
        self.signed, self.normalise, self.entropy = signed, normalise, (entropy, last_entropy)
        self.steps, self.learning_rate = steps, learning_rate
        self.encoder: nn.Module = coder(self.shape, code_size, channels)[0]
        if attend:
            self.encoder = Places(self.shape, code_size, channels)
        count = 2 * code_size if signed else code_size
        self.policies = nn.ModuleList(mlp(code_size, hidden, actions) for _ in range(count))
        self.baseline = mlp(code_size, hidden, count)
        self.register_buffer("step", torch.zeros(()))
        self.register_buffer("unit", torch.eye(code_size))
        self.register_buffer("centre", torch.zeros(code_size))

    def encode(self, observations: Tensor) -> Tensor:
        """The features h [n, code_size] of pictures [n, C, H, W]."""
        check_pictures(observations, self.shape)
        return (self.encoder(pixels(observations)) - self.centre) @ self.unit

    def log_policies(self, code: Tensor, allowed: Tensor | None = None) -> Tensor:
        """log pi_k(a | h) of codes [B, code_size]: [B, policies, actions]; `allowed` is bool [B, actions]."""
        seen = code
        if self.alike:
            seen = code * ((self.step / self.steps - self.alike) / FADE).clamp(0, 1)
        logits = torch.stack([policy(seen) for policy in self.policies], 1)
        if allowed is not None:
            logits = logits.masked_fill(~allowed[:, None], -1e9)
        return logits.log_softmax(-1)

    def selectivity(self, change: Tensor) -> Tensor:
        """log A - log mean A of changes [..., K] for every policy's factor: [..., policies]."""
        if self.signed:
            change = torch.cat([change, -change], -1)
        if self.kernel == "gaussian":
            scores = change * self.code_size**0.5  # what differs between k in -|change - sqrt(K) e_k|^2 / 2
        else:
            scores = ((change.clamp(min=0) if self.kernel == "directed" else change.abs()) + FLOOR).log()
        return scores - (scores.logsumexp(-1, keepdim=True) - math.log(scores.shape[-1]))

    def loss(self, batch: dict[str, Any]) -> tuple[Tensor, Logs]:
        """Minus the objective, averaged over states and features, and its parts."""
        after = batch["after"]
        codes = self.encoder(pixels(torch.cat([batch["pictures"], after.flatten(0, 1)])))
        start, end = codes[: len(after)], codes[len(after) :].unflatten(0, after.shape[:2])
        if self.whiten:
            change = end - start[:, None]
            moved = (after != batch["pictures"][:, None]).flatten(2).any(-1)
            unit, centre = whitening(change[moved]), start.mean(0)
            start, end = (start - centre) @ unit, (end - centre) @ unit
            with torch.no_grad():
                self.unit.lerp_(unit, 1.0 if self.step == 0 else 0.05)
                self.centre.lerp_(centre, 1.0 if self.step == 0 else 0.05)
        log_pi = self.log_policies(start, batch["allowed"])
        reward = self.selectivity(end - start[:, None])  # [B, actions or 1, policies]
        spread = entropy(log_pi).mean()
        bonus = linear_schedule(self.step, self.steps, *self.entropy)
        if self.estimator == "enumerated":
            reached = (log_pi.exp() * reward.transpose(1, 2)).sum(-1).mean()
            return -(reached + bonus * spread), {"selectivity": reached, "entropy": spread}
        taken = log_pi.gather(-1, batch["actions"][:, None, None].expand(-1, len(self.policies), 1))[..., 0]
        weight = (taken - batch["chances"].log()[:, None]).exp().detach()
        value = self.baseline(start.detach())
        gain = (reward[:, 0] - value).detach()
        if self.normalise:
            gain = gain / ((weight * gain.square()).sum() / weight.sum().clamp(min=1e-6)).sqrt().clamp(min=1e-3)
        objective = (weight * (reward[:, 0] + gain * taken)).mean()
        miss = (weight * (reward[:, 0].detach() - value).square()).mean()
        logs = {"selectivity": (weight * reward[:, 0]).mean(), "entropy": spread, "baseline": miss}
        return miss - objective - bonus * spread, logs

    def objectives(self) -> tuple[Objective, ...]:
        """One player: everything, by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate, fused=True)
        return (Objective("icf", self.loss, tuple(self.parameters()), adam, after=self._count),)

    def _count(self) -> None:
        self.step += 1


class Places(nn.Module):
    """Pictures [n, C, H, W] -> [n, outputs]: where things are, for things that are told apart by how they look.

        a_m(p) = softmax over p of a map's value at place p,   q_m = sum_p a_m(p) p,   outputs = linear in q

    The places are those of a grid a quarter as fine as the picture, the maps those of four convolutions (Finn et al. 2016).
    """

    def __init__(self, shape: tuple[int, ...], outputs: int, channels: int, maps: int = 16):
        super().__init__()
        wide = 2 * channels
        layers: list[nn.Module] = []
        for inner, outer, size, stride in (
            (shape[0], channels, 4, 2),
            (channels, wide, 4, 2),
            (wide, wide, 3, 1),
            (wide, wide, 3, 1),
        ):
            layers += [nn.Conv2d(inner, outer, size, stride, 1), nn.BatchNorm2d(outer), nn.LeakyReLU(0.2)]
        self.maps = nn.Sequential(*layers, nn.Conv2d(wide, maps, 1))
        self.read = nn.Linear(2 * maps, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        """The outputs."""
        maps = self.maps(pictures)
        height, width = maps.shape[-2:]
        weight = maps.flatten(2).softmax(-1).unflatten(2, (height, width))
        down = (weight.sum(3) * torch.linspace(-1, 1, height, device=maps.device)).sum(2)
        across = (weight.sum(2) * torch.linspace(-1, 1, width, device=maps.device)).sum(2)
        return self.read(torch.cat([down, across], 1))
