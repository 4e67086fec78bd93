"""Consumers of a code, and the score of each: what an agent of that kind reaches with it.

    placebo      full locally linear model by least squares, then iLQR or the cross-entropy method: blind to rotations
    sparse       the same with a lasso on 50, 500 or 5,000 transitions
    factor       "set factor k, leave the rest": hits minus collateral movement, knowing 100 labelled states
    inverse      the action from (z, z_goal): ridge and a small network
    policy       PPO on the frozen code: area under its curve, last value, steps to a threshold
    transfer     the inverse models where combinations of factors, or half of a factor's range, were never seen
    policy_transfer    PPO where combinations of factors were never seen

    score = (x - random) / (oracle - random)            by the means of a random policy and of one that knows the state

so random is 0 and the oracle 1, and nothing is clipped. Starts and goals are those of the seed, the same for all codes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Interval, MinLen
from torch import Tensor

from benchmarks.metrics.arrays import as_columns, least_squares, targets
from benchmarks.metrics.control import reinforcement
from benchmarks.metrics.control.dynamics import (
    LocallyLinear,
    Planned,
    Transitions,
    fit_lasso,
    fit_least_squares,
)
from benchmarks.metrics.control.inverse import Inverse, Pairs, gather, network, ridge
from benchmarks.metrics.control.task import TOLERANCE, Act, ControlTask
from borders import Count, Real, checked
from envs.world import Where

SEEN = 300  # codes that the measure of a model is averaged over


@checked
@dataclass(frozen=True)
class Sizes:
    """How much a consumer gets: episodes and their length, data, and how long it learns."""

    episodes: Count = 200
    length: Count = 20
    transitions: Annotated[int, Interval(ge=2, le=2**31)] = 5000
    sparse: Annotated[tuple[Count, ...], MinLen(1)] = (50, 500, 5000)
    labels: Annotated[int, Interval(ge=2, le=2**31)] = 100
    trajectories: Count = 500
    network: Count = 400
    policy: Count = 20_480
    every: Count = 5_120
    threshold: Real = 0.5


@dataclass(frozen=True)
class Found:
    """The scores of single episodes [n] by name, and single numbers by name."""

    episodes: dict[str, Tensor] = field(default_factory=dict)
    numbers: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Episodes:
    """Starts and goals [n, S] of a test, the mean raw results of the random policy and of the oracle, a seed for noise."""

    starts: Tensor
    goals: Tensor
    random: float
    oracle: float
    seed: int


class Bench:
    """A task, a code of its states and a seed: data, tests and normalisation, which no code can change."""

    def __init__(self, task: ControlTask, encode: Callable[[Tensor], Tensor], seed: int, sizes: Sizes | None = None):
        self.task, self.encode, self.seed, self.sizes = task, encode, seed, sizes or Sizes()

    def generator(self, purpose: int) -> torch.Generator:
        """A generator of this seed for one purpose."""
        return torch.Generator().manual_seed(1000 * self.seed + purpose)

    def uniform(self, n: int, generator: torch.Generator) -> Tensor:
        """Actions [n, m] at random."""
        return 2 * torch.rand(n, self.task.action_size, generator=generator, dtype=torch.float64) - 1

    @cached_property
    def transitions(self) -> Transitions:
        """Single steps from states at random by actions at random."""
        generator, n = self.generator(1), self.sizes.transitions
        states, actions = self.task.sample(n, generator), self.uniform(n, generator)
        return Transitions(self.encode(states), actions, self.encode(self.task.step(states, actions, generator)))

    @cached_property
    def model(self) -> LocallyLinear:
        """The least-squares model of all transitions."""
        return fit_least_squares(self.transitions)

    @cached_property
    def test(self) -> Episodes:
        """The test from anywhere to anywhere."""
        return self.episodes(2)

    @cached_property
    def inverses(self) -> dict[str, Inverse]:
        """The inverse models of trajectories from everywhere."""
        return _inverses(self, gather(self.task, self.encode, self.sizes.trajectories, self.generator(6)))

    def episodes(self, purpose: int, start: Where | None = None, goal: Where | None = None) -> Episodes:
        """A test whose starts and goals are restricted."""
        starts, goals = self.task.begin(self.sizes.episodes, self.generator(purpose), start, goal)
        chance = self.generator(purpose + 100)
        random = self.final(lambda states: self.uniform(len(states), chance), starts, purpose)
        oracle = self.final(self.task.oracle(goals, self.generator(purpose + 200)), starts, purpose)
        return Episodes(
            starts,
            goals,
            -float(self.task.gaps(random, goals).mean()),
            -float(self.task.gaps(oracle, goals).mean()),
            purpose,
        )

    def final(self, act: Act, starts: Tensor, purpose: int) -> Tensor:
        """The last states that `act` leads to; the distractors' noise is the same for everyone."""
        return self.task.drive(act, starts, self.sizes.length, self.generator(purpose + 300))[:, -1]

    def score(self, act: Act, test: Episodes) -> Tensor:
        """The normalised scores [n] of an agent in a test."""
        raw = -self.task.gaps(self.final(act, test.starts, test.seed), test.goals).mean(1)
        return (raw - test.random) / (test.oracle - test.random)

    def through(self, act: Callable[[Tensor], Tensor]) -> Act:
        """An agent on codes as one on states."""
        return lambda states: act(self.encode(states))


