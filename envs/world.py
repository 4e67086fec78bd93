"""What a world is: a value with known factors and a pure renderer.

    factors  f in F_1 x ... x F_K        every F_k is categorical, ordinal, continuous or circular
    render   f -> picture                pure, batched, on the device of its input
    step     (f, u) -> f'                moving worlds only

Nothing here knows a learner, a task or Gymnasium's environments; those are composed with a world elsewhere.
"""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, Any, Literal

import gymnasium as gym
import torch
from annotated_types import MinLen
from torch import Tensor

from borders import Count, Natural, Positive, Real, checked, demand_finite, nearest

Kind = Literal["categorical", "ordinal", "continuous", "circular"]
Step = Callable[..., Tensor]
Where = Callable[[Mapping[str, Tensor]], Tensor]


@dataclass(frozen=True)
class Factor:
    """One known cause of a picture; make it with one of the four constructors.

    `values` lists what a finite factor can be (class indices for a categorical one) and is empty for an infinite one.
    `low` and `high` bound every value; a circular factor lives in [0, period), so `high` is its period.
    """

    name: str
    kind: Kind
    unit: str
    low: float
    high: float
    values: tuple[float, ...] = ()

    def __repr__(self) -> str:
        """Short whatever the number of values."""
        shown = f"{self.name!r}, {self.kind}, {self.unit!r}, {self.low:g} to {self.high:g}"
        if not self.values:
            return f"Factor({shown})"
        values = [f"{value:g}" for value in self.values]
        listed = values if len(values) <= 6 else [*values[:3], "...", values[-1]]
        return f"Factor({shown}, {len(values)} values: {', '.join(listed)})"

    @classmethod
    @checked
    def categorical(cls, name: str, size: Count, unit: str = "class") -> Factor:
        """A factor that is one of `size` unordered classes, held as the class index 0 .. size - 1."""
        return cls(name, "categorical", unit, 0.0, float(size - 1), tuple(float(i) for i in range(size)))

    @classmethod
    @checked
    def ordinal(cls, name: str, values: Annotated[tuple[Real, ...], MinLen(1)], unit: str = "") -> Factor:
        """A factor that is one of finitely many ordered numbers, held as the number itself."""
        ordered = tuple(values)
        if any(b <= a for a, b in pairwise(ordered)):
            raise ValueError(f"factor {name!r}: values must be strictly increasing, got {values}")
        return cls(name, "ordinal", unit, ordered[0], ordered[-1], ordered)

    @classmethod
    @checked
    def continuous(cls, name: str, low: Real, high: Real, unit: str = "") -> Factor:
        """A factor that is any number in [low, high]."""
        if low >= high:
            raise ValueError(f"factor {name!r}: low must be below high, got {low} and {high}")
        return cls(name, "continuous", unit, low, high)

    @classmethod
    @checked
    def circular(cls, name: str, period: Positive, unit: str = "radian", values: tuple[Real, ...] = ()) -> Factor:
        """A factor on a circle: any number in [0, period), or one of `values` where only those are drawn."""
        return cls(name, "circular", unit, 0.0, period, tuple(values))

    @checked
    def sample(self, n: Natural, generator: torch.Generator) -> Tensor:
        """`n` independent uniform values, float32 [n], on the generator's device."""
        device = generator.device
        if self.values:
            choice = torch.randint(len(self.values), (n,), generator=generator, device=device)
            return torch.tensor(self.values, device=device)[choice]
        return self.low + (self.high - self.low) * torch.rand(n, generator=generator, device=device)

    @checked
    def grid(self, n: Count) -> Tensor:
        """At most `n` values spread evenly over the factor, float32: all values of a small finite factor."""
        if self.values:
            count = min(n, len(self.values))
            return torch.tensor(self.values)[torch.linspace(0, len(self.values) - 1, count).round().long()]
        if self.kind == "circular":
            return torch.arange(n) * (self.high / n)
        return torch.linspace(self.low, self.high, n)


CONTRACT: dict[str, Callable[..., Any]] = {}  # the methods whose annotations hold for every world's own


