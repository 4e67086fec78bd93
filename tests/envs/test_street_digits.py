import numpy as np
import pytest
import torch
from scipy.io import savemat

from envs import make_world
from envs.draw.glyphs import FONTS, GRID, HALF, _field, fields
from envs.draw.textures import KINDS, textures
from envs.street_digits import CUTS, StreetDigits

PLAIN = {"colour": 0.0, "clutter": 0.0, "neighbours": 0.0, "blur": 0.0, "contrast": 1.0}
AXIS = torch.arange(32.0).double() - 15.5


@pytest.fixture(scope="module")
def plain() -> StreetDigits:
    return StreetDigits("train", **PLAIN)  # whose glyph 4 is a bold one


def row(world: StreetDigits, **values: float) -> torch.Tensor:
    neutral = {"digit": 8, "glyph": 4, "x": 0, "y": 0, "scale": 20, "slant": 0, "contrast": 1}
    return torch.tensor([[(dict.fromkeys(world.names, 0) | neutral | values)[name] for name in world.names]]).float()


def ink(world: StreetDigits, **values: float) -> torch.Tensor:
    """How much ink there is, double [32, 32], where it is lighter than its paper."""
    picture = world.render(row(world, **values))[0, 0].double()
    return (picture / 255 - 0.5).clamp(min=0)


def moments(weight: torch.Tensor) -> tuple[float, float, float, float]:
    """Mean column and row of ink, the spread of rows, and how columns lean with rows."""
    weight = weight / weight.sum()
    x, y = (weight.sum(0) * AXIS).sum(), (weight.sum(1) * AXIS).sum()
    spread = (weight.sum(1) * (AXIS - y) ** 2).sum()
    lean = (weight * (AXIS - x) * (AXIS[:, None] - y)).sum() / spread
    return float(x), float(y), float(spread), float(lean)


def test_distances_to_a_square_are_those_of_geometry():
    square = np.array([[0.0, 0.0], [50.0, 0.0], [50.0, 100.0], [0.0, 100.0]])
    field, width = _field([square])
    assert width == 0.5
    axis = np.linspace(-HALF, HALF, GRID)
    x, y = np.meshgrid(axis, axis)
    outside = np.hypot(np.maximum(np.abs(x) - 0.25, 0), np.maximum(np.abs(y) - 0.5, 0))
    inside = np.minimum(0.25 - np.abs(x), 0.5 - np.abs(y))
    np.testing.assert_allclose(field, np.where(inside > 0, -inside, outside), atol=1e-3)


