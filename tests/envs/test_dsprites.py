import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from envs.dsprites import ORIENTATIONS, POSITIONS, SCALES, ColorDSprites, DSprites, hue_to_rgb
from envs.files.dsprites_file import NAME

FRAMES = Path(__file__).parents[3] / "shared" / "data" / "dsprites_frames.npz"
MORE = FRAMES.with_name("dsprites_more.npz")
GRID = ((0, 1, 2), (0.5, 1.0), (0.0, ORIENTATIONS[13], ORIENTATIONS[39]), (0.0, 1.0), (0.0, 0.5, 1.0))


@pytest.fixture(autouse=True)
def _no_data_folder(monkeypatch):
    monkeypatch.delenv("DISCO_DATA", raising=False)


def published(folder: Path, **changed) -> Path:
    rows = torch.tensor(list(product(*GRID)))
    classes = np.stack(np.unravel_index(np.arange(len(rows)), (1, *(len(v) for v in GRID))), axis=1)
    values = np.concatenate([np.ones((len(rows), 1)), rows.double().numpy()], axis=1)
    values[:, 1] += 1
    arrays = {
        "imgs": (DSprites().render(rows)[:, 0] > 0).numpy().astype(np.uint8),
        "latents_classes": classes,
        "latents_values": values,
        "metadata": np.array({"title": "made for a test"}, dtype=object),
    }
    arrays.update(changed)
    np.savez_compressed(folder / NAME, **{k: v for k, v in arrays.items() if v is not None})
    return folder / NAME


@pytest.mark.parametrize(
    ("shape", "scale", "pixels"),
    [(0, 1.0, 400), (1, 1.0, 288), (2, 1.0, 222), (0, 0.5, 100), (1, 0.5, 76), (2, 0.5, 58)],
)
def test_areas_upright_are_those_of_the_published_set(shape, scale, pixels):
    x = torch.tensor([[shape, scale, 0.0, 0.0, 0.0]])
    assert int((DSprites().render(x) > 0).sum()) == pixels


def test_first_and_last_orientation_are_one_picture():
    world = DSprites()
    rows = world.sample(64, torch.Generator().manual_seed(0))
    first, last = rows.clone(), rows.clone()
    first[:, 2], last[:, 2] = ORIENTATIONS[0], ORIENTATIONS[39]
    assert torch.equal(world.render(first), world.render(last))


def test_factors_and_orders_are_the_published_ones():
    world = DSprites()
    assert world.names == ("shape", "scale", "orientation", "x", "y")
    assert [len(f.values) for f in world.factors] == [3, 6, 40, 32, 32]
    np.testing.assert_allclose(SCALES, np.linspace(0.5, 1, 6))
    np.testing.assert_allclose(ORIENTATIONS, np.linspace(0, 2 * np.pi, 40))
    np.testing.assert_allclose(POSITIONS, np.linspace(0, 1, 32))


@pytest.mark.skipif(not FRAMES.is_file(), reason="the measured frames are not here")
def test_published_frames_are_met_within_two_pixels():
    with np.load(FRAMES) as file:
        frames, classes = torch.from_numpy(file["imgs"]), torch.from_numpy(file["latents_classes"])
    world = DSprites()
    values = [torch.tensor(f.values)[classes[:, k]] for k, f in enumerate(world.factors)]
    wrong = ((world.render(torch.stack(values, 1))[:, 0] > 0) != (frames > 0)).sum((1, 2))
    assert int((wrong <= 2).sum()) >= 300
    assert int(wrong[classes[:, 0] == 0].max()) == 0


@pytest.mark.skipif(not MORE.is_file(), reason="the measured frames are not here")
def test_published_pictures_are_met_exactly_where_the_fit_says():
    with np.load(MORE) as file:
        frames, classes = torch.from_numpy(file["imgs"]), torch.from_numpy(file["latents_classes"])
    world = DSprites()
    values = [torch.tensor(f.values)[classes[:, k]] for k, f in enumerate(world.factors)]
    wrong = ((world.render(torch.stack(values, 1))[:, 0] > 0) != (frames > 0)).sum((1, 2))
    assert int(wrong.max()) <= 2
    shares = [float((wrong[classes[:, 0] == shape] == 0).float().mean()) for shape in range(3)]
    assert shares == pytest.approx([0.951, 0.946, 0.938], abs=0.001)


