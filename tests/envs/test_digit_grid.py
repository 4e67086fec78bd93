"""The digit grid: its moves, its pictures, its task."""

import pytest
import torch

from envs.digit_grid import DigitGrid
from envs.draw.handwriting import Handwriting
from envs.tasks import DigitGridTask


def test_an_action_moves_one_digit_by_one_cell_or_not_at_all(generator):
    world = DigitGrid(cells=4)
    factors = world.sample(500, generator)
    for action in range(8):
        after = world.step(factors, torch.full((500,), action))
        change = after - factors
        column = 2 * (action // 4) + (1 if action % 4 < 2 else 0)
        sign = -1 if action % 2 == 0 else 1
        wanted = (factors[:, column] + sign).clamp(0, 3) - factors[:, column]
        assert torch.equal(change[:, column], wanted)
        change[:, column] = 0
        assert not change.any()


def test_moving_a_digit_moves_its_ink_and_leaves_the_other(generator):
    for size, cells in ((64, 6), (32, 4)):
        world = DigitGrid(cells=cells, size=size)
        factors = world.sample(60, generator)
        factors[:, 0], factors[:, 2] = 0, cells - 1  # in rows apart, so that they do not overlap
        pitch = (size - 14) / (cells - 1)
        pictures = world.render(factors)
        factors[:, 1] = 0
        first = world.render(factors)
        for column in range(cells):
            factors[:, 1] = column
            there = world.render(factors)
            shift = round(column * pitch)
            assert torch.equal(there[:, :, :14, shift : shift + 14], first[:, :, :14, :14])
            assert torch.equal(there[:, :, -14:], pictures[:, :, -14:])
            assert not there[:, :, :14, :shift].any()


def test_the_first_digit_is_odd_and_the_second_even(generator):
    world, pool = DigitGrid(), Handwriting()
    factors = world.sample(40, generator)
    factors[:, :4] = torch.tensor([0.0, 0.0, 5.0, 5.0])
    pictures = world.render(factors)
    for k, corner in enumerate((slice(0, 14), slice(-14, None))):
        ink = pool.pictures(2 * factors[:, 4 + 2 * k] + (1 - k), factors[:, 5 + 2 * k])
        small = torch.nn.functional.avg_pool2d(ink[:, None], 2) * 255
        assert torch.equal(pictures[:, :, corner, corner], small.round().to(torch.uint8))


def test_overlapping_digits_show_the_brighter_ink(generator):
    world = DigitGrid()
    factors = world.sample(30, generator)
    factors[:, :4] = 0
    apart = [factors.clone(), factors.clone()]
    apart[0][:, 2:4], apart[1][:, :2] = 5, 5
    parts = [world.render(rows)[:, :, :14, :14] for rows in apart]
    assert torch.equal(world.render(factors)[:, :, :14, :14], torch.maximum(*parts))


def test_the_task_keeps_the_digits_and_counts_steps(generator):
    world = DigitGrid()
    task = DigitGridTask(world)
    start, goal = task.begin(100, generator)
    assert torch.equal(start[:, 4:], goal[:, 4:])
    assert torch.equal(task.judge(start, goal).distance, (start - goal)[:, :4].abs().sum(1))
    state, solved = start, task.judge(start, goal).success
    for _ in range(20):
        tried = torch.stack([task.judge(world.step(state, torch.full((100,), a)), goal).distance for a in range(8)])
        state = world.step(state, tried.argmin(0))
        solved |= task.judge(state, goal).success
    assert solved.all()


def test_impossible_settings_are_named():
    for settings, told in (({"size": 48}, "32 or 64"), ({"cells": 1}, "cells"), ({"cells": 19, "size": 32}, "18")):
        with pytest.raises(ValueError, match=told):
            DigitGrid(**settings)
    with pytest.raises(ValueError, match="below 8"):
        DigitGrid().step(torch.zeros(1, 8), torch.tensor([8]))
