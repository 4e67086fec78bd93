"""Arrays from disk: what is damaged, foreign, encrypted or a bomb is refused by name before it is unpacked."""

import gzip
import io
import os
import pickle
import struct
import zipfile

import numpy as np
import pytest

from borders.files import data_folder, read_bytes, read_idx, read_npz, unpack, write_npz


def test_an_npz_comes_back_as_it_was_written(tmp_path):
    given = {"codes": np.arange(6.0).reshape(2, 3), "kinds": np.array(["a", "b"]), "turned": np.eye(3)[::-1].T}
    write_npz(tmp_path / "x.npz", given)
    found = read_npz(tmp_path / "x.npz", "codes")
    assert found.keys() == given.keys()
    assert all(np.array_equal(found[name], given[name]) for name in given)
    assert read_npz(tmp_path / "x.npz", "codes", ["kinds"]).keys() == {"kinds"}


def packed(header: bytes, body: bytes = b"") -> bytes:
    """An npz whose one array `codes` has this header."""
    whole = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("codes.npy", whole)
    return file.getvalue()


def encrypted() -> bytes:
    """An npz whose entry says that it is encrypted, in both of its headers."""
    file = io.BytesIO()
    np.savez(file, codes=np.zeros(3))
    content = bytearray(file.getvalue())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def saved(**arrays) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def single() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


DAMAGED = {
    "empty": (b"", "damaged or another file"),
    "text": (b"a,b\n1,2\n", "damaged or another file"),
    "a pickle": (pickle.dumps({"codes": 1}), "damaged or another file"),
    "one array": (single(), r"a single array \(\.npy\)"),
    "cut short": (saved(codes=np.random.default_rng(0).random(999))[:-40], "damaged or another file"),
    "another array": (saved(other=np.zeros(2)), "no array 'codes', its arrays are other"),
    "encrypted": (encrypted(), "'codes' is encrypted"),
    "objects": (saved(codes=np.array([{}, 1], dtype=object)), "a pickle, which could execute code"),
    "10^12 rows": (
        packed(b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 8)}\n"),
        "64,000,000,000,000 bytes.* are there",
    ),
    "a bomb": (
        packed(b"{'descr': '|u1', 'fortran_order': False, 'shape': (3000000,)}\n", bytes(3_000_000)),
        "unpacks to",
    ),
    "no header": (packed(b"{'descr': \n"), "damaged or another file"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_foreign_npz_is_named_with_what_it_should_be(tmp_path, name):
    content, message = DAMAGED[name]
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.npz should be the codes of a set, but .*{message}"):
        read_npz(tmp_path / "x.npz", "the codes of a set", ["codes"], largest=1_000_000)


def test_a_flipped_byte_is_found(tmp_path):
    content = bytearray(saved(codes=np.random.default_rng(0).random(999)))
    content[len(content) // 2] ^= 0xFF
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.npz should be codes, but it is damaged"):
        read_npz(tmp_path / "x.npz", "codes")


def test_what_is_no_file_is_refused_without_waiting_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name, message in (("pipe", "no ordinary file"), ("", "a folder"), ("nothing", "no such file")):
        with pytest.raises(ValueError, match=message):
            read_npz(tmp_path / name, "codes")
        with pytest.raises(ValueError, match=message):
            read_idx(tmp_path / name)


def test_a_gzip_bomb_stops_at_the_limit(tmp_path):
    bomb = gzip.compress(bytes(5_000_000))
    with pytest.raises(ValueError, match="unpacks to more than 1,000,000 bytes"):
        unpack(bomb, "x.gz", "an idx file", 1_000_000)
    (tmp_path / "x.gz").write_bytes(bomb)
    assert read_bytes(tmp_path / "x.gz", "an idx file") == bytes(5_000_000)


def test_the_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DISCO_DATA", "~/sets")
    assert data_folder() == tmp_path / "sets"
    assert data_folder("~/mine") == tmp_path / "mine"
    monkeypatch.delenv("DISCO_DATA")
    assert data_folder() is None
    (tmp_path / "y").write_bytes(b"\x00\x00\x08\x01\x00\x00\x00\x02ab")
    assert read_idx("~/y").tolist() == [97, 98]
