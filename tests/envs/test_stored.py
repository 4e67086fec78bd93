"""Pictures that people have, as a world: folders and npz files, and what is wrong with them."""

import imageio.v3 as imageio
import numpy as np
import pytest
import torch

from envs.planar import Planar
from envs.stored import Stored, described, drawn, open_world


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def file(tmp_path):
    world = Planar()
    factors = world.sample(60, seeded())
    pictures = world.render(factors)[:, 0].numpy()
    kinds = ["continuous", "continuous", "categorical"]
    np.savez(tmp_path / "own.npz", pictures=pictures, factors=factors.numpy(), kinds=kinds, names=world.names)
    return tmp_path / "own.npz"


def test_an_npz_file_is_a_world_whose_pictures_are_found_by_their_factors(file):
    world, drew = open_world(str(file)), Planar()
    assert world.names == drew.names
    assert [factor.kind for factor in world.factors] == ["continuous", "continuous", "categorical"]
    factors = world.sample(30, seeded(1))
    assert torch.equal(world.render(factors), drew.render(factors))
    rows, pictures = drawn(world, 30, seeded(1))
    assert torch.equal(pictures, drew.render(rows))
    with pytest.raises(ValueError, match="no stored picture has the factors"):
        world.render(factors[:1] + torch.tensor([[0.013, 0.0, 0.0]]) * (1 if factors[0, 0] < 20 else -1))


def test_all_pictures_of_equal_factors_are_drawn():
    world = Stored(torch.arange(40, dtype=torch.uint8).view(40, 1, 1, 1), torch.zeros(40, 1))
    assert len(drawn(world, 500, seeded())[1].unique()) == 40


@pytest.mark.parametrize("shape", [(5, 8, 9), (5, 8, 9, 3), (5, 3, 8, 9), (5, 1, 8, 9), (5, 8, 9, 1)])
def test_every_layout_of_pictures_is_read(shape, tmp_path):
    pictures = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.savez(tmp_path / "own.npz", pictures=np.asfortranarray(pictures))
    world = open_world(str(tmp_path / "own.npz"))
    assert world.shape == (3 if 3 in shape else 1, 8, 9)
    assert not world.known
    assert world.names == ("picture",)
    assert int(world.pictures[2].sum()) == int(pictures[2].sum())


def test_a_folder_of_pictures_is_read_in_order_as_squares(tmp_path):
    (tmp_path / "below").mkdir()
    for k, name in enumerate(["b.png", "a.png", "below/c.jpg"]):
        imageio.imwrite(tmp_path / name, np.full((20, 30, 3), 60 * k, np.uint8))
    world = open_world(str(tmp_path), side=16)
    assert world.shape == (3, 16, 16)
    assert [round(picture.float().mean().item(), -1) for picture in world.pictures] == [60, 0, 120]
    assert open_world(str(tmp_path), side=8, grey=True).shape == (1, 8, 8)


def test_classes_are_numbered_and_angles_taken_within_their_period():
    values, factors = described(
        np.array([[7.0, 9.5], [3.0, -0.5], [7.0, 1.0]]), ["categorical", "circular:3"], ["a", "b"]
    )
    assert values.tolist() == [[1.0, 0.5], [0.0, 2.5], [1.0, 1.0]]
    assert [(factor.name, factor.kind, factor.high) for factor in factors] == [
        ("a", "categorical", 1),
        ("b", "circular", 3),
    ]


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"x": np.zeros(3)}, "has no array 'pictures', only x"),
        ({"pictures": np.zeros((3, 4, 4))}, "its pictures are float64"),
        ({"pictures": np.zeros((3, 4, 4, 5), np.uint8)}, "with C 1 or 3"),
        ({"pictures": np.zeros((3, 4, 4), np.uint8), "factors": np.zeros((2, 1))}, "2 factor rows for 3 pictures"),
        ({"pictures": np.zeros((3, 4, 4), np.uint8), "factors": np.full((3, 1), np.nan)}, "factors must be finite"),
    ],
)
def test_a_file_that_is_something_else_is_named(arrays, told, tmp_path):
    np.savez(tmp_path / "own.npz", **arrays)
    with pytest.raises(ValueError, match=told):
        open_world(str(tmp_path / "own.npz"))


def test_a_folder_without_pictures_or_with_a_damaged_one_is_named(tmp_path):
    with pytest.raises(ValueError, match="holds no pictures"):
        open_world(str(tmp_path))
    (tmp_path / "a.png").write_bytes(b"not a picture")
    with pytest.raises(ValueError, match=r"a\.png should be a picture"):
        open_world(str(tmp_path))
    with pytest.raises(ValueError, match="unknown world 'nowhere'"):
        open_world("nowhere")
    with pytest.raises(ValueError, match="no such file"):
        open_world(str(tmp_path / "nowhere.npz"))
