"""Attempts in Bullet on boxes, where the outcome is known: what succeeds, how things fail, what is refused."""

import math

import numpy as np
import pytest
import trimesh
from scipy.spatial.transform import Rotation

from envs.grasp import gripper
from envs.grasp.files import solid_part
from envs.grasp.frames import check_pose, check_rotation, moved, planted, pose_of, vector_of
from envs.grasp.objects import build
from envs.grasp.sampler import antipodal, crossings, perturbed, surface_points
from envs.grasp.scene import REASONS, GraspScene, Physics
from envs.grasp.solids import Part, Solid

pytest.importorskip("pybullet")
DOWN = pose_of([0, 0, 0.035, math.pi, 0, 0])  # approaches from above, closes along x


def box(x=0.04, y=0.06, z=0.06):
    mesh = trimesh.creation.box((x, y, z)).apply_translation((0, 0, z / 2))
    return Solid((solid_part(mesh),), name="box")


@pytest.fixture
def scene():
    with GraspScene(box()) as made:
        made.place()
        yield made


def shifted(pose, x=0.0, y=0.0, z=0.0):
    after = pose.copy()
    after[:3, 3] += x, y, z
    return after


def test_a_box_held_in_the_middle_is_lifted_and_its_width_is_felt(scene):
    outcome = scene.attempt(DOWN, 0.08)
    assert outcome.reason == "success"
    assert outcome.gap == pytest.approx(0.04, abs=2e-3)
    assert outcome.rise == pytest.approx(scene.physics.lift, abs=5e-3)


def test_every_way_to_fail_has_its_name(scene):
    assert scene.attempt(shifted(DOWN, z=0.10), 0.08).reason == "miss"
    assert scene.attempt(shifted(DOWN, x=0.03), 0.08).reason == "collision"
    assert scene.attempt(DOWN, 0.03).reason == "collision"
    assert scene.attempt(shifted(DOWN, z=-0.025), 0.08).reason == "collision"  # tips under the table
    with GraspScene(box(), Physics(friction_finger=0.0)) as slippery:
        assert slippery.attempt(DOWN, 0.08).reason == "slip"
    with GraspScene(box(), Physics(mass=20.0)) as heavy:
        assert heavy.attempt(DOWN, 0.08).reason == "slip"
    assert set(REASONS) == {"success", "collision", "miss", "slip"}


def test_an_outcome_depends_on_the_attempt_alone(scene):
    poses = perturbed(DOWN, 30, np.random.default_rng(0))
    poses = poses[poses[:, 2, 3] > 0]
    first = [scene.attempt(pose, 0.09) for pose in poses]
    assert [scene.attempt(pose, 0.09) for pose in poses[::-1]][::-1] == first
    assert len({outcome.reason for outcome in first}) >= 3


def test_turning_scene_and_gripper_together_changes_nothing():
    attempts = [
        (DOWN, 0.08),
        (shifted(DOWN, z=0.1), 0.08),
        (shifted(DOWN, y=0.02), 0.08),
        (shifted(DOWN, x=0.03), 0.08),
    ]
    for x, y, yaw in ((0.02, -0.01, 0.7), (0.0, 0.02, 2.5)):
        with GraspScene(box()) as made:
            where = made.place(x, y, yaw)
            found = [made.attempt(where @ pose, opening).reason for pose, opening in attempts]
        assert found == ["success", "miss", "success", "collision"]


def test_a_bowl_is_hollow_for_physics_too():
    import pybullet

    bowl = build("bowl", 0.8, 0.8, 0.5)
    with GraspScene(bowl) as made:
        made.place()
        made.settle()
        on = {"physicsClientId": made._client}
        ball = pybullet.createMultiBody(
            0.02,
            pybullet.createCollisionShape(pybullet.GEOM_SPHERE, radius=0.012, **on),
            basePosition=[0, 0, 0.09],
            **on,
        )
        for _ in range(240):
            pybullet.stepSimulation(**on)
        x, y, z = pybullet.getBasePositionAndOrientation(ball, **on)[0]
    assert 0.012 < z < 0.012 + 0.012
    assert math.hypot(x, y) < 0.03


def test_the_gripper_in_bullet_is_the_gripper_that_is_drawn(scene):
    pose = pose_of([0.05, 0.02, 0.12, 2.2, 0.5, 0.3])
    hand = gripper.body(scene._bullet, scene._client, scene._grip, pose, 0.07, 1.0)
    for joint, (middle, size) in zip((1, 2, 3), gripper.boxes(0.07), strict=True):
        corners = (gripper.CUBE * size + middle) @ pose[:3, :3].T + pose[:3, 3]
        low, high = scene._bullet.getAABB(hand, joint, physicsClientId=scene._client)
        assert low == pytest.approx(corners.min(0), abs=1e-4)
        assert high == pytest.approx(corners.max(0), abs=1e-4)
    for model in gripper.models(pose, 0.07):
        mesh = trimesh.Trimesh(model.vertices, model.faces)
        assert mesh.is_watertight
        assert mesh.volume > 0
    tips = gripper.keypoints(np.array([0.07]))[0, :2]
    assert np.abs(tips[:, 0]) == pytest.approx([0.035, 0.035])
    assert tips[:, 2] == pytest.approx([gripper.TIP, gripper.TIP])


