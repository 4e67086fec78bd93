"""Control on a code: the right units, walls, and what it takes to reach a goal."""

from functools import partial

import pytest
import torch
from torch.overrides import TorchFunctionMode

from agents import LatentMPC
from agents.mpc import voids
from benchmarks.harness.control import drive
from envs import make_world
from envs.tasks import PlanarTask
from planners import Problem, cem, ilqr
from planners.problem import NonFiniteError

OPTIONS = {"starts": 2}


class Sheared:
    """The true position behind a linear map, padded with a number that no action moves."""

    action_size = 2

    def __init__(self, matrix):
        self.matrix = matrix

    def encode(self, observations):
        return torch.cat([observations[:, :2] @ self.matrix.T, observations[:, :1] * 0 + 5], 1)

    def predict(self, code, action):
        return code + torch.cat([action @ self.matrix.T, torch.zeros(len(code), 1)], 1)

    def linearize(self, code, action):
        n = len(code)
        b = torch.cat([self.matrix, torch.zeros(1, 2)])
        return torch.eye(3).expand(n, 3, 3), b.expand(n, 3, 2), torch.zeros(n, 3)


def episodes(matrix, seen=None, memory=12, n=12, **world):
    planar = make_world("planar", **world)
    generator = torch.Generator().manual_seed(1)
    make = partial(LatentMPC, Sheared(matrix), partial(ilqr, iterations=5), generator=generator, **OPTIONS)
    states = planar.sample(4000, generator) if seen else None
    make = partial(make, seen=states, memory=memory)
    return drive(planar, PlanarTask(planar), make, n, 40, generator, observe=lambda factors: factors)


def test_a_linear_change_of_code_changes_nothing_but_rounding():
    first = episodes(torch.eye(2), compat=True)
    second = episodes(torch.tensor([[0.05, 0.4], [-0.3, 0.1]]), compat=True)
    torch.testing.assert_close(first.factors[:, :5], second.factors[:, :5], atol=0.02, rtol=0)


def cem_of(problem, x0, actions, **options):
    """`cem` with the signature of `ilqr`."""
    return cem(
        problem, x0, horizon=actions.shape[1], generator=torch.Generator().manual_seed(0), actions=actions, **options
    )


class Runaway(Sheared):
    """Leads out of all bounds where an action's first component is above `edge`."""

    def __init__(self, edge):
        super().__init__(torch.eye(2))
        self.edge = edge

    def predict(self, code, action):
        return super().predict(code, action) * torch.where(action[:, :1] > self.edge, torch.inf, 1.0)


@pytest.mark.parametrize("planner", [partial(ilqr, iterations=5), partial(cem_of, samples=16, elites=4, iterations=2)])
def test_a_guess_that_the_model_carries_out_of_all_bounds_gives_way_to_another(planner):
    planar = make_world("planar")
    generator = torch.Generator().manual_seed(0)
    states = planar.sample(24, generator)
    calls = []

    def counted(problem, x0, actions):
        calls.append(len(x0))
        return planner(problem, x0, actions)

    agent = LatentMPC(Runaway(2.0), counted, states[:12], generator=generator, starts=4)
    action = agent.act(states[12:])
    assert calls == [48, 48]
    assert action.isfinite().all()
    assert agent.plan.actions.isfinite().all()
    assert agent.plan.cost.isfinite().all()
    with pytest.raises(NonFiniteError, match="problem 0"):
        LatentMPC(Runaway(-9.0), planner, states[:12], generator=generator, starts=4).act(states[12:])


def test_walls_that_are_remembered_or_seen_are_got_around():
    assert episodes(torch.eye(2), memory=0).scores()["held"] < 0.9
    assert episodes(torch.eye(2)).scores()["held"] == 1
    driven = episodes(torch.eye(2), seen=True)
    assert driven.scores()["held"] == 1
    assert driven.scores()["time_in_goal"] > episodes(torch.eye(2)).scores()["time_in_goal"]


def test_voids_are_the_holes_of_a_lattice():
    grid = torch.cartesian_prod(torch.arange(20.0), torch.arange(20.0))
    centre = torch.tensor([9.0, 10.0])
    found = voids(grid[torch.linalg.vector_norm(grid - centre, dim=1) > 3], margin=0.0)
    assert len(found) == 1
    torch.testing.assert_close(found[0, :2], centre, atol=0.3, rtol=0)
    assert 3 < found[0, 2] < 3.5
    assert len(voids(grid)) == 0
    assert voids(torch.rand(30, 1)).shape == (0, 2)


