import imageio.v3 as imageio
import numpy as np
import torch

from benchmarks.harness.films import framed, write_wall


def test_pictures_are_framed_and_small_ones_magnified():
    pictures = torch.arange(2 * 28 * 28).reshape(2, 1, 28, 28).to(torch.uint8)
    images = framed(pictures)
    assert images.shape == (2, 58, 58, 3)
    assert np.array_equal(images[:, 1:-1:2, 1:-1:2, 1], pictures[:, 0].numpy())
    assert (images[:, 0] == 90).all()
    assert framed(torch.zeros(1, 3, 64, 64, dtype=torch.uint8)).shape == (1, 66, 66, 3)


def test_a_wall_has_every_clip_in_its_place(tmp_path):
    clips = torch.zeros(2, 3, 4, 1, 64, 64, dtype=torch.uint8)
    clips[0, 0] = torch.tensor([0, 60, 120, 180])[:, None, None, None]  # no frame like another: a GIF keeps one of such
    clips[1, 2, 3] = 255  # the last clip of the second row, in its last frame
    write_wall(clips, tmp_path / "wall.gif", milliseconds=50)
    shown = imageio.imread(tmp_path / "wall.gif")
    assert shown.shape[:3] == (4, 2 * 66, 3 * 66)
    bright = (shown[..., 0] > 200).nonzero()
    assert {axis: (int(where.min()), int(where.max())) for axis, where in enumerate(bright)} == {
        0: (3, 3),
        1: (67, 130),
        2: (133, 196),
    }
