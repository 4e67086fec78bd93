"""Linear support vector classifiers of single numbers, exactly and for all code dimensions and classes at once.

    minimise  1/2 (w^2 + b^2) + sum_i C_i max(0, 1 - y_i (w x_i + b))^2      one class against the others, y = +-1
    C_i       C n / (K n_k) for the n_k rows of the class, C for the others
    class     argmax_k w_k x + b_k

This is the problem that scikit-learn's `LinearSVC(C=C, class_weight="balanced")` solves. On a line the rows that count,
y (w x + b) < 1, are those on one side of a point, so that every sum is a difference of prefix sums over sorted rows, and
a Newton step costs a binary search in place of a pass over the data.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

ROUNDS, HALVINGS, ARMIJO = 100, 30, 1e-4


@dataclass(frozen=True)
class _Rows:
    """Rows sorted by value, all together and class by class, with prefix sums of 1, x, x^2: [D, n + 1, 3]."""

    values: Tensor
    sums: Tensor
    keys: Tensor
    class_sums: Tensor

    @staticmethod
    def of(values: Tensor, label: Tensor) -> _Rows:
        ordered, order = values.sort(1)
        sorted_label = label[order]
        grouped = sorted_label.argsort(dim=1, stable=True)
        n = len(label)
        return _Rows(
            ordered,
            _prefix(ordered),
            sorted_label.gather(1, grouped) * (n + 1) + grouped,
            _prefix(ordered.gather(1, grouped)),
        )

    def below(self, w: Tensor, b: Tensor, top: float, classes: Tensor) -> tuple[Tensor, Tensor]:
        """Sums [D, K, 3] over the rows with w x + b < top: of all rows, and of those of class k in column k."""
        n = self.values.shape[1]
        rising, flat = w > 0, w == 0
        cut = (top - b) / torch.where(flat, 1, w)
        place = torch.searchsorted(self.values, cut.contiguous())
        place = torch.where(flat, torch.where(b < top, n, 0), place)
        first, last = (classes * (n + 1)).expand_as(place), (classes * (n + 1) + n).expand_as(place)
        start, middle, end = (torch.searchsorted(self.keys, key.contiguous()) for key in (first, first + place, last))
        return (
            _between(self.sums, torch.zeros_like(place), place, torch.full_like(place, n), rising | flat),
            _between(self.class_sums, start, middle, end, rising | flat),
        )

    def total(self, classes: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Sums [D, K, 3] over all rows, and over those of every class."""
        nothing = torch.zeros_like(like)
        return self.below(nothing, nothing, 1.0, classes)


def _prefix(values: Tensor) -> Tensor:
    powers = torch.stack([torch.ones_like(values), values, values.square()], 2)
    return torch.cat([torch.zeros_like(powers[:, :1]), powers.cumsum(1)], 1)


def _between(sums: Tensor, start: Tensor, cut: Tensor, end: Tensor, low_side: Tensor) -> Tensor:
    """Prefix sums [D, n + 1, 3] as sums [D, K, 3] over start .. cut where `low_side`, over cut .. end elsewhere."""
    first, last = torch.where(low_side, start, cut), torch.where(low_side, cut, end)
    pick = [index.unsqueeze(2).expand(-1, -1, 3) for index in (first, last)]
    return sums.gather(1, pick[1]) - sums.gather(1, pick[0])


def fit(values: Tensor, label: Tensor, c: float) -> tuple[Tensor, Tensor]:
    """Slopes and offsets w, b [D, K] of the classifiers of `label` [n], 0 .. K - 1 all present, K >= 2.

    values float64 [D, n] are D code dimensions, each classified by itself.
    """
    sizes = torch.bincount(label)
    k = len(sizes)
    weight = (c * len(label) / (k * sizes)).to(values).expand(len(values), k)
    other = torch.full_like(weight, c) if k > 2 else weight.flip(1)  # two classes are one problem, seen from both sides
    rows, classes = _Rows.of(values, label), torch.arange(k, device=label.device)
    w, b = torch.zeros_like(weight), torch.zeros_like(weight)
    everything, every_class = rows.total(classes, w)

    def parts(w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """The weighted sums over the active rows of the class, and over those of the others."""
        _, inside = rows.below(w, b, 1.0, classes)
        passive, passive_class = rows.below(w, b, -1.0, classes)
        outside = everything - every_class - (passive - passive_class)
        return inside * weight.unsqueeze(2), outside * other.unsqueeze(2)

    def objective(w: Tensor, b: Tensor) -> Tensor:
        loss = (w.square() + b.square()) / 2
        for (s0, s1, s2), margin in zip((s.unbind(2) for s in parts(w, b)), (1.0, -1.0), strict=True):
            offset = b - margin
            loss = loss + w.square() * s2 + 2 * w * offset * s1 + offset.square() * s0
        return loss

    value = objective(w, b)
    for _ in range(ROUNDS):
        inside, outside = parts(w, b)
        s0, s1, s2 = (inside + outside).unbind(2)
        pull = inside - outside
        slope_w = w + 2 * (w * s2 + b * s1 - pull[..., 1])
        slope_b = b + 2 * (w * s1 + b * s0 - pull[..., 0])
        h_ww, h_wb, h_bb = 1 + 2 * s2, 2 * s1, 1 + 2 * s0
        determinant = h_ww * h_bb - h_wb.square()
        step_w = (h_bb * slope_w - h_wb * slope_b) / determinant
        step_b = (h_ww * slope_b - h_wb * slope_w) / determinant
        promised = slope_w * step_w + slope_b * step_b
        if bool((promised <= 1e-16 * (1 + value)).all()):
            break
        size = torch.ones_like(w)
        for _ in range(HALVINGS):
            tried = objective(w - size * step_w, b - size * step_b)
            enough = tried <= value - ARMIJO * size * promised + 1e-15 * (1 + value)
            if bool(enough.all()):
                break
            size = torch.where(enough, size, size / 2)
        w, b, value = w - size * step_w, b - size * step_b, tried
    return w, b


def accuracy(train: Tensor, label: Tensor, test: Tensor, truth: Tensor, c: float) -> Tensor:
    """Share of the test rows [m] whose class is found, for every dimension [D] by itself: train [D, n], test [D, m]."""
    w, b = fit(train, label, c)
    decided = (test.unsqueeze(2) * w.unsqueeze(1) + b.unsqueeze(1)).argmax(2)
    return (decided == truth).double().mean(1)
