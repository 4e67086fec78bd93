"""README shows the figures that are kept, and no others."""

from benchmarks.harness.pages import filled
from benchmarks.harness.rooms import CHECKOUT as ROOT


def test_the_generated_sections_are_up_to_date():
    text = (ROOT / "README.md").read_text()
    assert filled(text) == text