def placebo(bench: Bench) -> Found:
    """The consumer that no rotation can touch."""
    measure = bench.model.measure(bench.transitions.before[:SEEN])
    goals = bench.encode(bench.test.goals)
    found = {}
    for name, generator in (("ilqr", None), ("cem", bench.generator(3))):
        agent = Planned(bench.model, measure, goals, generator)
        found[f"placebo_{name}"] = bench.score(bench.through(agent.act), bench.test)
    return Found(found)


def sparse(bench: Bench) -> Found:
    """The planner on a lasso of few or many transitions."""
    goals, found = bench.encode(bench.test.goals), {}
    for n in bench.sizes.sparse:
        seen = bench.transitions.first(n)
        model = fit_lasso(seen)
        agent = Planned(model, model.measure(seen.before[:SEEN]), goals)
        found[f"sparse_{n}"] = bench.score(bench.through(agent.act), bench.test)
    return Found(found)


def factor(bench: Bench) -> Found:
    """Setting one factor by another state's axes, and, beside it, by a linear readout of the factors.

    The labelled states say to which movable factor each axis belongs: to that which explains most of its variance. The goal is
    the start's code with the axes of factor k taken from the goal's. The readout (ridge) makes such axes out of any
    code of equal information, so it tells what a consumer gains that does not insist on the code's own.
    """
    task, generator = bench.task, bench.generator(4)
    labelled = task.sample(bench.sizes.labels, generator)
    parts = _targets(task, labelled)
    codes = bench.encode(labelled)
    explained = torch.stack([_explained(codes, part) for part in parts])
    axes = explained.argmax(0) == torch.arange(len(parts))[:, None]
    weight, middle, height = _readout(codes, torch.cat(parts, 1))
    owners = torch.cat([torch.full((part.shape[1],), k) for k, part in enumerate(parts)])
    read: Callable[[Tensor], Tensor] = lambda code: (code - middle) @ weight + height  # noqa: E731
    seen = Transitions(read(bench.transitions.before), bench.transitions.actions, read(bench.transitions.after))
    return Found(
        {
            "factor_axes": _set_factors(bench, bench.encode, bench.model, bench.transitions, axes),
            "factor_readout": _set_factors(
                bench,
                lambda states: read(bench.encode(states)),
                fit_least_squares(seen),
                seen,
                owners == torch.arange(len(parts))[:, None],
            ),
        }
    )


def _targets(task: ControlTask, states: Tensor) -> list[Tensor]:
    """What there is to say of every movable factor: a number, the cosine and sine of an angle; variances sum to 1."""
    columns = list(task.moved)
    kinds = as_columns([task.factors[k] for k in columns], states[:, columns].numpy())
    return [
        torch.from_numpy(np.ascontiguousarray(targets(states[:, k].numpy(), kind)))
        for k, kind in zip(columns, kinds, strict=True)
    ]


def _explained(codes: Tensor, part: Tensor) -> Tensor:
    """The share of every axis's variance that a factor explains linearly: [d]."""
    centred = codes - codes.mean(0)
    left = centred - part @ least_squares(part, centred)
    return 1 - left.square().sum(0) / centred.square().sum(0).clamp(min=1e-12)


