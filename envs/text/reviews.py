"""A world of reviews whose sentiment, topic and words are known, made by a small grammar that can be read back.

    factors    sentiment, topic, aspect, noun, thing, adjective, verb, intensity, adverb, tense, negation, person, thought,
               time, place, opener, template                                      f -> sentence
    parse      sentence -> f                                                        the oracle: exact, NaN for what is not told

Sentiment is what is meant: "was not bad" is positive. Labels of sentences are wrong in a share `noise` of the cases, as those
of real reviews are, so that no learner meets sentences of one sentiment only in one class.
"""

from __future__ import annotations

import itertools
import math
from functools import cached_property

import torch
from torch import Tensor

from borders import Share
from envs.text.review_words import (
    ADJECTIVES,
    ADVERBS,
    ASPECTS,
    INTENSITIES,
    NEGATIONS,
    NOUNS,
    OPENERS,
    PERSONS,
    PLACES,
    SENTIMENTS,
    TENSES,
    THINGS,
    THOUGHTS,
    TIMES,
    VERBS,
)
from envs.text.vocabulary import Vocabulary
from envs.text.world import TextWorld
from envs.world import Factor

LABELS: dict[str, tuple[str, ...]] = {
    "sentiment": SENTIMENTS,
    "topic": tuple(THINGS),
    "aspect": ASPECTS,
    "noun": tuple(str(k + 1) for k in range(12)),
    "thing": tuple(str(k + 1) for k in range(4)),
    "adjective": tuple(good for _, good in ADJECTIVES),
    "verb": tuple(good for _, _, good, _ in VERBS),
    "intensity": INTENSITIES,
    "adverb": tuple(str(k + 1) for k in range(8)),
    "tense": TENSES,
    "negation": NEGATIONS,
    "person": PERSONS,
    "thought": tuple(now for now, _ in THOUGHTS),
    "time": TIMES,
    "place": PLACES,
    "opener": OPENERS,
}
# Words in capitals are slots: IS an adjective with its verb, LIKES a verb with its subject, THINKS somebody with an opinion.
TEMPLATES = (
    "the NOUN IS .",
    "THINKS the NOUN IS .",
    "the NOUN of this THING IS .",
    "LIKES the NOUN TIME .",
    "LIKES the NOUN of this THING .",
    "TIME the NOUN IS .",
    "PLACE the NOUN IS !",
    "PLACE LIKES the NOUN .",
    "OPENER , the NOUN IS .",
    "OPENER , LIKES the NOUN !",
    "LIKES the NOUN because it IS .",
    "as for the NOUN of this THING , it IS .",
    "this THING PLACE has one NOUN that IS .",
    "after a visit TIME THINKS the NOUN IS .",
)
TELLS = {
    "NOUN": ("topic", "aspect", "noun"),
    "THING": ("topic", "thing"),
    "IS": ("sentiment", "adjective", "intensity", "adverb", "tense", "negation"),
    "LIKES": ("sentiment", "person", "verb", "intensity", "adverb", "tense", "negation"),
    "THINKS": ("person", "thought", "tense"),
    "TIME": ("time",),
    "PLACE": ("place",),
    "OPENER": ("opener",),
}
NEGATED = 0.25  # of all sentences
Meaning = dict[str, int]


