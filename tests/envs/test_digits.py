import math

import pytest
import torch

from envs.digits import STYLES, Digits, thicken, warp

torch.set_num_threads(1)
NEUTRAL = [neutral for _, neutral in STYLES.values()]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def varied(world: Digits, style: str, values: list[float], digit: int = 5, example: int = 7) -> torch.Tensor:
    """The pictures, double [n, 28, 28], of one digit in neutral style but for `style`."""
    rows = torch.tensor([[digit, example, *NEUTRAL]]).repeat(len(values), 1)
    rows[:, world.names.index(style)] = torch.tensor(values)
    return world.render(rows)[:, 0].double()


def moments(pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Centres [n, 2] and covariances [n, 2, 2] of the ink, axes right and up, pixels from the middle."""
    up, right = torch.meshgrid(13.5 - torch.arange(28.0).double(), torch.arange(28.0).double() - 13.5, indexing="ij")
    axes = torch.stack([right, up]).flatten(1)  # [2, 784]
    weight = pictures.flatten(1) / pictures.sum((1, 2))[:, None]
    centre = weight @ axes.T
    spread = torch.einsum("np,ap,bp->nab", weight, axes, axes) - centre[:, :, None] * centre[:, None, :]
    return centre, spread


@pytest.fixture(scope="module")
def world() -> Digits:
    return Digits(style=tuple(STYLES))


def test_embedded_pictures_are_the_1797_of_scikit_learn(world):
    from sklearn.datasets import load_digits

    digits = load_digits()
    assert world.handwriting.counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    plain = Digits(style=())
    assert plain.names == ("digit", "example")
    for digit in (0, 9):
        count = int((digits.target == digit).sum())
        rows = torch.stack([torch.full((count,), float(digit)), torch.arange(float(count))], dim=1)
        pictures = plain.render(rows)[:, 0].double()
        # 2.4-fold growth keeps the ink of a block where it was: block means of the picture follow the source.
        source = torch.from_numpy(digits.images[digits.target == digit])
        blocks = torch.nn.functional.interpolate(pictures[:, None, 2:26, 2:26], size=(10, 10), mode="area")[:, 0]
        both = torch.stack([blocks[:, 1:9, 1:9].flatten(), source.flatten()])
        assert torch.corrcoef(both)[0, 1] > 0.95


def test_neutral_style_is_the_source(world):
    rows = torch.tensor([[c, 3 * c, *NEUTRAL] for c in range(10)], dtype=torch.float32)
    source = world.handwriting.pictures(rows[:, 0], rows[:, 1])
    assert torch.equal(world.render(rows)[:, 0], (source * 255).round().byte())
    assert torch.equal(world.render(rows), Digits(style=()).render(rows[:, :2]))


def test_example_is_counted_round(world):
    rows = torch.tensor([[8.0, 0, *NEUTRAL], [8.0, 174, *NEUTRAL], [8.0, 1, *NEUTRAL]])
    pictures = world.render(rows)
    assert torch.equal(pictures[0], pictures[1])
    assert not torch.equal(pictures[0], pictures[2])


@pytest.mark.parametrize("degrees", [-30, -12, 17, 30])
def test_rotation_turns_the_moments_counter_clockwise(world, degrees):
    angle = math.radians(degrees)
    turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]).double()
    centre, spread = moments(varied(world, "rotation", [0, 0.9999 * angle]))
    torch.testing.assert_close(centre[1], turn @ centre[0], atol=0.1, rtol=0)
    torch.testing.assert_close(spread[1], turn @ spread[0] @ turn.T, atol=0.5, rtol=0.02)


def test_scale_and_shear_transform_the_moments(world):
    centre, spread = moments(varied(world, "scale", [1, 0.8]))
    torch.testing.assert_close(spread[1], 0.64 * spread[0], atol=0.4, rtol=0.02)
    torch.testing.assert_close(centre[1], 0.8 * centre[0], atol=0.1, rtol=0)
    shear = torch.tensor([[1, 0.3], [0, 1]]).double()
    _, spread = moments(varied(world, "shear", [0, 0.3]))
    torch.testing.assert_close(spread[1], shear @ spread[0] @ shear.T, atol=0.5, rtol=0.02)


def test_shift_moves_the_centre(world):
    down, right = moments(varied(world, "row", [0, 2]))[0], moments(varied(world, "column", [0, 1.5]))[0]
    torch.testing.assert_close(down[1] - down[0], torch.tensor([0, -2.0]).double(), atol=0.02, rtol=0)
    torch.testing.assert_close(right[1] - right[0], torch.tensor([1.5, 0]).double(), atol=0.02, rtol=0)


def test_whole_shift_and_quarter_turn_are_exact():
    ink = torch.rand(1, 28, 28, generator=generator())
    zero, one = torch.zeros(1), torch.ones(1)
    moved = warp(ink, zero, one, zero, torch.tensor([[3.0, -2.0]]))
    torch.testing.assert_close(moved[:, 3:, :-2], ink[:, :-3, 2:], atol=1e-4, rtol=0)
    turned = warp(ink, torch.tensor([math.pi / 2]), one, zero, torch.zeros(1, 2))
    torch.testing.assert_close(turned, ink.rot90(1, (1, 2)), atol=1e-4, rtol=0)


def test_thickness_adds_ink_everywhere_and_moves_an_edge_by_its_pixels(world):
    pictures = varied(world, "thickness", [-0.5, -0.2, 0, 0.4, 1])
    assert (pictures.diff(dim=0) >= -1e-6).all()
    assert (pictures.sum((1, 2)).diff() > 0).all()
    bar = torch.zeros(3, 28, 28)
    bar[:, 10:14] = 1
    width = thicken(bar, torch.tensor([0.0, 0.5, 1.0])).sum(1)[:, 5]
    torch.testing.assert_close(width, torch.tensor([4.0, 5.0, 6.0]))


def test_every_factor_changes_the_picture(world):
    rows = world.sample(1, generator())
    for k, factor in enumerate(world.factors):
        values = factor.grid(4)
        swept = rows.repeat(len(values), 1)
        swept[:, k] = values
        assert len(world.render(swept).unique(dim=0)) == len(values), factor.name


def test_batch_is_drawn_as_one_by_one(world):
    rows = world.sample(20, generator())
    pictures = world.render(rows)
    assert pictures.shape == (20, 1, 28, 28)
    assert pictures.dtype == torch.uint8
    assert torch.equal(pictures, torch.cat([world.render(row[None]) for row in rows]))
    assert world.render(rows[:0]).shape == (0, 1, 28, 28)


def test_splits_divide_the_pool():
    sizes = {split: int(Digits(split=split).handwriting.counts.sum()) for split in ("all", "train", "test")}
    assert sizes == {"all": 1797, "train": 1437, "test": 360}


def test_bad_input_is_named(world):
    with pytest.raises(ValueError, match="'scale' must lie in"):
        varied(world, "scale", [3.0])
    with pytest.raises(ValueError, match="style must name each of"):
        Digits(style=("slant",))
    with pytest.raises(ValueError, match="style must name each of"):
        Digits(style=("row", "row"))
    with pytest.raises(ValueError, match="split must be"):
        Digits(split="dev")
    with pytest.raises(ValueError, match="path is read by the sources"):
        Digits(path="somewhere")
