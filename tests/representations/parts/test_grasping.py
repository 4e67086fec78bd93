"""geometry_grasp and grasp_cnn: what they see, what they imagine, what trains what, what they refuse."""

import math

import pytest
import torch

from representations import MODELS, fit, load, make, save
from representations.geometry_grasp import BEHIND, LOCAL_FAR, LOCAL_NEAR
from representations.parts.grasping import BOX, TAN_HALF, Grasps, describe_grasps, facing, lift, usual_cameras
from representations.parts.projection import directions

SMALL = {
    "geometry_grasp": {
        "code_size": 12,
        "state_size": 10,
        "channels": 4,
        "hidden": 16,
        "voxels": 16,
        "samples": 16,
        "local": 8,
    },
    "grasp_cnn": {"code_size": 10, "channels": 4, "hidden": 16},
}
SIZE = 32


def small(name, **more):
    torch.manual_seed(0)
    return make(name, shape=(4, SIZE, SIZE), **SMALL[name] | more)


def turn(angle):
    pose = torch.eye(4)
    pose[:2, :2] = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    return pose


def table_depth(cameras):
    """What a camera over an empty table measures, in closed form."""
    rays = directions(SIZE, TAN_HALF)
    falling = torch.einsum("nj,hwj->nhw", cameras[:, 2, :3], rays)
    return (-cameras[:, 2, 3, None, None] / falling.clamp(max=-1e-3)).clamp(max=1.2)


def scene(n=3, grasps=5, seed=0):
    generator = torch.Generator().manual_seed(seed)
    cameras = torch.stack([turn(0.7 * k) for k in range(n)]) @ usual_cameras(n)
    depth = table_depth(cameras)
    depth[:, 10:20, 12:22] -= 0.05
    rgbd = torch.cat([torch.rand(n, 3, SIZE, SIZE, generator=generator), depth[:, None]], 1)
    poses = torch.diag(torch.tensor([1.0, -1, -1, 1])).repeat(n, grasps, 1, 1)
    poses[..., :3, 3] = 0.05 * torch.randn(n, grasps, 3, generator=generator) + torch.tensor([0, 0, 0.1])
    batch = {"rgbd": rgbd, "camera": cameras, "pose": poses, "opening": torch.full((n, grasps), 0.08)}
    batch["success"] = poses[..., 2, 3] > 0.1
    batch |= {"view_camera": cameras[:, None], "view_depth": depth[:, None]}
    batch["view_mask"] = torch.zeros(n, 1, SIZE, SIZE, dtype=torch.bool)
    batch["view_mask"][:, :, 10:20, 12:22] = True
    return batch


@pytest.fixture(params=SMALL)
def name(request):
    return request.param


def test_codes_and_logits_have_the_stated_shapes_and_a_saved_model_gives_the_same(name, tmp_path):
    model, batch = small(name).eval(), scene()
    assert isinstance(model, Grasps)
    assert MODELS[name] is type(model)
    code = model.encode(batch["rgbd"], batch["camera"])
    assert code.shape == (3, model.code_size)
    logits = model.outcome(model.perceive(batch["rgbd"], batch["camera"]), batch["pose"], batch["opening"])
    assert logits.shape == (3, 5)
    save(model, tmp_path)
    again = load(tmp_path)
    assert torch.equal(again.encode(batch["rgbd"], batch["camera"]), code)
    seen = again.perceive(batch["rgbd"], batch["camera"])
    assert torch.equal(again.outcome(seen, batch["pose"], batch["opening"]), logits)
    usual = scene(1)
    assert torch.equal(model.encode(usual["rgbd"]), model.encode(usual["rgbd"], usual_cameras(1)))


def test_turning_the_whole_scene_about_the_vertical_changes_no_judgement(name):
    model, batch = small(name).eval(), scene()
    seen = model.perceive(batch["rgbd"], batch["camera"])
    before = model.outcome(seen, batch["pose"], batch["opening"])
    moved = turn(2.1)
    seen = model.perceive(batch["rgbd"], moved @ batch["camera"])
    after = model.outcome(seen, moved @ batch["pose"], batch["opening"])
    assert torch.allclose(before, after, atol=1e-3)
    assert not torch.allclose(before, model.outcome(seen, batch["pose"], batch["opening"]), atol=1e-3)


