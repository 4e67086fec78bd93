"""transformed_digits: each mechanism by hand, and margins that lose nothing."""

import pytest
import torch

from envs import make_world
from envs.transformed_digits import DIRECTIONS, GRAINS, MECHANISMS, SHIFT, transform


def rows(kinds, n=3):
    found = torch.tensor([[kind, digit, 5 + digit] for kind in kinds for digit in range(n)], dtype=torch.float32)
    return found


@pytest.mark.parametrize("side", [20, 24, 32])
def test_a_shift_moves_the_canonical_digit_and_loses_nothing(side):
    world = make_world("transformed_digits", side=side)
    plain = world.render(rows([0]))
    assert plain.shape == (3, 1, side, side)
    assert plain.amax() > 200
    assert not plain[..., :SHIFT, :].any()
    assert not plain[..., -SHIFT:].any()
    for kind, (down, right) in enumerate(DIRECTIONS.values(), 1):
        moved = world.render(rows([kind]))
        assert torch.equal(moved, plain.roll((SHIFT * down, SHIFT * right), (-2, -1)))


def test_inversion_and_noise():
    world = make_world("transformed_digits", mechanisms=("noise", "inversion"))
    plain = world.render(rows([0]))
    assert torch.equal(world.render(rows([2])), 255 - plain)
    noisy = world.render(rows([1]))
    assert not torch.equal(noisy[0] - plain[0], noisy[1] - plain[1])
    empty = noisy[plain == 0].float() / 255  # half a normal of deviation 1/2, cut at 1: mean 0.191
    assert (empty == 0).float().mean().item() == pytest.approx(0.5, abs=0.03)
    assert empty.mean().item() == pytest.approx(0.191, abs=0.01)
    assert torch.equal(noisy, world.render(rows([1])))


def test_what_a_shift_did_the_opposite_undoes():
    picture = torch.zeros(1, 1, 20, 20)
    picture[..., 4:16, 4:16] = torch.rand(1, 1, 12, 12, generator=torch.Generator().manual_seed(0))
    grain = torch.zeros(1, dtype=torch.long)
    for name, back in (("up", "down"), ("left", "right"), ("up_left", "down_right"), ("up_right", "down_left")):
        for there, again in ((name, back), (back, name)):
            assert torch.equal(transform(transform(picture, there, grain), again, grain), picture)
    assert set(DIRECTIONS) < set(MECHANISMS)
    assert transform(torch.full((GRAINS, 1, 8, 8), 0.5), "noise", torch.arange(GRAINS)).mean().item() == pytest.approx(
        0.5, abs=0.01
    )


def test_mechanisms_are_named_once():
    with pytest.raises(ValueError, match="at most once"):
        make_world("transformed_digits", mechanisms=("up", "up"))
    with pytest.raises(ValueError, match="mechanisms"):
        make_world("transformed_digits", mechanisms=())
    with pytest.raises(ValueError, match="mechanisms"):
        make_world("transformed_digits", mechanisms=("sideways",))
