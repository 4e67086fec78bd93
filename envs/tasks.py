"""What is wanted in a world: where an episode starts, what its goal is, and how a state is judged.

A task is a value composed with a world by `envs.env`; it holds no state of an episode.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from envs.digit_grid import DigitGrid
from envs.planar import Planar
from envs.switch_maze import SwitchMaze
from envs.world import World


@dataclass(frozen=True)
class Verdict:
    """How states stand to their goals: reward, success and distance, tensors [n] or, for a single state, numbers."""

    reward: Any
    success: Any
    distance: Any


class Task(ABC):
    """Start, goal and judgement, all batched. `distance` alone must be written; the rest has a default.

    The reward is minus the distance, in units of `reach` (a typical distance between start and goal), and a state
    within `tolerance` of its goal is a success.
    """

    tolerance: float
    reach: float
    goal_columns: slice

    @abstractmethod
    def begin(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """The start and goal factors, each [n, K], of n new episodes."""

    def distance(self, achieved: Any, desired: Any) -> Any:
        """The distances [...] between the goal columns [..., d] of states and of goals, tensors or arrays."""
        return ((achieved - desired) ** 2).sum(-1) ** 0.5

    def judge(self, factors: Tensor, goals: Tensor) -> Verdict:
        """Judge states [n, K] against goals [n, K]."""
        return self.verdict(self.distance(factors[:, self.goal_columns], goals[:, self.goal_columns]))

    def verdict(self, distance: Any) -> Verdict:
        """Reward and success that belong to distances, a tensor [n] or a number."""
        return Verdict(distance / -self.reach, distance <= self.tolerance, distance)


class PlanarTask(Task):
    """Drive the agent across the planar map to a corner, within 2 pixels.

    `protocol` "rce": from a corner, at most 2 pixels off (5, 5) or its mirror images, to the opposite corner's
    (37, 37), (37, 3), (3, 37) or (3, 3) (Banijamali et al. 2017). "pcc": from [3, 7]^2 to one of (37, 37), (37, 3),
    (3, 37) (Levine et al. 2020). `shape` names the agent's shape, or None for a random one. Nuisances lie elsewhere in
    the goal than at the start.
    """

    tolerance, reach, goal_columns = 2.0, 40.0, slice(0, 2)
    CORNERS = ((37.0, 37.0), (37.0, 3.0), (3.0, 37.0), (3.0, 3.0))

    def __init__(self, world: Planar, protocol: str = "rce", shape: str | None = None):
        if protocol not in ("rce", "pcc"):
            raise ValueError(f"protocol must be 'rce' or 'pcc', got {protocol!r}")
        if shape is not None and shape not in world.shapes:
            raise ValueError(f"shape must be one of {', '.join(world.shapes)}, got {shape!r}")
        self.world, self.protocol, self.shape = world, protocol, shape

    def begin(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Start and goal factors [n, K] of n episodes."""
        device = generator.device
        corners = torch.tensor(self.CORNERS, device=device)
        start = 3 + 4 * torch.rand(n, 2, generator=generator, device=device)
        if self.protocol == "pcc":
            goal = corners[torch.randint(3, (n,), generator=generator, device=device)]
        else:
            goal = corners[torch.randint(4, (n,), generator=generator, device=device)]
            start = torch.where(goal > 20, start, 40 - start)
        if self.shape is None:
            shape = torch.randint(len(self.world.shapes), (n, 1), generator=generator, device=device).to(start)
        else:
            shape = start.new_full((n, 1), self.world.shapes.index(self.shape))
        if not self.world.nuisances:
            return torch.cat([start, shape], 1), torch.cat([goal, shape], 1)
        places = self.world.scatter(2 * n, generator)
        return torch.cat([start, shape, places[:n]], 1), torch.cat([goal, shape, places[n:]], 1)


class MatchTask(Task):
    """Bring every factor of a picture to the goal picture's: for worlds in which an action moves one factor.

    Start and goal are drawn from the world. The distance is the mean over factors of how far apart the values are, in
    units of the factor's range (half the period for a circular factor, 0 or 1 for a categorical one).
    """

    reach = 1.0

    def __init__(self, world: World, tolerance: float = 0.02):
        self.world, self.tolerance = world, tolerance
        self.goal_columns = slice(0, len(world.factors))

    def begin(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Start and goal factors [n, K], two draws from the world."""
        return self.world.sample(n, generator), self.world.sample(n, generator)

    def distance(self, achieved: Any, desired: Any) -> Any:
        """Mean normalised difference [...] of factor rows [..., K]."""
        achieved, desired = torch.as_tensor(achieved), torch.as_tensor(desired)
        parts = []
        for k, factor in enumerate(self.world.factors):
            gap = (achieved[..., k] - desired[..., k]).abs()
            if factor.kind == "categorical":
                parts.append((gap > 0.5).to(gap))
            elif factor.kind == "circular":
                gap = gap % factor.high
                parts.append(torch.minimum(gap, factor.high - gap) / (factor.high / 2))
            else:
                parts.append(gap / max(factor.high - factor.low, 1e-12))
        return torch.stack(parts, -1).mean(-1)


class _CellTask(Task):
    """A task on a grid: distances are sums of steps along each column, and success is distance 0."""

    tolerance = 0.5

    def distance(self, achieved: Any, desired: Any) -> Any:
        """The sum of absolute differences [...] of rows [..., d]."""
        return abs(achieved - desired).sum(-1)


class SwitchMazeTask(_CellTask):
    """Bring the agent to a cell, or the switches to their brightest shade, or both.

    `protocol` "reach": to a random free cell, which the picture frames if the world draws goals; "switches": every
    switch to its last shade; "both". The distance is the number of steps if nothing is in the way, and of the shades that are
    missing. In "reach" the switches are goals of no one: they stay as the start has them.
    """

    def __init__(self, world: SwitchMaze, protocol: str = "reach"):
        if protocol not in ("reach", "switches", "both"):
            raise ValueError(f"protocol must be 'reach', 'switches' or 'both', got {protocol!r}")
        switches = len(world.places)
        if protocol != "reach" and not switches:
            raise ValueError(f"protocol {protocol!r} needs a world with switches, got map {world.map!r}")
        self.world, self.protocol = world, protocol
        columns = {"reach": (0, 2), "switches": (2, 2 + switches), "both": (0, 2 + switches)}
        self.goal_columns = slice(*columns[protocol])
        reach = (protocol != "switches") * world.size + (protocol != "reach") * switches * (world.shades - 1)
        self.reach = float(reach)

    def begin(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Start and goal factors [n, K] of n episodes; the goal that is drawn is the agent's place in the goal."""
        start, goal = self.world.sample(n, generator), self.world.sample(n, generator)
        shades = slice(2, 2 + len(self.world.places))
        goal[:, shades] = start[:, shades] if self.protocol == "reach" else self.world.shades - 1
        if self.world.goal:
            goal[:, -2:] = start[:, -2:] = goal[:, :2]
        return start, goal


class DigitGridTask(_CellTask):
    """Bring both digits to the cells of the goal picture, which shows the same digits; the distance counts steps."""

    goal_columns = slice(0, 4)

    def __init__(self, world: DigitGrid):
        self.world, self.reach = world, 2.0 * world.cells

    def begin(self, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Start and goal factors [n, 8] of n episodes."""
        start, goal = self.world.sample(n, generator), self.world.sample(n, generator)
        goal[:, 4:] = start[:, 4:]
        return start, goal
