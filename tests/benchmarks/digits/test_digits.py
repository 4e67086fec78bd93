import json

import pytest

from benchmarks.digits import run as digits
from benchmarks.digits.run import PAPERS, Options, jobs
from benchmarks.harness.command import presets_of
from benchmarks.harness.options import Sweep
from benchmarks.harness.papers import models_of


def test_every_model_has_cells_in_every_preset_and_a_papers_seeds_are_its_own():
    for preset, options in presets_of("digits").items():
        papers = options["papers"]
        assert papers.keys() == PAPERS.keys(), preset
        found = jobs(Sweep(preset=preset), Options(papers=papers))
        assert {job.model for job in found} == set(models_of(PAPERS))
        rows = {(job.row, job.seed) for job in found}
        assert len(rows) == len(found)
    few = presets_of("digits")["quick"]["papers"]
    few["constraints"]["seeds"] = 5
    own = Options(papers=few)
    assert {job.seed for job in jobs(Sweep(model="linear_constraints"), own)} == set(range(5))
    assert {job.seed for job in jobs(Sweep(model="linear_constraints", seeds=2), own)} == {0, 1}
    assert {job.seed for job in jobs(Sweep(model="linear_constraints", seed=7), own)} == {7}


def test_what_is_not_known_is_answered_with_what_is(tmp_path):
    few = presets_of("digits")["quick"]["papers"]
    with pytest.raises(ValueError, match=r"papers are given by paper, .*constraints"):
        jobs(Sweep(), Options(papers={"linear": {}}))
    few["constraints"] |= {"stepps": 3}
    with pytest.raises(ValueError, match=r"papers\.constraints has no setting 'stepps'; its settings are steps, "):
        jobs(Sweep(model="linear_constraints"), Options(papers=few))
    with pytest.raises(SystemExit, match=r"no file (train|t10k)-images-idx3-ubyte"):
        digits.main(["--preset=quick", "--model=linear_constraints", f"--data={tmp_path}", f"--out={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_linear_constraints_runs_every_step_and_says_what_it_shows(tmp_path, capsys):
    out = tmp_path / "run"
    command = ["--model=linear_constraints", "--preset=quick", "--workers=1", f"--out={out}"]
    digits.main(command)
    told = json.loads((out / "result.json").read_text())
    assert told["benchmark"] == "digits"
    assert "linear_constraints, VAE, joint, 2" in told["intervals"]
    assert {claim["verdict"] for claim in told["claims"]} == {"undecided"}
    assert "data:image/png" in (out / "report.html").read_text()
    assert "70.1" in capsys.readouterr().out
    folder = next(out.glob("linear_constraints-*"))
    assert {"config.yaml", "log.jsonl", "result.json", "model", "asked.png"} <= {file.name for file in folder.iterdir()}
