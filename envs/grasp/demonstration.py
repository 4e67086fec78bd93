"""A grasp that succeeds, looked for among antipodal ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from envs.grasp.sampler import antipodal
from envs.grasp.scene import GraspScene

SEARCH = 400  # antipodal candidates tried for one demonstration


def demonstrate(scene: GraspScene, draws: np.random.Generator) -> tuple[Any, float]:
    """An antipodal grasp that succeeds, pose [4, 4] and opening, in the place where the object stands.

    Raises RuntimeError if none of 400 candidates does.
    """
    tried = 0
    while tried < SEARCH:
        poses, openings = antipodal(scene.solid, 50, draws)
        for pose, opening in zip(scene.pose @ poses, openings, strict=True):
            tried += 1
            if pose[2, 3] > 0 and scene.attempt(pose, opening).success:
                return pose, float(opening)
        tried += 1
    raise RuntimeError(f"no grasp of {scene.solid.name} succeeded in {SEARCH} tries")
