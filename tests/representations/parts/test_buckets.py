"""Batches of like length: which rows they have, how often, and how little of them is padding."""

import pytest
import torch

from representations import fit, make
from representations.parts.buckets import Buckets
from representations.parts.sentences import END, PADDING


def sentences(lengths):
    """Sentences of so many ids, the row's number the first of them (from 10 on), the end the last."""
    ids = torch.full((len(lengths), max(lengths) + 2), PADDING)
    for row, length in enumerate(lengths):
        ids[row, : length - 1] = 10 + row
        ids[row, length - 1] = END
    return ids


def test_a_batch_is_of_one_bucket_and_every_sentence_is_drawn_as_often_as_any_other():
    lengths = [2] * 5 + [3] * 30 + [4] * 5 + [7] * 20 + [8] * 20 + [9] * 20
    x = sentences(lengths)
    rows = {"x": x, "y": torch.arange(100), "mask": x >= 10, "other": sentences(lengths[::-1])}
    draw = Buckets(rows, 16, 4)
    assert draw.ends == [35, 60, 80, 100]  # 25, 50, 75 and 100 would cut a length in two
    generator, counts = torch.Generator().manual_seed(0), torch.zeros(100)
    for _ in range(3000):
        found = draw(generator)
        bucket = {sum(int(y) >= end for end in draw.ends) for y in found["y"]}
        assert len(bucket) == 1
        counts += torch.bincount(found["y"], minlength=100)
        width = found["x"].shape[1]
        assert width == max(lengths[y] for y in found["y"])
        assert torch.equal(found["x"], x[found["y"], :width])
        assert torch.equal(found["mask"], found["x"] >= 10)
        assert torch.equal(found["other"], rows["other"][found["y"], : found["other"].shape[1]])
        assert (found["other"] != PADDING).any(0).all()
    # 480 draws of each are expected, with a spread of 28: sqrt(480) of rows, 16 / 20 sqrt(480) of buckets
    assert (counts - 480).abs().max() < 6 * 28


def test_padding_is_next_to_nothing():
    lengths = torch.randint(2, 17, (4000,), generator=torch.Generator().manual_seed(0)).tolist()
    x, shares = sentences(lengths), {}
    for buckets in (1, 4, 99):
        draw, generator = Buckets({"x": x}, 32, buckets), torch.Generator().manual_seed(1)
        batches = [draw(generator)["x"] for _ in range(300)]
        shares[buckets] = sum(int((b == PADDING).sum()) for b in batches) / sum(b.numel() for b in batches)
    assert shares[99] == 0
    assert shares[4] < 0.2 < 0.4 < shares[1]


def test_the_same_generator_draws_the_same_batch_whatever_came_before():
    draw = Buckets({"x": sentences([2, 3, 4, 5] * 9)}, 8)
    first = draw(torch.Generator().manual_seed(3))["x"]
    draw(torch.Generator().manual_seed(4))
    assert torch.equal(draw(torch.Generator().manual_seed(3))["x"], first)


def test_a_run_that_was_stopped_continues_to_the_same_weights(tmp_path):
    rows = {"x": sentences([2, 3, 4, 5, 9] * 9).clamp(max=49), "y": torch.arange(45) % 2}
    made = []
    for stops in ((6,), (3, 6)):
        torch.manual_seed(0)
        model = make("text_ae", words=50, length=11, code_size=8, embedding=4)
        folder = tmp_path / str(len(stops))
        for steps in stops:
            fit(model, Buckets(rows, 4), steps, torch.Generator().manual_seed(5), folder, resume=True, progress=False)
        made.append(torch.cat([p.flatten() for p in model.parameters()]))
    assert torch.equal(*made)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ({"x": sentences([2, 3]), "y": torch.zeros(3)}, r"a row for each of 2 sentences, got \{'y': 3\}"),
        ({"x": torch.zeros(0, 3, dtype=torch.int64)}, "a sentence at least"),
        ({"x": torch.zeros(2, 3, dtype=torch.int64)}, "none without a word"),
    ],
)
def test_what_is_no_set_of_sentences_is_refused(rows, said):
    with pytest.raises(ValueError, match=said):
        Buckets(rows, 4)


def test_sizes_are_checked():
    with pytest.raises(ValueError, match="buckets"):
        Buckets({"x": sentences([2, 3])}, 4, 0)
