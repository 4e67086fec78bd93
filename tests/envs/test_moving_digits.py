import pytest
import torch

from envs.moving_digits import STEP, MovingDigits, fold

torch.set_num_threads(1)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_walls_reflect_like_a_point_moved_in_small_steps():
    place, velocity, walked = 0.3, 0.173, []
    for _ in range(50):
        walked.append(place)
        place += velocity
        if place > 1:
            place, velocity = 2 - place, -velocity
        elif place < 0:
            place, velocity = -place, -velocity
    expected = torch.tensor(walked, dtype=torch.float64)
    torch.testing.assert_close(fold(0.3 + 0.173 * torch.arange(50, dtype=torch.float64)), expected)


def test_digits_stay_inside_and_keep_their_speed():
    world = MovingDigits(size=32)
    places = world.clip(100, 20, generator()).factors.unflatten(2, (2, 4))[..., 2:]
    assert places.min() >= 0
    assert places.max() <= 1
    steps = places.diff(dim=1)
    assert steps.norm(dim=-1).max() <= STEP + 1e-5
    # Away from the walls a step has its full length, and an axis keeps its speed from one such step to the next.
    near_wall = (places.minimum(1 - places) < STEP).any(-1)
    free = ~(near_wall[:, 1:] | near_wall[:, :-1])
    assert free.sum() > 500
    torch.testing.assert_close(steps.norm(dim=-1)[free], torch.full((int(free.sum()),), STEP), atol=1e-5, rtol=0)
    bounced = (steps[:, 1:] * steps[:, :-1] < -1e-6).any(-1)
    assert bounced.any()
    assert near_wall[:, 1:-1][bounced].all()


def test_clip_shows_its_factors_and_keeps_its_content():
    world = MovingDigits()
    clip = world.clip(4, 5, generator())
    assert clip.frames.shape == (4, 5, 3, 64, 64)
    assert clip.factors.shape == (4, 5, 8)
    assert torch.equal(clip.frames.flatten(0, 1), world.render(clip.factors.flatten(0, 1)))
    kept = [world.names.index(name) for name in world.content]
    assert torch.equal(clip.factors[:, :, kept], clip.factors[:, :1, kept].expand(4, 5, 4))
    assert set(world.content) | set(world.motion) == set(world.names)
    again = world.clip(4, 5, generator())
    assert torch.equal(again.frames, clip.frames)
    assert torch.equal(again.factors, clip.factors)


def test_digit_at_a_whole_pixel_is_a_copy_on_its_own_plane():
    world = MovingDigits()
    rows = torch.tensor([[3.0, 5, 9 / 36, 20 / 36, 7.0, 2, 1, 0]])
    picture = world.render(rows)[0]
    red = (world.handwriting.pictures(torch.tensor([3.0]), torch.tensor([5.0])) * 255).round().byte()[0]
    green = (world.handwriting.pictures(torch.tensor([7.0]), torch.tensor([2.0])) * 255).round().byte()[0]
    expected = torch.zeros(3, 64, 64, dtype=torch.uint8)
    expected[0, 9:37, 20:48] = red
    expected[1, 36:, :28] = green
    assert (picture.int() - expected.int()).abs().max() <= 1
    assert picture[2].max() == 0


def test_ink_is_kept_and_its_centre_follows_the_place():
    world = MovingDigits()
    rows = world.sample(1, generator()).repeat(30, 1)
    rows[:, 2], rows[:, 3] = torch.linspace(0, 1, 30), torch.linspace(1, 0, 30) ** 2
    red = world.render(rows)[:, 0].double()
    mass = red.sum((1, 2))
    assert (mass / mass[0] - 1).abs().max() < 0.01
    pixel = torch.arange(64, dtype=torch.float64)
    row, column = (red.sum(2) @ pixel) / mass, (red.sum(1) @ pixel) / mass
    assert (row - row[0] - 36 * (rows[:, 2] - rows[0, 2])).abs().max() < 0.05
    assert (column - column[0] - 36 * (rows[:, 3] - rows[0, 3])).abs().max() < 0.05


@pytest.mark.parametrize("size", [16, 32])
def test_small_pictures_show_as_much_ink(size):
    rows = MovingDigits().sample(20, generator())
    ink = [MovingDigits(each).render(rows).double().mean((1, 2, 3)) for each in (size, 64)]
    assert ((ink[0] - ink[1]).abs() < 0.2).all()  # of about 10 levels, rounded pixel by pixel


def test_one_digit_does_not_touch_the_other():
    world = MovingDigits(size=32)
    rows = world.sample(20, generator())
    other = rows.clone()
    other[:, 4:] = world.sample(20, generator(1))[:, 4:]
    assert torch.equal(world.render(rows)[:, 0], world.render(other)[:, 0])
    assert not torch.equal(world.render(rows)[:, 1], world.render(other)[:, 1])


def test_batch_is_drawn_as_one_by_one():
    world = MovingDigits(size=32)
    rows = world.sample(20, generator())
    assert torch.equal(world.render(rows), torch.cat([world.render(row[None]) for row in rows]))
    assert world.render(rows[:0]).shape == (0, 3, 32, 32)


def test_bad_input_is_named():
    world = MovingDigits()
    with pytest.raises(ValueError, match="'row_0' must lie in"):
        world.render(world.sample(1, generator()) + torch.tensor([0.0, 0, 2, 0, 0, 0, 0, 0]))
    with pytest.raises(ValueError, match="size must be 16, 32 or 64"):
        MovingDigits(size=28)
    with pytest.raises(ValueError, match="source must be"):
        MovingDigits(source="svhn")
