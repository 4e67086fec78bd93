"""The cross-entropy method: over any vector, and over action sequences, for B problems at once.

    minimise   S(v),  v in R^d,  low <= v <= high
    repeat     v_1 .. v_N ~ Normal(mu, Sigma), clipped into the box       draw
               E = the `elites` vectors of lowest score                   select
               mu, Sigma <- (1 - s) (mean, covariance of E) + s (mu, Sigma)   fit, smoothed by s

The fit is the maximum likelihood of the elite vectors, which is the smallest cross-entropy to the ideal sampling
density; Sigma is diagonal unless `full` is set. The present mean and the best vector so far are always among the N, so
the best score never rises. Scores that are not finite are never elite.

Rubinstein: The cross-entropy method for combinatorial and continuous optimization. 1999. Smoothing: de Boer, Kroese,
Mannor and Rubinstein: A tutorial on the cross-entropy method. 2005.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from borders import Count, NonNegative, Positive, Size, checked

from .problem import Bound, NonFiniteError, Plan, Problem, check_answer, check_input
from .rollout import expand_context, first_plan, rollout, total_cost

Samples = Annotated[int, Interval(ge=2, le=2**20)]


@dataclass(frozen=True)
class Search:
    """What `cem_search` found: best [B, d] and its score [B], the last Gaussian's mean [B, d] and covariance [B, d, d].

    converged: bool [B], whether every standard deviation fell to `tolerance` of its first value; iterations: int64 [B],
    how many it took.
    """

    best: Tensor
    score: Tensor
    mean: Tensor
    covariance: Tensor
    converged: Tensor
    iterations: Tensor


@checked
def cem_search(
    score: Callable[[Tensor], Tensor],
    mean: Float[Tensor, "B d"],
    std: Float[Tensor, "B d"],
    *,
    generator: torch.Generator,
    samples: Samples = 256,
    elites: Annotated[int, Interval(ge=2, le=2**20)] = 32,
    iterations: Count = 30,
    low: Tensor | Bound = -torch.inf,
    high: Tensor | Bound = torch.inf,
    full: bool = False,
    smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
    tolerance: NonNegative = 1e-3,
) -> Search:
    """Minimise a black-box score over vectors, starting from a Gaussian with `mean` [B, d] and `std` [B, d].

    score(candidates [B, samples, d]) -> [B, samples], lower is better; row b belongs to problem b, and nothing is
    differentiated. low, high: numbers or tensors that broadcast to [B, d]. `full` fits a whole covariance, for vectors
    whose entries must move together. The search ends when all problems have converged (see `Search`).

    Raises TypeError or ValueError for input of the wrong type, shape or range, NonFiniteError if no candidate of a
    problem has a finite score.
    """
    check_input("mean", mean, ("B", "d"), None, None)
    check_input("std", std, ("B", "d"), *mean.shape)
    if not bool((std > 0).all()):
        raise ValueError(f"std must be positive, got {std.min().item()}")
    if elites > samples:
        raise ValueError(f"elites must be at most samples, got elites={elites}, samples={samples}")
    bottom, top = (
        torch.as_tensor(bound, dtype=mean.dtype, device=mean.device).expand_as(mean)[:, None] for bound in (low, high)
    )
    if not bool((bottom <= top).all()):
        raise ValueError(f"low must not exceed high, got low={low}, high={high}")
    batch, size = mean.shape
    mean = mean[:, None].clamp(bottom, top)
    best, best_score = mean, torch.full((batch, 1), torch.inf, dtype=mean.dtype, device=mean.device)
    covariance = torch.diag_embed(std.square())
    steps = torch.zeros(batch, dtype=torch.int64, device=mean.device)
    converged = torch.zeros(batch, dtype=torch.bool, device=mean.device)
    for _ in range(iterations):
        noise = torch.randn(batch, samples, size, generator=generator, dtype=mean.dtype, device=generator.device)
        drawn = (mean + noise.to(mean.device) @ _root(covariance, full).mT).clamp(bottom, top)
        drawn[:, 0], drawn[:, 1] = mean[:, 0], best[:, 0]
        scores = score(drawn)
        check_answer("score", scores)
        if scores.shape != (batch, samples):
            raise ValueError(f"score must return [B, samples] = {(batch, samples)}, got {tuple(scores.shape)}")
        scores = torch.where(scores.isfinite(), scores, torch.inf).to(mean)
        lowest, order = scores.topk(elites, dim=1, largest=False, sorted=True)
        if not bool(lowest[:, 0].isfinite().all()):
            which = lowest[:, 0].isfinite().logical_not().nonzero()[0].item()
            raise NonFiniteError(f"score is not finite for any of the {samples} candidates of problem {which}")
        chosen = drawn.gather(1, order.unsqueeze(2).expand(-1, -1, size))
        best, best_score = chosen[:, :1], lowest[:, :1]
        weight = lowest.isfinite().to(mean).unsqueeze(2)
        weight = weight / weight.sum(1, keepdim=True)
        center = (weight * chosen).sum(1, keepdim=True)
        apart = chosen - center
        spread = apart.mT @ (weight * apart)
        if not full:
            spread = torch.diag_embed(spread.diagonal(dim1=1, dim2=2))
        mean = (1 - smoothing) * center + smoothing * mean
        covariance = (1 - smoothing) * spread + smoothing * covariance
        steps += ~converged
        converged = converged | (covariance.diagonal(dim1=1, dim2=2).sqrt() <= tolerance * std).all(1)
        if bool(converged.all()):
            break
    return Search(best[:, 0], best_score[:, 0], mean[:, 0], covariance, converged, steps)


def _root(covariance: Tensor, full: bool) -> Tensor:
    """A matrix R with R R' = covariance, which may be singular."""
    if not full:
        return covariance.sqrt()
    values, vectors = torch.linalg.eigh(covariance)
    return vectors * values.clamp(min=0).sqrt().unsqueeze(1)


