"""The grasping data set: the same whatever makes it, resumed, valid behind a killed worker, refused where damaged."""

import json
import os
import signal
from dataclasses import fields

import numpy as np
import pytest
import torch

from benchmarks.grasp import generate as grasp_data
from benchmarks.grasp import set as grasp_set
from benchmarks.grasp.generate import Generation, generate, make_shard, summary
from benchmarks.grasp.set import Shard, occupancy, read_set, read_shard, write_shard
from envs.grasp.objects import CATEGORIES, subset
from envs.grasp.scene import REASONS, GraspScene
from representations.parts.grasping import BOX

pytest.importorskip("pybullet")
SMALL = {"objects": 14, "grasps": 112, "per_scene": 8, "workers": 1}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return generate(Generation(**SMALL, out=tmp_path_factory.mktemp("grasps") / "set"), progress=False)


def same(a, b):
    return all(np.array_equal(getattr(a, field.name), getattr(b, field.name)) for field in fields(Shard))


def test_half_succeed_and_failures_are_of_both_kinds(made):
    shards = [read_shard(path) for path in sorted(made.glob("*.npz"))]
    assert len(shards) == 14
    reasons = np.concatenate([shard.reason.flatten() for shard in shards])
    names = np.array(REASONS)[reasons]
    assert (names == "success").mean() == pytest.approx(0.5, abs=0.1)
    assert (names == "collision").mean() == pytest.approx(0.25, abs=0.1)
    assert np.isin(names, ("miss", "slip")).any()
    assert len(summary(made).rows) == 7


def test_outcomes_are_what_the_scene_says_when_asked_again(made):
    spec = subset(14)[9]
    shard = read_shard(made / f"{spec.name}.npz")
    with GraspScene(spec.build()) as scene:
        scene.place(*shard.place[0])
        assert scene.attempt(shard.demonstration[0], 0.10).reason in ("success", "collision")
        found = [scene.attempt(p, o).reason for p, o in zip(shard.pose[0], shard.opening[0], strict=True)]
    assert found == [REASONS[index] for index in shard.reason[0]]


def test_a_shard_depends_on_seed_and_object_alone(made):
    spec = subset(14)[5]
    kept = read_shard(made / f"{spec.name}.npz")
    assert same(kept, make_shard(spec, 1, 8, 0))
    assert not same(kept, make_shard(spec, 1, 8, 1))


def test_missing_and_damaged_shards_are_made_again_and_the_others_kept(made, capsys):
    names = [spec.name for spec in subset(14)]
    before = [read_shard(made / f"{name}.npz") for name in names[:3]]
    times = {path.name: path.stat().st_mtime_ns for path in made.glob("*.npz")}
    (made / f"{names[0]}.npz").unlink()
    (made / f"{names[1]}.npz").write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"is damaged"):
        read_shard(made / f"{names[1]}.npz")
    with pytest.raises(ValueError, match="is missing: run"):
        read_set(made, 1)
    generate(Generation(**SMALL, out=made), progress=False)
    assert all(same(old, read_shard(made / f"{name}.npz")) for old, name in zip(before, names, strict=False))
    after = {path.name: path.stat().st_mtime_ns for path in made.glob("*.npz")}
    assert {name for name in times if times[name] != after[name]} == {f"{names[0]}.npz", f"{names[1]}.npz"}


def test_a_killed_worker_is_reported_and_finished_shards_stay_valid(tmp_path, monkeypatch):
    settings = Generation(**(SMALL | {"workers": 2}), out=tmp_path / "set")
    names = [spec.name for spec in subset(14)]
    filler = Shard(
        *(np.zeros(shape) for shape in ((1, 3), (1, 4, 4), (1, 8, 4, 4), (1, 8))), *[np.zeros((1, 8), np.uint8)] * 3
    )

    def save(spec, settings, folder):
        if spec.name == names[6]:
            os.kill(os.getpid(), signal.SIGKILL)
        grasp_set.write_shard(filler, folder / f"{spec.name}.npz")
        return spec.name

    monkeypatch.setattr(grasp_data, "_save", save)
    with pytest.raises(RuntimeError, match=r"a worker was killed .* of 14 shards are finished and valid"):
        generate(settings, progress=False)
    done = list((tmp_path / "set").glob("*.npz"))
    assert all(same(read_shard(path), filler) for path in done)
    assert not (tmp_path / "set" / f"{names[6]}.npz").exists()
    assert not list((tmp_path / "set").glob(".*.partial"))
    rest = []
    monkeypatch.setattr(grasp_data, "_save", lambda spec, *_: rest.append(spec.name) or spec.name)
    generate(Generation(**SMALL, out=tmp_path / "set"), progress=False)
    assert set(rest) == set(names) - {path.stem for path in done}


