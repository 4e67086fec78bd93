"""Sweeps: what fails is told and the others go on, nothing old passes for new, and one command has a folder."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from benchmarks import pretrain
from benchmarks.harness import machine
from benchmarks.harness.ending import plain_errors
from benchmarks.harness.machine import revision
from benchmarks.harness.runs import ERROR, JobsFailed, sweep
from borders.files import FolderInUse, claimed
from representations.stopping import Stopped

CHECKOUT = Path(__file__).parents[3]


@dataclasses.dataclass(frozen=True)
class Toy:
    model: str
    preset: str = "quick"
    seed: int = 0


def run(job, folder, resume):
    if job.model == "fails" and not (folder.parent / "mended").exists():
        raise ValueError("no such thing")
    if job.model == "dies" and not (folder.parent / "mended").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    return {"scores": {"threads": torch.get_num_threads()}, "model": job.model}


@pytest.mark.parametrize(("words", "workers"), [(["a", "fails", "b"], 1), (["a", "dies", "fails", "b"], 2)])
def test_jobs_that_fail_are_recorded_and_the_others_finish(tmp_path, words, workers, capsys):
    jobs, threads = [Toy(word) for word in words], torch.get_num_threads()
    with pytest.raises(SystemExit, match=f"error: {len(jobs) - 2} of {len(jobs)} jobs failed; .*again") as left:  # noqa: SIM117
        with plain_errors():
            sweep(run, jobs, tmp_path, workers=workers)
    assert isinstance(left.value.__context__, JobsFailed)
    printed = capsys.readouterr().out
    assert "Jobs that failed" in printed
    assert "ValueError: no such thing" in printed
    assert ("SIGKILL" in printed) == ("dies" in words)
    found = {path.parent.name.partition("-")[0] for path in tmp_path.glob("*/result.json")}
    assert found == {"a", "b"}
    [error] = [json.loads(path.read_text()) for path in tmp_path.glob(f"fails-*/{ERROR}")]
    assert error["error"] == "ValueError: no such thing"
    assert "Traceback" in error["details"]
    assert torch.get_num_threads() == threads
    (tmp_path / "mended").touch()
    assert [result["model"] for result in sweep(run, jobs, tmp_path, workers=1)] == words
    assert not list(tmp_path.glob(f"*/{ERROR}"))


def test_the_error_of_a_job_that_is_alone_leaves_as_it_is(tmp_path):
    with pytest.raises(ValueError, match="no such thing"):
        sweep(run, [Toy("fails")], tmp_path / "run")
    assert (tmp_path / "run" / ERROR).exists()


def test_without_resume_old_results_are_set_aside_before_anything_begins(tmp_path):
    jobs = [Toy("a"), Toy("b")]
    sweep(run, jobs, tmp_path, workers=1)

    def cut(job, folder, resume):
        raise KeyboardInterrupt

    with pytest.raises(Stopped, match="stopped; 0 of 2 jobs are finished; the same command continues"):
        sweep(cut, jobs, tmp_path, workers=1, resume=False)
    assert not list(tmp_path.glob("*/result.json"))
    assert len(list(tmp_path.glob("*/previous-result.json"))) == 2


def test_a_job_whose_folder_another_process_has_fails_with_its_name(tmp_path):
    script = "import sys, time; from pathlib import Path; from borders.files import claimed\n"
    script += "with claimed(Path(sys.argv[1])): print(1, flush=True); time.sleep(99)"
    other = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "run")], stdout=subprocess.PIPE, cwd=CHECKOUT
    )
    try:
        other.stdout.readline()
        with pytest.raises(FolderInUse, match=f"in use by process {other.pid}"):
            sweep(run, [Toy("a")], tmp_path / "run", patience=0.1)
    finally:
        other.kill()
        other.wait()
    assert sweep(run, [Toy("a")], tmp_path / "run")


TINY = ["--preset=quick", "--model=vae", "--scores=", "--device=cpu", '--settings={"channels": 4, "hidden": 8}']


def test_a_second_command_on_a_folder_is_refused_and_told_who_has_it(tmp_path):
    with claimed(tmp_path / "run", use="sweep"):
        again = [sys.executable, "-m", "benchmarks.pretrain", *TINY, f"--out={tmp_path / 'run'}"]
        done = subprocess.run(again, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert re.search(rf"error: .*run is in use by process {os.getpid()} on ", done.stderr)
    assert "Traceback" not in done.stderr


def test_a_stopped_command_says_so_in_one_line_and_the_same_command_continues(tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "benchmarks.pretrain", *TINY, "--steps=600", f"--out={out}"]
    at = {"cwd": CHECKOUT, "text": True, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    step = 0
    for number, status in ((signal.SIGINT, 130), (signal.SIGTERM, 143)):
        logged = out / "log.jsonl"
        size = logged.stat().st_size if step else 0
        going = subprocess.Popen(command, **at)
        try:
            deadline = time.monotonic() + 100
            while not logged.exists() or logged.stat().st_size <= size:
                assert time.monotonic() < deadline
                assert going.poll() is None, going.communicate()
                time.sleep(0.02)
            sent = time.monotonic()
            going.send_signal(number)
            _, said = going.communicate(timeout=100)
            assert time.monotonic() - sent < 20  # about 0.1 s; the machine may be busy
        finally:
            going.kill()
        assert going.returncode == status, said
        *continued, told = said.splitlines()
        assert [f"continues at step {step} of 600" in line for line in continued] == [True] * (step > 0)
        before, step = step, int(re.fullmatch(r"stopped at step (\d+) of 600; the same command continues", told)[1])
        assert max(before + 1, 100) <= step < 600
    again = subprocess.run(command, check=False, **at)
    assert again.returncode == 0, again.stderr
    assert f"continues at step {step} of 600" in again.stderr
    assert json.loads((out / "result.json").read_text())["scores"]


def test_no_tool_is_needed_on_the_path_and_the_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert revision() == "unknown"
    monkeypatch.chdir(tmp_path)
    pretrain.main([*TINY, "--out=~/run"])
    assert json.loads((tmp_path / "run" / "result.json").read_text())["versions"]["revision"] == "unknown"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_revision_says_that_files_were_changed_since_but_for_kept_results(tmp_path, monkeypatch):
    def git(*words):
        about = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
        return subprocess.run(["git", *about, *words], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

    code, kept = tmp_path / "code.py", tmp_path / "benchmarks" / "room" / "results" / "full.jsonl"
    kept.parent.mkdir(parents=True)
    for file in (code, kept):
        file.write_text("first")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    name = git("rev-parse", "--short", "HEAD").strip()
    monkeypatch.setattr(machine, "CHECKOUT", tmp_path)
    assert revision() == name
    kept.write_text("second")
    assert revision() == name
    code.write_text("second")
    assert revision() == f"{name}-dirty"
