"""Workers: a row that fails or dies is told and the others go on; nothing outlives its parent or Ctrl-C."""

import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.harness.pool import Failure, in_processes

CHECKOUT = Path(__file__).parents[3]


def work(row):
    if row == "fails":
        raise ValueError("no such thing")
    if row == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    return row, os.getpid()


def test_rows_that_fail_or_die_are_told_and_the_others_go_on():
    rows = ["a", "dies", "b", "fails", "c", "dies", "d"]
    found = dict(in_processes(work, [(row,) for row in rows], 2))
    assert sorted(found) == list(range(7))
    assert [found[k][0] for k in (0, 2, 4, 6)] == ["a", "b", "c", "d"]
    assert found[3].error == "ValueError: no such thing"
    assert 'raise ValueError("no such thing")' in found[3].details
    assert found[1] == found[5] == Failure(found[1].error)
    assert "killed by SIGKILL(-9)" in found[1].error


FAULTS = """
import resource, sys
import numpy as np
from benchmarks.harness.pool import keep_memory

def step():  # two arrays of 24 MB, written and freed together
    first, second = np.ones(3_000_000), np.ones(3_000_000)

keep_memory()
step(), step()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
step(), step(), step()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_memory_that_was_freed_is_not_taken_anew_page_by_page():
    done = subprocess.run([sys.executable, "-c", FAULTS], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000  # pages; without it 2,900 of glibc 2.36


def test_a_worker_is_used_again():
    found = list(in_processes(work, [(k,) for k in range(6)], 2))
    assert len({process for _, (_, process) in found}) <= 2


SLEEPERS = """
import os, sys, time
from benchmarks.harness.pool import in_processes
def sleep(folder):
    import os, time, pathlib
    pathlib.Path(folder, str(os.getpid())).touch()
    time.sleep(600)
try:
    list(in_processes(sleep, [(sys.argv[1],)] * 2, 2))
except KeyboardInterrupt:
    sys.exit(130)
"""


def gone(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked up in /proc")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_worker_outlives_its_parent(tmp_path, number):
    command = [sys.executable, "-c", SLEEPERS, str(tmp_path)]
    parent = subprocess.Popen(
        command, cwd=CHECKOUT, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(CHECKOUT)}
    )
    deadline = time.monotonic() + 60
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(path.name) for path in tmp_path.iterdir()]
    assert len(workers) == 2
    sent = time.monotonic()
    parent.send_signal(number)
    said = parent.communicate(timeout=30)[1]
    took = time.monotonic() - sent
    while not all(map(gone, workers)) and time.monotonic() < sent + 30:
        time.sleep(0.05)
    assert all(map(gone, workers))
    if number == signal.SIGINT:
        assert parent.returncode == 130
        assert b"Traceback" not in said
        assert took < 20  # about 1 s; the machine may be busy
