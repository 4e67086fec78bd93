"""The parallel-jaw gripper: its size, its boxes in the world, its body in Bullet.

The body is one chain: a fixed base, a vertical slide that lifts, a palm turned as the pose says, and two fingers that
slide along the closing direction. Frames as in `envs.grasp.frames`: the origin lies 15 mm behind the finger tips.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from envs.grasp.picture import Model

Array = NDArray[np.float64]
FINGER = (0.010, 0.020, 0.045)  # along the closing direction, across, along the approach; metres
TIP = 0.015  # from the grasp centre to the tips
PALM = (0.130, 0.030, 0.020)
FINGER_MIDDLE = TIP - FINGER[2] / 2
PALM_MIDDLE = TIP - FINGER[2] - PALM[2] / 2
LIFT_JOINT, PALM_JOINT, FINGER_JOINTS = 0, 1, (2, 3)
MASSES = (0.5, 0.5, 0.1, 0.1)
COLOUR = (0.25, 0.27, 0.30)
# The corners of a unit cube and its outward faces.
CUBE = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
CUBE_FACES = np.array(
    [
        [[0, 1, 3], [0, 3, 2], [4, 6, 7], [4, 7, 5], [0, 4, 5], [0, 5, 1]],
        [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 5, 7], [1, 7, 3]],
    ]
).reshape(-1, 3)


def finger_middles(opening: float) -> Array:
    """The middles [2, 3] of both fingers in the gripper's frame, at an opening in metres."""
    out = opening / 2 + FINGER[0] / 2
    return np.array([[-out, 0, FINGER_MIDDLE], [out, 0, FINGER_MIDDLE]])


def boxes(opening: float) -> list[tuple[Array, Array]]:
    """(middle [3], size [3]) of palm and fingers in the gripper's frame."""
    palm = (np.array([0, 0, PALM_MIDDLE]), np.array(PALM))
    return [palm, *((middle, np.array(FINGER)) for middle in finger_middles(opening))]


def keypoints(opening: NDArray[Any]) -> Array:
    """Five points of the gripper in its frame: both tips, both inner finger roots, the palm's back; [n, 5, 3]."""
    half = np.asarray(opening, float)[:, None] / 2
    zero, one = np.zeros_like(half), np.ones_like(half)
    root, back = TIP - FINGER[2], PALM_MIDDLE - PALM[2] / 2
    rows = [(-half, TIP), (half, TIP), (-half, root), (half, root), (zero, back)]
    return np.stack([np.concatenate([x, zero, z * one], 1) for x, z in rows], 1)


def models(pose: Array, opening: float, colour: tuple[float, float, float] = COLOUR) -> list[Model]:
    """The gripper's boxes at a pose [4, 4], to be drawn."""
    found = []
    for middle, size in boxes(opening):
        corners = (CUBE * size + middle) @ pose[:3, :3].T + pose[:3, 3]
        found.append(Model(corners, CUBE_FACES, colour))
    return found


def shapes(bullet: Any, client: int) -> tuple[int, int]:
    """Collision shapes of palm and finger, made once per client."""
    palm, finger = (
        bullet.createCollisionShape(bullet.GEOM_BOX, halfExtents=[s / 2 for s in size], physicsClientId=client)
        for size in (PALM, FINGER)
    )
    return palm, finger


def body(bullet: Any, client: int, shape: tuple[int, int], pose: Array, opening: float, friction: float) -> int:
    """A gripper at `pose` [4, 4] with its fingers `opening` metres apart; joints as in the constants above."""
    palm, finger = shape
    turn = Rotation.from_matrix(pose[:3, :3]).as_quat().tolist()
    mount = (pose[:3, :3] @ (0, 0, PALM_MIDDLE)).tolist()
    ends = (finger_middles(opening) - (0, 0, PALM_MIDDLE)).tolist()
    made = bullet.createMultiBody(
        baseMass=0,
        basePosition=pose[:3, 3].tolist(),
        linkMasses=list(MASSES),
        linkCollisionShapeIndices=[-1, palm, finger, finger],
        linkVisualShapeIndices=[-1] * 4,
        linkPositions=[[0, 0, 0], mount, *ends],
        linkOrientations=[[0, 0, 0, 1], turn, [0, 0, 0, 1], [0, 0, 0, 1]],
        linkInertialFramePositions=[[0, 0, 0]] * 4,
        linkInertialFrameOrientations=[[0, 0, 0, 1]] * 4,
        linkParentIndices=[0, 1, 2, 2],
        linkJointTypes=[
            bullet.JOINT_PRISMATIC,
            bullet.JOINT_FIXED,
            bullet.JOINT_PRISMATIC,
            bullet.JOINT_PRISMATIC,
        ],
        linkJointAxis=[[0, 0, 1], [0, 0, 1], [1, 0, 0], [-1, 0, 0]],
        physicsClientId=client,
    )
    for joint in FINGER_JOINTS:
        bullet.changeDynamics(
            made, joint, lateralFriction=friction, spinningFriction=0.005, jointDamping=0.0, physicsClientId=client
        )
    return int(made)
