"""Registers the worlds with Gymnasium, and makes their environments."""

from __future__ import annotations

from typing import Any

import gymnasium as gym

from envs.digit_grid import DigitGrid
from envs.env import WorldEnv, WorldVectorEnv
from envs.moves import moving
from envs.planar import Planar
from envs.registry import make_world
from envs.switch_maze import SwitchMaze
from envs.tasks import DigitGridTask, MatchTask, PlanarTask, SwitchMazeTask, Task
from envs.world import World

# Gymnasium id -> (world, steps in an episode)
IDS = {
    "disco/Planar-v0": ("planar", 40),
    "disco/DSprites-v0": ("dsprites", 100),
    "disco/ColorDSprites-v0": ("color_dsprites", 100),
    "disco/MultiSprites-v0": ("multi_sprites", 200),
    "disco/ShapeMotion-v0": ("shape_motion", 100),
    "disco/SwitchMaze-v0": ("switch_maze", 50),
    "disco/DigitGrid-v0": ("digit_grid", 50),
}


GRASP, ATTEMPTS = "disco/Grasp-v0", 20


def _compose(world: str, box: bool, settings: dict[str, Any]) -> tuple[World, Task]:
    made, task = _tasked(world, settings)
    return moving(made, box), task


def _tasked(world: str, settings: dict[str, Any]) -> tuple[World, Task]:
    if world == "planar":
        task = {key: settings.pop(key) for key in ("protocol", "shape") if key in settings}
        planar = make_world(world, **settings)
        assert isinstance(planar, Planar)
        return planar, PlanarTask(planar, **task)
    if world == "switch_maze":
        protocol = settings.pop("protocol", "reach")
        maze = make_world(world, **{"goal": protocol != "switches"} | settings)
        assert isinstance(maze, SwitchMaze)
        return maze, SwitchMazeTask(maze, protocol)
    made = make_world(world, **settings)
    return made, DigitGridTask(made) if isinstance(made, DigitGrid) else MatchTask(made)


def make_env(
    world: str,
    render_mode: str | None = None,
    goal_dict: bool = False,
    symbolic: bool = False,
    box: bool = False,
    **settings: Any,
) -> WorldEnv:
    """The single environment of a world by name; `settings` go to the world and its task.

    `box` takes continuous actions that move every factor but classes, as `envs.moves.moving`.
    """
    return WorldEnv(*_compose(world, box, settings), render_mode=render_mode, goal_dict=goal_dict, symbolic=symbolic)


def make_vector_env(
    world: str,
    num_envs: int,
    max_episode_steps: int | None = None,
    render_mode: str | None = None,
    goal_dict: bool = False,
    symbolic: bool = False,
    box: bool = False,
    **settings: Any,
) -> WorldVectorEnv:
    """The natively batched environment of a world by name."""
    made, task = _compose(world, box, settings)
    return WorldVectorEnv(made, task, num_envs, max_episode_steps, render_mode, goal_dict, symbolic)


def register_all() -> None:
    """Register every id that is not registered yet."""
    for name, (world, steps) in IDS.items():
        if name not in gym.registry:
            gym.register(
                name,
                "envs.register:make_env",
                vector_entry_point="envs.register:make_vector_env",
                max_episode_steps=steps,
                kwargs={"world": world},
            )
    if GRASP not in gym.registry:
        gym.register(
            GRASP,
            "envs.grasp.env:GraspEnv",
            vector_entry_point="envs.grasp.env:make_vector_env",
            max_episode_steps=ATTEMPTS,
        )
