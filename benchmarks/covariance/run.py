"""The covariance penalty: `python -m benchmarks.covariance --model all --experiment projection,xor,pictures`.

    projection   4 independent numbers, turned by a random projection into 10, by a linear autoencoder of 10 units; the
                 penalty's weight runs over `weights`                                                  (section 3.2)
    xor          two hidden layers of four logistic units learn the exclusive or                       (section 3.3)
    pictures     a convolutional autoencoder with 84 units, on the teapot at 32 x 32, or on CIFAR-10 with
                 `--data FOLDER`; `--curve true` repeats it over weights                               (section 3.4)

covariance_penalty is L_Sigma, l1 its baseline, none the network without a penalty (Kågebäck & Mogren 2018).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import representations
from benchmarks.covariance.report import summary
from benchmarks.harness.autoencoding import sheet
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Precise, Sweep, Trial, check_keys, listed
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe
from benchmarks.metrics import cvr, mapc, tdv, ud90
from borders import Count, NonNegative, checked
from borders.files import write_npz
from borders.files.pictures import write_figure
from envs.files.cifar10 import load_cifar10
from envs.objects3d import Objects3D
from representations import fit
from representations.devices import Precision, choose_device
from representations.model import levels, pixels

PENALTIES = {"covariance_penalty": "covariance", "l1": "l1", "none": "covariance"}
EXPERIMENTS = ("projection", "xor", "pictures")
SPREADS = (1.0, 1.2, 1.4, 1.6)  # standard deviations of the four numbers that are projected
TRUTH = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ODD = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
ACTIVE = 0.01  # share of its layer's variance from which a unit counts as active
BATCH = 500
TEAPOT: dict[str, Any] = {"side": 32, "exposure": 2.0, "gamma": 2.2}


@checked
@dataclass(frozen=True)
class Size:
    """How long one experiment trains, and on how much."""

    steps: Count
    batch: Count
    samples: Count = 10_000


@checked
@dataclass(frozen=True)
class Options(Precise):
    """What the three experiments can be told."""

    experiment: str = "all"
    """projection, xor, pictures, a comma list of them, or all."""
    data: str = ""
    """A folder with CIFAR-10's binary files; the teapot at 32 x 32 unless told."""
    curve: bool = False
    """Repeat the pictures' experiment over the weights of `curves`."""
    weights: list[float] = field(default_factory=list)
    """The penalty's weights in the projection experiment."""
    curves: list[float] = field(default_factory=list)
    """The penalty's weights in the pictures' experiment, with --curve true."""
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Steps, batch and samples by experiment."""
    omega: str = "orthogonal"
    """The random 10 x 4 matrix of the projection: orthogonal (columns, as long as normal ones are) or normal (entries)."""
    precision: Precision = "float32"
    """float32, bfloat16 or auto, for the pictures' experiment."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings of the learner by experiment."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Trial, Precise):
    """One network of one experiment with one penalty, its weight, and one seed."""

    experiment: str
    weight: NonNegative
    size: Size
    data: str
    settings: dict[str, Any]
    omega: str = "orthogonal"


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError for an unknown model or experiment, or nothing to run."""
    chosen = EXPERIMENTS if options.experiment == "all" else tuple(listed(options.experiment))
    unknown = [name for name in chosen if name not in EXPERIMENTS]
    if unknown:
        raise ValueError(f"unknown experiment {unknown[0]!r}; the experiments are {', '.join(EXPERIMENTS)}, or all")
    for option in ("settings", "sizes"):
        check_keys(option, getattr(options, option), EXPERIMENTS, "experiment")
    for name, size in options.sizes.items():
        wrong = [key for key in size if key not in ("steps", "batch", "samples")]
        if wrong or min(size.values()) < 1:
            raise ValueError(f"sizes of {name} are steps, batch and samples, each at least 1, got {size}")
    if options.omega not in ("orthogonal", "normal"):
        raise ValueError(f"omega must be orthogonal or normal, got {options.omega!r}")
    models = own.models(tuple(PENALTIES))
    found = []
    for experiment in chosen:
        shared: dict[str, Any] = {**own.told, "experiment": experiment}
        shared |= {"size": Size(**options.sizes[experiment]), "settings": options.settings.get(experiment, {})}
        shared |= {"data": options.data if experiment == "pictures" else "", "omega": options.omega}
        shared |= {"precision": options.precision if experiment == "pictures" else "float32"}
        for model in models:
            weights = {"projection": options.weights, "xor": [0.2], "pictures": [0.08]}[experiment]
            if experiment == "pictures" and options.curve:
                weights = options.curves
            if experiment == "xor" and model == "l1":
                continue  # the paper compares with no penalty only
            for weight in [0.0] if model == "none" else weights:
                found += [Job(model, seed=seed, weight=weight, **shared) for seed in own.all_seeds()]
    if not found:
        raise ValueError("l1 has no part in xor, where the paper compares with no penalty only")
    return found


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and draw one job in `folder`; the result as `result.json` holds it."""
    timer = Timer()
    with timer("data"):
        train, test = DATA[job.experiment](job)
    torch.manual_seed(job.seed)
    model = build(job)
    with timer("training"):
        device = choose_device(job.device)
        source = {name: rows.to(device) for name, rows in train.items()}

        def batches(generator: torch.Generator) -> Any:
            chosen = torch.randint(len(source["x"]), (job.size.batch,), generator=generator)
            rows = {name: values[chosen.to(device)] for name, values in source.items()}
            return rows if job.experiment == "xor" else rows["x"]

        options: dict[str, Any] = {
            "device": job.device,
            "resume": resume,
            "precision": job.precision,
            "progress": bar(),
        }
        options |= {"decay": job.experiment != "xor"}  # units are let go late, at full steps
        fit(model, batches, job.size.steps, torch.Generator().manual_seed(job.seed), folder, **options)
        drawn = job.experiment == "pictures" and not job.data
        representations.save(model, folder / "model", "objects3d" if drawn else "", TEAPOT)
    model = representations.load(folder / "model")
    with timer("scoring"), torch.no_grad():
        scores = xor_scores(model, folder) if job.experiment == "xor" else code_scores(model, test, job, folder)
    return describe("covariance", job, scores, timer.seconds)


