"""The three tables of Yan et al. 2017 beside our own figures, what decides the claims, and the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.summary import Summary, by_row, first_figures, intervals
from benchmarks.harness.table import UP, Claim, Interval, Table, interval, over_seeds
from envs.grasp.objects import CATEGORIES

Scores = dict[str, Interval]
# Tables 1 and 2: accuracy in per cent by elevation, over the seven categories and all; table 3: success of planning.
PUBLISHED = {
    15: (
        ("baseline CNN", (72.81, 73.36, 73.26, 66.92, 72.23, 70.45, 66.13, 71.42)),
        ("geo-aware CNN", (78.83, 79.32, 77.60, 68.88, 78.25, 76.09, 73.69, 76.55)),
    ),
    45: (
        ("baseline CNN", (71.02, 74.16, 73.50, 63.31, 74.23, 72.70, 64.19, 71.32)),
        ("geo-aware CNN", (78.77, 80.63, 78.06, 70.13, 79.29, 77.52, 72.88, 77.25)),
    ),
    30: (
        ("baseline CNN", (71.15, 72.98, 71.65, 61.90, 71.01, 70.06, 61.88, 69.50)),
        ("geo-aware CNN", (79.17, 77.71, 77.23, 67.00, 75.95, 75.06, 70.66, 75.27)),
    ),
    60: (
        ("baseline CNN", (68.45, 73.05, 72.50, 61.27, 74.40, 71.30, 63.25, 70.18)),
        ("geo-aware CNN", (77.40, 78.52, 76.24, 68.13, 79.39, 76.15, 70.34, 75.76)),
    ),
}
PUBLISHED_PLANNING = (
    ("baseline CNN + CEM", (48.60, 64.28, 55.44, 45.99, 61.00, 53.97, 63.08, 55.85)),
    ("geo-aware CNN + CEM", (56.73, 68.84, 60.31, 50.09, 67.21, 59.87, 69.22, 61.46)),
)
ELEVATION_TABLES = (
    ("Table 1: accuracy of predicted outcomes, elevations seen in training, %", (15, 45)),
    ("Table 2: accuracy of predicted outcomes, novel elevations, %", (30, 60)),
)
EXTRA = (
    ("accuracy %", "accuracy", 1, 100.0),
    ("ROC area", "auc", 3, 1.0),
    ("balanced, collisions %", "balanced_collisions", 1, 100.0),
    ("balanced, other failures %", "balanced_others", 1, 100.0),
    ("voxel IoU", "iou", 3, 1.0),
    ("success in 1 step %", "plan_1", 1, 100.0),
    ("5 steps %", "plan_5", 1, 100.0),
    ("20 steps %", "plan", 1, 100.0),
    ("full CEM, 1 attempt %", "plan_at_once", 1, 100.0),
)
CAPTIONS = {
    "scene.png": "the scene: the seven categories from 15, 30, 45 and 60 degrees",
    "shapes.png": "novel objects as imagined, with the intersection over union, beside the true ones",
    "grasp.gif": "from a failed grasp (red) to success (green)",
}
INTRODUCTION = (
    "All figures are on 21 objects that no model has met, three of each category. Half of the grasps succeed, a quarter fail "
    "by a collision of the open gripper, a quarter otherwise; guessing gives 50 %. Published figures are on other objects.",
    "Planning starts at failed grasps; every step tries the best of 10 random directions, as the model judges, until success "
    "or 20 steps. random: a direction taken at random; it wanders into success, too, and is what a model must beat.",
    "balanced: the mean of the shares of successes and of failures of one kind that are told right. Full CEM: one attempt at "
    "what the cross-entropy method finds from the same failed grasp.",
)


def _cells(scores: Scores, names: Sequence[str], digits: int = 1) -> tuple[str, ...]:
    return tuple(scores[name].text(digits, 100) if name in scores else "-" for name in names)


def tables(by_model: dict[str, Scores]) -> list[Table]:
    """Tables 1 to 3 and one of what the paper does not print."""
    columns = ("method", *CATEGORIES, f"all{UP}")
    found = []
    for title, elevations in ELEVATION_TABLES:
        rows: list[tuple[str, ...]] = []
        for elevation in elevations:
            names = [*(f"accuracy_{elevation}_{category}" for category in CATEGORIES), f"accuracy_{elevation}"]
            rows += [(f"{name} ({elevation}), published", *map(str, v)) for name, v in PUBLISHED[elevation]]
            rows += [(f"{m} ({elevation})", *_cells(s, names)) for m, s in by_model.items() if "accuracy" in s]
        found.append(Table(title, columns, tuple(rows)))
    names = [*(f"plan_{category}" for category in CATEGORIES), "plan"]
    rows = [(f"{name}, published", *map(str, values)) for name, values in PUBLISHED_PLANNING]
    rows += [(f"{model} + CEM" if "accuracy" in s else model, *_cells(s, names)) for model, s in by_model.items()]
    ours, theirs = by_model.get("geometry_grasp"), by_model.get("grasp_cnn")
    if ours and theirs:
        shared = [(ours.get(name), theirs.get(name)) for name in names]
        gains = tuple(f"{100 * (a.mean / b.mean - 1):.1f}" if a and b and b.mean > 0 else "-" for a, b in shared)
        rows.append(("relative improvement, ours", *gains))
    found.append(Table("Table 3: planning on novel objects, success within 20 steps, %", columns, tuple(rows)))
    rows = [
        (model, *(scores[name].text(digits, scale) if name in scores else "-" for _, name, digits, scale in EXTRA))
        for model, scores in by_model.items()
    ]
    own = list(dict.fromkeys(name for s in by_model.values() for name in s if name.startswith("plan_own_")))
    if own:
        titles = (*(name.removeprefix("plan_own_") for name in own), f"all{UP}")
        mine = tuple((model, *_cells(s, [*own, "plan_own"])) for model, s in by_model.items())
        found.append(Table("Planning on objects of your own, success within 20 steps, %", ("method", *titles), mine))
    found.append(Table("Beyond the paper's tables", ("method", *(f"{title}{UP}" for title, *_ in EXTRA)), tuple(rows)))
    return found


def claims(by_model: dict[str, Scores]) -> list[Claim]:
    """What SYSTEMS asks for, decided by differences that are paired over seeds."""
    found = []
    ours, theirs = by_model.get("geometry_grasp"), by_model.get("grasp_cnn")
    if ours and theirs:
        for name, what in (("accuracy", "outcome accuracy"), ("plan", "success of planning")):
            apart = interval([a - b for a, b in zip(ours[name].values, theirs[name].values, strict=False)])
            text = f"geometry_grasp is better than grasp_cnn on novel objects in {what}, outside the interval"
            evidence = (
                f"{ours[name].text(1, 100)} against {theirs[name].text(1, 100)} %, difference {apart.text(1, 100)}"
            )
            found.append(Claim(text, len(apart.values) > 1 and apart.low > 0, evidence))
    control = by_model.get("random")
    for model, scores in by_model.items():
        if control and model != "random":
            apart = interval([a - b for a, b in zip(scores["plan"].values, control["plan"].values, strict=False)])
            evidence = f"{scores['plan'].text(1, 100)} against {control['plan'].text(1, 100)} %"
            text = f"{model}: planning beats steps taken at random"
            found.append(Claim(text, len(apart.values) > 1 and apart.low > 0, evidence))
    return found


def compact(by_model: dict[str, Scores]) -> Table:
    """What README shows: figures over all categories, the published ones above ours."""
    names = [*(f"accuracy_{elevation}" for elevation in PUBLISHED), "plan", "plan_1", "plan_at_once"]
    columns = (*(f"{elevation}°" for elevation in PUBLISHED), "20 steps", "1 step", "full CEM", "voxel IoU")
    rows: list[tuple[str, ...]] = []
    for number, (name, success) in enumerate(PUBLISHED_PLANNING):
        accuracies = (f"{PUBLISHED[elevation][number][1][-1]}" for elevation in PUBLISHED)
        rows.append((f"{name}, published", *accuracies, f"{success[-1]}", "-", "-", "-"))
    for model, scores in by_model.items():
        rows.append((model, *_cells(scores, names), scores["iou"].text(2) if "iou" in scores else "-"))
    return Table("", ("method", *columns), tuple(rows))


def summary(out: Path, jobs: Sequence[Any], results: Sequence[dict[str, Any]]) -> Summary:
    """Tables, claims and figures."""
    by_model = intervals(by_row(results))
    about = f"preset {jobs[0].preset}, {over_seeds(len({job.seed for job in jobs}))}"
    return Summary(
        title="Grasping unknown objects",
        introduction=INTRODUCTION,
        tables=[Table(f"{table.title}; {about}", table.columns, table.rows) for table in tables(by_model)],
        claims=claims(by_model),
        figures=first_figures(jobs, out, captions=CAPTIONS),
        rows=by_model,
        kept=[compact(by_model)],
    )
