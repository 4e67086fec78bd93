"""What learners with labels are told of a world: a setting of theirs says in which form they want it.

classes            y is long [n], the class of the first categorical factor; of an embedding, which compares pictures of one
                   identity, the combination of the named factors, or else the world's own identities, if it has some
experts            the same, of which class 0 is what things are like before anything changed them
attributes         y is float [n, K], the values of K factors; the setting has class counts, and (low, high) of numbers;
                   where it is K itself, y is 1 where a factor is above its middle, else 0: factors of two classes, if any
structure          y is long [n, k], the classes of k categorical factors, each a node beside a Gaussian one
secondary_shape    beside it `secondary`, a second picture of the same class
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from envs.world import Factor, World
from representations.f_statistic import Embedding

MANY = 100  # classes: more of them tell one picture from another, not one kind from another
STYLE = 10  # dimensions of the Gaussian node
EACH = 4  # pictures of an identity in a batch
BINARY = 8  # attributes that are there or not: some learners visit all 2^K of their combinations


def chosen(world: World, names: str = "") -> list[int]:
    """The places of the named factors, or of all that are numbers or classes, up to `MANY` of them.

    A circular factor is no number: its two ends are one. ValueError for an unknown or repeated name, and for such a factor.
    """
    if not names:
        return [k for k, factor in enumerate(world.factors) if _told(factor) and factor.low < factor.high]
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    fit = {factor.name: k for k, factor in enumerate(world.factors) if factor.kind != "circular"}
    if len(set(wanted)) < len(wanted) or not set(wanted) <= fit.keys():
        raise ValueError(f"labels must name each of {', '.join(fit)} at most once, got {names!r}")
    return [fit[name] for name in wanted]


def _told(factor: Factor) -> bool:
    return factor.kind != "circular" and (factor.kind != "categorical" or len(factor.values) <= MANY)


def settings(model: type, world: World, names: str = "") -> dict[str, Any]:
    """The settings by which a learner knows its labels; none of one that has none.

    ValueError where a learner of classes is to learn a world that has none.
    """
    known = inspect.signature(model).parameters
    if "words" in known:  # a learner of sentences
        return {}
    places = chosen(world, names)
    kinds = {world.factors[k].name: len(world.factors[k].values) for k in _classes(world, places)}
    if {"classes", "experts", "structure"} & known.keys() and not kinds:
        raise ValueError(f"{model.__name__} learns classes, and none of {', '.join(world.names)} is one it can be told")
    found: dict[str, Any] = {}
    if issubclass(model, Embedding):
        found["classes"] = identities(world, names)[1]
    elif "classes" in known:
        found["classes"] = next(iter(kinds.values()))
    if "attributes" in known:
        factors = [world.factors[k] for k in places]
        number = isinstance(known["attributes"].default, int)
        found["attributes"] = (
            len(_binary(world, places))
            if number
            else tuple(len(f.values) if f.kind == "categorical" else (f.low, f.high) for f in factors)
        )
    if "structure" in known:
        nodes: dict[str, Any] = {name: {"kind": "categorical", "size": size} for name, size in kinds.items()}
        found["structure"] = nodes | {"style": {"kind": "gaussian", "size": STYLE, "reads": list(kinds)}}
    if "secondary_shape" in known:
        found["secondary_shape"] = tuple(world.shape)
    return found


def identities(world: World, names: str = "") -> tuple[Callable[[Tensor], Tensor], int]:
    """Whose picture is of factor rows [N, K]: a function to long [N], and how many there are."""
    own = getattr(world, "identity", None)
    if own is not None and not names:
        return own, world.identities  # type: ignore[attr-defined]
    places = _classes(world, chosen(world, names))
    places = places if names else places[:1]
    sizes = [len(world.factors[k].values) for k in places]

    def combination(factors: Tensor) -> Tensor:
        columns = factors[:, places].round().long()
        return sum(
            (columns[:, k] * math.prod(sizes[k + 1 :]) for k in range(len(sizes))), columns.new_zeros(len(factors))
        )

    return combination, math.prod(sizes)


def _classes(world: World, places: list[int]) -> list[int]:
    return [k for k in places if world.factors[k].kind == "categorical"]


def _binary(world: World, places: list[int]) -> list[int]:
    pairs = [k for k in _classes(world, places) if len(world.factors[k].values) == 2]
    return (pairs or places)[:BINARY]


Draw = Callable[[torch.Generator], Mapping[str, Tensor]]


def labelled(
    x: Tensor,
    factors: Tensor,
    world: World,
    settings: Mapping[str, Any],
    size: int,
    names: str = "",
    embedding: bool = False,
) -> Draw | None:
    """What draws batches of pictures x [N, C, H, W] with labels from their factor rows [N, K]; None without such settings.

    An `embedding` is shown `EACH` pictures of each of some identities.
    """
    if not {"classes", "experts", "attributes", "structure"} & settings.keys():
        return None
    if embedding:
        return alike(x, identities(world, names)[0](factors), size)
    places = chosen(world, names)
    if isinstance(settings.get("attributes"), int):
        binary = _binary(world, places)
        y = (factors[:, binary] > torch.tensor([_middle(world.factors[k]) for k in binary])).float()
    elif "attributes" in settings:
        y = factors[:, places]
    else:
        y = factors[:, _classes(world, places)].round().long()
        y = y if "structure" in settings else y[:, 0]

    def batch(generator: torch.Generator) -> dict[str, Tensor]:
        index = torch.randint(len(x), (size,), generator=generator)
        found = {"x": x[index], "y": y[index], "labelled": torch.ones(size, dtype=torch.bool)}
        if "secondary_shape" in settings:
            found["secondary"] = x[companions(y, index, generator)]
        return found

    return batch


def alike(x: Tensor, y: Tensor, size: int) -> Draw:
    """What draws `EACH` pictures, none twice, of each of so many classes y [N] that there are at most `size` of them.

    Of a class that has fewer it draws all. ValueError where fewer than two classes have two pictures.
    """
    counts = y.bincount()
    several = torch.nonzero(counts > 1)[:, 0]
    if len(several) < 2:
        raise ValueError(
            f"an embedding needs two pictures of two identities, got {len(x)} pictures of {y.unique().numel()}"
        )
    first, places = counts.cumsum(0) - counts, torch.arange(EACH)

    def batch(generator: torch.Generator) -> dict[str, Tensor]:
        shuffled = torch.randperm(len(y), generator=generator)
        order = shuffled[y[shuffled].argsort(stable=True)]
        who = several[torch.randperm(len(several), generator=generator)[: max(2, size // EACH)]]
        index = order[(first[who, None] + places)[places < counts[who, None]]]
        return {"x": x[index], "y": y[index]}

    return batch


def _middle(factor: Factor) -> float:
    return 0.5 * (len(factor.values) - 1 if factor.kind == "categorical" else factor.low + factor.high)


def companions(y: Tensor, index: Tensor, generator: torch.Generator) -> Tensor:
    """For rows `index` [n] of classes y [N] another row each, drawn from all of the same class: [n]."""
    order, counts = y.argsort(stable=True), y.bincount()
    first, label = counts.cumsum(0) - counts, y[index]
    share = torch.rand(len(index), generator=generator)
    return order[first[label] + (share * counts[label]).long().clamp(max=counts[label] - 1)]
