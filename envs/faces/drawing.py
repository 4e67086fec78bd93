"""How a face is drawn: shapes in the head's frame, each laid over the last, with edges a pixel wide.

    (u, v) = R(-roll) (p - place) / scale            the head's frame: 1 is half the picture, v counts downwards
    (u - depth yaw, v)                               what lies `depth` before the head's axis moves when it turns
    cover  = clamp(1/2 - d / e, 0, 1)                of a shape of signed distance d (roughly so), e a pixel
    x     <- x + cover (paint - x)

from back to front: ground, hair behind the head, neck and clothes, ears, head, beard, mouth, nose, eyes, brows, glasses,
hair before the forehead, hat; then light from one side, and exposure. Paired features are drawn once, of |u|. A feature
is drawn only in the rows that it can reach, and what only some faces have only in those.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn.functional import hardsigmoid

from envs.dsprites import hue_to_rgb

Colour = tuple[float, float, float]
CHUNK = 32  # pictures drawn at a time, so that the work stays in the processor's cache
ACROSS, DOWN, SCALE, ROLL = 0.12, (0.06, 0.2), (0.8, 1.0), 0.2  # ranges of the pose: halves of the picture, and radian
HEAD = 0.62  # from the middle of the head up to its top
EYES, NOSE, MOUTH, BRIM = -0.02, 0.14, 0.4, -0.3  # below the middle of the head

SKIN = ((1.0, 0.87, 0.76), (0.85, 0.63, 0.47), (0.36, 0.22, 0.15))
HAIR: dict[str, Colour] = {
    "black": (0.09, 0.08, 0.09),
    "brown": (0.36, 0.21, 0.11),
    "ginger": (0.74, 0.33, 0.1),
    "blond": (0.91, 0.76, 0.38),
    "grey": (0.7, 0.7, 0.72),
}
IRIS: dict[str, Colour] = {"brown": (0.3, 0.17, 0.08), "green": (0.2, 0.5, 0.25), "blue": (0.2, 0.45, 0.85)}
# how far beyond the skull; where the forehead ends in the middle, how that falls to the right and to both sides; how far
# down it hangs
STYLES = {
    "bald": (0.0, -9.0, 0.0, 0.0, -9.0),
    "short": (0.05, -0.42, 0.0, 0.9, 0.0),
    "fringe": (0.08, -0.2, 0.0, 0.2, 0.35),
    "parted": (0.08, -0.42, 0.5, 0.8, 0.05),
    "bob": (0.24, -0.4, 0.0, 0.9, 0.3),
    "long": (0.12, -0.52, 0.0, 3.6, 0.95),
}
# half a lens's width and height, how square, how much wider above, how far up at the outside
RIMS = {
    "round": (0.19, 0.19, 0.0, 0.0, 0.0),
    "square": (0.21, 0.14, 1.0, 0.0, 0.0),
    "aviator": (0.21, 0.19, 0.4, 0.45, 0.0),
    "cat_eye": (0.21, 0.13, 0.3, 0.4, 0.5),
}
BEARDS = ("moustache", "goatee", "full")
GRINS = {
    "closed": (0.0, 0.0),
    "teeth": (0.08, 1.0),
    "laughing": (0.2, 0.4),
}  # how far open, and the teeth's share of it
HATS = ("beanie", "cap", "brimmed")
CLOTHES, DARK, WHITE, THROAT = (0.2, 0.23, 0.3), (0.05, 0.04, 0.05), (0.97, 0.97, 0.95), (0.35, 0.06, 0.08)


class Canvas:
    """Pictures [n, 3, h, w] in the making, the head's frame u, v [n, h, w] at their pixels, and their factors [n, 1, 1]."""

    def __init__(self, picture: Tensor, u: Tensor, v: Tensor, factors: Mapping[str, Tensor]):
        self.picture, self.u, self.v, self.factors = picture, u, v, factors

    def __getitem__(self, name: str) -> Tensor:
        """A factor, [n, 1, 1]."""
        return self.factors[name]

    def colour(self, value: Colour) -> Tensor:
        """One colour for all pictures: [3, 1, 1]."""
        return self.u.new_tensor(value)[:, None, None]

    def cover(self, distance: Tensor) -> Tensor:
        """How much of every pixel lies inside, [n, h, w], from distances in the head's frame, which are overwritten."""
        pixel = 2 / (self.picture.shape[3] * 0.5 * sum(SCALE))
        return hardsigmoid(distance.mul_(-6 / pixel))

    def paint(self, colour: Tensor, cover: Tensor) -> None:
        """Lay colours, [n, 3, 1, 1] or [3, 1, 1], over the pictures as much as `cover` [n, h, w] says."""
        self.picture.lerp_(colour, cover[:, None])

    def turned(self, depth: float) -> Tensor:
        """u of what lies so far before the axis about which the head turns."""
        return self.u - depth * self["yaw"]

    def rows(self, top: float, bottom: float) -> Canvas:
        """The rows that something within half a unit of the axis, between these heights of the head's frame, can reach."""
        size = self.picture.shape[3]
        first, last = min(s * (top - ROLL / 2) for s in SCALE), max(s * (bottom + ROLL / 2) for s in SCALE)
        low = min(max(int((first + DOWN[0] + 1) * size / 2) - 1, 0), size - 1)
        high = max(min(int((last + DOWN[1] + 1) * size / 2) + 2, size), low + 1)
        return Canvas(self.picture[:, :, low:high], self.u[:, low:high], self.v[:, low:high], self.factors)

    def where(self, name: str, draw: Callable[[Canvas], None]) -> None:
        """Draw something on the pictures that have the attribute `name`."""
        rows = (self[name].flatten() > 0.5).nonzero().squeeze(1)
        if len(rows):
            part = Canvas(self.picture[rows], self.u[rows], self.v[rows], {k: f[rows] for k, f in self.factors.items()})
            draw(part)
            self.picture[rows] = part.picture


