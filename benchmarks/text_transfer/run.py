"""Sentences that say the same with another sentiment: `python -m benchmarks.text_transfer`.

A job trains one learner on sentences of two sentiments that are no pairs, transfers test sentences to the other sentiment,
and measures what came of it: sentiment, content, fluency; on generated sentences by an exact parser, too.
`python -m benchmarks.text_transfer --sentence "the food was cold" --to positive --run FOLDER` transfers one's own.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser

import representations
from benchmarks.harness.ending import plain_errors
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Sweep, Trial, check_keys
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe
from benchmarks.harness.sentences import Words, asks_for_a_sentence, run_folder
from benchmarks.metrics.text import noun_preservation
from benchmarks.text_transfer.corpus import SIDES, Corpus, drawn, read
from benchmarks.text_transfer.measure import Judges, measure, transferred
from benchmarks.text_transfer.report import summary
from borders import Count, Natural, checked
from borders.files import home, write_json
from representations import fit
from representations.model import Representation
from representations.parts.sentences import trimmed

MODELS = ("attribute_transfer", "cross_aligned", "sentiment_mmd", "text_ae", "arae")
VALIDATED = 100  # sentences, whenever a learner is validated
BEST = "best"


@checked
@dataclass(frozen=True)
class Size:
    """How long a learner trains, on how many sentences at a time, and how often it is validated meanwhile; 0 is never."""

    steps: Count
    batch: Count
    checks: Natural = 0


@checked
@dataclass(frozen=True)
class Options:
    """What the learners of sentences can be told."""

    data: str = "reviews"
    """reviews, yelp:FOLDER, or a folder with neg and pos, one sentence a line."""
    train: Count = 20_000
    """Sentences to learn from."""
    test: Count = 600
    """Sentences to transfer, and as many to validate on."""
    words: Count = 3000
    """Ids of the vocabulary of files, the most frequent words."""
    longest: Count = 15
    """Words of the longest sentences of files that are used."""
    judge_steps: Count = 500
    """Steps of the language models that measure perplexity."""
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Steps, batch and checks by model."""
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Settings by model."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Trial):
    """One learner with one seed on one corpus."""

    data: str
    train: Count
    test: Count
    words: Count
    longest: Count
    judge_steps: Count
    size: Size
    settings: dict[str, Any]


def corpus_of(job: Job) -> Corpus:
    """The sentences of a job; ValueError or OSError for files that cannot be read."""
    if job.data == "reviews":
        return drawn(job.train, job.test, job.seed)
    return read(job.data, job.train, job.test, job.words, job.longest, job.seed)


