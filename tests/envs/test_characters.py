"""characters: identities fully crossed, attributes that show in every view, and capsules by hand."""

import math

import pytest
import torch

from envs import make_world
from envs.characters import ATTRIBUTES, FRAMES, POSES, SIDES, tones
from envs.draw.capsules import GROUND, LINE, paint, seen


@pytest.fixture(scope="module")
def world():
    return make_world("characters", side=32)


def test_identities_are_fully_crossed_and_numbered(world):
    every = torch.arange(world.identities)
    rows = world.who(every)
    assert world.identities == 672 == len(rows.unique(dim=0))
    assert torch.equal(world.identity(rows), every)
    assert len(ATTRIBUTES) == 7
    assert rows.amin(0).tolist() == [0] * 7
    assert rows.amax(0).tolist() == [len(values) - 1 for values in ATTRIBUTES.values()]
    assert [(rows.long()[:, k].bincount() * size == 672).all().item() for k, size in enumerate(world.sizes)] == [
        True
    ] * 7


def test_views_are_of_their_identity_and_differ(world, generator):
    who = torch.tensor([5, 600, 5])
    rows = world.views(who, 40, generator)
    assert rows.shape == (3, 40, 10)
    assert torch.equal(world.identity(rows.flatten(0, 1)).view(3, 40), who[:, None].expand(3, 40))
    assert len(rows[0, :, 7:].unique(dim=0)) > 10
    assert not torch.equal(rows[0], rows[2])


def test_every_value_of_every_attribute_shows_in_every_view(world, generator):
    views = torch.cartesian_prod(torch.arange(float(len(POSES))), torch.arange(float(FRAMES)), torch.tensor(SIDES))
    for seed in range(3):
        base = world.sample(1, torch.Generator().manual_seed(seed)).repeat(len(views), 1)
        base[:, 7:] = views
        for k, size in enumerate(world.sizes):
            pictures = []
            for value in range(size):
                base[:, k] = value
                pictures.append(world.render(base).int())
            for i in range(size):
                for j in range(i):
                    changed = ((pictures[i] - pictures[j]).abs() > 20).any(1).flatten(1).sum(1)
                    assert changed.amin() >= 3, (list(ATTRIBUTES)[k], i, j, views[changed.argmin()])


def test_a_side_is_the_nearest_on_its_circle(world, generator):
    rows = world.sample(1, generator).repeat(5, 1)
    rows[:, 9] = torch.tensor([0.0, 6.2, 0.7, 1.4, math.pi / 2])
    front, almost, nearly, right, whole = world.render(rows)
    assert torch.equal(front, almost)
    assert torch.equal(front, nearly)
    assert torch.equal(right, whole)
    assert not torch.equal(front, right)


@pytest.mark.parametrize("side", [32, 60])
def test_no_figure_leaves_its_picture(side):
    maps = tones(2 * side, torch.device("cpu")).view(-1, 2 * side, 2 * side)
    assert len(maps) == 1120
    for edge in (maps[:, 0], maps[:, -1], maps[:, :, 0], maps[:, :, -1]):
        assert (edge == GROUND).all()


def test_a_figure_turns_about_its_height():
    points = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 2.0, 0.0]]]).repeat(3, 1, 1)
    front, right, back = seen(points, torch.tensor([0.0, math.pi / 2, math.pi]), 0.0)
    ahead = torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, -2, 0]])
    torch.testing.assert_close(front, ahead)
    torch.testing.assert_close(right, torch.tensor([[0.0, 0, -1], [1, 0, 0], [0, -2, 0]]), atol=1e-6, rtol=0)
    torch.testing.assert_close(back, ahead * torch.tensor([-1.0, 1, -1]), atol=1e-6, rtol=0)
    above = seen(points[:1], torch.zeros(1), math.pi / 2)[0]  # from above, what is ahead is below
    torch.testing.assert_close(above, torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 2]]), atol=1e-6, rtol=0)


def test_capsules_cover_their_area_and_the_nearer_ones_the_others():
    ends = torch.tensor([[[[0.3, 0.5, 0.0], [0.7, 0.5, 0.0]], [[0.5, 0.5, 1.0], [0.5, 0.5, 1.0]]]])
    radii = torch.tensor([[[0.1, 0.1], [0.05, 0.05]]])
    tone = paint(ends, radii, torch.tensor([[1, 2]]), 400, 0.02)[0]
    near, far = ((tone // 2 == m).double().mean().item() for m in (2, 1))
    assert near == pytest.approx(math.pi * 0.05**2, rel=0.02)
    assert far == pytest.approx(math.pi * 0.1**2 + 0.4 * 0.2 - math.pi * 0.07**2, rel=0.02)
    around = math.pi * (0.12**2 - 0.1**2) + 2 * 0.4 * 0.02 + math.pi * (0.07**2 - 0.05**2)
    assert (tone == LINE).double().mean().item() == pytest.approx(around, rel=0.03)
    hidden = paint(ends, radii, torch.tensor([[1, 0]]), 400, 0.02)[0]
    assert (hidden // 2 == 1).sum() > (tone // 2 == 1).sum()
    assert not (hidden // 2 == 2).any()