def render(factors: Mapping[str, Tensor], size: int) -> Tensor:
    """The pictures uint8 [n, 3, size, size] of factors [n] by name."""
    pictures = torch.empty(len(factors["skin"]), 3, size, size, dtype=torch.uint8, device=factors["skin"].device)
    for first in range(0, len(pictures), CHUNK):
        part = slice(first, first + CHUNK)
        pictures[part] = _drawn({name: column[part, None, None] for name, column in factors.items()}, size)
    return pictures


def _drawn(f: Mapping[str, Tensor], size: int) -> Tensor:
    """A chunk of pictures, float [n, 3, size, size] of whole numbers from 0 to 255."""
    axis = (torch.arange(size, device=f["x"].device) + 0.5) * (2 / size) - 1
    right, down = axis - f["x"], axis[:, None] - f["y"]
    cos, sin = f["roll"].cos() / f["scale"], f["roll"].sin() / f["scale"]
    u, v = cos * right + sin * down, cos * down - sin * right
    hue = hue_to_rgb(f["backdrop"].flatten())[:, :, None, None]
    ground = f["backdrop_lightness"][:, None] * (0.4 + 0.6 * hue)
    face = Canvas(ground * (1.15 - 0.25 * axis[:, None].expand(size, size)), u, v, f)

    skin, hair = _skin(f["skin"]), _entries(HAIR, f["hair_colour"])
    volume, front, slope, arch, hang = _entries(STYLES, f["hair"]).unbind(1)
    outline = _egg(u / (f["skull"] + volume), v.clamp(max=0) / (HEAD + volume)).mul_(0.5)
    face.paint(0.7 * hair, face.cover(torch.maximum(outline, v - hang)))
    _body(face.rows(0.3, 9.0), skin)
    _head(face.rows(-HEAD - 0.05, 0.85), skin)
    face.rows(-0.1, 1.0).where("facial_hair", lambda part: _beard(part, _entries(HAIR, part["hair_colour"])))
    _mouth(face.rows(MOUTH - 0.16, MOUTH + 0.3), skin)
    _nose(face.rows(EYES, NOSE + 0.18), skin)
    _eyes(face.rows(EYES - 0.3, EYES + 0.18), hair)
    face.rows(EYES - 0.3, EYES + 0.3).where("glasses", _glasses)
    forehead = (v - front - slope * u - arch * u.square()).div_(1 + 0.5 * arch)
    face.paint(hair, face.cover(torch.maximum(torch.maximum(outline, forehead), v - hang)))
    face.rows(-1.3, BRIM + 0.2).where("hat", _hat)

    light = f["exposure"] * (1 + 0.35 * f["light"] * u.clamp(-1, 1))
    return face.picture.mul_(light[:, None]).clamp_(0, 1).mul_(255).round_()


def _body(canvas: Canvas, skin: Tensor) -> None:
    """Neck and shoulders."""
    u, v = canvas.u, canvas.v
    canvas.paint(0.82 * skin, canvas.cover(torch.maximum(u.abs().sub_(0.24), 0.3 - v)))
    canvas.paint(canvas.colour(CLOTHES), canvas.cover(_egg(u / 0.95, (v - 1.45) / 0.6).mul_(0.6)))


