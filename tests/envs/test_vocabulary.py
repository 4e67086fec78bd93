"""Sentences as ids and back."""

import pytest
import torch

from envs.text.vocabulary import Vocabulary


def test_ids_are_tokens_then_the_end_then_padding_and_come_back():
    words = Vocabulary(("the", "cat", "sees"), "word")
    assert len(words) == 7
    lines = ["the cat sees the cat", "", "cat"]
    ids = words.ids(lines)
    assert ids.tolist() == [[4, 5, 6, 4, 5, 2], [2, 0, 0, 0, 0, 0], [5, 2, 0, 0, 0, 0]]
    assert words.lines(ids) == lines
    assert words.ids(lines, 9).shape == (3, 9)
    assert words.ids([]).shape == (0, 1)
    signs = Vocabulary(tuple("abc "), "character")
    assert signs.lines(signs.ids(["a  cab", " b"])) == ["a  cab", " b"]


def test_what_is_not_known_is_unknown_and_seen_to_be_so():
    words = Vocabulary(("the",), "word")
    ids = words.ids(["the dog"])
    assert ids.tolist() == [[4, 3, 2]]
    assert words.lines(ids) == ["the �"]
    assert words.lines(torch.tensor([[1, 4, 2, 4]])) == ["the"]  # begin is no token, and nothing stands behind the end


def test_a_vocabulary_of_lines_has_the_most_frequent_first():
    found = Vocabulary.of(["b a b", "c a b"], "word")
    assert found.tokens == ("b", "a", "c")
    assert Vocabulary.of(["b a b", "c a b"], "word", least=2).tokens == ("b", "a")
    assert Vocabulary.of(["zé", "é"], "character").tokens == ("é", "z")


def test_wrong_input_is_named():
    words = Vocabulary(("a", "b"), "word")
    with pytest.raises(ValueError, match="sentence 1 has 4 words with its end, more than 3: 'a b a'"):
        words.ids(["a", "a b a"], 3)
    with pytest.raises(ValueError, match=r"0 \.\. 5, got 0 \.\. 6"):
        words.lines(torch.tensor([[6, 0]]))
    with pytest.raises(ValueError, match="'a' more than once"):
        Vocabulary(("a", "b", "a"), "word")
    with pytest.raises(ValueError, match="character or word, got 'letter'"):
        Vocabulary(("a",), "letter")
