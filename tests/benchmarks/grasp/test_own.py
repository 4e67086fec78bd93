"""Meshes of one's own: which files of a folder are taken, and that grasps are planned on them."""

import pytest
import torch
import trimesh

from agents import GraspPlanner
from benchmarks.grasp.own import own_objects, own_set
from benchmarks.grasp.plan import episodes, plan_greedily, scenes_of
from benchmarks.grasp.run import GraspJob

pytest.importorskip("pybullet")


@pytest.fixture
def folder(tmp_path):
    trimesh.creation.box((40, 50, 60)).export(tmp_path / "box.stl")
    trimesh.creation.cylinder(25, 90).export(tmp_path / "can.obj")
    (tmp_path / "notes.txt").write_text("millimetres")
    return tmp_path


def test_grasps_are_planned_on_the_meshes_of_a_folder(folder):
    objects = own_objects(folder, 0.001)
    assert [own.name for own in objects] == ["box", "can"]
    data = own_set(objects, scenes=2, per_scene=8, azimuths=1, seed=0)
    assert data.rgbd.shape == (4, 4, 4, 64, 64)
    assert data.mask.flatten(2).any(2).all()
    assert ((data.reason == 0).sum(1) >= 1).all()
    assert torch.equal(own_set(objects, 2, 8, 1, 0).pose, data.pose)
    starts = episodes(data, 2, torch.Generator().manual_seed(0))
    with scenes_of(data) as made:
        planned = plan_greedily(data, made, starts, GraspPlanner(None, torch.Generator().manual_seed(0), 4), 3)
    assert planned.poses.shape == (8, 4, 4, 4)


def test_a_urdf_stands_for_its_meshes_and_what_cannot_be_read_is_said_before_anything_runs(folder, tmp_path):
    with pytest.raises(ValueError, match="millimetres"):
        own_objects(folder, 1.0)
    (folder / "can.urdf").write_text(
        '<robot name="c"><link name="l"><collision><geometry><mesh filename="can.obj" scale="0.001 0.001 0.001"/>'
        "</geometry></collision></link></robot>"
    )
    assert [own.file.name for own in own_objects(folder, 1.0)] == ["can.urdf"]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ValueError, match="must hold meshes"):
        own_objects(empty, 1.0)
    with pytest.raises(ValueError, match="folder of meshes"):
        GraspJob(objects=str(tmp_path / "missing"))
    job = GraspJob(objects=str(folder), grasps=160, per_scene=8)
    assert job.of_library == 20
    assert [own.name for own in job.own()] == ["can"]
