import pytest
import torch
from torch.nn.functional import avg_pool2d

from envs import make_world
from envs.faces import ATTRIBUTES, IDENTITY, NUISANCE, Faces


@pytest.fixture(scope="module")
def world() -> Faces:
    return Faces()


def column(world: Faces, name: str) -> int:
    return world.names.index(name)


def changed(world: Faces, rows: torch.Tensor, names: list[str], generator: torch.Generator) -> torch.Tensor:
    """Rows whose factors of these names are drawn anew."""
    other, rows = world.sample(len(rows), generator), rows.clone()
    for name in names:
        rows[:, column(world, name)] = other[:, column(world, name)]
    return rows


def moved(world: Faces, one: torch.Tensor, other: torch.Tensor) -> float:
    """The share of pixels that differ by a twentieth of their range in some channel."""
    difference = (world.render(one).int() - world.render(other).int()).abs().amax(1)
    return float((difference > 12).float().mean())


def test_factors_are_identity_then_attributes_with_their_styles_then_nuisance(world):
    worn = [name for attribute, styles in ATTRIBUTES.items() for name in (attribute, *(s.name for s in styles))]
    assert list(world.names) == [f.name for f in IDENTITY] + worn + [f.name for f in NUISANCE]
    assert make_world("faces", size=32).shape == (3, 32, 32)


def test_attributes_are_there_in_their_share_and_independent_of_all_else(world, generator):
    rows = world.sample(20_000, generator)
    there = rows[:, [column(world, name) for name in ATTRIBUTES]]
    torch.testing.assert_close(there.mean(0), torch.full((4,), 1 / 3), atol=0.015, rtol=0)  # 4.5 standard errors
    together = torch.corrcoef(rows.T)
    together.fill_diagonal_(0)
    assert together.abs().max() < 0.035  # 5 standard errors of 1 / sqrt(20000)
    for share in (0.0, 1.0):
        always = Faces(present=share).sample(50, generator)
        assert (always[:, column(world, "hat")] == share).all()


@pytest.mark.parametrize("attribute", list(ATTRIBUTES))
def test_a_style_shows_where_its_attribute_is_there_and_nowhere_else(world, generator, attribute):
    rows = world.sample(60, generator, where=lambda f: f["hat"] == 0)  # which hides hair
    styles = [style.name for style in ATTRIBUTES[attribute]]
    for there in (0.0, 1.0):
        rows[:, column(world, attribute)] = there
        before = world.render(rows)
        for style in styles:
            after = world.render(changed(world, rows, [style], generator))
            different = (before != after).flatten(1).any(1).float().mean()
            assert different == 0 if there == 0 else different > 0.5, style
    off = rows.clone()
    off[:, column(world, attribute)] = 0
    assert (world.render(rows) != world.render(off)).flatten(1).any(1).all()


def test_circumstances_change_more_pixels_than_who_it_is_and_that_more_than_an_attribute(world, generator):
    rows = world.sample(300, generator)
    identity = moved(world, rows, changed(world, rows, [f.name for f in IDENTITY], generator))
    nuisance = moved(world, rows, changed(world, rows, [f.name for f in NUISANCE], generator))
    assert nuisance > 2 * identity > 0.3
    for attribute in ATTRIBUTES:
        there, absent = rows.clone(), rows.clone()
        there[:, column(world, attribute)], absent[:, column(world, attribute)] = 1, 0
        assert 0.005 < moved(world, there, absent) < identity


def test_every_factor_changes_the_picture(world, generator):
    base = world.sample(1, generator)
    for name in ATTRIBUTES:
        base[:, column(world, name)] = 0 if name == "hat" else 1
    base[:, column(world, "tint")], base[:, column(world, "hair")] = 0.2, 1
    for k, factor in enumerate(world.factors):
        rows = base.repeat(4, 1)
        rows[:, k] = factor.grid(4) if len(factor.grid(4)) == 4 else factor.grid(4).repeat(4)[:4]
        if factor.name in ("crown", "hat_hue"):
            rows[:, column(world, "hat")] = 1
        distinct = len(world.render(rows).unique(dim=0))
        assert distinct == len(rows[:, k].unique()), factor.name


def test_views_show_the_same_people_otherwise(world, generator):
    people = world.identities(20, generator)
    views = world.views(people, 8, generator)
    assert views.shape == (20, 8, len(world.factors))
    assert torch.equal(views[:, :, : len(IDENTITY)], people[:, None].expand(-1, 8, -1))
    world.check(views.flatten(0, 1))
    assert len(views[:, :, len(IDENTITY) :].flatten(0, 1).unique(dim=0)) == 160
    again = torch.Generator().manual_seed(5)
    first, second = world.identities(1000, again), world.identities(1000, again)
    assert len(torch.cat([first, second]).unique(dim=0)) == 2000  # held-out people are others
    with pytest.raises(ValueError, match=r"identities must be a float \[people, traits = 15\] tensor"):
        world.views(people[:, 1:], 8, generator)


def test_a_small_picture_is_a_large_one_seen_from_afar(generator):
    large, small = Faces(64), Faces(32)
    rows = large.sample(40, generator)
    pooled = avg_pool2d(large.render(rows).float(), 2)
    error = (pooled - small.render(rows).float()).abs().mean()
    assert error < 6  # of 255: lines thinner than a pixel are drawn a pixel wide


def test_the_head_is_where_the_pose_says(world, generator):
    base = world.sample(1, generator)
    for name in ATTRIBUTES:
        base[:, column(world, name)] = 0
    for name, value in {"x": 0, "roll": 0, "yaw": 0, "light": 0, "hair": 0, "exposure": 1, "y": 0.13}.items():
        base[:, column(world, name)] = value
    picture = world.render(base)
    assert (picture.int() - picture.flip(3).int()).abs().max() <= 1  # mirror-symmetric
    shifted = base.clone()
    shifted[:, column(world, "x")] = 3 / 32  # three pixels to the right
    assert (world.render(shifted)[..., 3:].int() - picture[..., :-3].int()).abs().max() <= 1


def test_a_world_of_fewer_attributes_and_less_pose_draws_what_the_whole_one_does(world, generator):
    few = Faces(attributes=("smile",), pose=0.5)
    assert few.names == (*(f.name for f in IDENTITY), "smile", "grin", *(f.name for f in NUISANCE))
    rows = few.sample(500, generator)
    across = rows[:, few.names.index("x")]
    assert 0.055 < across.max() <= 0.06  # half of 0.12
    whole = torch.zeros(500, len(world.factors))
    for k, name in enumerate(few.names):
        whole[:, column(world, name)] = rows[:, k]
    for name, least in (("thickness", 0.012),):
        whole[:, column(world, name)] = least
    assert torch.equal(few.render(rows), world.render(whole))
    with pytest.raises(ValueError, match="different ones"):
        Faces(attributes=("hat", "hat"))
    with pytest.raises(ValueError, match="pose"):
        Faces(pose=0.0)
