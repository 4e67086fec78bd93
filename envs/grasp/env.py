"""`disco/Grasp-v0`: one attempt per step at an object on a table, seen by an RGBD camera.

An episode is one object in one place. Every step is a whole attempt, from a gripper pose; the object is put back behind a
failed one. It ends with success, or after 20 attempts (the limit of the paper's planning, table 3).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from envs.grasp import gripper
from envs.grasp.frames import MAX_OPENING, MIN_OPENING, REACH, camera_poses, check_opening, check_pose, pose_of
from envs.grasp.objects import ObjectSpec, library
from envs.grasp.picture import draw
from envs.grasp.scene import GraspScene, Outcome, Physics
from envs.grasp.solids import Solid
from envs.grasp.world import FACTORS, SPREAD, placed, row

OBJECTS = ("all", "seen", "novel")
SHOWN = 256  # pixels of a rendered frame
LOW = np.array([-REACH, -REACH, 0, -math.pi, -math.pi, -math.pi, MIN_OPENING], np.float32)
HIGH = np.array([REACH, REACH, 2 * REACH, math.pi, math.pi, math.pi, MAX_OPENING], np.float32)


def choose_objects(objects: str | Sequence[str]) -> list[ObjectSpec | Path]:
    """What "all", "seen" or "novel" stands for, or the library's names and files in a list; ValueError for others."""
    if isinstance(objects, str) and objects in OBJECTS:
        return [spec for spec in library() if objects == "all" or spec.novel == (objects == "novel")]
    known = {spec.name: spec for spec in library()}
    found: list[ObjectSpec | Path] = []
    for name in [objects] if isinstance(objects, str) else objects:
        if name not in known and not Path(name).is_file():
            raise ValueError(f"{name!r} is neither {', '.join(OBJECTS)}, nor one of the 101 objects, nor a file")
        found.append(known.get(name) or Path(name))
    if not found:
        raise ValueError("objects must name at least one object")
    return found


