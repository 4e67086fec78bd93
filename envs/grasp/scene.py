"""One table, one object, one gripper in Bullet: an attempt is to be there, close, lift, and look.

    collision   the open gripper at its pose meets object or table          (stands for an approach that is blocked)
    miss        the fingers shut on nothing, or close without both touching
    slip        the object was held, and not lifted, or lost on the way
    success     both pads touch, the object hangs at least 5 mm clear of the table, its centre risen by 25 % of the lift

The lift follows a smooth step, 10 s^3 - 15 s^4 + 6 s^5: its jerk is bounded, and a light grasp is not shaken off. PyBullet
takes NaN poses, zero quaternions and open meshes without a word, so all of that is refused here, at the border.
"""

from __future__ import annotations

import sys
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from annotated_types import Interval
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from borders import checked
from borders.files.meshes import write_groups
from envs.grasp import gripper
from envs.grasp.frames import check_opening, check_pose, planted
from envs.grasp.solids import Solid

Array = NDArray[np.float64]
REASONS = ("success", "collision", "miss", "slip")
TABLE_HALF = 0.40  # metres, half the side of the table
CLEAR = 0.005
RISEN = 0.25
MAX_PIECES = 1000
Magnitude = Annotated[float, Interval(ge=0, le=1e4)]


@checked
@dataclass(frozen=True)
class Physics:
    """Parameters of a trial, in SI units.

    At the defaults 309 of 315 attempts without a collision, at 21 objects, succeed or fail as with a step of 1/960 s and
    100 iterations, in a ninth of the time.
    """

    step: Annotated[float, Interval(ge=1e-4, le=0.1)] = 1 / 120
    solver_iterations: Annotated[int, Interval(ge=1, le=10_000)] = 20
    mass: Annotated[float, Interval(ge=1e-4, le=1e3)] = 0.15
    friction_finger: Magnitude = 1.0
    friction_object: Magnitude = 0.8
    friction_table: Magnitude = 0.5
    friction_spinning: Magnitude = 0.005
    force: Magnitude = 12.0
    closing_speed: Annotated[float, Interval(ge=1e-3, le=10)] = 0.2
    closing_time: Annotated[float, Interval(ge=0, le=60)] = 0.5
    lift: Annotated[float, Interval(ge=0, le=1)] = 0.15
    lift_time: Annotated[float, Interval(ge=0, le=60)] = 0.5
    hold_time: Annotated[float, Interval(ge=0, le=60)] = 0.15


@dataclass(frozen=True)
class Outcome:
    """What came of an attempt: one of `REASONS`, how far the object's centre rose, and how far the fingers are apart."""

    reason: str
    rise: float = 0.0
    gap: float = 0.0

    @property
    def success(self) -> bool:
        """Whether the object was lifted."""
        return self.reason == "success"


def import_bullet() -> Any:
    """The module pybullet; ImportError says where it can be had."""
    try:
        import pybullet
    except ImportError:
        version = ".".join(map(str, sys.version_info[:2]))
        raise ImportError(
            f"grasp attempts need pybullet (pip install 'pybullet>=3.2.7'); its wheels are for Linux and CPython 3.11 and "
            f"older, this is {sys.platform} and Python {version}"
        ) from None
    return pybullet


def _corners(hull: ConvexHull) -> tuple[Array, list[list[int]]]:
    """The corners and triangles of a hull."""
    place = {int(old): new for new, old in enumerate(hull.vertices)}
    return hull.points[hull.vertices], [[place[int(i)] for i in face] for face in hull.simplices]


