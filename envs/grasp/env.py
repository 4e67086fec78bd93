"""`disco/Grasp-v0`: one attempt per step at an object on a table, seen by an RGBD camera.

An episode is one object in one place. Every step is a whole attempt, from a gripper pose; the object is put back behind a
failed one. It ends with success, or after 20 attempts (the limit of the paper's planning, table 3).
"""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Sequence
from functools import partial
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any, ClassVar

import gymnasium as gym
import numpy as np
import torch
from annotated_types import Interval
from gymnasium.vector import AsyncVectorEnv, AutoresetMode
from gymnasium.wrappers import TimeLimit
from numpy.typing import NDArray

from borders import Count, Positive, Real, checked, nearest
from envs.goals import check_options
from envs.grasp import gripper
from envs.grasp.frames import MAX_OPENING, MIN_OPENING, REACH, camera_poses, check_opening, check_pose, pose_of
from envs.grasp.objects import ObjectSpec, library
from envs.grasp.picture import draw
from envs.grasp.scene import GraspScene, Outcome, Physics
from envs.grasp.solids import Solid
from envs.grasp.world import FACTORS, SPREAD, placed, row
from envs.vector import autoreset

OBJECTS = ("all", "seen", "novel")
SHOWN = 256  # pixels of a rendered frame
LOW = np.array([-REACH, -REACH, 0, -math.pi, -math.pi, -math.pi, MIN_OPENING], np.float32)
HIGH = np.array([REACH, REACH, 2 * REACH, math.pi, math.pi, math.pi, MAX_OPENING], np.float32)


Objects = str | PathLike[str] | Sequence[str | PathLike[str]]


def choose_objects(objects: Objects) -> list[ObjectSpec | Path]:
    """What "all", "seen" or "novel" stands for, or the library's names and files in a list; ValueError for others.

    Files are found from where this is called, "~" is home, and a change of folder later does not matter.
    """
    if isinstance(objects, str) and objects in OBJECTS:
        return [spec for spec in library() if objects == "all" or spec.novel == (objects == "novel")]
    known = {spec.name: spec for spec in library()}
    found: list[ObjectSpec | Path] = []
    for name in [objects] if isinstance(objects, str | PathLike) else objects:
        if not isinstance(name, str | PathLike):
            raise TypeError(f"objects must be names and paths, got {name!r}")
        path = Path(name).expanduser()
        if name not in known and not path.is_file():
            raise ValueError(
                f"{fspath(name)!r} is neither {', '.join(OBJECTS)}, nor one of the 101 objects, nor a file"
            )
        found.append(known.get(fspath(name)) or path.resolve())
    if not found:
        raise ValueError("objects must name at least one object")
    return found


def read_options(options: dict[str, Any] | None) -> dict[str, Any]:
    """The options of `reset` as it takes them: "object", chosen, and "place", three floats; ValueError for others."""
    check_options(options, ("object", "place"))
    found: dict[str, Any] = {}
    if options and "object" in options:
        [found["object"]] = choose_objects([options["object"]])
    if options and "place" in options:
        place = np.asarray(options["place"], float)
        if place.shape != (3,) or not np.isfinite(place).all():
            raise ValueError(f"options['place'] must hold 3 finite numbers (x, y, yaw), got {options['place']!r}")
        found["place"] = tuple(place.tolist())
    return found


