"""Networks of learners that predict codes factor by factor: transitions side by side, and what draws pictures of codes."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from representations.parts.videos import frame_generator

DEPTH = 4  # hidden layers of a transition


class Transition(nn.Module):
    """f_1 .. f_k side by side: multilayer perceptrons with weights of their own, computed in one batched product each layer.

    SELU between the layers, and weights of variance 1 / inputs, as it wants them (Klambauer et al. 2017).
    """

    def __init__(self, factors: int, size: int, order: int, actions: int, hidden: int):
        super().__init__()
        self.factors, self.size = factors, size
        sizes = [order * size + actions, *[hidden] * DEPTH, 2 * size]
        self.weights = nn.ParameterList(
            torch.randn(factors, inner, outer) / math.sqrt(inner) for inner, outer in pairwise(sizes)
        )
        self.biases = nn.ParameterList(torch.zeros(factors, outer) for outer in sizes[1:])

    def forward(self, past: list[Tensor], action: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log variance [..., k d] of what follows codes [..., k d], the last one first, and actions [..., m]."""
        parts = [code.reshape(-1, self.factors, self.size) for code in past]
        pushed = action.reshape(len(parts[0]), 1, action.shape[-1]).expand(-1, self.factors, -1)
        hidden = torch.cat([*parts, pushed], -1).transpose(0, 1)
        for depth, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = torch.baddbmm(bias[:, None], functional.selu(hidden) if depth else hidden, weight)
        mean, logvar = hidden.transpose(0, 1).chunk(2, -1)
        return mean.reshape(past[0].shape), logvar.reshape(past[0].shape)


class Apart(nn.Module):
    """A picture as the sum of what networks draw, each of `size` numbers of a code [n, k size]."""

    def __init__(self, networks: list[nn.Module], size: int):
        super().__init__()
        self.networks, self.size = nn.ModuleList(networks), size

    def forward(self, code: Tensor) -> Tensor:
        """The sum [n, C, H, W]."""
        parts = zip(self.networks, code.split(self.size, -1), strict=True)
        return torch.stack([network(part) for network, part in parts]).sum(0)


class Drawer(nn.Module):
    """Codes [n, inputs] -> pictures [n, C, H, W]: DCGAN's generator behind a layer of `features` units, and a linear map.

    The linear map, 0 at first, lets every object into the code at once, as principal components would. A generator alone
    reads one object first, and meanwhile takes what is left of the code for noise.
    """

    def __init__(self, inputs: int, features: int, shape: tuple[int, ...], width: int):
        super().__init__()
        self.bent = nn.Sequential(nn.Linear(inputs, features), nn.ReLU(), frame_generator(features, shape, width))
        linear = nn.Linear(inputs, math.prod(shape), bias=False)
        nn.init.zeros_(linear.weight)
        self.straight = nn.Sequential(linear, nn.Unflatten(1, shape))

    def forward(self, code: Tensor) -> Tensor:
        """The sum of both."""
        return self.bent(code) + self.straight(code)


def weights_of(inputs: int, hidden: int, outputs: int) -> int:
    """How many weights a transition of one factor has."""
    return (inputs + 1) * hidden + (DEPTH - 1) * (hidden + 1) * hidden + (hidden + 1) * outputs
