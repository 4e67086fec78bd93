"""Iterative linear-quadratic regulator with a box, for B problems at once.

    minimise   J(u) = sum_{t < T} l(x_t, u_t) + l_T(x_T)
    over       u_0 .. u_{T-1},  low <= u_t <= high
    where      x_{t+1} = f(x_t, u_t),  x_0 given

At each iteration f is replaced by its linearisation and l by its quadratic model along the present trajectory; `box_lq`
solves that problem exactly, box included, and gives a policy du = k + K dx; the policy is rolled out through f itself,

    u_t = clamp(ubar_t + alpha k_t + K_t (x_t - xbar_t), low, high)         [Tassa et al. 2012, eq. 8 and 12]

and accepted if J falls by a part of what the model promises (eq. 13). A problem whose J does not fall is tried again
with mu I added to the Hessian of the actions (section II-F), so that the step shrinks towards the gradient.

Tassa, Erez and Todorov: Synthesis and stabilization of complex behaviors through online trajectory optimization. 2012.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from borders import Count, Positive, checked

from .box_lq import Policy, solve
from .derivatives import linearize, quadratize, quadratize_final
from .problem import Plan, Problem, check_input
from .rollout import demand_finite, expand_context, first_plan, total_cost

STEP_SIZES = tuple(0.5**i for i in range(11))
ARMIJO = 1e-4
FIRST_MU, LAST_MU, MU_FACTOR = 1e-3, 1e10, 10.0


@checked
def ilqr(
    problem: Problem,
    x0: Float[Tensor, "B n"],
    actions: Float[Tensor, "B T m"],
    *,
    iterations: Count = 50,
    tolerance: Positive = 1e-6,
) -> Plan:
    """Plan by iLQR from x0 [B, n], improving `actions` [B, T, m]: a warm start, or zeros; clipped into the box.

    A problem has converged when its linear-quadratic model, box included, promises to lower the cost by no more than
    `tolerance` (1 + |cost|). Counted are the iterations that tried a step, so a linear-quadratic problem takes 1 and an
    optimal warm start 0. Problems that have finished leave the batch. Costs that are not convex are planned with the
    nearest convex model; the answer is then a local optimum.

    Raises TypeError or ValueError for input of the wrong type, shape or range, and NonFiniteError, naming step and
    problem, where the given actions lead to states, costs or derivatives that are not finite.
    """
    check_input("x0", x0, ("B", "n"), None, None)
    check_input("actions", actions, ("B", "T", "m"), len(x0), None, None)
    if x0.dtype != actions.dtype:
        raise ValueError(f"x0 and actions must have one dtype, got {x0.dtype} and {actions.dtype}")
    with torch.no_grad():
        low, high = problem.box(actions)
        inside = actions.clamp(low, high).transpose(0, 1)
        context = expand_context(problem, len(inside), len(x0))
        states, cost = first_plan(problem, x0, inside, context)
        done = _State(states, inside, cost, torch.zeros_like(inside, dtype=torch.int8), torch.zeros_like(cost))
        return _improve(problem, done, context, low, high, iterations, tolerance)


@dataclass(frozen=True)
class _State:
    """Time-first trajectories of some problems, their active sets int8 [T, B, m] and their mu [B]."""

    states: Tensor
    actions: Tensor
    cost: Tensor
    active: Tensor
    mu: Tensor

    def take(self, index: Tensor) -> _State:
        return _State(
            self.states[:, index], self.actions[:, index], self.cost[index], self.active[:, index], self.mu[index]
        )

    def put(self, index: Tensor, part: _State) -> _State:
        return _State(
            self.states.index_copy(1, index, part.states),
            self.actions.index_copy(1, index, part.actions),
            self.cost.index_copy(0, index, part.cost),
            self.active.index_copy(1, index, part.active),
            self.mu.index_copy(0, index, part.mu),
        )


def _improve(
    problem: Problem,
    everything: _State,
    context: Tensor | None,
    low: Tensor,
    high: Tensor,
    iterations: int,
    tolerance: float,
) -> Plan:
    batch = everything.actions.shape[1]
    index = torch.arange(batch, device=low.device)
    counts = torch.zeros_like(index)
    reason = [f"no convergence in {iterations} iterations"] * batch
    work = everything
    for count in range(iterations + 1):
        part = None if context is None else context[:, index]
        policy = _policy(problem, work, part, low, high)
        solved = policy.gain.isfinite() & policy.settled
        optimal = solved & (policy.gain <= tolerance * (1 + work.cost.abs()))
        stuck = ~optimal & (work.mu > LAST_MU)
        for number in index[optimal].tolist():
            reason[number] = "converged"
        for number in index[stuck].tolist():
            reason[number] = "no step lowers the cost"
        finished = optimal | stuck
        if bool(finished.any()):
            everything = everything.put(index, work)
            keep = (~finished).nonzero().squeeze(1)
            index, work = index[keep], work.take(keep)
            part = None if part is None else part[:, keep]
            policy = Policy(policy.gains[:, keep], policy.gain[keep], policy.active[:, keep], policy.settled[keep])
        if not len(index) or count == iterations:
            break
        work = _step(problem, work, policy, part, low, high)
        counts[index] += 1
    everything = everything.put(index, work)
    return Plan(
        everything.states.transpose(0, 1).contiguous(),
        everything.actions.transpose(0, 1).contiguous(),
        everything.cost,
        torch.tensor([text == "converged" for text in reason], device=low.device),
        counts,
        tuple(reason),
    )


def _policy(problem: Problem, now: _State, context: Tensor | None, low: Tensor, high: Tensor) -> Policy:
    """Model the problem around the present trajectory and solve the model."""
    joint = linearize(problem, now.states, now.actions)
    slope, bend = quadratize(problem, now.states, now.actions, context)
    last_slope, last_bend = quadratize_final(problem, now.states[-1], context)
    demand_finite("the derivative of dynamics", "at", joint)
    demand_finite("the derivative of cost", "at", slope)
    demand_finite("the derivative of final_cost", "at the end, counted from", last_slope[None])
    steps, batch, n, both = joint.shape
    transition = joint.new_zeros(steps, batch, 1 + n, 1 + both)
    transition[..., 0, 0] = 1
    transition[..., 1:, 1:] = joint
    stage = _homogeneous(slope, bend)
    stage[..., 1 + n :, 1 + n :] += torch.diag_embed(now.mu[:, None].expand(batch, both - n))
    final = _homogeneous(last_slope, last_bend)
    return solve(transition, stage, final, low - now.actions, high - now.actions, now.active, problem.boxed)


def _homogeneous(slope: Tensor, bend: Tensor) -> Tensor:
    """The matrix of the quadratic form slope' z + 1/2 z' bend z in (1, z), doubled."""
    size = slope.shape[-1] + 1
    form = slope.new_zeros(*slope.shape[:-1], size, size)
    form[..., 0, 1:] = slope
    form[..., 1:, 0] = slope
    form[..., 1:, 1:] = bend
    return form


def _step(problem: Problem, now: _State, policy: Policy, context: Tensor | None, low: Tensor, high: Tensor) -> _State:
    """Roll the policy out: the full step for all problems, then every smaller one at once for those that refuse it."""
    full = torch.ones(1, dtype=now.cost.dtype, device=now.cost.device)
    smaller = torch.tensor(STEP_SIZES[1:], dtype=now.cost.dtype, device=now.cost.device)
    states, actions, cost, accepted = _search(problem, now, policy, context, low, high, full)
    refused = (~accepted).nonzero().squeeze(1)
    if len(refused):
        part = None if context is None else context[:, refused]
        some = Policy(
            policy.gains[:, refused], policy.gain[refused], policy.active[:, refused], policy.settled[refused]
        )
        found = _search(problem, now.take(refused), some, part, low, high, smaller)
        states, actions = states.index_copy(1, refused, found[0]), actions.index_copy(1, refused, found[1])
        cost, accepted = cost.index_copy(0, refused, found[2]), accepted.index_copy(0, refused, found[3])
    raised = (now.mu * MU_FACTOR).clamp(min=FIRST_MU)
    lowered = torch.where(now.mu > FIRST_MU, now.mu / MU_FACTOR, 0)
    return replace(
        now,
        states=states,
        actions=actions,
        cost=cost,
        active=policy.active,
        mu=torch.where(accepted & policy.settled, lowered, raised),
    )


def _search(
    problem: Problem, now: _State, policy: Policy, context: Tensor | None, low: Tensor, high: Tensor, alphas: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best of the step sizes for each problem: states, actions, cost, and whether it is accepted.

    Where none is accepted the present trajectory comes back.
    """
    steps, batch, m = now.actions.shape
    tries = len(alphas)
    offset = now.actions[:, None] + alphas[:, None, None] * policy.gains[:, None, :, :, 0]
    offset = offset.reshape(steps, tries * batch, m, 1)
    feedback = policy.gains[..., 1:].repeat(1, tries, 1, 1)
    old = now.states.repeat(1, tries, 1)
    x = old[0]
    states, actions = [x], []
    for bar, k, gain in zip(old.unbind(0), offset.unbind(0), feedback.unbind(0), strict=False):
        u = torch.baddbmm(k, gain, (x - bar).unsqueeze(2)).squeeze(2).clamp(low, high)
        x = problem.dynamics(x, u)
        actions.append(u)
        states.append(x)
    new_states, new_actions = torch.stack(states), torch.stack(actions)
    repeated = None if context is None else context.repeat(1, tries, 1)
    costs = total_cost(problem, new_states, new_actions, repeated).view(tries, batch)
    rounding = 16 * torch.finfo(costs.dtype).eps * (1 + now.cost.abs())
    enough = costs <= now.cost - ARMIJO * alphas[:, None] * policy.gain.clamp(min=0) + rounding
    enough &= policy.gain.isfinite() & costs.isfinite()
    best = torch.where(enough, costs, torch.inf).argmin(0)
    accepted = enough.any(0)
    pick = best * batch + torch.arange(batch, device=best.device)
    return (
        torch.where(accepted[:, None], new_states[:, pick], now.states),
        torch.where(accepted[:, None], new_actions[:, pick], now.actions),
        torch.where(accepted, costs.view(-1)[pick], now.cost),
        accepted,
    )
