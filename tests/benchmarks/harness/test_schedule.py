"""Simulated sweeps: closed forms, and bounds that every schedule keeps."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.schedule import cost_table, schedule


@pytest.mark.parametrize(("jobs", "workers"), [(12, 4), (13, 4), (1, 3), (408, 64), (5, 1)])
def test_equal_jobs_end_in_rounds(jobs, workers):
    found = schedule([30.0] * jobs, workers)
    rounds = math.ceil(jobs / workers)
    assert found.makespan == 30 * rounds
    assert found.idle == pytest.approx(1 - jobs / (workers * rounds))


def test_one_job_takes_its_time_and_the_other_workers_are_idle():
    found = schedule([7.0], 8)
    assert (found.makespan, found.busy) == (7, 7)
    assert found.idle == pytest.approx(7 / 8)


def test_more_workers_than_jobs_end_with_the_longest():
    assert schedule([3.0, 9.0, 5.0], 512).makespan == 9


def test_the_next_job_goes_to_the_first_free_worker():
    assert schedule([2.0, 5.0, 2.0, 2.0, 4.0], 2).makespan == 9  # 2 2 2 and then 5 4: the long one last
    assert schedule([5.0, 4.0, 2.0, 2.0, 2.0], 2).makespan == 8


def test_no_jobs_take_no_time():
    found = schedule([], 8)
    assert (found.makespan, found.idle) == (0, 0)


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=60), st.integers(1, 70))
def test_a_makespan_lies_within_grahams_bounds(seconds, workers):
    found, share = schedule(seconds, workers), math.fsum(seconds) / workers
    slack = 1e-9 * (1 + math.fsum(seconds))
    assert found.makespan >= max(max(seconds), share) - slack
    assert found.makespan <= share + (1 - 1 / workers) * max(seconds) + slack
    assert -1e-9 <= found.idle < 1


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="workers must be at least 1, got 0"):
        schedule([1.0], 0)
    with pytest.raises(ValueError, match="seconds of a job must be finite and not negative, got nan"):
        schedule([1.0, math.nan], 2)


def test_a_table_has_a_row_for_each_number_of_workers():
    table = cost_table("cost", [60.0] * 16, 3_200_000, (8, 64))
    assert table.rows == (("8", "2 min", "8.0", "0 %", "3.2 MB"), ("64", "60 s", "16.0", "75 %", "3.2 MB"))
