"""The ladder's tables, hypotheses, verdicts and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness.evidence import (
    HELPS,
    HURTS,
    SAME,
    UNKNOWN,
    Effect,
    effect,
    holm,
    interquartile,
    probability_of_improvement,
)
from benchmarks.harness.summary import Summary
from benchmarks.harness.table import Claim, Interval, Table
from benchmarks.ladder.figures import draw
from borders.files import read_yaml

RULES: dict[str, Any] = read_yaml(Path(__file__).parent / "hypotheses.yaml", "the hypotheses of the ladder")
MAIN = "ladder"
EXPLORED = 1000  # resamples of what no hypothesis asks
LABELS = {
    "placebo_ilqr": "placebo: full model, iLQR",
    "placebo_cem": "placebo: full model, CEM",
    "sparse_50": "sparse model, 50 transitions",
    "sparse_500": "sparse model, 500",
    "sparse_5000": "sparse model, 5,000",
    "factor_axes": "set one factor, by axes",
    "factor_readout": "set one factor, by a readout",
    "inverse_ridge": "inverse model, ridge",
    "inverse_network": "inverse model, network",
    "policy_area": "PPO, area under the curve",
    "policy_final": "PPO, last",
    "transfer_block_ridge": "new combinations, ridge",
    "transfer_block_network": "new combinations, network",
    "transfer_range_ridge": "new range, ridge",
    "transfer_range_network": "new range, network",
}
FACTOR_LABELS = {
    "dci_lasso": "DCI, lasso",
    "dci_forest": "DCI, forest",
    "mig": "MIG",
    "informativeness": "informativeness",
}
INTRODUCTION = (
    "Every code holds the true state, whitened; codes differ only in where their axes point. Scores are 0 for "
    "a random policy and 1 for an agent that knows the state, and are not clipped.",
    "The placebo consumer cannot see a rotation, by its mathematics; a signed permutation changes nothing for anybody. What "
    "differs between the aligned code and its Haar rotation for another consumer is what alignment does, and nothing else.",
    "An effect is a difference of scores, its mean over worlds; p is one-sided, by sign flips of the worlds' means; intervals "
    "are hierarchical bootstraps over worlds, codes with seeds, and episodes. 'Makes no difference' needs a 90 % interval in "
    f"+-{RULES['equivalence']:g}; where neither is shown, it was not measured well enough, and the smallest effect that would "
    "have been seen (power 0.8) says how well it was.",
)
Scores = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Runs:
    """The episodes' scores [seeds, episodes] by part, task, code and name; the numbers and factor scores of every run."""

    episodes: Mapping[str, Mapping[str, Mapping[str, Scores]]]
    numbers: Mapping[tuple[str, str, str], Sequence[Mapping[str, Any]]]
    factors: Mapping[tuple[str, str, str], Sequence[Mapping[str, float]]]

    def codes(self, part: str) -> list[str]:
        """The codes of a part, in the order of the ladder."""
        return list(next(iter(self.episodes[part].values())))

    def names(self, part: str) -> list[str]:
        """The scores of a part that have a label."""
        found = next(iter(next(iter(self.episodes[part].values())).values()))
        return [name for name in LABELS if name in found]

    def effect(self, part: str, better: str, worse: str, names: Sequence[str], resamples: int) -> Effect:
        """The effect of one code against another on the mean of some scores."""
        return effect(
            {
                task: np.mean([codes[better][name] - codes[worse][name] for name in names], axis=0)
                for task, codes in self.episodes[part].items()
            },
            resamples=resamples,
        )

    def grid(self, part: str, code: str, name: str) -> NDArray[np.float64]:
        """The mean scores of a code's runs: [worlds, seeds]."""
        return np.stack([codes[code][name].mean(1) for codes in self.episodes[part].values()])


