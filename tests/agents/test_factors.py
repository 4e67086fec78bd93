"""Acting by factors, on a grid whose code, factors and policies are known."""

from functools import partial

import pytest
import torch

from agents import Composer, FactorAgent, FactorMPC
from agents.factors import decompose
from planners import ilqr

MOVES = torch.tensor([[0.0, -1.0], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]])


class Grid:
    """Positions as codes; the four unit moves as factors; the policy of a factor takes the action most like it."""

    action_size = 2

    def encode(self, observations):
        return observations

    def draw_factors(self, code, n, generator=None):
        noise = torch.randint(4, (len(code), n, 1), generator=generator)
        return MOVES[noise[..., 0]], noise.float()

    def log_policy(self, code, factor, allowed=None):
        logits = 8 * factor @ MOVES.T
        return (logits if allowed is None else logits.masked_fill(~allowed, -1e9)).log_softmax(-1)

    def predict(self, code, factor):
        return code + factor

    def linearize(self, code, factor):
        identity = torch.eye(2).expand(len(code), 2, 2)
        return identity, identity, torch.zeros_like(code)


def walk(agent, start, goal, steps, walls=()):
    now, taken = start.clone(), 0
    while taken < steps and not torch.equal(now, goal):
        taken += 1
        to = (now + MOVES[agent.act(now)]).clamp(0, 5)
        blocked = torch.tensor([tuple(place) in walls for place in to.int().tolist()])
        now = torch.where(blocked[:, None] | (now == goal).all(1)[:, None], now, to)
    return now, taken


def test_composed_factors_take_the_shortest_way_where_nothing_is_in_it(generator):
    start = torch.randint(6, (30, 2), generator=generator).float()
    goal = torch.randint(6, (30, 2), generator=generator).float()
    agent = Composer(Grid(), goal, generator)
    now, steps = walk(agent, start, goal, 30)
    assert torch.equal(now, goal)
    assert steps == int((start - goal).abs().sum(1).max())


def test_a_dead_end_is_left_again(generator):
    walls = {(1, 3), (2, 3), (3, 3), (4, 3), (1, 2), (4, 2)}  # a cup that opens to the left
    start, goal = torch.tensor([[2.0, 2.0], [3.0, 1.0]]), torch.tensor([[2.0, 5.0], [3.0, 4.0]])
    assert torch.equal(walk(Composer(Grid(), goal, generator), start, goal, 80, walls)[0], goal)
    stubborn = Composer(Grid(), goal, generator, patience=0.0, depth=1)
    assert not torch.equal(walk(stubborn, start, goal, 80, walls)[0], goal)


def test_a_way_is_written_as_its_moves(generator):
    start = torch.randint(6, (40, 2), generator=generator).float()
    goal = torch.randint(6, (40, 2), generator=generator).float()
    goal[0] = start[0]
    way = decompose(Grid(), start, goal, generator, depth=12)
    assert torch.equal(way.steps, (start - goal).abs().sum(1).long())
    assert torch.equal(start + way.factors.sum(1), goal)
    for t in range(way.codes.shape[1]):
        on = way.steps > t
        assert torch.equal((start + way.factors[:, : t + 1].sum(1))[on], way.codes[on, t])
    cut = decompose(Grid(), start, goal, generator, depth=3)
    assert torch.equal(cut.steps, way.steps.clamp(max=3))


class Lamp(Grid):
    """A room in which a lamp, the third number of the code, is switched in the cell (0, 0) only; nothing leads outside."""

    action_size = 3

    def draw_factors(self, code, n, generator=None):
        noise = torch.randint(6, (len(code), n, 1), generator=generator)
        return torch.cat([torch.eye(3), -torch.eye(3)])[noise[..., 0]], noise.float()

    def predict(self, code, factor):
        moved = code + factor
        possible = ((moved >= 0) & (moved <= torch.tensor([5.0, 5.0, 1.0]))).all(-1)
        possible = possible & ((factor[..., 2] == 0) | (code[..., :2] == 0).all(-1))
        return torch.where(possible[..., None], moved, code)

    def log_policy(self, code, factor, allowed=None):
        return (8 * factor @ torch.cat([torch.eye(3), -torch.eye(3)]).T).log_softmax(-1)

    def go(self, agent, start, goal, steps):
        now, taken = start, torch.zeros(len(start))
        for _ in range(steps):
            taken += (now != goal).any(1)
            factor = torch.cat([torch.eye(3), -torch.eye(3)])[agent.act(now)]
            now = torch.where((now == goal).all(1, keepdim=True), now, self.predict(now, factor))
        return (now == goal).all(1), taken


