"""Objects of the grasping scene: closed, hollow where they should be, exact in their convex pieces; and those from files."""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import trimesh

from envs.grasp import files
from envs.grasp.files import load_solid, resting
from envs.grasp.objects import CATEGORIES, COUNTS, MAKERS, build, library
from envs.grasp.solids import SECTORS, Solid, tube, turned_body, vessel

PRISM = SECTORS / (2 * math.pi) * math.sin(2 * math.pi / SECTORS)  # area of the polygon over that of its circle


def volume(points):
    return trimesh.convex.convex_hull(points).volume


def test_the_library_holds_101_objects_of_seven_categories_a_fifth_of_each_novel():
    specs = library()
    assert Counter(spec.category for spec in specs) == dict(zip(CATEGORIES, COUNTS, strict=True))
    assert len(specs) == len({spec.name for spec in specs}) == 101
    assert Counter(spec.category for spec in specs if spec.novel) == dict.fromkeys(CATEGORIES, 3)
    assert len({(s.category, s.height, s.width, s.detail) for s in specs}) == 101
    library.cache_clear()
    assert library() == specs


@pytest.mark.parametrize("category", CATEGORIES)
@pytest.mark.parametrize("corner", [(0, 0, 0), (1, 1, 1), (0, 1, 0.5), (1, 0, 0.3)])
def test_every_part_is_closed_faces_outward_and_is_filled_by_its_pieces(category, corner):
    for part in build(category, *corner).parts:
        mesh = trimesh.Trimesh(part.vertices, part.faces, process=False)
        assert mesh.is_watertight
        assert mesh.is_winding_consistent
        assert mesh.volume > 0
        assert sum(volume(piece) for piece in part.pieces) == pytest.approx(mesh.volume, rel=3e-3)


def test_a_turned_body_and_a_vessel_have_the_volume_and_centre_of_theory():
    cylinder = Solid((turned_body([(0.03, 0.0), (0.03, 0.1)]),))
    expected = PRISM * math.pi * 0.03**2 * 0.1
    assert sum(h.volume for h in cylinder.hulls) == pytest.approx(expected)
    assert cylinder.centre == pytest.approx([0, 0, 0.05], abs=1e-12)
    pot = Solid((vessel([(0.03, 0.0), (0.03, 0.01), (0.03, 0.1)], 0.005),))
    expected = PRISM * math.pi * (0.03**2 * 0.1 - 0.025**2 * 0.09)
    assert sum(h.volume for h in pot.hulls) == pytest.approx(expected)


def test_a_vessel_is_hollow_and_its_wall_and_floor_are_not():
    pot = Solid((vessel([(0.03, 0.0), (0.03, 0.01), (0.03, 0.1)], 0.005),))
    generator = np.random.default_rng(0)
    points = generator.uniform((-0.04, -0.04, -0.01), (0.04, 0.04, 0.11), (4000, 3))
    radius, height = np.hypot(points[:, 0], points[:, 1]), points[:, 2]
    flat = math.cos(math.pi / SECTORS)
    surely = (height > 0) & (height < 0.1) & (radius < 0.03 * flat) & ((radius > 0.025) | (height < 0.01))
    surely_not = (height < 0) | (height > 0.1) | (radius > 0.03) | ((radius < 0.025 * flat) & (height > 0.01))
    inside = pot.contains(points)
    assert inside[surely].all()
    assert not inside[surely_not].any()
    assert surely.sum() > 200
    assert pot.contains(points.reshape(40, 100, 3)).shape == (40, 100)


def test_inside_is_what_a_ray_to_infinity_says():
    generator = np.random.default_rng(1)
    for category in ("mug", "plate"):
        solid = build(category, 0.5, 0.5, 0.5)
        points = generator.uniform(solid.low, solid.high, (600, 3))
        inside = np.zeros(len(points), bool)
        for part in solid.parts:
            inside |= trimesh.Trimesh(part.vertices, part.faces, process=False).contains(points)
        assert (solid.contains(points) == inside).mean() > 0.995
        assert 0.02 < inside.mean() < 0.9


def test_a_turned_solid_stands_on_the_table_below_its_centre_of_mass():
    mug = build("mug", 0.5, 0.5, 0.5)
    angle = math.radians(90)
    turn = np.array([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]])
    lying = mug.turned(turn)
    assert lying.low[2] == pytest.approx(0)
    assert lying.centre[:2] == pytest.approx([0, 0], abs=1e-9)
    assert sum(h.volume for h in lying.hulls) == pytest.approx(sum(h.volume for h in mug.hulls))


def test_shapes_out_of_range_and_unknown_categories_are_named():
    with pytest.raises(ValueError, match="category must be one of bottle"):
        build("fork", 0.5, 0.5, 0.5)
    with pytest.raises(ValueError, match="width must lie"):
        build("mug", 0.5, 1.5, 0.5)
    with pytest.raises(ValueError, match="detail must lie"):
        build("mug", 0.5, 0.5, float("nan"))
    assert set(MAKERS) == set(CATEGORIES)


