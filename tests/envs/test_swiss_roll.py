import math

import pytest
import torch

from envs.swiss_roll import SwissRoll


def test_points_lie_on_the_roll():
    world = SwissRoll()
    rows = world.sample(500, torch.Generator().manual_seed(0))
    points = world.render(rows)
    assert points.shape == (500, 3)
    assert points.dtype == torch.float32
    torch.testing.assert_close(points[:, [0, 2]].norm(dim=1), rows[:, 0])
    assert torch.equal(points[:, 1], rows[:, 1])
    turn = torch.atan2(points[:, 2], points[:, 0])
    torch.testing.assert_close(torch.cos(turn), torch.cos(rows[:, 0]), atol=1e-5, rtol=0)


def test_known_points():
    points = SwissRoll().render(torch.tensor([[2 * math.pi, 0.0], [2.5 * math.pi, 21.0], [3 * math.pi, 5.0]]))
    expected = torch.tensor([[2 * math.pi, 0, 0], [0, 21, 2.5 * math.pi], [-3 * math.pi, 5, 0]])
    torch.testing.assert_close(points, expected, atol=1e-4, rtol=0)


def test_the_label_is_a_plane_that_halves_the_roll():
    world = SwissRoll()
    points = world.render(world.sample(20000, torch.Generator().manual_seed(1)))
    labels = world.label(points)
    assert abs(labels.float().mean() - 0.5) < 0.015
    assert points[labels == 1, 0].max() < points[labels == 0, 0].min()
    assert int(SwissRoll(split=100.0).label(points).min()) == 1


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="'angle' must lie in"):
        SwissRoll().render(torch.tensor([[1.0, 3.0]]))
    with pytest.raises(ValueError, match="split must be a finite number"):
        SwissRoll(split=float("inf"))
