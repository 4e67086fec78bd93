"""Language multitasking: `python -m benchmarks.language --data sentences`, or `--data multi30k:PATH`.

A model is a set of decoders and a code's size, named as in Brunner et al. 2018: R says the English sentence again, D in
German, F in French, P its parts of speech. All learn from as many sentences; measured are

    clustering error   sentences of fourteen prototypes, a hundred each, beside their cluster, best of 100 K-means  (table 2)
    perplexity         a symbol of every decoder, on sentences held out                                             (table 1)
    listings           sentences between two sentences, and s1 - s2 + s3                                       (tables 4 - 6)

and on the world, whose parser reads sentences back: how many come back whole, how many of those half way between two are
sentences, how many sums say what they should, and scores of the code on the factors.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from jsonargparse import ArgumentParser
from sklearn.decomposition import PCA
from torch import Tensor

import representations
from benchmarks.harness.ending import plain_errors
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.options import Scored, Sweep, Trial
from benchmarks.harness.progress import bar
from benchmarks.harness.runs import Timer, describe
from benchmarks.harness.sentences import Words, asks_for_a_sentence, run_folder
from benchmarks.language.corpus import Corpus, corpus, source
from benchmarks.language.listings import listed_lines, oracle
from benchmarks.language.report import summary
from benchmarks.metrics import score
from benchmarks.metrics.scoring import Samples
from benchmarks.metrics.text import clustering_error
from borders import Count, checked
from borders.files import home, write_json, write_npz
from envs.text.sentences import Sentences
from envs.text.vocabulary import Vocabulary
from representations import fit
from representations.language_multitask import VIEWS, LanguageMultitask
from representations.parts.sentences import PADDING, trimmed

# Decoders and the code's size, as the paper names them.
MODELS: dict[str, tuple[str, int]] = {
    "R-1024": ("R", 1024),
    "R-D-1024": ("R,D", 1024),
    "R-D-F-1024": ("R,D,F", 1024),
    "R-D-256": ("R,D", 256),
    "R-D-P-256": ("R,D,P", 256),
}
BATCH = 250


@checked
@dataclass(frozen=True, kw_only=True)
class Budget(Scored):
    """What a model reads, how long, and how it is measured."""

    data: str = "sentences"
    """sentences (the world), multi30k (in DISCO_DATA) or multi30k:PATH."""
    steps: Count = 1000
    """Steps of training."""
    batch: Count = 32
    """Sentences a step."""
    samples: Count = 20_000
    """Sentences to learn from, at most."""
    test: Count = 500
    """Sentences held out for perplexities, at most."""
    length: Count = 144
    """The most symbols that a decoder says, the end counted; a file's sentences that are longer are left out."""
    copies: Count = 100
    """Sentences of every prototype."""
    starts: Count = 100
    """Runs of K-means, of which the best counts."""
    read: Count = 200
    """Sentences that are said again, added and halved, and read by the world's parser."""
    pool: Samples = 2000
    """Sentences behind the scores of the code."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Settings of the learner."""

    def __post_init__(self) -> None:
        """Refuse what would fail later."""
        super().__post_init__()
        source(self.data)


@checked
@dataclass(frozen=True, kw_only=True)
class Options(Budget):
    """What a sweep can be told."""


@checked
@dataclass(frozen=True, kw_only=True)
class Job(Trial, Budget):
    """One model and one seed."""


def build(job: Job, read: Corpus | None = None) -> LanguageMultitask:
    """The job's learner, of the vocabularies of what it reads, or of some."""
    decoders, code_size = MODELS[job.model]
    sizes = {"words": len(read.vocabulary), "tags": len(read.tags)} if read else {}
    settings = {"decoders": decoders, "code_size": code_size, "length": job.length, **sizes} | job.settings
    model = representations.make("language_multitask", **settings)
    assert isinstance(model, LanguageMultitask)
    return model


def plan(own: Sweep, values: dict[str, Any]) -> Plan:
    """The jobs of the command, each of which can be built, on data that can be read."""
    options = Options(**values)
    shared: dict[str, Any] = {**own.told, **asdict(options)}
    todo = [Job(model, seed=seed, **shared) for model in own.models(tuple(MODELS)) for seed in own.all_seeds()]
    for job in todo[:: len(own.all_seeds())]:
        build(job)
    views = dict.fromkeys(["en", *(VIEWS[name] for job in todo for name in MODELS[job.model][0].split(","))])
    corpus(options.data, list(views), 10, 10, options.length, 0)
    return Plan(todo)