def write(mesh, path):
    mesh.export(path)
    return path


def prism(outline, height=0.03):
    """A prism over an L, its caps cut into four triangles."""
    flat, count = np.asarray(outline), len(outline)
    vertices = np.concatenate([np.insert(flat, 2, z, axis=1) for z in (0, height)])
    cap = np.array([(0, 1, 2), (0, 2, 3), (0, 3, 4), (0, 4, 5)])
    k = np.arange(count)
    after = (k + 1) % count
    sides = np.concatenate([np.stack([k, after, after + count], 1), np.stack([k, after + count, k + count], 1)])
    return trimesh.Trimesh(vertices, np.concatenate([cap[:, ::-1], cap + count, sides]), process=False)


def test_a_mesh_file_becomes_a_solid_with_its_convex_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "VHACD_RESOLUTION", 3000)
    box = trimesh.creation.box((0.05, 0.06, 0.08))
    solid = load_solid(write(box, tmp_path / "box.stl"))
    assert len(solid.pieces) == 1
    assert solid.low == pytest.approx([-0.025, -0.03, 0])
    two = trimesh.util.concatenate([box, trimesh.creation.icosphere(radius=0.02).apply_translation((0.1, 0, 0))])
    assert len(load_solid(write(two, tmp_path / "two.ply")).pieces) == 2
    ell = load_solid(
        write(prism([(0, 0), (0.06, 0), (0.06, 0.02), (0.02, 0.02), (0.02, 0.06), (0, 0.06)]), tmp_path / "l.obj")
    )
    assert len(ell.pieces) >= 2
    corner = ell.low[:2]
    inside = [(*(corner + at), 0.015) for at in ((0.05, 0.01), (0.01, 0.05), (0.05, 0.05))]
    assert ell.contains(np.array(inside)).tolist() == [True, True, False]


def test_a_solid_comes_to_rest_on_its_broad_side(tmp_path):
    tall = trimesh.creation.box((0.03, 0.04, 0.12))
    assert resting(load_solid(write(tall, tmp_path / "tall.stl"))).high[2] == pytest.approx(0.03)


def test_the_random_objects_of_pybullet_are_read_from_their_urdf():
    data = pytest.importorskip("pybullet_data").getDataPath()
    solid = load_solid(Path(data) / "random_urdfs" / "000" / "000.urdf")
    assert solid.low[2] == pytest.approx(0)
    assert 0.03 < (solid.high - solid.low).max() < 0.2
    assert sum(h.volume for h in solid.hulls) > 1e-5


def test_meshes_without_an_inside_and_foreign_files_are_refused(tmp_path):
    box = trimesh.creation.box((0.05, 0.06, 0.08))
    opened = trimesh.Trimesh(box.vertices, box.faces[:-1], process=False)
    with pytest.raises(ValueError, match=r"open.stl is not watertight"):
        load_solid(write(opened, tmp_path / "open.stl"))
    flat = box.copy().apply_scale((1, 1, 1e-6))
    with pytest.raises(ValueError, match="no volume"):
        load_solid(write(flat, tmp_path / "flat.ply"))
    inverted = trimesh.Trimesh(box.vertices, box.faces[:, ::-1], process=False)
    with pytest.raises(ValueError, match="inside out"):
        load_solid(write(inverted, tmp_path / "inverted.stl"))
    large = box.copy().apply_scale(1000)
    with pytest.raises(ValueError, match="millimetres"):
        load_solid(write(large, tmp_path / "large.stl"))
    assert load_solid(tmp_path / "large.stl", scale=0.001).high[2] == pytest.approx(0.08)
    with pytest.raises(ValueError, match="no mesh or URDF file"):
        load_solid(tmp_path / "missing.stl")
    with pytest.raises(ValueError, match="scale must be positive"):
        load_solid(tmp_path / "large.stl", scale=0)
    (tmp_path / "text.stl").write_text("a letter")
    with pytest.raises(ValueError, match=r"text\.stl"):
        load_solid(tmp_path / "text.stl")
    (tmp_path / "bad.urdf").write_text("<robot><link")
    with pytest.raises(ValueError, match="not a URDF"):
        load_solid(tmp_path / "bad.urdf")
    (tmp_path / "empty.urdf").write_text("<robot><link name='a'/></robot>")
    with pytest.raises(ValueError, match="collision or visual"):
        load_solid(tmp_path / "empty.urdf")


def test_a_tube_is_as_thick_as_it_is_told():
    straight = Solid((tube([(0.0, 0.0), (0.0, 0.05), (0.0, 0.1)], [0.004] * 3, sides=32),))
    assert sum(h.volume for h in straight.hulls) == pytest.approx(math.pi * 0.004**2 * 0.1, rel=0.01)
