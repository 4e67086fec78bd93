"""English sentences: a template for every syntax, which writes sentences with their tags and reads them back.

In a template a plain word stands for itself and may name its tag (`that/WDT`); `+slot` is the word of a slot, with its
form behind a colon:

    nouns   sg (as without), pl, n by the number of the choice
    verbs   inf (as without), pl, s, p the participle, ing, t by number and tense of the choice
    do, be  t by number and tense; `be` agrees with a subject that is one

Tags are those of the Penn treebank.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from envs.text.lexicon import SLOTS, Adjective, Adverb, Choice, Noun, Verb

Words = list[tuple[str, str]]  # of a sentence, with their tags

# Seven clauses of ours that say all of number, tense, subject, verb, object and adjective.
CLAUSES = {
    "statement": "the +adjective +subject:n +verb:t the +object .",
    "described": "the +subject:n +verb:t the +adjective +object .",
    "question": "+do:t the +adjective +subject:n +verb the +object ?",
    "negation": "the +adjective +subject:n +do:t not +verb the +object .",
    "passive": "the +object +be:t +verb:p by the +adjective +subject:n .",
    "cleft": "it is/VBZ the +adjective +subject:n that/WDT +verb:t the +object .",
    "report": "we know/VBP that/IN the +adjective +subject:n +verb:t the +object .",
}

# The prototypes of Brunner et al. 2018, section 4.1, in their order.
PROTOTYPES = {
    "is": "the +subject is/VBZ +adjective .",
    "acts": "the +subject +verb:s .",
    "has": "the +subject has/VBZ a +object .",
    "acts_on": "the +subject +verb:s a +object .",
    "manner": "the +subject +verb:s +adverb .",
    "never": "no +subject ever/RB +verb:s .",
    "are": "are/VBP +subject:pl +adjective ?",
    "but_still": "the +subject:pl of +theme +adverb +verb:pl the +adjective +object , but/CC some +company:pl still/RB "
    "+second_verb:pl their/PRP$ +place .",
    "will": "in the +place of a +adjective +company , the +subject will/MD +verb the +theme of +second_verb:ing the "
    "+object .",
    "acting": "+subject:pl +verb:pl the +adjective +object of +company:pl +second_verb:ing on the +place .",
    "rather": "in the +place of +theme , +subject:pl would/MD rather/RB +verb without/IN +lack than/IN +second_verb any "
    "+adjective +object:pl .",
    "in_order": "+theme +verb:s in order/NN to/TO +second_verb on a +place .",
    "like": "+adjective +subject:pl often/RB +verb:pl like/IN +company:pl .",
    "empty": "",
}
TEMPLATES = CLAUSES | PROTOTYPES

TAGS = {"the": "DT", "a": "DT", "no": "DT", "some": "DT", "any": "DT", "it": "PRP", "we": "PRP", "not": "RB"}
TAGS |= {"in": "IN", "on": "IN", "of": "IN", "by": "IN", ".": ".", "?": ".", ",": ","}
VERBAL = ("VB", "VBD", "VBG", "VBN", "VBP", "VBZ")
PENN = (".", ",", "CC", "DT", "IN", "JJ", "MD", "NN", "NNS", "PRP", "PRP$", "RB", "TO", *VERBAL, "WDT")
FORMS = {"inf": (0, "VB"), "pl": (0, "VBP"), "s": (1, "VBZ"), "p": (3, "VBN"), "ing": (4, "VBG")}
DO = {(0, 0): ("does", "VBZ"), (1, 0): ("do", "VBP")}
BE = {0: [("is", "VBZ")], 1: [("was", "VBD")], 2: [("will", "MD"), ("be", "VB")]}


@dataclass(frozen=True)
class Piece:
    """Part of a template: a slot with a form, or where `slot` is empty a word with its tag."""

    slot: str
    form: str


@cache
def pieces(syntax: str) -> tuple[Piece, ...]:
    """The template of a syntax in parts."""
    found = []
    for word in TEMPLATES[syntax].split():
        slot, _, form = word.removeprefix("+").partition(":" if word[0] == "+" else "/")
        found.append(Piece(slot, form) if word[0] == "+" else Piece("", f"{slot}/{form or TAGS[slot]}"))
    return tuple(found)


@cache
def tells(syntax: str) -> frozenset[str]:
    """Which of the slots, `number` and `tense` a sentence of this syntax tells."""
    parts = pieces(syntax)
    told = {part.slot for part in parts if part.slot in SLOTS}
    told |= {"number" for part in parts if part.form == "n"} | {"tense" for part in parts if part.form == "t"}
    return frozenset(told)


def _spoken(part: Piece, choice: Choice) -> Words:
    """The words of a part of a template."""
    if not part.slot:
        word, _, tag = part.form.rpartition("/")
        return [(word, tag)]
    if part.slot == "do":
        future, past = [("will", "MD")], [("did", "VBD")]
        return {0: [DO.get((choice.number, 0), ("", ""))], 1: past, 2: future}[choice.tense]
    if part.slot == "be":
        return BE[choice.tense]
    return _inflected(getattr(choice, part.slot), part.form, choice)


def _inflected(word: Noun | Verb | Adjective | Adverb, form: str, choice: Choice) -> Words:
    """A word of the lexicon in a form."""
    if isinstance(word, Noun):
        many = form == "pl" or (form == "n" and choice.number == 1)
        return [(word.english[many], "NNS" if many else "NN")]
    if isinstance(word, Verb):
        if form == "t" and choice.tense == 2:
            return [("will", "MD"), (word.english[0], "VB")]
        if form == "t" and choice.tense == 1:
            return [(word.english[2], "VBD")]
        place, tag = FORMS[("s", "pl")[choice.number] if form == "t" else form or "inf"]
        return [(word.english[place], tag)]
    return [(word.english, "JJ" if isinstance(word, Adjective) else "RB")]


def english(syntax: str, choice: Choice) -> Words:
    """The words of a sentence with their tags, in lower case."""
    found = [pair for part in pieces(syntax) for pair in _spoken(part, choice)]
    return [("an", tag) if word == "a" and found[k + 1][0][0] in "aeiou" else (word, tag)
            for k, (word, tag) in enumerate(found)]  # fmt: skip


def written(words: Sequence[str], space: str = "") -> str:
    """Words and signs as a line: a capital first, commas and stops behind their word, question marks behind `space`."""
    line = re.sub(r" ([,.?])", lambda found: (space if found[1] == "?" else "") + found[1], " ".join(words))
    return line[:1].upper() + line[1:]


@cache
def _variants(syntax: str) -> tuple[tuple[int, int, tuple[tuple[str, Mapping[str, int]], ...]], ...]:
    """For every number and tense of a syntax: for every position the slot, and what its words mean by their place."""
    told = tells(syntax)
    base = Choice(**{slot: words[0] for slot, words in SLOTS.items()})  # type: ignore[arg-type]
    found = []
    for number in (0, 1) if "number" in told else (0,):
        for tense in (0, 1, 2) if "tense" in told else (0,):
            choice = replace(base, number=number, tense=tense)
            places: list[tuple[str, Mapping[str, int]]] = []
            for part in pieces(syntax):
                if part.slot not in SLOTS:
                    places += [("", {word: 0}) for word, _ in _spoken(part, choice)]
                    continue
                forms = [_inflected(word, part.form, choice) for word in SLOTS[part.slot]]
                places += [("", {word: 0}) for word, _ in forms[0][:-1]]
                places.append((part.slot, {form[-1][0]: k for k, form in enumerate(forms)}))
            found.append((number, tense, tuple(places)))
    return tuple(found)


def readings(line: str, syntaxes: Sequence[str]) -> Iterator[tuple[int, dict[str, int]]]:
    """Every way to read a line: which of the syntaxes, and the places of its words in their slots, number and tense."""
    words = ["a" if word == "an" else word for word in re.findall(r"\w+|[^\w\s]", line.lower())]
    for place, syntax in enumerate(syntaxes):
        for number, tense, positions in _variants(syntax):
            if len(positions) != len(words) or not all(
                word in meant for word, (_, meant) in zip(words, positions, strict=True)
            ):
                continue
            found = {slot: meant[word] for word, (slot, meant) in zip(words, positions, strict=True) if slot}
            yield place, found | {"number": number, "tense": tense}


@cache
def longest(syntax: str) -> int:
    """The most characters that a sentence of this syntax has."""
    most = 0
    for _, _, positions in _variants(syntax):
        words = [max(meant, key=len) + ("n" if meant == {"a": 0} else "") for _, meant in positions]
        most = max(most, len(written(words)))
    return most
