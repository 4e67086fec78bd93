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

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from borders import Count, Positive, checked

from .box_lq import Policy, solve
from .derivatives import bend_of_dynamics, convex, linearize, quadratize, quadratize_final
from .problem import Plan, Problem, check_input
from .rollout import at_step, demand_finite, expand_context, first_plan, rollout, total_cost

STEP_SIZES = tuple(0.5**i for i in range(11))
ARMIJO = 1e-4
FIRST_MU, LAST_MU, MU_FACTOR = 1e-3, 1e10, 10.0
FLAT = 1e-8  # of the largest entry: a curvature that is called none, where rounding does not hide more
SADDLE = "stationary, but no minimum: the cost falls on both sides; give other actions to start from"


@checked
def ilqr(
    problem: Problem,
    x0: Float[Tensor, "B n"],
    actions: Float[Tensor, "B T m"],
    *,
    starts: Float[Tensor, "S B T m"] | None = None,
    iterations: Count = 50,
    tolerance: Positive = 1e-6,
) -> Plan:
    """Plan by iLQR from x0 [B, n], improving `actions` [B, T, m]: a warm start, or zeros; clipped into the box.

    `starts` [S, B, T, m] are further first guesses: every problem is planned from `actions` and from all of them, in one
    batch, and its cheapest plan is kept; those that lead to states or costs that are not finite are left out.

    A problem has converged when its linear-quadratic model, box included, promises to lower the cost by no more than
    `tolerance` (1 + |cost|). Counted are the iterations that tried a step, so a linear-quadratic problem takes 1 and an
    optimal warm start 0. Problems that have finished leave the batch. Costs that are not convex are planned with the
    nearest convex model; the answer is then a local optimum.

    Where the start has no slope (zero actions at a pendulum that hangs) the model promises nothing, though the cost may
    fall on both sides. A plan that stops at its start, or where the cost is not convex, is therefore looked at with all
    second derivatives, unless derivatives were given with the problem: at a saddle or a maximum `converged` is false
    and `reason` says so. Other `starts` lead away from it.

    Raises TypeError or ValueError for input of the wrong type, shape or range, and NonFiniteError, naming step and
    problem, where the given actions lead to states, costs or derivatives that are not finite.
    """
    check_input("x0", x0, ("B", "n"), None, None)
    check_input("actions", actions, ("B", "T", "m"), len(x0), None, None)
    if starts is not None:
        check_input("starts", starts, ("S", "B", "T", "m"), None, *actions.shape)
    with torch.no_grad():
        low, high = (bound if bound.ndim == 1 else bound.transpose(0, 1) for bound in problem.box(actions))
        inside = actions.to(x0).transpose(0, 1).clamp(low, high)
        context = expand_context(problem, inside.shape[0], len(x0))
        states, cost = first_plan(problem, x0, inside, context)
        if starts is None:
            work = _State.at(states, inside, cost, context, low, high)
            return _improve(problem, work, len(x0), iterations, tolerance)
        many = len(starts) + 1
        tried = starts.to(x0).transpose(1, 2).clamp(low, high).transpose(0, 1).flatten(1, 2)  # [T, S B, m]
        tried = torch.cat([inside, tried], 1)
        context = None if context is None else context.repeat(1, many, 1)
        states = rollout(problem, x0.repeat(many, 1), tried)
        cost = total_cost(problem, states, tried, context)
        usable = states.isfinite().flatten(2).all(2).all(0) & cost.isfinite()
        everyone = torch.arange(len(cost), device=cost.device)
        rows = torch.where(usable, everyone, everyone % len(x0))
        bounds = (b if b.ndim == 1 or b.shape[1] == 1 else b.repeat(1, many, 1) for b in (low, high))
        work = _State.at(states[:, rows], tried[:, rows], cost[rows], context, *bounds)
        return _improve(problem, work, len(x0), iterations, tolerance).best_of(many)


@dataclass(frozen=True)
class _State:
    """Time-first trajectories of some problems, their active sets int8 [T, B, m] and mu [B], and what is theirs alone.

    low, high: [m] or [T, B, m], where T and B may be 1. index: the rows of all that these are, [B].
    """

    states: Tensor
    actions: Tensor
    cost: Tensor
    active: Tensor
    mu: Tensor
    context: Tensor | None
    low: Tensor
    high: Tensor
    index: Tensor

    @staticmethod
    def at(states: Tensor, actions: Tensor, cost: Tensor, context: Tensor | None, low: Tensor, high: Tensor) -> _State:
        """All problems at their first trajectories."""
        active, index = torch.zeros_like(actions, dtype=torch.int8), torch.arange(len(cost), device=cost.device)
        return _State(states, actions, cost, active, torch.zeros_like(cost), context, low, high, index)

    def take(self, index: Tensor) -> _State:
        return _State(
            self.states[:, index],
            self.actions[:, index],
            self.cost[index],
            self.active[:, index],
            self.mu[index],
            None if self.context is None else self.context[:, index],
            _of(self.low, index),
            _of(self.high, index),
            self.index[index],
        )

    def put(self, part: _State) -> _State:
        """These with the trajectories of some replaced."""
        return replace(
            self,
            states=self.states.index_copy(1, part.index, part.states),
            actions=self.actions.index_copy(1, part.index, part.actions),
            cost=self.cost.index_copy(0, part.index, part.cost),
        )


