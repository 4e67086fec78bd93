import json

import numpy as np
import pytest
import torch

from benchmarks.scores import run as scores
from representations import make, save


def test_the_command_prints_a_table_with_baselines_and_writes_a_result(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "160")
    arguments = ["--world", "planar", "--encoder", "identity,constant", "--names", "mig,sap", "--samples", "200"]
    scores.main([*arguments, "--seeds", "2", "--out", str(tmp_path)])
    printed = capsys.readouterr().out
    assert all(word in printed for word in ("identity", "constant", "noise", "random_linear", "200 samples", "mig"))
    result = json.loads((tmp_path / "result.json").read_text())
    fields = {"benchmark", "model", "preset", "seed", "scores", "seconds", "versions", "hardware"}
    assert fields <= set(result)
    assert result["scores"]["identity"]["mig"] > result["scores"]["random"]["mig"]
    assert result["scores"]["constant"]["sap"] == 0
    assert {"torch", "revision"} <= set(result["versions"])
    assert "random_linear" in (tmp_path / "report.html").read_text()


def test_compat_is_named_in_the_result(tmp_path, capsys):
    arguments = ["--world", "planar", "--names", "mig", "--samples", "200", "--compat", "--out", str(tmp_path)]
    scores.main(arguments)
    assert "published protocols" in capsys.readouterr().out
    assert json.loads((tmp_path / "result.json").read_text())["protocols"]["mig"] == "20 equal-width bins"


def test_a_saved_model_is_scored_by_its_run_folder_even_with_a_comma_in_it(tmp_path, capsys):
    folder = tmp_path / "a run, mine"
    torch.manual_seed(0)
    save(make("rce", hidden=8), folder / "model", "planar")
    words = ["--world", "planar", "--names", "mig", "--samples", "200", "--seeds", "1", "--out", str(tmp_path / "run")]
    scores.main(["--encoder", f"identity,{folder}", *words])
    found = json.loads((tmp_path / "run" / "result.json").read_text())["scores"]
    assert list(found) == ["identity", "a run, mine", "random", "random_linear", "random_pixels"]
    assert json.loads((folder / "model" / "config.json").read_text())["world"] == "planar"


def test_codes_of_a_file_get_every_score_that_applies(tmp_path, capsys):
    draws = np.random.default_rng(0)
    factors = np.stack([draws.integers(0, 3, 300) * 5, draws.uniform(0, 7, 300), draws.normal(size=300)], 1)
    codes = np.stack(
        [factors[:, 0] == 5, factors[:, 0] == 10, np.cos(factors[:, 1]), np.sin(factors[:, 1]), factors[:, 2]], 1
    )
    arrays = {
        "codes": codes.astype(np.float32),
        "factors": factors,
        "kinds": ["categorical", "circular:6.2832", "continuous"],
    }
    np.savez(tmp_path / "mine.npz", names=["class", "angle", "size"], **arrays)
    names = "mig,dci_lasso,sap"
    scores.main(
        ["--codes", str(tmp_path / "mine.npz"), "--names", names, "--seeds", "1", "--out", str(tmp_path / "run")]
    )
    found = json.loads((tmp_path / "run" / "result.json").read_text())["scores"]
    assert found["dci_lasso_disentanglement"] > 0.9
    assert {"dci_lasso_nrmse_class", "dci_lasso_nrmse_angle", "mig", "sap"} <= found.keys()
    assert "mine.npz" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"factors": np.zeros((200, 2))}, "has no array 'codes', only factors"),
        ({"codes": np.zeros((20, 2))}, "at least 100 rows"),
        ({"codes": np.eye(200)[:, :3], "factors": np.zeros((200, 2))}, "no factor varies"),
        ({"codes": np.eye(200)[:, :3], "factors": np.eye(150)[:, :2]}, "equally many rows, got 200 and 150"),
        (
            {"codes": np.eye(200)[:, :3], "factors": np.eye(200)[:, :2], "kinds": ["angle", "x"]},
            "must be one of continuous",
        ),
        (
            {"codes": np.eye(200)[:, :3], "factors": np.eye(200)[:, :2], "kinds": ["ordinal"]},
            "must describe 2 factor columns",
        ),
    ],
)
def test_a_file_of_codes_that_says_too_little_is_refused_before_scoring(arrays, told, tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(SystemExit, match=told):
        scores.main(["--codes", str(tmp_path / "mine.npz"), "--out", str(tmp_path / "run")])


@pytest.mark.parametrize(
    "wrong", [["--encoder", "vae"], ["--names", "migg"], ["--world", "nowhere"], ["--sample", "x"]]
)
def test_a_wrong_setting_ends_in_a_message(wrong, capsys):
    with pytest.raises(SystemExit) as caught:
        scores.main(wrong)
    assert "error" in f"{caught.value}{capsys.readouterr().err}"
