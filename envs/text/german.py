"""German sentences: case, gender and number decide articles and endings; the verb comes second, or last.

endings of adjectives   weak behind der, mixed behind ein, kein and ihr, strong without an article and behind einige
"""

from __future__ import annotations

from collections.abc import Callable

from envs.text.english import written
from envs.text.lexicon import Adjective, Choice, Noun, Verb

CASES = {"nom": 0, "acc": 1, "dat": 2, "gen": 3}
DEFINITE = {"m": "der den dem des", "f": "die die der der", "n": "das das dem des", "p": "die die den der"}
BEHIND_EIN = {"m": "- en em es", "f": "e e er er", "n": "- - em es", "p": "e e en er"}  # what ein, kein, ihr end in
STRONG = {"m": "er en em en", "f": "e e er er", "n": "es es em en", "p": "e e en er"}
MIXED = {"m": "er en en en", "f": "e e en en", "n": "es es en en", "p": "en en en en"}
WEAK = {"m": "e en en en", "f": "e e en en", "n": "e e en en", "p": "en en en en"}


def phrase(noun: Noun, article: str, case: str, many: bool = False, adjective: Adjective | None = None) -> str:
    """A noun with its article (der, ein, kein, ihr, einig, irgendwelch, or none) and its adjective."""
    gender, place = "p" if many else noun.german_gender, CASES[case]

    def ending(of: dict[str, str]) -> str:
        return of[gender].split()[place].strip("-")

    words, endings = [], WEAK
    if article == "der":
        words = [ending(DEFINITE)]
    elif article in ("ein", "kein", "ihr"):
        words, endings = [article + ending(BEHIND_EIN)], MIXED
    elif article:  # einige, irgendwelche
        words, endings = [article + ending(STRONG)], STRONG if article == "einig" else WEAK
    else:
        endings = STRONG
    if adjective:
        words.append(adjective.german + ending(endings))
    return " ".join([*words, declined(noun, case, many)])


def declined(noun: Noun, case: str, many: bool) -> str:
    """The noun itself: the genitive as the lexicon has it, the dative plural with n but behind n and s."""
    if many:
        return noun.german[1] + ("n" if case == "dat" and noun.german[1][-1] not in "ns" else "")
    return noun.genitive if case == "gen" else noun.german[0]


def finite(verb: Verb, tense: int, many: bool) -> tuple[str, str]:
    """What stands where the finite verb does, and what the clause ends in."""
    infinitive, third, past, _ = verb.german
    if tense == 2:
        return ("werden" if many else "wird"), infinitive
    if tense == 1:
        return (past + ("n" if past[-1] == "e" else "en") if many else past), ""
    return (infinitive if many else third), ""


def within(preposition: str, noun: Noun, article: str = "der") -> str:
    """`in`, `an` or `von` with the dative, drawn together with its article where that is dem."""
    together = {"in dem": "im", "von dem": "vom"}
    said = f"{preposition} {phrase(noun, article, 'dat')}"
    return next((said.replace(two, one, 1) for two, one in together.items() if said.startswith(two + " ")), said)


def _agent(c: Choice, adjective: bool = True) -> str:
    return phrase(c.subject, "der", "nom", c.number == 1, c.adjective if adjective else None)


def _main(c: Choice) -> tuple[str, str]:
    return finite(c.verb, c.tense, c.number == 1)


def _statement(c: Choice) -> list[str]:
    verb, end = _main(c)
    return [_agent(c), verb, phrase(c.object, "der", "acc"), end, "."]


def _described(c: Choice) -> list[str]:
    verb, end = _main(c)
    return [_agent(c, False), verb, phrase(c.object, "der", "acc", False, c.adjective), end, "."]


def _question(c: Choice) -> list[str]:
    verb, end = _main(c)
    return [verb, _agent(c), phrase(c.object, "der", "acc"), end, "?"]


def _negation(c: Choice) -> list[str]:
    verb, end = _main(c)
    return [_agent(c), verb, phrase(c.object, "der", "acc"), "nicht", end, "."]


