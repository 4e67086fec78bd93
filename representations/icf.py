"""Independently controllable factors of variation (Thomas et al. 2018, arXiv 1802.09484).

    h = f(s),  phi = Phi(h, z),  z ~ N(0, I)        a factor: a direction in which something of h can be changed
    a_t ~ pi(. | h_t, phi),  t = 1 .. k             the policy that changes it; h' is the code after k steps

    S(h, phi) = E [log A(h', h, phi) - log mean_j A(h', h, phi_j)]                                        (equation 1)
    A = exp(-|h' - (h + phi)|^2 / 2 sigma^2)       "gaussian" (appendix A.2, where sigma^2 = dim h)
    A = max(0, <h' - h, phi>)                      "directed" (section 3)

    maximise   w_S (E S + e E H(pi)) - w_R |s - g(h)|^2 - w_T |h' - T(h, phi)|^2       (appendix D)

over everything, where phi and phi_1 .. phi_n come from Phi(h, .). How the expectation over actions is had:

    "sampled"      one path a state, from the policy of one of the n factors; every factor learns from it, weighted by
                   pi(a | h, phi_j) / b(a | h), with REINFORCE and the baseline V(h):
                   grad E f = E [grad f + (f - V) grad log pi]                       (appendices A.1 and D, the paper's)
    "enumerated"   all |actions|^k paths, each with its probability: the same objective without the noise of sampling

The networks of two vectors see bil(a, b) = (a_i b_j)_ij (appendix A.1). Where a or b is near 0 it shows nothing of the other;
with `constant` both get an entry 1 first, so that it holds a and b themselves too.

The objective asks only that factors be told apart at every h, so that a code may be folded in any way and each place may
have its own factors; and it starts at a saddle, from which it falls into a few modes. What mends that:

- `whiten` measures changes in the unit in which those that factors make have the covariance I, so that no direction of the
  code dies out, and codes from their mean. Only what policies do counts, else an action that none needs would shear the code.
- For the share `alike` of the training, networks of (h, .) see 0 for h: a factor then means the same action everywhere,
  which only a code in which actions are translations can satisfy; meanwhile the decoder learns from codes through which no
  gradient flows back, since an untrained decoder tears them.
- Factors start spread out (`factor_output`), at `spread` times the signs of z; what the generator learns is added, and counts
  from then on. The scaled simplex has its extreme points on the axes, and the axes of a code turn to them.
- A code with more dimensions than there are changes possible everywhere fills the others with what depends on the place.
  Then `ridge` lets them stay small in `whiten`; `closeness` adds E log A to E S, since equation 1 does not see how far a
  change goes where no factor points; and the decoder reads h + `blur` N(0, I), so that a switch takes room in h.
- What can be changed in few places needs a factor that means it there and nothing elsewhere, for which the objective pays
  less than for a second name of a move. `prior` lets factors count in proportion to exp(prior E log A), so that those which
  nothing here makes hardly count; while they mean the same everywhere they start on the first `axes` axes only, and for
  the share `hold` they stay where they start, since what the generator learns moves them to what changes everywhere. The
  decoder pulls when h is wholly seen; with `drawn_first` as soon as it is seen at all, and the other axes open after
  that: then what no factor changes yet has a place in h. Policies learn nothing of axes that open later, and may yet
  be sure of what to do there, by the weights that they started with: one way of a switch is then never tried. With `blank`
  these weights start at 0.
- sigma is narrower than the paper's, so that an action that two factors share is clearly worse for either than its own, and
  the entropy is high at first, so that policies settle only when the code has.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, TypedDict

import torch
from annotated_types import Interval
from jaxtyping import Float, Integer
from torch import Tensor, nn
from torch.nn import functional

from borders import Count, Natural, NonNegative, Positive, Share, Size
from representations.model import Logs, Objective, OtherPictures, pixels
from representations.parts.factor_output import Output, raw_size, reach, shaped, spread_out
from representations.parts.networks import SeparableDecoder, coder, mlp
from representations.parts.selectivity import (
    FADE,
    Alike,
    Controlled,
    Estimator,
    Sides16,
    entropy,
    log_ratio,
    reinforced,
    visible,
)


class Seen(TypedDict):
    """What walks lead through."""

    pictures: OtherPictures


class Walks(Seen, total=False):
    """All walks from their starts, by `nodes`, or one each by `path`: rows of the pictures. See `ICF`."""

    nodes: Any
    path: Integer[Tensor, "n visited"]
    actions: Integer[Tensor, "n taken"]
    allowed: Any
    chances: Float[Tensor, "n taken"]
    noise: Float[Tensor, "n noise_size"]


class ICF(Controlled):
    """Codes, factors, their policies and a latent model for pictures `shape` and a number of `actions`.

    Settings: `code_size` of h and phi, `noise_size` of z; `output` is the set of phi (`factor_output`); `kernel` is A,
    `width` its sigma over sqrt(dim h), `floor` what is added to "directed": where that is small, a wrong direction costs so
    much that policies learn to do nothing; `horizon` is k; `samples` is n; `estimator`, `constant`, `whiten`, `alike`,
    `spread`, `ridge`, `axes` (0: all), `closeness`, `prior` (both of "enumerated"), `hold`, `drawn_first`, `blank` and `blur`
    as above; `selectivity`, `reconstruction`, `prediction` are w_S, w_R, w_T; `entropy` is e at first and falls linearly to
    `last_entropy` over the share `settle` of `steps`; `normalise` divides the advantages of the sampled estimator by their
    deviation. The decoder and T learn `decoder_rate` times as fast; `separable` makes the decoder a sum of products of a
    row and a column profile, for which a small moving thing is easy, in place of the paper's transposed encoder. Raises
    ValueError for an unknown output, kernel or estimator or an `alike` above 0.8.

    A batch of `loss` holds `pictures` [U, C, H, W], every distinct one once. "enumerated": `nodes`, a tuple of k + 1
    tensors long [B, actions^t], the pictures after t steps along every path (the last action changes fastest), and
    `allowed`, k tensors bool [B, actions^t, actions], which actions may be taken there. "sampled": `path` long [B, k + 1],
    `actions` long [B, k], `chances` [B, k] of the actions under the behaviour, `noise` [B, noise_size] of its factor, and
    `allowed` bool [B, k, actions].
    """

    def __init__(
        self,
        shape: Sides16 = (3, 64, 64),
        actions: Size = 6,
        code_size: Size = 2,
        noise_size: Size = 2,
        channels: Size = 8,
        hidden: Size = 64,
        output: Output = "scaled_simplex",
        kernel: Literal["gaussian", "directed"] = "gaussian",
        width: Positive = 0.7,
        floor: Positive = 1e-3,
        horizon: Size = 1,
        samples: Size = 64,
        estimator: Estimator = "enumerated",
        constant: bool = True,
        whiten: bool = True,
        alike: Alike = 0.6,
        spread: NonNegative = 2.0,
        axes: Natural = 0,
        ridge: NonNegative = 1e-4,
        closeness: NonNegative = 0.0,
        prior: NonNegative = 0.0,
        hold: Share = 0.0,
        drawn_first: bool = False,
        blank: bool = False,
        blur: NonNegative = 0.0,
        separable: bool = True,
        normalise: bool = True,
        selectivity: NonNegative = 10.0,
        reconstruction: NonNegative = 0.1,
        prediction: NonNegative = 1.0,
        entropy: NonNegative = 0.3,
        last_entropy: NonNegative = 0.0,
        settle: Annotated[float, Interval(gt=0, le=1)] = 1.0,
        steps: Count = 1200,
        learning_rate: Positive = 1e-3,
        decoder_rate: Positive = 4.0,
    ):
        entropies = (entropy, last_entropy)
        super().__init__(
            shape, actions, code_size, estimator, whiten, alike, normalise, entropies, steps, learning_rate, ridge
        )
        self.action_size = code_size
        self.noise_size, self.samples, self.horizon = noise_size, samples, horizon
        self.output, self.kernel, self.width, self.floor, self.constant = output, kernel, width, floor, constant
        self.spread, self.axes, self.hold, self.drawn_first = spread, axes, hold, drawn_first
        self.closeness, self.prior, self.blur, self.settle = closeness, prior, blur, settle
        self.weights, self.decoder_rate = (selectivity, reconstruction, prediction), decoder_rate
        self.encoder, decoder = coder(self.shape, code_size, channels)
        self.decoder: nn.Module = decoder
        if separable:
            self.decoder = SeparableDecoder(code_size, 2 * hidden, self.shape, 8)
            nn.init.constant_(self.decoder.background, 0.5)
        self.reach = reach(output, code_size)
        one = int(constant)
        pair = (code_size + one) ** 2
        self.generator = mlp((code_size + one) * (noise_size + one), hidden, raw_size(output, code_size))
        self.policy = mlp(pair, hidden, actions)
        if blank and axes:
            weight = next(self.policy.parameters()).data  # of its first layer
            weight.unflatten(1, (code_size + one, code_size + one))[..., one + axes :] = 0  # by h, by phi
        self.model = mlp(pair, hidden, code_size)
        self.baseline = mlp(code_size, hidden, 1)

    def decode(self, code: Tensor) -> Tensor:
        """The expected picture [n, C, H, W] in [0, 1]."""
        return self.decoder(code).clamp(0, 1)

    def factors(self, code: Tensor, noise: Tensor) -> Tensor:
        """Phi(h, z): [..., code_size] of codes [..., code_size] and noise [..., noise_size]."""
        early = torch.arange(noise.shape[-1], device=noise.device) < (self.axes or noise.shape[-1])
        open_at = self.alike + FADE if self.drawn_first else self.alike
        seen = torch.where(early, noise, visible(self.step, self.steps, open_at) * noise)
        start = self.spread * spread_out(seen, self.output, self.code_size)
        share = visible(self.step, self.steps, max(self.alike, self.hold))
        return shaped(start + share * self.generator(self._bilinear(code, noise)), self.output)

    def draw_factors(self, code: Tensor, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """`n` factors [B, n, code_size] of every code [B, code_size], and the noise behind them."""
        source = code.device if generator is None else generator.device
        noise = torch.randn(len(code), n, self.noise_size, generator=generator, device=source).to(code.device)
        return self.factors(code[:, None].expand(-1, n, -1), noise), noise

    def log_policy(self, code: Tensor, factor: Tensor, allowed: Tensor | None = None) -> Tensor:
        """log pi(a | h, phi): [..., actions]; an action that `allowed` [..., actions] excludes has probability 0."""
        return self._log_choice(self.policy(self._bilinear(code, factor)), allowed)

    def predict(self, code: Tensor, action: Tensor) -> Tensor:
        """T(h, phi): the code after the policy of a factor [n, code_size] was followed for `horizon` steps."""
        return code + self.model(self._bilinear(code, action))

    def linearize(self, code: Tensor, action: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """A, B, c of T around the given point, by differentiation."""
        by_code, by_factor = torch.func.vmap(torch.func.jacrev(self.predict, argnums=(0, 1)))(code, action)
        moved = (by_code @ code[..., None] + by_factor @ action[..., None])[..., 0]
        return by_code, by_factor, self.predict(code, action) - moved

    def log_kernel(self, change: Tensor, factor: Tensor) -> Tensor:
        """log A for changes [..., P, d] and factors [..., n, d]: [..., P, n]."""
        if self.kernel == "gaussian":
            apart = change[..., :, None, :] - factor[..., None, :, :]
            return -0.5 * apart.square().sum(-1) / (self.width**2 * self.code_size)
        return ((change @ factor.mT).clamp(min=0) + self.floor).log()

    def selectivity(self, change: Tensor, factor: Tensor) -> Tensor:
        """What stands in the expectation of equation 1, for changes [..., P, d] and factors [..., n, d]: [..., P, n]."""
        return log_ratio(self.log_kernel(change, factor))

    def loss(self, batch: Walks) -> tuple[Tensor, Logs]:
        """Minus the objective, averaged over states and factors, and its parts."""
        pictures = pixels(batch["pictures"])
        codes = self.encoder(pictures)
        if self.whiten:
            first, last = _ends(batch)
            codes = self.white.learn(codes, codes[last] - codes[first], self._followed(batch, codes) * (last != first))
        seen = codes + self.blur * torch.randn_like(codes) if self.blur else codes
        drawn = self.decoder(seen if self._pulls() else seen.detach())
        error = (drawn - pictures).square().flatten(1).sum(1).mean()
        terms = self._enumerated if self.estimator == "enumerated" else self._sampled
        objective, entropy, logs = terms(batch, codes)
        w_s, w_r, w_t = self.weights
        bonus = self._bonus(self.step, self.settle * self.steps)
        loss = w_r * error - w_s * (objective + bonus * entropy) + w_t * logs["prediction"]
        loss = loss + logs.get("baseline", loss.new_zeros(()))
        return loss, {"reconstruction": error, "entropy": entropy} | logs

    def _enumerated(self, batch: Walks, codes: Tensor) -> tuple[Tensor, Tensor, Logs]:
        nodes = batch["nodes"]
        start = codes[nodes[0][:, 0]]
        factor, _ = self.draw_factors(start, self.samples)
        chance, spread = self._paths(batch, codes, factor)
        change = codes[nodes[-1]] - start[:, None]
        weight = chance.transpose(1, 2)  # [B, paths, n]
        scores = self.log_kernel(change, factor)
        close = (weight * scores).sum(1)  # E log A of every factor
        log_share = (self.prior * close.detach()).log_softmax(-1)
        reached = (log_share.exp() * (weight * log_ratio(scores, log_share[:, None])).sum(1)).sum(1).mean()
        close = close.mean()
        origin = start[:, None].expand_as(factor).detach()
        guess = self.predict(origin, factor.detach()) - origin
        misses = (change.detach()[:, :, None] - guess[:, None]).square().sum(-1)
        logs = {"selectivity": reached.detach(), "prediction": (weight.detach() * misses).sum(1).mean()}
        return reached + self.closeness * close, spread, logs

    def _paths(self, batch: Walks, codes: Tensor, factor: Tensor) -> tuple[Tensor, Tensor]:
        """The probability of every path under every factor [B, n, d]: [B, n, paths]; and the policies' mean entropy."""
        chance = codes.new_zeros(*factor.shape[:2], 1)
        entropies = []
        for at, may in zip(batch["nodes"][:-1], batch["allowed"], strict=True):
            here = codes[at][:, None].expand(-1, factor.shape[1], -1, -1)
            log_pi = self.log_policy(here, factor[:, :, None].expand_as(here), may[:, None])
            entropies.append((chance.exp() * entropy(log_pi)).sum(-1).mean())
            chance = (chance[..., None] + log_pi).flatten(2)
        return chance.exp(), torch.stack(entropies).mean()

    @torch.no_grad()
    def _followed(self, batch: Walks, codes: Tensor) -> Tensor:
        """How likely every path is [B, paths] under random factors, by codes in the running unit."""
        if "nodes" not in batch:
            return torch.ones_like(batch["path"][:, :1])
        codes = self.white(codes)
        factor, _ = self.draw_factors(codes[batch["nodes"][0][:, 0]], self.samples)
        return self._paths(batch, codes, factor)[0].mean(1)

    def _sampled(self, batch: Walks, codes: Tensor) -> tuple[Tensor, Tensor, Logs]:
        path, actions, allowed = batch["path"], batch["actions"], batch["allowed"]
        start, last = codes[path[:, 0]], codes[path[:, -1]]
        noise = torch.randn(len(path), self.samples, self.noise_size, device=codes.device)
        noise[:, 0] = batch["noise"]
        factor = self.factors(start[:, None].expand(-1, self.samples, -1), noise)
        log_pi, entropies = start.new_zeros(()), []
        for t in range(self.horizon):
            here = codes[path[:, t]][:, None].expand(-1, self.samples, -1)
            each = self.log_policy(here, factor, allowed[:, None, t])
            entropies.append(entropy(each).mean())
            log_pi = log_pi + each.gather(-1, actions[:, None, t, None].expand(-1, self.samples, 1))[..., 0]
        weight = (log_pi - batch["chances"].log().sum(1, keepdim=True)).exp().detach()
        reward = self.selectivity((last - start)[:, None], factor)[:, 0]  # [B, n]
        value = self.baseline(start.detach())
        objective, miss = reinforced(reward, log_pi, weight, value, self.normalise)
        guess = self.predict(start[:, None].expand_as(factor).detach(), factor.detach())
        misses = (last.detach()[:, None] - guess).square().sum(-1)
        logs = {"selectivity": (weight * reward).mean().detach(), "prediction": (weight * misses).mean()}
        return objective, torch.stack(entropies).mean(), logs | {"baseline": miss}

    def _bilinear(self, first: Tensor, second: Tensor) -> Tensor:
        first = first * self._visible()
        if self.constant:
            first, second = functional.pad(first, (1, 0), value=1.0), functional.pad(second, (1, 0), value=1.0)
        return (first[..., :, None] * second[..., None, :]).flatten(-2)

    def objectives(self) -> tuple[Objective, ...]:
        """One player: everything, by Adam."""
        return (Objective("icf", self.loss, tuple(self.parameters()), self._adam, after=self._count),)

    def _adam(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        """Adam, its rate `decoder_rate` times as high for the decoder and T, which no code waits for."""
        faster = {id(parameter) for network in (self.decoder, self.model) for parameter in network.parameters()}
        groups: list[list[nn.Parameter]] = [[], []]
        for parameter in parameters:
            groups[id(parameter) in faster].append(parameter)
        rates = (self.learning_rate, self.decoder_rate * self.learning_rate)
        return torch.optim.Adam([{"params": g, "lr": r} for g, r in zip(groups, rates, strict=True)], fused=True)

    def _pulls(self) -> bool:
        """Whether the decoder's gradients reach the code at this step."""
        return bool(self._visible() > 0 if self.drawn_first else self._visible() == 1)

    def _count(self) -> None:
        self.step += 1


def _ends(batch: Walks) -> tuple[Tensor, Tensor]:
    """The pictures with which every path begins and ends, long [B, paths] both."""
    if "nodes" in batch:
        return batch["nodes"][0].expand_as(batch["nodes"][-1]), batch["nodes"][-1]
    return batch["path"][:, :1], batch["path"][:, -1:]
