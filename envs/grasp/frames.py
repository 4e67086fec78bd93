"""Frames, cameras and gripper poses: what their matrices mean, and what is refused.

    x_world = R x_local + t          a pose is the 4 x 4 matrix [R t; 0 1], lengths in metres
    camera frame                     x rightward, y downward, z forward; depth is the coordinate along z
    gripper frame                    x along the closing direction, z the approach, from the palm to the finger tips;
                                     its origin, the grasp centre, lies between the fingers, 15 mm behind their tips

The world's z axis points up, the table's top is z = 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor

Array = NDArray[np.float64]
REACH = 0.20  # metres: grasp centres within this distance of the z axis, and 0 to twice this above the table
MAX_OPENING = 0.10
MIN_OPENING = 0.01
TARGET = (0.0, 0.0, 0.07)  # where cameras look
TAN_HALF = 0.21  # of a camera's field of view: half the width of the picture at depth 1
DISTANCE = 0.55
DEPTH_RANGE = (0.1, 5.0)  # metres: what a median depth can be
ORTHONORMAL = 1e-3
ROUNDING = 1e-6  # metres: what single precision may add to a bound


def camera_poses(azimuth: Tensor, elevation: Tensor, distance: Tensor) -> Tensor:
    """Camera-to-world matrices [n, 4, 4] of cameras that look at `TARGET` from azimuth and elevation [n] in radian.

    `distance` [n] in metres; azimuth 0 stands on the positive x axis. Elevation lies in [0, pi / 2).
    """
    if not bool(((elevation >= 0) & (elevation < 1.57) & (distance > 0)).all()):
        raise ValueError(f"elevation must lie in [0, pi/2) and distance be positive, got {elevation}, {distance}")
    cos_a, sin_a, cos_e, sin_e = azimuth.cos(), azimuth.sin(), elevation.cos(), elevation.sin()
    zero = torch.zeros_like(azimuth)
    forward = -torch.stack([cos_e * cos_a, cos_e * sin_a, sin_e], -1)
    right = torch.stack([-sin_a, cos_a, zero], -1)
    pose = torch.eye(4, dtype=azimuth.dtype, device=azimuth.device).repeat(len(azimuth), 1, 1)
    pose[:, :3, 0], pose[:, :3, 2] = right, forward
    pose[:, :3, 1] = torch.linalg.cross(forward, right)
    pose[:, :3, 3] = azimuth.new_tensor(TARGET) - distance[:, None] * forward
    return pose


def check_rotation(rotation: Any, name: str = "rotation") -> Array:
    """A rotation matrix [..., 3, 3] as float64; ValueError if it is not finite, sheared, scaled or a reflection."""
    matrix = np.asarray(rotation, float)
    if matrix.shape[-2:] != (3, 3) or not np.isfinite(matrix).all():
        raise ValueError(f"{name} must be finite matrices [..., 3, 3], got {rotation!r}")
    gap = np.abs(np.swapaxes(matrix, -1, -2) @ matrix - np.eye(3)).max(initial=0)
    if gap > ORTHONORMAL or not (np.linalg.det(matrix) > 0).all():
        raise ValueError(f"{name} must be orthonormal and right-handed; R^T R is off by {gap:.2g}: {matrix!r}")
    return matrix


def check_pose(pose: Any) -> Array:
    """A gripper pose [4, 4] as float64; ValueError if it is no rigid motion or leads outside the workspace."""
    matrix = np.asarray(pose, float)
    if matrix.shape != (4, 4) or not np.isfinite(matrix).all():
        raise ValueError(f"a gripper pose must be a finite matrix [4, 4], got {pose!r}")
    if not np.array_equal(matrix[3], (0, 0, 0, 1)):
        raise ValueError(f"the last row of a pose must be 0 0 0 1, got {matrix[3]}")
    check_rotation(matrix[:3, :3], "the rotation of a gripper pose")
    x, y, z = matrix[:3, 3]
    if np.hypot(x, y) > REACH * 2**0.5 + ROUNDING or not -ROUNDING <= z <= 2 * REACH + ROUNDING:
        raise ValueError(
            f"the grasp centre must lie within {REACH} m of the z axis along x and y and 0 to {2 * REACH} m above the table, "
            f"got ({x:.3f}, {y:.3f}, {z:.3f})"
        )
    return matrix


def check_opening(opening: float) -> float:
    """A gripper opening in metres, within [0.01, 0.10]; ValueError for one that is further off than a rounding error."""
    if not MIN_OPENING - ROUNDING <= opening <= MAX_OPENING + ROUNDING:
        raise ValueError(f"the opening must lie in [{MIN_OPENING}, {MAX_OPENING}] m, got {opening}")
    return min(max(float(opening), MIN_OPENING), MAX_OPENING)


def check_depth(depth: Any) -> None:
    """Raise ValueError unless depths [..., H, W] are finite metres: their median within 0.1 to 5, none negative."""
    values = torch.as_tensor(depth)
    if not values.is_floating_point() or not bool(torch.isfinite(values).all()):
        raise ValueError(f"depth must be finite floats in metres, got {values.dtype} (millimetres as integers?)")
    middle = float(values.median()) if values.numel() else 1.0
    low, high = DEPTH_RANGE
    if not low <= middle <= high or float(values.min()) < 0:
        hint = "; these look like millimetres: divide by 1000" if middle > high else ""
        raise ValueError(f"the median depth must lie in {low} to {high} m and none be negative, got {middle:g}{hint}")


def pose_of(vector: Any) -> Array:
    """The pose [4, 4] of (x, y, z, rotation vector) [6]: metres, and radian about the vector's own direction."""
    values = np.asarray(vector, float)
    if values.shape != (6,) or not np.isfinite(values).all():
        raise ValueError(f"a pose vector must hold 6 finite numbers (x, y, z, rotation vector), got {vector!r}")
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = Rotation.from_rotvec(values[3:]).as_matrix(), values[:3]
    return pose


def vector_of(pose: Any) -> Array:
    """The vector (x, y, z, rotation vector) [6] of a pose [4, 4]; the inverse of `pose_of`."""
    matrix = np.asarray(pose, float)
    return np.concatenate([matrix[:3, 3], Rotation.from_matrix(check_rotation(matrix[:3, :3])).as_rotvec()])


def moved(poses: Any, steps: Any) -> Array:
    """Poses [n, 4, 4] moved in their own frames by steps [n, 6]: a translation in metres, then a rotation vector."""
    before, change = np.asarray(poses, float), np.asarray(steps, float)
    after = before.copy()
    after[:, :3, 3] += np.einsum("nij,nj->ni", before[:, :3, :3], change[:, :3])
    after[:, :3, :3] = before[:, :3, :3] @ Rotation.from_rotvec(change[:, 3:]).as_matrix()
    return after


def planted(x: float, y: float, yaw: float) -> Array:
    """The pose [4, 4] of an object that stands at (x, y), turned by `yaw` radian about the vertical."""
    pose = np.eye(4)
    pose[:2, :2] = [[np.cos(yaw), -np.sin(yaw)], [np.sin(yaw), np.cos(yaw)]]
    pose[:2, 3] = x, y
    return pose
