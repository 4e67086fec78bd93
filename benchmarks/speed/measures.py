"""What is measured: pictures drawn, environments moved, problems planned, codes scored, a network trained.

Every group is one function from the settings to rows; a row is one figure, run one way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import gymnasium as gym
import numpy as np
import torch
from threadpoolctl import threadpool_limits

import envs as _register  # noqa: F401
from benchmarks.harness.engines import ENGINES
from benchmarks.harness.timing import Rate, Work, rate, rates_beside, timed
from benchmarks.metrics import ORACLES, PROTOCOLS, SCORES
from benchmarks.metrics.scoring import Pool, draw_pool
from benchmarks.speed.clips import clips
from benchmarks.speed.locally_linear import LocallyLinear, generated, read
from benchmarks.speed.prediction import predicted_clips
from benchmarks.speed.rows import ONE, TWO_PROCESSES, TWO_THREADS, Bar, Row, Sizes
from benchmarks.speed.scaling import EFFICIENCY, scaling
from benchmarks.speed.sentences import SHARE, sentences
from benchmarks.speed.training import training
from envs import make_world
from planners import Plan, ilqr

SINGLE = "disco/Planar-v0"
HORIZON = 40


def drawing(world: str, sizes: Sizes) -> Work:
    """Drawing one batch of pictures of random factors."""
    made = make_world(world)
    rows = made.sample(sizes.batch, sizes.generator())
    return Work(lambda: made.render(rows), sizes.batch)


def single(sizes: Sizes) -> Work:
    """Steps of one environment as `gym.make` gives it, wrappers and resets included."""
    env = gym.make(SINGLE)
    env.reset(seed=sizes.seed)
    env.action_space.seed(sizes.seed)
    actions = [env.action_space.sample() for _ in range(sizes.single_steps)]

    def steps() -> None:
        for action in actions:
            _, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                env.reset()

    return Work(steps, sizes.single_steps)


def vectorised(sizes: Sizes, name: str = SINGLE) -> Work:
    """Steps of a natively batched environment with pictures; on the planar map a whole episode, its resets included."""
    env = gym.make_vec(name, num_envs=sizes.num_envs)
    env.reset(seed=sizes.seed)
    env.action_space.seed(sizes.seed)
    actions = [env.action_space.sample() for _ in range(sizes.vector_steps)]

    def steps() -> None:
        for action in actions:
            env.step(action)

    return Work(steps, sizes.num_envs * sizes.vector_steps)


WORLDS = {
    "dsprites": "looking the sprite's rows up in a table",
    "multi_sprites": "blending one layer of colour per sprite",
    "objects3d": "spans of the meshes' triangles against a depth buffer",
    "shape_motion": "three channels of every pixel written",
    "switch_maze": "looking the pictures up in a table, and the switches' cells in another",
    "digit_grid": "shrinking the digits and placing their ink",
    "faces": "thirty shapes a face, each laid over the last",
}


def worlds(sizes: Sizes) -> list[Row]:
    """Pictures a second of the renderers."""
    return _spread(
        {f"{name}, pictures": (partial(drawing, name, sizes), "", limit) for name, limit in WORLDS.items()}, sizes
    )


def environments(sizes: Sizes) -> list[Row]:
    """Steps a second of the planar environment, alone and as a batch, and of the maze as a batch, pictures included."""
    elsewhere = "MiniGrid 64x64x3: 1,900; PCC's planar: 19,600"
    found = rate(partial(single, sizes), sizes.repeats)
    limit = "Gymnasium's wrappers and the info dict, in Python"
    row = Row("planar, one environment", ONE, "steps/s", found.clock, found.processor, elsewhere, limit)
    elsewhere = "envpool Procgen maze 64x64x3, 64 environments: 22,800"
    limit = "looking the pictures up in a table, and copying them"
    batches = {
        f"{name}, {sizes.num_envs:,} environments": (partial(vectorised, sizes, env), elsewhere, limit)
        for name, env in (("planar", SINGLE), ("switch_maze", "disco/SwitchMaze-v0"))
    }
    return [row, *_spread(batches, sizes, "steps/s")]


def _spread(
    works: Mapping[str, tuple[Callable[[], Work], str, str]], sizes: Sizes, unit: str = "pictures/s"
) -> list[Row]:
    """Every work on one thread, on two, and in two processes at the same time."""
    makes = [make for make, _, _ in works.values()]
    found: dict[str, list[Rate]] = {
        ONE: [rate(make, sizes.repeats) for make in makes],
        TWO_THREADS: [rate(make, sizes.repeats, threads=2) for make in makes],
        TWO_PROCESSES: rates_beside(makes, sizes.repeats, 2),
    }
    return [
        Row(name, run_as, unit, rates[place].clock, rates[place].processor, elsewhere, limit)
        for place, (name, (_, elsewhere, limit)) in enumerate(works.items())
        for run_as, rates in found.items()
    ]


def planners(sizes: Sizes) -> list[Row]:
    """Milliseconds a problem of iLQR on a boxed locally linear model, by batch size, derivatives given or not."""
    most = max(sizes.problems)
    problem = read(sizes.ilqr) if sizes.ilqr else generated(most, HORIZON, sizes.generator())
    if len(problem.x0) < most:
        raise ValueError(f"{problem.source} holds {len(problem.x0)} starts; {most} are needed")
    return [_planned(problem, n, supplied, sizes.repeats) for n in sizes.problems for supplied in (True, False)]


def planned_figure(n: int, supplied: bool) -> str:
    """What the figure of `n` problems is called."""
    return f"iLQR, {n} problems, derivatives {'given' if supplied else 'automatic'}"


def _planned(given: LocallyLinear, n: int, supplied: bool, repeats: int) -> Row:
    problem, zeros = given.problem(supplied), torch.zeros(n, given.horizon, 2, dtype=torch.float64)
    plans: list[Plan] = []

    def call() -> None:
        plans.append(ilqr(problem, given.x0[:n], zeros))

    cost = timed(call, repeats)
    plan = plans[-1]
    how = f"{given.source}: {plan.iterations.double().mean():.1f} iterations, "
    how += f"{plan.converged.double().mean():.0%} converged, mean J {plan.cost.mean():.3f}"
    elsewhere = "mpc.pytorch 44 (17 iterations), crocoddyl 19 (3)" if n == 32 else "mpc.pytorch 13"
    name = planned_figure(n, supplied)
    return Row(name, ONE, "ms/problem", 1000 * cost.clock / n, 1000 * cost.processor / n, elsewhere, how)


# CPU seconds of the common protocols elsewhere, without encoding, and how many times faster ours should be.
SCORE_SECONDS = {
    "dci_boosted": (290.0, 20),
    "modularity": (2.2, 5),
    "beta_vae_fixed": (1.2, 5),
    "sap": (0.9, 5),
    "factor_vae": (0.7, 5),
    "mig": (0.14, 5),
}
COMMON = "{}, common protocol"


def known_codes(n: int, generator: torch.Generator) -> Pool:
    """`n` codes of ten dimensions, a random linear map of dSprites' factors, without pictures."""
    world = make_world("dsprites")
    return draw_pool(ORACLES["random_linear"](world, 10, generator), world, n, generator, view=lambda factors: factors)


