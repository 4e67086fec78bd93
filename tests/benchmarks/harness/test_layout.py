"""One layout of a run's folder for one job and for many, in rooms that train different things."""

import json

import pytest

from benchmarks import beta_sweep, covariance

ROOMS = {
    "covariance": (covariance, ["--experiment=projection", "--model=none", "--sizes.projection.steps=2"]),
    "beta_sweep": (
        beta_sweep,
        [
            "--data=shapes2d",
            "--model=dense",
            "--betas=[1.0]",
            "--pictures=64",
            "--batch=32",
            "--samples=200",
            "--test=20",
        ],
    ),
}
OF_A_JOB = {"log.jsonl"}  # a job's own, in whose folder the run's files stand too where it is alone


@pytest.mark.parametrize("room", ROOMS)
def test_a_run_of_one_seed_and_of_two_leave_the_same_files_and_entries(room, tmp_path):
    benchmark, words = ROOMS[room]
    files, entries, jobs = [], [], []
    for seeds in (1, 2):
        out = tmp_path / str(seeds)
        benchmark.main(["--preset=quick", f"--seeds={seeds}", "--workers=1", f"--out={out}", *words])
        found = {path.name for path in out.iterdir() if path.is_file() and not path.name.startswith(".")}
        result = json.loads((out / "result.json").read_text())
        files.append(found)
        entries.append(set(result))
        jobs.append([out] if seeds == 1 else sorted(path.parent for path in out.glob("*/model")))
    assert entries[0] == entries[1]
    assert files[1] <= files[0]
    own = {path.name for path in jobs[1][0].iterdir() if path.is_file() and not path.name.startswith(".")}
    assert files[0] - files[1] == own - files[1]
    assert {"config.yaml", "result.json", "report.html", "losses.png"} <= files[1]
    assert len(jobs[1]) == 2
    for folder in (folder for found in jobs for folder in found):
        assert (folder / "model" / "config.json").exists()
        assert json.loads((folder / "result.json").read_text())["scores"]
        assert {path.name for path in folder.iterdir()} >= OF_A_JOB
