"""What a person reads of results: intervals, verdicts, and tables that fit the terminal."""

import io

import pytest

from benchmarks.harness import table as harness
from benchmarks.harness.table import Claim, Table, interval, over_seeds, show, verdict

WIDE = Table(
    "Scores",
    ("model", "set", "nats a picture", "dci_lasso_disentanglement", "factor_vae", "error a pixel"),
    tuple((f"a model with a long name {k // 2}", "XY"[k % 2], *(["0.123 [0.100, 0.200]"] * 4)) for k in range(4)),
)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def printed(monkeypatch, stream, columns="80", tables=(WIDE,), claims=()):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", stream)
    show(tables, claims)
    return stream.getvalue()


def test_an_interval_needs_three_seeds():
    assert interval([1.0, 3.0]).text(1) == "2.0 (1.0, 3.0)"
    assert interval([1.0, 2.0, 6.0]).text(1).startswith("3.0 [")
    assert interval([2.0]).text(1) == "2.0"
    assert [over_seeds(n) for n in (1, 2, 3)] == [
        "1 seed",
        "mean (both values) over 2 seeds",
        "mean [95 % interval] over 3 seeds",
    ]


def test_a_claim_is_undecided_where_runs_are_too_few_or_too_short():
    claim = Claim("it is so", True, "0.9")
    assert claim.decided_by("default", 3) is claim
    assert claim.verdict == "shown"
    assert Claim("it is so", False, "0.1").decided_by("paper", 10).verdict == "not shown"
    for preset, seeds, why in (("quick", 5, "preset quick decides nothing"), ("default", 2, "2 seeds: too few")):
        found = claim.decided_by(preset, seeds)
        assert found.plain() == {"text": "it is so", "shown": None, "evidence": found.evidence, "verdict": "undecided"}
        assert why in found.evidence
    assert verdict(None) == "undecided"


def test_a_table_fits_the_terminal_and_its_row_names_never_fold(monkeypatch):
    text = printed(monkeypatch, Terminal())
    lines = text.splitlines()
    assert max(len(line) for line in lines if "\x1b" not in line) <= 80
    assert sum("a model with a long name 1" in line for line in lines) >= 4  # both sets, in every part
    assert "disentanglement" in text


def test_elsewhere_every_row_is_one_line(monkeypatch):
    text = printed(monkeypatch, io.StringIO())
    assert sum("0.123" in line for line in text.splitlines()) == 4
    assert "a model with a long name 0" in text
    short = printed(monkeypatch, io.StringIO(), tables=[Table("T", ("a", "b"), (("1", "2"),))])
    assert max(map(len, short.splitlines())) <= 80


def test_claims_are_printed_as_they_are(monkeypatch):
    text = printed(monkeypatch, io.StringIO(), tables=(), claims=[Claim("[red] is kept", None, "no")])
    assert text == "undecided  [red] is kept (no)\n"


@pytest.mark.parametrize("encoding", ["gbk", "ascii", "latin-1", "utf-8"])
def test_every_encoding_can_print_a_table(encoding, monkeypatch):
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding)
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr("sys.stderr", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    harness.tolerate_encodings()
    show([Table("R² ± 1° → ↑", ("model ↓", "px²"), (("naïve", "≥ 3"),))], [Claim("≤ 1", True, "…")])
    stream.flush()
    text = raw.getvalue().decode(encoding)
    assert "px" in text
    if encoding == "ascii":
        assert "R2 +- 1 deg -> ^" in text
        assert ">= 3" in text