class World(ABC):
    """Known factors and a renderer. `factors` and `shape` (C, H, W) are set by the subclass.

    Sampling is uniform and independent unless a subclass says otherwise. A subclass's constructor and methods check their
    arguments by the annotations, theirs or those written here (`borders`).
    """

    factors: tuple[Factor, ...]
    shape: tuple[int, ...]

    def __init_subclass__(cls, **more: Any) -> None:
        """Set the borders."""
        super().__init_subclass__(**more)
        for name, method in list(vars(cls).items()):
            if inspect.isfunction(method) and (name == "__init__" or not name.startswith("_")):
                setattr(cls, name, checked(method, CONTRACT.get(name)))

    @property
    def names(self) -> tuple[str, ...]:
        """The factors' names, in the order of the columns."""
        return tuple(factor.name for factor in self.factors)

    @checked
    def sample(self, n: Natural, generator: torch.Generator, where: Where | None = None) -> Tensor:
        """`n` factor rows, float32 [n, K].

        `where` keeps the rows for which an expression over the named columns is true, for instance
        `lambda f: f["red"] > 0.5`: that is how a held-out combination is written. Raises ValueError if it (nearly)
        never holds, and what `holds` raises.
        """
        if where is None:
            return self._draw(n, generator)
        kept: list[Tensor] = []
        found = 0
        for _ in range(1000):
            rows = self._draw(max(n, 64), generator)
            rows = rows[self.holds(where, rows)]
            kept.append(rows)
            found += len(rows)
            if found >= n:
                return torch.cat(kept)[:n]
        raise ValueError(f"`where` held for {found} of {1000 * max(n, 64)} samples; {n} were asked for")

    def holds(self, where: Where, rows: Tensor) -> Tensor:
        """For which rows [n, K] the expression `where` is true: bool [n].

        Raises ValueError for a factor that the world does not have, TypeError or ValueError for another answer.
        """
        answer = where(_Columns({name: rows[:, k] for k, name in enumerate(self.names)}))
        if not isinstance(answer, Tensor) or answer.dtype != torch.bool:
            got = answer.dtype if isinstance(answer, Tensor) else type(answer).__name__
            raise TypeError(f"where must give a bool tensor [{len(rows)}], an entry for every row, got {got}")
        if answer.shape != (len(rows),):
            raise ValueError(
                f"where must give a bool tensor [{len(rows)}], an entry for every row, got {list(answer.shape)}"
            )
        return answer

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.stack([factor.sample(n, generator) for factor in self.factors], dim=1)

    def render(self, factors: Tensor) -> Tensor:
        """The pictures of factor rows [n, K]: uint8 [n, C, H, W] on the same device.

        Raises TypeError or ValueError if `factors` is not a finite float tensor [n, K] inside the factors' ranges.
        """
        return self._render(self.within(factors).float())

    def screens(self, factors: Tensor) -> Tensor:
        """What `render` gives with the channels last, as Gymnasium has pictures: uint8 [n, H, W, C], contiguous."""
        return self.render(factors).permute(0, 2, 3, 1).contiguous()

    @abstractmethod
    def _render(self, factors: Tensor) -> Tensor:
        """Draw rows that were checked already."""

    def possible(self, factors: Tensor) -> Tensor:
        """Which of the rows [n, K], within their ranges, can occur: bool [n]; all of them unless a subclass says less."""
        return torch.ones(len(factors), dtype=torch.bool, device=factors.device)

    def check(self, factors: Tensor) -> None:
        """Raise TypeError or ValueError unless `factors` is a finite float tensor [n, K] within every factor's range.

        A rounding error of 1e-4 beyond a range is forgiven.
        """
        self.within(factors)

    def within(self, factors: Tensor) -> Tensor:
        """The rows [n, K] as `check` passes them, cut back to the ranges where a rounding error had left them."""
        if not isinstance(factors, Tensor) or not factors.is_floating_point():
            got = factors.dtype if isinstance(factors, Tensor) else type(factors).__name__
            raise TypeError(f"factors must be a float tensor [n, {len(self.factors)}], got {got}")
        if factors.ndim != 2 or factors.shape[1] != len(self.factors):
            raise ValueError(
                f"factors must have shape [n, {len(self.factors)}] for {self.names}, got {tuple(factors.shape)}"
            )
        if factors.layout != torch.strided or factors.is_meta:
            raise TypeError(f"factors must be a dense tensor with values, got {factors.layout} on {factors.device}")
        factors = factors if factors.dtype == torch.float64 else factors.float()
        if not len(factors):
            return factors
        exact = True
        low, high = factors.amin(0).tolist(), factors.amax(0).tolist()
        for factor, least, most in zip(self.factors, low, high, strict=True):
            # NaN fails both comparisons, so it is refused here as well.
            if not (least >= factor.low - 1e-4 and most <= factor.high + 1e-4):
                raise ValueError(
                    f"factor {factor.name!r} must lie in [{factor.low:g}, {factor.high:g}] {factor.unit}, "
                    f"got values from {least:.9g} to {most:.9g}"
                )
            exact = exact and least >= factor.low and most <= factor.high
        if exact:
            return factors
        ends = [factors.new_tensor([getattr(factor, end) for factor in self.factors]) for end in ("low", "high")]
        return factors.clamp(*ends)