def _head(canvas: Canvas, skin: Tensor) -> None:
    """Ears, and the head: an egg that narrows downwards to the jaw and is the squarer the wider that is."""
    ear = canvas.turned(-0.08).abs().sub_(canvas["skull"] + 0.01)
    canvas.paint(0.88 * skin, canvas.cover(_egg(ear.div_(0.085), (canvas.v - 0.02) / 0.13).mul_(0.085)))
    canvas.paint(skin, canvas.cover(_face(canvas, 0.0)))


def _face(canvas: Canvas, grown: Tensor | float) -> Tensor:
    """The distance to the head's outline, whose lower half has grown."""
    jaw = canvas["jaw"]
    below = canvas.v.clamp(min=0) / (canvas["chin"] + grown)
    square = below.square()
    width = (canvas["skull"] + 0.5 * grown) * (1 - (0.5 - 0.5 * jaw) * square)
    height = (canvas.v.clamp(max=0) / HEAD).square_().add_(square.mul(1 - 0.75 * jaw + 0.75 * jaw * square))
    return (canvas.u / width).square_().add_(height).sqrt_().sub_(1).mul_(0.5)


def _beard(canvas: Canvas, hair: Tensor) -> None:
    """A moustache, a goatee, or a full beard from ear to ear; all of the hair's colour, and the denser the more opaque."""
    kind, density = canvas["beard"].round(), canvas["density"]
    u, v = canvas.turned(0.1), canvas.v
    colour, opaque = 0.65 * hair, 0.65 + 0.35 * density
    thick = 0.85 + 0.5 * density
    bent = v - (MOUTH - 0.1) - 0.9 * u.square()
    lip = _egg(u / 0.24, bent / (0.065 * thick)).mul_(0.06)
    tuft = _egg(u / (0.13 * thick), (v - canvas["chin"] + 0.09) / (0.15 * thick)).mul_(0.12)
    line = 0.3 - 1.5 * u.square() - v
    full = torch.maximum(_face(canvas, 0.16 * density), line)
    shape = torch.where(kind == 0, lip, torch.where(kind == 1, tuft, torch.minimum(lip, full)))
    canvas.paint(colour, canvas.cover(shape).mul_(opaque))


def _mouth(canvas: Canvas, skin: Tensor) -> None:
    """Lips about a line that a smile bends, open in some smiles."""
    u, v, smile, lips = canvas.turned(0.1), canvas.v, canvas["smile"].round(), canvas["lips"]
    opening, teeth = _entries(GRINS, canvas["grin"]).unbind(1)
    opening = opening * smile
    along = (u / (canvas["mouth_width"] * (1 + 0.3 * smile))).square_()
    middle = v - MOUTH + smile * (0.14 * along - 0.05) - 0.01
    taper = (1 - along.square()).clamp_(min=0)
    closed = (along - 1).clamp_(min=0)
    red = 0.62 * skin + skin.new_tensor((0.22, 0.0, 0.03))[:, None, None]
    canvas.paint(
        red, canvas.cover(torch.maximum(-middle - lips * taper, middle - (1.2 * lips + opening) * taper) + closed)
    )
    inside = torch.maximum(-middle, middle - (opening + 0.018) * taper) + closed
    canvas.paint(canvas.colour(THROAT), canvas.cover(inside.clone()))
    bite = torch.maximum(inside, middle - teeth * opening * taper) + 0.02
    canvas.paint(canvas.colour(WHITE), canvas.cover(bite).mul_(smile * (opening > 0)))


def _nose(canvas: Canvas, skin: Tensor) -> None:
    """A bridge in the light, and a shadow below the tip."""
    width, tip = canvas["nose_width"], NOSE + canvas["nose_length"]
    u, v = canvas.turned(0.16), canvas.v
    along = ((v - EYES) / (tip - EYES)).clamp_(0, 1)
    bridge = u.abs().sub_(along.square_().mul_(width - 0.02).add_(0.02))
    bridge = torch.maximum(bridge, torch.maximum(v - tip, EYES - v))
    canvas.paint(0.87 * skin, canvas.cover(bridge))
    canvas.paint(0.55 * skin, canvas.cover(_egg(u / width, (v - tip) / 0.035).mul_(0.035)))


