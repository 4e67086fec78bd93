"""French sentences: gender and number decide articles, adjectives and participles; vowels draw words together.

l', d', n', qu'       before a vowel or a silent h            du, des         de with le, les
un vieil ami          adjectives that have a form for it      de beaux murs   des before an adjective that goes first
"""

from __future__ import annotations

from collections.abc import Callable

from envs.text.english import written
from envs.text.lexicon import Adjective, Choice, Noun, Verb

VOWELS = frozenset("aeiouhâàéèêëîïôûœ")  # every h of the lexicon is silent


def elided(word: str, following: str) -> str:
    """`word` (le, la, de, ne, que ...) in front of `following`, drawn together before a vowel."""
    return f"{word[:-1]}'{following}" if following[0] in VOWELS else f"{word} {following}"


def phrase(noun: Noun, article: str, many: bool = False, adjective: Adjective | None = None) -> str:
    """A noun with its article (le, un, leur, certain, aucun, or none) and its adjective, before it or behind."""
    feminine = noun.french_gender == "f"
    said = noun.french[many]
    first = adjective is not None and adjective.before
    if adjective:
        form = adjective.french[feminine + 2 * many]
        if first and not many and not feminine and said[0] in VOWELS:
            form = adjective.vowel
        said = f"{form} {said}" if first else f"{said} {form}"
    if article == "le":
        return f"les {said}" if many else elided("la" if feminine else "le", said)
    if article == "un" and many:
        return elided("de", said) if first else f"des {said}"
    if article in ("un", "certain", "aucun"):
        return f"{article}{'e' * feminine}{'s' * many} {said}"
    return f"{article}{'s' * many} {said}" if article else said


def of(said: str) -> str:
    """`de` in front of a noun phrase, drawn together with its article."""
    for article, together in (("le ", "du "), ("les ", "des ")):
        if said.startswith(article):
            return together + said.removeprefix(article)
    return elided("de", said)


def finite(verb: Verb, tense: int, many: bool) -> tuple[str, str]:
    """The finite verb and the participle behind it: present, perfect with avoir, future."""
    _, one, several, participle, stem = verb.french
    if tense == 2:
        return stem + ("ont" if many else "a"), ""
    if tense == 1:
        return ("ont" if many else "a"), participle
    return (several if many else one), ""


def _agent(c: Choice, adjective: bool = True) -> str:
    return phrase(c.subject, "le", c.number == 1, c.adjective if adjective else None)


def _main(c: Choice) -> list[str]:
    return list(finite(c.verb, c.tense, c.number == 1))


def _statement(c: Choice) -> list[str]:
    return [_agent(c), *_main(c), phrase(c.object, "le"), "."]


def _described(c: Choice) -> list[str]:
    return [_agent(c, False), *_main(c), phrase(c.object, "le", False, c.adjective), "."]


def _question(c: Choice) -> list[str]:
    return ["est-ce que", _agent(c), *_main(c), phrase(c.object, "le"), "?"]


def _negation(c: Choice) -> list[str]:
    verb, participle = _main(c)
    return [_agent(c), elided("ne", verb), "pas", participle, phrase(c.object, "le"), "."]


def _passive(c: Choice) -> list[str]:
    be = ("est", "a été", "sera")[c.tense]
    participle = c.verb.french[3] + "e" * (c.object.french_gender == "f")
    return [phrase(c.object, "le"), be, participle, "par", _agent(c), "."]


def _cleft(c: Choice) -> list[str]:
    it = "ce sont" if c.number == 1 else "c'est"
    return [it, _agent(c), "qui", *_main(c), phrase(c.object, "le"), "."]


def _report(c: Choice) -> list[str]:
    return ["nous savons que", _agent(c), *_main(c), phrase(c.object, "le"), "."]


def _is(c: Choice) -> list[str]:
    return [phrase(c.subject, "le"), "est", c.adjective.french[c.subject.french_gender == "f"], "."]


def _never(c: Choice) -> list[str]:
    return [phrase(c.subject, "aucun"), elided("ne", c.verb.french[1]), "jamais", "."]


def _are(c: Choice) -> list[str]:
    feminine = c.subject.french_gender == "f"
    be = f"sont-{'elles' if feminine else 'ils'}"
    return [phrase(c.subject, "le", True), be, c.adjective.french[feminine + 2], "?"]


def _but_still(c: Choice) -> list[str]:
    first = [phrase(c.subject, "le", True), of(phrase(c.theme, "le")), c.verb.french[2], c.adverb.french]
    first += [phrase(c.object, "le", False, c.adjective), ",", "mais"]
    then = [phrase(c.company, "certain", True), c.second_verb.french[2], "toujours", phrase(c.place, "leur")]
    return [*first, *then, "."]


def _will(c: Choice) -> list[str]:
    where = ["dans", phrase(c.place, "le"), of(phrase(c.company, "un", False, c.adjective)), ","]
    what = [phrase(c.subject, "le"), finite(c.verb, 2, False)[0], phrase(c.theme, "le")]
    return [*where, *what, elided("de", c.second_verb.french[0]), phrase(c.object, "le"), "."]


def _acting(c: Choice) -> list[str]:
    what = [phrase(c.subject, "le", True), c.verb.french[2], phrase(c.object, "le", False, c.adjective)]
    return [*what, of(phrase(c.company, "", True)), "qui", c.second_verb.french[2], "sur", phrase(c.place, "le"), "."]


def _rather(c: Choice) -> list[str]:
    where = ["dans", phrase(c.place, "le"), of(phrase(c.theme, "le")), ",", phrase(c.subject, "le", True)]
    what = [
        "préféreraient",
        c.verb.french[0],
        "sans",
        c.lack.french[0],
        "plutôt que",
        elided("de", c.second_verb.french[0]),
    ]
    return [*where, *what, phrase(c.object, "un", True, c.adjective), "."]


def _in_order(c: Choice) -> list[str]:
    aim = [elided("afin de", c.second_verb.french[0]), "sur", phrase(c.place, "un")]
    return [phrase(c.theme, "le"), c.verb.french[1], *aim, "."]


def _like(c: Choice) -> list[str]:
    who = phrase(c.subject, "le", True, c.adjective)
    return [who, c.verb.french[2], "souvent comme", phrase(c.company, "un", True), "."]


SAID: dict[str, Callable[[Choice], list[str]]] = {
    "statement": _statement,
    "described": _described,
    "question": _question,
    "negation": _negation,
    "passive": _passive,
    "cleft": _cleft,
    "report": _report,
    "is": _is,
    "acts": lambda c: [phrase(c.subject, "le"), c.verb.french[1], "."],
    "has": lambda c: [phrase(c.subject, "le"), "a", phrase(c.object, "un"), "."],
    "acts_on": lambda c: [phrase(c.subject, "le"), c.verb.french[1], phrase(c.object, "un"), "."],
    "manner": lambda c: [phrase(c.subject, "le"), c.verb.french[1], c.adverb.french, "."],
    "never": _never,
    "are": _are,
    "but_still": _but_still,
    "will": _will,
    "acting": _acting,
    "rather": _rather,
    "in_order": _in_order,
    "like": _like,
    "empty": lambda c: [],
}


def french(syntax: str, choice: Choice) -> str:
    """The sentence; a question mark has a space before it."""
    return written([word for word in SAID[syntax](choice) if word], space=" ")
