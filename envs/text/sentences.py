"""A world of English sentences with their translations and parts of speech, made by a small grammar.

    factors    syntax, number, tense, and a word for every slot         f -> sentence in English, German, French, tags
    parse      sentence -> f                                            the oracle: exact, NaN for what it does not tell

Two kinds of syntax: seven clauses that tell number, tense, subject, verb, object and adjective, and the fourteen prototypes
of Brunner et al. 2018, arXiv:1801.06024, section 4.1. The words are ours, their agreement is that of each language.
"""

from __future__ import annotations

import math
from functools import cached_property

import torch
from torch import Tensor

from borders import Count, nearest
from envs.text.english import CLAUSES, PENN, PROTOTYPES, TEMPLATES, english, longest, readings, tells, written
from envs.text.french import french
from envs.text.german import german
from envs.text.lexicon import SLOTS, Choice
from envs.text.vocabulary import Vocabulary
from envs.text.world import TextWorld
from envs.world import Factor

GROUPS = {"all": tuple(TEMPLATES), "clauses": tuple(CLAUSES), "prototypes": tuple(PROTOTYPES)}
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SIGNS = " .,?'-" + LETTERS + LETTERS.upper() + "äöüßÄÖÜàâçèéêëîïôùûœÀÂÇÈÉÊÎÔŒ"
LANGUAGES = ("en", "de", "fr", "tags")
NUMBERS, TENSES = ("one", "many"), ("present", "past", "future")


class Sentences(TextWorld):
    """English sentences, character ids int64 [n, T], by syntax, number, tense and words; `views` has their translations.

    `syntax` says which there are: all, clauses, prototypes, or names of them separated by commas. The factors are those that
    one of them tells at least; `labels` names the classes of each.
    """

    def __init__(self, syntax: str = "all") -> None:
        self.syntaxes = GROUPS.get(syntax) or tuple(name.strip() for name in syntax.split(","))
        for name in self.syntaxes:
            if name not in TEMPLATES:
                raise ValueError(
                    f"syntax must be {', '.join(GROUPS)}, or some of {nearest(name, TEMPLATES)}, separated by "
                    f"commas, got {name!r}"
                )
        told = frozenset().union(*map(tells, self.syntaxes))
        labels = {"syntax": self.syntaxes, "number": NUMBERS, "tense": TENSES}
        labels |= {slot: tuple(_name(word) for word in words) for slot, words in SLOTS.items()}
        self.labels = {name: of for name, of in labels.items() if name in told or name == "syntax"}
        self.factors = tuple(Factor.categorical(name, len(of)) for name, of in self.labels.items())
        self.vocabulary = Vocabulary(tuple(SIGNS), "character")
        self.tags = Vocabulary(PENN, "word")
        self.shape = (max(map(longest, self.syntaxes)) + 1,)

    @cached_property
    def _told(self) -> Tensor:
        """Whether a syntax [S] tells a factor [K]."""
        return torch.tensor([[n == "syntax" or n in tells(syntax) for n in self.names] for syntax in self.syntaxes])

    def told(self, factors: Tensor) -> Tensor:
        """Which factors the sentences of rows [n, K] tell: bool [n, K]."""
        return self._told.to(factors.device)[self.within(factors)[:, 0].round().long()]

    def views(self, factors: Tensor) -> dict[str, Tensor]:
        """The sentences of rows [n, K] by language: ids [n, T] in `en`, `de` and `fr`, and ids of `tags`, a word each."""
        lines = self.lines(factors)
        books = dict.fromkeys(LANGUAGES, self.vocabulary) | {"tags": self.tags}
        return {name: books[name].ids(of).to(factors.device) for name, of in lines.items()}

    def lines(self, factors: Tensor) -> dict[str, list[str]]:
        """The sentences of rows [n, K] by language as they are written, and their `tags` with spaces between."""
        found: dict[str, list[str]] = {name: [] for name in LANGUAGES}
        for syntax, choice in self._choices(factors):
            words = english(syntax, choice)
            found["en"].append(written([word for word, _ in words]))
            found["tags"].append(" ".join(tag for _, tag in words))
            found["de"].append(german(syntax, choice))
            found["fr"].append(french(syntax, choice))
        return found

    def parse(self, ids: Tensor) -> Tensor:
        """The factors of English sentences [n, T]: float32 [n, K], NaN for what one does not tell.

        A row of NaN is no sentence of this world, to the letter.
        """
        rows = torch.full((len(ids), len(self.factors)), math.nan)
        for place, line in enumerate(self.vocabulary.lines(ids.cpu())):
            for syntax, meant in readings(line, self.syntaxes):
                row = [syntax if n == "syntax" else meant.get(n, 0) for n in self.names]
                told = torch.tensor(row, dtype=torch.float32)
                if self._english(told[None])[0] == line:
                    rows[place] = told.where(self._told[syntax], torch.tensor(math.nan))
        return rows.to(ids.device)

    def prototypes(self, count: Count, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """`count` rows of every prototype of this world, with words at random: [14 count, K], and which it is [14 count]."""
        own = [place for place, syntax in enumerate(self.syntaxes) if syntax in PROTOTYPES]
        if not own:
            raise ValueError(f"there are no prototypes among {', '.join(self.syntaxes)}")
        labels = torch.arange(len(own), device=generator.device).repeat_interleave(count)
        rows = self.sample(len(labels), generator)
        rows[:, 0] = torch.tensor(own, device=generator.device)[labels].float()
        return rows, labels

    def _render(self, factors: Tensor) -> Tensor:
        return self.vocabulary.ids(self._english(factors), self.shape[0]).to(factors.device)

    def _english(self, factors: Tensor) -> list[str]:
        return [written([word for word, _ in english(*chosen)]) for chosen in self._choices(factors)]

    def _choices(self, factors: Tensor) -> list[tuple[str, Choice]]:
        """The syntax and the words of every row [n, K]; what this world does not tell is the first of its kind."""
        found = []
        for row in self.within(factors).round().long().tolist():
            own = dict(zip(self.names, row, strict=True))
            words = {slot: of[own.get(slot, 0)] for slot, of in SLOTS.items()}
            number, tense = own.get("number", 0), own.get("tense", 0)
            found.append((self.syntaxes[own["syntax"]], Choice(**words, number=number, tense=tense)))  # type: ignore[arg-type]
        return found


def _name(word: object) -> str:
    """An English word as the lexicon lists it."""
    of = getattr(word, "english")  # noqa: B009
    return of if isinstance(of, str) else of[0]
