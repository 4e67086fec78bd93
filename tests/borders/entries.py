"""Every public entry that has a border, found in the registries, and what may not be given to it, found in the annotations.

`entries()` lists callables with arguments that they accept; `wrong(hint, argument)` gives values that the annotation rules
out. A new world, model, planner or score is found here by itself; one whose argument has no default and no known name is
told so by the test.
"""

from __future__ import annotations

import inspect
import math
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import annotated_types
import gymnasium as gym
import jaxtyping
import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

import benchmarks.metrics
import planners
from envs import WORLDS, MovingWorld, World, make_world
from representations import MODELS, make

METHODS = ("encode", "decode", "predict", "linearize", "generate")
SMALL = {"hidden": 8, "channels": 2, "action_size": 2}


@dataclass(frozen=True)
class Entry:
    """A callable, arguments that it takes by name, and the annotation of every argument that is tried."""

    name: str
    call: Callable[..., Any]
    good: dict[str, Any]
    hints: dict[str, Any]

    def __call__(self, argument: str, value: Any) -> Any:
        """Call with one argument put in the place of the good one."""
        with torch.no_grad():
            return self.call(**(self.good | {argument: value}))


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """The annotations of a function, or of a class's constructor, without that of the result."""
    function = function.__init__ if inspect.isclass(function) else function
    found = typing.get_type_hints(function, include_extras=True)
    return {name: hint for name, hint in found.items() if name != "return"}


@cache
def model(name: str) -> Any:
    """A small model, ready to encode."""
    known = inspect.signature(MODELS[name]).parameters
    torch.manual_seed(0)
    return make(name, **{key: value for key, value in SMALL.items() if key in known}).eval()


@cache
def world(name: str) -> World:
    """A world at its default settings."""
    return make_world(name)


def seeded() -> torch.Generator:
    """A generator for the good arguments."""
    return torch.Generator().manual_seed(0)


def observed(learner: Any) -> dict[str, Tensor]:
    """Three observations that a learner takes, by the name of the argument: sentences of ids, or pictures."""
    if hasattr(learner, "words"):
        return {"ids": torch.tensor([[3, 3, 2], [3, 2, 0], [2, 0, 0]])}
    axes = hints_of(type(learner).encode)["observations"]
    if not _is_array(axes) or "shape" in axes.dim_str:
        return {"observations": torch.full((3, *learner.shape), 0.5)}
    return {"observations": torch.rand(3, getattr(learner, axes.dim_str.split()[-1]))}


def good_tensor(learner: Any, argument: str) -> Any:
    """What a method of the contract takes for an argument."""
    sizes = {"code": learner.code_size, "action": getattr(learner, "action_size", 1)}
    if argument in sizes:
        return torch.randn(3, sizes[argument], generator=seeded())
    return {"n": 2, "generator": seeded()}.get(argument)


def model_entries() -> Iterator[Entry]:
    """Constructors and methods of every learner."""
    from representations.model import CONTRACT

    for name, kind in MODELS.items():
        yield Entry(f"make({name})", lambda _name=name, **given: make(_name, **given), {}, hints_of(kind))
        for method in METHODS:
            if not hasattr(kind, method):
                continue
            learner = model(name)
            hints = hints_of(getattr(kind, method))
            contract = hints_of(CONTRACT[method])
            hints = {a: hint if "jaxtyping" in str(hint) else contract.get(a, hint) for a, hint in hints.items()}
            good = {argument: good_tensor(learner, argument) for argument in contract if argument != "observations"}
            if method == "encode":
                good = observed(learner)
            tried = {argument: hint for argument, hint in hints.items() if argument in good}
            yield Entry(f"{name}.{method}", getattr(learner, method), good, tried)


def loss_entries() -> Iterator[Entry]:
    """What every learner minimises, for each part of the batch whose annotation says its axes."""
    for name in MODELS:
        learner = model(name).train()
        for player in learner.objectives():
            hint = hints_of(player.loss)["batch"]
            if typing.is_typeddict(hint):
                hints = {key: kind for key, kind in hints_of_fields(hint).items() if key in hint.__required_keys__}
                good = {key: fitting(learner, kind) for key, kind in hints.items()}
                hints = {k: kind for k, kind in hints.items() if good[k] is not None and "Bool" not in str(kind)}
                call = lambda _loss=player.loss, **given: _loss(given)  # noqa: E731
                yield Entry(f"{name}.{player.name}", call, good, hints)
            elif _is_tensor(hint):
                yield Entry(f"{name}.{player.name}", player.loss, {"batch": fitting(learner, hint)}, {"batch": hint})