def scores(sizes: Sizes) -> list[Row]:
    """Seconds of every score, one metric seed, on one thread of every library: by our protocol, and by the common one.

    The common protocol (`compat`) is timed where it was timed elsewhere.
    """
    pool = known_codes(sizes.codes, sizes.generator())
    rows = []
    for name, measure in SCORES.items():
        for compat in (False, True) if name in SCORE_SECONDS else (False,):
            with threadpool_limits(1):
                cost = timed(partial(measure, pool, np.random.default_rng(sizes.seed), compat), sizes.repeats)
            figure = COMMON.format(name) if compat else name
            elsewhere = f"{SCORE_SECONDS[name][0]:g}" if compat else ""
            rows.append(Row(figure, ONE, "s", cost.clock, cost.processor, elsewhere, PROTOCOLS[name][compat]))
    return rows


def grasping(sizes: Sizes) -> list[Row]:
    """Attempts, pictures and projections a second; physics is loaded only for this."""
    from benchmarks.speed.grasp import measure

    return measure(sizes)


GROUPS: dict[str, Callable[[Sizes], list[Row]]] = {
    "worlds": worlds,
    "environments": environments,
    "planners": planners,
    "scores": scores,
    "training": training,
    "sentences": sentences,
    "clips": lambda sizes: [*clips(sizes), *predicted_clips(sizes)],
    "grasping": grasping,
    "scaling": scaling,
}
ASKED = ("scaling",)  # groups that are measured only when named: five minutes of both cores

BARS = (
    Bar("dsprites, pictures", 100_000, "dsprites: 100,000 pictures a second on two cores"),
    Bar("multi_sprites, pictures", 20_000, "multi_sprites: 20,000 pictures a second on two cores"),
    Bar("objects3d, pictures", 2_000, "objects3d: 2,000 pictures a second on two cores"),
    Bar("faces, pictures", 5_000, "faces: 5,000 pictures a second on two cores"),
    Bar("shape_motion, pictures", 20_000, "shape_motion: 20,000 frames a second on two cores"),
    Bar("planar, one environment", 20_000, "planar: 20,000 steps a second of one environment"),
    Bar("planar, 1,024 environments", 200_000, "planar: 200,000 steps a second as a batch on two cores"),
    Bar("switch_maze, 1,024 environments", 100_000, "switch_maze: 100,000 steps a second as a batch on two cores"),
    *(
        Bar(
            planned_figure(32, supplied), 2, f"{planned_figure(32, supplied)}: at most 2 ms of processor time a problem"
        )
        for supplied in (True, False)
    ),
    *(
        Bar(
            COMMON.format(name),
            seconds / times,
            f"{COMMON.format(name)}: at least {times} times less than the {seconds:g} s needed elsewhere",
        )
        for name, (seconds, times) in SCORE_SECONDS.items()
    ),
    *(
        Bar(f"beta_vae 64x64x1, batch 64, {precision}: share", 95, f"fit: 95 % of a bare loop's speed in {precision}")
        for precision in ("float32", "bfloat16")
    ),
    *(
        Bar(
            EFFICIENCY.format(name),
            90,
            f"a sweep by {name}: two workers at 90 % of twice one worker's speed, on jobs of half a minute",
        )
        for name in ENGINES
    ),
    Bar(SHARE, 90, "fit of sentences: 90 % of a bare loop's speed, fused recurrent kernels in both"),
    Bar("fit in bfloat16, of the plain float32 loop", 180, "fit in bfloat16: 1.8 times a plain float32 loop's speed"),
)