def _passive(c: Choice) -> list[str]:
    verb, end = ("wird", "wurde", "wird")[c.tense], "werden" * (c.tense == 2)
    agent = phrase(c.subject, "der", "dat", c.number == 1, c.adjective)
    by = f"von {agent}".replace("von dem ", "vom ")
    return [phrase(c.object, "der", "nom"), verb, by, c.verb.german[3], end, "."]


def _cleft(c: Choice) -> list[str]:
    verb, end = _main(c)
    many = c.number == 1
    who = "die" if many else DEFINITE[c.subject.german_gender].split()[0]
    return ["es", "sind" if many else "ist", _agent(c), ",", who, phrase(c.object, "der", "acc"), end, verb, "."]


def _report(c: Choice) -> list[str]:
    verb, end = _main(c)
    return ["wir wissen", ",", "dass", _agent(c), phrase(c.object, "der", "acc"), end, verb, "."]


def _but_still(c: Choice) -> list[str]:
    first = [phrase(c.subject, "der", "nom", True), phrase(c.theme, "der", "gen"), c.verb.german[0], c.adverb.german]
    first += [phrase(c.object, "der", "acc", False, c.adjective), ",", "aber"]
    then = [
        phrase(c.company, "einig", "nom", True),
        c.second_verb.german[0],
        "immer noch",
        phrase(c.place, "ihr", "acc"),
    ]
    return [*first, *then, "."]


def _will(c: Choice) -> list[str]:
    where = [within("in", c.place), phrase(c.company, "ein", "gen", False, c.adjective)]
    what = ["wird", phrase(c.subject, "der", "nom"), phrase(c.theme, "der", "acc"), c.verb.german[0], ","]
    return [*where, *what, phrase(c.object, "der", "acc"), "zu", c.second_verb.german[0], "."]


def _acting(c: Choice) -> list[str]:
    whose = ["von", phrase(c.company, "", "dat", True), ",", "die", within("auf", c.place), c.second_verb.german[0]]
    return [c.subject.german[1], c.verb.german[0], phrase(c.object, "der", "acc", False, c.adjective), *whose, "."]


def _rather(c: Choice) -> list[str]:
    where = [within("in", c.place), phrase(c.theme, "der", "gen"), "würden", c.subject.german[1]]
    what = ["lieber ohne", c.lack.german[0], c.verb.german[0], "als"]
    return [*where, *what, phrase(c.object, "irgendwelch", "acc", True, c.adjective), c.second_verb.german[0], "."]


def _in_order(c: Choice) -> list[str]:
    aim = ["um auf", phrase(c.place, "ein", "dat"), "zu", c.second_verb.german[0]]
    return [c.theme.german[0], c.verb.german[1], ",", *aim, "."]


def _like(c: Choice) -> list[str]:
    return [phrase(c.subject, "", "nom", True, c.adjective), c.verb.german[0], "oft wie", c.company.german[1], "."]


SAID: dict[str, Callable[[Choice], list[str]]] = {
    "statement": _statement,
    "described": _described,
    "question": _question,
    "negation": _negation,
    "passive": _passive,
    "cleft": _cleft,
    "report": _report,
    "is": lambda c: [phrase(c.subject, "der", "nom"), "ist", c.adjective.german, "."],
    "acts": lambda c: [phrase(c.subject, "der", "nom"), c.verb.german[1], "."],
    "has": lambda c: [phrase(c.subject, "der", "nom"), "hat", phrase(c.object, "ein", "acc"), "."],
    "acts_on": lambda c: [phrase(c.subject, "der", "nom"), c.verb.german[1], phrase(c.object, "ein", "acc"), "."],
    "manner": lambda c: [phrase(c.subject, "der", "nom"), c.verb.german[1], c.adverb.german, "."],
    "never": lambda c: [phrase(c.subject, "kein", "nom"), c.verb.german[1], "jemals", "."],
    "are": lambda c: ["sind", c.subject.german[1], c.adjective.german, "?"],
    "but_still": _but_still,
    "will": _will,
    "acting": _acting,
    "rather": _rather,
    "in_order": _in_order,
    "like": _like,
    "empty": lambda c: [],
}


def german(syntax: str, choice: Choice) -> str:
    """The sentence."""
    return written([word for word in SAID[syntax](choice) if word])
