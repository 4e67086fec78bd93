"""All scores of codes that theory knows: `python -m benchmarks.scores --world dsprites --encoder identity,rotation`.

Every table carries the rows of noise and of a random linear code: several scores are high for them too.
"""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import torch
from jsonargparse import ActionYesNo, ArgumentParser
from rich.console import Console
from rich.table import Table

from benchmarks.metrics import ORACLES, PROTOCOLS, SCORES, score_oracle
from benchmarks.metrics.oracles import BASELINES
from envs import make_world


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
        out: folder for result.json; runs/scores-WORLD-SEED where not given.
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


def compute(settings: Scores) -> dict[str, object]:
    """The content of result.json: `scores` holds one flat dict per encoder, the baselines last."""
    world = make_world(settings.world)
    encoders = [name for name in _listed(settings.encoder) if name not in BASELINES] + list(BASELINES)
    unknown = [name for name in encoders if name not in ORACLES]
    if unknown:
        raise ValueError(f"unknown encoder {unknown[0]!r}; the encoders are {', '.join(ORACLES)}")
    scores, seconds = {}, {}
    for encoder in encoders:
        start = time.perf_counter()
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
        seconds[encoder] = round(time.perf_counter() - start, 3)
    return {
        "benchmark": "scores",
        "model": ",".join(encoders),
        "preset": "compat" if settings.compat else "default",
        "seed": settings.seed,
        "settings": {key: str(value) if isinstance(value, Path) else value for key, value in asdict(settings).items()},
        "scores": scores,
        "protocols": {name: pair[settings.compat] for name, pair in PROTOCOLS.items()},
        "seconds": seconds,
        "versions": {name: version(name) for name in ("torch", "numpy", "scikit-learn", "scipy")},
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} threads",
    }


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def table(result: dict, settings: Scores) -> Table:
    """A row per score and a column per encoder: mean, and in brackets the least and greatest over the metric seeds."""
    rows: dict[str, dict[str, float]] = result["scores"]
    protocol = "published protocols" if settings.compat else "our protocols"
    title = f"{settings.world}: {protocol}, {settings.samples} samples, {settings.seeds} metric seeds"
    drawn = Table(title=title)
    drawn.add_column("score", no_wrap=True)
    for encoder in rows:
        drawn.add_column({"random": "noise"}.get(encoder, encoder), justify="right")
    for key in next(iter(rows.values())):
        name = next((name for name in sorted(SCORES, key=len, reverse=True) if key.startswith(name)), None)
        if name is None or key.endswith(("_low", "_high")):
            continue
        cells = [f"{row[key]:.3f} [{row[key + '_low']:.3f}, {row[key + '_high']:.3f}]" for row in rows.values()]
        drawn.add_row(key, *cells)
    return drawn


def protocols(result: dict) -> Table:
    """The model and protocol behind every score of a result."""
    keys = next(iter(result["scores"].values()))
    drawn = Table(box=None, show_header=False)
    for name in SCORES:
        if any(key.startswith(name) for key in keys):
            drawn.add_row(name, result["protocols"][name])
    return drawn


def main(arguments: Sequence[str] | None = None) -> None:
    """Parse, compute, write result.json, print."""
    parser = ArgumentParser(prog="python -m benchmarks.scores", description=__doc__, allow_abbrev=False)
    parser.add_argument("--config", action="config", help="a YAML file with any of the settings")
    parser.add_class_arguments(Scores, as_group=False, skip={"compat"})
    parser.add_argument("--compat", action=ActionYesNo, default=False, help="give the published protocols' numbers")
    values = parser.parse_args(arguments).as_dict()
    values.pop("config")
    settings = Scores(**values)
    torch.set_num_threads(1)
    console = Console()
    try:
        with console.status(f"scoring {settings.encoder} on {settings.world}"):
            result = compute(settings)
    except ValueError as error:
        parser.error(str(error))
    out = Path(settings.out or f"runs/scores-{settings.world}-{settings.seed}")
    out.mkdir(parents=True, exist_ok=True)
    (out / "result.json").write_text(json.dumps(result, indent=1, allow_nan=False))
    console.print(table(result, settings), protocols(result))
    print(f"written to {out / 'result.json'}")


if __name__ == "__main__":
    main()
