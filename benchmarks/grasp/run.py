"""Grasping unknown objects: `python -m benchmarks.grasp --model geometry_grasp,grasp_cnn`.

A model sees one RGBD picture and learns from tried grasps how they ended; on objects it has never met it is asked to tell
successes from failures (tables 1 and 2 of Yan et al. 2017) and to lead from failed grasps to successes (table 3), with
steps taken at random as the control. The data sets are generated first, one for every seed, the same for all models.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from agents import GraspPlanner
from benchmarks.grasp.figures import draw_figures
from benchmarks.grasp.generate import Generation, generate
from benchmarks.grasp.generate import describe as describe_data
from benchmarks.grasp.own import OwnObject, own_objects, own_set
from benchmarks.grasp.plan import episodes, plan_at_once, plan_greedily, scenes_of
from benchmarks.grasp.report import summary
from benchmarks.grasp.scores import by_category, judge, outcome_scores, shape_scores
from benchmarks.grasp.set import GraspSet, read_set
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Precise, Sweep, Trial, check_keys
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe
from borders import Count, Natural, Positive, checked
from borders.files import home
from envs.grasp.objects import CATEGORIES, library
from representations import fit, load, make, save
from representations.devices import Precision
from representations.parts.grasping import facing

MODELS = ("geometry_grasp", "grasp_cnn")
CONTROL = "random"
OWN_SCENES = 4  # places of each of one's own objects
SEEN_ELEVATIONS = (15, 45)


@checked
@dataclass(frozen=True)
class GraspJob(Trial, Precise):
    """One model on one seed."""

    model: str = "geometry_grasp"
    data: str = ""
    """The folder of one data set, for every seed; generated there if it is new. Unless told, `data_sets` under runs/."""
    objects: Count | str = 101
    """How many of the 101 objects, spread over the categories; or a folder of meshes or URDFs, on which is planned as well."""
    scale: Positive = 1.0
    """What makes metres of the lengths in these files: 0.001 for millimetres."""
    grasps: Count = 8080
    """Grasps in all, about: every object gets the same whole number of scenes."""
    per_scene: Count = 20
    """Grasps in a scene, around one demonstration."""
    data_seed: Natural = 0
    """Seed of the data set, or of the first."""
    data_sets: Count = 3
    """How many data sets seeds take in turn: seed s the one of data_seed + s modulo so many."""
    azimuths: Count = 2
    """Directions from which every scene is seen, at each of the four elevations."""
    batch: Count = 16
    """Pictures a step; in learning outcomes each with all grasps of its scene."""
    shape_batch: Count = 8
    """Pictures a step in learning shapes."""
    views: Count = 2
    """Views of the scene that a shape is compared with, for each picture."""
    shape_steps: Natural = 400
    """Steps of learning shapes."""
    outcome_steps: Natural = 500
    """Steps of learning outcomes."""
    joint_steps: Natural = 0
    """Steps of both together, end to end, behind the others."""
    precision: Precision = "bfloat16"
    """float32, bfloat16 or auto, for training."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by model."""
    repeats: Count = 2
    """Planning episodes for each scene of a novel object."""
    attempts: Count = 20
    """Steps of a planning episode."""
    directions: Count = 10
    """Random directions that a step chooses from."""

    def __post_init__(self) -> None:
        """Refuse what would fail only after training."""
        if isinstance(self.objects, str) and not home(self.objects).is_dir():
            raise ValueError(f"objects must be a number or a folder of meshes or URDFs, got {self.objects!r}")
        if self.of_library < 2 * len(CATEGORIES):
            raise ValueError(f"objects must be at least {2 * len(CATEGORIES)}, one novel and one seen of each category")

    @property
    def of_library(self) -> int:
        """How many objects of the library are learned from and tested on; beside one's own as many as there are grasps for."""
        if isinstance(self.objects, str):
            return min(len(library()), self.grasps // self.per_scene)
        return self.objects

    def own(self) -> tuple[OwnObject, ...]:
        """The objects of one's own."""
        return own_objects(home(self.objects), self.scale) if isinstance(self.objects, str) else ()


def generation(job: GraspJob, engine: str = "local", workers: int = 0) -> Generation:
    """The data set of a job."""
    settings = Generation(job.of_library, job.grasps, job.per_scene, job.data_seed, engine, workers)
    return dataclasses.replace(settings, out=home(job.data or f"runs/grasp_data-{key_of(settings)}"))


def key_of(settings: Generation) -> str:
    """A short name for what a data set holds."""
    about = describe_data(settings)
    return f"{len(about['names'])}x{about['scenes']}x{about['per_scene']}-seed{about['seed']}"


def run(job: GraspJob, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, score, plan and draw one model on one seed; the result as `result.json` holds it."""
    timer = Timer()
    with timer("data"):
        everything = read_set(generation(job).out, job.azimuths, job.data_seed)
        own = own_set(job.own(), OWN_SCENES, job.per_scene, job.azimuths, job.data_seed) if job.own() else None
        seen, novel = (everything.take((everything.novel == want).nonzero()[:, 0]) for want in (False, True))
    generator = torch.Generator().manual_seed(1000 + job.seed)
    starts = episodes(novel, job.repeats, torch.Generator().manual_seed(job.data_seed))
    scores: dict[str, float] = {}
    model = None
    if job.model != CONTROL:
        model = _train(job, seen, folder, resume, timer)
        with timer("scoring"), torch.no_grad():
            logits = judge(model, novel)
            scores |= outcome_scores(logits, novel)
            scores |= shape_scores(model, novel) if job.model == "geometry_grasp" else {}
    planner = GraspPlanner(model, generator, job.directions)
    with timer("planning"), scenes_of(novel) as made:
        planned = plan_greedily(novel, made, starts, planner, job.attempts)
        if model is not None:
            scores["plan_at_once"] = plan_at_once(novel, made, starts, planner).float().mean().item()
    success = planned.within(job.attempts).float()
    scores |= {f"plan_{name}": success[at].mean().item() for name, at in by_category(novel, starts.scene)}
    scores |= {f"plan_{n}": planned.within(n).float().mean().item() for n in (1, 3, 5, 10) if n < job.attempts}
    scores["plan"] = success.mean().item()
    if own is not None:
        with timer("planning on own objects"), scenes_of(own) as made:
            starts_own = episodes(own, job.repeats, torch.Generator().manual_seed(job.data_seed))
            done = plan_greedily(own, made, starts_own, planner, job.attempts).within(job.attempts).float()
        names = [own.specs[int(scene)].name for scene in starts_own.scene]
        for name in dict.fromkeys(names):
            scores[f"plan_own_{name}"] = done[[other == name for other in names]].mean().item()
        scores["plan_own"] = done.mean().item()
    with timer("figures"), torch.no_grad():
        draw_figures(model, novel, starts, planned, folder)
    return describe("grasp", job, {name: scores[name] for name in sorted(scores)}, timer.seconds)


def _train(job: GraspJob, data: GraspSet, folder: Path, resume: bool, timer: Timer) -> Any:
    """The trained model, saved and read again."""
    torch.manual_seed(job.seed)
    model: Any = make(job.model, **job.settings.get(job.model, {}))
    usable = torch.isin(data.elevation[0], torch.tensor(SEEN_ELEVATIONS)).nonzero()[:, 0]
    options: dict[str, Any] = {"device": job.device, "resume": resume, "decay": True, "precision": job.precision}
    options |= {"log_every": 50, "checkpoint_every": 200, "progress": bar()}

    def pictures(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        scene = torch.randint(len(data.specs), (count,), generator=generator)
        view = usable[torch.randint(len(usable), (count,), generator=generator)]
        return scene, view, {"rgbd": data.rgbd[scene, view], "camera": data.camera[scene, view]}

    def shapes(generator: torch.Generator, count: int = job.shape_batch) -> dict[str, Tensor]:
        scene, _, batch = pictures(count, generator)
        return batch | _views(scene, generator)

    def _views(scene: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        other = usable[torch.randint(len(usable), (len(scene), job.views), generator=generator)]
        at = scene[:, None]
        views = {"view_camera": data.camera[at, other], "view_mask": data.mask[at, other]}
        return views | {"view_depth": data.rgbd[at, other, 3]}

    def grasps(scene: Tensor) -> dict[str, Tensor]:
        return {"pose": data.pose[scene], "opening": data.opening[scene], "success": data.reason[scene] == 0}

    def outcomes(generator: torch.Generator) -> dict[str, Tensor]:
        scene, view, batch = pictures(job.batch, generator)
        drawn = {name: value[scene, view].float() for name, value in cache.items()}
        return batch | drawn | grasps(scene)

    def both(generator: torch.Generator) -> dict[str, Tensor]:
        scene, _, batch = pictures(job.batch, generator)
        return batch | _views(scene, generator) | grasps(scene)

    def stage(name: str, batches: Any, steps: int, where: Path) -> None:
        if steps:
            model.stage = name
            with timer(f"training, {name}"):
                fit(model, batches, steps, torch.Generator().manual_seed(job.seed), where, **options)

    cache: dict[str, Tensor] = {}
    if job.model == "geometry_grasp":
        stage("shape", shapes, job.shape_steps, folder / "shape")
        if job.outcome_steps:
            with timer("local views"), torch.no_grad():
                cache = imagined(model.eval(), data, usable)
        stage("outcome", outcomes, job.outcome_steps, folder)
        stage("joint", both, job.joint_steps, folder / "joint" if job.outcome_steps else folder)
    else:  # as many steps of learning outcomes
        stage("outcome", outcomes, job.outcome_steps + job.joint_steps, folder)
    save(model.cpu(), folder / "model", "grasp")
    return load(folder / "model")


def imagined(model: Any, data: GraspSet, views: Tensor, batch: int = 16) -> dict[str, Tensor]:
    """What the shape stage gives to the outcome's: "code" [N, V, d] and "local" [N, V, G, 2, h, w] of all pictures.

    Half precision; views that are not asked for hold zeros. Drawn once, since the shape stands still.
    """
    count, seen = data.camera.shape[:2]
    device = next(model.parameters()).device
    code = torch.zeros(count, seen, model.code_size, dtype=torch.float16)
    local = torch.zeros(count, seen, data.pose.shape[1], 2, model.local, model.local, dtype=torch.float16)
    for view in views.tolist():
        for index in torch.arange(count).split(batch):
            rgbd, camera = data.rgbd[index, view].to(device), data.camera[index, view].to(device)
            found = model.encode(rgbd, camera)
            grid = model.voxel(found, rgbd, camera)
            code[index, view] = found.half().cpu()
            local[index, view] = model.local_views(grid, facing(camera), data.pose[index].to(device)).half().cpu()
    return {"code": code, "local": local}


def plan(own: Sweep, settings: dict[str, Any]) -> Plan:
    """The jobs of the command, and beside them the control."""
    models = own.models((*MODELS, CONTROL), ",".join(MODELS))
    check_keys("settings", settings["settings"], MODELS, "model")
    settings = settings | own.told
    GraspJob(**settings).own()  # before anything is generated

    def job(model: str, seed: int) -> GraspJob:
        one = GraspJob(**settings, model=model, seed=seed)
        return one if one.data else dataclasses.replace(one, data_seed=one.data_seed + seed % one.data_sets)

    jobs = [job(model, seed) for model in models for seed in own.all_seeds()]
    for model in models:
        if model != CONTROL:
            make(model, **jobs[0].settings.get(model, {}))
    controls = [job(CONTROL, seed) for seed in own.all_seeds()]
    return Plan(jobs, {"control": controls} if CONTROL not in models else {})


def prepare(own: Sweep, jobs: Plan) -> None:
    """Generate the data sets of the jobs, where they are new."""
    every = {one.out: one for one in (generation(job, own.engine, own.workers) for job in jobs.jobs)}
    for settings in every.values():
        generate(settings)


EXPERIMENT = Experiment("grasp", GraspJob, plan, run, summary, models=(*MODELS, CONTROL), prepare=prepare)
main = EXPERIMENT.main
