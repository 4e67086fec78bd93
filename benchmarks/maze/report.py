"""The tables, the claims and the report of the maze benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness.summary import Summary, by_row, first_figures, intervals
from benchmarks.harness.table import Claim, Interval, Table, interval, over_seeds
from benchmarks.harness.words import WAYS
from benchmarks.metrics import SCORES

MAZE_ROWS = (
    ("modes of h' - h", "modes", 1, 1.0, "4 (figure 2)"),
    ("variations that are their mode's move %", "mode_purity", 1, 100.0, "-"),
    ("unit moves among the modes", "moves_found", 1, 1.0, "4 (figure 2)"),
    ("changes of state that are 5 % of the variations", "kinds", 1, 1.0, "several (figure 3)"),
    ("changes h' - h nearest to their kind's mean %", "clustered", 1, 100.0, "all (figure 5)"),
    ("h + that mean names the next state %", "added", 1, 100.0, "shown for one action (figure 5)"),
    ("selectivity, nats", "selectivity", 3, 1.0, "-"),
    ("predicted code names the next state %", "predicted_state", 1, 100.0, "-"),
    ("error a pixel, decoded prediction", "predicted_pixels", 5, 1.0, "-"),
    ("error a pixel, unchanged picture", "same_pixels", 5, 1.0, "-"),
    ("error a pixel, reconstruction", "reconstruction", 5, 1.0, "-"),
    ("goal reached by adding factor vectors %", "composed", 1, 100.0, "shown for one pair (figure 5)"),
    ("its steps over the fewest possible", "detour", 2, 1.0, "-"),
    ("goal reached by adding them, nearer with each %", "greedy", 1, 100.0, "-"),
    ("goal reached by one sequence, not looking again %", "sequence", 1, 100.0, "-"),
    ("goal reached by iLQR on T %", "ilqr", 1, 100.0, "-"),
    ("goal reached by CEM on T %", "cem", 1, 100.0, "-"),
    ("goal reached by random actions %", "dither", 1, 100.0, "-"),
)
DIGIT_ROWS = (
    ("correlation of x1 with its feature", "corr_x1", 3, 1.0, "almost linear (figure 4)"),
    ("correlation of y1 with its feature", "corr_y1", 3, 1.0, "almost linear (figure 4)"),
    ("correlation of x2 with its feature", "corr_x2", 3, 1.0, "almost linear (figure 4)"),
    ("correlation of y2 with its feature", "corr_y2", 3, 1.0, "almost linear (figure 4)"),
    ("features that do it", "features_used", 1, 1.0, "4"),
    ("selectivity, nats", "selectivity", 3, 1.0, "-"),
    ("actions that are a policy's favourite", "actions_named", 1, 1.0, "-"),
    ("probability of the favourite", "policy_share", 3, 1.0, "-"),
)
CAPTIONS = {
    "figure_2.png": "changes h' - h of the code, coloured by the action, with their density; the codes of all states",
    "predictions.png": "a state, its reconstruction, the decoded prediction for a factor, and what its policy led to",
    "policies.png": "pi(a | h, phi): the chance of every action, a row for each of some factors, in four states",
    "composed.gif": "runs to a goal by adding factor vectors: the state above, the goal below",
    "features.png": "every feature, its mean and deviation, as a function of each true coordinate (figure 4)",
}
INTRODUCTION = (
    "The paper prints no figures, only pictures; they stand in the last column.",
    "Modes are those of mean shift, with at least 5 % of 1,000 variations, in which moves allows only actions that change "
    "something, as the paper does there. R2 is that of the true factor, linear in the code.",
    "A goal is reached if the state is the goal's within 6 times the maze's side of steps. The composed runs look ahead, and "
    "at the code after every step; the sequence is written down once and then followed.",
)


def _rows(scores: dict[str, Interval]) -> list[tuple[str, str, str]]:
    chosen = DIGIT_ROWS if "corr_x1" in scores else MAZE_ROWS
    rows = [(text, scores[name].text(digits, scale), said) for text, name, digits, scale, said in chosen]
    r2 = [(f"R2 of {name[3:]}", found.text(3), "-") for name, found in scores.items() if name.startswith("r2_")]
    if chosen is MAZE_ROWS:
        least = scores["corr_least"].text(3)
        r2.append(("least correlation of a factor with its own feature", least, "axes disentangled (figure 2)"))
    return rows + r2


def _all_scores(by_model: dict[str, dict[str, Interval]]) -> Table:
    names = dict.fromkeys(
        name
        for scores in by_model.values()
        for name in scores
        if name.startswith(tuple(SCORES)) and not name.endswith(("_low", "_high"))
    )
    rows = tuple(
        (name, *(scores[name].text(3) if name in scores else "-" for scores in by_model.values())) for name in names
    )
    return Table(f"Scores of h against the true factors; {WAYS}", ("score", *by_model), rows)


def _at_least(text: str, found: Interval, bar: float, what: str = "mean", also: bool = True) -> Claim:
    """A claim that every seed reaches `bar`, and `also` holds."""
    worst = min(found.values)
    return Claim(text, worst >= bar and also, f"{what} {found.text(3)}, worst seed {worst:.3f}")


def claims(jobs: Sequence[Any], by_model: dict[str, dict[str, Interval]]) -> list[Claim]:
    """What is claimed of both models, decided by these runs."""
    found = []
    ours = by_model.get("icf")
    if ours and jobs[0].experiment == "moves":
        seeds = ours["modes_match"].values
        evidence = f"{sum(seeds):.0f} of {len(seeds)} seeds; {ours['modes'].text(1)} modes"
        found.append(Claim("icf: the modes of h' - h match the four moves", min(seeds) == 1, evidence))
        least = [min(pair) for pair in zip(ours["r2_row"].values, ours["r2_column"].values, strict=True)]
        text = "icf: (x, y) of the agent is linear in h, R2 at least 0.95"
        found.append(_at_least(text, interval(least), 0.95, "least of both axes"))
        text = "icf: x and y of the agent are each recovered by one feature, absolute correlation at least 0.9"
        found.append(_at_least(text, ours["corr_least"], 0.9, "least of both", min(ours["features_used"].values) == 2))
    if ours and jobs[0].experiment == "switches":
        text = "icf: every change is one cluster of h' - h: at least 95 % nearest to their kind's mean"
        found.append(_at_least(text, ours["clustered"], 0.95))
        text = "icf: h + the mean of a kind of change names the next state, at least 90 %"
        found.append(_at_least(text, ours["added"], 0.9))
    if ours and jobs[0].experiment == "steps":
        text = "icf: T(h, phi) names the state after three steps of the policy, at least 90 %"
        found.append(_at_least(text, ours["predicted_state"], 0.9))
        text = "icf: factors make at least 4 kinds of change, each at least 5 % of the variations"
        found.append(_at_least(text, ours["kinds"], 4))
    if ours:
        text = f"icf: goal reached by adding factor vectors in at least 90 % of {jobs[0].pairs} pairs"
        found.append(_at_least(text, ours["composed"], 0.9))
    digits = by_model.get("icf_discrete")
    if digits:
        text = "icf_discrete: x1, y1, x2, y2 each recovered by one feature, absolute correlation at least 0.9"
        four = min(digits["features_used"].values) == 4
        found.append(_at_least(text, digits["corr_least"], 0.9, "least of the four", four))
    return found


def summary(out: Path, jobs: Sequence[Any], results: Sequence[dict[str, Any]]) -> Summary:
    """Tables, claims and figures."""
    by_model = intervals(by_row(results))
    about = f"recipe {jobs[0].recipe}, preset {jobs[0].preset}; {over_seeds(len({job.seed for job in jobs}))}"
    tables = []
    for model, scores in by_model.items():
        where = f"experiment {jobs[0].experiment}" if model == "icf" else f"digit grid {jobs[0].cells}x{jobs[0].cells}"
        tables.append(Table(f"{model}, {where}, {about}", ("measure", "ours", "published"), (*_rows(scores),)))
    tables.append(_all_scores(by_model))
    return Summary(
        title="Independently controllable factors",
        introduction=INTRODUCTION,
        tables=tables,
        claims=claims(jobs, by_model),
        figures=first_figures(jobs, out, captions=CAPTIONS),
        rows=by_model,
    )
