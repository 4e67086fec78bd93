"""Grasping with a parallel-jaw gripper: objects, pictures, physics, and `disco/Grasp-v0`."""

from envs.grasp.objects import CATEGORIES, ObjectSpec, library
from envs.grasp.solids import Solid
from envs.grasp.world import Grasp

__all__ = ["CATEGORIES", "Grasp", "ObjectSpec", "Solid", "library"]
