"""Models of how actions move a code, and the planner that acts on them.

    z' = z + c + A z + B u + sum_j u_j C_j z             locally linear: B(z) = B + [C_j z]_j is the effect of actions
    W  = mean over seen codes of pinv(B(z))' pinv(B(z))  so that (z - g)' W (z - g) counts in actions

An angle held as cosine and sine needs the products: actions turn the pair, which no linear model can say. With C = 0, W is
pinv(B)' pinv(B). For z -> Q z, Q orthogonal, least squares gives Q A Q', Q B, Q C_j Q', hence W -> Q W Q', and every
plan is the same: a planner on such a model cannot tell a code from its rotation. A lasso can: it wants few entries.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import lasso_path
from torch import Tensor

from benchmarks.metrics.arrays import least_squares
from planners import Problem, cem, ilqr

HORIZON = 2
ITERATIONS = 1
EFFORT = 0.1
CUTOFF = 0.05  # effects well below this part of the largest one are none: pinv(B) = (B'B + (cutoff largest)^2)^-1 B'
PENALTIES = tuple(np.geomspace(0.3, 3e-4, 7).tolist())
SAMPLES, ELITES, ROUNDS = 32, 6, 3  # of the cross-entropy method


@dataclass(frozen=True)
class Transitions:
    """Codes [n, d], actions [n, m] and the codes after them [n, d]."""

    before: Tensor
    actions: Tensor
    after: Tensor

    def first(self, n: int) -> Transitions:
        """The first `n` of them."""
        return Transitions(self.before[:n], self.actions[:n], self.after[:n])


@dataclass(frozen=True)
class LocallyLinear:
    """The model above: `weight` [1 + d + m + d m, d] of the features (1, z, u, z u'), d = `size`, m = `action_size`."""

    weight: Tensor
    size: int
    action_size: int

    def predict(self, code: Tensor, action: Tensor) -> Tensor:
        """The code [n, d] after an action [n, m]."""
        return code + features(code, action) @ self.weight

    def linearize(self, code: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
        """The derivatives by the code [n, d, d] and by the action [n, d, m]."""
        d, m = self.size, self.action_size
        by_code = (action @ self.bend.permute(1, 0, 2).reshape(m, d * d)).view(-1, d, d)
        return (by_code + self.weight[1 : 1 + d] + torch.eye(d, dtype=code.dtype)).mT, self.effect(code)

    def effect(self, code: Tensor) -> Tensor:
        """B(z) at codes [n, d]: [n, d, m]."""
        d, m = self.size, self.action_size
        return ((code @ self.bend.reshape(d, m * d)).view(-1, m, d) + self.weight[1 + d : 1 + d + m]).mT

    @property
    def bend(self) -> Tensor:
        """C as [d, m, d]: entry i, j is what z_i u_j adds."""
        return self.weight[1 + self.size + self.action_size :].view(self.size, self.action_size, self.size)

    def measure(self, codes: Tensor) -> Tensor:
        """W [d, d] over `codes` [n, d]."""
        effect = self.effect(codes)
        gram = effect.mT @ effect
        largest = torch.linalg.eigvalsh(gram)[:, -1].mean()
        damped = gram + CUTOFF**2 * largest.clamp(min=1e-12) * torch.eye(self.action_size, dtype=codes.dtype)
        inverse = torch.linalg.solve(damped, effect.mT)
        return (inverse.mT @ inverse).mean(0)


def features(code: Tensor, action: Tensor) -> Tensor:
    """(1, z, u, z u') of codes [n, d] and actions [n, m]: [n, 1 + d + m + d m]."""
    product = (code[:, :, None] * action[:, None, :]).flatten(1)
    return torch.cat([torch.ones_like(code[:, :1]), code, action, product], 1)


def fit_least_squares(seen: Transitions) -> LocallyLinear:
    """The least-squares model; of several the one of least norm, which rotates with the code as well."""
    x, y = features(seen.before, seen.actions), seen.after - seen.before
    weight = least_squares(x, y)
    return LocallyLinear(weight, seen.before.shape[1], seen.actions.shape[1])


def fit_lasso(seen: Transitions) -> LocallyLinear:
    """A lasso for every dimension of the change, its penalty chosen on the last fifth of the transitions.

    Features have unit variance where codes have; the penalty is in units of the change's own standard deviation.
    """
    scale = 3**0.5  # of uniform actions
    x, y = features(seen.before, scale * seen.actions)[:, 1:].numpy(), (seen.after - seen.before).numpy()
    cut = 4 * len(x) // 5
    middle, height = x[:cut].mean(0), y[:cut].mean(0)
    centred, target = x[:cut] - middle, y[:cut] - height
    gram, pull = centred.T @ centred, centred.T @ target
    weight = np.zeros((1 + x.shape[1], y.shape[1]))
    for i in range(y.shape[1]):
        spread = float(target[:, i].std())
        if spread < 1e-9:
            weight[0, i] = height[i]
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # of penalties that the validation does not choose
            _, paths, _ = lasso_path(
                centred,
                target[:, i],
                alphas=[spread * penalty for penalty in PENALTIES],
                precompute=gram,
                Xy=pull[:, i],
                max_iter=300,
                tol=1e-3,
            )
        errors = ((((x[cut:] - middle) @ paths) + (height - y[cut:])[:, i, None]) ** 2).mean(0)
        best = paths[:, int(errors.argmin())]
        weight[1:, i], weight[0, i] = best, height[i] - middle @ best
    d, m = seen.before.shape[1], seen.actions.shape[1]
    found = torch.from_numpy(weight)
    found[1 + d :] *= scale
    return LocallyLinear(found, d, m)


class Planned:
    """Model-predictive control towards goals [n, d]: plans of two steps, each followed to its end before the next.

    The cost is (z - g)' W (z - g) + effort |u|^2, u in [-1, 1]^m. `generator` plans by the cross-entropy method in place
    of iLQR.
    """

    def __init__(self, model: LocallyLinear, measure: Tensor, goals: Tensor, generator: torch.Generator | None = None):
        self.model, self.measure, self.goals, self.generator = model, measure, goals, generator
        self.guess = torch.zeros(len(goals), HORIZON, model.action_size, dtype=goals.dtype)
        self._ahead: list[Tensor] = []
        m, d = model.action_size, model.size
        curve = torch.zeros(d + m, d + m, dtype=goals.dtype)
        curve[:d, :d], curve[range(d, d + m), range(d, d + m)] = 2 * measure, 2 * EFFORT
        self._problem = Problem(
            model.predict,
            lambda z, u, g: self._far(z, g) + EFFORT * u.square().sum(1),
            self._far,
            -1.0,
            1.0,
            goals[:, None],
            model.linearize,
            lambda z, u, g: (torch.cat([z - g, u], 1) @ curve, curve.expand(len(z), -1, -1)),
            lambda z, g: (2 * (z - g) @ measure, (2 * measure).expand(len(z), -1, -1)),
        )

    def _far(self, code: Tensor, goal: Tensor) -> Tensor:
        return ((code - goal) @ self.measure * (code - goal)).sum(1)

    def act(self, code: Tensor) -> Tensor:
        """Actions [n, m] for codes [n, d]."""
        if self._ahead:
            return self._ahead.pop(0)
        if self.generator is None:
            plan = ilqr(self._problem, code, self.guess, iterations=ITERATIONS)
        else:
            plan = cem(
                self._problem,
                code,
                horizon=HORIZON,
                actions=self.guess,
                generator=self.generator,
                samples=SAMPLES,
                elites=ELITES,
                iterations=ROUNDS,
            )
        self.guess = plan.actions[:, -1:].expand_as(plan.actions)
        first, *self._ahead = plan.actions.unbind(1)
        return first
