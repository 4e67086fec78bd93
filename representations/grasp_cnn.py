"""The baseline of Yan et al. 2017: predicts a grasp's outcome from picture and grasp, without any shape.

    p(success | picture, grasp) = sigmoid f(state(picture), action(grasp))          cross-entropy on outcomes

It is `geometry_grasp` without shape encoder, decoder and local view (section 2, "Implementation details").
"""

from __future__ import annotations

from typing import TypedDict

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from borders import Positive, Size
from representations.model import FloatPictures, Logs, Objective, Representation
from representations.parts.grasping import (
    ACTION_SIZE,
    RGBD,
    Predictor,
    check_grasps,
    check_rgbd,
    check_square,
    describe_grasps,
    facing,
    lift,
    outcome_loss,
    residual_encoder,
    usual_cameras,
)
from representations.parts.networks import mlp
from representations.parts.players import sole_player


class Grasps(TypedDict):
    """Pictures with their cameras, and grasps with what came of them."""

    rgbd: FloatPictures
    camera: Float[Tensor, "n 4 4"]
    pose: Float[Tensor, "n grasps 4 4"]
    opening: Float[Tensor, "n grasps"]
    success: Bool[Tensor, "n grasps"] | Float[Tensor, "n grasps"]


class GraspCNN(Representation):
    """Learns from RGBD pictures [n, 4, H, W] (`shape` = (4, H, W), H = W) and grasps; code = what is seen of the state.

    `channels` of the first convolution, `hidden` units of the full layers.
    """

    def __init__(
        self,
        shape: RGBD = (4, 64, 64),
        code_size: Size = 256,
        channels: Size = 32,
        hidden: Size = 256,
        learning_rate: Positive = 1e-3,
    ):
        super().__init__()
        check_square(shape)
        self.shape = shape
        self.code_size, self.size, self.learning_rate = code_size, shape[1], learning_rate
        self.state = residual_encoder(6, self.size, channels, code_size)
        self.action = mlp(ACTION_SIZE, hidden, hidden)
        self.predictor = Predictor(code_size + hidden, hidden)

    def encode(self, observations: FloatPictures, cameras: Tensor | None = None) -> Tensor:
        """The state's code [n, code_size] of RGBD pictures from `cameras` [n, 4, 4], or the usual one."""
        if cameras is None:
            cameras = usual_cameras(len(observations)).to(observations)
        return self.perceive(observations, cameras)["state"]

    def perceive(self, rgbd: Tensor, cameras: Tensor) -> dict[str, Tensor]:
        """What is remembered of pictures: the facing frame and the state's code."""
        check_rgbd(rgbd, self.size)
        return {"turn": facing(cameras), "state": torch.relu(self.state(lift(rgbd, cameras)))}

    def outcome(self, seen: dict[str, Tensor], poses: Tensor, openings: Tensor) -> Tensor:
        """The logits [n, G] of success of grasps, poses [n, G, 4, 4] and openings [n, G]."""
        check_grasps(poses, openings, len(seen["state"]))
        action = torch.relu(self.action(describe_grasps(poses, openings, seen["turn"])))
        state = seen["state"][:, None].expand(-1, poses.shape[1], -1)
        return self.predictor(torch.cat([state, action], -1)).float()

    def loss(self, batch: Grasps) -> tuple[Tensor, Logs]:
        """The cross-entropy of outcomes; batch: rgbd, camera, pose [n, G, 4, 4], opening [n, G], success [n, G]."""
        seen = self.perceive(batch["rgbd"], batch["camera"])
        loss, accuracy = outcome_loss(self.outcome(seen, batch["pose"], batch["opening"]), batch["success"])
        return loss, {"accuracy": accuracy}

    def objectives(self) -> tuple[Objective, ...]:
        """One player: all networks, by Adam."""
        return sole_player(self, "outcome", fused=False)
