import math
from pathlib import Path

import numpy as np
import pytest
import torch

from envs.shape_motion import SIDES, ShapeMotion, bezier

torch.set_num_threads(1)
WHITE = [1.0, 1.0, 1.0]
CLIPS = Path(__file__).parents[3] / "shared" / "data" / "shape_motion_clips.npz"
# Of every disc the (first column, length) of its rows from top to bottom, within the box of its side.
DISCS = {
    8: [(1, 5), *[(0, 7)] * 2, (0, 8), *[(0, 7)] * 2, (1, 5), (3, 1)],
    10: [(1, 7), *[(0, 9)] * 3, (0, 10), *[(0, 9)] * 3, (1, 7), (4, 1)],
    12: [(2, 7), (1, 9), *[(0, 11)] * 3, (0, 12), *[(0, 11)] * 3, (1, 9), (2, 7), (5, 1)],
    14: [(3, 7), *[(1, 11)] * 2, *[(0, 13)] * 3, (0, 14), *[(0, 13)] * 3, *[(1, 11)] * 2, (3, 7), (6, 1)],
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def ink(pictures: torch.Tensor) -> torch.Tensor:
    return pictures.gt(0).any(-3)


def test_curve_runs_between_its_end_points_and_agrees_with_de_casteljau():
    points = torch.rand(20, 5, 2, generator=generator(), dtype=torch.float64)
    times = torch.linspace(0, 1, 9, dtype=torch.float64)
    curve = bezier(points, times)
    torch.testing.assert_close(curve[:, 0], points[:, 0])
    torch.testing.assert_close(curve[:, -1], points[:, 4])
    for k, t in enumerate(times.tolist()):
        level = points
        while level.shape[1] > 1:
            level = (1 - t) * level[:, :-1] + t * level[:, 1:]
        torch.testing.assert_close(curve[:, k], level[:, 0])


def test_curve_leaves_its_first_point_along_the_first_edge():
    points = torch.rand(1, 5, 2, generator=generator(), dtype=torch.float64)
    small = 1e-6
    start = bezier(points, torch.tensor([0.0, small], dtype=torch.float64))
    velocity = (start[:, 1] - start[:, 0]) / small
    torch.testing.assert_close(velocity, 4 * (points[:, 1] - points[:, 0]), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("side", "disc"), [*zip(SIDES, (47, 79, 111, 151), strict=True)])
def test_areas_are_the_published_ones_everywhere(side, disc):
    places = torch.rand(50, 2, generator=generator())
    places[:4] = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    for shape, area in ((0, side**2), (1, disc)):
        rows = torch.cat([torch.tensor([[shape, *WHITE, side]]).repeat(50, 1), places], dim=1)
        assert ink(ShapeMotion().render(rows)).sum((1, 2)).tolist() == [area] * 50
    assert abs(disc / (math.pi * side**2 / 4) - 1) < 0.07


def test_square_fills_the_box_around_its_centre():
    world = ShapeMotion()
    rows = torch.tensor([[0.0, *WHITE, 12.0, 0.3, 0.9]])
    row, column = world.centres(rows)[0].tolist()
    assert (row, column) == (math.floor(6 + 0.3 * 49), math.floor(6 + 0.9 * 49))
    rows_of, columns_of = torch.nonzero(ink(world.render(rows))[0], as_tuple=True)
    assert (rows_of.min(), rows_of.max()) == (row - 5, row + 6)
    assert (columns_of.min(), columns_of.max()) == (column - 5, column + 6)


def test_colours_are_flat_and_reach_every_level():
    world = ShapeMotion()
    levels = torch.arange(256)
    rows = torch.tensor([[1.0, 0.0, 0.0, 1.0, 10.0, 0.5, 0.5]]).repeat(256, 1)
    rows[:, 1] = (levels + 0.5) / 256
    pictures = world.render(rows)
    assert torch.equal(pictures[:, 0].flatten(1).amax(1), levels.to(torch.uint8))
    assert pictures[:, 1].max() == 0
    for picture in pictures[1:]:
        assert set(picture[0].unique().tolist()) == {0, int(picture[0].max())}
    assert set(pictures[:, 2].unique().tolist()) == {0, 255}


def test_clip_shows_its_factors_and_keeps_its_content():
    world = ShapeMotion()
    clip = world.clip(8, 16, generator())
    assert clip.frames.shape == (8, 16, 3, 64, 64)
    assert clip.frames.dtype == torch.uint8
    assert clip.factors.shape == (8, 16, 7)
    assert torch.equal(clip.frames.flatten(0, 1), world.render(clip.factors.flatten(0, 1)))
    kept = [world.names.index(name) for name in world.content]
    assert torch.equal(clip.factors[:, :, kept], clip.factors[:, :1, kept].expand(8, 16, 5))
    assert set(world.content) | set(world.motion) == set(world.names)
    again = world.clip(8, 16, generator())
    assert torch.equal(again.frames, clip.frames)
    assert torch.equal(again.factors, clip.factors)
    assert not torch.equal(world.clip(8, 16, generator(1)).factors, clip.factors)


def test_clips_go_up_or_left_and_are_never_cut_off():
    world = ShapeMotion()
    clip = world.clip(200, 32, generator())
    kind = world.motion_kind(clip.factors)
    assert 60 < kind.sum() < 140
    ends = clip.factors[:, [0, -1], 5:]  # [n, first and last, row and column]
    long_axis = ends[torch.arange(200), :, kind]
    cross_axis = ends[torch.arange(200), :, 1 - kind]
    torch.testing.assert_close(long_axis, torch.tensor([[1.0, 0.0]]).repeat(200, 1))
    torch.testing.assert_close(cross_axis[:, 0], cross_axis[:, 1])
    side, shape = clip.factors[..., 4], clip.factors[..., 0]
    disc = torch.tensor([47.0, 79.0, 111.0, 151.0])[((side - 8) / 2).long()]
    visible = clip.factors[..., 1:4].amax(-1) >= 1 / 256
    area = torch.where(shape == 1, disc, side**2)
    assert torch.equal(ink(clip.frames).sum((2, 3)).float()[visible], area[visible])
    drawn = ink(clip.frames).any(0).any(0)
    assert [drawn.any(axis).nonzero()[[0, -1], 0].tolist() for axis in (0, 1)] == [[1, 61], [1, 61]]
    starts = world.centres(clip.factors)[:, [0, -1]][torch.arange(200), :, 1 - kind]
    assert torch.equal(starts[:, 0], starts[:, 1])
    reach = cross_axis[:, 0] * (61 - clip.factors[:, 0, 4])
    torch.testing.assert_close(reach, reach.round(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("side", DISCS)
def test_discs_are_those_of_the_published_clips(side):
    for place in torch.cartesian_prod(torch.linspace(0, 1, 5), torch.linspace(0, 1, 7)).tolist():
        row = torch.tensor([[1.0, *WHITE, float(side), *place]])
        down, across = ShapeMotion.centres(row)[0].tolist()
        mask = ink(ShapeMotion().render(row))[0]
        box = mask[down - side // 2 + 1 : down + side // 2 + 1, across - side // 2 + 1 : across + side // 2 + 1]
        runs = [(int(line.int().argmax()), int(line.sum())) for line in box]
        assert runs == DISCS[side]
        assert mask.sum() == sum(length for _, length in DISCS[side])


@pytest.mark.skipif(not CLIPS.is_file(), reason="the measured clips are not here")
def test_every_published_frame_is_drawn_exactly_at_some_place():
    with np.load(CLIPS) as file:
        masks, colours = torch.from_numpy(np.unpackbits(file["masks"], axis=-1)), torch.from_numpy(file["colours"])
        motion = torch.from_numpy(file["motion"]).long()
    n, length = masks.shape[:2]
    first = [masks.amax(axis).argmax(-1).float() for axis in (3, 2)]  # top row and left column of every frame
    side = masks.amax(3).sum(2).float()
    disc = (masks.sum((2, 3)) < side**2).float()
    low = torch.stack(first, -1) - 1
    place = low / (61 - side)[..., None]
    level = ((colours.float() + 0.5) / 256)[:, None].expand(n, length, 3)
    factors = torch.cat([disc[..., None], level, side[..., None], place], -1)
    drawn = ShapeMotion().render(factors.flatten(0, 1))
    assert torch.equal(drawn, masks.flatten(0, 1)[:, None] * colours.repeat_interleave(length, 0)[:, :, None, None])
    # The long axis runs over the whole range, and the cross axis ends where it starts.
    every = torch.arange(n)
    assert torch.equal(place[every, 0, motion], torch.ones(n))
    assert torch.equal(place[every, -1, motion], torch.zeros(n))
    assert torch.equal(low[every, 0, 1 - motion], low[every, -1, 1 - motion])
    assert torch.equal(ShapeMotion.motion_kind(factors), motion)


def test_speed_is_the_published_one():
    world = ShapeMotion(size=32)
    places = world.centres(world.clip(4000, 32, generator()).factors).float()
    speed = places.diff(dim=1).norm(dim=2).mean(0)
    assert speed[0] == pytest.approx(4.3, abs=0.15)
    assert speed[15] == pytest.approx(1.2, abs=0.1)
    assert speed[-1] == pytest.approx(3.7, abs=0.2)


def test_small_picture_keeps_every_second_pixel():
    rows = ShapeMotion().sample(50, generator())
    assert torch.equal(ShapeMotion(size=32).render(rows), ShapeMotion().render(rows)[:, :, ::2, ::2])


def test_batch_is_drawn_as_one_by_one():
    world = ShapeMotion()
    rows = world.sample(20, generator())
    assert torch.equal(world.render(rows), torch.cat([world.render(row[None]) for row in rows]))
    assert world.render(rows[:0]).shape == (0, 3, 64, 64)


def test_bad_input_is_named():
    world = ShapeMotion()
    rows = world.sample(2, generator())
    with pytest.raises(ValueError, match="'row' must lie in"):
        world.render(rows + torch.tensor([0.0, 0, 0, 0, 0, 1, 0]))
    with pytest.raises(ValueError, match="'red'"):
        world.render(rows.masked_fill(torch.tensor([False, True, False, False, False, False, False]), math.nan))
    with pytest.raises(ValueError, match="size must be 32 or 64"):
        ShapeMotion(size=48)
    with pytest.raises(ValueError, match="length must be at least 1"):
        world.clip(1, 0, generator())
