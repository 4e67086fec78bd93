import json

import pytest

from benchmarks.scores import run as scores


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


@pytest.mark.parametrize(
    "wrong", [["--encoder", "vae"], ["--names", "migg"], ["--world", "nowhere"], ["--sample", "x"]]
)
def test_a_wrong_setting_ends_in_a_message(wrong, capsys):
    with pytest.raises(SystemExit):
        scores.main(wrong)
    assert "error" in capsys.readouterr().err
