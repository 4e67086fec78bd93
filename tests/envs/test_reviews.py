"""The world of reviews: what is said, and that it can be read back."""

from collections import Counter

import pytest
import torch

from envs import make_world
from envs.text.review_words import ADJECTIVES, NOUNS, OPENERS, PERSONS, PLACES, THINGS, THOUGHTS, TIMES, VERBS
from envs.text.reviews import TEMPLATES


@pytest.fixture(scope="module")
def world():
    return make_world("reviews")


def row_of(world, **told):
    """A row by the names of factors and, where they have names, of their values; 0 where nothing is told."""
    values = [told.get(name, 0) for name in world.names]
    places = [v if isinstance(v, int) else of.index(v) for v, of in zip(values, world.labels.values(), strict=True)]
    return torch.tensor([places], dtype=torch.float32)


SAID = [
    ({"template": 0, "sentiment": 0, "adjective": "good"}, "the pasta is bad ."),
    ({"template": 0, "sentiment": 1, "adjective": "good", "negation": "negated"}, "the pasta is not bad ."),
    (
        {
            "template": 0,
            "sentiment": 0,
            "adjective": "good",
            "negation": "negated",
            "tense": "past",
            "intensity": "strong",
        },
        "the pasta was really not good .",
    ),
    (
        {
            "template": 4,
            "sentiment": 1,
            "verb": "love",
            "tense": "past",
            "person": "we",
            "topic": "film",
            "aspect": "second",
        },
        "we loved the actor of this film .",
    ),
    (
        {
            "template": 4,
            "sentiment": 1,
            "verb": "love",
            "tense": "past",
            "negation": "negated",
            "topic": "book",
            "thing": 3,
        },
        "i did not hate the chapter of this thriller .",
    ),
    (
        {
            "template": 10,
            "sentiment": 0,
            "verb": "love",
            "adjective": "good",
            "negation": "negated",
            "intensity": "mild",
        },
        "i somewhat do not love the pasta because it is somewhat not good .",
    ),
    (
        {
            "template": 13,
            "sentiment": 1,
            "tense": "past",
            "person": "my friends",
            "time": "last week",
            "topic": "hotel",
        },
        "after a visit last week my friends thought the bed was good .",
    ),
    ({"template": 6, "sentiment": 1, "place": "in paris", "topic": "product"}, "in paris the screen is good !"),
    ({"template": 8, "sentiment": 1, "opener": "all in all"}, "all in all , the pasta is good ."),
]


@pytest.mark.parametrize(("told", "line"), SAID)
def test_a_row_says_what_it_means(world, told, line):
    assert world.lines(row_of(world, **told)) == [line]


def test_every_sentence_is_read_back_to_what_it_tells(world):
    rows = world.sample(3000, torch.Generator().manual_seed(0))
    parsed, told = world.parse(world.render(rows)), world.told(rows)
    assert torch.equal(parsed.isnan(), ~told)
    assert torch.equal(parsed[told], rows[told])
    assert set(rows[:, -1].tolist()) == set(range(len(TEMPLATES)))


def test_what_is_no_sentence_is_none(world):
    lines = [
        *(
            "the pasta is",
            "the pasta is good . .",
            "pasta the is good .",
            "the pasta is not really good .",
            "the good is pasta .",
        ),
        *(
            "we did not loved the pasta of this diner .",
            "we loved the pasta of this hotel .",
            "i think the pasta was good .",
        ),
        "i love the pasta because it is bad .",
    ]
    assert world.parse(world.vocabulary.ids(lines)).isnan().all()
    assert not world.parse(world.vocabulary.ids(["i loved the pasta of this diner ."])).isnan().all()


def test_no_word_stands_in_two_lists():
    phrases = [word for of in (PERSONS, TIMES, PLACES, OPENERS) for line in of for word in set(line.split())]
    lists = [*THINGS.values(), *(line for of in NOUNS.values() for line in of), *zip(*ADJECTIVES, strict=True)]
    lists += [*zip(*VERBS, strict=True), *zip(*THOUGHTS, strict=True), tuple(set(phrases))]
    assert [word for word, count in Counter(word for of in lists for word in of).items() if count > 1] == []


def test_there_are_as_many_words_as_in_a_small_corpus(world):
    assert len(world.vocabulary) > 700
    assert (world.render(world.sample(2000, torch.Generator().manual_seed(0))) != 3).all()


def test_labels_are_wrong_in_the_share_that_is_told(world):
    rows = world.sample(10_000, torch.Generator().manual_seed(0))
    for noise in (0.0, 0.1, 0.5):
        labels = make_world("reviews", noise=noise).noisy(rows, torch.Generator().manual_seed(1))
        assert (labels != rows[:, 0].long()).float().mean().item() == pytest.approx(noise, abs=0.02)  # four deviations


def test_a_wrong_topic_is_each_of_the_others(world):
    rows = world.sample(20_000, torch.Generator().manual_seed(0))
    labels = make_world("reviews", noise=0.4).noisy(rows, torch.Generator().manual_seed(1), "topic")
    steps = ((labels - rows[:, 1].long()) % 5).bincount(minlength=5) / 20_000
    assert torch.allclose(steps, torch.tensor([0.6, 0.1, 0.1, 0.1, 0.1]), atol=0.014)  # four deviations


def test_a_quarter_of_the_sentences_is_negated_whatever_their_sentiment(world):
    rows = world.sample(10_000, torch.Generator().manual_seed(0))
    for sentiment in (0, 1):
        negated = rows[rows[:, 0] == sentiment, world.names.index("negation")]
        assert negated.mean().item() == pytest.approx(0.25, abs=0.025)  # four deviations


def test_topics_may_have_a_sentiment_and_combinations_may_be_held_out():
    rows = make_world("reviews", correlation=0.8).sample(10_000, torch.Generator().manual_seed(0))
    assert (rows[:, 0] == rows[:, 1] % 2).float().mean().item() == pytest.approx(0.9, abs=0.015)
    held = make_world("reviews").sample(
        500, torch.Generator().manual_seed(0), where=lambda f: ~((f["topic"] == 2) & (f["sentiment"] == 1))
    )
    assert not ((held[:, 1] == 2) & (held[:, 0] == 1)).any()


def test_its_nouns_are_what_it_is_about(world):
    assert world.nouns("we loved the actor of this film in paris .") == {"actor", "film"}
    assert world.nouns("film film is the good .") == {"film"}
    assert world.nouns("it is good .") == set()
