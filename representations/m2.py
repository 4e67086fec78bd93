"""M2: semi-supervised learning with a deep generative model (Kingma et al. 2014, arXiv 1406.5298, section 2.1).

    y ~ Cat(1 / k),  z ~ N(0, I),  x ~ p(x | y, z);   q(y, z | x) = q(y | x) q(z | x, y)                   (eq. 2, 4)

    L(x, y) = E_q(z | x, y) [log p(x | y, z)] - KL(q(z | x, y) || p(z)) + log p(y)                           (eq. 6)
    U(x)    = sum_y q(y | x) L(x, y) + H(q(y | x))                                                           (eq. 7)

    minimise  mean of -L and -U over the batch  -  alpha mean over labelled pictures of log q(y | x)         (eq. 9)

It is the graph of two nodes, with the sum over classes and a network of its own for each encoder: see
`parts/latent_graph.py`. The published alpha is 0.1 N / N_labelled of a data set of N pictures.
"""

from __future__ import annotations

import math

from torch import nn

from borders import Natural, NonNegative, Positive, Shape, Size
from representations.parts.latent_graph import GraphVAE, LatentGraph, Structure
from representations.parts.networks import mlp


class M2(GraphVAE):
    """M2 of pictures `shape` = (C, H, W): `classes` classes "digit" and `style` Gaussian dimensions "style".

    Each of q(y | x), q(z | x, y) and p(x | y, z) has one layer of `hidden` softplus units; `label_weight` is alpha. The
    weight of the style's KL falls from `closed` to 1 over the first `opening` steps, of which the paper has none.
    """

    def __init__(
        self,
        shape: Shape = (1, 28, 28),
        classes: Size = 10,
        style: Size = 50,
        hidden: Size = 500,
        label_weight: NonNegative = 50.0,
        learning_rate: Positive = 3e-4,
        closed: NonNegative = 10.0,
        opening: Natural = 0,
    ):
        structure: Structure = {
            "digit": {"kind": "categorical", "size": classes},
            "style": {"kind": "gaussian", "size": style, "reads": ["digit"]},
        }
        size = math.prod(shape)
        graph = LatentGraph(structure, size, hidden)
        decoder = nn.Sequential(mlp(graph.size, hidden, size, activation=nn.Softplus), nn.Unflatten(1, tuple(shape)))
        super().__init__(shape, graph, nn.Flatten(), decoder, "marginal", label_weight, learning_rate, closed, opening)
