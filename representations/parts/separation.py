"""How well labelled codes are separated: the F statistic, and three losses of pairs and triplets, as pure functions.

**The F statistic** of two classes of n_1 and n_2 codes in one dimension, n~ = n_1 + n_2 - 2 (Ridgeway & Mozer 2018, section 1):

    s = n~ between / within,   between = sum_i n_i (mean_i - mean)^2,   within = sum_ij (z_ij - mean_i)^2
    Pr(S < s) = I_x(1/2, n~ / 2),   x = between / (between + within)                                      (eq. 1)

if both classes were drawn from one normal distribution. I is the regularised incomplete beta function. Its second argument
is a whole or half number here, for which it is a finite sum of positive terms, from I_x(a, b + 1) = I_x(a, b) +
x^a (1 - x)^b / (b B(a, b)): with y = 1 - x = within / (between + within),

    I_x(1/2, b) = sqrt(x) (1 + y / 2 + 3 / 8 y^2 + ... + C(2k, k) / 4^k y^k),  k < b             for whole b (equal classes)
    I_x(1/2, b) = 2 / pi (asin sqrt(x) + sqrt(x y) (1 + 2 / 3 y + ...)),  b - 1/2 terms          for half b

What is minimised is -ln I, whose slope in ln x is sqrt(x) y^(b - 1) / (B(1/2, b) I). It is computed as that, not by way of
the sum, since it falls below the rounding of the sum long before it is 0.

Codes of no positive pair, or of no negative one, have no loss: it is then 0, and has no gradient.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional


class _LogCdf(torch.autograd.Function):
    """ln I_x(1/2, freedom / 2) of x = between / (between + within), all of one shape; see `log_f_cdf`."""

    @staticmethod
    def forward(ctx, between: Tensor, within: Tensor, freedom: Tensor) -> Tensor:  # type: ignore[no-untyped-def, override]
        tiny = torch.finfo(between.dtype).tiny
        varies = between + within > 0
        total = torch.where(varies, between + within, 1.0)
        between, within = between.clamp(min=tiny), torch.where(varies, within, 1.0)
        x, y = (between / total).clamp(min=tiny), within / total
        root, even = x.sqrt(), freedom % 2 == 0
        found = torch.where(even, 1.0, 2 / math.pi * torch.atan2(root, y.sqrt()) / root)  # I / sqrt(x)
        term = torch.where(even, y / 2, 2 / math.pi * y.sqrt())
        b = torch.where(even, 1.0, 0.5).to(x)
        terms = (freedom - 1) // 2
        for k in range(int(terms.max()) if terms.numel() else 0):
            found = found + torch.where(k < terms, term, 0.0)
            term = term * (y * (b + 0.5) / (b + 1))
            b = b + 1
        log_x = between.log() - total.log()
        value = (0.5 * log_x + found.log()).clamp(max=0)
        ctx.save_for_backward(between, total, y, log_x, value, freedom)
        return value

    @staticmethod
    def backward(ctx, slope: Tensor) -> tuple[Tensor, Tensor, None]:  # type: ignore[no-untyped-def, override]
        between, total, y, log_x, value, freedom = ctx.saved_tensors
        tiny = torch.finfo(between.dtype).tiny
        b = freedom.to(value) / 2
        beta = math.lgamma(0.5) + torch.lgamma(b) - torch.lgamma(b + 0.5)
        by_log_x = (0.5 * log_x + (b - 1) * y.clamp(min=tiny).log() - beta - value).exp()
        found = torch.where(between > tiny, slope * by_log_x, 0.0)  # means that agree do not say where to move
        return found * y / between, -found / total, None


def log_f_cdf(between: Tensor, within: Tensor, freedom: Tensor) -> Tensor:
    """ln Pr(S < freedom between / within) for S ~ F(1, freedom), from -inf to 0: three tensors that broadcast, one out.

    `between` and `within` are sums of squares, at least 0 and of one floating type, in which it is computed; `freedom` is
    whole, at least 1. Both 0, a unit that is constant, counts as not separated and has no gradient. It is differentiable
    once (Ridgeway & Mozer 2018, eq. 1).
    """
    found: Tensor = _LogCdf.apply(*torch.broadcast_tensors(between, within, freedom))  # type: ignore[no-untyped-call]
    return found


def f_statistic_loss(codes: Tensor, labels: Tensor, best: int) -> Tensor:
    """-sum over pairs of classes, and over the `best` dimensions that tell a pair apart best, of ln Pr(S < s): [].

    `codes` [n, d] of classes `labels` [n]. Pairs of two single codes have no spread to compare with, and are left out
    (Ridgeway & Mozer 2018, section 1.1).
    """
    codes = codes - codes[:1].detach()  # a constant unit is then 0, and not what rounding leaves of its variance
    _, place, count = labels.unique(return_inverse=True, return_counts=True)
    share = 1 / count.to(codes)[:, None]
    zeros = codes.new_zeros(len(count), codes.shape[1])
    mean = zeros.index_add(0, place, codes) * share
    spread = zeros.index_add(0, place, (codes - mean[place]).square())
    first, second = torch.triu_indices(len(count), len(count), 1, device=codes.device)
    enough = count[first] + count[second] > 2
    first, second = first[enough], second[enough]
    weight = (count[first] * count[second]) / (count[first] + count[second])
    between = weight.to(codes)[:, None] * (mean[first] - mean[second]).square()
    log_p = log_f_cdf(between, spread[first] + spread[second], (count[first] + count[second] - 2)[:, None])
    return -log_p.topk(min(best, codes.shape[1]), dim=1).values.sum()


def squared_distances(codes: Tensor, others: Tensor) -> Tensor:
    """|a - b|^2 of rows a [n, d] and b [m, d]: [n, m]."""
    both = codes.square().sum(1, keepdim=True) + others.square().sum(1)
    return (both - 2 * codes @ others.T).clamp(min=0)


def _alike(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Which pairs of rows are of one class and which of two, each pair once: bool [n, n] twice."""
    upper = torch.ones(len(labels), len(labels), dtype=torch.bool, device=labels.device).triu(1)
    same = labels[:, None] == labels
    return same & upper, ~same & upper


