"""What learners of grasp outcomes share: how they see, how they are told a grasp, the networks, the contract.

Everything is expressed in a frame at the table that faces the camera: z upward, the camera above the positive x axis. A
picture's pixels are given as colour and the point of that frame which they show, from depth and the camera's matrix, so
that a scene seen from elsewhere looks turned, not different.
"""

from __future__ import annotations

import math
from typing import Any, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional

from borders import Side
from representations.parts.networks import HalvingConv, mlp
from representations.parts.projection import Box, directions

BOX = Box((-0.112, -0.112, 0.0), (0.112, 0.112, 0.224))  # metres: what a voxel grid fills, in the facing frame
TAN_HALF = 0.21  # half the width of a picture at depth 1
RGBD = tuple[Literal[4], Side, Side]
DEPTH_RANGE = (0.1, 5.0)
# The gripper in its own frame: tips 15 mm before the grasp centre, roots 30 mm and the palm's back 50 mm behind it.
TIP, ROOT, BACK = 0.015, -0.030, -0.050
ACTION_SIZE = 22


@runtime_checkable
class Grasps(Protocol):
    """Can tell how a grasp would end."""

    def perceive(self, rgbd: Tensor, cameras: Tensor) -> dict[str, Tensor]:
        """What is remembered of pictures [n, 4, H, W] from cameras [n, 4, 4]: tensors whose first axis is n."""
        ...

    def outcome(self, seen: dict[str, Tensor], poses: Tensor, openings: Tensor) -> Tensor:
        """The logits [n, G] of success for gripper poses [n, G, 4, 4] in the world and openings [n, G] in metres."""
        ...


def exact(like: Tensor) -> torch.autocast:
    """A context in which geometry is computed as it comes: bfloat16 would move a camera by millimetres."""
    return torch.autocast(like.device.type, enabled=False)


def check_square(shape: tuple[int, int, int]) -> None:
    """Raise ValueError unless RGBD pictures of `shape` = (4, H, W) are square."""
    if shape[1] != shape[2]:
        raise ValueError(f"shape must be (4, size, size), got {shape}")


def check_rgbd(rgbd: Tensor, size: int) -> None:
    """Raise TypeError or ValueError unless these are float RGBD pictures [n, 4, size, size], depth in metres."""
    if not isinstance(rgbd, Tensor) or not rgbd.is_floating_point():
        got = rgbd.dtype if isinstance(rgbd, Tensor) else type(rgbd).__name__
        raise TypeError(
            f"RGBD pictures must be float [n, 4, {size}, {size}]: colour in [0, 1], depth in metres; got {got}"
        )
    if tuple(rgbd.shape[1:]) != (4, size, size):
        raise ValueError(f"RGBD pictures must have shape [n, 4, {size}, {size}], got {list(rgbd.shape)}")
    if not rgbd.numel():
        return
    colour, depth = rgbd[:, :3], rgbd[:, 3]
    if not (bool(torch.isfinite(rgbd).all()) and colour.amin() >= 0 and colour.amax() <= 1 and depth.amin() >= 0):
        raise ValueError("RGBD pictures must be finite, their colour in [0, 1] and their depth not negative")
    middle = float(depth.median())
    if not DEPTH_RANGE[0] <= middle <= DEPTH_RANGE[1]:
        hint = "; these look like millimetres: divide by 1000" if middle > DEPTH_RANGE[1] else ""
        raise ValueError(f"the median depth must lie in {DEPTH_RANGE[0]} to {DEPTH_RANGE[1]} m, got {middle:g}{hint}")


def facing(cameras: Tensor) -> Tensor:
    """The rotation [n, 4, 4] about the vertical that takes the world to the frame in which the camera stands on +x."""
    x, y = cameras[:, 0, 3], cameras[:, 1, 3]
    length = (x * x + y * y).sqrt().clamp(min=1e-9)
    turn = torch.eye(4).to(cameras).repeat(len(cameras), 1, 1)
    turn[:, 0, 0] = turn[:, 1, 1] = x / length
    turn[:, 0, 1], turn[:, 1, 0] = y / length, -y / length
    return turn


def usual_cameras(n: int) -> Tensor:
    """Cameras [n, 4, 4] at 45 degrees of elevation, 0.55 m from (0, 0, 0.07), for pictures that come without theirs."""
    half = math.sqrt(0.5)
    pose = torch.tensor([[0.0, half, -half, 0.55 * half], [1.0, 0, 0, 0], [0, -half, -half, 0.07 + 0.55 * half]])
    return torch.cat([pose, torch.tensor([[0.0, 0, 0, 1]])])[None].repeat(n, 1, 1)


