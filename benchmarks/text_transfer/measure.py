"""What came of a transfer: sentiment, content and fluency of the sentences, and where the codes are."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from benchmarks.metrics import score_codes
from benchmarks.metrics.text import LanguageModel, NgramClassifier, bleu, noun_preservation
from benchmarks.text_transfer.corpus import Corpus
from benchmarks.text_transfer.traversal import figure_2, journey, shifted
from borders.files.pictures import write_figure
from representations.sentiment_mmd import SentimentMMD

BATCH = 200
SHOWN = 8
PLACES = 2000  # real sentences whose codes are the clusters
ARROWS = 12
CONTENT = {"sentiment": ("topic", "aspect", "noun"), "topic": ("sentiment", "adjective", "verb")}  # kept in a transfer


class Transfers(Protocol):
    """A learner that transfers sentences."""

    def encode(self, ids: Tensor) -> Tensor:
        """The codes [n, code_size] of sentences [n, T]."""
        ...

    def transfer(self, ids: Tensor, y_target: Tensor) -> Tensor:
        """Sentences [n, length] of the target classes."""
        ...


@dataclass(frozen=True)
class Judges:
    """What real sentences have taught, apart from every learner: a classifier of the attribute and a language model."""

    classes: NgramClassifier
    language: LanguageModel
    steps: int

    @classmethod
    def of(cls, corpus: Corpus, steps: int) -> Judges:
        """Those of a corpus, the language models after `steps` steps."""
        known = NgramClassifier().fit(corpus.vocabulary.lines(corpus.train.x), corpus.train.y)
        return cls(known, cls.reader(corpus, corpus.train.x, steps), steps)

    @staticmethod
    def reader(corpus: Corpus, ids: Tensor, steps: int) -> LanguageModel:
        """A language model of sentences, the same one whoever asks."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return LanguageModel(len(corpus.vocabulary), 64, 5e-3).fit(ids, steps)


def transferred(model: Any, x: Tensor, targets: Tensor, corpus: Corpus) -> list[str]:
    """Sentences [n, T] as the learner, wherever it lies, says them with the target classes [n]."""
    home = next(model.parameters()).device
    pairs = zip(x.split(BATCH), targets.split(BATCH), strict=True)
    parts = [model.transfer(a.to(home), b.to(home)).cpu() for a, b in pairs]
    return corpus.vocabulary.lines(torch.cat(parts))


def measure(model: Any, corpus: Corpus, judges: Judges, folder: Path) -> tuple[dict[str, float], dict[str, Any]]:
    """All scores of a learner on test sentences, and some of these as it transfers them; draws figure 2 in `folder`."""
    x, own = corpus.test.x, corpus.test.y
    sources = corpus.vocabulary.lines(x)
    targets = corpus.others(own)
    said, same = (transferred(model, x, values, corpus) for values in (targets, own))
    found = {
        "transfer": judges.classes.accuracy(said, targets),
        "content": noun_preservation(sources, said, corpus.content),
        "bleu": bleu(said, [[source] for source in sources]),
        "same_bleu": bleu(same, [[source] for source in sources]),
        "judge": judges.classes.accuracy(sources, own),
    }
    spoken = [line for line in said if line]
    found["empty"] = 1 - len(spoken) / len(said)
    found["real_perplexity"] = judges.language.perplexity(x)
    if len(spoken) > 10:
        ids = corpus.vocabulary.ids(spoken)
        found["perplexity"] = judges.language.perplexity(ids)
        found["reverse"] = judges.reader(corpus, ids, judges.steps).perplexity(x)
    if corpus.rewrites is not None:
        people = corpus.rewrites
        found["people_bleu"] = bleu(transferred(model, people.x, corpus.others(people.y), corpus), people.rewritten)
    if corpus.world is not None:
        found |= parsed(corpus, said, targets)
        found |= coded(model, corpus)
    if isinstance(model, SentimentMMD):
        found |= moved(model, corpus, folder)
    places = sorted({*range(len(x))[: SHOWN // 2], *range(len(x))[-SHOWN // 2 :]})
    return found, {"samples": [{"from": sources[k], "to": said[k], "y": int(own[k])} for k in places]}


def parsed(corpus: Corpus, said: list[str], targets: Tensor) -> dict[str, float]:
    """By the exact parser: which sentences are some, which of them are of the target class, and kept their content.

    Of a sentiment that is topic, aspect and noun; of a topic sentiment, and the adjective or verb that says it.
    """
    assert corpus.world is not None
    assert corpus.test.rows is not None
    world, rows = corpus.world, corpus.test.rows
    meant = world.parse(corpus.vocabulary.ids([line or "?" for line in said]))
    fluent = ~meant.isnan().all(1)
    about = [world.names.index(name) for name in CONTENT[corpus.attribute]]
    turned = meant[:, world.names.index(corpus.attribute)] == targets
    told = world.told(rows)[:, about]
    kept = fluent & ((meant[:, about] == rows[:, about]) | ~told).all(1)
    shares = {"fluent": fluent, "turned": turned, "kept": kept, "exact": turned & kept}
    return {f"parsed_{name}": of.float().mean().item() for name, of in shares.items()}


@torch.no_grad()
def coded(model: Any, corpus: Corpus) -> dict[str, float]:
    """How the code of a test sentence holds the factors that every sentence tells."""
    assert corpus.world is not None
    assert corpus.test.rows is not None
    codes = model.encode(corpus.test.x)
    told = [corpus.world.names.index(name) for name in ("sentiment", "topic", "aspect", "tense", "negation")]
    kinds = [corpus.world.factors[k] for k in told]
    scored = score_codes(codes, corpus.test.rows[:, told], kinds, ["mig", "explicitness"], seeds=1)
    return {name: scored[name] for name in ("mig", "explicitness")}


@torch.no_grad()
def moved(model: SentimentMMD, corpus: Corpus, folder: Path) -> dict[str, float]:
    """Where codes are moved to, among those of training sentences: their sentiment's cluster, their topic's."""
    x, targets = corpus.test.x, corpus.others(corpus.test.y)
    start = model.encode(x)
    end = model.move(start, targets)
    found = {"distance": (end - start).norm(dim=1).mean().item()}
    if corpus.world is None or corpus.train.rows is None or corpus.test.rows is None or corpus.attribute == "topic":
        return found
    places = model.encode(corpus.train.x[:PLACES])
    sides, topics = corpus.train.rows[:PLACES, 0].long(), corpus.train.rows[:PLACES, 1].long()
    own = corpus.test.rows[:, 1].long()
    found |= {f"moved_{k}": v for k, v in journey(places, sides, topics, start, end, targets, own).items()}
    by_means = journey(places, sides, topics, start, shifted(places, sides, start, targets), targets, own)
    found |= {f"shifted_{name}": by_means[name] for name in ("sentiment", "topic")}
    rows = torch.nonzero((own == 1) | (own == 2))[:ARROWS, 0]  # products and films, as the paper's phones and movies
    two = torch.nonzero((topics == 1) | (topics == 2))[:400, 0]
    names = list(corpus.world.labels["topic"])
    picture = figure_2(places[two], sides[two], topics[two], start[rows], end[rows], names, corpus.classes)
    write_figure(picture, folder / "traversed.png")
    return found
