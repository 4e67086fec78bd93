"""What learners of sentences share, on sentences of a few words."""

import math

import pytest
import torch

from representations.parts.sentences import (
    NgramFilters,
    begun,
    check_sentences,
    gumbel_softmax,
    last_states,
    likeliest,
    mean_nll,
    spoken,
    trimmed,
)

IDS = torch.tensor([[4, 5, 2, 0], [6, 2, 0, 0]])


def test_a_decoder_reads_the_begin_and_all_but_the_last():
    assert begun(IDS).tolist() == [[1, 4, 5, 2], [1, 6, 2, 0]]


def test_nats_a_word_count_words_and_ends_but_no_padding():
    probability = torch.full((2, 4, 8), 1 / 8)
    assert mean_nll(probability.log(), IDS).item() == pytest.approx(math.log(8))
    probability[0, 0] = torch.tensor([0, 0, 0, 0, 1.0, 0, 0, 0])
    probability[:, 3] = 0
    assert mean_nll(probability.log(), IDS).item() == pytest.approx(4 / 5 * math.log(8))


def test_what_is_said_ends_with_its_first_end():
    words = torch.tensor([[4, 2, 5, 2], [4, 5, 6, 7], [2, 2, 0, 0]])
    assert spoken(words).tolist() == [[True, True, False, False], [True] * 4, [True, False, False, False]]


def test_the_likeliest_words_follow_each_other_up_to_the_end():
    """What follows is one more than the word before, 2 behind 6; padding and begin are likelier still, but never said."""

    def step(words, state):
        logits = torch.full((len(words), 8), -9.0)
        logits[torch.arange(len(words)), torch.where(words == 6, 2, words + 1)] = 1.0
        logits[:, :2] = 5.0
        return logits, state + 1

    begins = torch.tensor([3, 4, 6])
    assert likeliest(step, 0, begins, 5).tolist() == [[4, 5, 6, 2, 0], [5, 6, 2, 0, 0], [2, 0, 0, 0, 0]]
    assert likeliest(step, 0, begins, 2).tolist() == [[4, 5], [5, 6], [2, 0]]
    assert likeliest(step, 0, begins[:0], 2).shape == (0, 2)


def test_the_last_state_is_the_one_behind_the_end():
    assert last_states(torch.arange(8.0).view(2, 4, 1), IDS).tolist() == [[2.0], [5.0]]
    assert trimmed(IDS).tolist() == [[4, 5, 2], [6, 2, 0]]


def test_soft_words_are_drawn_by_their_probabilities_and_harden_as_it_cools():
    torch.manual_seed(0)
    p = torch.tensor([0.1, 0.2, 0.7])
    soft = gumbel_softmax(p.log().expand(20_000, 3), 0.5)
    assert torch.allclose(soft.sum(1), torch.ones(20_000))
    counts = torch.bincount(soft.argmax(1), minlength=3) / 20_000
    assert torch.allclose(counts, p, atol=0.015)  # four standard deviations
    assert gumbel_softmax(p.log().expand(500, 3), 0.01).amax(1).mean() > 0.98 > 0.9 > soft.amax(1).mean()


def test_filters_give_their_greatest_response_over_the_windows_that_begin_in_a_sentence():
    filters = NgramFilters(1, (1, 2), 1)
    with torch.no_grad():
        for convolution, weight in zip(filters.convolutions, ([1.0], [1.0, 10.0]), strict=True):
            convolution.weight.copy_(torch.tensor(weight).view(1, 1, -1))
            convolution.bias.zero_()
    embedded = torch.tensor([[3.0, 1.0, 2.0, 9.0]])[..., None]
    mask = torch.tensor([[True, True, True, False]])
    assert filters(embedded, mask).tolist() == [[3.0, 21.0]]  # 1 + 10 * 2; the nine is no part of it
    assert filters(-embedded, mask).tolist() == [[0.0, 0.0]]
    assert filters(embedded[:, :1], mask[:, :1]).tolist() == [[3.0, 3.0]]  # shorter than a window


def test_sentences_that_are_none_are_named():
    check_sentences(IDS, 7)
    with pytest.raises(ValueError, match=r"ids must lie in 0 \.\. 5, got 0 \.\. 6"):
        check_sentences(IDS, 6)
    with pytest.raises(ValueError, match="padding only"):
        check_sentences(torch.tensor([[4, 2], [0, 0]]), 7)