def hints_of_fields(kind: Any) -> dict[str, Any]:
    """The annotations of a TypedDict."""
    return typing.get_type_hints(kind, include_extras=True)


def fitting(learner: Any, hint: Any) -> Tensor | None:
    """Three rows, or pictures, of the axes that an annotation names; None where it is no tensor of floats."""
    parts = [part for part in (typing.get_args(hint) or (hint,)) if _is_array(part)]
    floats = next((part for part in parts if part.dtype is jaxtyping.Float), None)
    if floats is None:
        return None
    _, *axes = floats.dim_str.split()
    sizes = [getattr(learner, axis.lstrip("*"), 4 if axis == "4" else 2) for axis in axes]
    shape = [3] + [each for size in sizes for each in (size if isinstance(size, tuple) else (size,))]
    if shape[-2:] == [4, 4]:  # where a camera or a hand is
        return torch.eye(4).expand(shape).clone()
    return torch.rand(shape, generator=seeded())


def _is_tensor(hint: Any) -> bool:
    return any(_is_array(part) for part in (typing.get_args(hint) or (hint,)))


def world_entries() -> Iterator[Entry]:
    """Constructors and methods of every world."""
    for name, kind in WORLDS.items():
        yield Entry(f"make_world({name})", lambda _name=name, **given: make_world(_name, **given), {}, hints_of(kind))
        it = world(name)
        drawn = it.sample(3, seeded())
        yield Entry(f"{name}.sample", it.sample, {"n": 2, "generator": seeded()}, hints_of(World.sample))
        yield Entry(f"{name}.render", it.render, {"factors": drawn}, {"factors": Rows(it)})
        if isinstance(it, MovingWorld):
            actions = torch.as_tensor(np.stack([it.action_space.sample() for _ in range(3)]))
            good = {"factors": drawn, "actions": actions}
            yield Entry(f"{name}.step", it.step, good, {"factors": Rows(it), "actions": Actions(it)})
        if hasattr(it, "clip"):
            good = {"n": 2, "length": 3, "generator": seeded()}
            yield Entry(f"{name}.clip", it.clip, good, hints_of(type(it).clip) | hints_of(_video().clip))


def _video() -> Any:
    from envs import VideoWorld

    return VideoWorld


@dataclass(frozen=True)
class Rows:
    """In place of an annotation: factor rows of a world."""

    world: World


@dataclass(frozen=True)
class Actions:
    """In place of an annotation: actions of a moving world."""

    world: MovingWorld


@dataclass(frozen=True)
class Matrix:
    """In place of an annotation: codes or factors, as a score takes them."""


def _problem() -> planners.Problem:
    return planners.Problem(
        lambda x, u: x + u, lambda x, u: x.square().sum(1) + u.square().sum(1), lambda x: x.square().sum(1), -1.0, 1.0
    )


def planner_arguments() -> dict[str, Any]:
    """What planners take, by the names of their arguments."""
    return {
        "problem": _problem(),
        "dynamics": _problem().dynamics,
        "cost": _problem().cost,
        "final_cost": _problem().final_cost,
        "x0": torch.ones(3, 2),
        "actions": torch.zeros(3, 4, 2),
        "horizon": 4,
        "generator": seeded(),
        "action_size": 2,
        "samples": 16,
        "elites": 4,
        "iterations": 2,
        "score": lambda candidates: candidates.square().sum(-1),
        "mean": torch.zeros(2, 3),
        "std": torch.ones(2, 3),
        "centres": torch.zeros(2, 2),
        "radius": 1.0,
        "weight": 1.0,
    }


def score_arguments() -> dict[str, Any]:
    """What scores take, by the names of their arguments."""
    draw = np.random.default_rng(0)
    codes, factors = draw.normal(size=(200, 3)), draw.integers(0, 4, size=(200, 3)).astype(float)
    return {
        "codes": codes,
        "factors": factors,
        "twins": codes + draw.normal(size=codes.shape),
        "changed": draw.integers(0, 3, 200),
        "x": codes[:, :1],
        "y": codes[:, 1:2],
        "now": codes,
        "later": codes + 1,
        "groups": [[0], [1, 2]],
        "importance": np.eye(3),
        "d": 2,
        "k": 3,
        "train": 60,
        "test": 60,
        "encode": lambda batch: batch.float().flatten(1)[:, :4],
        "world": world("planar"),
        "names": ["mig"],
        "oracle": "identity",
        "samples": 100,
        "seeds": 1,
    }