@pytest.mark.parametrize("shape", [0, 1, 2])
def test_rows_of_spans_agree_with_the_inside_test_of_every_pixel(shape):
    world = DSprites()
    rows = world.sample(60, torch.Generator().manual_seed(shape))
    rows[:, 0] = shape
    drawn = world.render(rows)[:, 0] > 0
    pixel = torch.arange(64, dtype=torch.float64) + 0.5
    for (_, scale, angle, x, y), picture in zip(rows.double().tolist(), drawn, strict=True):
        u, v = (pixel - 16 - 32 * x)[None, :], (16 + 32 * y - pixel)[:, None]
        p = (u * math.cos(angle) + v * math.sin(angle)) / scale
        q = (v * math.cos(angle) - u * math.sin(angle)) / scale
        if shape == 0:
            inside = torch.maximum(p.abs(), q.abs()) <= 9.5997
        elif shape == 1:
            inside = (p / 12.765) ** 2 + (q / 7.215) ** 2 <= 1
        else:  # x fixes sin t, so the heart lies between its two branches cos t >= 0 and cos t <= 0
            s = (p.abs() / 9.6).clamp(max=1) ** (1 / 3)
            top, bottom = (
                1.44 + 0.662 * (13 * c - 5 * (2 * c**2 - 1) - 2 * (4 * c**3 - 3 * c) - (8 * c**4 - 8 * c**2 + 1))
                for c in ((1 - s**2).sqrt(), -(1 - s**2).sqrt())
            )
            inside = (p.abs() <= 9.6) & (q <= top) & (q >= bottom)
        # Values are float32 and the heart's outline has 256 corners: a pixel on the edge may differ.
        assert int((inside != picture).sum()) <= (1 if shape == 2 else 0)


def test_the_heart_points_down_and_the_ellipse_lies():
    pictures = DSprites().render(torch.tensor([[2, 1.0, 0.0, 0.5, 0.5], [1, 1.0, 0.0, 0.5, 0.5]]))[:, 0] > 0
    widths = pictures[0].sum(1)
    filled = widths.nonzero().flatten()
    assert widths[filled[:5]].sum() > widths[filled[-5:]].sum()
    assert pictures[1].any(0).sum() > pictures[1].any(1).sum()


def test_orientation_turns_counter_clockwise_on_the_screen():
    quarter = 2 * math.pi * 10 / 39
    picture = DSprites().render(torch.tensor([[2, 1.0, quarter, 0.5, 0.5]]))[0, 0] > 0
    heights = picture.sum(0)
    filled = heights.nonzero().flatten()
    assert heights[filled[:5]].sum() > heights[filled[-5:]].sum()  # the tip, down before, now points right


def test_in_a_batch_or_one_by_one_the_pictures_are_the_same():
    for world in (DSprites(), ColorDSprites()):
        rows = world.sample(20, torch.Generator().manual_seed(1))
        assert torch.equal(world.render(rows), torch.cat([world.render(row[None]) for row in rows]))


def test_colour_fills_the_sprite_and_nothing_else():
    world = ColorDSprites()
    rows = world.sample(16, torch.Generator().manual_seed(2))
    pictures, masks = world.render(rows), DSprites().render(rows[:, :5]) > 0
    expected = (255 * rows[:, 5:]).round()[:, :, None, None] * masks
    assert torch.equal(pictures.float(), expected)


def test_hue_is_a_circle_of_saturated_colours():
    hues = hue_to_rgb(torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0, 5.0]) * math.pi / 3)
    expected = torch.tensor([[1, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1], [1, 0, 1]])
    torch.testing.assert_close(hues, expected.float(), atol=1e-5, rtol=0)
    assert ColorDSprites(colour="hue").names[-1] == "hue"
    with pytest.raises(ValueError, match="'rgb' or 'hue'"):
        ColorDSprites(colour="cmyk")


