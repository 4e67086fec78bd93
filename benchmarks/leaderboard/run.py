"""The leaderboard: `python -m benchmarks.leaderboard`. Learned codes, scored on their factors and on what agents do with them.

A job is one row (a learner's setting, or a row of honesty) in one task with one seed: an encoder is trained on pictures, and
frozen; its code, and its own Haar rotation, go to the consumers of `benchmarks.metrics.control`. A finished job becomes a
line of the ledger, and is never run again by whoever has that file.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import representations
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.observations import Observations
from benchmarks.harness.options import Run, Sweep
from benchmarks.harness.pretraining import batches_of
from benchmarks.harness.progress import bar
from benchmarks.harness.rooms import CHECKOUT
from benchmarks.harness.runs import Timer, describe, plain
from benchmarks.leaderboard.measures import factor_scores, traversal
from benchmarks.leaderboard.pictures import Clearing, Pictures
from benchmarks.leaderboard.report import summary
from benchmarks.leaderboard.rows import HONESTY, LEARNERS, PIXELS, turned
from benchmarks.metrics.control import CONSUMERS, TASKS, Bench, ControlTask, Sizes, make_task, policy
from borders import Count, Natural, checked
from borders.files import append_line, read_log, write_json
from representations import MODELS, Predicts, Representation, fit
from representations.batches import Batches

OWN = "own"
ROWS = (*LEARNERS, *HONESTY, PIXELS)
Encode = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Options:
    """What the leaderboard can be told."""

    tasks: str = "all"
    """Tasks, separated by commas, or all."""
    numbers: int = 2
    """How many settings of every learner, found by random search."""
    own: str = ""
    """A saved model's folder, or several, separated by commas: each gets a row in every task whose pictures it takes."""
    honesty: bool = True
    """Whether there are rows of codes that no learning made."""
    consumers: list[str] = field(default_factory=list)
    """The consumers of a code."""
    rotated: list[str] = field(default_factory=list)
    """The consumers of a code's own Haar rotation."""
    repeated: list[str] = field(default_factory=list)
    """Learners whose first setting is trained with two more seeds, to see how far a row repeats."""
    held: bool = False
    """Whether encoders never see the combinations of factors that transfer holds out."""
    pictures: int = 20_000
    """How many pictures, and moves, an encoder is trained on."""
    steps: int = 800
    """Steps of its training."""
    batch: int = 64
    """Pictures a step."""
    sizes: dict[str, Any] = field(default_factory=dict)
    """Episodes and their length, data, and how long consumers learn."""
    ledger: str = ""
    """A file with a line for every finished job, which is read, and written to; none unless told."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Run):
    """One row (`model`: a learner or a row of honesty, with its setting's number) in one task with one seed."""

    task: str
    number: Natural
    settings: dict[str, Any]
    consumers: tuple[str, ...]
    rotated: tuple[str, ...]
    held: bool
    pictures: Count
    steps: Count
    batch: Count
    sizes: Sizes
    ledger: str

    def key(self) -> str:
        """What makes the job: all but the preset that asked for it and the file that it is noted in."""
        about = {name: value for name, value in plain(self).items() if name not in ("preset", "ledger")}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a command, task by task, those of a first setting first; ValueError for an unknown name."""
    tasks = tuple(TASKS) if options.tasks == "all" else tuple(options.tasks.split(","))
    for given, known, what in (
        (tasks, TASKS, "task"),
        ([*options.consumers, *options.rotated], CONSUMERS, "consumer"),
        (options.repeated, LEARNERS, "learner"),
        (options.sizes, {entry.name for entry in dataclasses.fields(Sizes)}, "size"),
    ):
        for name in given:
            if name not in known:
                raise ValueError(f"unknown {what} {name!r}; allowed are {', '.join(sorted(known))}")
    chosen = dataclasses.replace(own, model=own.model or "all").models(ROWS)
    learned = "policy" in options.consumers
    rows: list[tuple[str, int, dict[str, Any]]] = []
    for number in range(options.numbers):
        for name in chosen:
            if name in LEARNERS and (number == 0 or LEARNERS[name].searched):
                rows.append((name, number, LEARNERS[name].settings(number)))
            elif name not in LEARNERS and number == 0 and options.honesty and (name != PIXELS or learned):
                rows.append((name, 0, {}))
    rows += [(OWN, k, {"folder": folder}) for k, folder in enumerate(filter(None, options.own.split(",")))]
    seeds = own.all_seeds()
    again = range(seeds.stop, seeds.start + 3)
    trained = [(seed, *row) for seed in seeds for row in rows]
    trained += [(seed, *row) for seed in again for row in rows if row[0] in options.repeated and row[1] == 0]
    shared: dict[str, Any] = {"consumers": tuple(options.consumers), "rotated": tuple(options.rotated)}
    shared |= {name: getattr(options, name) for name in ("held", "pictures", "steps", "batch", "ledger")}
    shared |= {"sizes": Sizes(**options.sizes)}
    return [
        Job(name, own.preset, seed, task=task, number=number, settings=settings, **shared)
        for seed, name, number, settings in trained
        for task in tasks
    ]


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, freeze and score one row; its line goes to the ledger."""
    timer, began = Timer(), time.process_time()
    task = make_task(job.task)
    if job.model == PIXELS:
        with timer("training"):
            scores = pixel_scores(job, task)
    else:
        with timer("training"):
            encode = encoder(job, task, folder, resume)
        with timer("scoring"):
            scores = score_code(encode, task, job.seed, job.consumers, job.rotated, job.sizes)
    timer.seconds["cpu"] = round(time.process_time() - began, 3)
    result = describe("leaderboard", job, scores, timer.seconds)
    if job.ledger:
        line = {"key": job.key(), "row": plain(job), "result": result}
        ledger(job.ledger).parent.mkdir(parents=True, exist_ok=True)
        append_line(ledger(job.ledger), json.dumps(line))
    return result


def encoder(job: Job, task: ControlTask, folder: Path, resume: bool) -> Encode:
    """The frozen code of states that a job is about."""
    generator = torch.Generator().manual_seed(job.seed)
    avoid = task.block(Bench(task, torch.clone, job.seed).generator(7)) if job.held else None
    states = task.sample(job.pictures, generator, None if avoid is None else lambda named: ~avoid(named))
    if job.model == OWN:
        model = representations.load(job.settings["folder"]).eval()
        return frozen(lambda rows: model.encode(task.world.render(rows[:, : len(task.factors)].float())), states)
    learner = LEARNERS.get(job.model)
    see = Pictures(task, states, learner.sides if learner else 1)
    if learner is None:
        return HONESTY[job.model](see, states, job.seed)
    model, steps = build(job, see), max(1, round(learner.share * job.steps))
    options: dict[str, Any] = {"device": "cpu", "decay": True, "progress": bar()}  # float32: alike on all machines
    fit(model, _batches(job, model, see, states, steps), steps, generator, folder, resume=resume, **options)
    representations.save(model, folder / "model")
    return frozen(lambda rows: model.encode(see(rows)), states)


def _batches(job: Job, model: Representation, see: Pictures, states: Tensor, steps: int) -> Batches:
    """What a learner is shown: every move from every state, moves at random, or pictures that clear."""
    task, draw = see.task, torch.Generator().manual_seed(job.seed)
    if job.model == "icf":
        moves = torch.cat([torch.eye(task.action_size), -torch.eye(task.action_size)]).double()

        def enumerated(generator: torch.Generator) -> dict[str, Any]:
            rows = states[torch.randint(len(states), (job.batch,), generator=generator)]
            after = task.step(rows.repeat_interleave(len(moves), 0), moves.repeat(len(rows), 1), generator)
            places = torch.arange(len(rows) + len(after))
            nodes = (places[: len(rows), None], places[len(rows) :].view(len(rows), -1))
            allowed = torch.ones(len(rows), 1, len(moves), dtype=torch.bool)
            return {"pictures": see(torch.cat([rows, after])), "nodes": nodes, "allowed": (allowed,)}

        return enumerated
    if isinstance(model, Predicts) or not LEARNERS[job.model].searched:
        actions = 2 * torch.rand(len(states), task.action_size, generator=draw, dtype=torch.float64) - 1
        after = task.step(states, actions, draw)
        factors = states[:, : len(task.factors)].float()
        return batches_of(Observations(see(states), actions.float(), see(after), factors), task.world, model, job.batch)
    draws = steps * sum(player.repeats for player in model.objectives() if player.fresh)
    return Clearing(see(states), job.batch, draws, job.seed)


def build(job: Job, see: Pictures) -> Representation:
    """A new model of a job's learner and settings."""
    learner = LEARNERS[job.model]
    known = inspect.signature(MODELS[learner.model]).parameters
    moves = see.task.action_size
    steps = max(1, round(learner.share * job.steps))
    given = {"shape": see.shape, "steps": steps, "action_size": moves, "actions": 2 * moves}
    torch.manual_seed(job.seed)
    return representations.make(learner.model, **{k: v for k, v in given.items() if k in known} | job.settings)


def frozen(encode: Encode, states: Tensor) -> Encode:
    """A code of a task's states, shifted and scaled as a whole to a mean variance of 1."""

    @torch.no_grad()
    def raw(rows: Tensor) -> Tensor:
        return torch.cat([encode(part) for part in rows.split(500)]).double()

    seen = raw(states[:2000])
    middle, scale = seen.mean(0), seen.var(0).mean().sqrt().clamp(min=1e-9)
    return lambda rows: (raw(rows) - middle) / scale


def score_code(
    encode: Encode,
    task: ControlTask,
    seed: int = 0,
    consumers: Sequence[str] = ("placebo", "sparse", "factor", "inverse"),
    rotated: Sequence[str] = (),
    sizes: Sizes | None = None,
) -> dict[str, Any]:
    """The scores of any code: `encode` maps states float64 [n, S] of `task` to codes float64 [n, d].

    For a function of pictures give `lambda s: mine(task.world.render(s[:, :len(task.factors)].float())).double()`. Returns
    factor scores and confounders by name, `control` (means by score), and `rotated`, the same of the code's own Haar rotation.
    """
    bench = Bench(task, encode, seed, sizes)
    scores: dict[str, Any] = factor_scores(bench)
    scores["traversal"] = traversal(bench)
    scores["control"], scores["numbers"] = _control(bench, consumers)
    if rotated:
        size = encode(task.sample(2, torch.Generator().manual_seed(0))).shape[1]
        scores["rotated"], _ = _control(Bench(task, turned(encode, size, seed), seed, sizes), rotated)
    return scores


def pixel_scores(job: Job, task: ControlTask) -> dict[str, Any]:
    """The scores of a policy that reads the pictures itself: there is no code, so there is nothing but its curve."""
    see = Pictures(task, task.sample(job.pictures, torch.Generator().manual_seed(job.seed)))
    found = policy(Bench(task, see.flat, job.seed, job.sizes), see.shape)
    return {"control": {key: round(float(values.mean()), 5) for key, values in found.episodes.items()}}


def _control(bench: Bench, consumers: Sequence[str]) -> tuple[dict[str, float], dict[str, float | None]]:
    means: dict[str, float] = {}
    numbers: dict[str, float | None] = {}
    for name in consumers:
        found = CONSUMERS[name](bench)
        means |= {key: round(float(values.mean()), 5) for key, values in found.episodes.items()}
        numbers |= found.numbers
    return means, numbers


def ledger(name: str) -> Path:
    """The ledger's file; a relative name is below the checkout."""
    return CHECKOUT / Path(name).expanduser()


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command; each model can be built, and each model of one's own be loaded and see the pictures."""
    todo = jobs(own, Options(**values))
    for job in todo:
        if job.seed == todo[0].seed and (job.model in LEARNERS or job.model == OWN):
            task = make_task(job.task)
            if job.model == OWN:
                model = representations.load(job.settings["folder"])
                model.encode(task.world.render(task.world.sample(2, torch.Generator().manual_seed(0))))
            elif job.number == 0:
                build(
                    job, Pictures(task, task.sample(100, torch.Generator().manual_seed(0)), LEARNERS[job.model].sides)
                )
    return Plan(todo)


def restore(own: Sweep, planned: Plan) -> None:
    """Put the results of jobs that the ledger has into their folders, so that they are not run again."""
    path = planned.jobs[0].ledger
    if not (own.resume and path and ledger(path).exists()):
        return
    known = {line["key"]: line["result"] for line in read_log(ledger(path), "a ledger", ("key", "row", "result"))}
    out = Path(own.out).expanduser() if own.out else Path("runs") / EXPERIMENT.default_name(own, planned.jobs)
    for job, folder in planned.placed(out):
        if job.key() in known and not (folder / "result.json").exists():
            write_json(folder / "result.json", known[job.key()] | {"preset": job.preset})


EXPERIMENT = Experiment("leaderboard", Options, plan, run, summary, models=ROWS, fixed=("device",), prepare=restore)
main = EXPERIMENT.main
