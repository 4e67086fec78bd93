"""Maps whose folds are known."""

import math

import pytest
import torch

from benchmarks.metrics.maps import folds, position_folds, ranked, recovered
from envs import make_world


def lattice(n: int = 21) -> torch.Tensor:
    return torch.stack(torch.meshgrid(torch.linspace(-1, 1, n), torch.linspace(-1, 1, n), indexing="ij"), -1)


def test_a_turned_mirrored_or_bent_map_has_no_folds_and_a_folded_one_half():
    plane = lattice()
    turn = torch.tensor([[math.cos(1.0), -math.sin(1.0)], [math.sin(1.0), math.cos(1.0)]])
    for mapped in (plane, plane @ turn, plane.flip(-1), plane**3 + 3 * plane):
        assert folds(mapped) == 0
    folded = torch.stack([plane[..., 0].abs(), plane[..., 1]], -1)
    assert folds(folded) == pytest.approx(0.5, abs=0.02)
    quarter = torch.stack([torch.where(plane[..., 0] > 0.5, 1 - plane[..., 0], plane[..., 0]), plane[..., 1]], -1)
    assert folds(quarter) == pytest.approx(0.25, abs=0.02)


def test_triangles_with_an_unknown_corner_do_not_count():
    plane = lattice()
    folded = torch.stack([plane[..., 0].abs(), plane[..., 1]], -1)
    assert folds(folded, plane[..., 0] > -1e-6) == 0
    assert folds(torch.stack([folded, plane])) == pytest.approx(0.25, abs=0.02)


def test_positions_are_read_from_codes_linearly():
    world = make_world("dsprites")

    def centre(pictures):  # of mass
        weight = pictures.double().sum(1)
        total = weight.sum((1, 2))
        along = torch.linspace(-1, 1, 64, dtype=torch.float64)
        return torch.stack([weight.sum(1) @ along / total, weight.sum(2) @ along / total], 1)

    def seeded():
        return torch.Generator().manual_seed(0)

    assert position_folds(centre, world, seeded()) == 0
    assert (
        position_folds(
            lambda x: centre(x) @ torch.randn(2, 5, dtype=torch.float64, generator=seeded()), world, seeded()
        )
        == 0
    )
    assert position_folds(lambda x: centre(x).abs(), world, seeded()) > 0.3
    assert position_folds(lambda x: torch.zeros(len(x), 3), world, seeded()) == 0


def test_a_coordinate_is_recovered_by_a_feature_of_either_sign():
    places = torch.randint(6, (800, 4), generator=torch.Generator().manual_seed(0)).float()
    names = ("y1", "x1", "y2", "x2")
    scores = recovered(torch.cat([-places[:, [2, 0]], places[:, [1, 3]] ** 1.2], 1), places, names)
    assert scores["corr_least"] > 0.98
    assert scores["features_used"] == 4
    mixed = recovered(torch.stack([places[:, 0] + places[:, 1], places[:, 2] - places[:, 3]], 1), places, names)
    assert mixed["corr_least"] < 0.8


def test_ranks_make_a_bent_axis_straight_and_keep_two_that_are_mixed():
    colours = torch.rand(500, 2, generator=torch.Generator().manual_seed(0))
    bent = recovered(ranked(colours**9), ranked(colours), ("red", "green"))
    assert bent["corr_least"] == pytest.approx(1)
    assert recovered(colours**9, colours, ("red", "green"))["corr_least"] < 0.8
    turned = torch.stack([colours.sum(1), colours[:, 0] - colours[:, 1]], 1)
    assert recovered(ranked(turned), ranked(colours), ("red", "green"))["corr_least"] < 0.8
