import math

import gymnasium as gym
import pytest
import torch

from benchmarks.metrics.control import TASKS, Bench, Sizes, make_task
from benchmarks.metrics.control.consumers import factor, inverse, placebo, policy, policy_transfer, sparse, transfer
from benchmarks.metrics.control.dynamics import (
    LocallyLinear,
    Planned,
    Transitions,
    features,
    fit_lasso,
    fit_least_squares,
)
from benchmarks.metrics.control.inverse import gather, ridge
from benchmarks.metrics.control.reinforcement import CodeEnv, TwoPictures

torch.set_num_threads(1)

SMALL = Sizes(episodes=24, length=10, transitions=600, sparse=(50,), trajectories=40, network=60, policy=640, every=640)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def standard(task):
    """A code of all numbers of a state (no classes, no circles), with mean 0 and variance 1."""
    states = task.sample(4000, generator(1))
    return lambda s: (s - states.mean(0)) / states.std(0).clamp(min=1e-9)


def turned(encode, size, seed=0):
    turn = torch.linalg.qr(torch.randn(size, size, generator=generator(seed), dtype=torch.float64))[0]
    return lambda states: encode(states) @ turn.T


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize("mixed", [False, True])
def test_a_random_policy_scores_0_and_the_oracle_1(name, mixed):
    bench = Bench(make_task(name, distractors=2, mixed=mixed), lambda states: states, 0, SMALL)
    test = bench.test
    chance = bench.generator(102)
    random = bench.score(lambda states: bench.uniform(len(states), chance), test)
    oracle = bench.score(bench.task.oracle(test.goals, bench.generator(202)), test)
    assert random.mean().item() == pytest.approx(0, abs=1e-9)
    assert oracle.mean().item() == pytest.approx(1, abs=1e-9)
    assert test.oracle > test.random + 0.05  # what is between them can be seen


@pytest.mark.parametrize("name", TASKS)
def test_no_start_is_solved_and_classes_stay(name):
    task = make_task(name, distractors=1)
    starts, goals = task.begin(100, generator())
    assert (task.gaps(starts, goals) > 0.05).any(1).all()
    actions = 2 * torch.rand(100, task.action_size, generator=generator(), dtype=torch.float64) - 1
    after = task.step(starts, actions, generator())
    still = [k for k in range(len(task.factors)) if k not in task.moved]
    assert torch.equal(after[:, still], starts[:, still])
    assert set(task.wanted) <= set(task.moved)


def test_circles_are_walked_the_short_way():
    task = make_task("objects3d")
    start, goal = torch.zeros(1, 5, dtype=torch.float64), torch.zeros(1, 5, dtype=torch.float64)
    start[0, 0], goal[0, 0] = 0.1, 2 * math.pi - 0.1
    assert task.ways(start, goal)[0, 0].item() == pytest.approx(-0.2)
    assert task.gaps(start, goal)[0, 0].item() == pytest.approx(0.2 / math.pi)


def test_unknown_tasks_are_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="planar_nuisance"):
        make_task("plane")


def test_a_model_of_the_right_form_is_found_exactly():
    d, m, n = 3, 2, 200
    weight = torch.randn(1 + d + m + d * m, d, generator=generator(), dtype=torch.float64)
    z, u = (torch.randn(n, k, generator=generator(k), dtype=torch.float64) for k in (d, m))
    found = fit_least_squares(Transitions(z, u, z + features(z, u) @ weight))
    assert torch.allclose(found.weight, weight, atol=1e-8)
    by_code, by_action = found.linearize(z[:1], u[:1])
    exact = torch.func.jacrev(lambda z, u: found.predict(z[None], u[None])[0], (0, 1))(z[0], u[0])
    assert torch.allclose(by_code[0], exact[0])
    assert torch.allclose(by_action[0], exact[1])


def test_the_measure_of_a_linear_model_is_that_of_the_pseudoinverse():
    d, m = 5, 2
    effect = torch.randn(d, m, generator=generator(), dtype=torch.float64)
    weight = torch.zeros(1 + d + m + d * m, d, dtype=torch.float64)
    weight[1 + d : 1 + d + m] = effect.T
    measure = LocallyLinear(weight, d, m).measure(torch.randn(50, d, generator=generator(), dtype=torch.float64))
    inverse = torch.linalg.pinv(effect)
    assert torch.allclose(measure, inverse.T @ inverse, rtol=0.05, atol=0.02 * measure.abs().max().item())


@pytest.mark.parametrize("method", ["ilqr", "cem"])
def test_a_rotation_does_not_change_an_action_of_the_placebo(method):
    """Fact 1: pinv(Q B) = pinv(B) Q', so every plan is the same."""
    task = make_task("planar", distractors=2)
    plain = standard(task)
    starts, goals = task.begin(50, generator())
    states = task.sample(1000, generator(2))
    actions = 2 * torch.rand(1000, 2, generator=generator(3), dtype=torch.float64) - 1
    after = task.step(states, actions, generator(4))
    chosen = []
    for encode in (plain, turned(plain, 5)):
        model = fit_least_squares(Transitions(encode(states), actions, encode(after)))
        noise = generator(5) if method == "cem" else None
        agent = Planned(model, model.measure(encode(states[:100])), encode(goals), noise)
        chosen.append(torch.stack([agent.act(encode(starts)) for _ in range(2)]))
    assert (chosen[0] - chosen[1]).abs().max() <= 1e-6
    assert chosen[0].abs().max() > 0.1


