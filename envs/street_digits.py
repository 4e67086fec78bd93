"""House numbers: printed digits on walls, with neighbours, plates, shadows and other clutter; 32 x 32 in colour.

    p' = ((p_x - x + k (p_y - y)) / (b h), (p_y - y) / h)    pixel p in heights h of the digit, slant k, width b of the glyph
    d  = h (s_{glyph, digit}(p') - w)                        pixels from the ink's edge, w its extra weight (envs.draw.glyphs)
    a  = clamp(1/2 - d / e, 0, 1)                            how much ink: e is the softness of edges, 1 to 4 pixels
    x  = light ((1 - a) ground + a ink) + noise

The ground is paper with a texture, across it up to two bars, on it perhaps a plate and the digit's shadow. To either side
stands, perhaps, another digit in the same print. The factor `clutter` says which of `ARRANGEMENTS` there is: neighbours,
bars, plate, shadow, light, blur, noise, saturation and exposure, whose strengths are settings of the world. Lightness of
ink and paper differ by `contrast`, whose sign says which is lighter.

Pictures of this kind are the cropped digits of SVHN (Netzer et al. 2011), which the same world shows from the published
files with `source="svhn"`: their factors are the class and which of its pictures it is.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from borders import Share
from envs.draw.glyphs import FONTS, GRID, HALF, fields
from envs.draw.handwriting import Pool
from envs.draw.textures import textures
from envs.dsprites import hue_to_rgb
from envs.files.svhn import load_svhn
from envs.world import Factor, World

SIDE = 32
CUTS = ((0.0, 1.0), (0.02, 0.8), (0.05, 1.0), (0.01, 1.2))  # extra weight in heights, and width, of every font
TEXTURES, TILE = 48, 64  # textures, and pixels after which they repeat
ARRANGEMENTS = 1000
ARRANGED = (
    *("left", "left_digit", "right", "right_digit", "gap"),
    *("exposure", "saturation", "light", "light_from", "softness", "noise", "noise_place"),
    *("texture_right", "texture_down", "shadow", "shadow_from"),
    *("plate", "plate_height", "plate_lightness", "plate_hue", "plate_rim"),
    *(f"bar_{part}_{k}" for k in range(2) for part in ("there", "angle", "away", "width", "lightness", "hue")),
)
CHUNK = 64  # pictures drawn at a time, so that the work stays in the processor's cache
LUMA = (0.30, 0.59, 0.11)
SPREAD = 0.8  # the greatest difference of lightness between ink and paper


class Bank(NamedTuple):
    """What rows are drawn from, on one device; all but `arrangements` [ARRANGEMENTS, named] and `cuts` are flattened."""

    fields: Tensor
    widths: Tensor
    cuts: Tensor
    textures: Tensor
    arrangements: Tensor
    noise: Tensor


def bank(fonts: tuple[str, ...]) -> Bank:
    """The bank of these fonts, on the CPU."""
    drawn = [fields(font) for font in fonts]
    return Bank(
        torch.stack([field for field, _ in drawn]).flatten(),
        torch.stack([width for _, width in drawn]).flatten(),
        torch.tensor(CUTS),
        textures(TEXTURES, TILE).flatten(),
        torch.rand(ARRANGEMENTS, len(ARRANGED), generator=torch.Generator().manual_seed(1)),
        torch.randn(TILE * TILE, generator=torch.Generator().manual_seed(2)),
    )


class StreetDigits(World):
    """A printed digit on a wall, as house numbers look: pictures uint8 [n, 3, 32, 32].

    Factors: `digit`, `glyph` (font, weight and width), `x`, `y` (pixels right and down of the middle), `scale` (pixels high),
    `slant`, the hues `ink` and `paper`, `texture`, `clutter` (which arrangement), `contrast`.

    `split` chooses the fonts: those of "train" are none of "test". How hard it is to read: `colour` scales saturation,
    `clutter` plates, bars, shadows, light, noise and texture, `neighbours` is how often there is one on either side, `blur`
    scales the softness of edges, `contrast` is the least share of the greatest difference of lightness.

    With `source` "svhn" the pictures are those of `train_32x32.mat` or `test_32x32.mat` below `path` or DISCO_DATA (see
    `envs.files.svhn`), "all" of both, and the factors `digit` and `example`; the strengths then say nothing.
    """

    def __init__(
        self,
        split: Literal["all", "train", "test"] = "all",
        colour: Share = 1.0,
        clutter: Share = 1.0,
        neighbours: Share = 0.6,
        blur: Share = 0.6,
        contrast: Share = 0.3,
        source: Literal["drawn", "svhn"] = "drawn",
        path: str | Path | None = None,
    ):
        self.shape = (3, SIDE, SIDE)
        self.colour, self.clutter, self.neighbours, self.blur, self.contrast = (
            colour,
            clutter,
            neighbours,
            blur,
            contrast,
        )
        self.pool = Pool(*load_svhn(split, path)) if source == "svhn" else None
        if self.pool is not None:
            named = {"digit": self.pool.classes, "example": self.pool.examples}
            self.factors = tuple(Factor.categorical(name, size) for name, size in named.items())
            return
        if path is not None:
            raise ValueError(f"path is read by the source 'svhn' only, got {path!r} for 'drawn'")
        fonts = FONTS["train"] + FONTS["test"] if split == "all" else FONTS[split]
        self._banks = {torch.device("cpu"): bank(fonts)}
        self.factors = (
            Factor.categorical("digit", 10),
            Factor.categorical("glyph", len(fonts) * len(CUTS)),
            Factor.continuous("x", -3, 3, "pixel"),
            Factor.continuous("y", -3, 3, "pixel"),
            Factor.continuous("scale", 16, 26, "pixel"),
            Factor.continuous("slant", -0.3, 0.3, "ratio"),
            Factor.circular("ink", 2 * math.pi),
            Factor.circular("paper", 2 * math.pi),
            Factor.categorical("texture", TEXTURES),
            Factor.categorical("clutter", ARRANGEMENTS),
            Factor.continuous("contrast", -1, 1, "ratio"),
        )

    def _render(self, factors: Tensor) -> Tensor:
        if self.pool is not None:
            return self.pool.rows(factors[:, 0], factors[:, 1])
        device = factors.device
        if device not in self._banks:
            self._banks[device] = Bank(*(each.to(device) for each in self._banks[torch.device("cpu")]))
        return torch.cat([self._drawn(part, self._banks[device]) for part in factors.split(CHUNK)])

    def _drawn(self, factors: Tensor, bank: Bank) -> Tensor:
        """The pictures of a chunk of rows."""
        digit, glyph, x, y, scale, slant, ink, paper, texture, clutter, contrast = factors[:, :, None, None].unbind(1)
        named = bank.arrangements[clutter.flatten().round().long()][:, :, None, None].unbind(1)
        u = dict(zip(ARRANGED, named, strict=True))
        axis = torch.arange(SIDE, device=factors.device) - (SIDE - 1) / 2
        right, down = axis.expand(len(factors), 1, SIDE), axis[:, None].expand(len(factors), SIDE, 1)

        def coverage(right: Tensor, down: Tensor, softness: Tensor) -> Tensor:
            """How much ink there is at these places: [n, SIDE, SIDE]."""
            edge = self._distance(bank, (digit, glyph, scale), u, right - x + slant * (down - y), down - y)
            return (0.5 - edge / softness).clamp(0, 1)

        level = contrast.sign().add(0.5).sign() * (self.contrast + (1 - self.contrast) * contrast.abs()) * (SPREAD / 2)
        middle = 0.5 + (0.3 * self.clutter) * (u["exposure"] - 0.5)
        saturation = self.colour * (0.05 + 0.5 * u["saturation"] ** 2)
        softness = 1 + self.blur * 5 * u["softness"]

        picture = colour(middle - level, paper, saturation)
        speckle = self._tile(bank.textures, texture, u["texture_right"], u["texture_down"])
        picture = picture + (0.01 + 0.05 * self.clutter) * speckle[:, None]
        for k in range(2):
            part = {name: u[f"bar_{name}_{k}"] for name in ("there", "angle", "away", "width", "lightness", "hue")}
            turn = 2 * math.pi * part["angle"]
            along = right * turn.cos() + down * turn.sin() - 10 - 8 * part["away"]
            there = (part["there"] < 0.6 * self.clutter).float()
            cover = there * (0.5 - (along.abs() - 1 - 4 * part["width"]) / softness).clamp(0, 1)
            picture = over(picture, colour(part["lightness"], 2 * math.pi * part["hue"], saturation), cover)
        there = (u["plate"] < 0.4 * self.clutter).float()
        edge = (down - y).abs() - scale * (0.6 + 0.15 * u["plate_height"])
        plate = middle - level + 0.25 * (u["plate_lightness"] - 0.5)
        picture = over(
            picture,
            colour(plate, 2 * math.pi * u["plate_hue"], saturation),
            there * (0.5 - edge / softness).clamp(0, 1),
        )
        rim = there * (u["plate_rim"] < 0.5).float() * (1.2 - (edge + 1.5).abs() / softness).clamp(0, 1)
        picture = over(picture, colour(middle + level, ink, saturation), 0.7 * rim.expand(-1, SIDE, SIDE))
        turn, reach = 2 * math.pi * u["shadow_from"], 0.07 * scale
        dark = coverage(right - reach * turn.cos(), down - reach * turn.sin(), softness + 1)
        picture = picture * (1 - 0.6 * self.clutter * (u["shadow"] - 0.4).clamp(min=0) / 0.6 * dark)[:, None]
        picture = over(picture, colour(middle + level, ink, saturation), coverage(right, down, softness))

        turn = 2 * math.pi * u["light_from"]
        light = 1 + 0.5 * self.clutter * u["light"] * (right * turn.cos() + down * turn.sin()) / SIDE
        noise = self._tile(bank.noise, torch.zeros_like(texture), u["noise_place"], u["noise"])
        picture = picture * light[:, None] + (0.03 * self.clutter * u["noise"])[:, None] * noise[:, None]
        return (picture.clamp(0, 1) * 255).round().to(torch.uint8)

    def _distance(
        self, bank: Bank, print_: tuple[Tensor, Tensor, Tensor], u: dict[str, Tensor], right: Tensor, down: Tensor
    ) -> Tensor:
        """Pixels from places, sheared and from the digit's middle, to the edge of the ink of it or a neighbour: [n, H, W]."""
        digit, glyph, scale = print_
        glyph = glyph.round().long()
        font = glyph // len(CUTS)
        weight, width = bank.cuts[glyph % len(CUTS)].unbind(-1)
        across, up = right / (scale * width), down / scale  # in heights, as wide as the font has them
        gap = 0.08 + 0.12 * u["gap"]
        own = digit.round().long()
        half = bank.widths[font * 10 + own] / 2
        choice, middle = own.expand(-1, SIDE, SIDE), torch.zeros_like(across)
        there = torch.ones_like(across)
        for side, name in ((-1, "left"), (1, "right")):
            other = (10 * u[f"{name}_digit"]).long().clamp(max=9)
            beside = side * across > half + gap / 2
            choice = torch.where(beside, other, choice)
            middle = torch.where(beside, side * (half + gap + bank.widths[font * 10 + other] / 2), middle)
            there = torch.where(beside, (u[name] < self.neighbours).float(), there)
        column = (((across - middle) / HALF + 1) * ((GRID - 1) / 2)).clamp(0, GRID - 1.001)
        row = ((up / HALF + 1) * ((GRID - 1) / 2)).clamp(0, GRID - 1.001)
        place = ((font * 10 + choice) * GRID + row.long()) * GRID + column.long()
        along, below = column.frac(), row.frac()
        upper = torch.lerp(bank.fields[place], bank.fields[place + 1], along)
        lower = torch.lerp(bank.fields[place + GRID], bank.fields[place + GRID + 1], along)
        found = scale * (torch.lerp(upper, lower, below) - weight)
        return torch.where(there > 0, found, 99.0)

    def _tile(self, tiles: Tensor, which: Tensor, right: Tensor, down: Tensor) -> Tensor:
        """A window [n, SIDE, SIDE] of a tile, whose corner lies at shares of its side."""
        axis = torch.arange(SIDE, device=tiles.device)
        rows = ((TILE * down).long() + axis[:, None]) % TILE
        columns = ((TILE * right).long() + axis) % TILE
        return tiles[(which.round().long() * TILE + rows) * TILE + columns]


def colour(lightness: Tensor, hue: Tensor, saturation: Tensor) -> Tensor:
    """Colours [n, 3, 1, 1] of these lightnesses, hues in radian and saturations, each [n, 1, 1]."""
    pure = hue_to_rgb(hue.flatten())
    luma = (pure * pure.new_tensor(LUMA)).sum(1, keepdim=True)
    lightness = lightness.clamp(0.04, 0.96)
    room = saturation * 2 * torch.minimum(lightness, 1 - lightness)
    return lightness[:, None] + room[:, None] * (pure - luma)[:, :, None, None]


def over(picture: Tensor, paint: Tensor, cover: Tensor) -> Tensor:
    """`paint` [n, 3, 1, 1] laid over a picture [n, 3, H, W] where `cover` [n, H, W] says, from 0 to 1."""
    return picture + cover[:, None] * (paint - picture)
