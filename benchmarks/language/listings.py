"""Sentences that codes say: between two sentences, and of s1 - s2 + s3; and how many the world's parser reads as meant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from benchmarks.language.corpus import Corpus
from envs.text.sentences import Sentences
from representations.language_multitask import LanguageMultitask

POINTS = 7  # of a line from one sentence to another, both ends counted
Triple = tuple[str, str, str]

# Of the world, and of captions: sentences of ours, chosen before any model had learned.
BETWEEN: dict[bool, Sequence[tuple[str, str]]] = {
    True: (
        ("Are teachers old?", "In the house of freedom, kings would rather paint without music than buy any old cars."),
        ("Does the old king see the house?", "The garden was cleaned by the young sisters."),
    ),
    False: (
        ("A man is sitting on a bench.", "Two children play with a ball in the park."),
        ("A dog runs.", "Several people are standing in front of a large building."),
    ),
}
SUMS: dict[bool, Sequence[Triple]] = {
    True: (
        ("The old king sees the house.", "The old queen sees the house.", "The old queen buys the car."),
        ("The young girl builds the bridge.", "The young girl builds the wall.", "The small cat sees the wall."),
        ("The dog eats the red apple.", "The dog ate the red apple.", "The women ate the white box."),
        ("Does the good child hear the song?", "The good child hears the song.", "The rich man hears the song."),
        ("Are painters famous?", "Are painters quiet?", "The judge is quiet."),
    ),
    False: (
        ("A man is riding a bike.", "A woman is riding a bike.", "A woman is sitting on a bench."),
        ("A dog runs on the beach.", "A dog runs in the snow.", "A boy plays in the snow."),
        ("Two men are talking.", "Two men are eating.", "A girl is eating."),
        ("A man in a red shirt.", "A man in a blue shirt.", "A woman in a blue shirt."),
        ("People are walking.", "A person is walking.", "A person is dancing."),
    ),
}


def listed_lines(model: LanguageMultitask, read: Corpus, own: bool) -> dict[str, Any]:
    """What the first decoder says between sentences and of sums, of the world's sentences (`own`) or of captions."""

    def codes(*lines: str) -> Tensor:
        return model.encode(read.vocabulary.ids(lines))

    def lines(points: Tensor) -> list[str]:
        return read.vocabulary.lines(model.decode(points))

    shares = torch.linspace(0, 1, POINTS)[:, None]
    between = []
    for ends in BETWEEN[own]:
        first, last = codes(*ends)
        between.append(lines(torch.lerp(first, last, shares)))
    sums = [(*triple, *lines(added(*codes(*triple))[None])) for triple in SUMS[own]]
    return {"between": between, "sums": sums}


def added(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
    """s1 - s2 + s3."""
    return first - second + third


def oracle(model: LanguageMultitask, world: Sentences, count: int, generator: torch.Generator) -> dict[str, float]:
    """Shares of `count` sentences of a world that the parser reads as meant.

    `copied`: said again, they have every factor that they had. `halfway`: what is said half way between two of them is a
    sentence. `summed`: b is a with one factor changed, c has that factor as b has it; a - b + c is c with the factor of a.
    """
    rows, others = world.sample(count, generator), world.sample(count, generator)
    changed = torch.arange(count) % len(world.factors)
    places = torch.arange(count)
    second = rows.clone()
    sizes = torch.tensor([len(factor.values) for factor in world.factors])[changed]
    step = 1 + torch.rand(count, generator=generator).mul(sizes - 1).floor()
    second[places, changed] = (rows[places, changed] + step) % sizes
    third, wanted = others.clone(), others.clone()
    third[places, changed] = second[places, changed]
    wanted[places, changed] = rows[places, changed]
    a, b, c = (model.encode(world.render(each)) for each in (rows, second, third))

    def said(codes: Tensor) -> Tensor:
        return world.parse(model.decode(codes))

    return {
        "copied": _share((said(a) == rows).all(1)),
        "halfway": _share(~said((a + c) / 2)[:, 0].isnan()),
        "summed": _share((said(added(a, b, c)) == wanted).all(1)),
    }


def _share(found: Tensor) -> float:
    return found.float().mean().item()
