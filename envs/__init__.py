"""Worlds whose factors are known, and their Gymnasium face. Importing this package registers `disco/...`."""

from envs.env import WorldEnv
from envs.fork import guard
from envs.register import register_all
from envs.registry import WORLDS, make_world
from envs.vector import WorldVectorEnv
from envs.world import Clip, Factor, MovingWorld, VideoWorld, World

__all__ = [
    "WORLDS",
    "Clip",
    "Factor",
    "MovingWorld",
    "VideoWorld",
    "World",
    "WorldEnv",
    "WorldVectorEnv",
    "make_world",
]

guard()
register_all()
