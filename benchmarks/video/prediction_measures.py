"""What is measured of factors that are predicted apart: what they tell of each other, and which digit each one moves.

changes M_ij = E |d_j(z_2^1 .. z_t^i .. z_2^k) - d_j(z_2)|^2        d_j: the plane of digit j, drawn; all but factor i held
own          = M_ij / sum_j M_ij,   j the digit that the factor i is matched with
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from benchmarks.metrics import own_and_cross_information
from benchmarks.metrics.arrays import Floats

ACTIVE = (
    0.01  # the variance of a number's posterior mean, from which it counts as used (Burda et al. 2016, section 5.3)
)
TRIES = 20  # random partitions of an entangled code (section 3.1)
SCREENED = 500  # rows by which partitions are compared
HELD = 1  # the frame at which factors are held: the second, as in figure 3
Groups = list[list[int]]


def active(means: Tensor) -> list[int]:
    """The numbers of codes [..., D] whose posterior means vary."""
    return [k for k, value in enumerate(means.flatten(0, -2).var(0).tolist()) if value > ACTIVE]


def own_groups(used: Sequence[int], factors: int, size: int) -> Groups:
    """The used numbers of every factor; all of a factor none of whose is used."""
    groups = [[k for k in used if k // size == factor] for factor in range(factors)]
    return [group or list(range(i * size, (i + 1) * size)) for i, group in enumerate(groups)]


def best_partition(
    now: Tensor, later: Tensor, used: Sequence[int], factors: int, random: np.random.Generator
) -> Groups:
    """Of random partitions of the used numbers of codes [n, D] that whose groups tell most of themselves, least of others.

    All numbers are shared out where fewer are used than there are factors.
    """
    tried: list[Groups] = []
    used = used if len(used) >= factors else range(now.shape[1])
    for _ in range(TRIES):
        order = random.permutation(np.asarray(used))
        tried.append([part.tolist() for part in np.array_split(order, factors)])
    rows = slice(0, SCREENED)
    told = [own_and_cross_information(now[rows], later[rows], groups, generator=random) for groups in tried]
    return tried[int(np.argmax([own - cross for own, cross in told]))]


@torch.no_grad()
def moved_alone(decode: Callable[[Tensor], Tensor], codes: Tensor, groups: Groups) -> Tensor:
    """Clips [1 + k, n, T, C, H, W] as they are drawn of codes [n, T, D]: whole, then each group alone moving."""
    films = [codes]
    for group in groups:
        held = codes[:, HELD : HELD + 1].repeat(1, codes.shape[1], 1)
        held[..., group] = codes[..., group]
        films.append(held)
    rows = torch.stack(films)
    return torch.cat([decode(part) for part in rows.flatten(0, 2).split(500)]).unflatten(0, rows.shape[:3])


def changes(films: Tensor, digits: int = 2) -> Floats:
    """M [1 + k, digits] of such clips, digit j in channel j: the first row of all groups moving at once."""
    still = films[:, :, HELD : HELD + 1]
    apart = (films[:, :, HELD + 1 :] - still)[:, :, :, :digits].square().double()
    return apart.sum((-1, -2)).mean((1, 2)).numpy()


def own_shares(matrix: Floats) -> Floats:
    """For each digit the share of what its factor moves at all that it is, of M [k, digits], k at least as many as digits."""
    share = matrix / matrix.sum(1, keepdims=True).clip(min=1e-12)
    factors, digits = linear_sum_assignment(-share)
    return share[factors, digits][np.argsort(digits)]


def correlations(now: Tensor, later: Tensor) -> Floats:
    """The correlation [D, D] of every number now with every number later; 0 of one that is constant."""
    first, second = ((each - each.mean(0)) / each.std(0).clamp(min=1e-8) for each in (now.double(), later.double()))
    return (first.T @ second / (len(first) - 1)).clamp(-1, 1).numpy()