def test_pictures_are_lifted_to_the_points_they_show():
    cameras = turn(1.3) @ usual_cameras(2)
    rgbd = torch.cat([torch.full((2, 3, SIZE, SIZE), 0.5), table_depth(cameras)[:, None]], 1)
    points = lift(rgbd, cameras)
    assert torch.equal(points[:, :3], torch.zeros(2, 3, SIZE, SIZE))
    assert torch.allclose(points[:, 5], torch.full((2, SIZE, SIZE), -1.0), atol=1e-4)  # the table is the box's floor
    place = facing(cameras) @ cameras
    assert torch.allclose(place[:, 1, 3], torch.zeros(2), atol=1e-6)
    assert (place[:, 0, 3] > 0).all()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.allclose(lift(rgbd, cameras), points)


def test_a_grasp_is_told_by_points_of_the_gripper():
    pose = torch.diag(torch.tensor([1.0, -1, -1, 1]))[None, None]
    pose[..., :3, 3] = torch.tensor([0.0, 0.0, 0.112])
    numbers = describe_grasps(pose, torch.tensor([[0.08]]), torch.eye(4)[None])[0, 0]
    tips = numbers[:6].view(2, 3)
    assert torch.allclose(tips, torch.tensor([[-0.04, 0, -0.015], [0.04, 0, -0.015]]) / 0.112, atol=1e-5)
    assert torch.allclose(numbers[-7:], torch.tensor([1.0, 0, 0, 0, 0, -1, 0.6]))


def test_how_far_voxels_lie_before_the_surface_is_exact_over_a_table():
    model, cameras = small("geometry_grasp"), usual_cameras(1)
    rgbd = torch.cat([torch.zeros(1, 3, SIZE, SIZE), table_depth(cameras)[:, None]], 1)
    before = model.before(rgbd, cameras)[0]
    centres = BOX.centres(model.voxels)
    # Along the ray through a voxel at height z, the table is further by z over the ray's fall per unit of depth.
    inverse = torch.linalg.inv(cameras[0])
    local = centres @ inverse[:3, :3].T + inverse[:3, 3]
    ray = (centres - cameras[0, :3, 3]) / local[..., 2:]
    expected = centres[..., 2] / -ray[..., 2]
    inside = (local[..., :2].abs() / local[..., 2:] < TAN_HALF * 0.95).all(-1) & (expected < 0.2)
    assert (before - expected)[inside].abs().max() < 0.02  # the nearest of 32 pixels
    assert inside.sum() > 1000
    grid = model.voxel(model.encode(rgbd, cameras), rgbd, cameras)[0]
    assert grid[centres[..., 2] > 0.05].max() < 0.05  # seen to be empty before any training


def test_the_gripper_sees_a_block_below_it_at_its_distance():
    model = small("geometry_grasp", local=16)
    centres = BOX.centres(32)
    block = ((centres[..., :2].abs() < 0.03).all(-1) & (centres[..., 2] < 0.07)).float()[None]
    pose = torch.diag(torch.tensor([1.0, -1, -1, 1]))[None, None]
    pose[..., :3, 3] = torch.tensor([0.0, 0.0, 0.08])
    silhouette, depth = model.local_views(block, torch.eye(4)[None], pose)[0, 0]
    assert silhouette[7:9, 7:9].min() > 0.9
    assert silhouette[0].max() < 0.1
    expected = (BEHIND + 0.01 - LOCAL_NEAR) / (LOCAL_FAR - LOCAL_NEAR)
    assert depth[7:9, 7:9].mean() == pytest.approx(expected, abs=0.08)
    assert depth[0].min() > 0.95
    moved = turn(0.9)
    same = model.local_views(block, moved.T[None], moved @ pose)[0, 0]
    assert torch.allclose(same[0], silhouette, atol=1e-3)


def test_views_that_were_drawn_before_give_the_same_loss():
    model, batch = small("geometry_grasp"), scene()
    model.stage = "outcome"
    direct, _ = model.outcome_loss(batch)
    with torch.no_grad():
        seen = model.perceive(batch["rgbd"], batch["camera"])
        local = model.local_views(seen["grid"], seen["turn"], batch["pose"])
    cached, _ = model.outcome_loss(batch | {"code": seen["code"], "local": local})
    assert direct.item() == pytest.approx(cached.item(), abs=1e-6)


