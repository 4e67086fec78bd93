"""Several processes train one model: what they learn, what each does, what is refused, and what they leave."""

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from representations.parts.together import Group, average, everyone, normal_like, own, sharing, uniform_like
from representations.processes import Processes
from tests.representations import two_processes
from tests.representations.two_processes import LATER, LEARNERS, STEPS, trained

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What each of the two processes found, and the folder with what they left."""
    pytest.importorskip("lightning_fabric")
    folder = tmp_path_factory.mktemp("two")
    command = [sys.executable, two_processes.__file__, str(folder)]
    surroundings = os.environ | {"PYTHONPATH": str(CHECKOUT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads((folder / f"found{rank}.json").read_text()) for rank in (0, 1)], folder


def losses(logs):
    return [[value for key, value in line.items() if key.endswith("/loss")] for line in logs]


@pytest.mark.parametrize("name", LEARNERS)
def test_two_processes_learn_what_one_does_with_the_whole_batch(found, name):
    (first, second), _ = found
    logs, _ = trained(name)
    assert len(logs) == STEPS
    # Sums over rows are taken in another order, and Adam's first steps are as long for the smallest gradient.
    torch.testing.assert_close(
        torch.tensor(losses(first["logs"][name])), torch.tensor(losses(logs)), rtol=2e-4, atol=2e-4
    )
    assert losses(first["logs"][name]) == losses(second["logs"][name])
    assert first["weights"][name] == second["weights"][name]
    other, _ = trained(name, batches=partial(two_processes.half, name))
    assert not torch.allclose(torch.tensor(losses(other)), torch.tensor(losses(logs)), rtol=2e-3, atol=2e-3)


def test_torchs_own_noise_differs_between_processes_and_what_nobody_trains_is_the_firsts(found):
    first, second = (each["own"] for each in found[0])
    assert not set(first["noise"]) & set(second["noise"])
    assert first["sizes"] == second["sizes"] == first["rendered"] == second["rendered"] == [4, 4, 4]
    assert first["still"] == second["still"] == 1.0
    assert first["weight"] == second["weight"]
    # At each step all begin with the first process's buffer: the mean over processes is a number, not of two.
    assert first["logs"] == second["logs"]


def test_a_training_is_resumed_by_two_processes_and_by_one(found, tmp_path):
    both, folder = found
    _, whole = trained("factor_vae", steps=LATER)
    wanted = [parameter.detach().flatten() for parameter in whole.parameters()]
    for each in both:
        assert each["lines"] == LATER
        for values, parameter in zip(each["resumed"], wanted, strict=True):
            torch.testing.assert_close(torch.tensor(values), parameter, rtol=1e-3, atol=2e-3)
    shutil.copytree(folder / "cut", tmp_path / "cut")
    steps = [json.loads(line)["step"] for line in (folder / "cut" / "log.jsonl").read_text().splitlines()]
    assert steps == list(range(1, LATER + 1))
    logs, _ = trained("factor_vae", None, LATER + 2, tmp_path / "cut", resume=True)
    further, _ = trained("factor_vae", steps=LATER + 2)
    torch.testing.assert_close(torch.tensor(losses(logs)), torch.tensor(losses(further)), rtol=1e-3, atol=1e-3)


def test_what_goes_wrong_in_one_process_ends_all(found):
    first, second = (each["refused"] for each in found[0])
    assert first == second
    assert "Stopped: stopped at step 8 of 20" in first["signal"]
    assert "it is of another seed" in first["seed"]
    assert "damaged or no safetensors file" in first["damaged"]
    assert "a batch of 7 rows cannot be divided evenly among 2 processes" in first["rows"]
    assert "a batch whose tensors have [6, 8] rows cannot be divided among processes" in first["uneven"]
    assert "leave device at auto, got 'cpu'" in first["device"]
    assert not list(found[1].glob("*/.*partial*"))


def test_a_fabric_that_fit_has_no_loop_for_is_refused():
    fabric = pytest.importorskip("lightning_fabric")
    from lightning_fabric.strategies import DataParallelStrategy

    with pytest.raises(ValueError, match=r"leave precision to fit\(..., precision=...\), got precision='bf16-mixed'"):
        Processes(fabric.Fabric(accelerator="cpu", devices=1, precision="bf16-mixed"))
    with pytest.raises(ValueError, match="must have the strategy ddp, got a DataParallelStrategy"):
        Processes(SimpleNamespace(strategy=DataParallelStrategy(), global_rank=0, world_size=2))


def test_one_process_of_a_fabric_is_one_process():
    fabric = pytest.importorskip("lightning_fabric")
    logs, _ = trained("factor_vae", fabric.Fabric(accelerator="cpu", devices=1))
    assert losses(logs) == losses(trained("factor_vae")[0])


ROWS = torch.arange(12.0).reshape(6, 2)


def group(rank, others):
    """One of three processes, which hears `others` [3, ...] when it gathers."""
    return Group(rank, 3, lambda rows: others, torch.Generator().manual_seed(4))


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_rows_are_divided_in_order_and_joined_again(rank):
    with sharing(group(rank, ROWS.unflatten(0, (3, 2)))):
        assert torch.equal(own(ROWS), ROWS[2 * rank : 2 * rank + 2])
        assert torch.equal(everyone(own(ROWS)), ROWS)
        assert torch.equal(average(own(ROWS)), ROWS.unflatten(0, (3, 2)).mean(0))
    assert own(ROWS) is everyone(ROWS) is average(ROWS) is ROWS


@pytest.mark.parametrize(("drawn", "plain"), [(normal_like, torch.randn_like), (uniform_like, torch.rand_like)])
@pytest.mark.parametrize("form", [torch.contiguous_format, torch.channels_last])
def test_noise_is_what_one_process_draws_for_the_whole_batch(drawn, plain, form):
    whole = torch.zeros(6, 3, 4, 5).contiguous(memory_format=form)
    parts = []
    for rank in range(3):
        with sharing(group(rank, ROWS)):
            parts.append(drawn(own(whole)))
    torch.manual_seed(4)
    wanted = plain(whole)
    assert torch.equal(torch.cat(parts), wanted)
    torch.manual_seed(4)
    assert torch.equal(drawn(whole), wanted)
