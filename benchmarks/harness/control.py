"""Driving an agent through a world, and what is measured of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from envs.tasks import Task
from envs.world import MovingWorld


class Agent(Protocol):
    """Acts on a batch of observations."""

    def act(self, observation: Tensor) -> Tensor:
        """Actions [n, m] for observations [n, ...]."""
        ...


@dataclass(frozen=True)
class Drive:
    """n episodes of T steps: factors [n, T + 1, K], actions [n, T, m], distances to the goal [n, T] after every step.

    `plans` holds the codes [n, H + 1, d] that the agent planned at every step, where it plans.
    """

    factors: Tensor
    goals: Tensor
    actions: Tensor
    distance: Tensor
    tolerance: float
    plans: list[Tensor]

    def scores(self) -> dict[str, float]:
        """Means over episodes.

        `reached`: came within the tolerance; `held`: did and stayed inside from then on; `time_in_goal`: share of the
        steps inside; `planning_pixels` and `planning`: J = sum_t |s_t - s_goal|^2 over the goal columns, in pixels and
        in units of 40 pixels (Q = I, R = 0); `effort`: sum_t |u_t|^2; `return`: minus the sum of distances over 40.
        """
        inside = self.distance <= self.tolerance
        entered = inside.long().argmax(1, keepdim=True)
        before = torch.arange(inside.shape[1]) < entered
        reached = inside.any(1)
        held = reached & (inside | before).all(1)
        squared = (self.distance**2).sum(1).mean().item()
        return {
            "reached": reached.float().mean().item(),
            "held": held.float().mean().item(),
            "time_in_goal": inside.float().mean().item(),
            "planning": squared / 1600,
            "planning_pixels": squared,
            "effort": self.actions.square().sum((1, 2)).mean().item(),
            "return": -self.distance.sum(1).mean().item() / 40,
        }


def drive(
    world: MovingWorld,
    task: Task,
    make_agent: Callable[[Tensor], Agent],
    n: int,
    steps: int,
    generator: torch.Generator,
    observe: Callable[[Tensor], Tensor] | None = None,
) -> Drive:
    """Run n episodes at once. `make_agent(goals)` gets what `observe` makes of the goals; by default their pictures."""
    see = observe or world.render
    factors, goals = task.begin(n, generator)
    agent = make_agent(see(goals))
    path, actions, distances, plans = [factors], [], [], []
    for _ in range(steps):
        action = agent.act(see(factors))
        factors = world.step(factors, action, generator)
        path.append(factors)
        actions.append(action)
        distances.append(task.judge(factors, goals).distance)
        plan = getattr(agent, "plan", None)
        if plan is not None:
            plans.append(plan.states)
    stacked = (torch.stack(path, 1), goals, torch.stack(actions, 1), torch.stack(distances, 1))
    return Drive(*stacked, task.tolerance, plans)
