"""Scores of sentences on sentences whose scores are known."""

import math

import numpy as np
import pytest
import torch

from benchmarks.metrics.text import (
    LanguageModel,
    NgramClassifier,
    bleu,
    clustering_error,
    noun_preservation,
    tagged_nouns,
)

SENTENCES = ["the food was very cold today", "we liked the quiet little room", "nobody told us about the long wait"]


def test_a_sentence_is_like_itself():
    assert bleu(SENTENCES, [[s] for s in SENTENCES]) == pytest.approx(100)
    several = [["another one that shares nothing", SENTENCES[0]], *([s] for s in SENTENCES[1:])]
    assert bleu(SENTENCES, several) == pytest.approx(100)


def test_bleu_is_the_geometric_mean_of_the_precisions_times_the_brevity_penalty():
    hypothesis, reference = "a b c d e f g", "a b c d x f g"
    precisions = [6 / 7, 4 / 6, 2 / 5, 1 / 4]
    assert bleu([hypothesis], [[reference]]) == pytest.approx(100 * math.prod(precisions) ** 0.25)
    assert bleu(["a b c d e"], [["a b c d e f"]]) == pytest.approx(100 * math.exp(1 - 6 / 5))


def test_bleu_takes_words_as_they_stand():
    assert bleu(["it is n't , no , bad !"], [["it is n't , no , bad !"]]) == pytest.approx(100)


def test_bleu_names_what_is_missing():
    with pytest.raises(ValueError, match="as many references as sentences"):
        bleu(SENTENCES, [SENTENCES])
    with pytest.raises(ValueError, match="number 1"):
        bleu(SENTENCES, [["a"], [], ["b"]])
    with pytest.raises(ValueError, match="one at least"):
        bleu([], [])
    with pytest.raises((TypeError, ValueError), match="references"):
        bleu(["a"], ["a"])


def test_a_classifier_of_n_grams_tells_what_an_n_gram_tells_and_no_more():
    rng = np.random.default_rng(0)
    fillers = rng.choice(["it", "that", "place", "food"], (600, 4))
    label = rng.integers(0, 2, 600)
    middle = np.where(label == 1, "not bad", "not good")
    sentences = [" ".join([*row[:2], m, *row[2:]]) for row, m in zip(fillers, middle, strict=True)]
    model = NgramClassifier().fit(sentences[:400], label[:400])
    assert model.accuracy(sentences[400:], label[400:]) == 1
    assert model.accuracy(sentences[400:], 1 - label[400:]) == 0
    order = ["a b" if y else "b a" for y in label]
    assert NgramClassifier(2).fit(order, label).accuracy(order, label) == 1
    assert NgramClassifier(1).fit(order, label).accuracy(order, label) == max(label.mean(), 1 - label.mean())


def test_a_classifier_says_what_it_lacks():
    with pytest.raises(ValueError, match="two classes, all 3 are of 1"):
        NgramClassifier().fit(SENTENCES, [1, 1, 1])
    with pytest.raises(ValueError, match="fit it first"):
        NgramClassifier().predict(SENTENCES)
    with pytest.raises(ValueError, match="as many labels"):
        NgramClassifier().fit(SENTENCES, [0, 1])


def test_nouns_are_kept_where_one_of_them_is_there():
    def nouns(sentence):
        return {word for word in sentence.split() if word in ("food", "room", "wait")}

    outputs = ["the food was warm", "we hated it", "nobody told us"]
    assert noun_preservation(SENTENCES, SENTENCES, nouns) == 1
    assert noun_preservation(SENTENCES, outputs, nouns) == pytest.approx(1 / 3)
    assert noun_preservation(["so good", "the food"], ["so bad", "the room"], nouns) == 0  # the first has none to lose
    assert noun_preservation(["so good"], ["so bad"], nouns) == 1
    assert noun_preservation(["a seafood bar and a wait"], ["no seafood , no room"], nouns) == 0