def collect(jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> Runs:
    """The results by part, task and code."""
    rows: dict[str, dict[str, dict[str, dict[str, list[Any]]]]] = {}
    numbers: dict[tuple[str, str, str], list[Any]] = {}
    factors: dict[tuple[str, str, str], list[Any]] = {}
    for job, result in zip(jobs, results, strict=True):
        place = rows.setdefault(job.part, {}).setdefault(job.task, {}).setdefault(job.model, {})
        for name, values in result["scores"]["episodes"].items():
            place.setdefault(name, []).append(values)
        numbers.setdefault((job.part, job.task, job.model), []).append(result["scores"]["numbers"])
        factors.setdefault((job.part, job.task, job.model), []).append(result["scores"]["factors"])
    stacked = {
        part: {
            task: {code: {name: np.array(v) for name, v in found.items()} for code, found in codes.items()}
            for task, codes in tasks.items()
        }
        for part, tasks in rows.items()
    }
    return Runs(stacked, numbers, factors)


@dataclass(frozen=True)
class Tested:
    """A hypothesis with the effect of each of its scores; `p` of all of them together, `adjusted` after Holm."""

    name: str
    says: str
    effects: Mapping[str, Effect]
    p: float
    adjusted: float

    def claim(self) -> Claim:
        """The hypothesis as a claim: shown, not shown (no difference, or it hurts), or undecided."""
        verdicts = {
            label: found.verdict(RULES["equivalence"], RULES["level"], self.adjusted)
            for label, found in self.effects.items()
        }
        shown = True if set(verdicts.values()) == {HELPS} else None
        if any(word in (HURTS, SAME) for word in verdicts.values()):
            shown = False
        parts = [
            f"{label} {found.text()}: alignment {_spoken(verdicts[label])}; spread between worlds {found.spread:.3f}, "
            f"least effect to be seen {found.detectable:.3f}"
            for label, found in self.effects.items()
        ]
        evidence = f"p = {self.p:.2g}, after Holm {self.adjusted:.2g}; {'; '.join(parts)}"
        return Claim(f"{self.name}: {self.says}", shown, evidence)


def _spoken(verdict: str) -> str:
    """A verdict as what alignment does."""
    return "was not measured well enough" if verdict == UNKNOWN else verdict


def hypotheses(runs: Runs) -> list[Tested]:
    """What was written down beforehand, tested; Holm counts those that are tested elsewhere as p = 1."""
    found: dict[str, dict[str, Effect]] = {}
    for name, about in RULES["hypotheses"].items():
        codes = runs.codes(MAIN) if MAIN in runs.episodes else []
        wanted = [score for names in about.get("scores", {}).values() for score in names]
        here = about["part"] == MAIN and {about["better"], about["worse"]} <= set(codes)
        if here and set(wanted) <= set(runs.names(MAIN)):
            found[name] = {
                label: runs.effect(MAIN, about["better"], about["worse"], names, RULES["resamples"])
                for label, names in about["scores"].items()
            }
    raw = [max(e.p for e in found[name].values()) if name in found else math.nan for name in RULES["family"]]
    adjusted = dict(zip(RULES["family"], zip(raw, holm(raw), strict=True), strict=True))
    return [Tested(name, RULES["hypotheses"][name]["says"], found[name], *adjusted[name]) for name in found]


def checks(runs: Runs) -> list[Claim]:
    """What must come out, or the machinery is wrong."""
    claims = []
    for name, about in RULES["checks"].items():
        if MAIN not in runs.episodes or not {about["better"], about["worse"]} <= set(runs.codes(MAIN)):
            continue
        scores = [score for score in about["scores"] if score in runs.names(MAIN)]
        if not scores:
            continue
        gaps = {
            score: float((runs.grid(MAIN, about["better"], score) - runs.grid(MAIN, about["worse"], score)).mean())
            for score in scores
        }
        worst = max(gaps, key=lambda score: abs(gaps[score]))
        text = f"{name}: {about['better']} and {about['worse']} score alike within {about['within']:g}"
        evidence = f"largest mean difference {gaps[worst]:+.2g}, {LABELS[worst]}"
        claims.append(Claim(text, abs(gaps[worst]) <= about["within"], evidence))
    return claims


def ladder_table(runs: Runs, part: str) -> Table:
    """The mean over worlds of every code and consumer, with its hierarchical interval."""
    codes, names = runs.codes(part), runs.names(part)
    rows = []
    for name in names:
        cells = []
        for code in codes:
            found = effect({t: c[code][name] for t, c in runs.episodes[part].items()}, resamples=EXPLORED)
            cells.append(Interval(found.mean, found.low, found.high, (found.low, found.high, found.mean)).text(2))
        rows.append((LABELS[name], *cells))
    if part == MAIN:
        for score, label in FACTOR_LABELS.items():
            means = [
                np.mean([r[score] for task in runs.episodes[part] for r in runs.factors[part, task, code]])
                for code in codes
            ]
            rows.append((label, *(f"{mean:.2f}" for mean in means)))
    worlds = len(runs.episodes[part])
    return Table(
        f"{part}: score by consumer and code, mean [95 %] over {worlds} worlds", ("consumer", *codes), tuple(rows)
    )


def effects_table(runs: Runs, part: str) -> Table:
    """The aligned code against the others of a part, score by score (exploratory but for the hypotheses)."""
    rows = []
    for code in runs.codes(part)[1:]:
        for name in runs.names(part):
            found = runs.effect(part, "aligned", code, [name], EXPLORED)
            better = probability_of_improvement(runs.grid(part, "aligned", name), runs.grid(part, code, name))
            rows.append(
                (
                    f"{LABELS[name]}: aligned - {code}",
                    found.text(),
                    f"{found.p:.2g}",
                    f"{found.spread:.3f}",
                    f"{found.detectable:.3f}",
                    f"{better[0]:.2f} [{better[1]:.2f}, {better[2]:.2f}]",
                    found.verdict(RULES["equivalence"], RULES["level"]),
                )
            )
    columns = ("difference", "mean [95 %]", "p", "spread", "least to be seen", "P(improvement)", "alignment")
    return Table(f"{part}: what alignment does, unadjusted", columns, tuple(rows))


def worlds_table(tested: Sequence[Tested]) -> Table:
    """The effects behind the hypotheses, world by world."""
    columns = [(f"{t.name}, {label}", found) for t in tested for label, found in t.effects.items()]
    worlds = list(columns[0][1].worlds) if columns else []
    rows = [(world, *(f"{found.worlds[world]:+.3f}" for _, found in columns)) for world in worlds]
    return Table("aligned - haar by world", ("world", *(name for name, _ in columns)), tuple(rows))


def aggregates_table(runs: Runs) -> Table:
    """Interquartile means over worlds and seeds, and PPO's steps to its threshold, censored at the last step."""
    rows = []
    for code in runs.codes(MAIN):
        cells = []
        for name in ("sparse_50", "sparse_500", "factor_axes", "policy_area"):
            if name in runs.names(MAIN):
                mean, low, high = interquartile(runs.grid(MAIN, code, name))
                cells.append(f"{mean:.2f} [{low:.2f}, {high:.2f}]")
            else:
                cells.append("-")
        found = [n.get("policy_steps") for task in runs.episodes[MAIN] for n in runs.numbers[MAIN, task, code]]
        steps = [math.inf if value is None else value for value in found]
        median = float(np.median(steps))
        cells.append(f"{median:,.0f}" if math.isfinite(median) else "more than were given")
        cells.append(f"{sum(value is None for value in found)} of {len(found)}")
        rows.append((code, *cells))
    columns = (
        "code",
        "sparse, 50",
        "sparse, 500",
        "set one factor",
        "PPO's area",
        "median steps to 0.5",
        "never there",
    )
    return Table("interquartile means [95 %, stratified by world], and PPO's steps", columns, tuple(rows))


def transfer_table(runs: Runs) -> Table | None:
    """What a policy loses where it was not trained, against one that was, in the same tests."""
    names = [n for n in LABELS if n.startswith("transfer_") and n in runs.names(MAIN)]
    if not names:
        return None
    rows = []
    for code in runs.codes(MAIN):
        cells = []
        for name in names:
            found = effect(
                {t: c[code][name] - c[code][f"{name}_seen"] for t, c in runs.episodes[MAIN].items()}, resamples=EXPLORED
            )
            cells.append(found.text(2))
        rows.append((code, *cells))
    title = "transfer: score without what was held out in training, minus score with it, in the same tests"
    return Table(title, ("code", *(LABELS[name] for name in names)), tuple(rows))


def summary(out: Path, jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> Summary:
    """Tables, verdicts and figures."""
    runs = collect(jobs, results)
    tested = hypotheses(runs)
    tables = [ladder_table(runs, part) for part in runs.episodes]
    tables += [worlds_table(tested)] if tested else []
    tables += [aggregates_table(runs)] if MAIN in runs.episodes else []
    transfer = transfer_table(runs) if MAIN in runs.episodes else None
    tables += [transfer] if transfer else []
    tables += [effects_table(runs, part) for part in runs.episodes if "aligned" in runs.codes(part)]
    rows = {
        f"{part}, {code}": {
            name: _interval(effect({t: c[code][name] for t, c in tasks.items()}, resamples=EXPLORED))
            for name in runs.names(part)
        }
        for part, tasks in runs.episodes.items()
        for code in runs.codes(part)
    }
    return Summary(
        title="The ladder: does alignment help control?",
        introduction=INTRODUCTION,
        tables=tables,
        claims=[t.claim() for t in tested] + checks(runs),
        figures=draw(out, runs, tested, LABELS) if MAIN in runs.episodes else {},
        rows=rows,
        kept=tables[: len(runs.episodes) + 3],
        more={"seconds": _seconds(jobs, results)},
    )


def _interval(found: Effect) -> Interval:
    return Interval(found.mean, found.low, found.high, tuple(found.worlds.values()))


def _seconds(jobs: Sequence[Any], results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Seconds by part and phase, summed over the jobs: single jobs take seconds."""
    found: dict[str, dict[str, float]] = {}
    for job, result in zip(jobs, results, strict=True):
        place = found.setdefault(job.part, {})
        for phase, value in result["seconds"].items():
            place[phase] = round(place.get(phase, 0.0) + value, 2)
    return found
