"""Scores are equal to the last bit wherever their arrays lie in memory, and whatever lay there before."""

import random

import numpy as np
import pytest
import torch

from benchmarks.metrics.arrays import least_squares
from benchmarks.planar.run import map_quality
from envs import make_world
from representations import make
from tests.borders.entries import function_entries, score_arguments, seeded


def moved(value, offset):
    """The same array or tensor, begun so many of its elements behind a boundary of memory."""
    if not isinstance(value, np.ndarray | torch.Tensor) or value.size == 0:
        return value
    array = np.asarray(value)
    held = np.empty(array.size + 64, array.dtype)
    start = -(held.ctypes.data // held.itemsize) % (64 // held.itemsize) + offset
    place = held[start : start + array.size].reshape(array.shape)
    place[...] = array
    return place if isinstance(value, np.ndarray) else torch.from_numpy(place)


def stir(draw):
    """Leave what was in memory in another order."""
    return [torch.full((draw.randrange(1, 3000),), draw.randrange(-9, 9), dtype=torch.int32) for _ in range(20)]


def entries():
    """Every score that is found in `benchmarks.metrics`."""
    import benchmarks.metrics

    return function_entries(benchmarks.metrics, score_arguments(), np.random.default_rng(0))


@pytest.mark.parametrize("entry", [pytest.param(entry, id=entry.name.rpartition(".")[2]) for entry in entries()])
def test_a_score_does_not_depend_on_where_its_arrays_lie(entry):
    draw, found = random.Random(0), set()
    for offset in (0, 1, 3):
        stir(draw)
        given = {name: moved(value, offset) for name, value in entry.good.items()}
        drawn = (
            {"generator": np.random.default_rng(0)} if isinstance(given.get("generator"), np.random.Generator) else {}
        )
        drawn = drawn or ({"generator": seeded()} if "generator" in given else {})
        found.add(repr(entry.call(**(given | drawn))))
    assert len(found) == 1


def test_least_squares_do_not_depend_on_what_was_in_memory(generator):
    draw = random.Random(0)
    x = torch.cat([torch.rand(1000, 2, generator=generator).double() * 38, torch.ones(1000, 1).double()], 1)
    y, found = torch.randn(1000, 2, generator=generator).double(), set()
    for offset in range(30):
        stir(draw)
        found.add(tuple(least_squares(moved(x, offset % 8), moved(y, 3 * offset % 8)).flatten().tolist()))
    assert len(found) == 1


def test_the_map_of_planar_does_not_depend_on_what_was_in_memory():
    torch.manual_seed(0)
    draw, model, world, found = random.Random(0), make("dyn_content").eval(), make_world("planar"), set()
    for _ in range(6):
        stir(draw)
        with torch.no_grad():
            found.add(repr(map_quality(model, world, 0)))
    assert len(found) == 1
