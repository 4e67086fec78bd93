"""Aligned sentences from files: what is read, and what is refused."""

import gzip
import os
from pathlib import Path

import pytest

from envs.files.aligned import read_aligned

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def write(folder, **lines):
    for name, text in lines.items():
        (folder / f"train.{name}").write_bytes(text.encode())
    return folder


def test_lines_stay_beside_each_other_empty_ones_too(tmp_path):
    write(tmp_path, en="A dog.\n\nTwo cats.\n", de="Ein Hund.\r\n\r\nZwei Katzen.\r\n")
    with gzip.open(tmp_path / "train.fr.gz", "wb") as file:
        file.write(b"Un chien.\n\nDeux chats.")
    found = read_aligned("train", path=tmp_path)
    assert found == {
        "en": ["A dog.", "", "Two cats."],
        "de": ["Ein Hund.", "", "Zwei Katzen."],
        "fr": ["Un chien.", "", "Deux chats."],
    }


def test_signs_that_other_readers_take_for_ends_of_lines_do_not_end_one(tmp_path):
    write(tmp_path, en="a\u2028b\nc\x85d\n", de="x\ny\n")
    assert read_aligned("train", ("en", "de"), tmp_path)["en"] == ["a\u2028b", "c\x85d"]


def test_the_folder_is_found_through_the_variable(tmp_path, monkeypatch):
    (tmp_path / "multi30k").mkdir()
    write(tmp_path / "multi30k", en="a\n", de="b\n")
    monkeypatch.setenv("DISCO_DATA", str(tmp_path))
    assert read_aligned("train", ("en", "de"))["de"] == ["b"]
    monkeypatch.delenv("DISCO_DATA")
    with pytest.raises(FileNotFoundError, match=r"train\.en in: set path or DISCO_DATA"):
        read_aligned("train")


def test_wrong_files_are_named_with_what_they_should_be(tmp_path):
    write(tmp_path, en="a\nb\n", de="c\n")
    with pytest.raises(ValueError, match=r"train\.en has 2 lines and .*train\.de 1: line k"):
        read_aligned("train", ("en", "de"), tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no file train\.fr or train\.fr\.gz in"):
        read_aligned("train", path=tmp_path)
    (tmp_path / "train.de").write_bytes("Tür\nTor\n".encode("latin-1"))
    with pytest.raises(ValueError, match=r"train\.de .*UTF-8"):
        read_aligned("train", ("en", "de"), tmp_path)
    (tmp_path / "train.de").write_bytes(b"")
    with pytest.raises(ValueError, match=r"train\.de should be .* but it is empty"):
        read_aligned("train", ("en", "de"), tmp_path)


@pytest.mark.skipif(not (SHARED / "multi30k").is_dir(), reason="Multi30K stands beside no checkout here")
def test_multi30k_is_read_as_it_was_published():
    found = read_aligned("val", path=SHARED)
    assert {language: len(lines) for language, lines in found.items()} == {"en": 1014, "de": 1014, "fr": 1014}
    assert all(os.linesep not in line and line for lines in found.values() for line in lines)
