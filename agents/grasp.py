"""Grasp planning by analysis and synthesis: propose gripper poses, let a model judge them, try the best.

    greedy   from a failed grasp g_t: 10 random directions d_i in the six dimensions of a pose, g_{t+1} = g_t moved by the
             step along the d_i of highest predicted outcome, until success or 20 steps        (Yan et al. 2017, section 2)
    full     the cross-entropy method over the whole move from the same grasp: a Gaussian in six dimensions with full
             covariance, fitted to the elite, its best taken                                    (`planners.cem_search`)

Moves are in the gripper's own frame, a translation in metres and a rotation vector in radian. Poses that would put the
grasp centre into the table or away from it are never proposed.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from borders import Size, checked
from planners import cem_search

STEP = (0.03, 0.40)  # metres and radian at the end of a direction of unit length
LIMIT = (0.09, 1.2)  # how far `full` searches, along every axis
REACH = 0.20  # metres: the workspace, |x| and |y|, and twice this upward
FLOOR = 0.001


class Judge(Protocol):
    """A model of grasp outcomes, as `representations` makes them."""

    def perceive(self, rgbd: Tensor, cameras: Tensor) -> dict[str, Tensor]:
        """What is remembered of pictures [n, 4, H, W] from cameras [n, 4, 4]."""
        ...

    def outcome(self, seen: dict[str, Tensor], poses: Tensor, openings: Tensor) -> Tensor:
        """The logits [n, G] of success of poses [n, G, 4, 4] and openings [n, G]."""
        ...


def rotations(vectors: Tensor) -> Tensor:
    """The rotation matrices [..., 3, 3] of rotation vectors [..., 3] in radian."""
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    cross = torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], -1).unflatten(-1, (3, 3))
    return torch.linalg.matrix_exp(cross)


def moved(poses: Tensor, moves: Tensor) -> Tensor:
    """Poses [..., 4, 4] moved in their own frames by moves [..., 6]."""
    step = moves.new_zeros(*moves.shape[:-1], 4, 4)
    step[..., :3, :3], step[..., :3, 3], step[..., 3, 3] = rotations(moves[..., 3:]), moves[..., :3], 1
    return poses @ step


def allowed(poses: Tensor) -> Tensor:
    """Whether the grasp centres of poses [..., 4, 4] lie in the workspace: bool [...]."""
    x, y, z = poses[..., :3, 3].unbind(-1)
    return (x.abs() < REACH) & (y.abs() < REACH) & (z > FLOOR) & (z < 2 * REACH)


class GraspPlanner:
    """Acts on n scenes at once: every call of `act` gives the next grasp to try in each.

    `model` judges grasps; None takes one of the directions at random, which is the control that a model must beat. The
    observation is a dict of "rgbd" [n, 4, H, W] and "camera" [n, 4, 4] (looked at once per scene: see `look`), "pose"
    [n, 4, 4] the last grasp tried and "opening" [n].
    """

    @checked
    def __init__(self, model: Judge | None, generator: torch.Generator, directions: Size = 10):
        self.model, self.generator, self.directions = model, generator, directions

    @torch.no_grad()
    def look(self, rgbd: Tensor, cameras: Tensor) -> dict[str, Tensor]:
        """What the model remembers of the scenes; give it to `act` and `plan` as observation["seen"]."""
        return {} if self.model is None else self.model.perceive(rgbd, cameras)

    @torch.no_grad()
    def act(self, observation: dict[str, Any]) -> Tensor:
        """The next poses [n, 4, 4], a step away from "pose": the best of the random directions, as the model judges."""
        pose, opening = observation["pose"], observation["opening"]
        n = len(pose)
        source = self.generator
        drawn = torch.randn(n, self.directions, 6, generator=source, device=source.device).to(pose)
        scale = pose.new_tensor([STEP[0]] * 3 + [STEP[1]] * 3)
        tried = moved(pose[:, None], drawn / drawn.norm(dim=-1, keepdim=True) * scale)
        if self.model is None:
            score = torch.rand(n, self.directions, generator=source, device=source.device).to(pose)
        else:
            score = self.model.outcome(self._seen(observation), tried, opening[:, None].expand(n, self.directions))
        score = torch.where(allowed(tried), score, -torch.inf)
        best = tried[torch.arange(n, device=pose.device), score.argmax(1)]
        return torch.where(allowed(best)[:, None, None], best, pose)

    @torch.no_grad()
    def plan(self, observation: dict[str, Any], samples: int = 48, elites: int = 8, iterations: int = 5) -> Tensor:
        """One grasp per scene, poses [n, 4, 4], by the full cross-entropy method around "pose". ValueError without a model."""
        if self.model is None:
            raise ValueError("planning by the cross-entropy method needs a model")
        model, pose, opening, seen = self.model, observation["pose"], observation["opening"], self._seen(observation)
        limit = pose.new_tensor([LIMIT[0]] * 3 + [LIMIT[1]] * 3).expand(len(pose), 6)

        def score(moves: Tensor) -> Tensor:
            tried = moved(pose[:, None], moves)
            logits = model.outcome(seen, tried, opening[:, None].expand(moves.shape[:2]))
            return torch.where(allowed(tried), -logits, torch.inf)

        settings: dict[str, Any] = {"samples": samples, "elites": elites, "iterations": iterations, "full": True}
        mean = torch.zeros_like(limit)
        # The first mean is among the candidates and allowed, so that there always is one.
        found = cem_search(score, mean, limit / 3, generator=self.generator, low=-limit, high=limit, **settings)
        return moved(pose, found.best)

    def _seen(self, observation: dict[str, Any]) -> dict[str, Tensor]:
        return observation["seen"] if "seen" in observation else self.look(observation["rgbd"], observation["camera"])