def test_an_episode_at_its_goal_stays_there():
    goal = torch.tensor([[5.0, 5.0, 0.0], [30.0, 30.0, 0.0]])
    agent = LatentMPC(Sheared(torch.eye(2)), partial(ilqr, iterations=5), goal, generator=torch.Generator(), **OPTIONS)
    action = agent.act(torch.tensor([[5.4, 5.0, 0.0], [20.0, 30.0, 0.0]]))
    assert action[0].tolist() == [0, 0]
    torch.testing.assert_close(action[1], torch.tensor([3.0, 0.0]), atol=0.05, rtol=0)
    assert agent.plan.states.shape == (2, 11, 3)


def test_bad_settings_and_batches_are_refused():
    goal = torch.zeros(2, 3)
    make = partial(LatentMPC, Sheared(torch.eye(2)), ilqr, goal, generator=torch.Generator(), **OPTIONS)
    with pytest.raises(ValueError, match="horizon"):
        make(horizon=0)
    with pytest.raises(ValueError, match="2 pictures"):
        make().act(torch.zeros(3, 3))


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("points", ["none", "one", "few", "equal", "line"])
def test_points_that_span_no_volume_have_no_voids(points, size):
    line = torch.arange(9.0)[:, None] * torch.tensor([4.0, 2.0, -3.0])[:size]
    given = {"none": line[:0], "one": line[:1], "few": line[:size], "equal": torch.ones(7, size), "line": line}[points]
    assert voids(given).shape == (0, size + 1)


@pytest.mark.parametrize(("low", "high"), [(1.0, 3.0), (-3.0, -0.5), (-3.0, 3.0)])
def test_actions_are_in_the_box_even_at_the_goal(low, high):
    goal = torch.tensor([[5.0, 5.0, 0.0], [30.0, 30.0, 0.0]])
    agent = LatentMPC(Sheared(torch.eye(2)), partial(ilqr, iterations=5), goal, low=low, high=high, **OPTIONS)
    for observation in (goal, torch.tensor([[5.4, 5.0, 0.0], [20.0, 30.0, 0.0]])):
        action = agent.act(observation)
        assert (action >= low).all()
        assert (action <= high).all()
    with pytest.raises(ValueError, match="low must not exceed high"):
        LatentMPC(Sheared(torch.eye(2)), ilqr, goal, low=3.0, high=1.0)


MAKERS = (torch.zeros, torch.ones, torch.full, torch.empty, torch.eye, torch.arange, torch.linspace, torch.tensor)
MAKERS += (torch.rand, torch.randn, torch.randint, torch.randperm)


class Placed(TorchFunctionMode):
    """Fails where a tensor is made without saying on which device: it would be on the CPU whatever the model's is."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        assert func not in MAKERS or (kwargs or {}).get("device") is not None, f"{func.__name__} has no device"
        return func(*args, **(kwargs or {}))


DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here"))]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_everything_is_where_the_models_codes_are_and_as_precise(device, dtype):
    seen = 40 * torch.rand(200, 3, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    seen = seen[torch.linalg.vector_norm(seen[:, :2] - 20, dim=1) > 6]
    matrix = torch.eye(2, device=device, dtype=dtype)

    class There(Sheared):
        def predict(self, code, action):
            return code + torch.nn.functional.pad(action @ self.matrix.T, (0, 1))

        def linearize(self, code, action):
            n, b = len(code), torch.nn.functional.pad(self.matrix, (0, 0, 0, 1))
            eye = torch.eye(3, device=code.device, dtype=code.dtype)
            return eye.expand(n, 3, 3), b.expand(n, 3, 2), code.new_zeros(n, 3)

    with Placed():
        agent = LatentMPC(There(matrix), partial(ilqr, iterations=5), seen[:2], seen=seen, **OPTIONS)
        for _ in range(2):
            action = agent.act(seen[2:4])
    assert action.device == seen.device
    assert action.dtype == dtype
    assert agent.walls.shape[1] > agent.memory
    with Placed():
        problem = Problem(lambda x, u: x + u, lambda x, u: u.square().sum(1), lambda x: x.square().sum(1), -1.0, 1.0)
        x0, u = seen[:2, :1], seen.new_zeros(2, 4, 1)
        ilqr(problem, x0, u, starts=u[None] + 1)
        drawn = cem(problem, x0, horizon=4, action_size=1, generator=torch.Generator().manual_seed(0), iterations=2)
    assert drawn.actions.device == seen.device
