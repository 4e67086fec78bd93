"""Scores of clips on clips that theory knows."""

import math

import pytest
import torch

from benchmarks.metrics.clips import (
    clip_scores,
    content_distance,
    mean_distance,
    path_length,
    shares_of_variance,
    track,
)
from envs.shape_motion import ShapeMotion

RED, BLUE = (200, 0, 0), (0, 0, 80)


def painted(colours, corners, side=4, size=32):
    """A clip [1, T, 3, size, size] of a square, its colour and its upper left corner told for every frame."""
    clip = torch.zeros(1, len(colours), 3, size, size, dtype=torch.uint8)
    for frame, colour, (row, column) in zip(clip[0], colours, corners, strict=True):
        frame[:, row : row + side, column : column + side] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    return clip


def test_a_clip_of_one_colour_has_no_distance_and_one_of_two_that_of_its_pairs():
    still = painted([RED] * 4, [(3, 3)] * 4)
    assert content_distance(track(still)).item() == 0
    assert path_length(track(still)).item() == 0
    both = painted([RED, RED, BLUE, BLUE], [(3, 3)] * 4)
    assert content_distance(track(both)).item() == pytest.approx(4 / 6 * math.hypot(200, 80))


def test_colour_place_area_and_length_are_those_of_the_square():
    found = track(painted([RED] * 3, [(0, 0), (3, 4), (3, 4)]))
    assert found.colour[0].tolist() == [[200, 0, 0]] * 3
    assert found.place[0].tolist() == [[1.5, 1.5], [4.5, 5.5], [4.5, 5.5]]
    assert found.area[0].tolist() == [16] * 3
    assert path_length(found).item() == pytest.approx(5)


def test_a_frame_without_a_shape_is_left_out():
    clip = painted([RED, (20, 30, 32), RED], [(0, 0), (9, 9), (8, 0)])  # the second is too faint
    found = track(clip)
    assert found.seen[0].tolist() == [True, False, True]
    assert found.place[0, 1].tolist() == [15.5, 15.5]
    assert content_distance(found).item() == 0
    assert path_length(found).isnan().all()  # no two frames in a row
    dark = track(torch.zeros(2, 3, 3, 8, 8, dtype=torch.uint8))
    assert content_distance(dark).isnan().all()
    scores = clip_scores(torch.zeros(2, 3, 3, 32, 32, dtype=torch.uint8), clip)
    assert scores["seen"] == 0
    assert math.isnan(scores["acd"])
    assert math.isnan(scores["path_distance"])


def test_spread_tells_a_whole_shape_from_pieces():
    size = 64
    rows, columns = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    disc = ((rows - 30) ** 2 + (columns - 31) ** 2 <= 20**2)[None, None, None].expand(1, 1, 3, -1, -1)
    assert track(disc.to(torch.uint8) * 255).spread.item() == pytest.approx(1, abs=2e-3)
    square = track(painted([RED], [(5, 9)], side=20)).spread.item()
    assert square == pytest.approx(math.sqrt(2 * math.pi * (20**2 - 1) / 6 / 20**2))
    two = painted([RED], [(0, 0)]) + painted([RED], [(0, 20)])
    assert track(two).spread.item() > 3


def test_real_clips_keep_their_content(generator):
    world = ShapeMotion(32)
    first, second = (world.clip(60, 16, generator).frames for _ in range(2))
    scores = clip_scores(first, second)
    assert scores["acd"] == 0
    assert scores["seen"] > 0.97  # a shape is darker than what is faint with a chance of (33 / 256)^3
    assert scores["colour_spread"] == pytest.approx(
        255 * 0.6617, rel=0.08
    )  # of two points in a cube: Robbins' constant
    assert scores["pieces"] == pytest.approx(1, abs=0.05)
    assert 30 < scores["path"] < 62  # at least across, in pixels of a picture half as large
    assert scores["area_distance"] < 4
    assert clip_scores(first, first)["path_distance"] == 0


def test_mean_distance_is_that_of_pairs():
    assert mean_distance(torch.tensor([[0.0, 0.0], [3.0, 4.0], [0.0, 0.0]])) == pytest.approx(10 / 3)
    assert math.isnan(mean_distance(torch.zeros(1, 2)))


def test_variance_is_shared_by_rows_and_columns(generator):
    rows, columns = torch.randn(5, 1, 2, generator=generator), torch.randn(1, 7, 2, generator=generator)
    assert shares_of_variance(rows.expand(5, 7, 2)) == pytest.approx((1, 0), abs=1e-6)
    assert shares_of_variance(columns.expand(5, 7, 2)) == pytest.approx((0, 1), abs=1e-6)
    assert sum(shares_of_variance(rows + columns)) == pytest.approx(1)
    noise = torch.randn(5, 7, 4000, generator=generator)
    assert shares_of_variance(noise) == pytest.approx((4 / 34, 6 / 34), rel=0.05)
    assert all(map(math.isnan, shares_of_variance(torch.ones(2, 2, 1))))
