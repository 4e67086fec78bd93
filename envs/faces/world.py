"""Drawn faces: who it is, what they wear and how they smile, and how the picture was taken, all of it known.

    identity     the shape of skull, jaw, chin, eyes, nose, mouth and brows; skin, hair and eyes' colour
    attributes   glasses, facial hair, smile, hat: there or not, and if there of a style
    nuisance     pose, light and backdrop

All are independent. An attribute is there in a share `present` of the pictures, a third as in the data sets of Klys,
Snell and Zemel (2018) for glasses; the factors of its style change nothing where it is not. A twentieth of their range or
more changes in 29 % of the pixels with the identity, in 93 % with the nuisance, and in 2 % (smile) to 13 % (hat) with an
attribute.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated, Literal

import torch
from annotated_types import Interval
from jaxtyping import Float
from torch import Tensor

from borders import Count, Natural, Share
from envs.faces.drawing import (
    ACROSS,
    BEARDS,
    DOWN,
    GRINS,
    HAIR,
    HATS,
    IRIS,
    RIMS,
    ROLL,
    SCALE,
    STYLES,
    render,
)
from envs.world import Factor, World

IDENTITY = (
    Factor.continuous("skull", 0.44, 0.58, "half picture"),
    Factor.continuous("jaw", 0.0, 1.0, "ratio"),
    Factor.continuous("chin", 0.62, 0.78, "half picture"),
    Factor.continuous("eye_size", 0.08, 0.14, "half picture"),
    Factor.continuous("eye_gap", 0.19, 0.27, "half picture"),
    Factor.categorical("iris", len(IRIS)),
    Factor.continuous("nose_width", 0.05, 0.13, "half picture"),
    Factor.continuous("nose_length", 0.0, 0.12, "half picture"),
    Factor.continuous("mouth_width", 0.15, 0.26, "half picture"),
    Factor.continuous("lips", 0.025, 0.065, "half picture"),
    Factor.continuous("brow_thickness", 0.015, 0.05, "half picture"),
    Factor.continuous("brow_tilt", -0.35, 0.35, "ratio"),
    Factor.continuous("skin", 0.0, 1.0, "ratio"),
    Factor.categorical("hair", len(STYLES)),
    Factor.categorical("hair_colour", len(HAIR)),
)
Attribute = Literal["glasses", "facial_hair", "smile", "hat"]
ATTRIBUTES: dict[Attribute, tuple[Factor, ...]] = {
    "glasses": (
        Factor.categorical("rims", len(RIMS)),
        Factor.continuous("thickness", 0.012, 0.04, "half picture"),
        Factor.continuous("tint", 0.0, 1.0, "ratio"),
    ),
    "facial_hair": (Factor.categorical("beard", len(BEARDS)), Factor.continuous("density", 0.0, 1.0, "ratio")),
    "smile": (Factor.categorical("grin", len(GRINS)),),
    "hat": (Factor.categorical("crown", len(HATS)), Factor.circular("hat_hue", 2 * math.pi)),
}
WORN = tuple(name for attribute, styles in ATTRIBUTES.items() for name in (attribute, *(s.name for s in styles)))
POSE = (
    Factor.continuous("x", -ACROSS, ACROSS, "half picture"),
    Factor.continuous("y", *DOWN, "half picture"),
    Factor.continuous("scale", *SCALE, "ratio"),
    Factor.continuous("roll", -ROLL, ROLL, "radian"),
    Factor.continuous("yaw", -1.0, 1.0, "ratio"),
)
NUISANCE = (
    *POSE,
    Factor.continuous("light", -1.0, 1.0, "ratio"),
    Factor.continuous("exposure", 0.65, 1.05, "ratio"),
    Factor.circular("backdrop", 2 * math.pi),
    Factor.continuous("backdrop_lightness", 0.2, 0.9, "ratio"),
)


def _within(factor: Factor, share: float) -> Factor:
    """A number of the middle of a factor's range."""
    middle, half = (factor.low + factor.high) / 2, share * (factor.high - factor.low) / 2
    return replace(factor, low=middle - half, high=middle + half)


class Faces(World):
    """A face: who it is, what is on it, how it was taken; pictures uint8 [n, 3, size, size], size 32 or 64.

    Factors are `IDENTITY`, those of `attributes` (all of ATTRIBUTES unless told; the others are never there) and `NUISANCE`,
    in that order.
    `pose` is the share of the ranges of POSE, about their middles, that are taken: small where pictures were aligned, as
    CelebA's are. Every attribute is there (1) in a share `present` of all samples, and followed by the factors of its style.
    """

    def __init__(
        self,
        size: Literal[32, 64] = 64,
        present: Share = 1 / 3,
        pose: Annotated[float, Interval(ge=0.01, le=1)] = 1.0,
        attributes: tuple[Attribute, ...] = ("glasses", "facial_hair", "smile", "hat"),
    ) -> None:
        if len(set(attributes)) < len(attributes):
            raise ValueError(f"attributes must be different ones, got {attributes}")
        self.size, self.shape, self.present = size, (3, size, size), present
        self.attributes, self.traits = attributes, len(IDENTITY)
        worn = (factor for name in attributes for factor in (Factor.categorical(name, 2), *ATTRIBUTES[name]))
        self.factors = (*IDENTITY, *worn, *(_within(factor, pose) for factor in POSE), *NUISANCE[len(POSE) :])

    def identities(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` people, each different: the factors of IDENTITY, float32 [n, I].

        Those of another draw are other people, so that some are held out by splitting the rows.
        """
        return self.sample(n, generator)[:, : self.traits]

    def views(self, identities: Float[Tensor, "people traits"], m: Count, generator: torch.Generator) -> Tensor:
        """The factors [people, m, K] of `m` pictures of every one of these people, all else drawn anew for each."""
        rows = self.sample(len(identities) * m, generator).unflatten(0, (len(identities), m))
        rows[:, :, : self.traits] = identities[:, None]
        return rows

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        rows = super()._draw(n, generator)
        for name in self.attributes:
            there = torch.rand(n, generator=generator, device=generator.device) < self.present
            rows[:, self.names.index(name)] = there.float()
        return rows

    def _render(self, factors: Tensor) -> Tensor:
        nothing = torch.zeros_like(factors[:, 0])
        return render(dict.fromkeys(WORN, nothing) | dict(zip(self.names, factors.unbind(1), strict=True)), self.size)