def _eyes(canvas: Canvas, hair: Tensor) -> None:
    """Eyes that look ahead, each below a brow."""
    large, yaw = canvas["eye_size"], canvas["yaw"]
    u, v = canvas.turned(0.1), canvas.v - EYES
    side = u.abs() - canvas["eye_gap"]
    lid = _egg(side / large, v / (0.62 * large)).mul_(0.62 * large)
    canvas.paint(canvas.colour(DARK), canvas.cover((lid - 0.022).add_(v.clamp(min=0).mul_(0.3))))
    canvas.paint(canvas.colour(WHITE), canvas.cover(lid.clone()))
    gaze = side - 0.03 * yaw * u.sign()
    iris = (gaze.square_() + v.square()).sqrt_()
    canvas.paint(_entries(IRIS, canvas["iris"]), canvas.cover(torch.maximum(iris - 0.58 * large, lid)))
    canvas.paint(canvas.colour(DARK), canvas.cover(iris - 0.28 * large))
    above = v + 0.13 + 0.5 * large + canvas["brow_tilt"] * side
    brow = torch.maximum(above.abs_().sub_(canvas["brow_thickness"]), side.abs_().sub_(0.13))
    canvas.paint(0.6 * hair, canvas.cover(brow))


def _glasses(canvas: Canvas) -> None:
    """Two lenses in rims, the bridge between them and the arms to the ears."""
    width, height, square, taper, tilt = _entries(RIMS, canvas["rims"]).unbind(1)
    thick = canvas["thickness"]
    u, v = canvas.turned(0.13).abs_(), canvas.v - EYES - 0.01
    side = u - 0.225
    v = v + tilt * side
    across = (side / (width * (1 - taper * (v / height).clamp(-1, 1).mul_(0.5)))).square_()
    along = (v / height).square_()
    lens = (
        torch.lerp(across + along, across.square() + along.square(), square).sqrt_().sub_(1).mul_(height / (1 + square))
    )
    tint = canvas["tint"]
    canvas.paint(0.35 * canvas.colour(WHITE) * (1 - tint[:, None]), canvas.cover(lens.clone()).mul_(0.08 + 0.9 * tint))
    rim = lens.abs_().sub_(thick)
    bridge = torch.maximum((v + 0.05).abs_().sub_(thick), u - 0.06)
    arm = torch.maximum((v + 0.04).abs_().sub_(thick), torch.maximum(0.4 - u, u - canvas["skull"]))
    canvas.paint(canvas.colour(DARK), canvas.cover(torch.minimum(torch.minimum(rim, bridge), arm)))


def _hat(canvas: Canvas) -> None:
    """A beanie with a fold, a cap with a visor, or a hat with a brim and a band."""
    kind, skull = canvas["crown"].round(), canvas["skull"]
    u, v = canvas.u, canvas.v - BRIM
    colour = 0.15 + 0.7 * hue_to_rgb(canvas["hat_hue"].flatten())[:, :, None, None]
    tall, wide = torch.where(kind == 2, 0.5, 0.46), skull + torch.where(kind == 2, -0.03, 0.07)
    dome = _egg(u / wide, v.clamp(max=0) / tall).mul_(0.4)
    box = torch.maximum(u.abs().sub_(wide).sub_(0.12 * v), -v - tall)
    crown = torch.maximum(torch.where(kind == 2, box, dome), v - 0.02)
    canvas.paint(colour, canvas.cover(crown.clone()))
    tuft = _egg(u / 0.1, (v + tall + 0.04) / 0.1).mul_(0.1)
    canvas.paint(0.8 * colour, canvas.cover(tuft).mul_(kind == 0))
    canvas.paint(0.3 * colour, canvas.cover(torch.maximum(crown, (v + 0.07).abs_().sub_(0.06))).mul_(kind == 2))
    fold = torch.maximum(u.abs().sub_(wide + 0.02), (v + 0.03).abs_().sub_(0.09))
    visor = _egg((u - 0.3 * canvas["yaw"]) / 0.48, (v - 0.06) / 0.12).mul_(0.12)
    brim = _egg(u / 0.92, (v - 0.02) / 0.09).mul_(0.09)
    edge = torch.where(kind == 0, fold, torch.where(kind == 1, visor, brim))
    canvas.paint(torch.where(kind[:, None] == 1, 0.5, 0.8) * colour, canvas.cover(edge))


def _egg(across: Tensor, along: Tensor) -> Tensor:
    """sqrt(across^2 + along^2) - 1; both are overwritten, and must be of the whole picture."""
    return across.square_().add_(along.square_()).sqrt_().sub_(1)


def _entries(table: Mapping[str, tuple[float, ...]], which: Tensor) -> Tensor:
    """The entries of a table that classes [n, 1, 1] choose: [n, columns, 1, 1]."""
    return which.new_tensor(list(table.values()))[which.flatten().round().long()][:, :, None, None]


def _skin(tone: Tensor) -> Tensor:
    """Skin [n, 3, 1, 1] of tones from 0, light, to 1, dark: [n, 1, 1]."""
    light, middle, dark = tone.new_tensor(SKIN)[:, :, None, None]
    share = 2 * tone[:, None]
    return torch.where(share < 1, torch.lerp(light, middle, share), torch.lerp(middle, dark, share - 1))
