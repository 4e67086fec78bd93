"""iLQR against closed forms, finite differences and scipy, and what it says about bad input."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import scipy.optimize
import torch
from torch import Tensor

from benchmarks.speed.locally_linear import locally_linear, random_weights
from planners import Problem, cem, ilqr, obstacle_cost
from planners.derivatives import convex, linearize, quadratize
from planners.rollout import rollout, total_cost

DATA = Path(__file__).parents[3] / "shared" / "data" / "ilqr_problem.npz"


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear_quadratic(seed: int, n: int, m: int, low: float | None = None, high: float | None = None):
    g = seeded(seed)
    a = torch.eye(n, dtype=torch.float64) + 0.1 * torch.randn(n, n, generator=g, dtype=torch.float64)
    b = torch.randn(n, m, generator=g, dtype=torch.float64)
    q, r, s = (torch.randn(k, k, generator=g, dtype=torch.float64) for k in (n, m, n))
    q, r, s = q @ q.T, r @ r.T + torch.eye(m, dtype=torch.float64), s @ s.T

    def form(matrix: Tensor) -> Callable[[Tensor], Tensor]:
        return lambda x: (x @ matrix * x).sum(1)

    problem = Problem(
        lambda x, u: x @ a.T + u @ b.T, lambda x, u: form(q)(x) + form(r)(u), lambda x: form(s)(x), low, high
    )
    return problem, (a, b, q, r, s)


def pendulum(low: float | None, high: float | None) -> Problem:
    def dynamics(x: Tensor, u: Tensor) -> Tensor:
        speed = x[:, 1] + 0.1 * (-5 * torch.sin(x[:, 0]) + u[:, 0])
        return torch.stack([x[:, 0] + 0.1 * speed, speed], 1)

    def cost(x: Tensor, u: Tensor) -> Tensor:
        return 0.1 * x[:, 1] ** 2 + 0.05 * u.square().sum(1) + (torch.cos(x[:, 0]) + 1)

    return Problem(dynamics, cost, lambda x: 20 * (torch.cos(x[:, 0]) + 1) + x[:, 1] ** 2, low, high)


def scipy_optimum(problem: Problem, x0: Tensor, actions: Tensor) -> float:
    def value(flat: np.ndarray) -> tuple[float, np.ndarray]:
        u = torch.as_tensor(flat).view(-1, 1, actions.shape[1]).requires_grad_()
        cost = total_cost(problem, rollout(problem, x0[None], u), u, None)
        cost.sum().backward()
        return cost.item(), u.grad.flatten().numpy()

    low, high = (bound.expand(1, *actions.shape).flatten().tolist() for bound in problem.box(actions[None]))
    bounds = list(zip(low, high, strict=True))
    options = {"maxiter": 3000, "maxfun": 10000, "ftol": 1e-15, "gtol": 1e-9}
    start = actions.flatten().numpy()
    return scipy.optimize.minimize(value, start, jac=True, bounds=bounds, method="L-BFGS-B", options=options).fun


@pytest.mark.parametrize(("n", "m"), [(1, 1), (2, 1), (3, 2), (4, 3)])
def test_a_linear_quadratic_problem_takes_one_iteration_and_meets_the_riccati_recursion(n, m):
    problem, (a, b, q, r, s) = linear_quadratic(n, n, m)
    x0 = torch.randn(5, n, generator=seeded(1), dtype=torch.float64)
    plan = ilqr(problem, x0, torch.zeros(5, 12, m, dtype=torch.float64))
    value, gains = s, []
    for _ in range(12):
        gains.insert(0, torch.linalg.solve(r + b.T @ value @ b, b.T @ value @ a))
        value = q + a.T @ value @ (a - b @ gains[0])
    assert plan.converged.all()
    assert plan.iterations.tolist() == [1] * 5
    torch.testing.assert_close(plan.cost, (x0 @ value * x0).sum(1))
    for t, gain in enumerate(gains):
        torch.testing.assert_close(plan.actions[:, t], -plan.states[:, t] @ gain.T)


def test_a_long_horizon_meets_the_algebraic_riccati_equation():
    problem, (a, b, q, r, _) = linear_quadratic(3, 3, 2)
    x0 = torch.randn(4, 3, generator=seeded(2), dtype=torch.float64)
    plan = ilqr(problem, x0, torch.zeros(4, 150, 2, dtype=torch.float64))
    value = torch.as_tensor(scipy.linalg.solve_discrete_are(a.numpy(), b.numpy(), q.numpy(), r.numpy()))
    torch.testing.assert_close(plan.cost, (x0 @ value * x0).sum(1), rtol=1e-8, atol=0)


@pytest.mark.parametrize(("n", "m"), [(2, 1), (3, 2), (4, 3)])
def test_a_boxed_linear_quadratic_problem_takes_one_iteration_too(n, m):
    problem, _ = linear_quadratic(n, n, m, -0.3, 0.2)
    x0 = torch.randn(4, n, generator=seeded(3), dtype=torch.float64)
    plan = ilqr(problem, x0, torch.zeros(4, 10, m, dtype=torch.float64))
    assert plan.converged.all()
    assert plan.iterations.tolist() == [1] * 4
    assert plan.actions.min() == -0.3
    for i in range(4):
        assert plan.cost[i].item() == pytest.approx(scipy_optimum(problem, x0[i], plan.actions[i] * 0), rel=1e-8)


def test_float32_is_planned_in_float32():
    problem = locally_linear(random_weights(seeded(0), dtype=torch.float32), torch.ones(2), 1.0)
    x0 = torch.randn(4, 2, generator=seeded(3))
    plan = ilqr(problem, x0, torch.zeros(4, 20, 2))
    assert plan.actions.dtype == plan.states.dtype == plan.cost.dtype == torch.float32
    assert plan.converged.all()


def test_derivatives_meet_finite_differences_and_the_supplied_ones():
    goal = torch.ones(2, dtype=torch.float64)
    automatic = locally_linear(random_weights(seeded(0)), goal, 1.0)
    supplied = locally_linear(random_weights(seeded(0)), goal, 1.0, supplied=True)
    z = torch.randn(6, 4, generator=seeded(4), dtype=torch.float64)
    states = torch.cat([z[None, :, :2], z[None, :, :2]])
    found = linearize(automatic, states, z[None, :, 2:])
    slope, bend = quadratize(automatic, states, z[None, :, 2:], None)
    torch.testing.assert_close(found, linearize(supplied, states, z[None, :, 2:]))
    for ours, given in zip((slope, bend), quadratize(supplied, states, z[None, :, 2:], None), strict=True):
        torch.testing.assert_close(ours, given)
    h = 1e-5
    for j, unit in enumerate(torch.eye(4, dtype=torch.float64)):
        above, below = z + h * unit, z - h * unit
        moved = automatic.dynamics(above[:, :2], above[:, 2:]) - automatic.dynamics(below[:, :2], below[:, 2:])
        torch.testing.assert_close(found[0, :, :, j], moved / (2 * h), rtol=1e-7, atol=1e-8)
        rise = automatic.cost(above[:, :2], above[:, 2:]) - automatic.cost(below[:, :2], below[:, 2:])
        torch.testing.assert_close(slope[0, :, j], rise / (2 * h), rtol=1e-7, atol=1e-7)


def test_an_indefinite_hessian_loses_its_negative_part_only():
    hessian = torch.stack([torch.diag(torch.tensor([2.0, -1.0])), torch.tensor([[2.0, 1.0], [1.0, 2.0]])])
    fixed, indefinite = convex(hessian)
    torch.testing.assert_close(fixed[0], torch.diag(torch.tensor([2.0, 0.0])))
    assert torch.equal(fixed[1], hessian[1])
    assert indefinite.tolist() == [True, False]


@pytest.mark.parametrize("supplied", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_the_boxed_optimum_of_a_locally_linear_model_is_scipys(seed, supplied):
    goal = torch.tensor([1.0, -0.5], dtype=torch.float64)
    problem = locally_linear(random_weights(seeded(seed)), goal, 0.8, supplied=supplied)
    x0 = torch.randn(3, 2, generator=seeded(seed), dtype=torch.float64)
    plan = ilqr(problem, x0, torch.zeros(3, 25, 2, dtype=torch.float64))
    assert plan.converged.all()
    assert plan.iterations.double().mean() <= 4
    assert plan.actions.abs().max() == 0.8
    for i in range(3):
        best = scipy_optimum(problem, x0[i], torch.zeros(25, 2, dtype=torch.float64))
        assert plan.cost[i].item() == pytest.approx(best, rel=1e-5)


def test_a_torque_limited_pendulum_swings_up_as_well_as_scipy_can_improve_on():
    problem = pendulum(-3.0, 3.0)
    x0 = torch.tensor([[0.1, 0.0], [1.0, 0.5], [2.5, -1.0]], dtype=torch.float64)
    start = torch.randn(3, 40, 1, generator=seeded(5), dtype=torch.float64)
    plan = ilqr(problem, x0, start, iterations=300, tolerance=1e-10)
    assert plan.converged.all(), plan.reason
    assert plan.actions.abs().max() <= 3
    for i in range(3):
        assert plan.cost[i].item() == pytest.approx(scipy_optimum(problem, x0[i], plan.actions[i]), rel=1e-6)


@pytest.mark.skipif(not DATA.exists(), reason="the reference problem is not on this machine")
@pytest.mark.parametrize("supplied", [False, True])
def test_the_reference_problem_is_solved_in_four_iterations(supplied):
    data = {name: torch.as_tensor(value) for name, value in np.load(DATA).items()}
    weights = tuple(data[f"{layer}_{kind}"] for layer in ("net_0", "net_2", "head") for kind in ("weight", "bias"))
    for limit, best in ((data["limit"].item(), data["boxed_cost"]), (None, data["free_cost"])):
        problem = locally_linear(weights, data["goal"], limit, data["q"].item(), data["r"].item(), supplied)
        zeros = torch.zeros(32, int(data["horizon"]), 2, dtype=torch.float64)
        plan = ilqr(problem, data["x0"][:32], zeros)
        assert plan.converged.all()
        assert plan.iterations.double().mean() <= 4
        torch.testing.assert_close(plan.cost, best, rtol=1e-5, atol=0)


def test_a_batch_is_solved_as_its_problems_are_one_by_one():
    problem = pendulum(-3.0, 3.0)
    x0 = torch.randn(5, 2, generator=seeded(6), dtype=torch.float64)
    start = torch.randn(5, 20, 1, generator=seeded(7), dtype=torch.float64)
    together = ilqr(problem, x0, start)
    for i in range(5):
        alone = ilqr(problem, x0[i : i + 1], start[i : i + 1])
        torch.testing.assert_close(together.actions[i : i + 1], alone.actions, rtol=1e-6, atol=1e-8)
        assert together.iterations[i] == alone.iterations[0]


def test_a_warm_start_from_the_optimum_has_converged_already():
    problem = locally_linear(random_weights(seeded(1)), torch.ones(2, dtype=torch.float64), 0.8)
    x0 = torch.randn(4, 2, generator=seeded(8), dtype=torch.float64)
    plan = ilqr(problem, x0, torch.zeros(4, 20, 2, dtype=torch.float64), tolerance=1e-8)
    again = ilqr(problem, x0, plan.actions)
    assert again.converged.all()
    assert again.iterations.tolist() == [0] * 4
    assert torch.equal(again.actions, plan.actions)


def test_a_plan_is_its_own_rollout_and_reports_running_out_of_iterations():
    problem = pendulum(-2.0, 4.0)
    x0 = torch.tensor([[0.1, 0.0]], dtype=torch.float64)
    plan = ilqr(problem, x0, torch.full((1, 30, 1), 9.0, dtype=torch.float64), iterations=2)
    moves = plan.actions.transpose(0, 1)
    states = rollout(problem, x0, moves)
    torch.testing.assert_close(plan.states.transpose(0, 1), states)
    torch.testing.assert_close(plan.cost, total_cost(problem, states, moves, None))
    assert plan.actions.min() >= -2
    assert plan.actions.max() <= 4
    assert not plan.converged[0]
    assert plan.iterations.tolist() == [2]
    assert "2 iterations" in plan.reason[0]


def test_an_obstacle_is_gone_around():
    goal = torch.tensor([4.0, 0.0], dtype=torch.float64)
    wall = obstacle_cost(torch.tensor([[2.0, 0.0]], dtype=torch.float64), 1.2, 200.0)
    problem = Problem(
        lambda x, u: x + u,
        lambda x, u: 0.1 * (x - goal).square().sum(1) + u.square().sum(1) + wall(x),
        lambda x: 50 * (x - goal).square().sum(1),
        -0.5,
        0.5,
    )
    x0 = torch.tensor([[0.0, 0.05], [0.0, -0.05]], dtype=torch.float64)
    plan = ilqr(problem, x0, torch.zeros(2, 25, 2, dtype=torch.float64), iterations=200)
    assert plan.converged.all(), plan.reason
    nearest = (plan.states - torch.tensor([2.0, 0.0])).norm(dim=2).amin(1)
    assert (nearest > 1.0).all()
    torch.testing.assert_close(plan.states[:, -1], goal.expand(2, 2), rtol=0, atol=0.1)
    assert plan.states[0, :, 1].max() > 0.9
    assert plan.states[1, :, 1].min() < -0.9


def test_context_gives_every_problem_its_goal_and_every_step_its_weight():
    goals = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 1.0]], dtype=torch.float64)
    x0 = torch.zeros(3, 2, dtype=torch.float64)
    start = torch.zeros(3, 8, 2, dtype=torch.float64)

    def problem(context: Tensor) -> Problem:
        return Problem(
            lambda x, u: x + u,
            lambda x, u, c: c[:, 2] * (x - c[:, :2]).square().sum(1) + u.square().sum(1),
            lambda x, c: c[:, 2] * (x - c[:, :2]).square().sum(1),
            context=context,
        )

    weights = torch.arange(9, dtype=torch.float64)
    context = torch.cat([goals[:, None].expand(3, 9, 2), weights[None, :, None].expand(3, 9, 1)], 2)
    together = ilqr(problem(context), x0, start)
    assert together.iterations.tolist() == [1, 1, 1]
    for i in range(3):
        alone = ilqr(problem(context[i : i + 1]), x0[:1], start[:1])
        torch.testing.assert_close(together.actions[i : i + 1], alone.actions)
    with pytest.raises(ValueError, match="context"):
        ilqr(problem(context[:2]), x0, start)


def test_dynamics_that_blow_up_are_named_by_step_and_problem():
    problem = Problem(lambda x, u: x.exp() + u, lambda x, u: u.square().sum(1), lambda x: x.square().sum(1))
    x0 = torch.tensor([[-1e9], [2.0]], dtype=torch.float64)
    with pytest.raises(FloatingPointError, match=r"dynamics.*step 2 of problem 1"):
        ilqr(problem, x0, torch.zeros(2, 5, 1, dtype=torch.float64))


def distance(x: Tensor) -> Tensor:
    """Its slope at 0 is 0 / 0."""
    return x.square().sum(1).sqrt()


def test_a_cost_without_a_derivative_is_named_by_step_and_problem():
    x0, start = torch.tensor([[1.0, 1.0], [0.0, 0.0]]), torch.zeros(2, 4, 2)
    running = Problem(lambda x, u: x + u, lambda x, u: distance(x) + u.square().sum(1), lambda x: x.square().sum(1))
    with pytest.raises(FloatingPointError, match=r"derivative of cost is not finite: at step 0 of problem 1"):
        ilqr(running, x0, start)
    final = Problem(lambda x, u: x + u, lambda x, u: u.square().sum(1), distance)
    with pytest.raises(FloatingPointError, match=r"derivative of final_cost is not finite: at step 4 of problem 1"):
        ilqr(final, x0, start)


def test_a_problem_keeps_its_number_when_others_have_finished():
    def cost(x: Tensor, u: Tensor) -> Tensor:
        return (x - 1).square().sum(1) + u.square().sum(1) + (x[:, 0] - 1).clamp(min=0).sqrt()

    problem = Problem(lambda x, u: x + u, cost, lambda x: 100 * (x - 1).square().sum(1))
    x0 = torch.tensor([[0.0], [0.0], [0.0]])
    start = torch.tensor([[0.5, 0.3], [0.5, 0.3], [1.0, 0.0]])[..., None]  # the third stands where sqrt has no slope
    with pytest.raises(FloatingPointError, match="problem 2"):
        ilqr(problem, x0, start)


@pytest.mark.parametrize("final", [torch.inf, torch.nan])
def test_a_final_cost_that_is_not_finite_is_named_by_the_last_step(final):
    problem = Problem(
        lambda x, u: x + u, lambda x, u: u.square().sum(1), lambda x: torch.where(x[:, 0] > 1, final, 0.0)
    )
    x0, start = torch.tensor([[0.0], [2.0]]), torch.zeros(2, 3, 1)
    with pytest.raises(FloatingPointError, match=r"final_cost is not finite: the cost at step 3 of problem 1"):
        ilqr(problem, x0, start)
    with pytest.raises(FloatingPointError, match=r"step 3 of problem 1"):
        cem(problem, x0, horizon=3, action_size=1, generator=seeded(0))


def hanging(steps: int) -> tuple[Problem, Tensor, Tensor]:
    """A pendulum at rest, which costs the same on both sides, and no torque."""
    problem = pendulum(-3.0, 3.0)
    return problem, torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1, steps, 1, dtype=torch.float64)


@pytest.mark.parametrize("boxed", [True, False])
def test_a_start_without_a_slope_is_called_no_minimum_and_other_starts_lead_away(boxed):
    problem, x0, still = hanging(40)
    problem = problem if boxed else pendulum(None, None)
    plan = ilqr(problem, x0, still)
    assert plan.iterations.tolist() == [0]
    assert not plan.converged[0]
    assert "no minimum" in plan.reason[0]
    starts = torch.randn(3, 1, 40, 1, generator=seeded(1), dtype=torch.float64)
    better = ilqr(problem, x0, still, starts=starts, iterations=300)
    assert better.converged[0], better.reason
    assert better.cost[0] < 0.5 * plan.cost[0]
    alone = [ilqr(problem, x0, start, iterations=300).cost.item() for start in starts]
    assert better.cost.item() == pytest.approx(min(alone), rel=1e-6)


def test_a_true_minimum_at_the_start_has_converged():
    problem, _, still = hanging(40)
    upright = torch.tensor([[torch.pi, 0.0]], dtype=torch.float64)
    plan = ilqr(problem, upright, still)
    assert plan.converged[0], plan.reason
    assert plan.iterations.tolist() == [0]


def test_a_saddle_of_the_dynamics_alone_is_seen_as_well():
    # The cost is convex in the state, and only the dynamics bend: x' = u^2 has no slope at u = 0 and J = -u^2 falls.
    problem = Problem(lambda x, u: x + u.square(), lambda x, u: 0 * u.sum(1), lambda x: (x[:, 0] - 2).square())
    plan = ilqr(problem, torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, 3, 1, dtype=torch.float64))
    assert "no minimum" in plan.reason[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_slight_saddle_is_seen_in_either_precision(dtype):
    # J = +-e (sum u)^2 + b^2 has no slope at u = 0. The second state b moves nothing, but a curvature of e has to be seen
    # beside its weight.
    slight, steps = 5e-5, 4

    def problem(sign: float) -> Problem:
        return Problem(
            lambda x, u: x + torch.cat([u, 0 * u], 1),
            lambda x, u: 0 * u.sum(1),
            lambda x: sign * slight * x[:, 0].square() + x[:, 1].square(),
        )

    x0, still = torch.zeros(1, 2, dtype=dtype), torch.zeros(1, steps, 1, dtype=dtype)
    assert "no minimum" in ilqr(problem(-1.0), x0, still).reason[0]
    bowl = ilqr(replace(problem(1.0), cost=lambda x, u: slight * u.square().sum(1)), x0, still)
    assert bowl.converged[0], bowl.reason


def test_starts_that_blow_up_are_left_out_and_every_problem_keeps_its_own():
    problem = Problem(
        lambda x, u: torch.where(u > 5, torch.inf, x + u),
        lambda x, u, c: u.square().sum(1),
        lambda x, c: 100 * (x - c).square().sum(1),
        context=torch.tensor([[[1.0]], [[-2.0]]], dtype=torch.float64),
    )
    x0, zeros = torch.zeros(2, 1, dtype=torch.float64), torch.zeros(2, 4, 1, dtype=torch.float64)
    plan = ilqr(problem, x0, zeros, starts=torch.stack([zeros + 9, zeros + 1]))
    assert plan.actions.shape == (2, 4, 1)
    torch.testing.assert_close(plan.states[:, -1, 0], torch.tensor([1.0, -2.0]).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(plan.cost, ilqr(problem, x0, zeros).cost)


def test_bounds_that_change_with_step_and_problem_are_met_and_the_optimum_is_scipys():
    problem, _ = linear_quadratic(2, 2, 2)
    x0 = torch.randn(3, 2, generator=seeded(4), dtype=torch.float64)
    high = 0.05 + 0.3 * torch.rand(6, 3, 2, generator=seeded(5), dtype=torch.float64)  # [T, B, m]
    boxed = replace(problem, low=-high, high=high)
    plan = ilqr(boxed, x0, torch.zeros(3, 6, 2, dtype=torch.float64))
    assert plan.converged.all()
    assert (plan.actions.abs() <= high.transpose(0, 1)).all()
    for i in range(3):
        alone = replace(problem, low=-high[:, i : i + 1], high=high[:, i : i + 1])
        best = scipy_optimum(alone, x0[i], torch.zeros(6, 2, dtype=torch.float64))
        assert plan.cost[i].item() == pytest.approx(best, rel=1e-7)
    by_step = ilqr(replace(problem, low=-high[:, :1], high=high[:, :1]), x0, torch.zeros(3, 6, 2, dtype=torch.float64))
    assert (by_step.actions.abs() <= high[:, 0]).all()
    drawn = cem(boxed, x0, horizon=6, generator=seeded(0), iterations=3)
    assert (drawn.actions.abs() <= high.transpose(0, 1)).all()


@pytest.mark.parametrize("shape", [(5, 3, 2), (6, 2, 2), (6, 3, 1)])
def test_bounds_of_another_horizon_or_batch_are_refused(shape):
    problem, _ = linear_quadratic(2, 2, 2)
    with pytest.raises(ValueError, match="high"):
        ilqr(replace(problem, high=torch.ones(shape)), torch.zeros(3, 2).double(), torch.zeros(3, 6, 2).double())


def test_a_problem_that_changes_with_time_meets_its_riccati_recursion():
    g, (steps, n, m) = seeded(9), (8, 3, 2)
    a = torch.eye(n).double() + 0.3 * torch.randn(steps, n, n, generator=g, dtype=torch.float64)
    b = torch.randn(steps, n, m, generator=g, dtype=torch.float64)
    q = torch.rand(steps, generator=g, dtype=torch.float64)
    x0, start = torch.randn(4, n, generator=g, dtype=torch.float64), torch.zeros(4, steps, m, dtype=torch.float64)
    problem = Problem(
        lambda x, u, t: (a[t] @ x.unsqueeze(2) + b[t] @ u.unsqueeze(2)).squeeze(2),
        lambda x, u, t: q[t] * x.square().sum(1) + u.square().sum(1),
        lambda x: x.square().sum(1),
        timed=True,
    )
    supplied = replace(problem, linearize=lambda x, u, t: (a[t], b[t]))
    value = torch.eye(n, dtype=torch.float64)
    for t in range(steps - 1, -1, -1):
        gain = torch.linalg.solve(torch.eye(m).double() + b[t].T @ value @ b[t], b[t].T @ value @ a[t])
        value = q[t] * torch.eye(n).double() + a[t].T @ value @ (a[t] - b[t] @ gain)
    for one in (problem, supplied):
        plan = ilqr(one, x0, start)
        assert plan.iterations.tolist() == [1] * 4
        torch.testing.assert_close(plan.cost, (x0 @ value * x0).sum(1))
    drawn = cem(problem, x0, horizon=steps, actions=plan.actions, generator=seeded(0), iterations=2)
    torch.testing.assert_close(drawn.cost, plan.cost)


def test_first_actions_of_another_precision_are_taken_in_that_of_the_states():
    problem = pendulum(-3.0, 3.0)
    plan = ilqr(problem, torch.ones(1, 2, dtype=torch.float64), torch.zeros(1, 5, 1))
    assert plan.actions.dtype == torch.float64


def test_a_derivative_that_is_not_finite_is_named_by_step():
    problem = Problem(lambda x, u: x.abs().sqrt() + u, lambda x, u: u.square().sum(1), lambda x: x.square().sum(1))
    with pytest.raises(FloatingPointError, match=r"derivative of dynamics.*step 0 of problem 0"):
        ilqr(problem, torch.zeros(1, 1), torch.zeros(1, 3, 1))


@pytest.mark.parametrize(
    ("x0", "actions", "settings", "match"),
    [
        (torch.zeros(3), torch.zeros(3, 5, 1), {}, "x0"),
        (torch.full((3, 2), torch.nan), torch.zeros(3, 5, 1), {}, "x0"),
        (torch.zeros(3, 2), torch.zeros(2, 5, 1), {}, "actions"),
        (torch.zeros(3, 2), torch.zeros(3, 0, 1), {}, "actions"),
        (torch.zeros(3, 2), torch.full((3, 5, 1), torch.inf), {}, "actions"),
        (torch.zeros(3, 2), torch.zeros(3, 5, 1), {"starts": torch.zeros(3, 5, 1)}, "starts"),
        (torch.zeros(3, 2), torch.zeros(3, 5, 1), {"iterations": 0}, "iterations"),
        (torch.zeros(3, 2), torch.zeros(3, 5, 1), {"tolerance": float("nan")}, "tolerance"),
        (torch.zeros(3, 2), torch.zeros(3, 5, 3), {}, "low"),
    ],
)
def test_bad_input_is_refused_by_name(x0, actions, settings, match):
    low = torch.tensor([-1.0]) if actions.shape[-1] == 1 else torch.tensor([-1.0, -1.0])
    problem = Problem(lambda x, u: x + u, lambda x, u: u.square().sum(1), lambda x: x.square().sum(1), low, 1.0)
    with pytest.raises(ValueError, match=match):
        ilqr(problem, x0, actions, **settings)


def test_a_box_that_is_empty_or_nan_and_functions_of_the_wrong_shape_are_refused():
    def dynamics(x: Tensor, u: Tensor) -> Tensor:
        return x + u

    def cost(x: Tensor, u: Tensor) -> Tensor:
        return u.square().sum(1)

    def final(x: Tensor) -> Tensor:
        return x.square().sum(1)

    crossing = torch.ones(4, 1, 2).index_fill(0, torch.tensor([2]), -3.0)
    with pytest.raises(ValueError, match=r"low must not exceed high, got low=0 and high=-3 at \[2, 0, 0\]"):
        Problem(dynamics, cost, final, torch.zeros(2), crossing)
    for low, high in ((1.0, 0.0), (float("nan"), 1.0), (torch.zeros(2), torch.ones(3)), (torch.zeros(1, 1), None)):
        with pytest.raises(ValueError, match="low"):
            Problem(dynamics, cost, final, low, high)
    x0, actions = torch.zeros(2, 1), torch.zeros(2, 3, 1)
    with pytest.raises(ValueError, match="dynamics"):
        ilqr(Problem(lambda x, u: (x + u).sum(1), cost, final), x0, actions)
    with pytest.raises(ValueError, match="cost"):
        ilqr(Problem(dynamics, lambda x, u: u.square(), final), x0, actions)
    with pytest.raises(ValueError, match="final_cost"):
        ilqr(Problem(dynamics, cost, lambda x: x), x0, actions)
    with pytest.raises(TypeError, match="x0"):
        ilqr(Problem(dynamics, cost, final), torch.zeros(2, 1, dtype=torch.int64), actions)