def triplet_loss(codes: Tensor, labels: Tensor, margin: float) -> Tensor:
    """The mean of max(0, |a - p|^2 - |a - n|^2 + margin) over all triplets, p of the class of a and n of another: [].

    Codes that are all in one point have the loss `margin` (Schroff, Kalenichenko & Philbin 2015, eq. 3).
    """
    distance = squared_distances(codes, codes)
    same = labels[:, None] == labels
    anchor, positive = (same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)).nonzero(as_tuple=True)
    other = ~same[anchor]
    hinge = (distance[anchor, positive][:, None] - distance[anchor] + margin).clamp(min=0)
    return hinge.masked_select(other).sum() / other.sum().clamp(min=1)


def histogram_loss(codes: Tensor, labels: Tensor, step: float) -> Tensor:
    """The probability that a pair of two classes is more alike than a pair of one: [], from 0 to about 1.

    Likeness is the cosine of unit `codes` [n, d]. Its distributions among pairs of one class and of two are histograms, on
    nodes from -1 to 1 as far apart as `step` at most, a pair shared between its two nodes (Ustinova & Lempitsky 2016, eq. 1,
    2 and 5).
    """
    nodes = math.ceil(2 / step) + 1
    place = (codes @ codes.T).clamp(-1, 1).add(1) * ((nodes - 1) / 2)
    positive, negative = (_histogram(place[chosen], nodes) for chosen in _alike(labels))
    return (negative * positive.cumsum(0)).sum()


def _histogram(places: Tensor, nodes: int) -> Tensor:
    """The shares [nodes] of places [m] from 0 to nodes - 1, each divided between the two nodes beside it; 0 for none."""
    low = places.detach().floor().clamp(0, nodes - 2)
    above = places - low
    empty = places.new_zeros(nodes)
    found = empty.index_add(0, low.long(), 1 - above).index_add(0, low.long() + 1, above)
    return found / max(len(places), 1)


def binomial_deviance_loss(codes: Tensor, labels: Tensor, alpha: float, beta: float, cost: float) -> Tensor:
    """The mean of ln(1 + exp(-alpha (c - beta))) over pairs of one class and of ln(1 + exp(alpha cost (c - beta))) over others.

    c is the cosine of unit `codes` [n, d], and the two means are added: [] (Yi, Lei & Li 2014, eq. 3, with the weights of
    Ustinova & Lempitsky 2016, section 4).
    """
    likeness = alpha * (codes @ codes.T - beta)
    positive, negative = _alike(labels)
    near = functional.softplus(-likeness[positive]).sum() / positive.sum().clamp(min=1)
    return near + functional.softplus(cost * likeness[negative]).sum() / negative.sum().clamp(min=1)
