"""Maps whose folds are known."""

import math

import pytest
import torch

from benchmarks.metrics.maps import folds, position_folds
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