def changed(name, stage, batch, **more):
    model = small(name, learning_rate=1e-2, **more)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    model.stage = stage
    logs = fit(model, lambda g: batch, 20, torch.Generator().manual_seed(0), progress=False, log_every=4)
    key = next(key for key in logs[0] if key.endswith("/loss"))
    assert logs[-1][key] < 0.95 * logs[0][key], stage
    return {key.split(".")[0] for key, value in model.state_dict().items() if not torch.equal(value, before[key])}


def test_every_stage_trains_its_own_networks_and_lowers_its_loss():
    batch = scene()
    assert changed("geometry_grasp", "shape", batch) == {"encoder", "decoder", "evidence"}
    assert changed("geometry_grasp", "outcome", batch) == {"state", "action", "view", "predictor"}
    everything = {"encoder", "decoder", "evidence", "state", "action", "view", "predictor"}
    assert changed("geometry_grasp", "joint", batch) == everything
    assert changed("geometry_grasp", "shape", batch, residual=False) == {"encoder", "decoder"}
    assert changed("grasp_cnn", "outcome", batch) == {"state", "action", "predictor"}


def test_end_to_end_the_outcomes_gradient_reaches_the_shape_and_not_in_stages():
    batch = scene()
    for stage, reaches in (("joint", True), ("outcome", False)):
        model = small("geometry_grasp")
        model.stage = stage
        model.outcome_loss(batch)[0].backward()
        weight = model.decoder[-1].weight
        assert (weight.grad is not None and bool(weight.grad.abs().max() > 0)) is reaches


def test_the_baseline_is_the_same_without_shape():
    whole, baseline = small("geometry_grasp"), small("grasp_cnn")
    shared = {key: value.shape for key, value in baseline.state_dict().items()}
    ours = {key: value.shape for key, value in whole.state_dict().items()}
    assert {key for key in ours if key.split(".")[0] not in ("encoder", "decoder", "evidence", "view")} == set(shared)
    assert {key for key in shared if shared[key] != ours[key]} == {"predictor.enter.weight"}


def test_the_paper_preset_has_the_papers_bottleneck():
    model = make("geometry_grasp", code_size=768, voxels=32, residual=False, channels=8)
    rgbd = torch.cat([torch.zeros(1, 3, 64, 64), torch.full((1, 1, 64, 64), 0.5)], 1)
    code = model.encode(rgbd)
    assert code.shape == (1, 768)
    grid = model.voxel(code, rgbd, usual_cameras(1))
    assert grid.shape == (1, 32, 32, 32)
    assert torch.equal(grid, model.voxel(code, rgbd * 0 + 0.4, usual_cameras(1)))  # the bottleneck alone


def test_bad_input_is_refused_by_name(name):
    model, batch = small(name), scene()
    rgbd, cameras = batch["rgbd"], batch["camera"]
    with pytest.raises(ValueError, match="millimetres"):
        model.perceive(torch.cat([rgbd[:, :3], rgbd[:, 3:] * 1000], 1), cameras)
    with pytest.raises(ValueError, match="shape"):
        model.encode(rgbd[:, :3])
    with pytest.raises(ValueError, match="finite"):
        model.encode(rgbd * math.nan)
    with pytest.raises(ValueError, match="colour"):
        model.encode(rgbd * 3)
    with pytest.raises(TypeError, match="float"):
        model.encode((rgbd * 255).to(torch.uint8))
    seen = model.perceive(rgbd, cameras)
    with pytest.raises(ValueError, match="orthonormal"):
        model.outcome(seen, batch["pose"] * 1.1, batch["opening"])
    with pytest.raises(ValueError, match="openings"):
        model.outcome(seen, batch["pose"], batch["opening"][:, :2])
    with pytest.raises(ValueError, match=r"shape\[0\] must be 4"):
        make(name, shape=(3, 64, 64))


def test_settings_that_cannot_be_are_named():
    with pytest.raises(ValueError, match="voxels must be a multiple of 8"):
        make("geometry_grasp", voxels=20)
    model = small("geometry_grasp")
    model.stage = "shapes"
    with pytest.raises(ValueError, match="stage must be one of shape, outcome, joint"):
        model.objectives()
