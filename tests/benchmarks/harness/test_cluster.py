"""What runs on many machines, as far as one machine can tell: both engines, and the files one can copy."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch

import benchmarks
from benchmarks.harness.engines import Engine
from benchmarks.harness.runs import compute, describe, read_result
from representations import MODELS
from representations.vae import VAE

FILES = Path(benchmarks.__file__).parent / "harness" / "cluster"


class Mine(VAE):
    """A learner of this test's own, which no worker knows beforehand."""


@dataclass(frozen=True)
class Job:
    """A few steps of one seed."""

    model: str = "mine"
    preset: str = "default"
    seed: int = 0


def run(job, folder, resume):
    from representations import fit, load, make, save

    torch.manual_seed(job.seed)
    model = make(job.model, shape=(1, 16, 16), channels=4, hidden=8, code_size=2)
    draw = lambda generator: torch.rand(4, 1, 16, 16, generator=generator)  # noqa: E731
    logs = fit(model, draw, 3, torch.Generator().manual_seed(job.seed), device="cpu", progress=False, log_every=1)
    save(model, folder / "model")
    total = sum(float(p.detach().double().sum()) for p in load(folder / "model").parameters())
    return describe("planar", job, {"losses": [line["bound/loss"] for line in logs], "weights": total}, {})


def test_both_engines_give_the_same_to_the_last_bit_also_for_a_learner_of_ones_own(tmp_path, monkeypatch):
    pytest.importorskip("ray")
    monkeypatch.setitem(MODELS, "mine", Mine)
    found = {}
    for engine in (Engine("local", 1), Engine("local", 2), Engine("ray", 2)):
        placed = [(Job(seed=seed), tmp_path / f"{engine.name}{engine.workers}-{seed}") for seed in (0, 1)]
        for _, folder in placed:
            folder.mkdir()
        compute(run, placed, engine)
        found[engine.name, engine.workers] = [read_result(folder)["scores"] for _, folder in placed]
    assert found["local", 1][0] != found["local", 1][1]
    assert found["local", 2] == found["local", 1]
    assert found["ray", 2] == found["local", 1]


@pytest.mark.parametrize("file", sorted(FILES.iterdir()), ids=lambda path: path.name)
def test_the_files_to_copy_are_sound_scripts(file):
    subprocess.run(["bash", "-n", str(file)], check=True)


def test_the_array_runs_its_shard_of_a_benchmark(tmp_path):
    (tmp_path / "python").write_text('#!/bin/bash\necho "$@"\n')
    (tmp_path / "python").chmod(0o755)
    task = {"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "8", "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    words = ["sprites", "--model", "all", "--out", "/shared/my run"]
    said = subprocess.run(
        ["bash", str(FILES / "array.sbatch"), *words], env=task, capture_output=True, text=True, check=True
    )
    assert (
        said.stdout.split("\n")[0] == "-m benchmarks.sprites --model all --out /shared/my run --workers 1 --shard 2/8"
    )
