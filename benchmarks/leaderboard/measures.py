"""What is measured of a code beside control: factor scores, and what could explain control in their place."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits
from torch import Tensor

from benchmarks.leaderboard.pictures import Pictures
from benchmarks.metrics import dci, explicitness, mig, modularity, sap
from benchmarks.metrics.arrays import Floats, alive, as_columns, targets
from benchmarks.metrics.control import Bench, ControlTask
from benchmarks.metrics.interventions import intervention_matrix, intervention_score

ROWS = 1000
ACTIVE = 0.01  # of the largest variance of an axis, from which an axis counts as active
MOST_CLASSES = 10
AXES, STOPS = 5, 5  # of a traversal


def factor_scores(bench: Bench) -> dict[str, float]:
    """Scores of a code with regard to its world's factors, and its confounders; of two disjoint samples where it says so."""
    task = bench.task
    states = task.sample(2 * ROWS, bench.generator(9))
    columns = [
        k
        for k, factor in enumerate(task.factors)
        if not (factor.kind == "categorical" and len(factor.values) > MOST_CLASSES)
        and bool((states[:, k] != states[0, k]).any())
    ]
    kinds = [task.factors[k] for k in columns]
    codes, values = bench.encode(states).numpy(), states[:, columns].numpy()
    first, second = slice(0, ROWS), slice(ROWS, 2 * ROWS)
    random = np.random.default_rng(bench.seed)
    lasso, forest = (
        dci(codes[first], values[first], kinds, regressor=name, generator=random)  # type: ignore[arg-type]
        for name in ("lasso", "forest")
    )
    informed = [
        _informativeness(codes[rows], values[rows], kinds, forest_error)
        for rows, forest_error in (
            (first, forest.nrmse),
            (second, dci(codes[second], values[second], kinds, regressor="forest", generator=random).nrmse),
        )
    ]
    return {
        "dci_lasso": lasso.disentanglement,
        "dci_forest": forest.disentanglement,
        "mig": mig(codes[first], values[first], kinds),
        "sap": sap(codes[first], values[first], kinds),
        "modularity": modularity(codes[first], values[first], kinds),
        "interventions": interventions(bench, states[:ROWS], columns),
        "explicitness": explicitness(codes[first], values[first], kinds, generator=random),
        "informativeness": float(np.mean(informed)),
        "informativeness_1": informed[0],
        "informativeness_2": informed[1],
        **shape(codes),
        **control_geometry(bench, states),
        "reconstruction": reconstruction(task, codes, states),
    }


def interventions(bench: Bench, states: Tensor, columns: Sequence[int]) -> float:
    """How far every axis is moved by one factor alone, each of `columns` drawn anew while all others stay."""
    task, k = bench.task, len(bench.task.factors)
    fresh = task.sample(len(states), bench.generator(10))
    pairs = []
    for column in columns:
        twins = states.clone()
        twins[:, column] = fresh[:, column]
        kept = task.world.possible(twins[:, :k].float())
        if task.where is not None:
            kept = kept & task.holds(task.where, twins)
        pairs.append((bench.encode(states[kept]), bench.encode(twins[kept])))
    return intervention_score(intervention_matrix(bench.encode(states), pairs))


def traversal(bench: Bench) -> list[list[list[float]]]:
    """What a code tells: along each of its (five) widest axes the five states [K] whose codes are nearest to the line.

    The line goes from the axis's 5 % quantile to its 95 %, all other axes at their medians.
    """
    states = bench.task.sample(2 * ROWS, bench.generator(11))
    codes = bench.encode(states)
    found = []
    for axis in codes.var(0).argsort(descending=True)[:AXES].tolist():
        line = codes.median(0).values.repeat(STOPS, 1)
        line[:, axis] = codes[:, axis].quantile(torch.linspace(0.05, 0.95, STOPS, dtype=codes.dtype))
        nearest = states[torch.cdist(line, codes).argmin(1), : len(bench.task.factors)]
        found.append([[round(value, 4) for value in row] for row in nearest.tolist()])
    return found


def _informativeness(codes: Floats, values: Floats, kinds: Any, forest: Floats) -> float:
    """Mean over factors of 1 - NRMSE of the best of ridge, network and forest (whose errors are given)."""
    kept = codes[:, alive(codes)]
    if not kept.shape[1]:
        return 0.0
    scaled = (kept - kept.mean(0)) / kept.std(0)
    cut = 2 * len(codes) // 3
    best = []
    columns = as_columns(kinds, values)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for j, column in enumerate(columns):
            wanted = targets(values[:, j], column)
            errors = [float(forest[j])]
            for model in (Ridge(alpha=1.0), MLPRegressor(hidden_layer_sizes=(64,), max_iter=60, random_state=0)):
                guess = (
                    model.fit(scaled[:cut], wanted[:cut].squeeze()).predict(scaled[cut:]).reshape(-1, wanted.shape[1])
                )
                variance = wanted[cut:].var(0).sum()
                errors.append(float(np.sqrt(((guess - wanted[cut:]) ** 2).mean(0).sum() / max(variance, 1e-12))))
            best.append(max(0.0, 1 - min(errors)))
    return float(np.mean(best))


def shape(codes: Floats) -> dict[str, float]:
    """How many axes are active, and how unequal the variances of those are."""
    variances = codes.var(0)
    active = variances > ACTIVE * max(float(variances.max()), 1e-12)
    ratio = float(variances[active].max() / variances[active].min()) if active.any() else 1.0
    return {"active": float(active.sum()), "variance_ratio": ratio}


def control_geometry(bench: Bench, states: Tensor) -> dict[str, float]:
    """The condition of the effect B of actions (capped at 1e6), and the rank agreement of code and action distance."""
    singular = torch.linalg.svdvals(bench.model.effect(bench.transitions.before[:300]).mean(0))
    condition = float(singular[0] / singular[-1].clamp(min=1e-12))
    half = len(states) // 2
    codes = bench.encode(states)
    far = (codes[:half] - codes[half:]).norm(dim=1)
    ways = bench.task.ways(states[:half], states[half:])[:, list(bench.task.moved)].abs() / bench.task.steps
    constant = bool((far == far[0]).all())
    agreement = 0.0 if constant else float(spearmanr(far.numpy(), ways.amax(1).numpy()).statistic)
    return {"condition": min(condition, 1e6), "rank_agreement": agreement}


def reconstruction(task: ControlTask, codes: Floats, states: Tensor) -> float:
    """The share of the pixels' variance that one class of decoder explains for every code: a network of 128 units."""
    pictures = Pictures(task, states).flat(states).float()
    spread = codes.std(0)
    scaled = torch.from_numpy((codes - codes.mean(0)) / np.where(spread > 1e-9, spread, 1)).float()
    cut = 3 * len(codes) // 4
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        decoder = torch.nn.Sequential(
            torch.nn.Linear(scaled.shape[1], 128), torch.nn.ReLU(), torch.nn.Linear(128, pictures.shape[1])
        )
    optimizer = torch.optim.Adam(decoder.parameters(), 2e-3)
    for _ in range(300):
        rows = torch.randint(cut, (64,), generator=generator)
        loss = (decoder(scaled[rows]) - pictures[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        left = (decoder(scaled[cut:]) - pictures[cut:]).square().mean()
    return 1 - float(left / (pictures[cut:] - pictures[:cut].mean(0)).square().mean())
