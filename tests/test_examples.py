"""Every ```python block of README.md runs by itself, in a fresh process and an empty folder."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent
README = ROOT / "README.md"


def examples(text):
    """(title, code) of every block; the title is that of the section it stands in."""
    found, title = [], "start"
    for part in re.finditer(r"^#+ (?P<title>[^\n]+)$|^```python\n(?P<code>.*?)^```$", text, re.MULTILINE | re.DOTALL):
        if part["title"] is not None:
            title = part["title"].strip()
        else:
            found.append((title, part["code"]))
    return found


@pytest.mark.parametrize(
    "code", [pytest.param(code, id=title.replace(" ", "-")) for title, code in examples(README.read_text())]
)
def test_example_runs_as_it_is_printed(code, tmp_path):
    script = tmp_path / "example.py"
    script.write_text(code)
    surroundings = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, env=surroundings, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_blocks_are_found_with_their_sections():
    text = "# One\n```python\na = 1\n```\n```bash\nls\n```\n## Two\n```python\nb = 2\nc = 3\n```\n"
    assert examples(text) == [("One", "a = 1\n"), ("Two", "b = 2\nc = 3\n")]
