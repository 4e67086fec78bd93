"""The planar world: its dynamics, its pictures, its published map."""

import pytest
import torch

from envs import make_world
from envs.planar import HIGH, LOW, OBSTACLES, Planar
from envs.tasks import PlanarTask


def rows(*positions, shape=0.0):
    return torch.tensor([[*p, shape] for p in positions])


def test_the_published_rule_leaves_the_published_number_of_whole_positions():
    whole = torch.cartesian_prod(torch.arange(2, 39), torch.arange(2, 39)).float()
    assert int(Planar(compat=True).free(whole).sum()) == 1273


def test_no_free_agent_is_drawn_over_an_obstacle(generator):
    world = Planar(shapes=("square",))
    empty = world.render(rows((2.0, 2.0)))[0].clone()
    empty[0, 1:4, 1:4] = 0
    pictures = world.render(world.sample(500, generator))
    assert torch.equal((pictures > 0).sum((1, 2, 3)), torch.full((500,), int((empty > 0).sum()) + 9))


def test_six_obstacles_of_21_pixels():
    picture = Planar(shapes=("square",)).render(rows((2.0, 2.0)))[0, 0] > 0
    assert int(picture.sum()) == 6 * 21 + 9
    for row, column in OBSTACLES:
        r, c = int(row), int(column)
        assert int(picture[r - 2 : r + 3, c - 2 : c + 3].sum()) == 21


def test_free_moves_add_up_and_blocked_moves_do_nothing():
    world = Planar()
    start = rows((5.0, 5.0), (20.5, 9.0), (2.0, 37.0))
    actions = torch.tensor([[1.5, -2.5], [0.0, -3.0], [-9.0, 9.0]])
    moved = world.step(start, actions)[:, :2]
    torch.testing.assert_close(moved[0], torch.tensor([6.5, 2.5]))
    torch.testing.assert_close(moved[1], start[1, :2])
    torch.testing.assert_close(moved[2], torch.tensor([LOW, HIGH]))


def test_every_step_ends_on_a_free_position(generator):
    for world in (Planar(), Planar(noise=2.0), Planar(compat=True)):
        factors = world.sample(2000, generator)
        for _ in range(5):
            factors = world.step(factors, 6 * torch.rand(2000, 2, generator=generator) - 3, generator)
            assert world.free(factors[:, :2]).all()
            assert ((factors[:, :2] >= LOW) & (factors[:, :2] <= HIGH)).all()


def test_noise_has_the_stated_deviation(generator):
    world = Planar(noise=0.5)
    start = rows((20.5, 20.5)).repeat(4000, 1)
    moved = world.step(start, torch.zeros(4000, 2), generator)
    torch.testing.assert_close(moved[:, :2].std(0), torch.full((2,), 0.5), atol=0.03, rtol=0)


def test_one_state_moves_and_is_drawn_as_in_a_batch(generator):
    for compat in (False, True):
        world = Planar(compat=compat)
        factors = world.step(world.sample(300, generator), torch.rand(300, 2, generator=generator))
        actions = 8 * torch.rand(300, 2, generator=generator) - 4
        moved = world.step(factors, actions)
        pictures = world.render(factors)
        for i in range(300):
            one = world.move_one(tuple(factors[i].tolist()), tuple(actions[i].tolist()))
            torch.testing.assert_close(torch.tensor(one), moved[i])
            assert torch.equal(
                torch.from_numpy(world.draw_one(tuple(factors[i].tolist()))).permute(2, 0, 1), pictures[i]
            )


def test_shapes_differ_and_positions_show(generator):
    world = Planar()
    here = torch.cat([rows((9.0, 9.0), shape=float(k)) for k in range(len(world.shapes))])
    pictures = world.render(here)
    assert len({picture.numpy().tobytes() for picture in pictures}) == len(world.shapes)
    there = here + torch.tensor([1.0, 0.0, 0.0])
    torch.testing.assert_close(world.render(there)[:, :, 9:12, 8:11], pictures[:, :, 8:11, 8:11])


