"""Learners: one paper, one file, and one training loop for all of them."""

from representations.batches import Rendered, Stepped
from representations.fit import fit
from representations.model import Decodes, Generates, Objective, Predicts, Representation
from representations.registry import MODELS, load, make, save

__all__ = [
    "MODELS",
    "Decodes",
    "Generates",
    "Objective",
    "Predicts",
    "Rendered",
    "Representation",
    "Stepped",
    "fit",
    "load",
    "make",
    "save",
]
