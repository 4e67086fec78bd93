"""Moves as CUDA graphs. What needs a GPU runs with `pytest --gpu`."""

import importlib

import pytest
import torch
from torch import nn

from representations import Objective, fit
from representations.recorded import set_rate
from tests.representations.two_processes import trained

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU to see")
NAMES = ("vae", "factor_vae", "remembering", "capacity_vae", "dip_vae", "covariance_penalty", "infogan", "rce", "e2c")


def test_a_cpu_has_no_graphs():
    with pytest.raises(ValueError, match="graphed needs a GPU and one process, got cpu"):
        trained("vae", graphed=True)


def test_a_rate_is_set_where_it_is_kept():
    plain, kept = {"lr": 1.0}, torch.tensor(1.0)
    recorded = {"lr": kept}
    for group in (plain, recorded):
        set_rate(group, 0.5)
    assert plain["lr"] == 0.5
    assert recorded["lr"] is kept
    assert kept == 0.5


@on_gpu
@pytest.mark.parametrize("name", NAMES)
def test_a_replayed_training_is_the_one_that_was_not(name):
    told = {"steps": 12, "device": "cuda", "decay": True}
    (plain, one), (replayed, other) = trained(name, **told), trained(name, graphed=True, **told)
    for line, again in zip(plain, replayed, strict=True):
        assert again == pytest.approx(line | {"seconds": again["seconds"]}, rel=2e-3, abs=2e-3)
    for key, value in one.state_dict().items():
        torch.testing.assert_close(other.state_dict()[key], value, rtol=2e-2, atol=2e-3)


@on_gpu
def test_a_replayed_training_is_resumed(tmp_path):
    told = {"device": "cuda", "graphed": True, "checkpoint_every": 3}
    whole, _ = trained("remembering", steps=12, **told)
    trained("remembering", steps=6, run=tmp_path, **told)
    resumed, _ = trained("remembering", steps=12, run=tmp_path, resume=True, **told)
    for line, again in zip(whole, resumed, strict=True):
        assert again == pytest.approx(line | {"seconds": again["seconds"]}, rel=2e-3, abs=2e-3)


class Counting(nn.Module):
    """A learner that logs a number of Python's."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def loss(self, batch):
        return (self.weight * batch).square().sum(), {"rows": len(batch)}

    def objectives(self):
        return (Objective("only", self.loss, (self.weight,), self.optimizer),)

    def optimizer(self, parameters):
        return torch.optim.Adam(parameters)


@on_gpu
@pytest.mark.parametrize("wrong", ["log", "optimizer", "form"])
def test_what_cannot_be_recorded_is_named(wrong):
    model = Counting()
    if wrong == "optimizer":
        model.optimizer = lambda parameters: torch.optim.SGD(parameters, lr=0.1)
    if wrong == "form":
        model.loss = lambda batch: ((model.weight * batch).square().sum(), {})
    sizes = iter([3] * 5 + [2] * 5)
    said = {"log": "the log only/rows", "optimizer": "SGD cannot be recorded", "form": "batches of one form"}[wrong]
    with pytest.raises(ValueError, match=said):
        fit(
            model,
            lambda generator: torch.ones(next(sizes), 2),
            10,
            torch.Generator(),
            device="cuda",
            progress=False,
            graphed=True,
        )


@pytest.mark.parametrize("room", ["sprites", "dci"])
def test_a_benchmark_says_so_before_it_draws(room):
    main = importlib.import_module(f"benchmarks.{room}.run").main
    with pytest.raises(SystemExit, match="graphed needs a GPU, got cpu"):
        main(["--preset=quick", "--device=cpu", "--graphed=true"])
