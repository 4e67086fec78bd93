"""RGBD pictures against rays in closed form, cameras, the world of factors, and depths that are refused."""

import math

import numpy as np
import pytest
import torch

import envs
from envs.grasp.frames import DISTANCE, TARGET, camera_poses, check_depth, planted
from envs.grasp.gripper import CUBE, CUBE_FACES
from envs.grasp.objects import build, library
from envs.grasp.picture import FAR, Model, draw, ray_directions
from envs.grasp.world import placed, row


def cameras(*degrees, distance=DISTANCE):
    azimuth, elevation = torch.tensor(degrees, dtype=torch.float64).deg2rad().T
    return camera_poses(azimuth, elevation, torch.full_like(azimuth, distance))


def test_a_camera_looks_at_the_target_upright():
    for pose in cameras((0, 15), (77, 45), (200, 60)):
        turn, place = pose[:3, :3], pose[:3, 3]
        assert torch.allclose(turn.T @ turn, torch.eye(3).double(), atol=1e-12)
        assert torch.linalg.det(turn) == pytest.approx(1)
        assert (place + DISTANCE * turn[:, 2]).tolist() == pytest.approx(list(TARGET))
        assert turn[2, 0] == pytest.approx(0)
        assert turn[2, 1] < 0  # y runs down the picture
    assert cameras((90, 30))[0, :3, 3].tolist() == pytest.approx(
        [0, DISTANCE * math.cos(math.pi / 6), 0.07 + DISTANCE / 2]
    )
    with pytest.raises(ValueError, match="elevation"):
        cameras((0, 95))


def slabs(origins, rays, low, high):
    """Where rays [..., 3] enter a box, inf where they miss it."""
    a, b = (low - origins) / rays, (high - origins) / rays
    enter, leave = np.minimum(a, b).max(-1), np.maximum(a, b).min(-1)
    return np.where((enter <= leave) & (leave > 0), enter, np.inf)


def test_depth_and_mask_of_boxes_are_those_of_exact_rays():
    low, high = np.array([-0.05, -0.03, 0.0]), np.array([0.04, 0.06, 0.11])
    other = (np.array([0.05, -0.08, 0.02]), np.array([0.09, -0.04, 0.05]))
    boxes = [Model(CUBE * (b - a) + (b + a) / 2, CUBE_FACES, (1.0, 0, 0)) for a, b in ((low, high), other)]
    views = cameras((10, 15), (100, 30), (230, 60))
    picture = draw(boxes, views, 64)
    for index, pose in enumerate(views.numpy()):
        rays = ray_directions(64).numpy() @ pose[:3, :3].T
        hit = np.minimum(slabs(pose[:3, 3], rays, low, high), slabs(pose[:3, 3], rays, *other))
        table = np.where(rays[..., 2] < 0, -pose[2, 3] / rays[..., 2], np.inf)
        sure = np.isfinite(hit) & (picture.mask[index].numpy())
        assert (np.isfinite(hit) != picture.mask[index].numpy()).mean() < 2e-3  # samples on an edge
        assert np.abs(picture.depth[index].numpy() - hit)[sure].max() < 1e-5
        empty = ~np.isfinite(hit) & ~picture.mask[index].numpy()
        assert np.abs(picture.depth[index].numpy() - np.minimum(table, FAR))[empty].max() < 1e-5
        assert sure.sum() > 300


def test_turning_object_and_camera_together_gives_the_same_picture():
    mug = build("mug", 0.5, 0.5, 0.5)
    first = draw([placed(mug, planted(0, 0, 0.3))], cameras((20, 30)))
    second = draw([placed(mug, planted(0, 0, 0.3 + math.radians(130)))], cameras((150, 30)))
    assert (first.mask != second.mask).float().mean() < 2e-3
    both = first.mask & second.mask
    assert (first.depth - second.depth).abs()[both].median() < 1e-5


def test_a_batch_of_views_is_the_views_one_by_one():
    views = cameras((20, 30), (150, 60), (290, 15))
    model = [placed(build("teapot", 0.5, 0.5, 0.5), planted(0.01, 0.02, 1))]
    together = draw(model, views)
    alone = [draw(model, view[None]) for view in views]
    assert torch.equal(together.depth, torch.cat([p.depth for p in alone]))
    assert torch.equal(together.colour, torch.cat([p.colour for p in alone]))
    assert together.rgbd.shape == (3, 4, 64, 64)


def test_a_model_behind_or_at_the_camera_is_an_error():
    box = Model(CUBE * 0.1 + (0.5, 0, 0.3), CUBE_FACES, (1, 0, 0))
    with pytest.raises(ValueError, match="of a camera or lies behind"):
        draw([box], cameras((0, 30)))


def test_the_world_draws_the_librarys_objects_and_their_depth():
    world = envs.make_world("grasp")
    spec = library()[60]
    factors = row(spec, 0.01, -0.01, 0.5, 1.0, math.radians(30), 0.55)[None]
    expected = draw(
        [placed(spec.build(), planted(0.01, -0.01, 0.5))],
        camera_poses(*(torch.tensor([v], dtype=torch.float64) for v in (1.0, math.radians(30), 0.55))),
    )
    assert (world.render(factors) != expected.colour).float().mean() < 5e-3
    assert (world.depth(factors) - expected.depth).abs().median() < 1e-5
    assert world.depth(factors[:0]).shape == (0, 64, 64)
    with pytest.raises(ValueError, match="size"):
        envs.make_world("grasp", size=4)


def test_depth_in_millimetres_is_refused_with_a_hint():
    depth = draw([placed(build("cup", 0.5, 0.5, 0.5), np.eye(4))], cameras((0, 30))).depth
    check_depth(depth)
    with pytest.raises(ValueError, match="millimetres"):
        check_depth(depth * 1000)
    with pytest.raises(ValueError, match="millimetres"):
        check_depth((depth * 1000).int())
    with pytest.raises(ValueError, match="finite"):
        check_depth(depth * float("nan"))
    with pytest.raises(ValueError, match="negative"):
        check_depth(torch.where(depth < depth.median(), -depth, depth))
