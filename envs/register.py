"""Registers the worlds with Gymnasium, and makes their environments."""

from __future__ import annotations

import inspect
from typing import Any

import gymnasium as gym
from gymnasium.vector import AutoresetMode

from borders import look_up, nearest
from envs.digit_grid import DigitGrid
from envs.env import WorldEnv
from envs.moves import moving
from envs.planar import Planar
from envs.registry import WORLDS, make_world
from envs.switch_maze import SwitchMaze
from envs.tasks import DigitGridTask, MatchTask, PlanarTask, SwitchMazeTask, Task
from envs.vector import WorldVectorEnv
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


# What an environment takes besides its world's settings, and what its task takes.
ENVIRONMENT = ("render_mode", "goal_dict", "symbolic", "box", "autoreset_mode")
TASKS = {"planar": ("protocol", "shape"), "switch_maze": ("protocol",)}
GRASP, ATTEMPTS = "disco/Grasp-v0", 20
OWN, STEPS = "disco/world-", 100  # before the name of a world that has no id of its own; steps in its episode


def _compose(name: str, box: bool, settings: dict[str, Any]) -> tuple[World, Task]:
    kind, task = WORLDS[name], TASKS.get(name, ())
    known = [*ENVIRONMENT, *task, *inspect.signature(kind).parameters]
    for setting in settings:
        if setting not in known:
            told = nearest(setting, known)
            raise TypeError(f"the environment of {name!r} has no setting {setting!r}; its settings are {told}")
    wanted = {key: settings.pop(key) for key in task if key in settings}
    if name == "switch_maze":
        settings = {"goal": wanted.get("protocol") != "switches"} | settings
    world = make_world(name, **settings)
    made: Task
    if isinstance(world, Planar):
        made = PlanarTask(world, **wanted)
    elif isinstance(world, SwitchMaze):
        made = SwitchMazeTask(world, **wanted)
    else:
        made = DigitGridTask(world) if isinstance(world, DigitGrid) else MatchTask(world)
    return moving(world, box), made


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
    autoreset_mode: AutoresetMode | str = AutoresetMode.SAME_STEP,
    **settings: Any,
) -> WorldVectorEnv:
    """The natively batched environment of a world by name; see `envs.vector.WorldVectorEnv` for `autoreset_mode`."""
    made, task = _compose(world, box, settings)
    return WorldVectorEnv(made, task, num_envs, max_episode_steps, render_mode, goal_dict, symbolic, autoreset_mode)


def environment_of(world: str) -> str:
    """The id of the environment of a world by its name in `WORLDS`; one that has none yet is registered.

    So is a world of your own, with 100 steps in an episode. ValueError lists the worlds where there is none of that name.
    """
    for known, (name, _) in IDS.items():
        if name == world:
            return known
    look_up("world", world, WORLDS)
    found = f"{OWN}{world}-v0"
    if found not in gym.registry:
        _register(found, world, STEPS)
    return found


def register_named(env: str) -> None:
    """Register the environment that `environment_of` calls so, where it is not: its world was registered since."""
    name = env.rpartition(":")[2].removeprefix(OWN).removesuffix("-v0")
    if name in WORLDS and env.rpartition(":")[2].startswith(OWN):
        environment_of(name)


# Gymnasium reads the render modes of a function here, and puts its wrappers around what the environment does not do.
make_env.metadata = WorldEnv.metadata  # type: ignore[attr-defined]


def _register(name: str, world: str, steps: int) -> None:
    entry, batched = "envs.register:make_env", "envs.register:make_vector_env"
    gym.register(name, entry, vector_entry_point=batched, max_episode_steps=steps, kwargs={"world": world})


def register_all() -> None:
    """Register every id that is not registered yet."""
    for name, (world, steps) in IDS.items():
        if name not in gym.registry:
            _register(name, world, steps)
    if GRASP not in gym.registry:
        gym.register(
            GRASP,
            "envs.grasp.env:GraspEnv",
            vector_entry_point="envs.grasp.env:make_vector_env",
            max_episode_steps=ATTEMPTS,
        )
