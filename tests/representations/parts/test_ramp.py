import pytest
import torch

from representations.parts.ramp import Ramp


def course(ramp: Ramp, steps: int) -> list[float]:
    """The ramp's number at each of `steps` steps."""
    found = []
    for _ in range(steps):
        found.append(ramp.now().item())
        ramp.advance()
    return found


def test_rises_evenly_and_stays():
    assert course(Ramp(1.0, 3.0, 4), 6) == [1.0, 1.5, 2.0, 2.5, 3.0, 3.0]


def test_without_steps_it_is_there_at_once():
    assert Ramp(0.0, 2.0, 0).now().item() == 2.0


def test_it_is_let_in_over_a_share_of_its_steps():
    assert course(Ramp(9.0, 1.0, 8, easing=0.5), 10) == [0, 8 / 4, 7 * 2 / 4, 6 * 3 / 4, 5, 4, 3, 2, 1, 1]


def test_it_is_held_for_a_share_of_its_steps():
    assert course(Ramp(1.0, 3.0, 8, held=0.5), 10) == [1, 1, 1, 1, 1, 1.5, 2, 2.5, 3, 3]
    with pytest.raises(ValueError, match="at least 0 and below 1, got 1"):
        Ramp(1.0, 3.0, 8, held=1.0)


def test_how_far_it_has_come_is_saved():
    ramp, again = Ramp(0.0, 1.0, 10), Ramp(0.0, 1.0, 10)
    for _ in range(3):
        ramp.advance()
    again.load_state_dict(ramp.state_dict())
    assert torch.equal(again.now(), ramp.now())
    assert again.now().item() == pytest.approx(0.3)


def test_negative_steps_are_refused():
    with pytest.raises(ValueError, match="must not be negative, got -1"):
        Ramp(0.0, 1.0, -1)