class MovingWorld(World):
    """A world with dynamics: `step` maps factors and actions to the next factors."""

    action_space: gym.spaces.Box | gym.spaces.Discrete

    def __init_subclass__(cls, **more: Any) -> None:
        """Set the borders, those of `step` by the factors' ranges and the space of actions."""
        super().__init_subclass__(**more)
        if "step" in vars(cls):
            cls.step = _stepping(cls.step)  # type: ignore[method-assign]

    @abstractmethod
    def step(self, factors: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """The next factors [n, K] after `actions` [n] or [n, m]; `generator` is needed where the dynamics are noisy.

        Raises TypeError or ValueError for factors that `check` refuses, and for actions that are not whole numbers of a
        Discrete space, or not finite, or of another shape. What an action beyond a Box does is the world's own.
        """

    def intended(self, actions: Tensor, n: int) -> Tensor:
        """The actions of n rows as `step` takes them: long [n], or float32 [n, m]."""
        space = self.action_space
        if not isinstance(actions, Tensor) or actions.dtype == torch.bool or actions.is_complex():
            got = actions.dtype if isinstance(actions, Tensor) else type(actions).__name__
            raise TypeError(f"actions must be a tensor of numbers, got {got}")
        shape = (n,) if isinstance(space, gym.spaces.Discrete) else (n, *space.shape)
        if tuple(actions.shape) != shape:
            raise ValueError(f"actions must have shape {list(shape)}, got {list(actions.shape)}")
        if isinstance(space, gym.spaces.Box):
            demand_finite("actions", actions)
            return actions.float()
        wrong = (actions < space.start) | (actions >= space.start + space.n) | (actions != actions.round())
        if wrong.any():
            end = space.start + space.n
            raise ValueError(
                f"actions must be whole numbers from {space.start} and below {end}, got {actions[wrong][0].item()}"
            )
        return actions.long()


def _stepping(step: Step) -> Step:
    """The method `step` of a moving world behind its border."""

    @functools.wraps(step)
    def border(self: MovingWorld, factors: Tensor, actions: Tensor, generator: torch.Generator | None = None) -> Tensor:
        factors = self.within(factors)
        return step(self, factors, self.intended(actions, len(factors)), generator)

    return border


class _Columns(dict[str, Tensor]):
    """Columns by the names of their factors."""

    def __missing__(self, name: str) -> Tensor:
        raise ValueError(f"where asks for the factor {name!r}; the factors are {nearest(name, self)}")


@dataclass(frozen=True)
class Clip:
    """Frames and the factors of every frame: `frames` uint8 [n, T, C, H, W], `factors` float32 [n, T, K]."""

    frames: Tensor
    factors: Tensor


class VideoWorld(World):
    """A world of short videos; `sample` and `render` treat a frame as a picture."""

    @abstractmethod
    def clip(self, n: Natural, length: Count, generator: torch.Generator) -> Clip:
        """`n` clips of `length` frames with the factors of every frame."""


CONTRACT |= {"sample": World.sample, "clip": VideoWorld.clip}
