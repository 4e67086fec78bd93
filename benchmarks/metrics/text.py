"""Scores of sentences: is the attribute right, is the content kept, does it read as the language does.

    BLEU                 geometric mean of n-gram precisions, n <= 4, times the brevity penalty, in percent
                                                    Papineni et al. 2002, through sacrebleu
    transfer             accuracy of a linear classifier of n-grams that real sentences have taught
                                                    Zhao et al. 2018, arXiv:1706.04223, sec. 6 (there fastText)
    noun preservation    share of outputs that have at least one noun of their source
                                                    Melnyk et al. 2017, arXiv:1711.09395, sec. 4
    perplexity           exp(-1/N sum_t log p(w_t | w_<t)), N words and ends of sentences
    reverse perplexity   the same of a model that learned from generated sentences, on real ones
                                                    Zhao et al. 2018, sec. 6
    clustering error     sum over clusters of the sentences beside the cluster's most frequent class, best of 100 K-means
                                                    Brunner et al. 2018, arXiv:1801.06024, sec. 4.1

A sentence is a string of words between spaces, or a row of ids: 0 padding, 1 begin, 2 end, 3 unknown; words, then the end,
then padding.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence, Set
from functools import partial
from typing import Any

import numpy as np
import sacrebleu
import torch
from numpy.typing import ArrayLike
from sklearn.cluster import KMeans
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.metrics.arrays import as_matrix, generator_or_default
from borders import Count, Positive, Size, checked
from representations.fit import fit
from representations.model import Logs, Objective, Representation
from representations.parts.sentences import BEGIN, PADDING, Sentences, check_sentences, trimmed


@checked
def bleu(hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """Corpus BLEU of `hypotheses` in percent; `references[i]` are the sentences that the i-th may be like.

    Words are what stands between spaces. Raises ValueError for nothing to score, or a hypothesis without a reference.
    """
    _check_pairs(hypotheses, references, "references")
    most = max(map(len, references))
    if not min(map(len, references)):
        raise ValueError(
            f"every hypothesis needs a reference, but that of number {list(map(len, references)).index(0)}"
        )
    streams: Any = [[of[k] if k < len(of) else None for of in references] for k in range(most)]
    return float(sacrebleu.corpus_bleu(list(hypotheses), streams, tokenize="none", force=True).score)


class NgramClassifier:
    """Logistic regression on the tf-idf of all n-grams of 1 to `order` words that occur twice."""

    @checked
    def __init__(self, order: Size = 3):
        self.order = order
        self._model: Pipeline | None = None

    def fit(self, sentences: Sequence[str], labels: ArrayLike | Tensor) -> NgramClassifier:
        """Learn the classes of real sentences; ValueError where there are fewer than two."""
        wanted = np.asarray(labels)
        _check_pairs(sentences, wanted, "labels")
        if len(np.unique(wanted)) < 2:
            raise ValueError(f"a classifier needs sentences of two classes, all {len(wanted)} are of {wanted[0]}")
        words: dict[str, Any] = {"lowercase": False, "token_pattern": r"\S+", "ngram_range": (1, self.order)}
        grams = TfidfVectorizer(**words, min_df=2 if len(sentences) > 1000 else 1, sublinear_tf=True)
        self._model = make_pipeline(grams, LogisticRegression(C=10.0, max_iter=200)).fit(sentences, wanted)
        return self

    def predict(self, sentences: Sequence[str]) -> np.ndarray:
        """The classes [n] of sentences."""
        if self._model is None:
            raise ValueError("the classifier has learned nothing yet: fit it first")
        return self._model.predict(list(sentences))

    def accuracy(self, sentences: Sequence[str], labels: ArrayLike | Tensor) -> float:
        """The share of sentences in [0, 1] whose class is `labels` [n]."""
        wanted = np.asarray(labels)
        _check_pairs(sentences, wanted, "labels")
        return float((self.predict(sentences) == wanted).mean())


def tagged_nouns(sentence: str) -> set[str]:
    """The nouns of an English sentence of words between spaces, by the tagger that ships in textblob.

    ImportError says how to install it.
    """
    return _tagged(sentence, ("NN",))


def tagged_opinions(sentence: str) -> set[str]:
    """The adjectives, adverbs and verbs of an English sentence, as `tagged_nouns` finds nouns."""
    return _tagged(sentence, ("JJ", "RB", "VB"))


def _tagged(sentence: str, kinds: tuple[str, ...]) -> set[str]:
    try:
        from textblob.en import tag
    except ImportError:
        raise ImportError("parts of speech of real text need the package textblob: pip install -e '.[text]'") from None
    return {word for word, kind in tag(sentence, tokenize=False) if kind.startswith(kinds) and word.isalpha()}


@checked
def noun_preservation(
    sources: Sequence[str], outputs: Sequence[str], nouns: Callable[[str], Set[str]] = tagged_nouns
) -> float:
    """The share in [0, 1] of outputs that have at least one noun of their source; 1 where no source has any.

    `nouns` gives those of a sentence. A source without a noun has none to lose and does not count.
    """
    _check_pairs(sources, outputs, "outputs")
    found = [(wanted, set(output.split())) for s, output in zip(sources, outputs, strict=True) if (wanted := nouns(s))]
    return float(np.mean([not wanted.isdisjoint(words) for wanted, words in found])) if found else 1.0


class LanguageModel(Representation):
    """p(w_t | w_<t) of sentences over `words` ids, by a GRU of `hidden` units on embeddings of as many.

    One tenth of what it learns from is held out, and the weights that were best on it are kept: so a small corpus, or a
    generated one, costs no perplexity for being learned by heart.
    """

    def __init__(self, words: Size, hidden: Size = 128, learning_rate: Positive = 3e-3):
        super().__init__()
        self.words, self.code_size, self.learning_rate = words, hidden, learning_rate
        self.embedding = nn.Embedding(words, hidden, PADDING)
        self.recurrent = nn.GRU(hidden, hidden, batch_first=True)
        self.output = nn.Linear(hidden, words)

    def encode(self, ids: Sentences) -> Tensor:
        """The last states [n, code_size] of sentences [n, T]."""
        states = self._states(ids)
        last = (ids != PADDING).sum(1).clamp(min=1)
        return states[torch.arange(len(ids), device=ids.device), last]

    def surprise(self, ids: Sentences) -> tuple[Tensor, Tensor]:
        """-sum log p in nats over words and ends of sentences [n, T], and how many these were."""
        known = ids != PADDING
        logits = self.output(self._states(ids)[:, :-1][known])
        return functional.cross_entropy(logits.float(), ids[known], reduction="sum"), known.sum()

    def loss(self, batch: Tensor) -> tuple[Tensor, Logs]:
        """Nats a word of sentences [n, T]."""
        total, count = self.surprise(batch)
        return total / count, {}

    def objectives(self) -> tuple[Objective, ...]:
        """One player, by Adam."""
        adam = partial(torch.optim.Adam, lr=self.learning_rate)
        return (Objective("words", self.loss, tuple(self.parameters()), adam),)

    def fit(
        self, ids: Sentences, steps: Count = 1000, batch: Size = 64, generator: torch.Generator | None = None
    ) -> LanguageModel:
        """Learn from sentences [n, T], n >= 2, for `steps` steps of `batch`, at a rate that falls to zero."""
        self._check(ids, least=2)
        generator = generator or torch.Generator().manual_seed(0)
        shuffled = ids[torch.randperm(len(ids), generator=generator)]
        held, rest = shuffled[: (len(ids) + 9) // 10], shuffled[(len(ids) + 9) // 10 :]
        best: list[Any] = [float("inf"), None]
        every = max(1, steps // 10)

        def draw(generator: torch.Generator) -> Tensor:
            return trimmed(rest[torch.randint(len(rest), (batch,), generator=generator)])

        def look(step: int) -> None:
            if step % every == 0 or step == steps:
                found = self.perplexity(held)
                if found < best[0]:
                    best[:] = found, copy.deepcopy(self.state_dict())
                self.train()

        fit(self, draw, steps, generator, device="cpu", decay=True, progress=False, on_step=look)
        if best[1] is not None:
            self.load_state_dict(best[1])
        return self.eval()

    @torch.no_grad()
    def perplexity(self, ids: Sentences) -> float:
        """Perplexity a word, ends included, of sentences [n, T]."""
        self._check(ids)
        self.eval()
        parts = [self.surprise(trimmed(part)) for part in ids.split(512)]
        return math.exp(sum(float(total) for total, _ in parts) / sum(int(count) for _, count in parts))

    def _states(self, ids: Tensor) -> Tensor:
        """The states [n, T + 1, hidden] behind the begin and behind every position."""
        begun = functional.pad(ids, (1, 0), value=BEGIN)
        states, _ = self.recurrent(self.embedding(begun))
        return states

    def _check(self, ids: Tensor, least: int = 1) -> None:
        if len(ids) < least:
            raise ValueError(f"ids must hold at least {least} sentence{'s' * (least > 1)}, got {list(ids.shape)}")
        check_sentences(ids, self.words)


@checked
def clustering_error(
    codes: ArrayLike | Tensor,
    labels: ArrayLike | Tensor,
    size: Size = 14,
    starts: Count = 100,
    *,
    generator: np.random.Generator | None = None,
) -> int:
    """How many of codes [n, D] K-means puts beside their class: the least of `starts` runs with `size` clusters.

    A cluster is that of its most frequent class of `labels` [n]; all its other members count (Brunner et al. 2018, sec. 4.1).
    """
    points = as_matrix(codes, "codes", least=size)
    wanted = np.asarray(labels)
    _check_pairs(points, wanted, "labels")
    _, kinds = np.unique(wanted, return_inverse=True)
    random = generator_or_default(generator)
    errors = []
    for _ in range(starts):
        cluster = KMeans(size, n_init=1, random_state=int(random.integers(2**31))).fit_predict(points)
        counts = np.zeros((size, kinds.max() + 1), dtype=np.int64)
        np.add.at(counts, (cluster, kinds), 1)
        errors.append(int((counts.sum(1) - counts.max(1)).sum()))
        if not errors[-1]:
            break
    return min(errors)


def _check_pairs(first: Any, second: Any, name: str) -> None:
    if len(first) != len(second) or not len(first):
        raise ValueError(
            f"there must be as many {name} as sentences, and one at least, got {len(second)} and {len(first)}"
        )