def test_a_switch_far_from_start_and_goal_is_set_on_the_shortest_way(generator):
    start, goal = (torch.randint(6, (20, 2), generator=generator).float() for _ in range(2))
    dark, light = torch.zeros(20, 1), torch.ones(20, 1)
    start, goal = torch.cat([start, dark], 1), torch.cat([goal, light], 1)
    room = Lamp()
    arrived, taken = room.go(Composer(room, goal, generator), start, goal, 24)
    assert arrived.all()
    assert torch.equal(taken, start[:, :2].sum(1) + 1 + goal[:, :2].sum(1))
    short, _ = room.go(Composer(room, goal, generator, depth=1), start, goal, 24)
    assert short.float().mean() < 0.5  # nearer and nearer does not lead to the switch


def test_what_is_believed_but_does_not_happen_is_tried_once(generator):
    class Believer(Lamp):
        def predict(self, code, factor):
            moved = code + factor
            possible = ((moved >= 0) & (moved <= torch.tensor([5.0, 5.0, 1.0]))).all(-1)
            return torch.where(possible[..., None], moved, code)  # that the lamp is switched everywhere

    start, goal = torch.tensor([[1.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 1.0]])
    agent = Composer(Believer(), goal, generator)
    assert Lamp().go(agent, start, goal, 40)[0].all()


def test_where_nothing_leads_anywhere_something_is_tried(generator):
    class Stuck(Grid):
        def predict(self, code, factor):
            return code + factor

    agent, here = Composer(Stuck(), torch.tensor([[3.0, 3.0]]), generator), torch.zeros(1, 2)
    assert {int(agent.act(here)) for _ in range(12)} == {0, 1, 2, 3}


def test_a_factor_is_held_and_its_chances_are_told(generator):
    agent = FactorAgent(Grid(), generator, hold=3, epsilon=0.2)
    code = torch.zeros(2000, 2)
    allowed = torch.tensor([True, True, True, False]).expand(2000, 4)
    seen, first = [], None
    for step in range(6):
        action = agent.act(code, allowed)
        first = agent.factor if step % 3 == 0 else first
        assert torch.equal(agent.factor, first)
        assert (action != 3).all()
        chance = 0.8 * Grid().log_policy(code, agent.factor, allowed).exp() + 0.2 * allowed / 3
        torch.testing.assert_close(agent.chances, chance.gather(1, action[:, None])[:, 0])
        seen.append((chance, action))
    counts = torch.stack([torch.nn.functional.one_hot(a, 4).float() for _, a in seen]).mean((0, 1))
    torch.testing.assert_close(counts, torch.stack([c for c, _ in seen]).mean((0, 1)), atol=0.02, rtol=0)


def test_a_planner_chooses_factors_that_reach_the_goal(generator):
    start, goal = torch.tensor([[0.0, 0.0], [5.0, 2.0]]), torch.tensor([[3.0, 4.0], [1.0, 2.0]])
    agent = FactorMPC(Grid(), partial(ilqr, iterations=4), goal, generator=generator, horizon=4, starts=2, near=0.1)
    assert torch.equal(walk(agent, start, goal, 20)[0], goal)


def test_bad_settings_and_batches_are_refused(generator):
    with pytest.raises(ValueError, match="hold"):
        FactorAgent(Grid(), generator, hold=0)
    with pytest.raises(ValueError, match="samples"):
        Composer(Grid(), torch.zeros(2, 2), generator, samples=0)
    with pytest.raises(ValueError, match="2 pictures"):
        Composer(Grid(), torch.zeros(2, 2), generator).act(torch.zeros(3, 2))
