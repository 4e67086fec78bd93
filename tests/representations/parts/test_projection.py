"""The projection against rays marched one by one, against silhouettes in closed form, and its gradients."""

import math

import pytest
import torch

from representations.parts.projection import Box, directions, march, project, ray_points, sample

BOX = Box((-0.1, -0.1, 0.0), (0.1, 0.1, 0.2))


def camera(azimuth=0.3, elevation=0.6, distance=0.5, target=(0.0, 0.0, 0.1)):
    """A camera that looks at the target from a direction, to the grid's frame."""
    forward = -torch.tensor(
        [math.cos(elevation) * math.cos(azimuth), math.cos(elevation) * math.sin(azimuth), math.sin(elevation)]
    )
    right = torch.tensor([-math.sin(azimuth), math.cos(azimuth), 0.0])
    pose = torch.eye(4)
    pose[:3, 0], pose[:3, 1], pose[:3, 2] = right, torch.linalg.cross(forward, right), forward
    pose[:3, 3] = torch.tensor(target) - distance * forward
    return pose


DEPTHS = torch.linspace(0.3, 0.7, 60)


def trilinear(grid, point):
    """One value, by hand: eight corners, zero outside."""
    size = len(grid)
    place = [
        (float(p) - low) / (high - low) * size - 0.5 for p, low, high in zip(point, BOX.low, BOX.high, strict=True)
    ]
    base = [math.floor(p) for p in place]
    total = 0.0
    for corner in range(8):
        index = [b + ((corner >> k) & 1) for k, b in enumerate(base)]
        weight = math.prod(1 - abs(p - i) for p, i in zip(place, index, strict=True))
        if all(0 <= i < size for i in index):
            total += weight * float(grid[index[2], index[1], index[0]])
    return total


def test_it_is_what_marching_every_ray_gives(generator):
    grid = torch.rand(5, 5, 5, generator=generator)
    pose, rays, depths = camera(), directions(5, 0.2), torch.linspace(0.35, 0.65, 9)
    found = project(grid[None], pose[None, None], rays, depths, BOX)
    for i in range(5):
        for j in range(5):
            best, alive, depth = 0.0, 1.0, 0.0
            for d in depths:
                occupied = min(trilinear(grid, pose[:3, :3] @ (d * rays[i, j]) + pose[:3, 3]), 1 - 1e-5)
                best = max(best, occupied)
                depth += alive * occupied * float(d)
                alive *= 1 - occupied
            assert float(found.silhouette[0, 0, i, j]) == pytest.approx(best, abs=1e-5)
            assert float(found.hit[0, 0, i, j]) == pytest.approx(1 - alive, abs=1e-5)
            assert float(found.depth[0, 0, i, j]) == pytest.approx(depth + alive * float(depths[-1]), abs=1e-5)


@pytest.mark.parametrize("view", [(0.0, 0.3), (1.1, 0.8), (4.0, 1.2)])
def test_a_spheres_silhouette_and_depth_are_those_of_geometry(view):
    centre, radius = torch.tensor([0.01, -0.02, 0.09]), 0.05
    distance = (BOX.centres(64) - centre).norm(dim=-1)
    grid = ((radius - distance) / (0.2 / 64) + 0.5).clamp(0, 1)  # a surface one voxel thick
    pose, rays = camera(*view), directions(48, 0.2)
    found = project(grid[None], pose[None, None], rays, torch.linspace(0.3, 0.7, 160), BOX)
    world = rays @ pose[:3, :3].T
    unit = world / world.norm(dim=-1, keepdim=True)
    to_centre = centre - pose[:3, 3]
    along = (unit * to_centre).sum(-1)
    miss = (to_centre.square().sum() - along.square()).clamp(min=0).sqrt()
    inside, outside = miss < radius - 0.004, miss > radius + 0.004
    assert (found.silhouette[0, 0][inside] > 0.95).all()
    assert (found.silhouette[0, 0][outside] < 0.05).all()
    assert inside.sum() > 100
    surface = (along - (radius**2 - miss.square()).clamp(min=0).sqrt()) / world.norm(dim=-1)
    middle = miss < 0.8 * radius
    assert (found.depth[0, 0] - surface)[middle].abs().max() < 0.005
    assert (found.depth[0, 0][outside] - 0.7).abs().max() < 0.02


def test_a_boxs_silhouette_is_where_rays_cross_it():
    low, high = torch.tensor([-0.05, -0.025, 0.025]), torch.tensor([0.0, 0.05, 0.15])  # whole voxels
    centres = BOX.centres(40)
    grid = ((centres > low) & (centres < high)).all(-1).float()
    pose, rays = camera(0.8, 0.5), directions(48, 0.2)
    found = project(grid[None], pose[None, None], rays, torch.linspace(0.3, 0.7, 200), BOX)
    world = rays @ pose[:3, :3].T

    def crossed(margin):
        a, b = (low - margin - pose[:3, 3]) / world, (high + margin - pose[:3, 3]) / world
        return torch.minimum(a, b).amax(-1) <= torch.maximum(a, b).amin(-1)

    assert (found.silhouette[0, 0][crossed(-0.003)] > 0.9).all()
    assert (found.silhouette[0, 0][~crossed(0.004)] < 0.1).all()
    assert crossed(-0.003).sum() > 100