def run(job: Job, folder: Path, resume: bool) -> dict[str, Any]:
    """Train, measure and list one job in `folder`; the result as `result.json` holds it."""
    timer = Timer()
    own = source(job.data)[0] == "sentences"
    with timer("data"):
        views = list(dict.fromkeys(["en", *(VIEWS[name] for name in MODELS[job.model][0].split(","))]))
        read = corpus(job.data, views, job.samples, job.test, job.length, job.seed)
        Words(read.vocabulary, job.length, {"tags": list(read.tags.tokens)}).write(folder)
    torch.manual_seed(job.seed)
    learner = build(job, read)

    def batches(generator: torch.Generator) -> dict[str, Tensor]:
        rows = torch.randint(len(read.train["en"]), (job.batch,), generator=generator)
        return {view: trimmed(ids[rows]) for view, ids in read.train.items()}

    with timer("training"):
        generator = torch.Generator().manual_seed(job.seed)
        options: dict[str, Any] = {"device": job.device, "resume": resume, "decay": True, "progress": bar()}
        fit(learner, batches, job.steps, generator, folder, **options)
        representations.save(learner, folder / "model", "sentences" if own else "")
    model = representations.load(folder / "model")
    assert isinstance(model, LanguageMultitask)
    with timer("scoring"), torch.no_grad():
        scores = {f"perplexity_{name}": value for name, value in perplexities(model, read.test).items()}
        codes, labels = prototypes(model, read, job.copies, job.seed)
        scores["clustering_error"] = float(clustering_error(codes, labels, starts=job.starts))
        write_npz(folder / "codes.npz", {"points": PCA(2).fit_transform(codes.numpy()), "labels": labels.numpy()})
        write_json(folder / "listings.json", listed_lines(model, read, own))
        if own:
            clauses, generator = Sentences("clauses"), torch.Generator().manual_seed(job.seed)
            scores |= oracle(model, clauses, job.read, generator)
            scores |= score(model.encode, clauses, job.names, generator, samples=job.pool, seeds=1)
    about = {
        "sentences": len(read.train["en"]),
        "too_long": read.dropped,
        "empty": read.empty,
        "unknown": read.unknown(),
    }
    return describe("language", job, scores, timer.seconds) | about


@torch.no_grad()
def perplexities(model: LanguageMultitask, test: Mapping[str, Tensor]) -> dict[str, float]:
    """exp of the mean -log p of a symbol, ends counted, by decoder, on sentences held out."""
    total, symbols = dict.fromkeys(model.names, 0.0), dict.fromkeys(model.names, 0)
    for start in range(0, len(test["en"]), BATCH):
        batch: Any = {view: trimmed(ids[start : start + BATCH]) for view, ids in test.items()}
        for name, value in model.nll(batch).items():
            count = int((batch[VIEWS[name]] != PADDING).sum())
            total[name] += float(value) * count
            symbols[name] += count
    return {name: math.exp(total[name] / symbols[name]) for name in model.names}


def prototypes(model: LanguageMultitask, read: Corpus, copies: int, seed: int) -> tuple[Tensor, Tensor]:
    """Codes of the prototypes' sentences, and which prototype each is of."""
    world = Sentences()
    rows, labels = world.prototypes(copies, torch.Generator().manual_seed(seed))
    ids = read.vocabulary.ids(world.lines(rows)["en"])
    return torch.cat([model.encode(part) for part in ids.split(BATCH)]), labels


def own_sentence(words: Sequence[str]) -> dict[str, str]:
    """What every decoder of the learner in a run's folder says of the sentence of a command; it is printed, too."""
    parser = ArgumentParser(prog="benchmarks.language")
    parser.add_argument("--config", action="config", help="a file with these options")
    parser.add_argument("--sentence", type=str, required=True, help="an English sentence")
    parser.add_argument("--run", type=str, required=True, help="the folder of a run of one model and seed")
    told = parser.parse_args(list(words))
    with plain_errors(OSError):
        folder = run_folder(home(told.run))
        book = Words.read(folder, "tags")
        tags = Vocabulary(tuple(book.more["tags"]), "word")
        model = representations.load(folder)
        if not isinstance(model, LanguageMultitask):
            raise ValueError(f"run must be one of benchmarks.language, {folder} holds a {type(model).__name__}")
        with torch.no_grad():
            code = model.encode(book.ids(told.sentence))
            said = {
                name: (tags if name == "P" else book.vocabulary).lines(model.say(code, name))[0] for name in model.names
            }
    for name, line in said.items():
        print(f"{VIEWS[name]}: {line}")
    return said


EXPERIMENT = Experiment("language", Options, plan, run, summary, models=tuple(MODELS), errors=(OSError, ImportError))


def main(arguments: Sequence[str] | None = None) -> Any:
    """The benchmark's command, or with --sentence one's own sentence."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    return own_sentence(words) if asks_for_a_sentence(words) else EXPERIMENT.main(words)
