import imageio.v3 as imageio
import numpy as np
import pytest
import torch

from envs.files.celeba import ATTRIBUTES, IDENTITIES, PICTURES, load_celeba
from envs.stored import open_world

NAMES = ("Eyeglasses", "Mustache", "Smiling")
THERE = [[1, -1, -1], [-1, 1, 1], [1, -1, 1], [-1, -1, -1]]
PEOPLE = [70, 12, 70, 3]


@pytest.fixture
def folder(tmp_path):
    """Files in the published layout, of four faces."""
    (tmp_path / PICTURES).mkdir()
    lines, people = ["4", " ".join(NAMES)], []
    for k, (there, person) in enumerate(zip(THERE, PEOPLE, strict=True)):
        name = f"{k + 1:06d}.jpg"
        imageio.imwrite(tmp_path / PICTURES / name, np.full((218, 178, 3), 60 * k, np.uint8))
        lines.append(f"{name} " + " ".join(f"{value:2d}" for value in there))
        people.append(f"{name} {person}")
    (tmp_path / ATTRIBUTES).write_text("\n".join(lines) + "\n")
    (tmp_path / IDENTITIES).write_text("\n".join(people) + "\n")
    return tmp_path


def test_a_folder_of_celeba_is_a_world_of_attributes_and_identities(folder):
    world = open_world(str(folder), side=16)
    assert world.names == (*NAMES, "identity")
    assert world.shape == (3, 16, 16)
    wanted = torch.tensor([[1, 0, 0, 2], [0, 1, 1, 1], [1, 0, 1, 2], [0, 0, 0, 0.0]])
    assert torch.equal(world.rows, wanted)
    assert [round(p.float().mean().item(), -1) for p in world.render(wanted)] == [0, 60, 120, 180]
    world.check(world.sample(20, torch.Generator().manual_seed(0)))
    few = open_world(str(folder), side=8, attributes=("Smiling",), most=2)
    assert few.names == ("Smiling", "identity")
    assert few.rows.tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("name", [IDENTITIES, PICTURES])
def test_a_missing_file_is_named_with_where_it_is_published(folder, name):
    (folder / name).rename(folder / "elsewhere")
    with pytest.raises(FileNotFoundError, match=f"no {name} in .*CelebA, aligned"):
        open_world(str(folder))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (ATTRIBUTES, "4\n", "5\n", r"as many lines as its first says, 5, got 4: cut short"),
        (ATTRIBUTES, "000002.jpg -1", "000002.jpg  2", r"3 times 1 or -1 in line 4, got '000002\.jpg 2 1 1'"),
        (ATTRIBUTES, "000003.jpg", "../000003.jpg", r"in line 5, got '\.\./000003\.jpg"),
        (IDENTITIES, "000003.jpg 70", "000003.jpg", r"expected a picture's file and its number in line 3"),
        (IDENTITIES, "000003.jpg 70\n", "", r"expected a line for 000003\.jpg"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(folder, file, old, new, message):
    content = (folder / file).read_text()
    assert old in content
    (folder / file).write_text(content.replace(old, new, 1))
    with pytest.raises(ValueError, match=message) as raised:
        load_celeba(folder)
    assert "Liu et al." in str(raised.value)


def test_an_attribute_that_is_not_known_is_answered_with_the_nearest(folder):
    with pytest.raises(ValueError, match=r"no attribute 'Mustach'; its attributes are Mustache, "):
        open_world(str(folder), attributes=("Mustach",))
    with pytest.raises(ValueError, match="most"):
        open_world(str(folder), most=0)
    (folder / ATTRIBUTES).write_text("4\n")
    with pytest.raises(ValueError, match="expected more than 2 lines, got 1"):
        open_world(str(folder))
