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


METHODS = """open read_text read_bytes write_text write_bytes savefig imread imwrite savez savez_compressed fromfile tofile
    loadtxt savetxt load_file save_file load_scene load_mesh ZipFile GzipFile NamedTemporaryFile safe_load"""
FUNCTIONS = (
    "np.load np.save torch.load torch.save json.load json.dump yaml.load pickle.load ElementTree.parse os.replace"
)
ELSEWHERE = {"command.py": ["yaml.safe_load"], "fetch.py": ["tarfile.open"]}  # words of a command line; bytes in memory


def reads_or_writes(tree):
    """The calls of a module that open a file without `borders.files`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            by_hand = called in ("open", *FUNCTIONS.split()) or called.rpartition(".")[2] in METHODS.split()
            if by_hand and (called == "open" or "." in called):
                yield called


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "borders"])
def test_files_are_read_and_written_in_one_place(room):
    damaging = ROOT / "benchmarks" / "faults"
    found = {
        (str(path.relative_to(ROOT)), call)
        for path in (ROOT / room).rglob("*.py")
        if damaging not in path.parents
        for call in reads_or_writes(ast.parse(path.read_text()))
        if call not in ELSEWHERE.get(path.name, ())
    }
    assert found == set()


def test_the_calls_are_found_at_all():
    text = "path.read_text(); open(x); figure.savefig(y); read_text(x, 'a'); np.load(z); read_bytes(x, 'b'); p.open()"
    assert list(reads_or_writes(ast.parse(text))) == ["path.read_text", "open", "figure.savefig", "np.load", "p.open"]


def test_least_squares_name_a_driver_that_gives_the_same_every_time():
    """Torch's default on a CPU begins with pivots that nobody has set: see `benchmarks.metrics.arrays.least_squares`."""
    calls = [
        ast.unparse(node)
        for room in (*ROOMS, "tests")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.linalg.lstsq"
    ]
    assert calls
    assert [call for call in calls if "driver='gelsd'" not in call] == []


def test_the_imports_are_read_at_all():
    found = set(imports(ROOT / "agents" / "mpc.py"))
    assert {"planners", "representations.model"} <= found
