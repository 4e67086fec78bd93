"""The cross-entropy method against closed forms and iLQR, over action sequences and over plain vectors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from planners import Problem, cem, cem_search, ilqr


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def double_integrator(limit: float | None) -> Problem:
    a, b = torch.tensor([[1.0, 0.2], [0.0, 1.0]]), torch.tensor([[0.0], [0.2]])
    return Problem(
        lambda x, u: x @ a.T + u @ b.T,
        lambda x, u: x.square().sum(1) + 0.1 * u.square().sum(1),
        lambda x: 5 * x.square().sum(1),
        None if limit is None else -limit,
        limit,
    )


@pytest.mark.parametrize("limit", [None, 1.0])
def test_a_linear_quadratic_problem_is_solved_as_by_ilqr_and_inside_the_box(limit):
    problem = double_integrator(limit)
    x0 = torch.tensor([[1.0, 0.0], [-0.5, 1.0], [2.0, -0.5]])
    plan = cem(problem, x0, horizon=10, generator=seeded(0), action_size=1, std=2.0, iterations=60)
    exact = ilqr(problem, x0, torch.zeros(3, 10, 1))
    assert plan.converged.all(), plan.reason
    assert plan.states.shape == (3, 11, 2)
    assert (plan.cost >= exact.cost - 1e-3).all()
    torch.testing.assert_close(plan.cost, exact.cost, rtol=1e-3, atol=0)
    if limit is not None:
        assert plan.actions.abs().max() == limit
        torch.testing.assert_close(plan.actions, exact.actions, rtol=0, atol=0.1)


def test_the_same_generator_gives_the_same_plan_and_leaves_the_global_one_alone():
    problem, x0 = double_integrator(1.0), torch.tensor([[1.0, 0.0]])
    torch.manual_seed(0)
    before = torch.get_rng_state()
    plans = [cem(problem, x0, horizon=5, generator=seeded(s), action_size=1, iterations=3) for s in (1, 1, 2)]
    assert torch.equal(plans[0].actions, plans[1].actions)
    assert not torch.equal(plans[0].actions, plans[2].actions)
    assert torch.equal(before, torch.get_rng_state())
    assert not plans[0].converged[0]
    assert "3 iterations" in plans[0].reason[0]


def test_a_warm_start_is_never_made_worse():
    problem, x0 = double_integrator(1.0), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    best = ilqr(problem, x0, torch.zeros(2, 10, 1))
    plan = cem(problem, x0, horizon=10, generator=seeded(0), actions=best.actions, iterations=2)
    assert (plan.cost <= best.cost + 1e-5).all()


def test_context_reaches_the_costs_of_every_sample():
    goals = torch.tensor([[1.0], [-2.0]])
    problem = Problem(
        lambda x, u: x + u,
        lambda x, u, c: 0.01 * u.square().sum(1),
        lambda x, c: (x - c).square().sum(1),
        torch.tensor([-1.0]),
        1.0,
        context=goals[:, None],
    )
    plan = cem(problem, torch.zeros(2, 1), horizon=3, generator=seeded(0))
    torch.testing.assert_close(plan.states[:, -1], goals, rtol=0, atol=0.05)


def test_double_precision_and_samples_that_blow_up():
    problem = Problem(
        lambda x, u: torch.where(u > 0.5, torch.inf, x + u),
        lambda x, u: torch.zeros_like(x[:, 0]),
        lambda x: -x[:, 0],
        -1.0,
        torch.tensor([1.0]),
    )
    plan = cem(problem, torch.zeros(1, 1, dtype=torch.float64), horizon=2, generator=seeded(0))
    assert plan.states.dtype == torch.float64
    assert plan.states[0, -1, 0].item() == pytest.approx(1.0, abs=0.02)


def test_a_first_mean_that_blows_up_is_named_by_step_and_problem():
    problem = Problem(lambda x, u: x.exp() + u, lambda x, u: u.square().sum(1), lambda x: x.square().sum(1))
    with pytest.raises(FloatingPointError, match=r"dynamics.*step 2 of problem 1"):
        cem(problem, torch.tensor([[-1e9], [2.0]]), horizon=4, generator=seeded(0), action_size=1)


def test_the_minimum_of_a_six_dimensional_quadratic_is_found_for_every_problem():
    targets = torch.randn(3, 6, generator=seeded(1))
    found = cem_search(
        lambda v: (v - targets[:, None]).square().sum(2), torch.zeros(3, 6), torch.ones(3, 6), generator=seeded(0)
    )
    torch.testing.assert_close(found.best, targets, rtol=0, atol=0.05)
    torch.testing.assert_close(found.score, (found.best - targets).square().sum(1))


def test_a_minimum_outside_the_box_is_met_on_its_face():
    found = cem_search(
        lambda v: (v - 3).square().sum(2),
        torch.zeros(1, 4),
        torch.ones(1, 4),
        generator=seeded(0),
        low=-1.0,
        high=torch.tensor([0.5, 1.0, 4.0, 4.0]),
    )
    torch.testing.assert_close(found.best, torch.tensor([[0.5, 1.0, 3.0, 3.0]]), rtol=0, atol=0.05)


def narrow_valley(v: Tensor) -> Tensor:
    """A valley along the diagonal, 100 times steeper across than along it; the minimum is at (1.5, 1.5, 1.5)."""
    along = v.mean(2)
    return (along - 1.5).square() + 100 * (v - along[:, :, None]).square().sum(2)


def test_a_full_covariance_turns_into_a_correlated_valley():
    settings = {"samples": 256, "elites": 64, "iterations": 20}
    start = torch.zeros(8, 3), torch.ones(8, 3)
    whole = cem_search(narrow_valley, *start, generator=seeded(0), full=True, **settings)
    diagonal = cem_search(narrow_valley, *start, generator=seeded(0), **settings)
    assert whole.score.mean() < 0.1 * diagonal.score.mean()
    torch.testing.assert_close(whole.best, torch.full((8, 3), 1.5), rtol=0, atol=0.4)


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"horizon": 0}, "horizon"),
        ({"iterations": 0}, "iterations"),
        ({"elites": 1}, "elites"),
        ({"elites": 300}, "elites"),
        ({"smoothing": 1.0}, "smoothing"),
        ({"tolerance": -1.0}, "tolerance"),
        ({"std": 0.0}, "std"),
        ({"action_size": None}, "action_size"),
        ({"action_size": 0}, "action_size"),
        ({"actions": torch.zeros(2, 3, 1)}, "actions"),
        ({"actions": torch.full((1, 5, 1), torch.nan)}, "actions"),
        ({"x0": torch.full((1, 2), torch.nan)}, "x0"),
    ],
)
def test_bad_input_is_refused_by_name(settings, match):
    given = {"x0": torch.zeros(1, 2), "horizon": 5, "generator": seeded(0), "action_size": 1} | settings
    with pytest.raises(ValueError, match=match):
        cem(double_integrator(1.0), given.pop("x0"), **given)


def test_bad_vectors_and_scores_are_refused():
    mean, std = torch.zeros(2, 3), torch.ones(2, 3)
    with pytest.raises(ValueError, match="std"):
        cem_search(lambda v: v.sum(2), mean, std[:, :2], generator=seeded(0))
    with pytest.raises(ValueError, match="low"):
        cem_search(lambda v: v.sum(2), mean, std, generator=seeded(0), low=1.0, high=0.0)
    with pytest.raises(ValueError, match="score"):
        cem_search(lambda v: v.sum(1), mean, std, generator=seeded(0))
    with pytest.raises(FloatingPointError, match="problem 1"):
        cem_search(
            lambda v: v.sum(2) / torch.tensor([[1.0], [0.0]]) * 0 + 1 / torch.tensor([[1.0], [0.0]]),
            mean,
            std,
            generator=seeded(0),
        )
