"""Grasp planning with a judge whose best grasp is known."""

import pytest
import torch
from scipy.spatial.transform import Rotation

from agents import GraspPlanner
from agents.grasp import STEP, allowed, moved, rotations

START = torch.diag(torch.tensor([1.0, -1, -1, 1]))
START[2, 3] = 0.15


class Near:
    """Judges a grasp by how close it is to a target, in metres and tenths of radian."""

    def __init__(self, target):
        self.target = target

    def perceive(self, rgbd, cameras):
        return {"target": self.target.expand(len(rgbd), 4, 4)}

    def outcome(self, seen, poses, openings):
        assert openings.shape == poses.shape[:2]
        return -distance(poses, seen["target"][:, None])


def distance(poses, target):
    apart = (poses[..., :3, 3] - target[..., :3, 3]).norm(dim=-1)
    return apart + 0.1 * (poses[..., :3, :3] - target[..., :3, :3]).flatten(-2).norm(dim=-1)


def observation(n=6):
    return {
        "pose": START.expand(n, 4, 4).clone(),
        "opening": torch.full((n,), 0.08),
        "rgbd": torch.zeros(n, 4, 8, 8),
        "camera": torch.eye(4).expand(n, 4, 4),
    }


TARGET = moved(START, torch.tensor([0.04, -0.03, 0.05, 0.3, 0.0, -0.4]))


def test_rotations_are_those_of_rotation_vectors(generator):
    vectors = torch.randn(5, 3, generator=generator)
    expected = Rotation.from_rotvec(vectors.numpy()).as_matrix()
    assert torch.allclose(rotations(vectors), torch.from_numpy(expected).float(), atol=1e-5)
    assert torch.allclose(moved(START, torch.zeros(6)), START)
    assert moved(START, torch.tensor([0, 0, 0.02, 0, 0, 0]))[2, 3] == pytest.approx(0.13)  # ahead is down


def test_steps_lead_towards_what_the_model_prefers_and_have_unit_length(generator):
    planner, now = GraspPlanner(Near(TARGET), generator), observation()
    first = distance(now["pose"], TARGET).mean()
    for _ in range(8):
        following = planner.act(now)
        step = torch.linalg.inv(now["pose"]) @ following
        angle = ((step[:, :3, :3].diagonal(dim1=1, dim2=2).sum(1) - 1) / 2).clamp(-1, 1).acos()
        length = (step[:, :3, 3].norm(dim=1) / STEP[0]).square() + (angle / STEP[1]).square()
        assert torch.allclose(length, torch.ones(6), atol=1e-2)
        now["pose"] = following
    assert distance(now["pose"], TARGET).mean() < 0.5 * first


def test_the_full_method_finds_the_best_grasp_itself(generator):
    found = GraspPlanner(Near(TARGET), generator).plan(observation(3), samples=100, elites=15, iterations=15)
    # Over eight seeds the farthest of three was 0.017 to 0.044, and rounding changes the draws as another seed does.
    assert distance(found, TARGET).max() < 0.1
    assert torch.allclose(found[:, :3, :3] @ found[:, :3, :3].mT, torch.eye(3).expand(3, 3, 3), atol=1e-4)


def test_the_control_wanders_and_nothing_leaves_the_workspace(generator):
    planner, now = GraspPlanner(None, generator), observation(40)
    now["pose"][:, 2, 3] = 0.01
    for _ in range(10):
        now["pose"] = planner.act(now)
        assert allowed(now["pose"]).all()
    assert distance(now["pose"], START).std() > 0.01
    low = observation(40)
    low["pose"][:, 2, 3] = 0.004
    into_the_table = START.clone()
    into_the_table[2, 3] = -0.1
    assert allowed(GraspPlanner(Near(into_the_table), generator).act(low)).all()


def test_the_generator_decides_the_proposals():
    draws = [GraspPlanner(None, torch.Generator().manual_seed(seed)).act(observation()) for seed in (1, 1, 2)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_what_was_seen_can_be_kept(generator):
    planner = GraspPlanner(Near(TARGET), generator)
    now = observation()
    kept = now | {"seen": planner.look(now["rgbd"], now["camera"])}
    again = GraspPlanner(Near(TARGET), torch.Generator().manual_seed(3)).act(kept)
    assert torch.equal(again, GraspPlanner(Near(TARGET), torch.Generator().manual_seed(3)).act(now))


def test_planning_without_a_model_and_without_directions_is_refused(generator):
    with pytest.raises(ValueError, match="needs a model"):
        GraspPlanner(None, generator).plan(observation())
    with pytest.raises(ValueError, match="directions"):
        GraspPlanner(None, generator, directions=0)
