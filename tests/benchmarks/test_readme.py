"""README shows the figures that are kept, and no others."""

from benchmarks.readme import ROOT, filled


def test_the_generated_sections_are_up_to_date():
    text = (ROOT / "README.md").read_text()
    assert filled(text) == text
