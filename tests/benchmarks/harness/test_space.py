import math

import numpy as np
import pytest

from benchmarks.harness.space import Range, Tree, at_random, grid, read_space, words


def test_a_grid_is_the_product_of_choices_and_lattices():
    space = read_space(
        {"beta": [1, 4], "size": {"low": 2, "high": 6, "step": 2}, "rate": {"low": 0.0, "high": 0.3, "step": 0.1}}
    )
    points = grid(space)
    assert len(points) == 2 * 3 * 4
    assert points[0] == {"beta": 1, "size": 2, "rate": 0.0}
    assert points[-1]["rate"] == pytest.approx(0.3)
    assert len({tuple(point.values()) for point in points}) == len(points)
    assert grid(read_space({"n": {"low": 1, "high": 3}})) == [{"n": 1}, {"n": 2}, {"n": 3}]


def test_random_points_lie_in_the_space_and_do_not_depend_on_how_many_are_drawn():
    space = read_space(
        {"rate": {"low": 1e-4, "high": 1e-2, "log": True}, "n": {"low": 1, "high": 3}, "kind": ["a", "b"]}
    )
    points = at_random(space, 400, seed=3)
    assert points[:10] == at_random(space, 10, seed=3)
    assert points != at_random(space, 400, seed=4)
    assert {point["n"] for point in points} == {1, 2, 3}
    assert {point["kind"] for point in points} == {"a", "b"}
    rates = np.array([point["rate"] for point in points])
    assert 1e-4 <= rates.min() < rates.max() <= 1e-2
    assert abs((rates < 1e-3).mean() - 0.5) < 0.1  # uniform on the logarithmic scale: half lie below the middle


def test_whole_logarithmic_ranges_hold_whole_numbers_up_to_both_ends():
    values = [point["n"] for point in at_random(read_space({"n": {"low": 1, "high": 4, "log": True}}), 300, 0)]
    assert set(values) == {1, 2, 3, 4}
    assert all(isinstance(value, int) for value in values)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({}, "at least one option"),
        ({"beta": 4}, "beta needs a list of choices or a range"),
        ({"beta": []}, "beta needs a list"),
        ({"beta": {"low": 1}}, "beta needs a list"),
        ({"beta": {"low": 2, "high": 1}}, "beta: a range needs finite low < high"),
        ({"beta": {"low": 0, "high": 1, "log": True}}, "beta: a logarithmic range"),
        ({"beta": {"low": 0, "high": 1, "step": -1}}, "beta: step must be"),
        ({"beta": {"low": "a", "high": 1}}, "beta: a range's low must be a number"),
        ({"beta": {"low": math.nan, "high": 1}}, "beta: a range needs finite"),
    ],
)
def test_a_wrong_space_is_named(space, message):
    with pytest.raises(ValueError, match=message):
        read_space(space)


def test_a_grid_needs_an_end():
    with pytest.raises(ValueError, match="a grid needs choices or a step"):
        grid(read_space({"rate": {"low": 0.0, "high": 1.0}}))


def test_a_tree_finds_a_peak_better_than_chance_and_is_replayed():
    pytest.importorskip("optuna")
    space = read_space({"x": {"low": -1.0, "high": 1.0}, "kind": ["bad", "good"]})

    def height(point):
        return -((point["x"] - 0.3) ** 2) - (point["kind"] == "bad")

    def search():
        tree, found = Tree(space, maximize=True, seed=0), []
        for _ in range(10):
            points = tree.ask(4)
            tree.tell([height(point) for point in points[:-1]] + [None])  # one of each batch fails
            found += points
        return found

    points = search()
    assert points == search()
    late = [height(point) for point in points[20:]]
    assert np.mean(late) > np.mean([height(point) for point in at_random(space, 400, 0)])


def test_points_become_options():
    point = {"settings.beta_vae.beta": 4.0, "decay": True, "world": "dsprites"}
    assert list(words(point)) == ["--settings.beta_vae.beta=4.0", "--decay=true", "--world=dsprites"]
    assert Range(1, 4).whole
    assert not Range(1, 4.5).whole