def build(job: Job, corpus: Corpus) -> Any:
    """The learner of a job."""
    torch.manual_seed(job.seed)
    return representations.make(job.model, words=len(corpus.vocabulary), length=corpus.length, **job.settings)


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, transfer and measure; the result as `result.json` holds it."""
    timer = Timer()
    with timer("data"):
        corpus = corpus_of(job)
        Words(corpus.vocabulary, corpus.length, {"classes": list(SIDES)}).write(folder)
        batch = {"x": corpus.train.x, "y": corpus.train.y}
        if job.model == "attribute_transfer":
            batch["nouns"] = corpus.mask(corpus.train.x)
    with timer("judges"):
        judges = Judges.of(corpus, job.judge_steps)
    with timer("training"):
        model = trained(job, corpus, judges, batch, folder, resume)
    with timer("scoring"):
        scores, samples = measure(model, corpus, judges, folder)
        write_json(folder / "samples.json", samples)
    about = {"files": corpus.files, "unknown": corpus.unknown()}
    return describe("text_transfer", job, scores, timer.seconds) | about


def trained(
    job: Job, corpus: Corpus, judges: Judges, rows: dict[str, torch.Tensor], folder: Path, resume: bool
) -> Representation:
    """The learner behind its last step, or as it was when it validated best, if it is validated: sentiment times content."""
    model, every = build(job, corpus), job.size.steps // job.size.checks if job.size.checks else 0
    best = folder / BEST / "model"

    def batches(generator: torch.Generator) -> dict[str, torch.Tensor]:
        chosen = torch.randint(len(corpus.train), (job.size.batch,), generator=generator)
        found = {name: of[chosen] for name, of in rows.items()}
        width = trimmed(found["x"]).shape[1]
        return {name: of[:, :width] if of.ndim == 2 else of for name, of in found.items()}

    def value(of: Representation) -> float:
        x, y = corpus.valid.x[:VALIDATED], corpus.valid.y[:VALIDATED]
        said = transferred(of, x, 1 - y, corpus)
        sources = corpus.vocabulary.lines(x)
        return judges.sentiment.accuracy(said, 1 - y) * noun_preservation(sources, said, corpus.nouns)

    def look(step: int) -> None:
        if every and step % every == 0:
            model.eval()
            if not best.exists() or value(model) > value(representations.load(best)):
                representations.save(model, best)
            model.train()

    options: dict[str, Any] = {"device": job.device, "resume": resume, "progress": bar(), "on_step": look}
    fit(model, batches, job.size.steps, torch.Generator().manual_seed(job.seed), folder, **options)
    kept = representations.load(best) if best.exists() else model
    world = "reviews" if corpus.world is not None else ""
    representations.save(kept.cpu(), folder / "model", world)
    return representations.load(folder / "model")


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError for an unknown model, or sizes and settings of none."""
    for option in ("sizes", "settings"):
        check_keys(option, getattr(options, option), MODELS, "model")
    told = {name: getattr(options, name) for name in ("data", "train", "test", "words", "longest", "judge_steps")}
    found = []
    for model in own.models(MODELS):
        known = inspect.signature(Size).parameters
        size = options.sizes.get(model, {})
        wrong = [name for name in size if name not in known]
        if wrong or not {"steps", "batch"} <= size.keys():
            raise ValueError(f"sizes of {model} are {', '.join(known)}, got {size}")
        shared = {**own.told, **told, "size": Size(**size), "settings": options.settings.get(model, {})}
        found += [Job(model, seed=seed, **shared) for seed in own.all_seeds()]
    return found


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command, each of which can be built, on sentences that can be read."""
    todo = jobs(own, Options(**values))
    corpus = corpus_of(todo[0])
    for job in todo:
        build(job, corpus)
    return Plan(todo)


def own_sentence(words: Sequence[str]) -> str:
    """The sentence of a command, transferred by the learner in a run's folder; it is printed, too."""
    parser = ArgumentParser(prog="benchmarks.text_transfer")
    parser.add_argument("--config", action="config", help="a file with these options")
    parser.add_argument("--sentence", type=str, required=True, help="words, signs between spaces")
    parser.add_argument("--to", type=str, required=True, help="what it should become: negative or positive")
    parser.add_argument("--run", type=str, required=True, help="the folder of a run of one model and seed")
    told = parser.parse_args(list(words))
    with plain_errors(OSError):
        folder = run_folder(home(told.run))
        words_of = Words.read(folder, "classes")
        sides = words_of.more["classes"]
        if told.to not in sides:
            raise ValueError(f"to must be {' or '.join(sides)}, got {told.to!r}")
        ids = words_of.ids(told.sentence.lower())
        model: Any = representations.load(folder)
        said = words_of.vocabulary.lines(model.transfer(ids, torch.tensor([sides.index(told.to)])))[0]
    print(said)
    return said


EXPERIMENT = Experiment("text_transfer", Options, plan, run, summary, models=MODELS, errors=(OSError,))


def main(arguments: Sequence[str] | None = None) -> Any:
    """The benchmark's command, or with --sentence one's own sentence."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if asks_for_a_sentence(words):
        return own_sentence(words)
    return EXPERIMENT.main(words)
