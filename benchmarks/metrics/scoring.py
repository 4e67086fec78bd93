"""From an encoder and a world to a row of scores: one pool of pictures, every score from it.

    pool        n factor rows, rendered and encoded once; n/5 further rows per factor in which that factor alone changed
                (only where `beta_vae_changed` is asked for)
    metric seed a random four fifths of the pool, and its own votes, splits and trees
    a score     mean over the metric seeds, and the least and greatest of them as its interval

Factors that take infinitely many values are grouped by quantile bins (see `arrays.classes`), so a score runs on any
world, the control tasks included.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Interval
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.metrics.arrays import Floats, Labels, Seeds, as_matrix
from benchmarks.metrics.covariance import cvr, mapc, tdv, ud90
from benchmarks.metrics.importance import DCI, Regressor, dci
from benchmarks.metrics.information import mig, modularity
from benchmarks.metrics.inputs import as_encoder
from benchmarks.metrics.interventions import beta_vae_changed, beta_vae_fixed, factor_vae
from benchmarks.metrics.linear import explicitness, sap
from benchmarks.metrics.neighbours import code_dependence
from borders import checked
from envs import make_world
from envs.world import Factor, Where, World

Encode = Callable[[Tensor], Tensor]

LEAST = 100
Samples = Annotated[int, Interval(ge=LEAST, le=10**8)]
BATCH = 500


@dataclass(frozen=True)
class Pool:
    """Codes [n, D] of factors [n, K]; and pairs of codes `first`, `second` [m, D] that differ in factor `changed` [m].

    `held_out` [n] marks the rows of a zero-shot gap, if there is one.
    """

    codes: Floats
    factors: Floats
    kinds: tuple[Factor, ...]
    first: Floats
    second: Floats
    changed: Labels
    held_out: NDArray[np.bool_] | None = None

    def subset(self, generator: np.random.Generator) -> Pool:
        """A random four fifths of the rows and of the pairs."""
        rows = generator.permutation(len(self.codes))[: 4 * len(self.codes) // 5]
        pairs = generator.permutation(len(self.changed))[: 4 * len(self.changed) // 5]
        return replace(
            self,
            codes=self.codes[rows],
            factors=self.factors[rows],
            first=self.first[pairs],
            second=self.second[pairs],
            changed=self.changed[pairs],
            held_out=None if self.held_out is None else self.held_out[rows],
        )


@checked
def draw_pool(
    encode: Encode,
    world: World,
    samples: Samples,
    generator: torch.Generator,
    *,
    pairs: bool = True,
    gap: Where | None = None,
    view: Encode | None = None,
) -> Pool:
    """Draw `samples` factor rows, render them and encode every picture once, in batches of 500.

    `encode` maps a batch of pictures as `world.render` draws them to codes [b, D]; `view` replaces the renderer (an
    oracle reads the factors themselves). `gap` is an expression over the factors that marks held-out combinations.
    Raises ValueError for fewer than 100 samples or codes that are not finite or not [b, D].
    """
    see = world.render if view is None else view
    factors = world.sample(samples, generator)
    codes = _encoded(encode, see, factors)
    places, twins, changed = _changes(world, factors, generator) if pairs else (torch.zeros(0).long(), factors[:0], [])
    second = _encoded(encode, see, twins) if len(twins) else codes[:0]
    held_out = None
    if gap is not None:
        held_out = world.holds(gap, factors).cpu().numpy()
        if not held_out.any():
            raise ValueError(f"gap holds for none of {samples} samples: there is nothing to be held out")
    return Pool(
        codes=codes,
        factors=factors.cpu().numpy().astype(np.float64),
        kinds=world.factors,
        first=codes[places.cpu().numpy()],
        second=second,
        changed=np.array(changed, dtype=np.int64),
        held_out=held_out,
    )


def _encoded(encode: Encode, see: Encode, factors: Tensor) -> Floats:
    with torch.no_grad():
        codes = [encode(see(batch)) for batch in factors.split(BATCH)]
    for code, batch in zip(codes, factors.split(BATCH), strict=True):
        if not isinstance(code, Tensor) or code.ndim != 2 or len(code) != len(batch):
            got = tuple(code.shape) if isinstance(code, Tensor) else type(code).__name__
            raise ValueError(f"encode must give a code tensor [{len(batch)}, D] for {len(batch)} pictures, got {got}")
        if code.shape[1] != codes[0].shape[1]:
            raise ValueError(f"encode must give codes of one width, got {codes[0].shape[1]} and {code.shape[1]}")
    return as_matrix(torch.cat(codes), "codes")


def _changes(world: World, factors: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor, list[int]]:
    """For n/5 rows per factor: where the row is, the row with that factor drawn anew, and which factor it is."""
    places, twins, changed = [], [], []
    for k in range(factors.shape[1]):
        place = torch.randperm(len(factors), generator=generator, device=factors.device)[: len(factors) // 5]
        twin = factors[place].clone()
        twin[:, k] = world.sample(len(place), generator)[:, k]
        moved = twin[:, k] != factors[place, k]
        places.append(place[moved])
        twins.append(twin[moved])
        changed += [k] * int(moved.sum())
    return torch.cat(places), torch.cat(twins), changed


Values = dict[str, float]


def _dci(regressor: Regressor, pool: Pool, generator: np.random.Generator, compat: bool) -> Values:
    found = dci(
        pool.codes,
        pool.factors,
        pool.kinds,
        regressor=regressor,
        compat=compat,
        held_out=pool.held_out,
        generator=generator,
    )
    return dci_values(found, [factor.name for k, factor in enumerate(pool.kinds) if np.ptp(pool.factors[:, k]) > 0])


def dci_values(found: DCI, names: Sequence[str]) -> Values:
    """A DCI result as flat numbers: the three scores, and the errors by the names of the factors that vary."""
    values = {
        "disentanglement": found.disentanglement,
        "completeness": found.completeness,
        "informativeness": found.informativeness,
    }
    values |= {f"nrmse_{name}": float(error) for name, error in zip(names, found.nrmse, strict=True)}
    if found.zero_shot is not None:
        values |= {f"zero_shot_{name}": float(error) for name, error in zip(names, found.zero_shot, strict=True)}
    return values


def _changed(pool: Pool, generator: np.random.Generator, compat: bool) -> Values:
    return {"": beta_vae_changed(pool.first, pool.second, pool.changed, generator=generator)}


def _fixed(pool: Pool, generator: np.random.Generator, compat: bool) -> Values:
    return {"": beta_vae_fixed(pool.codes, pool.factors, pool.kinds, generator=generator)}


def _factor_vae(pool: Pool, generator: np.random.Generator, compat: bool) -> Values:
    return {"": factor_vae(pool.codes, pool.factors, pool.kinds, generator=generator, compat=compat)}


def _explicitness(pool: Pool, generator: np.random.Generator, compat: bool) -> Values:
    return {"": explicitness(pool.codes, pool.factors, pool.kinds, generator=generator)}


def _certain(measure: Callable[..., float], pool: Pool, generator: np.random.Generator, compat: bool) -> Values:
    """A score that draws nothing."""
    return {"": measure(pool.codes, pool.factors, pool.kinds, compat=compat)}


SCORES: dict[str, Callable[[Pool, np.random.Generator, bool], Values]] = {
    "beta_vae_changed": _changed,
    "beta_vae_fixed": _fixed,
    "factor_vae": _factor_vae,
    "mig": partial(_certain, mig),
    "sap": partial(_certain, sap),
    "modularity": partial(_certain, modularity),
    "explicitness": _explicitness,
    "dci_lasso": partial(_dci, "lasso"),
    "dci_forest": partial(_dci, "forest"),
    "dci_boosted": partial(_dci, "boosted"),
    "mapc": lambda pool, generator, compat: {"": mapc(pool.codes)},
    "cvr": lambda pool, generator, compat: {"": cvr(pool.codes, compat=compat)},
    "tdv": lambda pool, generator, compat: {"": tdv(pool.codes, len(pool.kinds))},
    "ud90": lambda pool, generator, compat: {"": float(ud90(pool.codes))},
    "code_dependence": lambda pool, generator, compat: {"": code_dependence(pool.codes, generator=generator)},
}

PROTOCOLS: dict[str, tuple[str, str]] = {
    "beta_vae_changed": ("logistic regression on |z1 - z2| / max, one pair a point",) * 2,
    "beta_vae_fixed": ("logistic regression, 10,000 + 5,000 points of 64 pairs from the pool",) * 2,
    "factor_vae": (
        "10,000 + 5,000 votes of 64 from the pool, constant dimensions dropped",
        "10,000 + 5,000 votes of 64 from the pool, dimensions with a deviation under 0.05 dropped",
    ),
    "mig": ("quantile bins, bias corrected", "20 equal-width bins"),
    "sap": (
        "squared correlation, best cut of an angle, nearest class mean",
        "linear SVC, C 0.01, per dimension unscaled",
    ),
    "modularity": ("dimensions with significant information", "20 equal-width bins, all dimensions"),
    "explicitness": ("logistic regression, ROC-AUC",) * 2,
    "dci_lasso": ("lasso 0.02 on z-scores, angles as (cos, sin)", "lasso 0.02 on z-scores, factors as numbers"),
    "dci_forest": ("10 regression trees, impurity, angles as (cos, sin)", "10 regression trees, factors as numbers"),
    "dci_boosted": (
        "100 histogram-boosted trees, permutation",
        "100 rounds of boosted trees of depth 3, error rate",
    ),
    "mapc": ("dimensions that vary",) * 2,
    "cvr": ("sum |C| / tr C", "sum |C| / (p^2 tr C)"),
    "tdv": ("d = number of factors",) * 2,
    "ud90": ("dimensions",) * 2,
    "code_dependence": ("Kraskov, k = 3, bits per pair of dimensions, 1,000 rows",) * 2,
}


@checked
def score_pool(
    pool: Pool, names: Sequence[str] | None, generator: torch.Generator, *, seeds: Seeds = 3, compat: bool = False
) -> Values:
    """The named scores of a pool: `score`'s dict. Raises ValueError for an unknown name or fewer than one seed."""
    chosen = chosen_scores(names)
    found: dict[str, list[float]] = {}
    start = int(torch.randint(2**31, (), generator=generator, device=generator.device))
    for seed in range(seeds):
        part = pool.subset(np.random.default_rng([start, seed]))
        for place, name in enumerate(chosen):
            for key, value in SCORES[name](part, np.random.default_rng([start, seed, place]), compat).items():
                found.setdefault(f"{name}_{key}" if key else name, []).append(value)
    result = {"samples": float(len(pool.codes)), "metric_seeds": float(seeds), "code_size": float(pool.codes.shape[1])}
    for key, values in found.items():
        result |= {key: float(np.mean(values)), f"{key}_low": min(values), f"{key}_high": max(values)}
    return result


