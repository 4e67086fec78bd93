"""The worlds by name."""

from __future__ import annotations

from borders import make_named
from envs.blobs import Blobs
from envs.characters import Characters
from envs.digit_grid import DigitGrid
from envs.digits import Digits
from envs.dsprites import ColorDSprites, DSprites
from envs.faces import Faces
from envs.grasp.world import Grasp
from envs.moving_digits import MovingDigits
from envs.multi_sprites import MultiSprites
from envs.objects3d import Objects3D
from envs.planar import Planar
from envs.shape_motion import ShapeMotion
from envs.shapes2d import Shapes2D
from envs.street_digits import StreetDigits
from envs.swiss_roll import SwissRoll
from envs.switch_maze import SwitchMaze
from envs.text.reviews import Reviews
from envs.text.sentences import Sentences
from envs.transformed_digits import TransformedDigits
from envs.world import World

WORLDS: dict[str, type[World]] = {
    "blobs": Blobs,
    "characters": Characters,
    "color_dsprites": ColorDSprites,
    "digit_grid": DigitGrid,
    "digits": Digits,
    "dsprites": DSprites,
    "faces": Faces,
    "grasp": Grasp,
    "moving_digits": MovingDigits,
    "multi_sprites": MultiSprites,
    "objects3d": Objects3D,
    "planar": Planar,
    "reviews": Reviews,
    "sentences": Sentences,
    "shape_motion": ShapeMotion,
    "shapes2d": Shapes2D,
    "street_digits": StreetDigits,
    "swiss_roll": SwissRoll,
    "switch_maze": SwitchMaze,
    "transformed_digits": TransformedDigits,
}


def make_world(name: str, **settings: object) -> World:
    """The world `name` with `settings`; ValueError or TypeError lists what is allowed, nearest first."""
    return make_named("world", name, WORLDS, settings)
