"""The loop against memory layouts: a gradient may lie in memory in another order than its parameter."""

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