def test_a_lasso_finds_few_entries_from_few_transitions():
    """15 features, 3 of them real, 12 transitions: least squares of least norm is far off, the lasso is not."""
    d, m, n = 3, 2, 25
    weight = torch.zeros(1 + d + m + d * m, d, dtype=torch.float64)
    weight[1 + d, 0], weight[2 + d, 1] = 0.5, -0.7
    z, u = torch.randn(n, d, generator=generator(), dtype=torch.float64), None
    u = 2 * torch.rand(n, m, generator=generator(1), dtype=torch.float64) - 1
    noise = 0.1 * torch.randn(n, d, generator=generator(2), dtype=torch.float64)
    seen = Transitions(z, u, z + features(z, u) @ weight + noise)
    errors = [(fit(seen).weight - weight).norm().item() for fit in (fit_lasso, fit_least_squares)]
    assert errors[0] < 0.75 * errors[1]


def test_consumers_that_see_axes_fall_when_axes_are_mixed_and_the_others_do_not():
    task = make_task("blobs", distractors=4)
    plain = standard(task)
    aligned, mixed = (Bench(task, encode, 0, SMALL) for encode in (plain, turned(plain, 6)))
    for consumer in (placebo, sparse, factor, inverse):
        a, b = consumer(aligned).episodes, consumer(mixed).episodes
        for name in a:
            gap = (a[name].mean() - b[name].mean()).item()
            if name in ("sparse_50", "factor_axes"):
                assert gap > 0.15, name
            elif name != "inverse_network":  # its first weights are another draw in another basis
                assert abs(gap) < 1e-6, name
    assert factor(aligned).episodes["factor_axes"].mean() > 0.6


def test_training_never_touches_what_is_held_out():
    task = make_task("blobs")
    held = task.block(generator())
    share = task.holds(held, task.sample(4000, generator(1))).double().mean().item()
    assert share == pytest.approx(0.25, abs=0.03)
    pairs = gather(task, lambda states: states, 60, generator(2), avoid=held)
    assert len(pairs.code) > 1000
    assert not task.holds(held, pairs.code).any()
    assert not task.holds(held, pairs.reached).any()
    everywhere = gather(task, lambda states: states, 60, generator(2))
    assert task.holds(held, everywhere.reached).any()


def test_the_ridge_turns_with_the_code():
    task = make_task("blobs", distractors=1)
    plain = standard(task)
    codes = plain(task.sample(20, generator(3)))
    goals = plain(task.sample(20, generator(4)))
    turn = turned(lambda code: code, 3)
    actions = ridge(gather(task, plain, 40, generator()))(codes, goals)
    again = ridge(gather(task, turned(plain, 3), 40, generator()))(turn(codes), turn(goals))
    assert torch.allclose(actions, again, atol=1e-8)


def test_transfer_tests_lie_in_what_was_held_out():
    bench = Bench(make_task("blobs", distractors=1), standard(make_task("blobs", distractors=1)), 0, SMALL)
    found = transfer(bench).episodes
    assert {"transfer_block_ridge", "transfer_range_network_seen"} <= found.keys()
    test = bench.episodes(8, None, bench.task.block(bench.generator(7)))
    assert bench.task.holds(bench.task.block(bench.generator(7)), test.goals).all()


def test_a_policy_learns_by_trial_and_a_threshold_out_of_reach_is_censored():
    task = make_task("blobs")
    sizes = Sizes(episodes=24, length=12, policy=7680, every=2560, threshold=2.0)
    found = policy(Bench(task, standard(task), 0, sizes))
    assert found.numbers["policy_steps"] is None
    assert found.episodes["policy_final"].mean() > 0.3
    assert found.episodes["policy_area"].isfinite().all()


def test_a_policy_that_is_kept_out_of_a_block_never_sees_it():
    task = make_task("blobs")
    held = task.block(generator())
    env = CodeEnv(task, lambda states: states, 12, 0, held)
    random = generator(1)
    entered = 0
    for _ in range(24):  # two rounds of episodes
        assert not task.holds(held, env.states).any()
        assert not task.holds(held, env.goals).any()
        push = 2 * torch.rand(len(env.states), 2, generator=random, dtype=torch.float64) - 1
        entered += int(task.holds(held, task.step(env.states, push, generator())).sum())
        env.step(push)
    assert entered > 10  # it would have gone there
    found = policy_transfer(Bench(task, standard(task), 0, SMALL)).episodes
    assert found.keys() == {"policy_block", "policy_block_seen"}
    assert all(len(scores) == SMALL.episodes for scores in found.values())


def test_a_policy_reads_two_flat_pictures_apart():
    space = gym.spaces.Box(-1, 1, (2 * 3 * 16 * 16,))
    torch.manual_seed(0)
    reader = TwoPictures(space, (3, 16, 16))
    seen, aimed = torch.rand(2, 5, 3 * 16 * 16, generator=generator())
    first = reader(torch.cat([seen, aimed], 1))
    assert first.shape == (5, 64)
    expected = reader.network(torch.cat([seen.view(5, 3, 16, 16), aimed.view(5, 3, 16, 16)], 1))
    assert torch.equal(first, expected)
    assert not torch.allclose(first, reader(torch.cat([aimed, seen], 1)))
