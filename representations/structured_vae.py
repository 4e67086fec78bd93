"""A variational autoencoder whose latents are a graph that the user declares (Siddharth et al. 2016, arXiv 1611.07492).

    digit ~ Cat(1 / 10),  style ~ N(0, I),  x ~ p(x | digit, style)                   (figure 1, left)
    q(digit, style | x) = q(digit | x) q(style | x, digit)                            (figure 1, right)

is the declaration `DIGITS`; any other graph of classes and Gaussians is one too, see `parts/latent_graph.py` for the
objective. Two digits in one picture, their style read behind both:

    {"left":  {"kind": "categorical", "size": 10},
     "right": {"kind": "categorical", "size": 10},
     "style": {"kind": "gaussian", "size": 50, "reads": ["left", "right"]}}
"""

from __future__ import annotations

import math
from typing import Literal

from torch import nn

from borders import Natural, NonNegative, Positive, Shape, Size
from representations.parts.latent_graph import Estimator, GraphVAE, LatentGraph, Structure
from representations.parts.networks import HalvingConv, Standardise, mlp

DIGITS: Structure = {
    "digit": {"kind": "categorical", "size": 10},
    "style": {"kind": "gaussian", "size": 50, "reads": ["digit"]},
}


class StructuredVAE(GraphVAE):
    """The structured VAE of pictures `shape` = (C, H, W) with the latents of `structure`.

    `estimator` "plug_in" or "marginal" says what becomes of classes that are not known; `label_weight` is alpha. `network`
    "dense" has one layer of `hidden` units on either side; "conv", for sides that are multiples of 4, has two convolutions
    of stride 2 before it, of `channels` and twice as many, that read standardised pictures, and the reverse in the decoder
    (section 3). All encoders read the same features, each by a linear layer. The weight of the Gaussians' KL falls from
    `closed` to 1 over the first `opening` steps.
    """

    def __init__(
        self,
        shape: Shape = (1, 28, 28),
        structure: Structure = DIGITS,
        estimator: Estimator = "plug_in",
        network: Literal["dense", "conv"] = "dense",
        hidden: Size = 512,
        channels: Size = 32,
        label_weight: NonNegative = 50.0,
        learning_rate: Positive = 1e-3,
        closed: NonNegative = 10.0,
        opening: Natural = 0,
    ):
        graph = LatentGraph(structure, hidden)
        size = math.prod(shape)
        if network == "dense":
            trunk: nn.Module = nn.Sequential(nn.Flatten(), nn.Linear(size, hidden), nn.ReLU())
            decoder: nn.Module = nn.Sequential(mlp(graph.size, hidden, size), nn.Unflatten(1, tuple(shape)))
        else:
            if shape[1] % 4 or shape[2] % 4:
                raise ValueError(f"shape must have sides that are multiples of 4 for convolutions, got {shape}")
            deepest = (2 * channels, shape[1] // 4, shape[2] // 4)
            flat = math.prod(deepest)
            down = (HalvingConv(shape[0], channels), nn.ReLU(), HalvingConv(channels, 2 * channels), nn.ReLU())
            trunk = nn.Sequential(Standardise(), *down, nn.Flatten(), nn.Linear(flat, hidden), nn.ReLU())
            up = (nn.ConvTranspose2d(2 * channels, channels, 4, 2, 1), nn.ConvTranspose2d(channels, shape[0], 4, 2, 1))
            start = (mlp(graph.size, hidden, flat), nn.ReLU(), nn.Unflatten(1, deepest))
            decoder = nn.Sequential(*start, up[0], nn.ReLU(), up[1])
        super().__init__(shape, graph, trunk, decoder, estimator, label_weight, learning_rate, closed, opening)
