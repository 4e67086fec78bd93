"""All scores of codes that theory knows: `python -m benchmarks.scores --world dsprites --encoder identity,rotation`.

Every table carries the rows of noise and of a random linear code: several scores are high for them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from jsonargparse import ActionYesNo, ArgumentParser
from rich.console import Console

from benchmarks.harness.report import write_report
from benchmarks.harness.runs import Timer, check_neighbours, describe, plain
from benchmarks.harness.table import Table, show
from benchmarks.metrics import ORACLES, PROTOCOLS, SCORES, score_oracle
from benchmarks.metrics.oracles import BASELINES
from envs import make_world
from representations.files import write_json

INTRODUCTION = (
    "Codes that theory knows. A cell is the mean over the metric seeds, in brackets the least and the greatest.",
    "noise and random_linear are codes that no learning made: several scores are high for them too.",
)


@dataclass(frozen=True)
class Scores:
    """What to score.

    Args:
        world: a name in envs.WORLDS.
        encoder: names of oracle codes, separated by commas.
        names: scores, separated by commas; empty for all.
        samples: factor rows in the pool.
        seeds: metric seeds behind each interval.
        seed: seed of the pool.
        code_size: dimensions of the constant, random, random_linear and pca codes.
        compat: give the published protocols' numbers instead of ours.
        out: folder for result.json and report.html; runs/scores-WORLD-SEED where not given.
    """

    world: str = "dsprites"
    encoder: str = "identity"
    names: str = ""
    samples: int = 10_000
    seeds: int = 3
    seed: int = 0
    code_size: int = 10
    compat: bool = False
    out: Path | None = None


def compute(settings: Scores) -> dict[str, Any]:
    """The content of result.json: `scores` holds one flat dict per encoder, the baselines last."""
    world = make_world(settings.world)
    encoders = [name for name in _listed(settings.encoder) if name not in BASELINES] + list(BASELINES)
    unknown = [name for name in encoders if name not in ORACLES]
    if unknown:
        raise ValueError(f"unknown encoder {unknown[0]!r}; the encoders are {', '.join(ORACLES)}")
    scores, timer = {}, Timer()
    for encoder in encoders:
        with timer(encoder):
            scores[encoder] = score_oracle(
                encoder,
                world,
                _listed(settings.names) or None,
                torch.Generator().manual_seed(settings.seed),
                code_size=settings.code_size,
                samples=settings.samples,
                seeds=settings.seeds,
                compat=settings.compat,
            )
    preset = "compat" if settings.compat else "default"
    about: Any = SimpleNamespace(model=",".join(encoders), preset=preset, seed=settings.seed)
    used = {name: pair[settings.compat] for name, pair in PROTOCOLS.items()}
    return describe("scores", about, scores, timer.seconds) | {"settings": plain(settings), "protocols": used}


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _score_of(key: str) -> str | None:
    """The score that a value of a result belongs to."""
    return next((name for name in sorted(SCORES, key=len, reverse=True) if key.startswith(name)), None)


def table(result: dict[str, Any], settings: Scores) -> Table:
    """A row per score and a column per encoder: mean, and in brackets the least and greatest over the metric seeds."""
    scores: dict[str, dict[str, float]] = result["scores"]
    protocol = "published protocols" if settings.compat else "our protocols"
    title = f"{settings.world}: {protocol}, {settings.samples} samples, {settings.seeds} metric seeds"
    columns = ("score", *({"random": "noise"}.get(encoder, encoder) for encoder in scores))
    keys = [key for key in next(iter(scores.values())) if _score_of(key) and not key.endswith(("_low", "_high"))]
    rows = tuple(
        (key, *(f"{row[key]:.3f} [{row[key + '_low']:.3f}, {row[key + '_high']:.3f}]" for row in scores.values()))
        for key in keys
    )
    return Table(title, columns, rows)


def protocols(result: dict[str, Any]) -> Table:
    """The model and protocol behind every score of a result."""
    used = {_score_of(key) for key in next(iter(result["scores"].values()))}
    rows = tuple((name, result["protocols"][name]) for name in SCORES if name in used)
    return Table("Protocols", ("score", "protocol"), rows)


def publish(result: dict[str, Any], settings: Scores, out: Path) -> None:
    """Write `result.json` and `report.html`; print the scores and the protocols behind them."""
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / "result.json", result)
    tables = [table(result, settings), protocols(result)]
    show(tables, ())
    write_report(out / "report.html", "Scores of known codes", INTRODUCTION, tables, (), {}, result["settings"])
    print(f"report: {out / 'report.html'}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, compute, write, print."""
    check_neighbours()
    parser = ArgumentParser(prog="python -m benchmarks.scores", description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", action="config", help="a YAML file with any of the settings")
    parser.add_class_arguments(Scores, as_group=False, skip={"compat"})
    parser.add_argument("--compat", action=ActionYesNo, default=False, help="give the published protocols' numbers")
    values = parser.parse_args(arguments).as_dict()
    values.pop("config")
    settings = Scores(**values)
    torch.set_num_threads(1)
    try:
        with Console().status(f"scoring {settings.encoder} on {settings.world}"):
            result = compute(settings)
    except ValueError as error:
        parser.error(str(error))
    publish(result, settings, Path(settings.out or f"runs/scores-{settings.world}-{settings.seed}"))