def chosen_scores(names: Sequence[str] | None) -> tuple[str, ...]:
    """The names of scores, all of them for None; ValueError lists them for an unknown one."""
    unknown = [name for name in names or () if name not in SCORES]
    if unknown:
        raise ValueError(f"unknown score {unknown[0]!r}; the scores are {', '.join(SCORES)}")
    return tuple(SCORES) if names is None else tuple(names)


@checked
def score(
    encode: Any,
    world: World | str,
    names: Sequence[str] | None = None,
    generator: torch.Generator | None = None,
    *,
    samples: Samples = 10_000,
    seeds: Seeds = 3,
    compat: bool = False,
    gap: Where | None = None,
    view: Encode | None = None,
) -> Values:
    """Score an encoder on a world: a flat dict of finite floats.

    `encode` maps uint8 pictures (as `world.render` draws them, on the generator's device) to codes [b, D], tensors or
    arrays; or it is a module, see `as_encoder`. `world` may be a name in `envs.WORLDS`. `names` are keys of `SCORES`, None
    for all; the generator has the seed 0 unless given. For every score "s" the dict holds "s" (mean over `seeds` metric seeds),
    "s_low" and "s_high" (the least and greatest); DCI has "dci_lasso_disentanglement", "..._completeness",
    "..._informativeness", "..._nrmse_<factor>" and, with `gap`, "..._zero_shot_<factor>" for each of lasso, forest
    and boosted. Also "samples", "metric_seeds" and "code_size". `PROTOCOLS` names the model behind each score, first
    ours, then that of `compat`.

    Raises ValueError for an unknown name, fewer than 100 samples, or codes that are not finite or not [b, D].
    """
    chosen = chosen_scores(names)
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    world = make_world(world) if isinstance(world, str) else world
    pool = draw_pool(
        as_encoder(encode), world, samples, generator, pairs="beta_vae_changed" in chosen, gap=gap, view=view
    )
    return score_pool(pool, chosen, generator, seeds=seeds, compat=compat)
