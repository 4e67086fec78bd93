"""The command, its corpora, and what it says."""

import gzip
import json
from dataclasses import replace

import pytest
import torch

from benchmarks.harness.options import Sweep
from benchmarks.text_transfer.corpus import Part, drawn, lines_of, read
from benchmarks.text_transfer.measure import parsed, transferred
from benchmarks.text_transfer.report import claims
from benchmarks.text_transfer.run import MODELS, Options, build, jobs, main
from tests.elsewhere import Device, There, there

torch.set_num_threads(1)
SIZES = {name: {"steps": 4, "batch": 8} for name in MODELS}


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    out = tmp_path_factory.mktemp("run") / "out"
    main(["--preset=quick", "--workers=1", f"--out={out}"])
    return out


def test_the_command_runs_every_step_and_says_what_it_shows(told):
    found = json.loads((told / "result.json").read_text())
    assert set(found["intervals"]) == set(MODELS)
    for name in MODELS:
        assert 0 <= found["scores"][name]["transfer"] <= 1
        assert found["scores"][name]["real_perplexity"] > 1
    assert {claim["verdict"] for claim in found["claims"]} == {"undecided"}
    assert len(found["claims"]) == 8
    titles = [table["title"] for table in found["tables"]]
    assert [title.split(",")[0] for title in titles] == [
        "transferred",
        "as the parser reads them",
        "where codes move",
        "the first seed's sentences",
    ]
    folder = next(told.glob("attribute_transfer-*"))
    assert {"vocabulary.json", "samples.json", "log.jsonl", "best", "model"} <= {path.name for path in folder.iterdir()}
    assert (next(told.glob("sentiment_mmd-*")) / "traversed.png").exists()


def test_one_s_own_sentence_is_transferred(told, capsys):
    with pytest.raises(SystemExit, match=r"run must be one of .*cross_aligned-"):
        main(["--sentence", "it is good .", "--to", "negative", "--run", str(told)])
    folder = next(told.glob("cross_aligned-*"))
    said = main(["--sentence", "the zebra was Good .", "--to", "negative", "--run", str(folder)])
    told = capsys.readouterr()
    assert told.out == said + "\n"
    assert "unknown words: zebra" in told.err
    for words, fault in (
        (["--to", "angry"], "negative or positive"),
        (["--to", "negative", "--sentence", " "], "a word"),
    ):
        with pytest.raises(SystemExit, match=fault):
            main(["--sentence", "it is good .", "--run", str(folder), *words])


def test_sentences_of_a_seed_are_others_than_those_of_another():
    first, again, other = drawn(200, 50, 0), drawn(200, 50, 0), drawn(200, 50, 1)
    assert torch.equal(first.train.x, again.train.x)
    assert not torch.equal(first.train.x, other.train.x)
    assert not torch.equal(first.test.x, other.test.x)
    assert torch.equal(first.test.y, first.test.rows[:, 0].long())  # no label of a test sentence is wrong
    assert 0.02 < (first.train.y != first.train.rows[:, 0]).float().mean() < 0.2
    nouns = first.mask(first.train.x)
    lines = first.vocabulary.lines(first.train.x.where(nouns, 0)[:, :1] * 0 + 2)
    assert lines == [""] * 200
    said = [
        [first.vocabulary.tokens[i - 4] for i in row[mask].tolist()]
        for row, mask in zip(first.train.x, nouns, strict=True)
    ]
    assert all(
        set(words) == first.content(line)
        for words, line in zip(said, first.vocabulary.lines(first.train.x), strict=True)
    )


def test_the_parser_s_shares_are_those_of_sentences_whose_meaning_is_known():
    corpus = drawn(50, 60, 0)
    rows = corpus.test.rows.clone()
    same = corpus.vocabulary.lines(corpus.test.x)
    targets = 1 - corpus.test.y
    assert parsed(corpus, same, targets) == {
        "parsed_fluent": 1,
        "parsed_turned": 0,
        "parsed_kept": 1,
        "parsed_exact": 0,
    }
    rows[:, 0] = 1 - rows[:, 0]
    assert set(parsed(corpus, corpus.world.lines(rows), targets).values()) == {1}
    assert set(parsed(corpus, ["the the"] * 59 + [""], targets).values()) == {0}
    rows[:, 3] = (rows[:, 3] + 1) % 12  # another noun of its aspect
    found = parsed(corpus, corpus.world.lines(rows), targets)
    assert (found["parsed_turned"], found["parsed_kept"], found["parsed_exact"]) == (1, 0, 0)


