import importlib
from pathlib import Path

import pytest

import benchmarks
from benchmarks.__main__ import main
from benchmarks.harness.rooms import rooms

ROOT = Path(benchmarks.__file__).parent


def test_every_folder_with_a_command_is_listed_once():
    assert [room.name for room in rooms()] == sorted(path.parent.name for path in ROOT.glob("*/__main__.py"))


@pytest.mark.parametrize("room", rooms(), ids=lambda room: room.name)
def test_a_listed_benchmark_can_be_imported_and_says_what_it_runs(room):
    assert callable(importlib.import_module(f"benchmarks.{room.name}").main)
    assert room.question
    assert room.systems
    assert room.time


def test_the_list_is_printed(capsys):
    main()
    printed = capsys.readouterr().out
    assert all(room.name in printed for room in rooms())
