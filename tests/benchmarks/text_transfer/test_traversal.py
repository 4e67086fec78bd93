"""Codes in four clusters, two sentiments of two topics, that are moved as theory says."""

import pytest
import torch

from benchmarks.text_transfer.traversal import figure_2, journey, neighbours_say, shifted


@pytest.fixture
def clusters():
    generator = torch.Generator().manual_seed(0)
    sentiment, topic = torch.arange(200) % 2, torch.arange(200) // 2 % 2
    place = torch.stack([6.0 * sentiment, 8.0 * topic, torch.zeros(200)], 1)
    return place + torch.randn(200, 3, generator=generator), sentiment, topic


def test_what_goes_across_is_in_the_other_cluster_and_what_goes_nowhere_stays(clusters):
    codes, sentiment, topic = clusters
    across = codes + torch.stack([6.0 - 12.0 * sentiment, torch.zeros(200), torch.zeros(200)], 1)
    found = journey(codes, sentiment, topic, codes, across, 1 - sentiment, topic)
    assert all(found[name] > 0.97 for name in ("sentiment", "topic", "both"))
    assert found["stayed_sentiment"] < 0.03
    assert found["stayed_topic"] > 0.97
    lost = journey(codes, sentiment, topic, codes, codes.mean(0).expand_as(codes), 1 - sentiment, topic)
    assert lost["both"] < 0.6  # all in one place are of one sentiment and topic at most


def test_the_difference_of_means_is_the_way_across(clusters):
    codes, sentiment, topic = clusters
    moved = shifted(codes, sentiment, codes, 1 - sentiment)
    assert torch.allclose((moved - codes).abs().mean(0), torch.tensor([6.0, 0.0, 0.0]), atol=0.5)
    assert journey(codes, sentiment, topic, codes, moved, 1 - sentiment, topic)["both"] > 0.97


def test_a_code_is_no_neighbour_of_its_own():
    codes = torch.tensor([[0.0], [0.1], [0.2], [5.0]])
    assert neighbours_say(codes, torch.tensor([7, 3, 3, 7]), codes[:1], 2).tolist() == [3]
    with pytest.raises(ValueError, match="more than k = 4 codes, got 4"):
        neighbours_say(codes, torch.zeros(4), codes, 4)


def test_every_topic_and_sentiment_is_in_the_picture(clusters):
    codes, sentiment, topic = clusters
    figure = figure_2(codes, sentiment, topic, codes[:2], codes[2:4], ["movie", "phone"])
    (axes,) = figure.axes
    assert {text.get_text() for text in axes.get_legend().get_texts()} == {
        f"{t}, {s}" for t in ("movie", "phone") for s in ("negative", "positive")
    }
    assert sum(len(group.get_offsets()) for group in axes.collections) == 200
    assert len(axes.texts) == 2