def test_values_out_of_range_are_refused():
    with pytest.raises(ValueError, match="'scale' must lie in"):
        DSprites().render(torch.tensor([[0, 1.5, 0.0, 0.5, 0.5]]))
    with pytest.raises(ValueError, match="'x' must lie in"):
        DSprites().render(torch.tensor([[0, 1.0, 0.0, float("nan"), 0.5]]))


@pytest.mark.parametrize("how", ["file", "folder", "environment"])
def test_a_published_file_shows_the_same_world(tmp_path, monkeypatch, how):
    file = published(tmp_path)
    if how == "environment":
        monkeypatch.setenv("DISCO_DATA", str(tmp_path))
    path = {"file": file, "folder": tmp_path, "environment": None}[how]
    world = DSprites(path=path)
    for factor, values in zip(world.factors, GRID, strict=True):
        np.testing.assert_allclose(factor.values, values, rtol=1e-6)
    rows = torch.tensor(list(product(*GRID)))
    coloured = ColorDSprites(path=path)
    sample = coloured.sample(9, torch.Generator().manual_seed(0))
    assert torch.equal(coloured.render(sample).amax(1) > 0, world.render(sample[:, :5])[:, 0] > 0)
    monkeypatch.delenv("DISCO_DATA", raising=False)
    assert torch.equal(world.render(rows), DSprites().render(rows))


def test_a_file_in_fortrans_order_shows_the_same_world(tmp_path):
    rows = torch.tensor(list(product(*GRID)))
    imgs = (DSprites().render(rows)[:, 0] > 0).numpy().astype(np.uint8)
    file = published(tmp_path, imgs=np.asfortranarray(imgs))
    assert torch.equal(DSprites(file).render(rows)[:, 0] > 0, torch.from_numpy(imgs) > 0)


def test_stored_pictures_are_shown_not_redrawn(tmp_path):
    pictures = (np.random.default_rng(0).random((3 * 2 * 3 * 2 * 3, 64, 64)) < 0.5).astype(np.uint8)
    world = DSprites(path=published(tmp_path, imgs=pictures))
    rows = torch.tensor(list(product(*GRID)))
    assert np.array_equal(world.render(rows)[:, 0].numpy(), 255 * pictures)


def test_a_missing_file_is_named_with_its_source(tmp_path):
    for path in (tmp_path, tmp_path / "absent.npz"):
        with pytest.raises(FileNotFoundError, match="dsprites-dataset"):
            DSprites(path=path)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"imgs": None}, "no array 'imgs'"),
        ({"imgs": np.zeros((7, 64, 64), np.uint8)}, "imgs is uint8"),
        ({"imgs": np.full((108, 64, 64), 255, np.uint8)}, "other than 0 and 1"),
        ({"latents_classes": np.zeros((108, 6), np.int64)}, "combinations"),
        ({"latents_values": np.zeros((108, 6))}, "do not rise"),
        ({"latents_values": np.zeros((108, 5))}, "not \\[N, 6\\]"),
    ],
)
def test_a_damaged_file_is_named_with_what_is_wrong(tmp_path, changed, message):
    with pytest.raises(ValueError, match=message):
        DSprites(path=published(tmp_path, **changed))


def test_a_truncated_file_is_refused(tmp_path):
    file = published(tmp_path)
    file.write_bytes(file.read_bytes()[:2000])
    with pytest.raises(ValueError, match="damaged"):
        DSprites(path=file)
    file.write_bytes(b"")
    with pytest.raises(ValueError, match="published at"):
        DSprites(path=file)


def test_flipped_bytes_are_noticed(tmp_path):
    file = published(tmp_path)
    content = bytearray(file.read_bytes())
    for k in range(400, 440):
        content[k] ^= 0xFF
    file.write_bytes(content)
    with pytest.raises(ValueError, match="damaged"):
        DSprites(path=file)