def test_a_ring_has_no_ink_in_its_hole():
    outer = np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]])
    hole = 25 + outer[::-1] / 2
    field, _ = _field([outer, hole])
    middle, rim = field[GRID // 2, GRID // 2], field[GRID // 2, np.abs(np.linspace(-HALF, HALF, GRID) + 0.375).argmin()]
    assert middle > 0.2
    assert rim < -0.1


def test_textures_repeat_and_differ():
    found = textures(KINDS, 64)
    assert found.shape == (KINDS, 64, 64)
    torch.testing.assert_close(found.mean((1, 2)), torch.zeros(KINDS), atol=1e-5, rtol=0)
    torch.testing.assert_close(found.std((1, 2)), torch.ones(KINDS), atol=1e-4, rtol=0)
    seam = (found - found.roll(1, 1))[:, 0].square().mean(1)
    assert (seam <= 4 * (found - found.roll(1, 1)).square().mean((1, 2)) + 2).all()
    assert (torch.corrcoef(found.flatten(1)).triu(1).abs() < 0.7).all()


def test_place_scale_and_slant_are_those_asked_for(plain):
    start = moments(ink(plain))
    moved = moments(ink(plain, x=2.0, y=-2.0))
    assert moved[0] - start[0] == pytest.approx(2, abs=0.1)
    assert moved[1] - start[1] == pytest.approx(-2, abs=0.1)  # a bilinear edge falls otherwise between pixels
    grown = moments(ink(plain, scale=25))
    assert grown[2] / start[2] == pytest.approx((25 / 20) ** 2, rel=0.05)
    rows = (ink(plain, scale=24).amax(1) > 0.2).nonzero().flatten()
    assert int(rows[-1] - rows[0]) + 1 == pytest.approx(24, abs=1)
    lean = moments(ink(plain, slant=0.3))[3] - start[3]
    assert lean == pytest.approx(-0.3, abs=0.03)  # rows count downwards: the top leans right


def test_contrast_says_which_is_lighter_and_the_least_is_kept():
    world = StreetDigits(**PLAIN | {"contrast": 0.25})
    digit = ink(world) > 0.2
    for contrast, wanted in ((1.0, 0.8), (0.5, 0.5), (0.0, 0.2), (-0.5, -0.5), (-1.0, -0.8)):
        picture = world.render(row(world, contrast=contrast))[0, 0].double() / 255
        lightness = picture[digit].quantile(0.9 if contrast >= 0 else 0.1) - picture[:3].mean()
        assert float(lightness) == pytest.approx(wanted, abs=0.06)


def test_neighbours_stand_beside_the_digit_and_leave_it_as_it_was():
    alone, all_ = StreetDigits("test", **PLAIN), StreetDigits("test", **PLAIN | {"neighbours": 1.0})
    for clutter in range(8):
        left, both = ink(alone, clutter=clutter, scale=16), ink(all_, clutter=clutter, scale=16)
        assert left[:, :8].sum() == 0
        assert both[:, :8].sum() > 1
        assert both[:, -8:].sum() > 1
        middle = left[:, 10:22] > 0
        assert torch.equal(both[:, 10:22][middle], left[:, 10:22][middle])


def test_strengths_at_nothing_leave_grey_pictures_of_one_digit():
    grey = StreetDigits(**PLAIN)
    pictures = grey.render(grey.sample(50, torch.Generator().manual_seed(0)))
    assert int((pictures.amax(1).int() - pictures.amin(1).int()).max()) == 0
    coloured = make_world("street_digits")
    pictures = coloured.render(coloured.sample(50, torch.Generator().manual_seed(0)))
    assert int((pictures.amax(1).int() - pictures.amin(1).int()).max()) > 60


def test_every_factor_changes_the_picture():
    world = make_world("street_digits")
    rows = world.sample(1, torch.Generator().manual_seed(3))
    for k, factor in enumerate(world.factors):
        swept = rows.repeat(4, 1)
        swept[:, k] = factor.grid(4)
        assert len(world.render(swept).unique(dim=0)) == (3 if factor.kind == "circular" else 4) + (
            factor.kind == "circular"
        ), factor.name


def test_fonts_of_the_two_splits_are_different_ones():
    assert not set(FONTS["train"]) & set(FONTS["test"])
    sizes = {split: len(StreetDigits(split).factors[1].values) for split in ("all", "train", "test")}
    assert sizes == {split: len(CUTS) * n for split, n in (("all", 15), ("train", 10), ("test", 5))}
    drawn = {font: (0.5 - 20 * fields(font)[0]).clamp(0, 1).flatten(1) for font in (*FONTS["train"], *FONTS["test"])}
    for test in FONTS["test"]:
        for train in FONTS["train"]:
            assert (drawn[test] - drawn[train]).norm(dim=1).mean() > 4, (test, train)  # the thinnest have 10 of ink


def published(folder, name, n=12, **changed):
    """A file in the published layout, with few pictures: of digits 1, 2 .. 9, 0, 1, 2."""
    pictures = (np.arange(n * 3 * 32 * 32) % 251).astype(np.uint8).reshape(n, 3, 32, 32)
    content = {"X": pictures.transpose(2, 3, 1, 0), "y": (1 + np.arange(n, dtype=np.uint8) % 10)[:, None]}
    savemat(folder / name, {key: value for key, value in (content | changed).items() if value is not None})
    return pictures


def test_svhn_files_are_the_same_world(tmp_path, monkeypatch):
    pictures = published(tmp_path, "train_32x32.mat")
    world = make_world("street_digits", source="svhn", path=str(tmp_path), split="train")
    assert world.names == ("digit", "example")
    rows = torch.tensor([[1.0, 0], [1, 1], [0, 0], [9, 1]])
    assert torch.equal(world.render(rows), torch.from_numpy(pictures[[0, 10, 9, 8]]))
    (tmp_path / "svhn").mkdir()
    published(tmp_path / "svhn", "test_32x32.mat")
    monkeypatch.setenv("DISCO_DATA", str(tmp_path))
    assert int(make_world("street_digits", source="svhn").pool.counts.sum()) == 24
    with pytest.raises(ValueError, match="path is read by the source 'svhn' only"):
        make_world("street_digits", path=str(tmp_path))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"X": None}, "with X and y, but it holds y"),
        ({"X": np.zeros((32, 32, 3, 2), np.uint8)}, r"expected X uint8 \[32, 32, 3, N\]"),
        ({"X": np.zeros((32, 32, 3, 3))}, "got X float64"),
        ({"y": np.arange(12)[:, None]}, r"expected the classes 1 to 10, got \[0, 1, 2"),
        ({"y": np.full((12, 1), 3)}, r"expected the classes 1 to 10, got \[3\]"),
    ],
)
def test_a_wrong_svhn_file_is_named_with_what_is_wrong(tmp_path, changed, message):
    published(tmp_path, "test_32x32.mat", **changed)
    with pytest.raises(ValueError, match=message) as raised:
        StreetDigits("test", source="svhn", path=str(tmp_path))
    assert "Netzer" in str(raised.value)


def test_a_damaged_or_missing_svhn_file_is_named_with_its_source(tmp_path, monkeypatch):
    file = tmp_path / "test_32x32.mat"
    published(tmp_path, file.name)
    file.write_bytes(file.read_bytes()[:4000])
    with pytest.raises(ValueError, match=r"test_32x32\.mat should be a file of SVHN.*damaged"):
        StreetDigits("test", source="svhn", path=str(tmp_path))
    file.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"test_32x32\.mat should be a file of SVHN.*damaged"):
        StreetDigits("test", source="svhn", path=str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"no file train_32x32\.mat in .*Netzer"):
        StreetDigits("train", source="svhn", path=str(tmp_path))
    monkeypatch.delenv("DISCO_DATA", raising=False)
    with pytest.raises(FileNotFoundError, match="set path or DISCO_DATA"):
        StreetDigits("train", source="svhn")
