"""Worlds whose factors are known, and their Gymnasium face. Importing this package registers `disco/...`."""

from envs.registry import WORLDS, make_world
from envs.world import Clip, Factor, MovingWorld, VideoWorld, World

__all__ = ["WORLDS", "Clip", "Factor", "MovingWorld", "VideoWorld", "World", "make_world"]