def function_entries(where: Any, known: dict[str, Any], generator: Any) -> Iterator[Entry]:
    """The public functions of a package with a border, and dataclasses that are given to them."""
    for name, function in sorted(vars(where).items()):
        if name.startswith("_") or not callable(function):
            continue
        constructor = function.__init__ if inspect.isclass(function) else function
        if not hasattr(constructor, "__unchecked__"):
            continue
        parameters = inspect.signature(function).parameters
        drawing = {"generator": generator} if "generator" in parameters else {}
        good = {a: value for a, value in (known | drawing).items() if a in parameters}
        if where is planners and name == "cem":
            good = {argument: value for argument, value in good.items() if argument not in ("actions", "std")}
        if where is planners and name == "cem_search":
            good["generator"] = seeded()
        if name in ("score", "score_oracle", "baseline_rows"):
            good["generator"] = seeded()
        yield Entry(f"{where.__name__}.{name}", function, good, hints_of(function))


@cache
def entries() -> tuple[Entry, ...]:
    """All of them."""
    return (
        *model_entries(),
        *loss_entries(),
        *world_entries(),
        *function_entries(planners, planner_arguments(), seeded()),
        *function_entries(benchmarks.metrics, score_arguments(), np.random.default_rng(0)),
    )


OBJECT = object()


def wrong(hint: Any, argument: str, good: Any = None) -> list[Any]:
    """Values that an annotation rules out."""
    if isinstance(hint, Rows):
        rows = hint.world.sample(3, seeded())
        return [*wrong_tensors(rows), rows[:, :-1], rows[0], rows + 1e4, rows - 1e4, rows.to("meta")]
    if isinstance(hint, Actions):
        space = hint.world.action_space
        fine = torch.as_tensor(np.stack([space.sample() for _ in range(3)]))
        bad = [fine[:2], fine[None], fine.bool(), fine.numpy(), "a", None, fine.to(torch.complex64)]
        if isinstance(space, gym.spaces.Box):
            return [*bad, fine * math.nan, fine + math.inf]
        return [*bad, fine + 10_000, fine - 10_000, fine.float() + 0.5, fine * math.nan]
    if isinstance(hint, Matrix):
        fine = np.asarray(good, float)
        if fine.ndim == 1:
            return [fine[:-1], "abc", None, OBJECT, fine[:, None], fine + 0.5, 3]
        hurt = [np.where(np.eye(*fine.shape) > 0, value, fine) for value in (math.nan, math.inf, 1e200)]
        shaped = [fine[:, 0], fine[None], fine[:0], fine[:, :0], fine[:1] if len(fine) > 3 else fine[:0]]
        return [*hurt, *shaped, "abc", None, OBJECT, fine.astype(complex), fine.astype(str), [[1.0], [1.0, 2.0]], 3.0]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = typing.get_args(hint)
        if any(_is_matrix(part) for part in parts):
            return wrong(Matrix(), argument, good)
        if all(_is_array(part) for part in parts if part is not type(None)):
            found = wrong_tensors(good, bound=_bound(next(part for part in parts if _is_array(part))))
            return found if type(None) not in parts else [value for value in found if value is not None]
        told = [wrong(part, argument, good) for part in parts if part is not type(None)]
        both = [value for value in told[0] if all(_among(value, other) for other in told[1:])]
        return [value for value in both if value is not None or type(None) not in parts]
    if _is_array(hint) and hint.dtype is jaxtyping.Integer:
        kinds = [
            good.float(),
            good.bool(),
            good.to("meta"),
            good.to_sparse(),
            good.numpy(),
            good.tolist(),
            "x",
            None,
            3,
        ]
        return [good[0], good[None], good - 9, good + 10**6, good * 0, *kinds]
    if _is_array(hint):
        found = wrong_tensors(good, bound=_bound(hint))
        return found if "*" in hint.dim_str or "..." in hint.dim_str or not found else [*found, good[None]]
    limits: list[Any] = []
    if typing.get_origin(hint) is typing.Annotated:
        base, *notes = typing.get_args(hint)
        for note in notes:
            limits += outside(note)
        return [*wrong(base, argument, good), *limits]
    strange: list[Any] = [OBJECT, 1j, torch.ones(2, 2), {"a": 1}, b"3"]
    table: dict[Any, list[Any]] = {
        int: [True, "3", 1.5, None, [3], math.nan, math.inf, *strange],
        float: ["0.5", None, [0.1], True, math.nan, *strange],
        bool: [0, 1, "false", None, [], *strange],
        str: [3, None, ["a"], True, *strange],
        torch.Generator: [5, "cpu", np.random.default_rng(0), *strange],
        np.random.Generator: [5, "cpu", torch.Generator(), *strange],
    }
    if hint in table:
        return [*table[hint], *([math.inf, -math.inf] if hint is float and argument not in ("low", "high") else [])]
    origin, parts = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return ["nope", 7.5, None, [parts[0]], *strange]
    if origin is tuple:
        inner = wrong(parts[0], argument)
        size = len(parts) if parts[-1] is not Ellipsis else 2
        fill = [1, 64, 64][:size] if size == 3 else [1] * size
        lengths = [fill[:-1], (*fill, 64)] if parts[-1] is not Ellipsis else []
        return [64, "abc", None, *strange, *lengths, *[(value, *fill[1:]) for value in inner if value is not None]]
    if origin is np.ndarray:
        return [3, "abc", OBJECT] if good is None else wrong(Matrix(), argument, good)
    if origin in (list, dict) or _name(origin) in ("Sequence", "Mapping"):
        return [3, "abc", None, OBJECT, 1j]
    if _name(origin) == "Callable" or hint is Callable:
        return [3, "abc", [], None]
    if inspect.isclass(hint) and not getattr(hint, "_is_protocol", False):
        return [3, "abc", OBJECT, {"a": 1}, None]
    return []