def check_actions(actions: Any, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Actions [..., 7] of this shape, within the workspace; ValueError for others. A rounding error is forgiven."""
    try:
        values = np.asarray(actions, float)
    except (TypeError, ValueError):
        values = np.array(math.nan)
    if values.shape != shape or not np.isfinite(values).all():
        raise ValueError(f"action must hold 7 finite numbers (x, y, z, rotation vector, opening), got {actions!r}")
    if (values < LOW - 1e-5).any() or (values > HIGH + 1e-5).any():
        raise ValueError(f"action must lie in the workspace {LOW.tolist()} to {HIGH.tolist()}, got {values.tolist()}")
    return np.clip(values, LOW, HIGH)


class GraspEnv(gym.Env):
    """Grasp attempts at `objects` ("all", "seen", "novel", names of the library, mesh files or URDFs).

    Files are in metres after multiplication by `scale`. `physics` are settings of `envs.grasp.scene.Physics`.

    Action [7]: the grasp centre (x, y, z) in metres in the world, a rotation vector, and the opening in metres; ValueError
    for one that is not finite or outside the space. Observation: "rgb" uint8 [size, size, 3], "depth" float32
    [size, size, 1] in metres, "camera" float32 [4, 4], camera to world. Reward 1 for success, else 0. `info` holds
    `factors` (as in `envs.grasp.world`; the object's own are NaN for a file's), `reason`, `rise`, `success`.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": ["rgb_array"], "render_fps": 4}  # type: ignore[misc]

    @checked
    def __init__(
        self,
        objects: Any = "all",
        size: Annotated[int, Interval(ge=16, le=2048)] = 64,
        elevations: tuple[Real, ...] = (15, 30, 45, 60),
        physics: dict[str, Any] | None = None,
        render_mode: str | None = None,
        scale: Positive = 1.0,
        **unknown: Any,
    ):
        refuse_unknown(unknown)
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode must be None or 'rgb_array', got {render_mode!r}")
        if not elevations or not all(0 < value < 85 for value in elevations):
            raise ValueError(f"elevations must be degrees between 0 and 85, got {elevations}")
        self.objects, self.size, self.render_mode = choose_objects(objects), size, render_mode
        self.scale = scale
        self.elevations, self.physics = elevations, Physics(**(physics or {}))
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
        asked = read_options(options)
        super().reset(seed=seed)
        draws = self.np_random
        chosen = self.objects[int(draws.integers(len(self.objects)))]
        x, y, yaw = (float(v) for v in draws.uniform((-SPREAD, -SPREAD, 0), (SPREAD, SPREAD, 2 * math.pi)))
        azimuth, elevation = float(draws.uniform(0, 2 * math.pi)), float(draws.choice(self.elevations))
        distance = float(draws.uniform(FACTORS[-1].low, FACTORS[-1].high))
        chosen = asked.get("object", chosen)
        x, y, yaw = asked.get("place", (x, y, yaw))
        scene = GraspScene(self._solid(chosen), self.physics)
        scene.place(x, y, yaw)
        scene.settle()
        self.close()
        self.scene = scene
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
        values = check_actions(action, (7,))
        pose, opening = check_pose(pose_of(values[:6])), check_opening(float(values[6]))
        outcome = self.scene.attempt(pose, opening)
        self._last = pose, opening, outcome
        return self._observation(), float(outcome.success), outcome.success, False, self._info(outcome)

    def render(self) -> NDArray[np.uint8] | None:
        """The scene from its camera with the last attempt's gripper: green after success, red after failure."""
        if self.scene is None:
            raise gym.error.ResetNeeded("call reset() before render()")
        if self.render_mode is None:
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
        from envs.grasp.files import resting_solid

        if not chosen.is_file():
            raise ValueError(f"the file {chosen} is not there any more")
        return resting_solid(chosen, chosen.stat().st_mtime_ns, self.scale)

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


def refuse_unknown(settings: dict[str, Any]) -> None:
    """Raise TypeError for settings that the environment does not have, with those that it has."""
    known = [name for name in inspect.signature(GraspEnv.__init__).parameters if name not in ("self", "unknown")]
    for name in settings:
        raise TypeError(f"the environment of grasps has no setting {name!r}; its settings are {nearest(name, known)}")


def _alone(caller: int, max_episode_steps: int | None, settings: dict[str, Any]) -> gym.Env:
    if os.getpid() != caller:  # Gymnasium makes one in the caller's process too, to see its spaces
        torch.set_num_threads(1)
    env: gym.Env = GraspEnv(**settings)
    return env if max_episode_steps in (None, -1) else TimeLimit(env, max_episode_steps)


class GraspVectorEnv(AsyncVectorEnv):
    """Environments of grasps, one process with one physics client each.

    What is wrong with actions or options is said before any process sees them, so that the environments live on. A process
    that died ends the others, in an error that names it; `close` then does nothing.
    """

    def reset_async(self, seed: Any = None, options: dict[str, Any] | None = None) -> None:
        """As in Gymnasium; ValueError for unknown options."""
        asked = read_options(options)
        if "place" in asked and max(map(abs, asked["place"][:2])) > REACH:
            raise ValueError(f"options['place'] must lie within {REACH} m of the middle, got {asked['place']}")
        self._guarded(partial(super().reset_async, seed, options))

    def step_async(self, actions: Any) -> None:
        """As in Gymnasium; ResetNeeded before `reset`, ValueError for actions that an environment refuses."""
        if not self._begun:
            raise gym.error.ResetNeeded("call reset() before step()")
        values = check_actions(actions, (self.num_envs, 7))
        self._guarded(partial(super().step_async, values))

    def reset_wait(self, timeout: float | None = None) -> Any:
        """As in Gymnasium."""
        found = self._guarded(partial(super().reset_wait, timeout))
        self._begun = True
        return found

    def step_wait(self, timeout: float | None = None) -> Any:
        """As in Gymnasium."""
        return self._guarded(partial(super().step_wait, timeout))

    def render(self) -> Any:
        """A picture of every row; ResetNeeded before `reset`."""
        if not self._begun:
            raise gym.error.ResetNeeded("call reset() before render()")
        return self._guarded(super().render)

    _begun = False

    def _guarded(self, call: Callable[[], Any]) -> Any:
        """The call's answer; where a process died, the end of all, and an error that names it."""
        try:
            return call()
        except (EOFError, BrokenPipeError, ConnectionResetError) as error:
            dead = [k for k, process in enumerate(self.processes) if not process.is_alive()]
            self.close(terminate=True)
            raise gym.error.ClosedEnvironmentError(
                f"the process of environment {', '.join(map(str, dead)) or '?'} died; all are closed"
            ) from error


@checked
def make_vector_env(
    num_envs: Count,
    max_episode_steps: int | None = None,
    autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    **settings: Any,
) -> gym.vector.VectorEnv:
    """`num_envs` environments, one process with one physics client each; autoreset in the same step or in the next."""
    mode = autoreset(autoreset_mode)
    if "objects" in settings:  # found from here: a worker's folder is its own affair
        settings["objects"] = [
            choice.name if isinstance(choice, ObjectSpec) else choice for choice in choose_objects(settings["objects"])
        ]
    makers = [partial(_alone, os.getpid(), max_episode_steps, settings)] * num_envs
    return GraspVectorEnv(makers, context="forkserver", autoreset_mode=mode)
