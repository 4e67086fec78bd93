import numpy as np
import pytest
import torch

from benchmarks.metrics.plots import correlation_map, hinton, position_heat_map, traversals


def test_hinton_squares_have_the_area_of_their_entry():
    figure = hinton([[1.0, -0.25], [0.0, 0.5]], ["a", "b"], ["x", "y"])
    squares = [patch for patch in figure.axes[0].patches if patch.get_width() > 0]
    areas = [patch.get_width() * patch.get_height() for patch in squares]
    assert [area / areas[0] for area in areas] == pytest.approx([1, 0.25, 0.5])
    assert [patch.get_facecolor()[0] for patch in squares] == [1, 0, 1]
    with pytest.raises(ValueError, match="2 x 1 names"):
        hinton(np.eye(2), ["a", "b"], ["x"])
    hinton(np.zeros((2, 2)), ["a", "b"], ["x", "y"])


def test_traversals_put_the_largest_kl_first():
    pictures = torch.stack([torch.full((3, 1, 4, 4), shade, dtype=torch.uint8) for shade in (10, 20, 30)])
    figure = traversals(pictures, kl=[0.1, 3.0, 1.0])
    axes = figure.axes[0]
    grid = axes.images[0].get_array()
    assert [int(grid[2 + 6 * row, 2, 0]) for row in range(3)] == [20, 30, 10]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["$z_{1}$  3.00", "$z_{2}$  1.00", "$z_{0}$  0.10"]
    with pytest.raises(ValueError, match="uint8"):
        traversals(pictures.float())
    with pytest.raises(ValueError, match="3 entries"):
        traversals(pictures, kl=[1.0])


def test_a_heat_map_is_the_mean_code_of_a_place():
    place = np.random.default_rng(0).uniform(size=(4000, 2))
    figure = position_heat_map(np.concatenate([place, np.ones((4000, 1))], axis=1), place)
    across, down, even = (np.asarray(axes.images[0].get_array()) for axes in figure.axes)
    assert (np.diff(across.mean(axis=0)) > 0).all()
    assert (np.diff(down.mean(axis=1)) > 0).all()
    assert np.abs(even).max() == 0
    assert len({(axes.images[0].norm.vmin, axes.images[0].norm.vmax) for axes in figure.axes}) == 1
    with pytest.raises(ValueError, match=r"shape \[4000, 2\]"):
        position_heat_map(place, place[:, :1])


def test_a_correlation_map_shows_its_matrix():
    matrix = np.array([[1.0, -0.5], [-0.5, 1.0]])
    assert np.asarray(correlation_map(matrix, ["a", "b"]).axes[0].images[0].get_array()) == pytest.approx(matrix)
    correlation_map(matrix[:1], ["a"], ["b", "c"])
    with pytest.raises(ValueError, match="1 x 1 names"):
        correlation_map(matrix, ["a"])
