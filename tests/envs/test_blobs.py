import math

import pytest
import torch

from envs.blobs import Blobs


@pytest.mark.parametrize("sigma", [1.5, 3.0, 6.0])
def test_centre_of_mass_is_the_position(sigma):
    world = Blobs(sigma)
    rows = world.sample(50, torch.Generator().manual_seed(0))
    mass = world.render(rows)[:, 0].double()
    pixel = torch.arange(64) + 0.5
    centre = (
        torch.stack([(mass * pixel).sum((1, 2)), (mass * pixel[:, None]).sum((1, 2))], 1) / mass.sum((1, 2))[:, None]
    )
    assert (centre - rows).abs().max() < 0.02


def test_the_profile_is_gaussian():
    picture = Blobs(3.0).render(torch.tensor([[32.5, 20.5]]))[0, 0].float()
    assert picture[20, 32] == 255
    for step in (1, 3, 6):
        expected = 255 * math.exp(-(step**2) / 18)
        assert abs(picture[20, 32 + step] - expected) <= 0.5
        assert abs(picture[20 - step, 32] - expected) <= 0.5


def test_in_a_batch_or_one_by_one_the_pictures_are_the_same():
    world = Blobs()
    rows = world.sample(20, torch.Generator().manual_seed(1))
    assert torch.equal(world.render(rows), torch.cat([world.render(row[None]) for row in rows]))


def test_a_narrow_margin_gives_more_room_and_cuts_the_blob_at_the_border():
    world = Blobs(6.4, margin=2.0)
    assert [(f.low, f.high) for f in world.factors] == [(12.8, 51.2)] * 2
    centre, corner = world.render(torch.tensor([[32.0, 32.0], [12.8, 12.8]])).double().sum((1, 2, 3)) / 255
    assert centre.item() == pytest.approx(2 * math.pi * 6.4**2, rel=0.01)
    inside = 0.5 * (1 + math.erf(2 / math.sqrt(2)))  # of a Gaussian cut off two deviations from its middle
    assert (corner / centre).item() == pytest.approx(inside**2, abs=0.01)


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="'x' must lie in"):
        Blobs().render(torch.tensor([[2.0, 32.0]]))
    for sigma in (0.0, 8.0, float("nan")):
        with pytest.raises(ValueError, match="sigma must be"):
            Blobs(sigma)
    with pytest.raises(ValueError, match="margin must be at least 0"):
        Blobs(3.0, margin=-1.0)