@pytest.mark.parametrize(
    ("pose", "told"),
    [
        (np.full((4, 4), np.nan), "finite"),
        (np.eye(3), r"\[4, 4\]"),
        (shifted(DOWN, x=0.5), "must lie within"),
        (shifted(DOWN, z=-0.2), "must lie within"),
        (DOWN * np.array([[1.1], [1], [1], [1]]), "orthonormal"),
        (np.diag([1.0, 1, -1, 1]), "right-handed"),
        (np.zeros((4, 4)), "last row"),
        (DOWN + np.array([[0, 0.01, 0, 0], [0] * 4, [0] * 4, [0] * 4]), "orthonormal"),
    ],
)
def test_poses_that_are_no_rigid_motion_or_lead_away_are_refused(scene, pose, told):
    with pytest.raises(ValueError, match=told):
        scene.attempt(pose, 0.08)


def test_openings_places_and_solids_that_cannot_be_are_refused(scene):
    for opening in (0.0, 0.2, float("nan")):
        with pytest.raises(ValueError, match="opening"):
            scene.attempt(DOWN, opening)
    with pytest.raises(ValueError, match="falls off the table"):
        scene.place(0.45, 0)
    with pytest.raises(ValueError, match="finite"):
        scene.place(float("nan"))
    with GraspScene(spinning_top()) as top:
        top.place()
        with pytest.raises(ValueError, match="does not stand"):
            top.settle(1.0)
    with pytest.raises(ValueError, match="convex pieces"):
        GraspScene(Solid((Part(np.zeros((3, 3)), np.zeros((1, 3), int), ()),)))


def spinning_top():
    """A cone on its tip, leaning a little."""
    cone = trimesh.creation.cone(0.04, 0.08)
    cone.apply_transform(trimesh.transformations.rotation_matrix(math.radians(175), (1, 0, 0)))
    cone.apply_translation((0, 0, -cone.bounds[0, 2]))
    return Solid((solid_part(cone),), name="top")


def test_pose_vectors_and_matrices_are_each_other_inverse():
    vectors = np.random.default_rng(0).uniform(-1, 1, (20, 6))
    for vector in vectors:
        assert vector_of(pose_of(vector)) == pytest.approx(vector)
        check_pose(pose_of(np.append(np.abs(vector[:3]) * 0.1, vector[3:])))
    with pytest.raises(ValueError, match="6 finite"):
        pose_of([0, 0, 0])
    check_rotation(Rotation.random(5, rng=np.random.default_rng(0)).as_matrix())


def test_a_step_in_the_grippers_frame_moves_it_along_its_own_axes():
    [after] = moved(DOWN[None], np.array([[0, 0, 0.02, 0, 0, 0]]))
    assert after[:3, 3] == pytest.approx([0, 0, 0.015])  # forward is down
    [after] = moved(DOWN[None], np.array([[0, 0, 0, 0, 0, math.pi / 2]]))
    assert after[:3, 0] == pytest.approx(DOWN[:3, 1])
    assert planted(0.1, 0.2, math.pi / 2) @ [1, 0, 0, 1] == pytest.approx([0.1, 1.2, 0, 1])


def test_antipodal_contacts_face_each_other_and_lie_between_the_fingers():
    mug = build("mug", 0.5, 0.3, 0.5)
    poses, openings = antipodal(mug, 150, np.random.default_rng(0))
    assert len(poses) > 30
    for pose, opening in zip(poses, openings, strict=True):
        check_rotation(pose[:3, :3])
        # From either finger a ray along the closing direction meets the solid before the middle is crossed twice.
        for side in (-1, 1):
            # Contacts lie up to 15 mm before and 5 mm behind the grasp centre along the approach.
            origin = (
                pose[:3, 3] + np.linspace(-0.006, 0.016, 23)[:, None] * pose[:3, 2] - side * opening / 2 * pose[:3, 0]
            )
            distance, _ = crossings(mug, origin, np.broadcast_to(side * pose[:3, 0], origin.shape))
            assert distance.min() < opening


def test_surface_points_lie_on_the_surface_with_outward_normals():
    solid = box()
    points, normals = surface_points(solid, 300, np.random.default_rng(0))
    assert solid.contains(points - 1e-5 * normals).all()
    assert not solid.contains(points + 1e-5 * normals).any()
    side = np.abs(normals) @ [0.06 * 0.06, 0.04 * 0.06, 0.04 * 0.06]
    assert (side == 0.06 * 0.06).mean() == pytest.approx(0.0036 / (0.0036 + 0.0024 + 0.0024), abs=0.1)