class Reviews(TextWorld):
    """Sentences of reviews, word ids int64 [n, T], by 17 factors of which a sentence tells those of its template.

    `noise` is the share of labels that are wrong; with `correlation` so large a share of the sentences has the sentiment of
    its topic, negative for every second. A quarter of the sentences is negated. `sample(..., where=...)`
    holds a combination out.
    """

    def __init__(self, noise: Share = 0.1, correlation: Share = 0.0) -> None:
        self.noise, self.correlation = noise, correlation
        self.labels = {**LABELS, "template": TEMPLATES}
        self.factors = tuple(Factor.categorical(name, len(of)) for name, of in self.labels.items())
        said = [*TEMPLATES, *(" ".join(words) for slot in TELLS for words in self._ways[slot])]
        words = {word for line in said for word in line.split() if word not in TELLS}
        self.vocabulary = Vocabulary(tuple(sorted(words)), "word")
        self.shape = (18,)

    @cached_property
    def _ways(self) -> dict[str, dict[tuple[str, ...], Meaning]]:
        """Every way to fill a slot, and what it means."""
        return {slot: _ways(slot) for slot in TELLS}

    @cached_property
    def _said(self) -> dict[str, dict[tuple[int, ...], tuple[str, ...]]]:
        """The words of a slot by the values of the factors it tells."""
        return {
            slot: {tuple(meant.get(name, 0) for name in TELLS[slot]): words for words, meant in ways.items()}
            for slot, ways in self._ways.items()
        }

    @cached_property
    def _told(self) -> Tensor:
        """Whether a template [14] tells a factor [17]."""
        slots = [{name for word in line.split() for name in TELLS.get(word, ())} for line in TEMPLATES]
        return torch.tensor([[name == "template" or name in told for name in self.names] for told in slots])

    def told(self, factors: Tensor) -> Tensor:
        """Which factors the sentences of rows [n, 17] tell: bool [n, 17]. Without intensity there is no adverb to tell."""
        rows = self.within(factors).round().long()
        told = self._told.to(factors.device)[rows[:, -1]]
        told[:, self.names.index("adverb")] &= rows[:, self.names.index("intensity")] > 0
        return told

    def lines(self, factors: Tensor) -> list[str]:
        """The sentences of rows [n, 17], words between spaces."""
        found = []
        for row in self.within(factors).round().long().tolist():
            own = dict(zip(self.names, row, strict=True))
            words = [self._slot(word, own) if word in TELLS else (word,) for word in TEMPLATES[own["template"]].split()]
            found.append(" ".join(itertools.chain.from_iterable(words)))
        return found

    def parse(self, ids: Tensor) -> Tensor:
        """The factors of sentences [n, T]: float32 [n, 17], NaN for what one does not tell; a row of NaN is no sentence."""
        rows = torch.full((len(ids), len(self.factors)), math.nan)
        for place, line in enumerate(self.vocabulary.lines(ids.cpu())):
            meant = self._read(tuple(line.split()))
            if meant:
                rows[place] = torch.tensor([float(meant.get(name, math.nan)) for name in self.names])
        return rows.to(ids.device)

    def nouns(self, sentence: str) -> set[str]:
        """What a sentence is about: its nouns for a thing and for what of it, grammatical or not."""
        return _ABOUT & set(sentence.split())

    def opinions(self, sentence: str) -> set[str]:
        """What a sentence says of it: its adjectives and verbs of sentiment, grammatical or not."""
        return _SAYING & set(sentence.split())

    def noisy(self, factors: Tensor, generator: torch.Generator, factor: str = "sentiment") -> Tensor:
        """Labels int64 [n] of rows [n, 17]: the values of a factor, another one in a share `noise` of the cases."""
        column = self.names.index(factor)
        kinds, device = len(self.labels[factor]), generator.device
        wrong = torch.rand(len(factors), generator=generator, device=device) < self.noise
        steps = wrong.long() * torch.randint(1, kinds, (len(factors),), generator=generator, device=device)
        return (factors[:, column].round().long() + steps.to(factors.device)) % kinds

    def _slot(self, slot: str, own: Meaning) -> tuple[str, ...]:
        key = tuple(0 if name == "adverb" and not own["intensity"] else own[name] for name in TELLS[slot])
        return self._said[slot][key]

    def _read(self, words: tuple[str, ...]) -> Meaning | None:
        """What a sentence means; None where no template fits."""
        for number, template in enumerate(TEMPLATES):
            meant = self._fit(template.split(), words, {"template": number})
            if meant is not None:
                return meant
        return None

    def _fit(self, slots: list[str], words: tuple[str, ...], meant: Meaning) -> Meaning | None:
        """What `words` mean as the rest of a template, where what was read before is `meant`."""
        if not slots or not words:
            return meant if not slots and not words else None
        first, rest = slots[0], slots[1:]
        if first not in TELLS:
            return self._fit(rest, words[1:], meant) if words[0] == first else None
        for length in range(1, min(len(words), 6) + 1):
            told = self._ways[first].get(words[:length])
            if told is not None and all(meant.get(name, value) == value for name, value in told.items()):
                found = self._fit(rest, words[length:], meant | told)
                if found is not None:
                    return found
        return None

    def _draw(self, n: int, generator: torch.Generator) -> Tensor:
        rows = super()._draw(n, generator)
        rows[:, self.names.index("negation")] = (
            torch.rand(n, generator=generator, device=generator.device) < NEGATED
        ).float()
        if self.correlation:
            follows = torch.rand(n, generator=generator, device=generator.device) < self.correlation
            rows[:, 0] = torch.where(follows, rows[:, 1] % 2, rows[:, 0])
        return rows

    def _render(self, factors: Tensor) -> Tensor:
        return self.vocabulary.ids(self.lines(factors), self.shape[0]).to(factors.device)


_ABOUT = {word for of in THINGS.values() for word in of} | {w for of in NOUNS.values() for line in of for w in line}
_SAYING = {word for pair in ADJECTIVES for word in pair} | {word for forms in VERBS for word in forms}


def _ways(slot: str) -> dict[tuple[str, ...], Meaning]:
    """Every way to fill a slot with words, and the factors that it tells."""
    found: dict[tuple[str, ...], Meaning] = {}
    if slot == "NOUN":
        for topic, lines in enumerate(NOUNS.values()):
            for aspect, words in enumerate(lines):
                found |= {(w,): {"topic": topic, "aspect": aspect, "noun": k} for k, w in enumerate(words)}
    elif slot == "THING":
        for topic, words in enumerate(THINGS.values()):
            found |= {(w,): {"topic": topic, "thing": k} for k, w in enumerate(words)}
    elif slot == "THINKS":
        for (k, person), (t, thought), tense in itertools.product(enumerate(PERSONS), enumerate(THOUGHTS), (0, 1)):
            found[(*person.split(), thought[tense])] = {"person": k, "thought": t, "tense": tense}
    elif slot in ("IS", "LIKES"):
        adverbs: list[tuple[tuple[str, ...], Meaning]] = [((), {"intensity": 0})]
        for k, words in enumerate(ADVERBS.values(), 1):
            adverbs += [((w,), {"intensity": k, "adverb": j}) for j, w in enumerate(words)]
        kinds = itertools.product(adverbs, (0, 1), (0, 1), (0, 1))
        for (adverb, told), tense, negated, polarity in kinds:
            meant = told | {"tense": tense, "negation": negated, "sentiment": polarity ^ negated}
            if slot == "IS":
                start = (("is", "was")[tense], *adverb, *(("not",) if negated else ()))
                found |= {(*start, pair[polarity]): meant | {"adjective": k} for k, pair in enumerate(ADJECTIVES)}
                continue
            start = adverb + ((("do", "did")[tense], "not") if negated else ())
            for (k, verb), (j, person) in itertools.product(enumerate(VERBS), enumerate(PERSONS)):
                form = verb[2 * polarity + (tense and not negated)]
                found[(*person.split(), *start, form)] = meant | {"verb": k, "person": j}
    else:
        name = slot.lower()
        found = {tuple(line.split()): {name: k} for k, line in enumerate(LABELS[name])}
    return found
