import math

import pytest
import torch

from envs.shapes2d import DISTINCT, ROTATIONS, Shapes2D


def every_combination(world, shape):
    values = [torch.tensor(f.values) for f in world.factors[1:]]
    rows = torch.cartesian_prod(*values)
    return torch.cat([torch.full((len(rows), 1), float(shape)), rows], dim=1)


def fingerprints(rows):
    """A 64-bit hash of each picture [n, 64]; among 276,480 pictures a collision has odds of 1 in 400 million."""
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        factor = torch.randint(-(2**62), 2**62, rows.shape[1:], generator=generator) | 1
        rows = (rows ^ (rows >> 31)) * factor
    return (rows ^ (rows >> 29)).sum(1)


def test_distinct_pictures_number_one_more_than_published():
    world = Shapes2D()
    counts, seen = [], []
    for shape in range(3):
        rows = every_combination(world, shape)
        assert len(rows) == 16 * 16 * 6 * 60
        seen.append(torch.cat([fingerprints(world.rows(part)) for part in rows.split(8192)]))
        counts.append(len(seen[-1].unique()))
    assert counts == [87_976, 89_600, 89_446]
    assert len(torch.cat(seen).unique()) == DISTINCT == 267_021 + 1


def test_pictures_come_in_mirrored_pairs_so_that_no_odd_count_can_be_met():
    world = Shapes2D()
    rows = world.sample(300, torch.Generator().manual_seed(2))
    mirrored = rows.clone()
    mirrored[:, 2], mirrored[:, 4] = 1 - rows[:, 2], math.pi - rows[:, 4]
    assert torch.equal(world.render(mirrored), world.render(rows).flip(2))
    assert not (world.render(rows).flip(2) == world.render(rows)).flatten(1).all(1).any()


def test_squares_and_ellipses_return_after_half_a_turn():
    world = Shapes2D()
    rows = world.sample(100, torch.Generator().manual_seed(0))
    start, end = rows.clone(), rows.clone()
    start[:, 4], end[:, 4] = ROTATIONS[0], ROTATIONS[59]
    same = (world.render(start) == world.render(end)).all(-1).all(-1).squeeze(1)
    assert torch.equal(same, rows[:, 0] < 2)


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_rows_of_spans_agree_with_the_inside_test_of_every_pixel(shape):
    world = Shapes2D()
    rows = world.sample(60, torch.Generator().manual_seed(shape))
    rows[:, 0] = shape
    drawn = world.render(rows)[:, 0] > 0
    pixel = torch.arange(64, dtype=torch.float64) + 0.5
    for (_, x, y, scale, angle), picture in zip(rows.double().tolist(), drawn, strict=True):
        u, v = (pixel - 16 - 32 * x)[None, :], (16 + 32 * y - pixel)[:, None]
        p = (u * math.cos(angle) + v * math.sin(angle)) / scale
        q = (v * math.cos(angle) - u * math.sin(angle)) / scale
        if shape == 0:
            inside = torch.maximum(p.abs(), q.abs()) <= 9.5997
        elif shape == 1:
            inside = (p / 12.765) ** 2 + (q / 7.215) ** 2 <= 1
        else:  # apex at (0, 11.6195), base at q = -11.6195 / 2
            inside = (q >= -11.6195 / 2) & (math.sqrt(3) * p.abs() + q <= 11.6195)
        assert torch.equal(inside, picture)


def test_in_a_batch_or_one_by_one_the_pictures_are_the_same():
    world = Shapes2D()
    rows = world.sample(20, torch.Generator().manual_seed(1))
    assert torch.equal(world.render(rows), torch.cat([world.render(row[None]) for row in rows]))


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="'rotation' must lie in"):
        Shapes2D().render(torch.tensor([[0, 0.5, 0.5, 1.0, 4.0]]))
