"""What runs on a CPU runs on a GPU: `pytest --gpu tests/test_gpu.py` where there is one; elsewhere these are skipped."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.representations.two_processes import LEARNERS, trained

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU to see")
ROOT = Path(__file__).parent.parent
ROOMS = [
    "beta_sweep", "covariance", "dci", "digits", "faces", "identities", "language", "maze", "objects", "planar", "policies",
    "pretrain", "sprites", "text_transfer", "video",
]  # fmt: skip


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", LEARNERS)
def test_a_training_is_resumed(name, precision, tmp_path):
    told = {"device": "cuda", "precision": precision, "checkpoint_every": 2, "run": tmp_path}
    trained(name, steps=4, **told)
    logs, model = trained(name, steps=6, resume=True, **told)
    assert [line["step"] for line in logs] == [1, 2, 3, 4, 5, 6]
    assert all(tensor.is_cuda for tensor in model.state_dict().values())


@pytest.mark.parametrize("room", ROOMS)
def test_a_benchmark_passes_through_every_step(room, tmp_path):
    told = ["--preset=quick", "--device=cuda", f"--out={tmp_path}"]
    command = [sys.executable, "-m", f"benchmarks.{room}", *told]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    ended = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-2000:] + ended.stderr[-2000:]
