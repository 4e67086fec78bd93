"""The geometry-aware grasping network (Yan et al. 2017): imagine the shape, look at it from the gripper, then judge.

    z = encoder(picture),  O = sigmoid(decoder(z) + e(s))                     identity unit, occupancy grid
    L_shape = 10 |silhouette(O, view) - mask|^2 + 0.5 |depth(O, view) - depth|_1 over the object    over other views
    p(success | picture, grasp) = sigmoid f(state(picture), action(grasp), z, local(O seen from the gripper))
    L = L_outcome, the cross-entropy of outcomes, after (or with) L_shape

s is how far a voxel lies before (s > 0) or behind the surface that the picture's own depth shows along its ray, and e a
learned function of it: a residual connection from the input to the grid. Space seen through is empty, the surface is
full, and the decoder has to complete what is hidden. `residual` False leaves the bottleneck alone.

No voxel is ever shown to it: the decoder learns through the projection of `representations.parts.projection`, from pictures
alone. The gripper's view treats the gripper as one more camera ("local geometry inference via projection", section 2).
The weights 10 and 0.5 are those of the predecessor's public code and of the longer paper. By default the shape is learned
first, and the outcome's gradient stays out of it, so that views of training grasps can be drawn once; `stage` "joint"
learns both together, end to end.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, TypedDict

import torch
from annotated_types import MultipleOf
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from borders import Positive, Size
from representations.grasp_cnn import Grasps
from representations.model import FloatPictures, Logs, Objective, Representation
from representations.parts.grasping import (
    ACTION_SIZE,
    BOX,
    RGBD,
    TAN_HALF,
    Predictor,
    Residual,
    check_grasps,
    check_rgbd,
    check_square,
    describe_grasps,
    exact,
    facing,
    lift,
    outcome_loss,
    residual_encoder,
    usual_cameras,
)
from representations.parts.networks import mlp
from representations.parts.projection import Projection, directions, project

MASK_WEIGHT, DEPTH_WEIGHT = 10.0, 0.5
SPAN = 0.04  # metres before and behind the visible surface
UNIT = BOX.high[2]  # metres: depth errors are counted in boxes
STAGES = ("shape", "outcome", "joint")
# The gripper's virtual camera: 0.25 m behind the grasp centre; it sees from the palm to 45 mm beyond the tips.
BEHIND, LOCAL_TAN, LOCAL_NEAR, LOCAL_FAR = 0.25, 0.26, 0.17, 0.31
REACH = 0.20  # metres: a view's samples lie this far before and behind the middle of the box


class Views(TypedDict):
    """Pictures with their cameras, and what others see of the same objects."""

    rgbd: FloatPictures
    camera: Float[Tensor, "n 4 4"]
    view_camera: Float[Tensor, "n views 4 4"]
    view_mask: Bool[Tensor, "n views h w"] | Float[Tensor, "n views h w"]
    view_depth: Float[Tensor, "n views h w"]


class Attempts(Grasps, total=False):
    """Grasps, with the code and the local views where they were drawn before."""

    code: Float[Tensor, "n code_size"]
    local: Float[Tensor, "n grasps 2 h w"]


class Both(Views, Attempts, total=False):
    """Both."""


class GeometryGrasp(Representation):
    """Learns from RGBD pictures [n, 4, H, W] (`shape` = (4, H, W), H = W), views of the same scene, and grasps.

    `code_size` is the identity unit (768 in the paper), `state_size` the state's code; `voxels` per side, a multiple of
    8; `samples` per ray of a view; `local` pixels and samples of the gripper's view; `residual` as above. `stage` says
    what `objectives` train.
    """

    def __init__(
        self,
        shape: RGBD = (4, 64, 64),
        code_size: Size = 256,
        state_size: Size = 256,
        channels: Size = 32,
        hidden: Size = 256,
        voxels: Annotated[Size, MultipleOf(8)] = 40,
        samples: Size = 40,
        local: Size = 20,
        residual: bool = True,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__()
        check_square(shape)
        self.shape = shape
        self.code_size, self.size, self.learning_rate = code_size, shape[1], learning_rate
        self.voxels, self.samples, self.local = voxels, samples, local
        self.stage, self.residual = "shape", residual
        self.encoder = residual_encoder(6, self.size, channels, code_size)
        base = voxels // 8
        self.decoder = nn.Sequential(
            nn.Linear(code_size, 2 * channels * base**3),
            nn.Unflatten(1, (2 * channels, base, base, base)),
            nn.LeakyReLU(0.1),
            nn.ConvTranspose3d(2 * channels, channels, 4, 2, 1),
            Residual(channels, volume=True),
            nn.LeakyReLU(0.1),
            nn.ConvTranspose3d(channels, channels // 2, 4, 2, 1),
            nn.LeakyReLU(0.1),
            nn.ConvTranspose3d(channels // 2, 1, 4, 2, 1),
        )
        self.state = residual_encoder(6, self.size, channels, state_size)
        self.action = mlp(ACTION_SIZE, hidden, hidden)
        self.view = residual_encoder(2, local, channels // 2, hidden)
        self.predictor = Predictor(state_size + code_size + 2 * hidden, hidden)
        # Of 2 SPAN metres about the visible surface: full up to 8 mm behind it, unknown further back, empty before it.
        knots = torch.linspace(-SPAN, SPAN, 21)
        first = torch.where(knots > 0.004, -4.0, torch.where(knots > -0.008, 3.0, 0.0))
        self.evidence = nn.Parameter(first if residual else torch.zeros_like(first), requires_grad=residual)
        last = self.decoder[-1]
        assert isinstance(last, nn.ConvTranspose3d)
        assert last.bias is not None
        nn.init.constant_(last.bias, -2.0)

    def encode(self, observations: FloatPictures, cameras: Tensor | None = None) -> Tensor:
        """The identity unit [n, code_size] of RGBD pictures from `cameras` [n, 4, 4], or the usual one."""
        check_rgbd(observations, self.size)
        cameras = usual_cameras(len(observations)).to(observations) if cameras is None else cameras
        return self.encoder(lift(observations, cameras))

    def voxel(self, code: Tensor, rgbd: Tensor, cameras: Tensor) -> Tensor:
        """Occupancies [n, Z, Y, X] in [0, 1] of codes [n, code_size], over `BOX` in the frame that faces the camera.

        `rgbd` [n, 4, H, W] and `cameras` [n, 4, 4] are those of the code; without `residual` they are not used.
        """
        logits = self.decoder(torch.relu(code))[:, 0].float()
        if self.residual:
            place = (self.before(rgbd, cameras) / SPAN).clamp(-1, 1)
            knots = (place + 1) * ((len(self.evidence) - 1) / 2)
            below = knots.long().clamp(max=len(self.evidence) - 2)
            logits = logits + torch.lerp(self.evidence[below], self.evidence[below + 1], knots - below)
        return logits.sigmoid()

    def before(self, rgbd: Tensor, cameras: Tensor) -> Tensor:
        """How far voxels lie before what the picture shows along their rays, metres, negative behind it: [n, Z, Y, X]."""
        with exact(rgbd):
            inverse = torch.linalg.inv(facing(cameras) @ cameras)
            points = torch.einsum("nij,zyxj->nzyxi", inverse[:, :3, :3], BOX.centres(self.voxels).to(rgbd))
        points = points + inverse[:, None, None, None, :3, 3]
        depth = points[..., 2].clamp(min=1e-3)
        place = (points[..., :2] / (depth[..., None] * TAN_HALF)).flatten(1, 2)
        shown = functional.grid_sample(rgbd[:, 3:], place, "nearest", "border", align_corners=False)
        return shown.view(depth.shape) - depth

    def look(self, grid: Tensor, turn: Tensor, cameras: Tensor, rays: Tensor) -> Projection:
        """Grids [n, Z, Y, X] as world cameras [n, v, 4, 4] see them along rays [h, w, 3]; `turn` as in `facing`."""
        with exact(grid):
            local = turn[:, None] @ cameras
        middle = torch.tensor([0.0, 0.0, UNIT / 2]).to(local)
        away = ((middle - local[..., :3, 3]) * local[..., :3, 2]).sum(-1)
        depths = away[..., None] + torch.linspace(-REACH, REACH, self.samples).to(local)
        return project(grid, local, rays, depths, BOX)

    def local_views(self, grid: Tensor, turn: Tensor, poses: Tensor) -> Tensor:
        """What the grippers at poses [n, G, 4, 4] see of the grids: silhouette and depth in [0, 1], [n, G, 2, h, w]."""
        with exact(grid):
            cameras = turn[:, None] @ poses
        cameras = torch.cat([cameras[..., :3], cameras[..., 3:] - BEHIND * cameras[..., 2:3]], -1)
        rays = directions(self.local, LOCAL_TAN).to(grid)
        seen = project(grid, cameras, rays, torch.linspace(LOCAL_NEAR, LOCAL_FAR, self.local).to(grid), BOX)
        return torch.stack([seen.silhouette, (seen.depth - LOCAL_NEAR) / (LOCAL_FAR - LOCAL_NEAR)], 2)

    def perceive(self, rgbd: Tensor, cameras: Tensor) -> dict[str, Tensor]:
        """What is remembered of pictures: facing frame, state's code, identity unit, occupancy grid."""
        code = self.encode(rgbd, cameras)
        state = torch.relu(self.state(lift(rgbd, cameras)))
        return {"turn": facing(cameras), "state": state, "code": code, "grid": self.voxel(code, rgbd, cameras)}

    def outcome(self, seen: dict[str, Tensor], poses: Tensor, openings: Tensor) -> Tensor:
        """The logits [n, G] of success of grasps, poses [n, G, 4, 4] and openings [n, G].

        `seen` may hold the grasps' "local" views [n, G, 2, h, w], drawn before.
        """
        check_grasps(poses, openings, len(seen["state"]))
        local = seen["local"] if "local" in seen else self.local_views(seen["grid"], seen["turn"], poses)
        action = torch.relu(self.action(describe_grasps(poses, openings, seen["turn"])))
        near = torch.relu(self.view(local.flatten(0, 1))).unflatten(0, poses.shape[:2])
        whole = torch.cat([seen["state"], torch.relu(seen["code"])], -1)[:, None].expand(-1, poses.shape[1], -1)
        return self.predictor(torch.cat([whole, action, near], -1)).float()

    def shape_loss(self, batch: Views) -> tuple[Tensor, Logs]:
        """L_shape; batch: rgbd, camera, view_camera [n, v, 4, 4], view_mask and view_depth [n, v, H, W]."""
        grid = self.voxel(self.encode(batch["rgbd"], batch["camera"]), batch["rgbd"], batch["camera"])
        # Every second row and column, another of the four subsets at every step.
        across, down = torch.randint(2, (2,)).tolist()
        rays = directions(self.size, TAN_HALF, 2, (down, across)).to(grid)
        mask, depth = (batch[key][..., down::2, across::2] for key in ("view_mask", "view_depth"))
        seen = self.look(grid, facing(batch["camera"]), batch["view_camera"], rays)
        mask = mask.float()
        mask_error = (seen.silhouette - mask).square().mean()
        depth_error = ((seen.depth - depth).abs() * mask).sum() / (UNIT * mask.sum().clamp(min=1))
        loss = MASK_WEIGHT * mask_error + DEPTH_WEIGHT * depth_error
        return loss, {"mask": mask_error, "depth": depth_error}

    def outcome_loss(self, batch: Attempts) -> tuple[Tensor, Logs]:
        """L_outcome with the shape as it is; batch as `grasp_cnn`'s, with "code" and "local" where they were drawn before."""
        if "local" in batch:
            state = torch.relu(self.state(lift(batch["rgbd"], batch["camera"])))
            seen = {"state": state, "turn": facing(batch["camera"]), "code": batch["code"], "local": batch["local"]}
        else:
            seen = self.perceive(batch["rgbd"], batch["camera"])
            if self.stage == "outcome":
                seen |= {key: seen[key].detach() for key in ("code", "grid")}
        loss, accuracy = outcome_loss(self.outcome(seen, batch["pose"], batch["opening"]), batch["success"])
        return loss, {"accuracy": accuracy}

    def joint_loss(self, batch: Both) -> tuple[Tensor, Logs]:
        """L_shape + L_outcome."""
        shape, logs = self.shape_loss(batch)
        outcome, more = self.outcome_loss(batch)
        return shape + outcome, logs | more

    def objectives(self) -> tuple[Objective, ...]:
        """One player, by Adam: the shape's networks, the outcome's, or with `stage` "joint" all."""
        shape = (*self.encoder.parameters(), *self.decoder.parameters())
        shape = (*shape, self.evidence) if self.residual else shape
        outcome = tuple(p for net in (self.state, self.action, self.view, self.predictor) for p in net.parameters())
        adam = partial(torch.optim.Adam, lr=self.learning_rate)
        if self.stage not in STAGES:
            raise ValueError(f"stage must be one of {', '.join(STAGES)}, got {self.stage!r}")
        players = {
            "shape": Objective("shape", self.shape_loss, shape, adam),
            "outcome": Objective("outcome", self.outcome_loss, outcome, adam),
            "joint": Objective("joint", self.joint_loss, (*shape, *outcome), adam),
        }
        return (players[self.stage],)