class GraspEnv(gym.Env):
    """Grasp attempts at `objects` ("all", "seen", "novel", names of the library, mesh files or URDFs).

    Action [7]: the grasp centre (x, y, z) in metres in the world, a rotation vector, and the opening in metres; ValueError
    for one that is not finite or outside the space. Observation: "rgb" uint8 [size, size, 3], "depth" float32
    [size, size, 1] in metres, "camera" float32 [4, 4], camera to world. Reward 1 for success, else 0. `info` holds
    `factors` (as in `envs.grasp.world`; the object's own are NaN for a file's), `reason`, `rise`, `success`.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 4}  # type: ignore[misc]

    def __init__(
        self,
        objects: str | Sequence[str] = "all",
        size: int = 64,
        elevations: Sequence[float] = (15, 30, 45, 60),
        physics: dict[str, Any] | None = None,
        render_mode: str | None = None,
    ):
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        if not elevations or not all(0 < value < 85 for value in elevations):
            raise ValueError(f"elevations must be degrees between 0 and 85, got {elevations}")
        self.objects, self.size, self.render_mode = choose_objects(objects), size, render_mode
        self.elevations, self.physics = tuple(elevations), Physics(**(physics or {}))
        self.action_space = gym.spaces.Box(LOW, HIGH)
        self.observation_space = gym.spaces.Dict(
            {
                "rgb": gym.spaces.Box(0, 255, (size, size, 3), np.uint8),
                "depth": gym.spaces.Box(0, np.inf, (size, size, 1), np.float32),
                "camera": gym.spaces.Box(-np.inf, np.inf, (4, 4), np.float32),
            }
        )
        self.scene: GraspScene | None = None
        self._last: tuple[NDArray[np.float64], float, Outcome] | None = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """A new object, place and camera; `options` may name the "object" and give "place" (x, y, yaw).

        ValueError for an object that does not stand where it is put.
        """
        super().reset(seed=seed)
        draws, options = self.np_random, options or {}
        chosen = self.objects[int(draws.integers(len(self.objects)))]
        x, y, yaw = (float(v) for v in draws.uniform((-SPREAD, -SPREAD, 0), (SPREAD, SPREAD, 2 * math.pi)))
        azimuth, elevation = float(draws.uniform(0, 2 * math.pi)), float(draws.choice(self.elevations))
        distance = float(draws.uniform(FACTORS[-1].low, FACTORS[-1].high))
        if "object" in options:
            [chosen] = choose_objects([options["object"]])
        if "place" in options:
            x, y, yaw = (float(value) for value in options["place"])
        if self.scene is not None:
            self.scene.close()
        self.scene = GraspScene(self._solid(chosen), self.physics)
        self.scene.place(x, y, yaw)
        self.scene.settle()
        place = x, y, yaw, azimuth, math.radians(elevation), distance
        if isinstance(chosen, ObjectSpec):
            self._factors = row(chosen, *place).numpy()
        else:
            self._factors = np.array([math.nan] * 5 + list(place), np.float32)
        self._camera = camera_poses(*(torch.tensor([v], dtype=torch.float64) for v in place[3:]))
        self._last = None
        picture = draw([placed(self.scene.solid, self.scene.pose)], self._camera, self.size)
        self._picture = (
            picture.colour[0].permute(1, 2, 0).contiguous().numpy(),
            picture.depth[0, :, :, None].contiguous().numpy(),
            self._camera[0].float().numpy(),
        )
        return self._observation(), self._info(Outcome("none"))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """One attempt; the object stands in its place again behind it."""
        if self.scene is None:
            raise gym.error.ResetNeeded("call reset() before step()")
        values = np.asarray(action, float)
        if values.shape != (7,) or not np.isfinite(values).all():
            raise ValueError(f"action must hold 7 finite numbers (x, y, z, rotation vector, opening), got {action!r}")
        if (values < LOW - 1e-5).any() or (values > HIGH + 1e-5).any():
            raise ValueError(
                f"action must lie in the workspace {LOW.tolist()} to {HIGH.tolist()}, got {values.tolist()}"
            )
        pose, opening = check_pose(pose_of(values[:6])), check_opening(float(values[6]))
        outcome = self.scene.attempt(pose, opening)
        self._last = pose, opening, outcome
        return self._observation(), float(outcome.success), outcome.success, False, self._info(outcome)

    def render(self) -> NDArray[np.uint8] | None:
        """The scene from its camera with the last attempt's gripper: green after success, red after failure."""
        if self.render_mode is None or self.scene is None:
            return None
        models = [placed(self.scene.solid, self.scene.pose)]
        if self._last is not None:
            pose, opening, outcome = self._last
            colour = (0.25, 0.70, 0.30) if outcome.success else (0.80, 0.25, 0.22)
            models += gripper.models(pose, opening, colour)
        large = draw(models, self._camera, 2 * SHOWN).colour[0].float()
        return torch.nn.functional.avg_pool2d(large, 2).permute(1, 2, 0).to(torch.uint8).numpy()

    def close(self) -> None:
        """End the physics client."""
        if self.scene is not None:
            self.scene.close()
            self.scene = None

    def _solid(self, chosen: ObjectSpec | Path) -> Solid:
        if isinstance(chosen, ObjectSpec):
            return chosen.build()
        from envs.grasp.files import load_solid, resting

        return resting(load_solid(chosen))

    def _observation(self) -> dict[str, Any]:
        rgb, depth, camera = self._picture
        return {"rgb": rgb.copy(), "depth": depth.copy(), "camera": camera.copy()}

    def _info(self, outcome: Outcome) -> dict[str, Any]:
        return {
            "factors": self._factors.copy(),
            "reason": outcome.reason,
            "rise": outcome.rise,
            "success": outcome.success,
            "is_success": outcome.success,
        }


def _alone(max_episode_steps: int | None, settings: dict[str, Any]) -> gym.Env:
    torch.set_num_threads(1)
    env: gym.Env = GraspEnv(**settings)
    return env if max_episode_steps is None else TimeLimit(env, max_episode_steps)


def make_vector_env(num_envs: int, max_episode_steps: int | None = None, **settings: Any) -> gym.vector.VectorEnv:
    """`num_envs` environments, one process with one physics client each; autoreset within the same step."""
    if num_envs < 1:
        raise ValueError(f"num_envs must be at least 1, got {num_envs}")
    makers = [partial(_alone, max_episode_steps, settings)] * num_envs
    mode = gym.vector.AutoresetMode.SAME_STEP
    return gym.vector.AsyncVectorEnv(makers, context="forkserver", autoreset_mode=mode)
