"""Import arrows run downwards only."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
ROOMS = ("borders", "envs", "planners", "representations", "agents", "benchmarks")
ALLOWED = {
    "borders": {"borders"},
    "envs": {"envs", "borders"},
    "planners": {"planners", "borders"},
    "representations": {"representations", "borders"},
    "agents": {"agents", "planners", "borders", "representations.model", "representations.registry"},
    "benchmarks": set(ROOMS),
}


def imports(path):
    package = ".".join(path.relative_to(ROOT).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module if node.level == 0 else f"{package}.{node.module or ''}"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_rooms_below_it(room):
    wrong = [
        (path.name, name)
        for path in (ROOT / room).rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] in ROOMS and not any((name + ".").startswith(allowed + ".") for allowed in ALLOWED[room])
    ]
    assert wrong == []


BENCHMARKS = sorted(path.parent.name for path in (ROOT / "benchmarks").glob("*/__main__.py"))
SHARED = ("benchmarks.harness", "benchmarks.metrics")


@pytest.mark.parametrize("room", BENCHMARKS)
def test_a_benchmark_imports_no_other_benchmark(room):
    allowed = (f"benchmarks.{room}", *SHARED)
    wrong = [
        (path.name, name)
        for path in (ROOT / "benchmarks" / room).rglob("*.py")
        for name in imports(path)
        if name.split(".")[0] == "benchmarks" and not any((name + ".").startswith(known + ".") for known in allowed)
    ]
    assert wrong == []


@pytest.mark.parametrize("room", ["harness", "metrics"])
def test_what_benchmarks_share_imports_none_of_them(room):
    names = [name for path in (ROOT / "benchmarks" / room).rglob("*.py") for name in imports(path)]
    assert [name for name in names if name.startswith("benchmarks.") and not name.startswith(SHARED)] == []


@pytest.mark.parametrize(("room", "part"), [("representations", "parts"), ("envs", "draw"), ("envs", "files")])
def test_parts_do_not_import_what_is_made_of_them(room, part):
    allowed = {
        "parts": ("representations.parts", "representations.model"),
        "draw": ("envs.draw", "envs.files"),
        "files": ("envs.files", "envs.draw", "envs.world"),
    }[part]
    names = [name for path in (ROOT / room / part).rglob("*.py") for name in imports(path)]
    assert [name for name in names if name.split(".")[0] == room and not name.startswith(allowed)] == []


def test_the_imports_are_read_at_all():
    found = set(imports(ROOT / "agents" / "mpc.py"))
    assert {"planners", "representations.model"} <= found
