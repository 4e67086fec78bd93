"""The learned rotation between networks and code."""

import pytest
import torch

import representations
from representations.parts.turn import Turn

torch.set_num_threads(1)


def turned(size=4):
    turn = Turn(size)
    with torch.no_grad():
        turn.free.normal_(generator=torch.Generator().manual_seed(0))
    return turn


def test_it_is_a_rotation_and_first_the_identity():
    assert torch.equal(Turn(4).matrix(), torch.eye(4))
    matrix = turned().matrix()
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(4))
    assert torch.linalg.det(matrix).item() == pytest.approx(1, abs=1e-5)
    assert (matrix - torch.eye(4)).abs().max() > 0.1


def test_a_plane_turns_by_twice_the_arctangent():
    turn = Turn(2)
    with torch.no_grad():
        turn.free[0, 1] = 0.3
    angle = 2 * torch.tensor(0.3).atan()
    found = turn.matrix()
    torch.testing.assert_close(found.diagonal(), angle.cos().expand(2))
    assert found[0, 1].abs().item() == pytest.approx(angle.sin().item(), abs=1e-6)


def test_back_undoes_it():
    turn, code = turned(), torch.randn(5, 4, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(turn.back(turn(code)), code)


@pytest.mark.parametrize("name", ["beta_vae", "factor_vae"])
def test_it_turns_the_means_and_what_the_decoder_is_told_and_no_picture(name):
    torch.manual_seed(0)
    learner = representations.make(name, shape=(1, 16, 16), code_size=3, channels=4, hidden=8, turned=True).eval()
    x = torch.randint(0, 256, (6, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    code = learner.encode(x)
    drawn, spread = learner.decode(code), learner.autoencoder.posterior(x)[1]
    with torch.no_grad():
        learner.autoencoder.turn.free.copy_(turned(3).free)
    matrix = learner.autoencoder.turn.matrix()
    torch.testing.assert_close(learner.encode(x), code @ matrix.T)
    torch.testing.assert_close(learner.decode(learner.encode(x)), drawn)
    assert torch.equal(learner.autoencoder.posterior(x)[1], spread)
