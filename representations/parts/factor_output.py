"""The sets in which the factors of `icf` lie (Thomas et al. 2018, appendix A.1), and where on them they start.

    hypercube       tanh x
    sphere          sqrt(d) x / |x|
    simplex         sqrt(d) softmax x
    scaled_simplex  sqrt(d) softmax(x_1 .. x_d) tanh x_{d+1}         extreme points +-sqrt(d) e_k: on the axes

All reach as far as the corners of the cube, sqrt(d), so that one width of the kernel does for all.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Output = Literal["hypercube", "sphere", "simplex", "scaled_simplex"]
OUTPUTS = ("hypercube", "sphere", "simplex", "scaled_simplex")


def raw_size(output: Output, size: int) -> int:
    """How many numbers x make a factor of `size`."""
    return size + (output == "scaled_simplex")


def reach(output: Output, size: int) -> float:
    """The largest entry of a factor of `size`."""
    return 1.0 if output == "hypercube" else size**0.5


def shaped(raw: Tensor, output: Output) -> Tensor:
    """The factor [..., d] of raw numbers [..., raw_size]."""
    if output == "hypercube":
        return raw.tanh()
    if output == "sphere":
        return raw.shape[-1] ** 0.5 * functional.normalize(raw, dim=-1)
    if output == "simplex":
        return raw.shape[-1] ** 0.5 * raw.softmax(-1)
    return (raw.shape[-1] - 1) ** 0.5 * raw[..., :-1].softmax(-1) * raw[..., -1:].tanh()


def spread_out(noise: Tensor, output: Output, size: int) -> Tensor:
    """Raw numbers [..., raw_size] that spread factors over the set by the signs and sizes of noise [..., m].

    Scaled: the k with the largest |z_k| and the sign of z_k choose a vertex, one of the first min(m, d) axes. Hypercube:
    the signs of z choose a corner. A simplex and a sphere take z itself.
    """
    if output == "scaled_simplex":
        largest = noise[..., :size].abs().argmax(-1, keepdim=True)
        axis = functional.one_hot(largest[..., 0], size).to(noise)
        return torch.cat([2 * axis, noise.gather(-1, largest).sign()], -1)
    own = functional.pad(noise, (0, size))[..., :size]
    return own.sign() if output == "hypercube" else own