def wrong_tensors(fine: Tensor, bound: bool = True) -> list[Any]:
    """What is no tensor like `fine`, a batch of floats, the length of whose last axis is `bound`."""
    if not isinstance(fine, Tensor):
        return []
    held = fine.clone()
    held.view(-1)[-1] = math.nan
    sides = [fine[..., 0].reshape(-1)[:1].reshape(())]
    sides += [fine[..., :-1], torch.cat([fine, fine], -1)] if bound else []
    types_ = [fine.bool(), fine.to(torch.complex64), fine.long(), fine.to_sparse()]
    return [*sides, *types_, fine.to("meta"), held, fine + math.inf, fine.numpy(), fine.tolist(), "x", None, 3, OBJECT]


def ruled_out(hint: Any, argument: str, good: Any = None) -> st.SearchStrategy[Any]:
    """A strategy of values that an annotation rules out: those of `wrong`, what is wrong anywhere, numbers out of range,
    and tensors of other shapes.
    """
    values = wrong(hint, argument, good)
    if not values:
        return st.nothing()
    found = [st.sampled_from(values), st.complex_numbers(allow_nan=False), st.dictionaries(st.text(), st.none())]
    if typing.get_origin(hint) is typing.Annotated:
        base, *notes = typing.get_args(hint)
        for note in notes:
            for part in list(note) if isinstance(note, annotated_types.GroupedMetadata) else [note]:
                if base is int and isinstance(part, annotated_types.Ge):
                    found.append(st.integers(max_value=math.ceil(part.ge) - 1))
                elif base is int and isinstance(part, annotated_types.Le):
                    found.append(st.integers(min_value=math.floor(part.le) + 1))
                elif base is float and isinstance(part, annotated_types.Ge):
                    found.append(st.floats(max_value=part.ge, exclude_max=True))
                elif base is float and isinstance(part, annotated_types.Le):
                    found.append(st.floats(min_value=part.le, exclude_min=True))
    if isinstance(good, Tensor) and good.ndim > 1 and _is_array(hint) and _bound(hint):
        shapes = st.lists(st.integers(0, 5), max_size=5).map(tuple)
        found.append(shapes.filter(lambda shape: shape[-1:] != good.shape[-1:]).map(torch.zeros))
    return st.one_of(found)


def outside(note: Any) -> list[Any]:
    """Numbers just and far outside a declared interval."""
    found: list[Any] = []
    parts = list(note) if isinstance(note, annotated_types.GroupedMetadata) else [note]
    for part in parts:
        if isinstance(part, annotated_types.Ge):
            found += [part.ge - 1 if part.ge > -1e9 else part.ge * 2, -abs(part.ge) * 2 - 10**6]
        elif isinstance(part, annotated_types.Le):
            found += [part.le + 1 if part.le < 1e9 else part.le * 2]
        elif isinstance(part, annotated_types.Lt):
            found += [part.lt, part.lt + 1]
        elif isinstance(part, annotated_types.MultipleOf):
            found += [part.multiple_of + 1]
        elif isinstance(part, annotated_types.MinLen):
            found += [()]
    return found


def _is_array(hint: Any) -> bool:
    return inspect.isclass(hint) and issubclass(hint, jaxtyping.AbstractArray)


def _bound(hint: Any) -> bool:
    """Whether the length of the last axis is known: an axis named by a letter is free."""
    return len(hint.dim_str.split()[-1]) > 1


def _is_matrix(hint: Any) -> bool:
    return "_SupportsArray" in str(hint) or "_NestedSequence" in str(hint)


def _name(kind: Any) -> str:
    return getattr(kind, "__name__", "")


def _among(value: Any, others: list[Any]) -> bool:
    return any(value is other or (type(value) is type(other) and repr(value) == repr(other)) for other in others)
