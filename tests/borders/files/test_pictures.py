"""Figures, animations, photographs and meshes: put in place whole, links not followed, bombs and damage named."""

import os
import struct
import zlib

import imageio.v3 as imageio
import numpy as np
import pytest
from matplotlib.figure import Figure

from borders.files.meshes import FORMATS, read_mesh, write_groups
from borders.files.pictures import png_of, read_picture, write_animation, write_figure


def drawn():
    figure = Figure(figsize=(1, 1))
    figure.add_subplot().plot([0, 1])
    return figure


def test_a_figure_and_an_animation_replace_what_stood_there_at_once(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    for name in ("a.png", "b.gif"):
        (tmp_path / name).symlink_to(victim)
    write_figure(drawn(), tmp_path / "a.png", dpi=40)
    frames = [np.full((8, 6, 3), 40 * k, np.uint8) for k in range(3)]
    write_animation(frames, tmp_path / "b.gif", milliseconds=70)
    assert victim.read_text() == "mine"
    assert imageio.imread(tmp_path / "a.png").shape[:2] == (40, 40)
    assert imageio.imread(tmp_path / "b.gif").shape == (3, 8, 6, 3)
    assert imageio.immeta(tmp_path / "b.gif")["duration"] == 70
    assert {name for name in os.listdir(tmp_path) if not name.endswith(".mp4")} == {"a.png", "b.gif", "victim"}


@pytest.mark.parametrize("shape", [(8, 6, 3), (9, 7)])
def test_an_mp4_stands_beside_where_it_can_be_written(shape, tmp_path):
    pytest.importorskip("imageio_ffmpeg")
    frames = [np.full(shape, 80 * k, np.uint8) for k in range(3)]
    write_animation(frames, tmp_path / "a.gif", milliseconds=100)
    read = imageio.imread(tmp_path / "a.mp4", plugin="FFMPEG")
    assert read.shape == (3, 8 if shape[0] == 8 else 10, 6 if shape[1] == 6 else 8, 3)
    assert np.abs(read.mean((1, 2, 3)) - [0, 80, 160]).max() < 6  # compressed
    assert imageio.immeta(tmp_path / "a.mp4", plugin="FFMPEG")["fps"] == 10
    assert sorted(os.listdir(tmp_path)) == ["a.gif", "a.mp4"]


def test_an_animation_is_a_gif_alone_without_the_extra(tmp_path, monkeypatch):
    monkeypatch.setattr("borders.files.pictures.find_spec", lambda name: None)
    write_animation([np.zeros((8, 6), np.uint8)] * 2, tmp_path / "a.gif", milliseconds=100)
    assert os.listdir(tmp_path) == ["a.gif"]


def test_a_figure_that_cannot_be_drawn_leaves_the_old_one(tmp_path, monkeypatch):
    write_figure(drawn(), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()

    def fails(self, path, **options):
        path.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(Figure, "savefig", fails)
    with pytest.raises(OSError, match="No space"):
        write_figure(drawn(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before
    assert os.listdir(tmp_path) == ["a.png"]


def png(width: int, height: int, rows: bytes) -> bytes:
    """A grey PNG that says this size."""
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0), b"IDAT": zlib.compress(rows), b"IEND": b""}
    chunks = (struct.pack(">I", len(c)) + t + c + struct.pack(">I", zlib.crc32(t + c)) for t, c in parts.items())
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


BAD = {
    "empty": b"",
    "text": b"a letter",
    "cut": png(9, 9, b"\0" * 90)[:-30],
    "12,000 x 12,000": png(12_000, 12_000, b""),
    "10^9 x 10^9": png(10**9, 10**9, b""),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_picture_or_a_bomb_of_pixels_is_named(tmp_path, name):
    (tmp_path / "x.png").write_bytes(BAD[name])
    with pytest.raises(ValueError, match=r"x\.png should be a photograph, but it is damaged or another file"):
        read_picture(tmp_path / "x.png", "a photograph")


def test_a_picture_is_read_in_colour_or_grey(tmp_path):
    (tmp_path / "x.png").write_bytes(png(3, 2, b"\0\1\2\3" * 2))
    assert read_picture(tmp_path / "x.png", "a photograph", grey=True).tolist() == [[1, 2, 3]] * 2
    assert read_picture(tmp_path / "x.png", "a photograph").shape == (2, 3, 3)


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_a_picture_comes_back_from_the_content_of_a_png(tmp_path, shape):
    seen = np.random.default_rng(0).integers(256, size=shape, dtype=np.uint8)
    (tmp_path / "a.png").write_bytes(png_of(seen))
    assert np.array_equal(read_picture(tmp_path / "a.png", "a picture", grey=len(shape) == 2), seen)


def test_the_groups_of_a_mesh_come_back(tmp_path):
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1.0]])
    triangles = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]])
    write_groups(tmp_path / "two.obj", [(corners, triangles), (corners + 2, triangles)])
    found = read_mesh(tmp_path / "two.obj")
    assert sorted(mesh.vertices.min() for mesh in found) == [0, 2]
    assert all(mesh.volume == pytest.approx(1 / 6) for mesh in found)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("content", [b"", b"\x80\x04K\x01.", b"solid x\nfacet", b"ply\nelement vertex 999999999999\n"])
def test_what_is_no_mesh_is_named(tmp_path, kind, content):
    (tmp_path / f"x{kind}").write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\{kind} should be a mesh"):
        read_mesh(tmp_path / f"x{kind}")