def _of(bound: Tensor, index: Tensor) -> Tensor:
    """A bound of some of the problems."""
    return bound if bound.ndim == 1 or bound.shape[1] == 1 else bound[:, index]


def _improve(problem: Problem, everything: _State, batch: int, iterations: int, tolerance: float) -> Plan:
    """Plans of all rows; row r belongs to problem r % batch."""
    device = everything.cost.device
    counts = torch.zeros_like(everything.index)
    reason = [f"no convergence in {iterations} iterations"] * len(counts)
    work, first = everything, everything.cost
    for count in range(iterations + 1):
        model = _model(problem, work, batch)
        policy = model.policy
        solved = policy.gain.isfinite() & policy.settled
        optimal = solved & (policy.gain <= tolerance * (1 + work.cost.abs()))
        stuck = ~optimal & (work.mu > LAST_MU)
        finished = optimal | stuck
        if bool(finished.any()):
            still = work.cost == first[work.index]
            saddle = _saddles(problem, work, model, optimal & (model.bent | still))
            for text, which in (
                ("converged", optimal & ~saddle),
                (SADDLE, optimal & saddle),
                ("no step lowers the cost", stuck),
            ):
                for number in work.index[which].tolist():
                    reason[number] = text
            everything = everything.put(work)
            keep = (~finished).nonzero().squeeze(1)
            work, policy = work.take(keep), policy.take(keep)
        if not len(work.index) or count == iterations:
            break
        counts[work.index] += 1
        work = _step(problem, work, policy)
    everything = everything.put(work)
    return Plan(
        everything.states.transpose(0, 1).contiguous(),
        everything.actions.transpose(0, 1).contiguous(),
        everything.cost,
        torch.tensor([text == "converged" for text in reason], device=device),
        counts,
        tuple(reason),
    )


@dataclass(frozen=True)
class _Model:
    """The quadratic model around a trajectory, as it is, and the policy that solves its nearest convex one.

    joint [T, B, n, n + m]; slope, bend of the cost; last_slope, last_bend of the final cost; bent [B], whether the
    model had to be made convex.
    """

    joint: Tensor
    slope: Tensor
    bend: Tensor
    last_slope: Tensor
    last_bend: Tensor
    bent: Tensor
    policy: Policy


def _model(problem: Problem, now: _State, batch: int) -> _Model:
    """Model the problem around the present trajectory and solve the model."""
    joint = linearize(problem, now.states, now.actions)
    slope, bend = quadratize(problem, now.states, now.actions, now.context)
    last_slope, last_bend = quadratize_final(problem, now.states[-1], now.context)
    last, numbers = len(now.actions), now.index % batch
    demand_finite("the derivative of dynamics", "at", joint, index=numbers)
    for derivative, name in ((slope, "derivative"), (bend, "second derivative")):
        demand_finite(f"the {name} of cost", "at", derivative, index=numbers)
    for derivative, name in ((last_slope, "derivative"), (last_bend, "second derivative")):
        demand_finite(f"the {name} of final_cost", "at", derivative[None], first=last, index=numbers)
    convex_bend, indefinite = convex(bend)
    convex_last, last_indefinite = convex(last_bend)
    steps, count, n, both = joint.shape
    transition = joint.new_zeros(steps, count, 1 + n, 1 + both)
    transition[..., 0, 0] = 1
    transition[..., 1:, 1:] = joint
    stage = _homogeneous(slope, convex_bend)
    stage[..., 1 + n :, 1 + n :] += torch.diag_embed(now.mu[:, None].expand(count, both - n))
    final = _homogeneous(last_slope, convex_last)
    policy = solve(transition, stage, final, now.low - now.actions, now.high - now.actions, now.active, problem.boxed)
    bent = indefinite.any(0) | last_indefinite
    return _Model(joint, slope, bend, last_slope, last_bend, bent, policy)


