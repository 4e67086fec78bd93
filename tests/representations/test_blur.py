import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from representations.parts.blur import SHARP, blurred, width_at


@pytest.mark.parametrize("width", [0.5, 2.0, 6.0])
def test_it_is_scipys_gaussian_of_a_picture_that_is_black_beyond(generator, width):
    pictures = torch.rand(2, 3, 32, 24, generator=generator)
    wanted = pictures.double().numpy()
    for axis in (2, 3):
        wanted = gaussian_filter1d(wanted, width, axis, mode="constant", radius=24)
    np.testing.assert_allclose(blurred(pictures, width), wanted, atol=1e-4)  # what of it lies beyond 24 pixels


def test_a_mirrored_picture_is_mirrored_and_a_clear_one_is_as_it_was(generator):
    pictures = torch.randint(256, (3, 1, 9, 13), generator=generator).byte()
    torch.testing.assert_close(blurred(pictures.flip(2), 1.5), blurred(pictures, 1.5).flip(2))
    torch.testing.assert_close(blurred(pictures.flip(3), 1.5), blurred(pictures, 1.5).flip(3))
    torch.testing.assert_close(blurred(pictures, SHARP), pictures / 255)


def test_it_holds_and_then_narrows_by_one_factor_until_it_is_clear():
    assert [width_at(share, 10.0, 0.1, 0.6) for share in (0.0, 0.1)] == [10, 10]
    widths = [width_at(share, 10.0, 0.1, 0.6) for share in (0.2, 0.3, 0.4, 0.5)]
    assert np.diff(np.log(widths)) == pytest.approx(np.log(SHARP / 10) / 5)
    assert [width_at(share, 10.0, 0.1, 0.6) for share in (0.6, 1.0)] == [0, 0]
    assert width_at(0.0, 0.0, 0.1, 0.6) == 0
    assert width_at(0.2, 5.0, 0.3, 0.3) == 5
