"""Every ```python block of every README.md runs by itself, in a fresh process and an empty folder.

Blocks that begin with a comment naming a file below `benchmarks/` are together the recipe of a new benchmark: they are put
into a copy of the rooms, and its command is run.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec

import pytest

from benchmarks.harness.pages import HOUSES, pages

ROOT = pathlib.Path(__file__).parent.parent
FILE = re.compile(r"# (benchmarks/\S+)\n")


def blocks(text, language):
    """(title, code) of every block in the language; the title is that of the section it stands in."""
    found, title = [], "start"
    for part in re.finditer(
        r"^#+ (?P<title>[^\n]+)$|^```(?P<language>\w*)\n(?P<code>.*?)^```$", text, re.MULTILINE | re.DOTALL
    ):
        if part["title"] is not None:
            title = part["title"].strip()
        elif part["language"] == language:
            found.append((title, part["code"]))
    return found


def examples():
    """Every block that is a program of its own."""
    found = []
    for page in pages():
        where = page.parent.relative_to(ROOT).as_posix()
        for number, (title, code) in enumerate(blocks(page.read_text(), "python")):
            if not FILE.match(code):
                absent = "lightning_fabric" in code and find_spec("lightning_fabric") is None
                marks = [pytest.mark.skip(reason="needs the extra fabric")] if absent else []
                found.append(pytest.param(code, id=f"{where}-{title}-{number}".replace(" ", "-"), marks=marks))
    return found


def run(*command, at, path):
    surroundings = os.environ | {"PYTHONPATH": str(path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *command], cwd=at, env=surroundings, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("code", examples())
def test_example_runs_as_it_is_printed(code, tmp_path):
    script = tmp_path / "example.py"
    script.write_text(code)
    run(script, at=tmp_path, path=ROOT)


def test_a_new_benchmark_is_a_new_folder_and_nothing_else(tmp_path):
    for house in HOUSES:
        shutil.copytree(ROOT / house, tmp_path / house, ignore=shutil.ignore_patterns("results", "__pycache__", "*.md"))
    text = (ROOT / "benchmarks" / "README.md").read_text()
    files = {FILE.match(code)[1]: code for kind in ("python", "yaml") for _, code in blocks(text, kind)}
    for name, code in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(code)
    room = next(iter(files)).split("/")[1]
    assert room in run("-m", "benchmarks", at=tmp_path, path=tmp_path)
    run("-m", f"benchmarks.{room}", "--preset", "quick", "--workers", "1", at=tmp_path, path=tmp_path)
    assert len(list((tmp_path / "runs").glob(f"{room}-*/report.html"))) == 1


def test_blocks_are_found_with_their_sections():
    text = "# One\n```python\na = 1\n# no title\n```\n```bash\nls\n```\n## Two\n```python\nb = 2\nc = 3\n```\n"
    assert blocks(text, "python") == [("One", "a = 1\n# no title\n"), ("Two", "b = 2\nc = 3\n")]
    assert blocks(text, "bash") == [("One", "ls\n")]
