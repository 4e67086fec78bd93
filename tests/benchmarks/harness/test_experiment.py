"""A benchmark as data, from the command line to its report: with a job that takes no time."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from benchmarks.harness import command
from benchmarks.harness.encoders import paths_listed
from benchmarks.harness.experiment import Experiment, Plan
from benchmarks.harness.rooms import Room
from benchmarks.harness.runs import describe, differences
from benchmarks.harness.summary import Summary, by_row, intervals
from benchmarks.harness.table import Claim, Table
from representations.registry import find_model


@dataclass(frozen=True)
class Coin:
    """One throw."""

    model: str = "coin"
    preset: str = "default"
    seed: int = 0
    device: str = "auto"
    weight: float = 0.5
    """How heavy it is."""


def plan(own, values):
    shared = values | {"preset": own.preset, "device": own.device}
    models = dataclasses.replace(own, model=own.model or "coin").models(("coin", "die"))
    jobs = [Coin(model=model, seed=seed, **shared) for model in models for seed in own.all_seeds()]
    return Plan(jobs, {"bounds": [Coin(model="cheat", **shared)]})


def run(job, folder, resume):
    (folder / "ran").open("a").write("x")
    (folder / "log.jsonl").write_text('{"step": 1, "coin/loss": 2.0}\n{"step": 2, "coin/loss": 1.0}\n')
    return describe("planar", job, {"heads": job.weight + job.seed}, {"throwing": 0.5})


def summary(out, jobs, results):
    rows = intervals(by_row(results[: len(jobs)]))
    table = Table("Throws", ("model", "heads"), tuple((name, found["heads"].text()) for name, found in rows.items()))
    return Summary("Coins", ("Thrown.",), [table], [Claim("it falls", True, "always")], rows=rows, after="done")


@pytest.fixture
def coins(monkeypatch):
    about = Room("coins", "how does a coin fall", "coin, die", "no time")
    presets = {"quick": {"weight": 0.1}, "default": {}, "paper": {}}
    monkeypatch.setattr(command, "room", lambda name: about)
    monkeypatch.setattr(command, "presets_of", lambda name: presets)
    return Experiment("coins", Coin, plan, run, summary, models=("coin", "die")).main


def ran(out):
    return sorted(len(path.read_text()) for path in out.rglob("ran"))


def test_one_job_and_many_leave_the_same_files(coins, tmp_path, capsys):
    coins(["--seed", "3", "--out", str(tmp_path / "one"), "--workers", "1"])
    coins(["--model", "all", "--seeds", "3", "--out", str(tmp_path / "many"), "--workers", "1"])
    for out in (tmp_path / "one", tmp_path / "many"):
        result = json.loads((out / "result.json").read_text())
        needed = {"benchmark", "model", "preset", "seed", "scores", "seconds", "versions", "hardware", "intervals"}
        assert needed | {"tables", "claims", "command", "date"} <= result.keys()
        assert result["command"].startswith("python -m benchmarks.coins --")
        assert yaml.safe_load((out / "config.yaml").read_text())["weight"] == 0.5
        report = (out / "report.html").read_text()
        assert all(word in report for word in ("revision", "hardware", "throwing", "The loss of every player"))
        assert len(list((out / "bounds").glob("cheat-seed0-*/result.json"))) == 1
    assert [claim["verdict"] for claim in json.loads((tmp_path / "one" / "result.json").read_text())["claims"]] == [
        "undecided"
    ]
    assert [claim["verdict"] for claim in result["claims"]] == ["shown"]
    assert result["scores"] == {"coin": {"heads": 1.5}, "die": {"heads": 1.5}}
    said = capsys.readouterr()
    assert "coin, seed 1: done" in said.err
    assert said.out.rstrip().endswith("done")


def test_a_second_command_continues_and_says_so(coins, tmp_path, capsys):
    words = ["--out", str(tmp_path / "run"), "--workers", "1"]
    coins([*words, "--seeds", "2"])
    capsys.readouterr()
    coins([*words, "--seeds", "3"])
    assert "3 of 4 jobs are finished already" in capsys.readouterr().err
    assert ran(tmp_path / "run") == [1, 1, 1, 1]
    coins([*words, "--seeds", "3", "--no-resume"])
    assert ran(tmp_path / "run") == [2, 2, 2, 2]


@pytest.mark.parametrize("seeds", ["1", "2"])
def test_a_changed_setting_is_named(coins, tmp_path, seeds):
    words = ["--out", str(tmp_path / "run"), "--workers", "1", "--seeds", seeds]
    coins(words)
    with pytest.raises(SystemExit, match=r"another configuration: .*weight: 0\.5 -> 0\.7"):
        coins([*words, "--weight", "0.7"])


def test_differences_are_named_by_their_path():
    assert differences({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1, "c": 4}}) == [
        "a.c: 2 -> 4",
        "d: 3 -> (not there)",
    ]
    assert differences({"a": [1]}, {"a": [1]}) == []


def test_shards_share_the_jobs_and_the_command_without_one_merges_them(coins, tmp_path, capsys):
    words = ["--out", str(tmp_path / "run"), "--workers", "1", "--seeds", "4"]
    coins([*words, "--shard", "1/2"])
    assert len(ran(tmp_path / "run")) == 3  # of five, one beside
    assert not (tmp_path / "run" / "report.html").exists()
    assert "3 of 5 jobs are finished" in capsys.readouterr().err
    coins([*words, "--shard", "2/2"])
    assert ran(tmp_path / "run") == [1] * 5
    coins(words)
    assert ran(tmp_path / "run") == [1] * 5
    assert (tmp_path / "run" / "report.html").exists()


def test_a_home_folder_and_a_foreign_one(coins, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    coins(["--out", "~/run", "--seed", "1", "--workers", "1"])
    assert (tmp_path / "run" / "result.json").exists()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letters.txt").write_text("dear")
    with pytest.raises(SystemExit, match="not empty and not a run"):
        coins(["--out", str(tmp_path / "other"), "--seed", "1"])


def test_a_list_may_hold_a_path_with_commas(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a,b, c").mkdir()
    assert paths_listed("pixels,a,b, c, state,,x") == ["pixels", "a,b, c", "state", "x"]


def test_a_model_is_found_in_its_run_and_not_among_several(tmp_path):
    for name in ("one", "two"):
        (tmp_path / "sweep" / name / "model").mkdir(parents=True)
        (tmp_path / "sweep" / name / "model" / "config.json").write_text("{}")
        assert find_model(tmp_path / "sweep" / name) == tmp_path / "sweep" / name / "model"
        if name == "one":
            assert find_model(tmp_path / "sweep") == tmp_path / "sweep" / "one" / "model"
    with pytest.raises(ValueError, match="holds 2 models; name one of"):
        find_model(tmp_path / "sweep")
