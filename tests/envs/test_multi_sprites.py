import pytest
import torch

from envs.dsprites import DSprites
from envs.multi_sprites import CHUNK, MultiSprites


def scene(*sprites):
    return torch.tensor([[value for sprite in sprites for value in sprite]])


@pytest.mark.parametrize("sprites", [3, 8])
def test_a_scene_is_the_clipped_sum_of_its_coloured_sprites(sprites):
    world = MultiSprites(sprites)
    rows = world.sample(CHUNK + 5, torch.Generator().manual_seed(0))
    each = rows.view(-1, sprites, 9)
    total = torch.zeros(len(rows), 3, 64, 64)
    for k in range(sprites):
        mask = DSprites().render(each[:, k, 1:6]).float() / 255
        total += each[:, k, :1, None, None] * mask * (255 * each[:, k, 6:]).round()[:, :, None, None]
    assert torch.equal(world.render(rows).float(), total.clamp(max=255))
    assert int((total > 255).sum()) > 0


def test_one_white_sprite_is_a_dsprites_picture():
    rows = DSprites().sample(32, torch.Generator().manual_seed(1))
    one, white = torch.ones(32, 1), torch.ones(32, 3)
    pictures = MultiSprites(1).render(torch.cat([one, rows, white], dim=1))
    assert torch.equal(pictures, DSprites().render(rows).expand(-1, 3, -1, -1))


def test_overlaps_add_and_clip_at_one():
    half = (1, 0, 1.0, 0.0, 0.5, 0.5, 0.4, 0.4, 0.0)
    bright = (1, 0, 1.0, 0.0, 0.5, 0.5, 0.4, 0.8, 0.2)
    centre = MultiSprites(2).render(scene(half, bright))[0, :, 32, 32]
    assert centre.tolist() == [204, 255, 51]


def test_a_sprite_that_does_not_exist_changes_nothing():
    world = MultiSprites(3)
    rows = world.sample(16, torch.Generator().manual_seed(2))
    rows[:, 9] = 0
    changed = rows.clone()
    changed[:, 10:18] = world.sample(16, torch.Generator().manual_seed(3))[:, 10:18]
    assert torch.equal(world.render(rows), world.render(changed))
    rows[:, [0, 9, 18]] = 0
    assert int(world.render(rows).max()) == 0


def test_existence_is_even_and_independent():
    world = MultiSprites(3)
    rows = world.sample(4000, torch.Generator().manual_seed(4))
    exists = torch.stack([rows[:, world.names.index(f"exists_{k}")] for k in range(3)], dim=1)
    assert exists.mean(0).sub(0.5).abs().max() < 0.04
    assert torch.corrcoef(exists.T).fill_diagonal_(0).abs().max() < 0.06


def test_size_multiplies_the_scales():
    world = MultiSprites(1, size=0.5)
    assert (world.factors[2].low, world.factors[2].high) == (0.25, 0.5)
    x = 0.0  # the centre on a corner of the pixels
    upright = scene((1, 0, 0.5, 0.0, x, x, 1.0, 1.0, 1.0))
    assert int((world.render(upright)[:, 0] > 0).sum()) == 100


def test_at_side_32_every_second_pixel_is_kept():
    small, whole = MultiSprites(3, side=32), MultiSprites(3)
    rows = whole.sample(CHUNK + 3, torch.Generator().manual_seed(7))
    assert torch.equal(small.render(rows), whole.render(rows)[:, :, ::2, ::2])
    assert torch.equal(small.masks(rows), whole.masks(rows)[:, :, ::2, ::2])


def test_in_a_batch_or_one_by_one_the_pictures_are_the_same():
    world = MultiSprites(8)
    rows = world.sample(CHUNK + 3, torch.Generator().manual_seed(5))
    assert torch.equal(world.render(rows), torch.cat([world.render(row[None]) for row in rows]))


@pytest.mark.parametrize("settings", [{"sprites": 0}, {"sprites": 129}, {"size": 0.0}, {"size": 1.5}, {"side": 48}])
def test_impossible_settings_are_refused(settings):
    with pytest.raises(ValueError, match="must be"):
        MultiSprites(**settings)


def test_values_out_of_range_are_refused():
    world = MultiSprites(3)
    rows = world.sample(2, torch.Generator().manual_seed(6))
    rows[0, 15] = 1.2
    with pytest.raises(ValueError, match="'red_1' must lie in"):
        world.render(rows)
