"""Sentences that say the same with another sentiment, or of another topic: `python -m benchmarks.text_transfer`.

A job trains one learner on sentences of several classes that are no pairs, transfers test sentences to another class, and
measures what came of it: class, content, fluency; on generated sentences by an exact parser, too.
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
from benchmarks.harness.options import Sweep, Trial, check_keys, listed
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe
from benchmarks.harness.sentences import Words, asks_for_a_sentence, run_folder
from benchmarks.metrics.text import noun_preservation
from benchmarks.text_transfer.corpus import Attribute, Corpus, drawn, read
from benchmarks.text_transfer.measure import Judges, measure, transferred
from benchmarks.text_transfer.report import summary
from borders import Count, Natural, checked
from borders.files import home, write_json
from representations import fit
from representations.model import Representation
from representations.parts.buckets import Buckets

MODELS = ("attribute_transfer", "cross_aligned", "sentiment_mmd", "text_ae", "arae")
OF_TWO = "cross_aligned"  # which knows two classes, no more
LOSSES = ("rec", "cnt_rec", "back_rec", "class_od", "class_td", "class_btd")  # of attribute_transfer
VALIDATED = 200  # sentences, whenever a learner is validated
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
    """reviews, yelp:FOLDER, or a folder with neg and pos, or of topics a file each, one sentence a line."""
    attribute: Attribute = "sentiment"
    """What a transfer changes: sentiment, or topic, of which there may be many."""
    without: str = ""
    """Losses of attribute_transfer to leave out, each in a job of its own: a comma list, or all."""
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
    attribute: Attribute
    train: Count
    test: Count
    words: Count
    longest: Count
    judge_steps: Count
    size: Size
    settings: dict[str, Any]
    without: str = ""

    @property
    def row(self) -> str:
        """The model's name, and which loss it lacks."""
        return self.model + (f" without {self.without}" if self.without else "")


def corpus_of(job: Job) -> Corpus:
    """The sentences of a job; ValueError or OSError for files that cannot be read."""
    if job.data == "reviews":
        return drawn(job.train, job.test, job.seed, job.attribute)
    return read(job.data, job.train, job.test, job.words, job.longest, job.seed, job.attribute)


def build(job: Job, corpus: Corpus) -> Any:
    """The learner of a job."""
    torch.manual_seed(job.seed)
    settings = {f"weigh_{job.without}": 0.0} if job.without else {}
    settings |= {} if job.model == OF_TWO else {"classes": len(corpus.classes)}
    sizes = {"words": len(corpus.vocabulary), "length": corpus.length}
    return representations.make(job.model, **sizes, **(job.settings | settings))


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, transfer and measure; the result as `result.json` holds it."""
    timer = Timer()
    with timer("data"):
        corpus = corpus_of(job)
        Words(corpus.vocabulary, corpus.length, {"classes": list(corpus.classes)}).write(folder)
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
    """The learner behind its last step, or as it was when it validated best, if it is validated: class times content."""
    model, every = build(job, corpus), job.size.steps // job.size.checks if job.size.checks else 0
    best = folder / BEST / "model"
    rows_of = torch.randperm(len(corpus.valid), generator=torch.Generator().manual_seed(0))[:VALIDATED]
    x, y = corpus.valid.x[rows_of], corpus.valid.y[rows_of]
    sources = corpus.vocabulary.lines(x)

    def value(of: Representation) -> float:
        targets = corpus.others(y)
        said = transferred(of, x, targets, corpus)
        return judges.classes.accuracy(said, targets) * noun_preservation(sources, said, corpus.content)

    def look(step: int) -> None:
        if every and step % every == 0:
            model.eval()
            if not best.exists() or value(model) > value(representations.load(best)):
                representations.save(model, best)
            model.train()

    options: dict[str, Any] = {"device": job.device, "resume": resume, "progress": bar(), "on_step": look}
    fit(
        model, Buckets(rows, job.size.batch), job.size.steps, torch.Generator().manual_seed(job.seed), folder, **options
    )
    kept = representations.load(best) if best.exists() else model
    world = "reviews" if corpus.world is not None else ""
    representations.save(kept.cpu(), folder / "model", world)
    return representations.load(folder / "model")


def jobs(own: Sweep, options: Options) -> list[Job]:
    """The jobs of a sweep; ValueError for an unknown model, or sizes and settings of none."""
    for option in ("sizes", "settings"):
        check_keys(option, getattr(options, option), MODELS, "model")
    told = {
        name: getattr(options, name)
        for name in ("data", "train", "test", "words", "longest", "judge_steps", "attribute")
    }
    left_out = listed(options.without) if options.without != "all" else LOSSES
    wrong = [name for name in left_out if name not in LOSSES]
    if wrong:
        raise ValueError(f"without must be some of {', '.join(LOSSES)}, or all, got {wrong[0]!r}")
    found = []
    for model in own.models(MODELS, ",".join(m for m in MODELS if options.attribute == "sentiment" or m != OF_TWO)):
        if model == OF_TWO and options.attribute == "topic":
            raise ValueError(f"{OF_TWO} transfers between two classes, topics are more: leave it out of model")
        known = inspect.signature(Size).parameters
        size = options.sizes.get(model, {})
        wrong = [name for name in size if name not in known]
        if wrong or not {"steps", "batch"} <= size.keys():
            raise ValueError(f"sizes of {model} are {', '.join(known)}, got {size}")
        shared = {**own.told, **told, "size": Size(**size), "settings": options.settings.get(model, {})}
        lacking = ("", *left_out) if model == "attribute_transfer" else ("",)
        found += [Job(model, seed=seed, without=name, **shared) for name in lacking for seed in own.all_seeds()]
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
