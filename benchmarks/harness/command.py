"""The command line of every benchmark, made from its dataclasses.

Values come from, in rising order: the dataclass, the preset (`presets.yaml` in the benchmark's room), `--config FILE`,
the options.
"""

from __future__ import annotations

import dataclasses
import difflib
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import yaml
from jsonargparse import ActionYesNo, ArgumentParser

from benchmarks.harness.rooms import ROOMS
from benchmarks.harness.runs import check_neighbours

UNKNOWN = "unrecognized arguments: "


class Parser(ArgumentParser):
    """A parser that answers an unknown option with the known ones, nearest first."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Print the message and exit with status 2."""
        if message.startswith(UNKNOWN):
            word = message.removeprefix(UNKNOWN).split()[0].partition("=")[0]
            known = [action.option_strings[-1] for action in self._actions if action.option_strings]
            message = f"unknown option {word!r}; the options are {', '.join(nearest(word, known))}"
        sys.stderr.write(f"error: {message}\n")
        self.exit(2)


def nearest(word: str, known: Iterable[str]) -> list[str]:
    """The known words, the most similar to `word` first."""
    return sorted(known, key=lambda other: -difflib.SequenceMatcher(None, word, other).ratio())


@contextmanager
def plain_errors(*more: type[Exception]) -> Iterator[None]:
    """Inside, what a user got wrong (TypeError, ValueError or one of `more`) ends the program with its message alone."""
    expected: tuple[type[Exception], ...] = (TypeError, ValueError, *more)
    try:
        yield
    except expected as error:
        raise SystemExit(f"error: {error}") from error


@dataclass(frozen=True)
class Sweep:
    """What every benchmark can be told, whatever it trains."""

    model: str = ""
    """A model, a comma list of them, or all."""
    preset: str = "default"
    """quick (seconds), default (minutes on two cores) or paper (the paper's sizes)."""
    seed: int | None = None
    """The first seed; given alone, the only one."""
    seeds: int | None = None
    """How many seeds, 3 unless told."""
    device: str = "auto"
    """auto, cpu or cuda."""
    out: str | None = None
    """The run's folder, runs/BENCHMARK unless told."""
    engine: str = "local"
    """local (processes on this machine) or ray."""
    workers: int = 0
    """Jobs at a time, one per core unless told."""
    resume: bool = True
    """Keep finished jobs and continue broken ones; with --no-resume everything starts anew."""

    def models(self, known: Sequence[str]) -> tuple[str, ...]:
        """The chosen models; ValueError lists the known ones, nearest first."""
        chosen = tuple(known) if self.model == "all" else tuple(name.strip() for name in self.model.split(","))
        for name in chosen:
            if name not in known:
                raise ValueError(f"unknown model {name!r}; the models are {', '.join(nearest(name, known))}, or all")
        return chosen

    def all_seeds(self) -> range:
        """The seeds to run."""
        first = self.seed or 0
        count = self.seeds if self.seeds is not None else (3 if self.seed is None else 1)
        if count < 1:
            raise ValueError(f"seeds must be at least 1, got {count}")
        return range(first, first + count)


def parse(name: str, sweep: type[Sweep], job: type[Any], arguments: Sequence[str] | None) -> tuple[Any, dict[str, Any]]:
    """Read the command line of benchmark `name`: the sweep, and the job's settings that are not the sweep's.

    Exits with a message that lists what is allowed where an option is unknown or has a wrong value.
    """
    check_neighbours()
    parser = Parser(prog=f"python -m benchmarks.{name}", description=(sweep.__doc__ or "").splitlines()[0])
    parser.add_argument("--config", action="config", help="a YAML file with any of these options")
    shared = {field.name for field in dataclasses.fields(sweep)}
    parser.add_class_arguments(sweep, as_group=False, skip={"resume"})
    parser.add_argument(
        "--resume",
        action=ActionYesNo(no_prefix="no-"),
        default=True,
        help="keep what is finished, continue what is not",
    )
    parser.add_class_arguments(job, as_group=False, skip=shared & {field.name for field in dataclasses.fields(job)})
    presets = presets_of(name)
    chosen = _preset(arguments, presets, parser)
    parser.set_defaults(presets[chosen] | {"preset": chosen})
    _refuse_lost(sys.argv[1:] if arguments is None else arguments, parser)
    values = parser.parse_args(arguments).as_dict()
    values.pop("config", None)
    if values["preset"] != chosen:  # named in the configuration file, not on the command line
        return parse(name, sweep, job, [f"--preset={values['preset']}", *(arguments or ())])
    try:
        own = sweep(**{key: values.pop(key) for key in shared})
    except (TypeError, ValueError) as error:
        parser.error(str(error))
    return own, {key: _typed(value) if isinstance(value, dict) else value for key, value in values.items()}


def presets_of(name: str) -> dict[str, dict[str, Any]]:
    """The presets of benchmark `name`: options by preset's name."""
    return yaml.safe_load((ROOMS / name / "presets.yaml").read_text())


def _refuse_lost(words: Sequence[str], parser: ArgumentParser) -> None:
    """Exit where `--settings.ppo.a 1 --settings.ppo.b 2` would lose all but the last."""
    deep = [word.partition("=")[0] for word in words if word.startswith("--") and word.partition("=")[0].count(".") > 1]
    for name in deep:
        group = name.rpartition(".")[0]
        if sum(other.rpartition(".")[0] == group for other in deep) > 1:
            parser.error(f"give the settings of {group} together: {group} '{{name: value, name: value}}'")


def _typed(value: Any) -> Any:
    """Numbers and truth values for words that stand for them, in what `--settings.gamma 1e-3` left as text."""
    if isinstance(value, dict):
        return {key: _typed(inner) for key, inner in value.items()}
    if not isinstance(value, str):
        return value
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    for number in (int, float):
        try:
            return number(value)
        except ValueError:
            continue
    return value


def _preset(arguments: Sequence[str] | None, presets: dict[str, Any], parser: Parser) -> str:
    words = list(sys.argv[1:] if arguments is None else arguments)
    chosen = "default"
    for index, word in enumerate(words):
        if word == "--preset" and index + 1 < len(words):
            chosen = words[index + 1]
        elif word.startswith("--preset="):
            chosen = word.partition("=")[2]
    if chosen not in presets:
        parser.error(f"preset must be one of {', '.join(presets)}, got {chosen!r}")
    return chosen
