"""How long jobs are taken to last, and the part of the page that follows from it."""

import dataclasses

import pytest

from benchmarks.leaderboard.cost import durations, part, planned
from benchmarks.leaderboard.run import plain


def line(job, seconds):
    return {"key": job.key(), "row": plain(job), "result": {"seconds": {"cpu": seconds}}}


def test_a_job_lasts_as_it_did_else_as_its_learner_does_in_its_task_or_in_others_else_as_any():
    vae, pca = (
        next(job for job in planned("full") if job.model == name and job.number == 0) for name in ("vae", "pca")
    )
    lines = [line(vae, 30.0), line(dataclasses.replace(vae, number=7), 50.0)]
    lines.append(line(dataclasses.replace(vae, number=7, task="elsewhere"), 100.0))
    other, far = dataclasses.replace(vae, number=8), dataclasses.replace(vae, task="far")
    seconds, measured = durations([vae, other, far, pca], lines)
    assert seconds == [30, 40, 60, 60]
    assert measured == 1


def test_without_finished_jobs_there_is_nothing_to_tell():
    with pytest.raises(ValueError, match="no job whose time is known"):
        durations(planned("quick"), [])
    with pytest.raises(ValueError, match="unknown preset 'fool'; allowed are quick, default, full"):
        planned("fool")


def test_the_page_has_a_row_for_each_number_of_workers():
    rows = [row for row in part(["full", "8", "64", "512"]).splitlines() if row.startswith("| ")]
    assert [row.split("|")[1].strip() for row in rows[2:]] == ["8", "64", "512"]
