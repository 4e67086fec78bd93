"""Independently controllable features, the discrete case (Thomas et al. 2018, appendix B.1).

    h = f(s) in R^K,  a ~ pi_k(. | h),  k = 1 .. K        a feature h_k and its own policy, for every k

    S_k(h) = E_{a ~ pi_k} [log A_k(h', h) - log mean_j A_j(h', h)]                         (equation 1 with phi = e_k)
    A_k = exp(-|h' - h - sqrt(K) e_k|^2 / 2)     "gaussian"        A_k = max(0, h'_k - h_k)     "directed"
    A_k = |h'_k - h_k|                           "absolute" (Thomas et al. 2017)

    maximise   mean_k (E S_k + e E H(pi_k))            nothing else: no decoder

With `signed` every feature has two policies, one that raises it and one that lowers it, with the factors e_k and -e_k: K
coordinates then use 2 K actions.

"enumerated" takes the expectation over all actions; "sampled" takes one action a state from the policy of a random k, and
every policy learns from it by importance weights, REINFORCE and a baseline (appendices A.1 and D). `whiten` and `alike` are
those of `representations.icf`: changes have the covariance I, and at first a policy is the same everywhere. At the end of
that the policies begin anew: those of the beginning stand for what could be told apart then.
"""

from __future__ import annotations

from typing import Literal, TypedDict

import torch
from jaxtyping import Bool, Float, Integer, UInt8
from torch import Tensor, nn

from borders import Count, NonNegative, Positive, Size
from representations.model import Logs, Objective, Pictures, pixels
from representations.parts.networks import coder, mlp
from representations.parts.players import sole_player
from representations.parts.selectivity import Alike, Controlled, Estimator, Sides16, entropy, log_ratio, reinforced

FLOOR = 1e-3  # added to a kernel that can be 0, so that its logarithm is finite


class Followed(TypedDict):
    """Pictures, what follows there on every action, or on one, and which actions are allowed."""

    pictures: Pictures
    after: UInt8[Tensor, "n choices *shape"] | Float[Tensor, "n choices *shape"]
    allowed: Bool[Tensor, "n offered"]


class Walks(Followed, total=False):
    """Where one action was drawn: which, and how likely it was."""

    actions: Integer[Tensor, " n"]
    chances: Float[Tensor, " n"]