def lift(rgbd: Tensor, cameras: Tensor) -> Tensor:
    """Pictures [n, 6, H, W]: colour, less one half, and the point each pixel shows in the facing frame, box at [-1, 1]."""
    rays = directions(rgbd.shape[-1], TAN_HALF).to(rgbd)
    points = rgbd[:, 3, :, :, None] * rays
    with exact(rgbd):
        pose = facing(cameras) @ cameras
        points = torch.einsum("nij,nhwj->nhwi", pose[:, :3, :3], points) + pose[:, None, None, :3, 3]
    place = BOX.normalised(points).clamp(-2, 2)
    return torch.cat([rgbd[:, :3] - 0.5, place.permute(0, 3, 1, 2)], 1)


def describe_grasps(poses: Tensor, openings: Tensor, turn: Tensor) -> Tensor:
    """Grasps as numbers [n, G, 22]: five points of the gripper, its closing and approach directions, its opening.

    `poses` [n, G, 4, 4] in the world, `turn` [n, 4, 4] from the world to the facing frame.
    """
    with exact(poses):
        local = turn[:, None] @ poses
    rotation, centre = local[..., :3, :3], local[..., :3, 3]
    side, ahead = rotation[..., 0], rotation[..., 2]
    half = openings[..., None] / 2
    points = [centre + sign * half * side + place * ahead for place in (TIP, ROOT) for sign in (-1, 1)]
    points.append(centre + BACK * ahead)
    scaled = [BOX.normalised(point) for point in points]
    return torch.cat([*scaled, side, ahead, 20 * openings[..., None] - 1], -1)


def check_grasps(poses: Tensor, openings: Tensor, n: int) -> None:
    """Raise ValueError unless poses [n, G, 4, 4] are finite rigid motions and openings [n, G] fit them."""
    if poses.ndim != 4 or poses.shape[0] != n or poses.shape[2:] != (4, 4) or openings.shape != poses.shape[:2]:
        raise ValueError(
            f"expected poses [{n}, G, 4, 4] and openings [{n}, G], got {list(poses.shape)}, {list(openings.shape)}"
        )
    rotation = poses[..., :3, :3]
    with exact(poses):
        gap = (rotation.mT @ rotation - torch.eye(3).to(poses)).abs()
    if not (bool(torch.isfinite(poses).all()) and bool(torch.isfinite(openings).all()) and bool((gap < 1e-3).all())):
        raise ValueError("poses and openings must be finite and rotations orthonormal to 1e-3")


class Residual(nn.Module):
    """x + f(relu x), two 3 x 3 (x 3) convolutions with `channels` channels (He et al. 2016)."""

    def __init__(self, channels: int, volume: bool = False):
        super().__init__()
        conv: Any = nn.Conv3d if volume else nn.Conv2d
        self.first, self.second = (conv(channels, channels, 3, padding=1) for _ in range(2))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps of the same shape."""
        return maps + self.second(functional.relu(self.first(functional.relu(maps))))


def residual_encoder(inputs: int, size: int, channels: int, outputs: int) -> nn.Sequential:
    """Pictures [n, inputs, size, size] -> [n, outputs]: halved to 4 x 4, a residual block at every size from 16 down."""
    layers: list[nn.Module] = []
    width = channels
    while size > 4:
        layers += [HalvingConv(inputs, width)]
        size, inputs = size // 2, width
        layers += [Residual(width)] if size <= 16 else []
        layers += [nn.ReLU()]
        width = min(2 * width, 2 * channels)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(inputs * size * size, outputs))


class Predictor(nn.Module):
    """The outcome predictor: features [..., d] -> a logit [...], fully connected with a residual connection."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.enter, self.inner, self.leave = (
            nn.Linear(features, hidden),
            mlp(hidden, hidden, hidden),
            nn.Linear(hidden, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Logits [...]."""
        hidden = functional.relu(self.enter(features))
        return self.leave(functional.relu(hidden + self.inner(hidden)))[..., 0]


def outcome_loss(logits: Tensor, success: Tensor) -> tuple[Tensor, Tensor]:
    """The mean cross-entropy in nats of logits [n, G] against success [n, G] in {0, 1}, and the accuracy."""
    loss = functional.binary_cross_entropy_with_logits(logits.float(), success.float())
    return loss, ((logits > 0) == (success > 0.5)).float().mean()
