import sys
import types

import pytest
import yaml

from benchmarks import sweep
from benchmarks.harness.rooms import Room
from benchmarks.sweep.run import Search, figure
from borders.files import write_json


@pytest.fixture
def toy(monkeypatch):
    """A benchmark whose score is a parabola in x, and that cannot take x = 3; its calls are counted."""
    calls = []

    def main(words):
        given = dict(word.removeprefix("--").split("=", 1) for word in words if "=" in word)
        calls.append(float(given["x"]))
        if float(given["x"]) == 3:
            raise SystemExit("error: x must not be 3")
        score = -((float(given["x"]) - 2) ** 2) - (given["kind"] == "bad")
        from pathlib import Path

        out = Path(given["out"])
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / "result.json", {"scores": {"a": {"height": score}, "b": {"height": score}}})

    module = types.ModuleType("benchmarks.toy")
    module.main = main
    monkeypatch.setitem(sys.modules, "benchmarks.toy", module)
    monkeypatch.setattr("benchmarks.sweep.run.rooms", lambda: [Room("toy", "", "", "")])
    return calls


def write(path, **changes):
    about = {"benchmark": "toy", "space": {"x": [0, 1, 2, 3], "kind": ["good", "bad"]}, "score": "height"}
    path.write_text(yaml.safe_dump(about | changes, sort_keys=False))
    return str(path)


def test_a_grid_finds_the_best_shows_what_failed_and_goes_on_where_it_stopped(toy, tmp_path, capsys):
    words = [write(tmp_path / "search.yaml"), f"--out={tmp_path / 'out'}", "--workers=1"]
    with pytest.raises(SystemExit) as ended:
        sweep.main(words)
    assert ended.value.code == 1  # two points could not be tried
    said = capsys.readouterr()
    assert "failed: x must not be 3" in said.out + said.err
    assert "6 finished, 2 failed, 0 running, of 8" in said.err
    result = yaml.safe_load((tmp_path / "out" / "result.json").read_text())
    assert result["best"] == {"x": 2, "kind": "good"}
    assert result["tables"][0]["rows"][0][1:4] == ["0", "2", "good"]
    assert (tmp_path / "out" / "report.html").exists()
    assert len(toy) == 8
    with pytest.raises(SystemExit):
        sweep.main(words)
    assert toy[8:] == [3, 3]  # only what failed is tried again


def test_optuna_climbs_and_replays_its_finished_trials(toy, tmp_path):
    pytest.importorskip("optuna")
    space = {"x": {"low": -10.0, "high": 10.0}, "kind": ["good"]}
    words = [write(tmp_path / "s.yaml", space=space, method="optuna", trials=16, batch=4), f"--out={tmp_path / 'out'}"]
    first = sweep.main([*words, "--workers=1"])
    assert abs(first["best"]["x"] - 2) < 3
    again = sweep.main([*words, "--workers=1"])
    assert len(toy) == 16
    assert again["best"] == first["best"]


def test_a_trial_is_a_run_of_the_benchmarks_own_command(tmp_path):
    about = {
        "benchmark": "scores",
        "score": "mig",
        "options": {"preset": "quick"},
        "space": {"encoder": ["identity", "constant"]},
    }
    (tmp_path / "s.yaml").write_text(yaml.safe_dump(about))
    found = sweep.main([str(tmp_path / "s.yaml"), f"--out={tmp_path / 'out'}", "--workers=1"])
    assert found["best"] == {"encoder": "identity"}
    assert (tmp_path / "out").glob("trial-*/run/report.html")


def test_a_score_is_found_in_one_job_or_over_rows_and_named_where_it_is_not():
    assert figure({"mig": 0.5, "sap": 0.1}, "mig") == 0.5
    assert figure({"a": {"mig": 0.2}, "b": {"mig": 0.4}}, "mig") == pytest.approx(0.3)
    with pytest.raises(ValueError, match="no score 'mgi'; its scores are mig, sap"):
        figure({"mig": 0.5, "sap": 0.1}, "mgi")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"benchmark": "nope"}, "benchmark must be one of"),
        ({"method": "luck"}, "method must be one of grid, random, optuna"),
        ({"score": ""}, "score must name"),
        ({"method": "random"}, "trials must be at least 1"),
        ({"options": {"out": "x"}}, "out is an option of the search itself"),
        ({"space": {"x": {"low": 0.0, "high": 1.0}}}, "a grid needs choices or a step"),
    ],
)
def test_a_wrong_search_is_refused_before_anything_runs(changes, message):
    about = {"benchmark": "sprites", "space": {"x": [1]}, "score": "mig"}
    with pytest.raises(ValueError, match=message):
        Search(**about | changes)