def test_a_disk_that_fills_leaves_no_half_shard(made, tmp_path, monkeypatch):
    shard = read_shard(next(iter(made.glob("*.npz"))))

    def full(file, **arrays):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("numpy.savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        write_shard(shard, tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_the_set_holds_scenes_views_and_grasps_that_belong_together(made):
    data = read_set(made, 2, seed=3)
    assert data.rgbd.shape == (14, 8, 4, 64, 64)
    assert data.pose.shape == (14, 8, 4, 4)
    assert data.elevation[0].tolist() == [15, 30, 45, 60] * 2
    assert data.novel.sum() == 7
    assert sorted(data.category.tolist()) == sorted([*range(7)] * 2)
    assert [CATEGORIES[int(c)] for c in data.category] == [spec.category for spec in data.specs]
    height = data.camera[..., 2, 3]
    assert torch.equal(height.argsort(1)[:, :2] % 4, torch.zeros(14, 2, dtype=torch.int64))  # 15 degrees are lowest
    again = read_set(made, 2, seed=3)
    assert torch.equal(data.rgbd, again.rgbd)
    assert not torch.equal(data.rgbd, read_set(made, 2, seed=4).rgbd)
    part = data.take(torch.tensor([3, 1]))
    assert part.specs == (data.specs[3], data.specs[1])
    assert torch.equal(part.mask[1], data.mask[1])


def test_true_voxels_are_where_the_depth_picture_says(made):
    data = read_set(made, 1)
    points = BOX.centres(24)
    for scene in (0, 5):
        truth = occupancy(data, scene, 2, points)
        assert 30 < truth.sum() < 4000
        # Seen from the camera, no true voxel lies clearly before the measured surface.
        from representations.parts.grasping import facing

        inverse = torch.linalg.inv(facing(data.camera[scene, 2][None])[0] @ data.camera[scene, 2])
        local = points[truth] @ inverse[:3, :3].T + inverse[:3, 3]
        column, row = (((local[:, :2] / (local[:, 2:] * 0.21)) + 1) * 32).long().clamp(0, 63).T
        shown = data.rgbd[scene, 2, 3][row, column]
        assert ((shown - local[:, 2]) < 0.012).float().mean() > 0.97


def test_folders_and_settings_that_do_not_fit_are_refused(made, tmp_path):
    with pytest.raises(ValueError, match="another data set"):
        generate(Generation(**(SMALL | {"seed": 5}), out=made), progress=False)
    (tmp_path / "letters.txt").write_text("dear")
    with pytest.raises(ValueError, match="not empty and not a grasping data set"):
        generate(Generation(**SMALL, out=tmp_path), progress=False)
    with pytest.raises(ValueError, match=r"no dataset\.json"):
        read_set(tmp_path, 1)
    (tmp_path / "dataset.json").write_text("{")
    with pytest.raises(ValueError, match=r"dataset\.json should be the list of a grasping data set"):
        read_set(tmp_path, 1)
    for wrong, told in (
        ({"objects": 0}, "objects must be 1 to 101"),
        ({"per_scene": 7}, "multiple of 4"),
        ({"grasps": 5}, "at least one scene"),
        ({"engine": "cloud"}, "engine"),
        ({"workers": -1}, "workers"),
    ):
        with pytest.raises(ValueError, match=told):
            Generation(**(SMALL | wrong))


def test_the_command_prints_outcomes_and_names_errors(made, capsys):
    words = ["--objects", "14", "--grasps", "112", "--per_scene", "8", "--workers", "1", "--out", str(made)]
    grasp_data.main(words)
    assert "teapot" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="another data set"):
        grasp_data.main([*words, "--seed", "7"])
    assert json.loads((made / "dataset.json").read_text())["scenes"] == 1