def test_nouns_of_real_text_are_tagged():
    pytest.importorskip("textblob")
    assert tagged_nouns("the southwestern burger was delicious and their food is n't bad , ugh !") == {"burger", "food"}


def test_a_language_model_without_knowledge_is_as_perplexed_as_there_are_words():
    model = LanguageModel(50, 8)
    for weight in model.parameters():
        torch.nn.init.zeros_(weight)
    ids = torch.tensor([[5, 6, 7, 2, 0, 0], [9, 2, 0, 0, 0, 0]])
    assert model.perplexity(ids) == pytest.approx(50, rel=1e-5)
    torch.nn.init.constant_(model.output.bias[2:3], math.log(51))  # the end now has 51 of 100 shares, the others one
    assert model.perplexity(ids) == pytest.approx(math.exp((4 * math.log(100) + 2 * math.log(100 / 51)) / 6), rel=1e-5)


def test_padding_does_not_count():
    torch.manual_seed(0)
    model = LanguageModel(12, 8).eval()
    ids = torch.tensor([[5, 6, 7, 2], [9, 2, 0, 0]])
    wide = torch.nn.functional.pad(ids, (0, 5))
    assert model.perplexity(wide) == pytest.approx(model.perplexity(ids))
    assert torch.allclose(model.encode(wide), model.encode(ids))
    assert torch.allclose(model.encode(ids[1:, :2]), model.encode(ids)[1:], atol=1e-6)


def test_a_language_model_learns_the_entropy_of_what_it_reads_and_no_less():
    """Five words drawn evenly of four, then the end: ln 4 nats a word and none at the end, where the end is certain."""
    ids = torch.randint(4, 8, (600, 6), generator=torch.Generator().manual_seed(0))
    ids[:, 5] = 2
    torch.manual_seed(0)
    found = LanguageModel(8, 16).fit(ids[:500], steps=300).perplexity(ids[500:])
    assert 4 ** (5 / 6) * 0.99 < found < 4 ** (5 / 6) * 1.05
    foreign = torch.tensor([[5, 2, 0, 0, 0, 0]])  # an end where none ever was
    torch.manual_seed(0)
    assert LanguageModel(8, 16).fit(ids[:500], steps=300).perplexity(foreign) > 4 * found


def test_a_language_model_of_one_sentence_is_not_perplexed_by_it():
    ids = torch.tensor([[4, 5, 6, 7, 2]]).repeat(20, 1)
    torch.manual_seed(0)
    assert LanguageModel(8, 16, learning_rate=1e-2).fit(ids, steps=150).perplexity(ids) < 1.1


def test_a_language_model_refuses_what_it_cannot_read():
    model = LanguageModel(8, 4)
    for wrong, said in ((torch.zeros(3, 4, dtype=torch.int64), "padding only"), (torch.full((2, 3), 8), "0 .. 7")):
        with pytest.raises(ValueError, match=said):
            model.perplexity(wrong)
    with pytest.raises(ValueError, match="at least 2 sentences"):
        model.fit(torch.full((1, 3), 4))
    with pytest.raises(TypeError, match="integer"):
        model.perplexity(torch.ones(2, 3))


def test_clusters_of_classes_have_no_error_and_noise_has_the_most():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(14), 20)
    codes = np.eye(14)[labels] + 0.01 * rng.normal(size=(280, 14))
    assert clustering_error(codes, labels, starts=100) == 0
    assert clustering_error(torch.from_numpy(codes), labels, 1, 1) == 260  # one cluster, of one class of fourteen
    noise = clustering_error(rng.normal(size=(280, 14)), labels, starts=5)
    assert 150 < noise < 260


def test_the_members_beside_a_cluster_s_most_frequent_class_are_counted():
    codes = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
    assert clustering_error(codes, ["a", "a", "b", "b", "b", "a"], 2, 5) == 2
    assert clustering_error(codes, ["a", "a", "b", "a", "a", "c"], 2, 5) == 2  # two clusters may be of one class
    with pytest.raises(ValueError, match="at least 14 rows"):
        clustering_error(codes, np.arange(6))
