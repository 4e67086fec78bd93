"""Terms of a cost that tasks share.

    obstacle_cost   c(x) = weight sum_j max(0, 1 - |p - centre_j|^2 / radius_j^2)^2,    p = the first k entries of x

is 0 outside all obstacles, smooth at their edges, and `weight` at their centres.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from borders import Positive, checked


@checked
def obstacle_cost(
    centres: Float[Tensor, "J k"], radius: Tensor | Positive, weight: Positive
) -> Callable[[Tensor], Tensor]:
    """A term x [N, n] -> [N] that keeps the first k entries of a state out of balls; add it to `cost`.

    centres [J, k], radius one number or [J], in the units of the state. Take the radius larger than the obstacle, since
    the cost begins at the edge. Raises ValueError for another shape, or a radius or weight that is not positive.
    """
    radii = torch.as_tensor(radius, dtype=centres.dtype, device=centres.device)
    if radii.ndim > 1 or (radii.ndim == 1 and len(radii) != len(centres)):
        raise ValueError(
            f"centres must be [J, k] and radius a number or [J], got {tuple(centres.shape)} and {tuple(radii.shape)}"
        )
    if not bool((radii > 0).all()):
        raise ValueError(f"radius must be positive, got {radius}")

    def term(x: Tensor) -> Tensor:
        apart = x[:, None, : centres.shape[1]] - centres.to(x)
        return weight * (1 - apart.square().sum(2) / radii.to(x).square()).clamp(min=0).square().sum(1)

    return term
