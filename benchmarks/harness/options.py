"""Options that benchmarks share, each stated and checked once: of every command, of every job, of trainings and scores."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Interval

from benchmarks.harness.engines import Engine
from benchmarks.metrics.scoring import chosen_scores
from borders import Count, Natural, Share, checked
from representations import MODELS
from representations.devices import Precision, choose_device

Batch = Annotated[int, Interval(ge=2, le=10**6)]


@dataclass(frozen=True)
class Common:
    """What every benchmark can be told."""

    preset: str = "default"
    """quick (seconds, to see that everything runs), default (minutes on two cores) or paper (the paper's sizes)."""
    seed: int | None = None
    """The first seed; given alone, the only one."""
    seeds: int | None = None
    """How many seeds; 3 unless told."""
    device: str = "auto"
    """auto, cpu or cuda."""
    out: str | None = None
    """The run's folder; a new one below runs/ unless told."""
    engine: str = "local"
    """local (processes on this machine) or ray."""
    workers: int = 0
    """Jobs at a time; 0 for one per core."""
    ray_address: str = ""
    """With --engine ray: the cluster's address, such as auto; a cluster of this machine alone unless told."""
    gpus_per_job: float | None = None
    """With --engine ray: GPUs, or a share of one, for every job."""
    retries: int = 2
    """With --engine ray: how often a job runs again whose worker was lost."""
    shard: str = ""
    """i/n runs every n-th job, from the i-th, and no report; the same command without it merges what shards left."""
    resume: bool = True
    """Keep finished jobs and continue broken ones; with --no-resume everything starts anew."""

    def all_seeds(self) -> range:
        """The seeds to run."""
        first = self.seed or 0
        count = self.seeds if self.seeds is not None else (3 if self.seed is None else 1)
        if count < 1:
            raise ValueError(f"seeds must be at least 1, got {count}")
        return range(first, first + count)

    @property
    def told(self) -> dict[str, str]:
        """What every job is told: the preset's name, and where it computes."""
        return {"preset": self.preset, "device": self.device}

    def chosen_engine(self) -> Engine:
        """Where jobs are computed; ValueError for an engine that is unknown, misused or not installed."""
        engine = Engine(self.engine, self.workers, self.ray_address, self.gpus_per_job, self.retries)
        engine.check()
        return engine

    def part(self) -> slice:
        """Which of the jobs are this shard's, all without one."""
        if not self.shard:
            return slice(None)
        found = re.fullmatch(r"(\d+)/(\d+)", self.shard)
        if not found or not 1 <= int(found[1]) <= int(found[2]):
            raise ValueError(f"shard must be i/n with i from 1 to n, such as 2/8, got {self.shard!r}")
        return slice(int(found[1]) - 1, None, int(found[2]))


@dataclass(frozen=True)
class Sweep(Common):
    """What a benchmark of several models can be told, whatever it trains."""

    model: str = ""
    """A model, a comma list of them, or all."""

    def models(self, known: Sequence[str], default: str = "all") -> tuple[str, ...]:
        """The chosen models, those of `default` unless told; ValueError lists the known ones, nearest first."""
        wanted = self.model or default
        chosen = tuple(known) if wanted == "all" else tuple(listed(wanted))
        for name in chosen:
            if name not in known:
                raise ValueError(f"unknown model {name!r}; the models are {', '.join(nearest(name, known))}, or all")
        return chosen


@dataclass(frozen=True)
class Timed(Common):
    """What a benchmark can be told whose jobs are timed: they run one at a time, and again with every command."""

    workers: int = 1
    """Jobs at a time; more than one disturb each other's times."""
    resume: bool = False
    """Keep what was measured before."""


ALONE = ("seeds", "device")  # what a benchmark without trainings does not take
TOGETHER = (*ALONE, "workers", "engine", "ray_address", "gpus_per_job", "retries", "shard")  # and one of this machine


@checked
@dataclass(frozen=True)
class Run:
    """What every job says: which model it is of, by which preset and seed."""

    model: str = ""
    preset: str = "default"
    seed: Natural = 0


@checked
@dataclass(frozen=True)
class Trial(Run):
    """A job that says where it computes, too."""

    device: str = "auto"


@checked
@dataclass(frozen=True, kw_only=True)
class Precise:
    """What a training can be told that may compute in half precision."""

    precision: Precision = "float32"
    """float32, bfloat16, or auto: bfloat16 where the processor is faster in it."""


@checked
@dataclass(frozen=True, kw_only=True)
class Graphed:
    """What a training can be told whose steps a GPU can record."""

    graphed: bool = False
    """On a GPU: record a step as a CUDA graph and replay it, several times as fast for small networks."""


@checked
@dataclass(frozen=True, kw_only=True)
class Decaying:
    """What a training can be told that may end in small steps."""

    decay: bool = True
    """Take every learning rate linearly to zero."""
    steady: Share = 0.0
    """The share of the training for which they stay as they are before."""


@checked
@dataclass(frozen=True, kw_only=True)
class Repeated:
    """What a benchmark can be told whose scores are drawn at random."""

    metric_seeds: Count = 3
    """Metric seeds behind every score."""


@checked
@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a benchmark can be told that computes scores of codes; ValueError for an unknown one."""

    scores: str = ""
    """Scores, separated by commas; all unless told."""

    def __post_init__(self) -> None:
        """Refuse what would fail only after training."""
        chosen_scores(self.names)

    @property
    def names(self) -> list[str]:
        """The scores that are asked for."""
        return listed(self.scores)


def listed(text: str) -> list[str]:
    """The entries of a comma list."""
    return [name.strip() for name in text.split(",") if name.strip()]


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known words, the most similar to `word` first."""
    return sorted(known, key=lambda other: -difflib.SequenceMatcher(None, word, other).ratio())


def check_graphed(graphed: bool, device: str) -> None:
    """Raise ValueError where steps are to be recorded and there is no GPU to replay them."""
    if graphed and (found := choose_device(device)).type != "cuda":
        raise ValueError(f"graphed needs a GPU, got {found}")


def check_keys(option: str, given: Mapping[str, Any], known: Iterable[str], what: str) -> None:
    """Raise ValueError with the right form where the dictionary of an option has a name in it that is not known."""
    known = tuple(known)
    for name, value in given.items():
        if name not in known:
            nested = isinstance(value, dict)
            place = known[0] if nested else f"{what.upper()}.{name}"
            raise ValueError(
                f"{option} are given by {what}, {', '.join(nearest(name, known) if nested else known)}, got {name!r}: "
                f"write --{option}.{place} {'...' if nested else value}"
            )


@contextmanager
def settings_of(model: str) -> Iterator[None]:
    """Inside, what a learner says against its settings names the option that gives them."""
    try:
        yield
    except (TypeError, ValueError) as error:
        named = str(error).partition(" ")[0]
        name = named if model in MODELS and named in inspect.signature(MODELS[model]).parameters else "NAME"
        raise ValueError(f"{error} (--settings.{model}.{name} VALUE)") from error


def check_batch(batch: int, least: int) -> None:
    """Raise ValueError where a batch is larger than the least number of pictures that a model learns from."""
    if batch > least:
        raise ValueError(f"batch must be at most pictures, got {batch}, {least}")