def _readout(codes: Tensor, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """A ridge regression (penalty 1) of values on codes: weight, mean code, mean value."""
    middle, height = codes.mean(0), values.mean(0)
    centred = codes - middle
    gram = centred.T @ centred + torch.eye(codes.shape[1], dtype=codes.dtype)
    return torch.linalg.solve(gram, centred.T @ (values - height)), middle, height


def _set_factors(
    bench: Bench,
    encode: Callable[[Tensor], Tensor],
    model: LocallyLinear,
    seen: Transitions,
    masks: Tensor,
) -> Tensor:
    """The scores [n] of "set factor k, leave the rest", episode by episode another k; `masks` bool [moved, d]."""
    task, n = bench.task, bench.sizes.episodes
    starts, goals, which = _single_goals(bench, n)
    own = masks[torch.tensor([task.moved.index(k) for k in task.wanted])[which]]
    aims = torch.where(own, encode(goals), encode(starts))
    agent = Planned(model, model.measure(seen.before[:SEEN]), aims)
    chance = bench.generator(105)
    only = which[:, None] == torch.arange(len(task.wanted))
    makers: list[Act] = [
        lambda states: agent.act(encode(states)),
        lambda states: bench.uniform(len(states), chance),
        task.oracle(goals, bench.generator(205), only),
    ]
    raw, random, oracle = (_hits(bench, bench.final(act, starts, 5), starts, goals, which) for act in makers)
    return (raw - random.mean()) / (oracle.mean() - random.mean())


def _single_goals(bench: Bench, n: int) -> tuple[Tensor, Tensor, Tensor]:
    """Starts, goals and which wanted factor [n] is to be set; that factor is not at its goal yet."""
    task, generator = bench.task, bench.generator(5)
    first, last = task.sample(4 * n, generator), task.sample(4 * n, generator)
    which = torch.arange(4 * n) % len(task.wanted)
    rows = (task.gaps(first, last)[torch.arange(4 * n), which] > TOLERANCE).nonzero()[:n, 0]
    return first[rows], last[rows], which[rows]


def _hits(bench: Bench, final: Tensor, starts: Tensor, goals: Tensor, which: Tensor) -> Tensor:
    """1 where the factor reached its goal, minus the mean way that the other movable ones went: [n]."""
    task, rows = bench.task, torch.arange(len(final))
    hit = (task.gaps(final, goals)[rows, which] <= TOLERANCE).double()
    went = (task.ways(starts, final).abs() / task.spans)[:, list(task.moved)]
    set_ = torch.tensor([task.moved.index(k) for k in task.wanted])[which]
    went[rows, set_] = 0
    return hit - went.sum(1) / (len(task.moved) - 1)


def _inverses(bench: Bench, pairs: Pairs) -> dict[str, Inverse]:
    return {"ridge": ridge(pairs), "network": network(pairs, bench.sizes.network, bench.seed)}


def _aimed(bench: Bench, inverse: Inverse, goals: Tensor) -> Act:
    aims = bench.encode(goals)
    return bench.through(lambda code: inverse(code, aims))


def inverse(bench: Bench) -> Found:
    """The inverse models, tested where they were trained."""
    return Found(
        {
            f"inverse_{name}": bench.score(_aimed(bench, made, bench.test.goals), bench.test)
            for name, made in bench.inverses.items()
        }
    )


def transfer(bench: Bench) -> Found:
    """The inverse models where they were not trained.

    `block`: goals with a quarter of all combinations of two factors; `range`: starts and goals with the upper half of a
    factor. `_seen` is the model that was trained everywhere, in the same test.
    """
    task, found = bench.task, {}
    for place, (kind, held) in enumerate(
        {"block": task.block(bench.generator(7)), "range": task.half(bench.generator(7))}.items()
    ):
        test = bench.episodes(8 + place, held if kind == "range" else None, held)
        pairs = gather(task, bench.encode, bench.sizes.trajectories, bench.generator(6), avoid=held)
        for suffix, models in (("", _inverses(bench, pairs)), ("_seen", bench.inverses)):
            for name, made in models.items():
                found[f"transfer_{kind}_{name}{suffix}"] = bench.score(_aimed(bench, made, test.goals), test)
    return Found(found)


def _learned(bench: Bench, test: Episodes, **options: Any) -> tuple[list[int], list[Tensor]]:
    sizes = bench.sizes
    return reinforcement.learn(
        bench.task,
        bench.encode,
        lambda aimed: bench.score(aimed(test.goals), test),
        steps=sizes.policy,
        every=sizes.every,
        episode=sizes.length,
        seed=bench.seed,
        **options,
    )


def policy_transfer(bench: Bench) -> Found:
    """PPO that never was among a quarter of all combinations of two factors, sent there; and one that was (`_seen`)."""
    held = bench.task.block(bench.generator(7))
    test = bench.episodes(8, None, held)
    return Found(
        {
            "policy_block": torch.stack(_learned(bench, test, avoid=held)[1]).mean(0),
            "policy_block_seen": torch.stack(_learned(bench, test)[1]).mean(0),
        }
    )


def policy(bench: Bench, shape: tuple[int, int, int] | None = None) -> Found:
    """PPO on the frozen code; a threshold that is never reached is None, which is censored at the last step.

    With `shape` = (C, H, W) codes are flat pictures, and the policy has convolutions: from pixels, end to end.
    """
    steps, curve = _learned(bench, bench.test, shape=shape)
    sizes = bench.sizes
    means = [float(scores.mean()) for scores in curve]
    reached = next((step for step, mean in zip(steps, means, strict=True) if mean >= sizes.threshold), None)
    return Found({"policy_area": torch.stack(curve).mean(0), "policy_final": curve[-1]}, {"policy_steps": reached})


CONSUMERS: dict[str, Callable[[Bench], Found]] = {
    "placebo": placebo,
    "sparse": sparse,
    "factor": factor,
    "inverse": inverse,
    "policy": policy,
    "transfer": transfer,
    "policy_transfer": policy_transfer,
}
