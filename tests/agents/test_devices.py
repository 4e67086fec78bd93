"""Agents act and planners plan where their pictures and states are, shown on a device that is none."""

from functools import partial

import torch

from agents.factors import Composer, FactorAgent, decompose
from agents.grasp import GraspPlanner
from agents.mpc import LatentMPC
from planners import Problem, cem, ilqr, obstacle_cost
from representations import make
from tests.elsewhere import Device, There, here, there, there_in

FEW = partial(ilqr, iterations=3)
PICTURES = torch.rand(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def seeded():
    return torch.Generator().manual_seed(0)


def learner(name, **settings):
    torch.manual_seed(0)
    return make(name, shape=(1, 16, 16), **settings).eval()


def acted(model, place, agent):
    """The actions of an agent, made of a model, the goals and the seed, and of what it sees."""
    goal, seen = place(PICTURES[:2]), place(PICTURES[2:])
    made = agent(model, goal)
    return [made.act(seen) for _ in range(2)]


def same(make_model, agent):
    wanted = acted(make_model(), lambda pictures: pictures, agent)
    away = there_in(make_model())
    with Device():
        found = acted(away, there, agent)
    for ours, theirs in zip(wanted, found, strict=True):
        assert isinstance(theirs, There)
        torch.testing.assert_close(here(theirs), ours)


def test_control_on_a_code():
    options = {"horizon": 3, "starts": 2, "memory": 2, "generator": seeded(), "seen": None}
    model = partial(learner, "rce", code_size=2, action_size=2, hidden=8)
    same(model, lambda made, goal: LatentMPC(made, FEW, goal, **options | {"generator": seeded()}))


def test_control_by_factors():
    model = partial(learner, "icf", code_size=2, channels=4, samples=2)
    same(model, lambda made, goal: FactorAgent(made, seeded(), epsilon=0.1))
    same(model, lambda made, goal: Composer(made, goal, seeded(), samples=5, memory=3))
    away = there_in(model())
    with Device():
        code = away.encode(there(PICTURES))
        way = decompose(away, code[:2], code[2:], seeded(), depth=2, samples=3)
    assert all(isinstance(part, There) for part in (way.factors, way.codes, way.steps))


class Judge:
    """Grasps nearer to the origin are better."""

    def perceive(self, rgbd, cameras):
        return {"rgbd": rgbd}

    def outcome(self, seen, poses, openings):
        return -poses[..., :3, 3].norm(dim=-1)


def test_grasps():
    pose = torch.eye(4).repeat(2, 1, 1)
    pose[:, 2, 3] = 0.1
    seen = {"pose": pose, "opening": torch.full((2,), 0.05), "seen": {}}
    away = {"pose": there(pose), "opening": there(seen["opening"]), "seen": {}}
    for call in (lambda planner, given: planner.act(given), lambda planner, given: planner.plan(given, 8, 3, 2)):
        wanted = call(GraspPlanner(Judge(), seeded()), seen)
        with Device():
            found = call(GraspPlanner(Judge(), seeded()), away)
        assert isinstance(found, There)
        torch.testing.assert_close(here(found), wanted)


def test_plans_round_obstacles():
    around = obstacle_cost(torch.tensor([[0.5, 0.5]]), 0.2, 10.0)
    problem = Problem(
        lambda x, u: x + u, lambda x, u: u.square().sum(1) + around(x), lambda x: (x - 1).square().sum(1), -0.3, 0.3
    )
    x0 = torch.zeros(2, 2)
    wanted = cem(problem, x0, horizon=5, action_size=2, generator=seeded(), iterations=2)
    with Device():
        found = cem(problem, there(x0), horizon=5, action_size=2, generator=seeded(), iterations=2)
    assert isinstance(found.actions, There)
    torch.testing.assert_close(here(found.actions), wanted.actions)
