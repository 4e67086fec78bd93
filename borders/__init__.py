"""What a caller may give, stated once in the annotation and checked where arguments are bound."""

from borders.checked import checked, unchecked
from borders.names import known_settings, look_up, make_named, nearest
from borders.settings import Count, Natural, NonNegative, Positive, Real, Shape, Share, Side, Size, Width, plain, tupled
from borders.tensors import demand_finite, recording

__all__ = [
    "Count",
    "Natural",
    "NonNegative",
    "Positive",
    "Real",
    "Shape",
    "Share",
    "Side",
    "Size",
    "Width",
    "checked",
    "demand_finite",
    "known_settings",
    "look_up",
    "make_named",
    "nearest",
    "plain",
    "recording",
    "tupled",
    "unchecked",
]
