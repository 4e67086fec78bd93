import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter1d

from representations.parts.blur import SHARP, blurred, width_at


def test_within_a_picture_it_is_scipys_gaussian(generator):
    pictures = torch.zeros(2, 3, 64, 48)
    pictures[:, :, 24:40, 18:30] = torch.rand(2, 3, 16, 12, generator=generator)
    found = blurred(pictures, 2.0)
    wanted = pictures.double().numpy()
    for axis in (2, 3):
        wanted = gaussian_filter1d(wanted, 2.0, axis, mode="constant", truncate=9)
    np.testing.assert_allclose(found[:, :, 16:-16, 12:-12], wanted[:, :, 16:-16, 12:-12], atol=1e-6)


def test_a_picture_of_one_colour_keeps_it_and_a_mirrored_one_is_mirrored(generator):
    plain = torch.full((1, 1, 9, 13), 0.4)
    torch.testing.assert_close(blurred(plain, 30.0), plain)
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