@pytest.mark.parametrize("protocol", ["rce", "pcc"])
def test_episodes_start_free_and_far_from_their_corner(protocol, generator):
    world = Planar(compat=protocol == "pcc")
    start, goal = PlanarTask(world, protocol, "cross").begin(500, generator)
    assert world.free(start[:, :2]).all()
    assert world.free(goal[:, :2]).all()
    assert (torch.linalg.vector_norm(start[:, :2] - goal[:, :2], dim=1) > 25).all()
    assert set(goal[:, 2].tolist()) == {float(world.shapes.index("cross"))}


def test_bad_input_is_refused_by_name():
    with pytest.raises(ValueError, match="noise"):
        Planar(noise=float("nan"))
    with pytest.raises(ValueError, match="square"):
        make_world("planar", shapes=("cube",))
    world = Planar()
    with pytest.raises(ValueError, match="finite"):
        world.step(rows((5.0, 5.0)), torch.tensor([[float("nan"), 0.0]]))
    with pytest.raises(ValueError, match="shape"):
        world.step(rows((5.0, 5.0)), torch.zeros(1, 3))
    with pytest.raises(ValueError, match="generator"):
        Planar(noise=1.0).step(rows((5.0, 5.0)), torch.zeros(1, 2))
    with pytest.raises(ValueError, match="protocol"):
        PlanarTask(world, "xyz")


def test_nuisances_are_seen_and_nothing_moves_them(generator):
    world = Planar(nuisances=2)
    assert world.names[3:] == ("row_0", "column_0", "row_1", "column_1")
    factors = world.sample(50, generator)
    assert (factors[:, 3:].std(0) > 5).all()
    after = world.step(factors, 6 * torch.rand(50, 2, generator=generator) - 3)
    assert torch.equal(after[:, 2:], factors[:, 2:])
    assert not torch.equal(after[:, :2], factors[:, :2])
    plain, drawn = Planar().render(factors[:, :3]), world.render(factors)
    assert (drawn >= plain).all()
    assert torch.equal(drawn[plain > 0], plain[plain > 0])
    row = torch.tensor([[3.0, 3.0, 0.0, 15.0, 9.0, 30.0, 30.0]])
    blob = world.render(row)[0, 0, 15]
    # 140 exp(-d^2 / 18) at 0, 1, 3 and 6 pixels: 140, 132.4, 84.9, 18.9
    assert blob[[9, 10, 12, 15]].tolist() == [140, 132, 85, 19]
    for one, picture in zip(factors[:5], drawn, strict=False):
        assert torch.equal(torch.from_numpy(world.draw_one(tuple(one.tolist()))), picture.permute(1, 2, 0))
    start, goal = PlanarTask(world).begin(20, generator)
    world.check(start)
    assert (start[:, 3:] != goal[:, 3:]).all()
    with pytest.raises(ValueError, match="nuisances"):
        Planar(nuisances=-1)


def test_published_noise_is_not_rechecked_and_ours_is(generator):
    start = rows((20.5, 9.0)).repeat(500, 1)
    pushed = {c: Planar(noise=3.0, compat=c).step(start, torch.zeros(500, 2), generator) for c in (False, True)}
    assert Planar().possible(pushed[False]).all()
    assert not Planar(compat=True).possible(pushed[True]).all()


def test_the_published_agent_covers_the_four_pixels_before_its_place():
    world = Planar(shapes=("pair",))
    empty = Planar(shapes=("square",)).render(rows((36.0, 36.0)))[0, 0] > 0
    picture = world.render(rows((5.0, 9.0)))[0, 0] > 0
    assert picture[:20].logical_and(~empty[:20]).nonzero().tolist() == [[4, 8], [4, 9], [5, 8], [5, 9]]