class ICFDiscrete(Controlled):
    """`code_size` features of pictures `shape`, each with one or, if `signed`, two policies over `actions`.

    Settings as above; `entropy` is e at first and falls linearly to `last_entropy`, before and after the policies begin
    anew; `attend` takes the encoder `Places` in place of the paper's. Raises ValueError for an
    unknown kernel or estimator.

    A batch of `loss` holds `pictures` [B, C, H, W]. "enumerated": `after` [B, actions, C, H, W], the picture after every
    action, and `allowed` bool [B, actions]. "sampled": `after` [B, 1, C, H, W], `actions` long [B] that led there, their
    `chances` [B] under the behaviour, and `allowed`.
    """

    def __init__(
        self,
        shape: Sides16 = (1, 64, 64),
        actions: Size = 8,
        code_size: Size = 4,
        channels: Size = 8,
        hidden: Size = 32,
        kernel: Literal["gaussian", "directed", "absolute"] = "gaussian",
        estimator: Estimator = "enumerated",
        whiten: bool = True,
        alike: Alike = 0.45,
        signed: bool = True,
        attend: bool = True,
        normalise: bool = True,
        entropy: NonNegative = 0.4,
        last_entropy: NonNegative = 0.0,
        steps: Count = 1200,
        learning_rate: Positive = 1e-3,
    ):
        entropies = (entropy, last_entropy)
        super().__init__(
            shape, actions, code_size, estimator, whiten, alike, normalise, entropies, steps, learning_rate
        )
        self.kernel, self.signed = kernel, signed
        self.encoder = coder(self.shape, code_size, channels)[0]
        if attend:
            self.encoder = Places(self.shape, code_size, channels)
        count = 2 * code_size if signed else code_size
        self.policies = nn.ModuleList(mlp(code_size, hidden, actions) for _ in range(count))
        self.baseline = mlp(code_size, hidden, count)

    def log_policies(self, code: Tensor, allowed: Tensor | None = None) -> Tensor:
        """log pi_k(a | h) of codes [B, code_size]: [B, policies, actions]; `allowed` is bool [B, actions]."""
        seen = code * self._visible()
        logits = torch.stack([policy(seen) for policy in self.policies], 1)
        return self._log_choice(logits, None if allowed is None else allowed[:, None])

    def selectivity(self, change: Tensor) -> Tensor:
        """log A - log mean A of changes [..., K] for every policy's factor: [..., policies]."""
        if self.signed:
            change = torch.cat([change, -change], -1)
        if self.kernel == "gaussian":
            scores = change * self.code_size**0.5  # what differs between k in -|change - sqrt(K) e_k|^2 / 2
        else:
            scores = ((change.clamp(min=0) if self.kernel == "directed" else change.abs()) + FLOOR).log()
        return log_ratio(scores)

    def loss(self, batch: Walks) -> tuple[Tensor, Logs]:
        """Minus the objective, averaged over states and features, and its parts."""
        after = batch["after"]
        codes = self.encoder(pixels(torch.cat([batch["pictures"], after.flatten(0, 1)])))
        size = after.shape[:2]
        if self.whiten:
            moved = (after != batch["pictures"][:, None]).flatten(2).any(-1)
            change = codes[size[0] :].unflatten(0, size) - codes[: size[0], None]
            codes = self.white.learn(codes, change, moved.float())
        start, end = codes[: size[0]], codes[size[0] :].unflatten(0, size)
        log_pi = self.log_policies(start, batch["allowed"])
        reward = self.selectivity(end - start[:, None])  # [B, actions or 1, policies]
        spread = entropy(log_pi).mean()
        turn = round(self.alike * self.steps)  # the policies begin anew here, and so does their entropy
        passed = self.step - turn if self.step >= turn else self.step
        bonus = self._bonus(passed, max(turn, self.steps - turn))
        if self.estimator == "enumerated":
            reached = (log_pi.exp() * reward.transpose(1, 2)).sum(-1).mean()
            return -(reached + bonus * spread), {"selectivity": reached, "entropy": spread}
        taken = log_pi.gather(-1, batch["actions"][:, None, None].expand(-1, len(self.policies), 1))[..., 0]
        weight = (taken - batch["chances"].log()[:, None]).exp().detach()
        value = self.baseline(start.detach())
        objective, miss = reinforced(reward[:, 0], taken, weight, value, self.normalise)
        logs = {"selectivity": (weight * reward[:, 0]).mean(), "entropy": spread, "baseline": miss}
        return miss - objective - bonus * spread, logs

    def objectives(self) -> tuple[Objective, ...]:
        """One player: everything, by Adam."""
        return sole_player(self, "icf", after=self._count)

    def _count(self) -> None:
        """Count a step; where policies begin to see the code, those that stood for what was known before begin anew."""
        self.step += 1
        if self.alike and self.step == round(self.alike * self.steps):
            for policy in self.policies:
                nn.init.zeros_(policy[-1].weight)  # type: ignore[index, arg-type]
                nn.init.zeros_(policy[-1].bias)  # type: ignore[index, arg-type]


class Places(nn.Module):
    """Pictures [n, C, H, W] -> [n, outputs]: where things are, for things that are told apart by how they look.

        a_m(p) = softmax over p of a map's value at place p,   q_m = sum_p a_m(p) p,   outputs = linear in q

    The places are those of a grid a quarter as fine as the picture, the maps those of three convolutions (Finn et al. 2016).
    """

    def __init__(self, shape: tuple[int, ...], outputs: int, channels: int, maps: int = 16):
        super().__init__()
        wide = 2 * channels
        layers: list[nn.Module] = []
        for inner, size, stride, pad in ((shape[0], 8, 4, 2), (wide, 3, 1, 1), (wide, 3, 1, 1)):
            layers += [nn.Conv2d(inner, wide, size, stride, pad), nn.BatchNorm2d(wide), nn.LeakyReLU(0.2)]
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