def _saddles(problem: Problem, now: _State, model: _Model, doubtful: Tensor) -> Tensor:
    """Which of the `doubtful` problems [B] are stationary without being at a minimum: bool [B].

    The second derivative of J in the free actions is that of cost + p' f along the trajectory, p the costates; it is
    positive where every Q_uu of its elimination is. Entries that the box holds are not free.
    """
    saddle = torch.zeros_like(doubtful)
    if not bool(doubtful.any()) or problem.linearize is not None or problem.quadratize is not None:
        return saddle
    which = doubtful.nonzero().squeeze(1)
    part, joint, n = now.take(which), model.joint[:, which], now.states.shape[2]
    costate, costates = model.last_slope[which], []
    for slope, across in zip(reversed(model.slope[:, which].unbind(0)), reversed(joint.unbind(0)), strict=True):
        costates.append(costate)
        costate = slope[:, :n] + (across[..., :n].mT @ costate.unsqueeze(2)).squeeze(2)
    bend = model.bend[:, which] + bend_of_dynamics(problem, part.states, part.actions, torch.stack(costates[::-1]))
    free = (model.policy.active[:, which] == 0).to(bend.dtype)
    value, least = model.last_bend[which], torch.full_like(part.cost, torch.inf)
    bound = -max(FLAT, 128 * torch.finfo(least.dtype).eps)
    for t in range(len(joint) - 1, -1, -1):
        q = bend[t] + joint[t].mT @ value @ joint[t]
        mask = free[t].unsqueeze(2) * free[t].unsqueeze(1)
        quu, qux = q[:, n:, n:] * mask, q[:, n:, :n] * free[t].unsqueeze(2)
        scale = q.abs().amax((1, 2)) + torch.finfo(q.dtype).tiny
        least = torch.minimum(least, torch.linalg.eigvalsh(quu)[:, 0] / scale)
        value = q[:, :n, :n] - qux.mT @ torch.linalg.pinv(quu, rtol=1e-9, hermitian=True) @ qux
        value = torch.where(least[:, None, None] < bound, 0, (value + value.mT) / 2)
    saddle[which] = least < bound
    return saddle


def _homogeneous(slope: Tensor, bend: Tensor) -> Tensor:
    """The matrix of the quadratic form slope' z + 1/2 z' bend z in (1, z), doubled."""
    size = slope.shape[-1] + 1
    form = slope.new_zeros(*slope.shape[:-1], size, size)
    form[..., 0, 1:] = slope
    form[..., 1:, 0] = slope
    form[..., 1:, 1:] = bend
    return form


def _step(problem: Problem, now: _State, policy: Policy) -> _State:
    """Roll the policy out: the full step for all problems, then every smaller one at once for those that refuse it."""
    full = torch.ones(1, dtype=now.cost.dtype, device=now.cost.device)
    smaller = torch.tensor(STEP_SIZES[1:], dtype=now.cost.dtype, device=now.cost.device)
    states, actions, cost, accepted = _search(problem, now, policy, full)
    refused = (~accepted).nonzero().squeeze(1)
    if len(refused):
        found = _search(problem, now.take(refused), policy.take(refused), smaller)
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


def _search(problem: Problem, now: _State, policy: Policy, alphas: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The best of the step sizes for each problem: states, actions, cost, and whether it is accepted.

    Where none is accepted the present trajectory comes back.
    """
    steps, batch, m = now.actions.shape
    tries = len(alphas)
    offset = now.actions[:, None] + alphas[:, None, None] * policy.gains[:, None, :, :, 0]
    offset = offset.reshape(steps, tries * batch, m, 1)
    feedback = policy.gains[..., 1:].repeat(1, tries, 1, 1)
    old = now.states.repeat(1, tries, 1)
    bounds = [_at_every_step(bound, steps, tries) for bound in (now.low, now.high)]
    x = old[0]
    states, actions = [x], []
    parts = zip(old.unbind(0), offset.unbind(0), feedback.unbind(0), *bounds, strict=False)
    for t, (bar, k, gain, low, high) in enumerate(parts):
        u = torch.baddbmm(k, gain, (x - bar).unsqueeze(2)).squeeze(2).clamp(low, high)
        x = problem.dynamics(x, u, *at_step(problem, t, u))
        actions.append(u)
        states.append(x)
    new_states, new_actions = torch.stack(states), torch.stack(actions)
    repeated = None if now.context is None else now.context.repeat(1, tries, 1)
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


def _at_every_step(bound: Tensor, steps: int, tries: int) -> Sequence[Tensor]:
    """A bound step by step, for `tries` rows of every problem."""
    if bound.ndim == 1:
        return [bound] * steps
    return (bound if bound.shape[1] == 1 else bound.repeat(1, tries, 1)).expand(steps, -1, -1).unbind(0)
