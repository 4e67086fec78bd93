"""The loop against memory layouts: a gradient may lie in memory in another order than its parameter."""

import sys
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional

from representations import fit
from representations.model import Objective


class Filters(nn.Module):
    """One convolution, its weight kept or only used with channels last."""

    def __init__(self, fused, kept):
        super().__init__()
        weight = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(weight.to(memory_format=torch.channels_last) if kept else weight)
        self.optimizer = partial(torch.optim.Adam, lr=0.1, fused=fused)

    def loss(self, batch):
        weight = self.weight.to(memory_format=torch.channels_last)
        return functional.conv2d(batch, weight, stride=2).cos().sum(), {}

    def objectives(self):
        return (Objective("filters", self.loss, (self.weight,), self.optimizer),)


def pictures(generator):
    return torch.randn(4, 3, 8, 8, generator=generator)


def trained(model, steps, folder=None, resume=False):
    options = {"progress": False, "device": "cpu", "log_every": 1, "checkpoint_every": 1, "resume": resume}
    fit(model, pictures, steps, torch.Generator().manual_seed(1), folder, **options)
    return model.weight.detach()


@pytest.mark.parametrize("kept", [False, True])
def test_a_fused_optimizer_moves_weights_as_a_plain_one_does_in_either_layout(kept):
    torch.testing.assert_close(trained(Filters(True, kept), 5), trained(Filters(False, kept), 5))


@pytest.mark.parametrize("kept", [False, True])
def test_a_resumed_run_ends_at_the_same_weights_in_either_layout(kept, tmp_path):
    whole = trained(Filters(True, kept), 6)
    trained(Filters(True, kept), 3, tmp_path)
    assert torch.equal(trained(Filters(True, kept), 6, tmp_path, resume=True), whole)


def test_events_hold_the_figures_of_the_log(tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    model = Filters(False, False)
    logs = fit(model, pictures, 4, torch.Generator(), tmp_path, log_every=2, progress=False, tensorboard=True)
    found = events.EventAccumulator(str(tmp_path)).Reload().Scalars("filters/loss")
    assert [event.step for event in found] == [2, 4]
    assert [event.value for event in found] == pytest.approx([line["filters/loss"] for line in logs])


def test_events_need_a_folder_and_their_package(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="run folder"):
        fit(Filters(False, False), pictures, 1, torch.Generator(), tensorboard=True)
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="pip install"):
        fit(Filters(False, False), pictures, 1, torch.Generator(), tmp_path, tensorboard=True)
