import json
import re

import pytest
import torch

from benchmarks.harness.options import Sweep
from benchmarks.language import run as language
from benchmarks.language.corpus import RARE, corpus, penn
from benchmarks.language.listings import BETWEEN, SUMS, oracle
from benchmarks.language.report import claims, tables
from benchmarks.language.run import MODELS, Job, build, perplexities, plan
from envs.text.sentences import Sentences

torch.set_num_threads(1)


def write_files(folder, count=30, **more):
    """Aligned files of `count` lines, of which the last is too long for 40 characters."""
    lines = {"en": "A dog runs.", "de": "Ein Hund rennt.", "fr": "Un chien court."} | more
    for split in ("train", "val"):
        for name, line in lines.items():
            text = [f"{line[:-1]} {chr(97 + k % 3)}." for k in range(count - 1)] + [line * 9]
            (folder / f"{split}.{name}").write_text("\n".join(text) + "\n", encoding="utf-8")
    return f"multi30k:{folder}"


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    language.main(["--preset=quick", "--model=R-1024,R-D-P-256", "--workers=1", f"--out={folder}"])
    return folder


def test_the_command_leaves_tables_claims_listings_and_a_picture(out):
    told = json.loads((out / "result.json").read_text())
    assert told["benchmark"] == "language"
    assert set(told["intervals"]) == {"R-1024", "R-D-P-256"}
    scores = told["intervals"]["R-D-P-256"]
    assert {
        "clustering_error",
        "perplexity_R",
        "perplexity_D",
        "perplexity_P",
        "copied",
        "halfway",
        "summed",
        "mig",
    } <= set(scores)
    assert 0 <= scores["clustering_error"]["mean"] <= 13 * 8
    assert "perplexity_P" not in told["intervals"]["R-1024"]
    assert [table["title"].partition(";")[0] for table in told["tables"]] == [
        "sentences, preset quick",
        "What codes say, and scores on the factors of clauses",
        "Between two sentences, twice",
        "s1 - s2 + s3",
    ]
    first = told["tables"][0]["rows"]
    assert first[0][:3] == ["R-1024, published (Europarl)", "149", "1.05"]
    assert len(told["tables"][2]["rows"]) == 14
    assert all(claim["verdict"] == "undecided" for claim in told["claims"])
    assert "data:image/png" in (out / "report.html").read_text()
    assert (out / "codes.png").exists()


def test_the_command_reads_files(tmp_path):
    data = write_files(tmp_path)
    options = ["--length=40", "--samples=30", "--test=20", "--steps=2"]
    told = language.main(
        ["--preset=quick", "--model=R-D-F-1024", f"--data={data}", f"--out={tmp_path / 'run'}", *options]
    )
    assert (told["sentences"], told["too_long"], told["empty"]) == (29, 1, 0)
    table = next(table for table in told["tables"] if table["title"] == "What was read to learn from")
    assert table["rows"] == (("29", "1", "0", f"{100 * told['unknown']:.2f}"),)
    assert {"perplexity_R", "perplexity_D", "perplexity_F", "clustering_error"} <= set(told["scores"])
    assert "copied" not in told["scores"]
    assert [row[0] for row in told["tables"][-1]["rows"]] == [triple[0] for triple in SUMS[False]]
    assert told["tables"][0]["title"].startswith("multi30k, preset quick")


def test_one_s_own_sentence_is_said_by_every_decoder(out, tmp_path, capsys):
    with pytest.raises(SystemExit, match=r"run must be one of .*R-1024-"):
        language.main(["--sentence", "The dog is old.", "--run", str(out)])
    folder = next(out.glob("R-D-P-256-*"))
    said = language.main(["--sentence=The dog is old€.", "--run", str(folder)])
    told = capsys.readouterr()
    assert list(said) == ["R", "D", "P"]
    assert told.out.splitlines() == [
        f"{view}: {said[name]}" for name, view in zip("RDP", ("en", "de", "tags"), strict=True)
    ]
    assert "unknown characters: €" in told.err
    for words, fault in (("  ", "a word at least"), ("long" * 99, "more than 144")):
        with pytest.raises(SystemExit, match=fault):
            language.main([f"--sentence={words}", "--run", str(folder)])
    with pytest.raises(SystemExit, match=r"vocabulary\.json"):
        language.main(["--sentence=The dog.", "--run", str(tmp_path)])