def build(job: Job) -> Any:
    """The job's learner."""
    settings: dict[str, Any] = {"penalty": PENALTIES[job.model], "weight": job.weight} | job.settings
    if job.experiment == "xor":
        return representations.make("covariance_classifier", **settings)
    settings |= {"shape": (10,), "code_size": 10} if job.experiment == "projection" else {"shape": (3, 32, 32)}
    return representations.make("covariance_penalty", **settings)


def projected(job: Job) -> tuple[dict[str, Tensor], Tensor]:
    """Rows x = Omega z [n, 10] to train on and as many to test on; the seed gives Omega, the same for every penalty.

    The paper looks for "the principal components of the original data": with orthogonal columns those of x are z, and each
    holds over 10 % of the variance, so that 90 % of it take four. Of normal matrices only one in ten leaves four.
    """
    generator = torch.Generator().manual_seed(job.seed)
    omega = torch.randn(10, len(SPREADS), generator=generator)
    if job.omega == "orthogonal":
        omega = torch.linalg.qr(omega).Q * len(omega) ** 0.5
    hidden = torch.randn(2 * job.size.samples, len(SPREADS), generator=generator) * torch.tensor(SPREADS)
    train, test = (hidden @ omega.T).chunk(2)
    return {"x": train}, test


def pictures(job: Job) -> tuple[dict[str, Tensor], Tensor]:
    """Pictures uint8 [n, 3, 32, 32] to train on and to test on: CIFAR-10's two splits, or the teapot's."""
    if job.data:
        train, test = (load_cifar10(split, job.data)[0] for split in ("train", "test"))
        return {"x": train}, test
    world = Objects3D(**TEAPOT)
    counts = (job.size.samples, max(job.size.samples // 5, BATCH))
    train, test = (world.render(world.sample(n, torch.Generator().manual_seed(k))) for k, n in enumerate(counts))
    return {"x": train}, test


def exclusive_or(job: Job) -> tuple[dict[str, Tensor], Tensor]:
    """The four examples, inputs [4, 2] and targets [4, 1]."""
    return {"x": TRUTH, "y": ODD}, TRUTH


DATA: dict[str, Callable[[Job], tuple[dict[str, Tensor], Tensor]]] = {
    "projection": projected,
    "xor": exclusive_or,
    "pictures": pictures,
}


def code_scores(model: Any, test: Tensor, job: Job, folder: Path) -> dict[str, float]:
    """The error and the four scores of the code's covariance on test rows; draws what pictures become."""
    decoded, codes = [], []
    for batch in test.split(BATCH):
        codes.append(model.encode(batch))
        decoded.append(model.decode(codes[-1]))
    code = torch.cat(codes)
    error = model.error(torch.cat(decoded), test)
    variance = model.span**2 * (pixels(test) if job.experiment == "pictures" else test).var()
    if job.experiment == "pictures":
        seen = [test[:10], levels(decoded[0][:10])]
        write_figure(sheet(seen, ["seen", "decoded"]), folder / "reconstructions.png")
    scores = {"mse": error.item(), "share": (error / variance).item(), "mapc": mapc(code), "cvr": cvr(code)}
    return scores | {"tdv": tdv(code, len(SPREADS)), "ud90": float(ud90(code))}


def xor_scores(model: Any, folder: Path) -> dict[str, float]:
    """Whether the four examples are right, and how many units of each hidden layer are active; keeps covariances."""
    layers = model.layers(TRUTH)
    matrices = [np.cov(layer.numpy(), rowvar=False) for layer in layers]
    write_npz(folder / "layers.npz", {f"arr_{k}": matrix for k, matrix in enumerate(matrices)})
    right = ((model.classify(TRUTH) > 0.5) == (ODD > 0.5)).float().mean().item()
    counts = {f"active_{k + 1}": float(active(layer)) for k, layer in enumerate(layers)}
    return {"accuracy": right} | counts


def active(layer: Tensor) -> int:
    """How many units of a layer [n, units] hold at least 1 % of the layer's variance; none in a constant layer."""
    variance = layer.var(0)
    total = variance.sum()
    return int((variance >= ACTIVE * total).sum()) if total > 1e-8 else 0


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command, each of which can be built, on data that can be read."""
    options = Options(**values)
    todo = jobs(own, options)
    for job in todo:
        build(job)
    if options.data:
        load_cifar10("test", options.data)
    return Plan(todo)


EXPERIMENT = Experiment("covariance", Options, plan, run, summary, models=tuple(PENALTIES), errors=(OSError,))
main = EXPERIMENT.main
