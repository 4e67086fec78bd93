import numpy as np
import pytest
import torch

from benchmarks.leaderboard.measures import interventions, traversal
from benchmarks.leaderboard.pictures import Clearing, Pictures, blurred, halved
from benchmarks.metrics.control import Bench, make_task
from representations.batches import Stream
from representations.model import pixels

torch.set_num_threads(1)


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_what_all_pictures_have_in_common_goes_and_nothing_else():
    task = make_task("planar")
    states = task.sample(600, generator())
    see = Pictures(task, states)
    seen, drawn = see(states), task.world.render(states.float())
    assert see.shape == (1, 40, 40)
    assert not seen.amin(0).any()
    assert torch.equal(seen.int() + drawn.amin(0).int(), drawn.int())
    assert (seen > 0).flatten(1).sum(1).max() <= 9  # the agent alone: its obstacles are in all of them
    assert torch.equal(see.flat(states[:3]).float(), pixels(seen[:3]).flatten(1))


def test_large_pictures_are_halved_and_sides_filled_up():
    task = make_task("blobs")
    states = task.sample(50, generator())
    see = Pictures(task, states)
    assert see.shape == (1, 32, 32)
    drawn = task.world.render(states.float()).float().unfold(2, 2, 2).unfold(3, 2, 2).mean((-2, -1))
    assert torch.equal(see(states).float(), drawn.round() - drawn.round().amin(0))
    planar = make_task("planar")
    wide = Pictures(planar, planar.sample(50, generator()), sides=16)
    assert wide.shape == (1, 48, 48)
    assert not wide(planar.sample(9, generator(1)))[..., 40:].any()


def test_halving_is_the_mean_of_squares_rounded_to_even():
    pictures = torch.randint(0, 256, (20, 3, 9, 14), dtype=torch.uint8, generator=generator())
    wanted = torch.nn.functional.avg_pool2d(pictures.double(), 2).round()
    assert torch.equal(halved(pictures).double(), wanted)
    assert torch.equal(halved(torch.full((1, 1, 2, 2), 255, dtype=torch.uint8)), torch.full((1, 1, 1, 1), 255))


def test_a_blur_is_a_gaussian_as_bright_as_before():
    dot = torch.zeros(1, 1, 33, 33)
    dot[..., 16, 16] = 0.5
    soft = blurred(dot, 3.0)[0, 0]
    assert soft.amax() == soft[16, 16] == pytest.approx(0.5)
    assert soft[16, 19].item() == pytest.approx(0.5 * np.exp(-0.5))
    assert torch.allclose(soft, soft.T)


def test_pictures_clear_and_a_resumed_training_meets_the_same_ones():
    pictures = torch.zeros(20, 1, 40, 40, dtype=torch.uint8)
    pictures[torch.arange(20), 0, torch.arange(20), 20] = 255
    shown = list(Clearing(pictures, 4, 20, seed=1))
    lit = [float((batch > 0.1).flatten(1).sum(1).float().mean()) for batch in shown]
    assert lit[0] > 50 > lit[8] > lit[-1] == 1
    assert all(batch.amax() == 1 for batch in shown)
    stream = Stream(Clearing(pictures, 4, 20, seed=1), 0)
    stream.skip_to(0, 7)
    assert torch.equal(stream.draw(generator()), shown[7])
    assert not torch.equal(next(iter(Clearing(pictures, 4, 20, seed=2))), shown[0])


def test_a_traversal_goes_along_the_widest_axes_of_a_code():
    task = make_task("blobs")
    bench = Bench(task, lambda s: torch.stack([s[:, 1], 3 * s[:, 0]], 1), 0)
    wide, narrow = (np.array(rows) for rows in traversal(bench))  # the first factor is on the wider axis
    low, high = (task.factors[0].low, task.factors[0].high)
    assert (np.diff(wide[:, 0]) > 0.15 * (high - low)).all()
    assert np.ptp(wide[:, 1]) < 0.1 * (high - low)
    assert (np.diff(narrow[:, 1]) > 0.15 * (high - low)).all()


def test_interventions_leave_no_impossible_state_in():
    task = make_task("planar")
    states = task.sample(500, generator())
    met = []

    def encode(rows):
        met.append(rows)
        return rows[:, :3]

    assert interventions(Bench(task, encode, 0), states, [0, 1, 2]) == pytest.approx(1)
    assert all(task.world.possible(rows.float()).all() for rows in met)
    assert len(met[1]) < len(states)  # some would have stood in an obstacle