def test_files_become_ids_with_their_tags_and_rare_characters_are_unknown(tmp_path):
    pytest.importorskip("textblob")
    data = write_files(tmp_path, count=RARE + 2)
    found = corpus(data, ["en", "de", "tags"], 100, 5, 40, 0)
    assert found.dropped == 1
    assert len(found.train["en"]) == RARE + 1
    assert len(found.test["en"]) == 5
    letters = RARE + 1  # one in each sentence, of three kinds: none occurs ten times
    assert found.unknown() == pytest.approx(
        2 * letters / (found.train["en"] > 2).sum().add((found.train["de"] > 2).sum())
    )
    assert found.vocabulary.lines(found.train["de"][:1]) == ["Ein Hund rennt �."]
    assert found.tags.lines(found.train["tags"][:1]) == [penn("A dog runs a.")]
    assert penn("A dog runs.").split()[:2] == ["DT", "NN"]
    with pytest.raises(ValueError, match="no sentence has at most 3 characters"):
        corpus(data, ["en", "de"], 100, 5, 3, 0)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--data=europarl"], "data must be sentences, multi30k or multi30k:PATH, got 'europarl'"),
        (["--data=multi30k:/nowhere"], r"no file train\.en or train\.en\.gz in /nowhere"),
        (["--model=R-D-X"], "unknown model 'R-D-X'"),
        (["--scores=mog"], "unknown score 'mog'"),
        (["--settings.hiden=3"], "no setting 'hiden'"),
        (["--settings.hidden=0"], "hidden must be at least 1"),
    ],
)
def test_mistakes_are_answered_before_anything_runs(options, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        language.main(["--preset=quick", f"--out={tmp_path / 'run'}", *options])
    assert re.search(said, str(ended.value) + capsys.readouterr().err)
    assert not (tmp_path / "run").exists()


def test_unequal_files_end_the_command_with_their_names(tmp_path):
    data = write_files(tmp_path)
    (tmp_path / "val.de").write_text("Eins\n", encoding="utf-8")
    with pytest.raises(SystemExit, match=r"val\.en has 30 lines and .*val\.de 1"):
        language.main(["--preset=quick", "--model=R-D-256", f"--data={data}", f"--out={tmp_path / 'run'}"])


def test_a_sweep_is_the_papers_models_by_their_names():
    made = plan(Sweep(seeds=2), {"settings": {"hidden": 4}}).jobs
    assert [job.model for job in made[::2]] == list(MODELS)
    model = build(made[-1])
    assert (model.names, model.code_size) == (("R", "D", "P"), 256)


def test_perplexity_is_that_of_all_symbols_however_they_are_cut_into_batches(monkeypatch):
    read = corpus("sentences", ["en", "de", "tags"], 1, 23, 144, 3)
    job = Job("R-D-P-256", settings={"hidden": 8, "embedding": 4})
    torch.manual_seed(0)
    model = build(job, read)
    whole = {name: value.exp().item() for name, value in model.nll(read.test).items()}
    monkeypatch.setattr(language, "BATCH", 5)
    assert perplexities(model, read.test) == pytest.approx(whole, rel=1e-4)


class Perfect:
    """A code with an axis for every value of every factor, and a decoder that reads it."""

    def __init__(self, world):
        self.world, self.sizes = world, [len(factor.values) for factor in world.factors]

    def encode(self, ids):
        columns = self.world.parse(ids).long().unbind(1)
        one_hot = [torch.nn.functional.one_hot(c, size) for c, size in zip(columns, self.sizes, strict=True)]
        return torch.cat(one_hot, 1).float()

    def decode(self, code):
        return self.world.render(torch.stack([part.argmax(1) for part in code.split(self.sizes, 1)], 1).float())


def test_a_perfect_code_is_copied_added_and_halved_and_one_that_forgets_is_not():
    world = Sentences("clauses")
    generator = torch.Generator().manual_seed(0)
    assert oracle(Perfect(world), world, 40, generator) == {"copied": 1.0, "halfway": 1.0, "summed": 1.0}

    class Forgets(Perfect):
        def encode(self, ids):
            code = super().encode(ids)
            code[:, : self.sizes[0]] = 0
            return code

    found = oracle(Forgets(world), world, 70, torch.Generator().manual_seed(0))
    assert found["copied"] < 0.5
    assert found["summed"] < 0.5
    assert found["halfway"] == 1.0


def test_listed_sentences_of_the_world_are_sentences_of_it():
    world = Sentences()
    lines = [line for group in (*BETWEEN[True], *SUMS[True]) for line in group]
    assert not world.parse(world.vocabulary.ids(lines))[:, 0].isnan().any()


def results(errors):
    jobs, found = [], []
    for model, values in errors.items():
        for seed, value in enumerate(values):
            jobs.append(Job(model, seed=seed))
            found.append({"model": model, "scores": {"clustering_error": float(value)}})
    return jobs, found


def test_claims_follow_the_figures():
    good = {
        "R-1024": [600, 610, 620],
        "R-D-1024": [500, 520, 510],
        "R-D-256": [520, 500, 530],
        "R-D-P-256": [90, 80, 99],
    }
    assert [claim.shown for claim in claims(results(good)[1])] == [True, True, True]
    with_french = good | {"R-D-F-1024": [500, 530, 500]}
    assert [claim.shown for claim in claims(results(with_french)[1])] == [True, False, True, True]
    one_lower = good | {"R-D-1024": [500, 79, 510]}
    assert [claim.shown for claim in claims(results(one_lower)[1])][-1] is False
    assert claims(results({"R-1024": [1, 2, 3]})[1]) == []


def test_published_figures_stand_above_ours(tmp_path):
    jobs, found = results({"R-1024": [600], "R-D-P-256": [80]})
    folders = [tmp_path / job.model for job in jobs]
    for folder in folders:
        folder.mkdir()
        (folder / "listings.json").write_text(
            json.dumps({"between": [["a", "b" * 300]], "sums": [["p", "q", "r", "s"]]})
        )
    made = tables(jobs, found, folders)
    assert [row[1] for row in made[0].rows] == ["149", "600", "3", "80"]
    assert made[-1].columns == ("s1", "s2", "s3", "R-D-P-256")
    assert made[-1].rows == (("p", "q", "r", "s"),)
    assert max(len(cell) for row in made[-2].rows for cell in row) == 96