@checked
def cem(
    problem: Problem,
    x0: Float[Tensor, "B n"],
    *,
    horizon: Size,
    generator: torch.Generator,
    samples: Samples = 256,
    elites: Annotated[int, Interval(ge=2, le=2**20)] = 32,
    iterations: Count = 30,
    actions: Float[Tensor, "B T m"] | None = None,
    std: Tensor | Positive | None = None,
    action_size: Size | None = None,
    full: bool = False,
    smoothing: Annotated[float, Interval(ge=0, lt=1)] = 0.1,
    tolerance: NonNegative = 1e-2,
) -> Plan:
    """Plan `horizon` steps from x0 [B, n] by `cem_search` over whole action sequences; needs no derivatives.

    actions [B, T, m]: the first mean, clipped into the box; without it the middle of the box (0 where it is unbounded).
    std: first standard deviation, a number or a tensor [m]; without it half the width of the box (1 where unbounded).
    action_size is m; it need be given only where neither `actions` nor a bound says it. The plan is the
    best sequence that was drawn; converged and the other settings are those of `cem_search`.

    Raises TypeError or ValueError for input of the wrong type, shape or range, and NonFiniteError, naming step and
    problem, if the first mean leads to states or costs that are not finite; other such candidates are never chosen.
    """
    check_input("x0", x0, ("B", "n"), None, None)
    if actions is not None:
        check_input("actions", actions, ("B", "T", "m"), len(x0), horizon, action_size)
    batch, m = len(x0), _action_size(problem, actions, action_size)
    shape = (batch, horizon, m)
    low, high = problem.box(x0.new_zeros(1).expand(shape))
    middle = torch.where((high - low).isfinite(), (low + high) / 2, torch.zeros_like(low + high).clamp(low, high))
    mean = (middle.expand(shape) if actions is None else actions.to(x0)).clamp(low, high)
    width = torch.where((high - low).isfinite(), (high - low) / 2, 1).clamp(min=torch.finfo(x0.dtype).tiny ** 0.5)
    if isinstance(std, Tensor):
        check_input("std", std.expand(m) if std.ndim == 0 else std, ("m",), m)
    first_std = width if std is None else torch.as_tensor(std, dtype=x0.dtype, device=x0.device)
    context = expand_context(problem, horizon, batch)
    repeated = None if context is None else context.repeat_interleave(samples, 1)
    start = x0.repeat_interleave(samples, 0)

    def score(candidates: Tensor) -> Tensor:
        moves = candidates.view(batch * samples, horizon, m).transpose(0, 1)
        return total_cost(problem, rollout(problem, start, moves), moves, repeated).view(batch, samples)

    with torch.no_grad():
        first_plan(problem, x0, mean.transpose(0, 1), context)
        found = cem_search(
            score,
            mean.reshape(batch, -1),
            first_std.expand(shape).reshape(batch, -1),
            generator=generator,
            samples=samples,
            elites=elites,
            iterations=iterations,
            low=low.expand(shape).reshape(batch, -1),
            high=high.expand(shape).reshape(batch, -1),
            full=full,
            smoothing=smoothing,
            tolerance=tolerance,
        )
        best = found.best.view(shape)
        states, cost = first_plan(problem, x0, best.transpose(0, 1), context)
    reason = tuple("converged" if done else f"still spread after {iterations} iterations" for done in found.converged)
    return Plan(states.transpose(0, 1).contiguous(), best, cost, found.converged, found.iterations, reason)


def _action_size(problem: Problem, actions: Tensor | None, action_size: int | None) -> int:
    if actions is not None:
        return actions.shape[2]
    if action_size is not None:
        return action_size
    for bound in (problem.low, problem.high):
        if isinstance(bound, Tensor) and bound.ndim:
            return bound.shape[-1]
    raise ValueError(
        "action_size must be given: neither actions nor a bound with an axis m says how many actions there are"
    )
