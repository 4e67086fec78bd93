"""Whatever happens to a run, nothing is lost; and a loss would be seen."""

import json

import pytest
import torch

from benchmarks.faults import damage, disks, main
from benchmarks.faults.trials import TRIALS
from benchmarks.faults.victim import difference, train

QUICK = ("damage", "file_limit", "full_disk", "shared", "spoiled")


@pytest.mark.parametrize("name", QUICK)
def test_nothing_is_lost(name, tmp_path):
    tally = TRIALS[name](tmp_path / "trial", 2, 0)
    if tally.skipped:
        pytest.skip(tally.skipped)
    assert tally.lost == []
    assert tally.tried >= 2


@pytest.mark.parametrize("count", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_is_lost_by_kills(count, tmp_path):
    tally = TRIALS["kills"](tmp_path / "trial", count, 1)
    assert (tally.tried, tally.lost) == (count, [])


def test_nothing_is_lost_by_stops(tmp_path):
    assert TRIALS["stops"](tmp_path / "trial", 10, 0).lost == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["command", "dying"])
def test_nothing_is_lost_by_a_sweep(name, tmp_path):
    assert TRIALS[name](tmp_path / "trial", 5, 0).lost == []


def test_a_loss_would_be_seen(tmp_path, monkeypatch):
    train(tmp_path / "a", steps=50)
    train(tmp_path / "b", steps=51)
    assert "other weights" in difference(tmp_path / "a", tmp_path / "b")
    monkeypatch.setattr("borders.files.tensors._checksum", lambda tensors: "")
    lost = damage.damage(tmp_path / "trial", 1, 0).lost
    assert "model.safetensors a flipped bit: taken as if it were whole" in lost
    monkeypatch.setattr(disks, "train", lambda folder, **options: torch.zeros(()))
    assert "went on as if nothing had happened" in disks._fails(tmp_path / "a", 28)


def test_the_command_says_what_was_tried_and_what_was_lost(tmp_path, capsys):
    main(["--preset=quick", "--only=damage,spoiled", "--kills=1", "--workers=1", f"--out={tmp_path / 'run'}"])
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["scores"]["damage"]["tried"] >= 30
    [table] = result["tables"]
    assert [row[0] for row in table["rows"]] == ["damage", "spoiled"]
    assert {row[3] for row in table["rows"]} == {"nothing"}
    assert "nothing is lost" in capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "run").iterdir() if path.is_dir()) == [
        path.name for path in sorted((tmp_path / "run").glob("*-seed0-*"))
    ]


@pytest.mark.parametrize(
    ("words", "told"), [("--only=flood", "unknown fault 'flood'; the faults are kills"), ("--kills=0", "kills must be")]
)
def test_what_cannot_be_tried_is_named(words, told, tmp_path):
    with pytest.raises(SystemExit, match=told):
        main([words, f"--out={tmp_path / 'run'}"])