def test_views_and_grids_of_a_batch_do_not_meet(generator):
    grids = torch.rand(3, 6, 6, 6, generator=generator)
    poses = torch.stack([torch.stack([camera(0.5 * n + v, 0.4) for v in range(2)]) for n in range(3)])
    rays = directions(7, 0.2)
    depths = DEPTHS.expand(3, 2, -1) + torch.rand(3, 2, 1, generator=generator) * 0.01
    together = project(grids, poses, rays, depths, BOX)
    for n in range(3):
        for v in range(2):
            alone = project(grids[n : n + 1], poses[n : n + 1, v : v + 1], rays, depths[n : n + 1, v : v + 1], BOX)
            assert torch.allclose(together.depth[n, v], alone.depth[0, 0], atol=1e-6)
            # Products over batches of other sizes may be summed in another order: places differ by rounding.
            assert torch.allclose(together.silhouette[n, v], alone.silhouette[0, 0], atol=1e-5)


def test_turning_grid_and_camera_a_quarter_changes_nothing(generator):
    grid = torch.rand(8, 8, 8, generator=generator)
    turned = grid.rot90(1, (2, 1))  # x goes to y
    first = project(grid[None], camera(0.2, 0.5)[None, None], directions(9, 0.2), DEPTHS, BOX)
    second = project(turned[None], camera(0.2 + math.pi / 2, 0.5)[None, None], directions(9, 0.2), DEPTHS, BOX)
    assert torch.allclose(first.silhouette, second.silhouette, atol=1e-4)
    assert torch.allclose(first.depth, second.depth, atol=1e-4)


def test_gradients_in_grid_and_camera_are_those_of_small_changes(generator):
    grid = (0.2 + 0.6 * torch.rand(4, 4, 4, generator=generator)).requires_grad_()
    pose, rays, depths = camera(), directions(4, 0.15), torch.linspace(0.41, 0.6, 6)
    weight = torch.rand(4, 4, generator=generator)
    shift = torch.zeros(3, requires_grad=True)

    def total(values, moved):
        at = torch.cat([pose[:3, :3], (pose[:3, 3] + moved)[:, None]], 1)
        at = torch.cat([at, pose[3:]])
        return (weight * project(values[None], at[None, None], rays, depths, BOX).depth[0, 0]).sum()

    by_grid, by_shift = torch.autograd.grad(total(grid, shift), (grid, shift))
    with torch.no_grad():
        for index in ((1, 2, 1), (2, 1, 2), (0, 0, 3)):
            change = torch.zeros(4, 4, 4)
            change[index] = 1e-2
            slope = (total(grid + change, shift) - total(grid - change, shift)) / 2e-2
            assert float(slope) == pytest.approx(float(by_grid[index]), abs=2e-4)
        for axis in range(3):
            change = 1e-4 * torch.eye(3)[axis]
            slope = (total(grid, change) - total(grid, -change)) / 2e-4
            assert float(slope) == pytest.approx(float(by_shift[axis]), rel=0.1, abs=0.02)


def test_silhouettes_alone_carve_a_shape(generator):
    centres = BOX.centres(16)
    truth = ((centres - torch.tensor([0.0, 0.0, 0.1])).norm(dim=-1) < 0.06).float()
    poses = torch.stack([camera(azimuth, 0.4) for azimuth in torch.linspace(0, 2 * math.pi, 9)[:-1].tolist()])[None]
    rays = directions(20, 0.2)
    target = project(truth[None], poses, rays, DEPTHS, BOX)
    logits = torch.zeros(1, 16, 16, 16, requires_grad=True)
    optimizer = torch.optim.Adam([logits], lr=0.3)
    for _ in range(40):
        seen = project(logits.sigmoid(), poses, rays, DEPTHS, BOX)
        loss = (seen.silhouette - target.silhouette).square().mean() + (seen.depth - target.depth).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    made = logits[0].sigmoid() > 0.5
    assert float((made & (truth > 0.5)).sum() / (made | (truth > 0.5)).sum()) > 0.6


def test_points_on_rays_and_outside_the_box():
    points = ray_points(camera()[None, None], directions(3, 0.2), torch.tensor([0.5]))
    assert torch.allclose(points[0, 0, 0, 1, 1], torch.tensor([0.0, 0.0, 0.1]), atol=1e-6)
    ones = torch.ones(1, 4, 4, 4)
    assert sample(ones, torch.tensor([[[0.0, 0.0, 0.1], [0.0, 0.0, 0.3]]]), BOX).tolist() == [[1.0, 0.0]]
    assert directions(4, 0.5, 2, (1, 0)).shape == (2, 2, 3)
    assert torch.equal(directions(4, 0.5, 2, (1, 0)), directions(4, 0.5)[1::2, 0::2])


def test_an_opaque_layer_hides_what_is_behind_it():
    met = torch.tensor([0.0, 1.0, 1.0, 0.0])[None, None, :, None, None]
    found = march(met, torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]))
    assert float(found.depth) == pytest.approx(2.0, abs=1e-3)
    assert float(found.hit) == pytest.approx(1.0, abs=1e-4)


def test_wrong_shapes_and_cameras_that_are_not_finite_are_refused():
    grid, pose = torch.rand(2, 4, 4, 4), camera()[None, None].repeat(2, 1, 1, 1)
    with pytest.raises(ValueError, match=r"cameras \[n, v, 4, 4\]"):
        project(grid, pose[:1], directions(3, 0.2), DEPTHS, BOX)
    with pytest.raises(ValueError, match="finite"):
        project(grid, pose * math.nan, directions(3, 0.2), DEPTHS, BOX)
