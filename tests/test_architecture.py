"""Import arrows run downwards only."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
ROOMS = ("envs", "planners", "representations", "agents", "benchmarks")
ALLOWED = {
    "envs": {"envs"},
    "planners": {"planners"},
    "representations": {"representations"},
    "agents": {"agents", "planners", "representations.model", "representations.registry"},
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


def test_the_imports_are_read_at_all():
    found = set(imports(ROOT / "agents" / "mpc.py"))
    assert {"planners", "representations.model"} <= found