def test_of_a_topic_what_is_said_is_kept_and_not_the_nouns():
    corpus = drawn(300, 60, 0, "topic")
    assert corpus.classes == ("food", "product", "film", "hotel", "book")
    assert torch.equal(corpus.test.y, corpus.test.rows[:, 1].long())
    assert 0.03 < (corpus.train.y != corpus.train.rows[:, 1]).float().mean() < 0.2
    assert corpus.content("the pizza was really not bad .") == {"bad"}
    assert corpus.content("we do not adore the pizza .") == {"adore"}
    targets = corpus.others(corpus.test.y)
    assert (targets != corpus.test.y).all()
    assert set(targets.tolist()) == set(range(5))
    rows = corpus.test.rows.clone()
    rows[:, 1] = targets
    rows[:, 3] = 0
    assert set(parsed(corpus, corpus.world.lines(rows), targets).values()) == {1}
    rows[:, 0] = 1 - rows[:, 0]
    found = parsed(corpus, corpus.world.lines(rows), targets)
    assert (found["parsed_turned"], found["parsed_kept"], found["parsed_exact"]) == (1, 0, 0)


def test_files_are_read_as_they_are_on_disk(tmp_path):
    for y, words in enumerate(("bad awful", "good nice")):
        lines = [f"the {noun} is {word} ." for noun in ("pizza", "waiter", "room") for word in words.split()]
        for split in ("train", "dev"):
            (tmp_path / f"{split}.{y}.txt").write_text("\n".join(lines) + "\n\n")
        (tmp_path / f"test.{y}.txt.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
        (tmp_path / ("neg", "pos")[y]).write_text("\n".join(lines))
    pytest.importorskip("textblob")
    for data in (f"yelp:{tmp_path}", str(tmp_path)):
        corpus = read(data, 8, 4, 12, 9, 0)
        assert len(corpus.train) <= 8
        assert corpus.length == 10
        assert len(corpus.vocabulary) <= 12
        assert set(corpus.test.y.tolist()) == {0, 1}
        assert "pizza" in corpus.content("the pizza is bad .")
    with pytest.raises(ValueError, match="nowhere"):
        read(f"yelp:{tmp_path / 'nowhere'}", 8, 4, 12, 9, 0)
    with pytest.raises(ValueError, match="yelp:FOLDER"):
        read(f"cats:{tmp_path}", 8, 4, 12, 9, 0)


def test_lines_that_are_no_sentences_are_left_out_and_counted_and_a_file_without_any_is_named(tmp_path):
    path = tmp_path / "neg"
    path.write_text("\n  it   is bad . \r\n\n" + "word " * 20 + "\n")
    found = lines_of(path, 10)
    assert found.kept == ["it is bad ."]
    assert found.counts() == {"sentences": 1, "empty": 2, "too_long": 1}
    for nothing in ("\n\n", "", "word " * 20):
        path.write_text(nothing)
        with pytest.raises(ValueError, match="neg should hold sentences of up to 10 words"):
            lines_of(path, 10)
    path.write_bytes("schön".encode("latin-1"))
    with pytest.raises(ValueError, match="UTF-8"):
        lines_of(path, 10)


def test_the_report_says_what_of_files_was_left_out_and_how_many_words_are_unknown(tmp_path, capsys):
    pytest.importorskip("textblob")
    for name, words in (("neg", ("bad", "awful")), ("pos", ("good", "nice"))):
        lines = [f"the {noun} is {word} ." for noun in ("pizza", "waiter", "room", "bed") for word in words] * 4
        (tmp_path / name).write_text("\n".join([*lines, "", "word " * 30]))
    options = ["--preset=quick", "--model=text_ae", f"--data={tmp_path}", "--words=10", f"--out={tmp_path / 'run'}"]
    found = main(options)
    assert found["files"] == {name: {"sentences": 32, "empty": 1, "too_long": 1} for name in ("neg", "pos")}
    assert 0 < found["unknown"]["train"] < 1
    assert not any("pizza" in cell for table in found["tables"] for row in table["rows"] for cell in row)
    assert found["tables"][0]["title"].startswith(f"transferred, {tmp_path.name}, preset quick")
    assert str(tmp_path.parent) not in json.dumps(found["tables"])
    table = found["tables"][-1]
    assert table["title"].startswith("what was read; words that are unknown: train ")
    assert table["rows"] == (("neg", "32", "1", "1"), ("pos", "32", "1", "1"))
    printed = capsys.readouterr().out
    assert "what was read" in printed
    assert "the first seed's sentences" in printed
    (tmp_path / "pos").unlink()
    with pytest.raises(SystemExit, match="pos should be sentences"):
        main(["--preset=quick", f"--data={tmp_path}", f"--out={tmp_path / 'other'}"])


def test_the_share_of_unknown_words_is_that_of_words():
    corpus = drawn(20, 20, 0)
    assert set(corpus.unknown().values()) == {0}
    x = torch.tensor([[3, 5, 2, 0], [6, 7, 3, 2]])
    assert replace(corpus, test=Part(x, torch.zeros(2))).unknown()["test"] == pytest.approx(2 / 5)


def test_topics_are_transferred_and_what_is_no_sentiment_is_not_called_one(tmp_path):
    options = ["--preset=quick", "--attribute=topic", "--model=arae,sentiment_mmd,attribute_transfer", "--workers=1"]
    found = main([*options, f"--out={tmp_path / 'run'}"])
    assert "topic %" in found["tables"][0]["columns"][1]
    assert all("parsed_exact" in scores and "moved_topic" not in scores for scores in found["scores"].values())
    folder = next((tmp_path / "run").glob("arae-*"))
    with pytest.raises(SystemExit, match="to must be food or product or film or hotel or book, got 'positive'"):
        main(["--sentence", "the pizza is good .", "--to", "positive", "--run", str(folder)])
    assert isinstance(main(["--sentence", "the pizza is good .", "--to", "film", "--run", str(folder)]), str)
    for wrong, said in (
        (["--model=cross_aligned"], "cross_aligned transfers between two classes"),
        (["--data=yelp:nowhere"], "data must be reviews or FOLDER for topics"),
    ):
        with pytest.raises(SystemExit, match=said):
            main(["--preset=quick", "--attribute=topic", f"--out={tmp_path / 'other'}", *wrong])


def test_a_folder_has_a_file_for_each_topic(tmp_path):
    pytest.importorskip("textblob")
    for name in ("cars", "cats", "code"):
        (tmp_path / f"{name}.txt").write_text("".join(f"the {name} are good {k} .\n" for k in range(20)))
    corpus = read(str(tmp_path), 30, 6, 30, 9, 0, "topic")
    assert corpus.classes == ("cars", "cats", "code")
    assert corpus.train.y.bincount().tolist() == [10, 10, 10]
    assert all(
        corpus.classes[y] in line for y, line in zip(corpus.test.y, corpus.vocabulary.lines(corpus.test.x), strict=True)
    )
    assert "good" in corpus.content("the cars are good .")
    for name in ("cars", "code"):
        (tmp_path / f"{name}.txt").unlink()
    with pytest.raises(ValueError, match="two topics or more, it has 1"):
        read(str(tmp_path), 30, 6, 30, 9, 0, "topic")


def test_people_s_rewrites_are_what_a_transfer_should_say(tmp_path):
    pytest.importorskip("textblob")
    for name, word in (("neg", "bad"), ("pos", "good")):
        (tmp_path / name).write_text(
            "".join(f"the {noun} is {word} .\n" for noun in ("pizza", "bed", "room", "cup") * 3)
        )
    (tmp_path / "reference.neg").write_text(
        "the  bed is bad .\tthe bed is good .\tgood bed .\n" + "word " * 12 + "\tword\n"
    )
    (tmp_path / "reference.pos").write_text("the cup is good .\tthe cup is bad .\n")
    corpus = read(str(tmp_path), 40, 4, 20, 9, 0)
    people = corpus.rewrites
    assert corpus.vocabulary.lines(people.x) == ["the bed is bad .", "the cup is good ."]
    assert people.y.tolist() == [0, 1]
    assert people.rewritten == [["the bed is good .", "good bed ."], ["the cup is bad ."]]
    found = main(["--preset=quick", "--model=text_ae", f"--data={tmp_path}", f"--out={tmp_path / 'run'}"])
    assert 0 <= found["scores"]["people_bleu"] <= 100
    assert "BLEU with people's" in found["tables"][0]["columns"][-1]
    assert len({len(row) for row in found["tables"][0]["rows"]} | {len(found["tables"][0]["columns"])}) == 1
    (tmp_path / "reference.pos").write_text("the cup is good .\n")
    with pytest.raises(ValueError, match=r"reference\.pos should hold .* behind tabs, .* line 1 is 'the cup"):
        read(str(tmp_path), 8, 4, 20, 9, 0)


def test_losses_are_left_out_one_by_one(tmp_path):
    made = jobs(Sweep(model="attribute_transfer,text_ae", seeds=2), Options(sizes=SIZES, without="cnt_rec, class_td"))
    assert [job.row for job in made[::2]] == [
        "attribute_transfer",
        "attribute_transfer without cnt_rec",
        "attribute_transfer without class_td",
        "text_ae",
    ]
    weights = [build(job, drawn(30, 10, 0)).weights for job in made[:6:2]]
    assert weights[0]["cnt_rec"] == weights[0]["class_td"] == 1
    assert weights[1] == weights[0] | {"cnt_rec": 0.0}
    assert weights[2] == weights[0] | {"class_td": 0.0}
    assert len(jobs(Sweep(model="attribute_transfer", seeds=2), Options(sizes=SIZES, without="all"))) == 14
    with pytest.raises(ValueError, match=r"without must be some of rec, .*, or all, got 'noun'"):
        jobs(Sweep(), Options(sizes=SIZES, without="noun"))
    found = main(
        ["--preset=quick", "--model=attribute_transfer", "--without=rec", "--workers=1", f"--out={tmp_path / 'run'}"]
    )
    assert list(found["scores"]) == ["attribute_transfer", "attribute_transfer without rec"]
    assert found["claims"][-1]["text"] == "attribute_transfer needs rec: sentiment times content falls without it"


def test_unknown_models_and_sizes_are_named():
    assert len(jobs(Sweep(seeds=2), Options(sizes=SIZES))) == 2 * len(MODELS)
    with pytest.raises(ValueError, match="sizes of cross_aligned are steps, batch, checks"):
        jobs(Sweep(model="cross_aligned"), Options(sizes={"cross_aligned": {"steps": 4, "batches": 8}}))
    with pytest.raises(ValueError, match="unknown model"):
        jobs(Sweep(model="cross_alined"), Options(sizes=SIZES))


def test_claims_are_decided_seed_by_seed():
    ours = [{"transfer": 0.9 + k / 100, "content": 0.8} for k in range(3)]
    base = [{"transfer": 0.7 + k / 100, "content": 0.9} for k in range(3)]
    found = claims({"attribute_transfer": ours, "cross_aligned": base})
    assert [claim.shown for claim in found] == [True, False]
    with_arae = {"arae": [{"transfer": 0.8, "content": 0.9}] * 3, "text_ae": [{"transfer": 0.9, "content": 0.5}] * 3}
    assert [c.shown for c in claims(with_arae)] == [False, True]
    moving = [
        {"moved_sentiment": 0.8, "moved_stayed_sentiment": 0.1, "moved_topic": 0.7, "moved_stayed_topic": 0.71}
    ] * 3
    assert [c.shown for c in claims({"sentiment_mmd": moving})] == [True, True]
    lost = [m | {"moved_topic": 0.3, "moved_sentiment": 0.4} for m in moving]
    assert [c.shown for c in claims({"sentiment_mmd": lost})] == [False, False]


class Elsewhere:
    """Says a sentence as it is, where it lies."""

    def parameters(self):
        return iter([there(torch.zeros(1))])

    def transfer(self, ids, y_target):
        assert isinstance(ids, There)
        assert isinstance(y_target, There)
        return ids


def test_sentences_are_transferred_where_the_learner_lies():
    corpus = drawn(50, 20, 0)
    with Device():
        said = transferred(Elsewhere(), corpus.test.x, corpus.others(corpus.test.y), corpus)
    assert said == corpus.vocabulary.lines(corpus.test.x)
