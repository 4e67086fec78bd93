"""Who plays: a gradient that is too long is shortened before Adam sees it, and any other is left alone."""

import copy

import pytest
import torch

from representations.parts.players import ClippedAdam, sole_player

torch.set_num_threads(1)


class Slope(torch.nn.Module):
    """A loss whose gradient is `slope` in every weight of two vectors."""

    def __init__(self, learning_rate=0.1):
        super().__init__()
        self.learning_rate = learning_rate
        self.first, self.second = torch.nn.Parameter(torch.ones(3)), torch.nn.Parameter(torch.ones(6))

    def loss(self, slope):
        return slope * (self.first.sum() + self.second.sum()), {}


def moments(model, slope, **options):
    (player,) = sole_player(model, **options)
    optimizer = player.optimizer(player.parameters)
    player.loss(slope)[0].backward()
    optimizer.step()
    return torch.cat([optimizer.state[p]["exp_avg"] for p in player.parameters]) / 0.1


@pytest.mark.parametrize("fused", [False, True])
def test_a_long_gradient_keeps_its_direction_and_has_the_length_that_is_told(fused):
    found = moments(Slope(), 7.0, longest=0.5, fused=fused)  # its length is 3 times 7
    assert torch.allclose(found, torch.full((9,), 0.5 / 3), rtol=1e-5)


@pytest.mark.parametrize("fused", [False, True])
def test_a_gradient_that_is_short_enough_moves_as_by_adam(fused):
    model = Slope()
    plain, other = copy.deepcopy(model), copy.deepcopy(model)
    assert torch.equal(moments(plain, 0.1, fused=fused), moments(other, 0.1, longest=0.5, fused=fused))
    assert torch.equal(plain.first, other.first)
    assert not torch.equal(plain.first, model.first)


def test_its_state_is_adams():
    model = Slope()
    (player,) = sole_player(model, longest=1.0)
    optimizer = player.optimizer(player.parameters)
    assert isinstance(optimizer, ClippedAdam)
    plain = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
    assert optimizer.state_dict()["param_groups"] == plain.state_dict()["param_groups"]