class GraspScene:
    """A physics client of its own with one object; close it with `close()` or use it in a `with` statement.

    A scene that is dropped ends its client by itself; a copy gets a client of its own, with the object in the same place.
    Raises ValueError for a solid without volume, too many pieces, or one that falls over or off where it is put.
    """

    def __init__(self, solid: Solid, physics: Physics | None = None):
        self.solid, self.physics = solid, physics or Physics()
        if not solid.pieces or len(solid.pieces) > MAX_PIECES:
            raise ValueError(f"a solid needs 1 to {MAX_PIECES} convex pieces, {solid.name} has {len(solid.pieces)}")
        self.pose = np.eye(4)
        self._connect()

    def close(self) -> None:
        """End the physics client."""
        self._end()

    def _connect(self) -> None:
        self._bullet = import_bullet()
        self._client: int = self._bullet.connect(self._bullet.DIRECT)
        self._end = weakref.finalize(self, self._bullet.disconnect, self._client)
        self._on = {"physicsClientId": self._client}
        self._build()

    def __getstate__(self) -> dict[str, Any]:
        """What makes a copy: the scene without its client."""
        return {"solid": self.solid, "physics": self.physics, "pose": self.pose}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy with a client of its own."""
        self.__dict__.update(state)
        self._connect()

    def __enter__(self) -> GraspScene:
        return self

    def __exit__(self, *about: object) -> None:
        self.close()

    def _build(self) -> None:
        """Everything anew, so that what follows does not depend on what was before."""
        bullet, physics = self._bullet, self.physics
        bullet.resetSimulation(**self._on)
        bullet.setPhysicsEngineParameter(
            fixedTimeStep=physics.step,
            numSolverIterations=physics.solver_iterations,
            deterministicOverlappingPairs=1,
            enableFileCaching=0,
            **self._on,
        )
        bullet.setGravity(0, 0, -9.81, **self._on)
        half = [TABLE_HALF, TABLE_HALF, 0.05]
        top = bullet.createCollisionShape(bullet.GEOM_BOX, halfExtents=half, **self._on)
        self._table = bullet.createMultiBody(0, top, basePosition=[0, 0, -0.05], **self._on)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{self.solid.name}.obj"
            write_groups(path, map(_corners, self.solid.hulls))  # a compound of such a file, a hull of any other
            shape = bullet.createCollisionShape(bullet.GEOM_MESH, fileName=str(path), **self._on)
        bullet.changeDynamics(self._table, -1, lateralFriction=physics.friction_table, **self._on)
        dot = bullet.createVisualShape(bullet.GEOM_SPHERE, radius=0.001, **self._on)
        self._shape, self._centre, self._object = (shape, dot), self.solid.centre, -1
        self._grip = gripper.shapes(bullet, self._client)
        self._put()

    def place(self, x: float = 0.0, y: float = 0.0, yaw: float = 0.0) -> Array:
        """Stand the object at (x, y) metres, turned by `yaw` radian; its pose [4, 4]. It stands there for all attempts."""
        if not np.isfinite([x, y, yaw]).all():
            raise ValueError(f"x, y, yaw must be finite, got {x}, {y}, {yaw}")
        limit = TABLE_HALF - float(np.abs(self.solid.vertices[:, :2]).max())
        if max(abs(x), abs(y)) > limit:
            raise ValueError(f"{self.solid.name} at ({x:g}, {y:g}) falls off the table: |x|, |y| at most {limit:.3f} m")
        self.pose = planted(x, y, yaw)
        return self.pose

    def settle(self, seconds: float = 0.5) -> None:
        """Let the object stand by itself where it was placed; ValueError if it falls over or off the table."""
        self._put()
        for _ in range(round(seconds / self.physics.step)):
            self._bullet.stepSimulation(**self._on)
        place, turn = self._bullet.getBasePositionAndOrientation(self._object, **self._on)
        upward = np.reshape(self._bullet.getMatrixFromQuaternion(turn), (3, 3))[2, 2]
        drop = self._standing()[2] - place[2]
        if upward < np.cos(np.radians(10)) or drop > 0.02:
            raise ValueError(
                f"{self.solid.name} does not stand: within {seconds} s it tilts by {np.degrees(np.arccos(upward)):.0f} "
                f"degrees and drops by {drop:.3f} m; turn it onto a face it can rest on (see envs.grasp.files.resting)"
            )

    def attempt(self, pose: Any, opening: float = 0.10) -> Outcome:
        """One grasp from `pose` [4, 4] with the fingers `opening` metres apart at first; see the reasons above.

        The same object, place, pose and opening give the same outcome. Raises ValueError for a pose that is no rigid
        motion or outside the workspace (`frames.check_pose`).
        """
        target, width = check_pose(pose), check_opening(opening)
        self._put()
        hand = gripper.body(self._bullet, self._client, self._grip, target, width, self.physics.friction_finger)
        try:
            return self._try(hand, width)
        finally:
            self._bullet.removeBody(hand, **self._on)

    def _standing(self) -> Array:
        return self.pose[:3, :3] @ self._centre + self.pose[:3, 3]

    def _put(self) -> None:
        """Make the object anew where it stands: a body that was moved keeps old contacts, and outcomes would depend on them."""
        bullet, physics = self._bullet, self.physics
        if self._object >= 0:
            bullet.removeBody(self._object, **self._on)
        yaw = np.arctan2(self.pose[1, 0], self.pose[0, 0]) / 2
        turn = [0.0, 0.0, float(np.sin(yaw)), float(np.cos(yaw))]
        centre = {"baseInertialFramePosition": self._centre.tolist()}
        place = {"basePosition": self.pose[:3, 3].tolist(), "baseOrientation": turn}
        self._object = bullet.createMultiBody(physics.mass, *self._shape, **place, **centre, **self._on)
        friction = {"lateralFriction": physics.friction_object, "spinningFriction": physics.friction_spinning}
        bullet.changeDynamics(self._object, -1, **friction, **self._on)

    def _touch(self, hand: int, joint: int) -> bool:
        return bool(self._bullet.getContactPoints(hand, self._object, joint, -1, **self._on))

    def _try(self, hand: int, width: float) -> Outcome:
        bullet, physics = self._bullet, self.physics
        for other in (self._object, self._table):
            if any(point[8] < 0 for point in bullet.getClosestPoints(hand, other, 0.0, **self._on)):
                return Outcome("collision", gap=width)
        left, right = gripper.FINGER_JOINTS
        hold = {"controlMode": bullet.POSITION_CONTROL, "force": 1000.0, **self._on}
        bullet.setJointMotorControl2(hand, gripper.LIFT_JOINT, targetPosition=0.0, **hold)
        speed = {"targetVelocity": physics.closing_speed, "force": physics.force, **self._on}
        for joint in (left, right):
            bullet.setJointMotorControl2(hand, joint, bullet.VELOCITY_CONTROL, **speed)
        still = 0
        for _ in range(round(physics.closing_time / physics.step)):
            bullet.stepSimulation(**self._on)
            (a, va, *_), (b, vb, *_) = bullet.getJointStates(hand, [left, right], **self._on)
            if width - a - b < 0.0005:
                return Outcome("miss")
            still = still + 1 if abs(va) + abs(vb) < 0.01 else 0
            if still >= 3 and self._touch(hand, left) and self._touch(hand, right):
                break
        if not (self._touch(hand, left) and self._touch(hand, right)):
            return Outcome("miss", gap=width - a - b)
        before = bullet.getBasePositionAndOrientation(self._object, **self._on)[0][2]
        steps = round(physics.lift_time / physics.step)
        held = round(physics.hold_time / physics.step)
        for count in range(1, steps + held + 1):
            s = min(count / steps, 1.0)
            height = physics.lift * s**3 * (10 - 15 * s + 6 * s * s)
            pace = physics.lift / physics.lift_time * 30 * s * s * (1 - s) ** 2
            bullet.setJointMotorControl2(
                hand, gripper.LIFT_JOINT, targetPosition=height, targetVelocity=pace, positionGain=0.5, **hold
            )
            bullet.stepSimulation(**self._on)
            if count % 12 == 0 and not (self._touch(hand, left) or self._touch(hand, right)):
                break
        rise = bullet.getBasePositionAndOrientation(self._object, **self._on)[0][2] - before
        gap = width - sum(state[0] for state in bullet.getJointStates(hand, [left, right], **self._on))
        lifted = rise >= RISEN * physics.lift and self._touch(hand, left) and self._touch(hand, right)
        lifted = lifted and not bullet.getClosestPoints(self._object, self._table, CLEAR, **self._on)
        return Outcome("success" if lifted else "slip", rise, gap)
