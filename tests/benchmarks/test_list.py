import ast
import importlib
from pathlib import Path

import pytest

import benchmarks
from benchmarks.__main__ import BENCHMARKS, main

ROOT = Path(benchmarks.__file__).parent


def commands():
    for path in sorted(ROOT.glob("*.py")):
        names = {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}
        if "main" in names and path.stem != "__main__":
            yield path.stem


def test_every_benchmark_is_listed_once():
    assert sorted(row.name for row in BENCHMARKS) == list(commands())


@pytest.mark.parametrize("row", BENCHMARKS, ids=lambda row: row.name)
def test_a_listed_benchmark_can_be_imported_and_says_what_it_runs(row):
    assert callable(importlib.import_module(f"benchmarks.{row.name}").main)
    assert row.question
    assert row.systems
    assert row.time


def test_the_list_is_printed(capsys):
    main()
    printed = capsys.readouterr().out
    assert all(row.name in printed for row in BENCHMARKS)
