"""How well a model knows grasps and shapes: accuracies by elevation, category and kind of failure, ROC area, voxel IoU."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.grasp.set import GraspSet, occupancy
from envs.grasp.objects import CATEGORIES
from envs.grasp.scene import REASONS
from representations.parts.grasping import BOX

STRATA = {"collisions": ("collision",), "others": ("miss", "slip")}


def by_category(data: GraspSet, scene: Tensor) -> Iterator[tuple[str, Tensor]]:
    """Category by category, which of the rows with these scenes [E] belong to it."""
    for number, name in enumerate(CATEGORIES):
        at = data.category[scene] == number
        if bool(at.any()):
            yield name, at


def judge(model: Any, data: GraspSet, batch: int = 16) -> Tensor:
    """The logits [N, V, G] of every grasp of the set, seen from every view."""
    logits = torch.zeros(*data.camera.shape[:2], data.pose.shape[1])
    for view in range(data.camera.shape[1]):
        for index in torch.arange(len(data.specs)).split(batch):
            seen = model.perceive(data.rgbd[index, view], data.camera[index, view])
            logits[index, view] = model.outcome(seen, data.pose[index], data.opening[index])
    return logits


def outcome_scores(logits: Tensor, data: GraspSet) -> dict[str, float]:
    """Accuracies of logits [N, V, G] by elevation and category, and by how grasps fail; the area under the ROC curve.

    `balanced_<stratum>`: the mean of the share of successes told to be so, and of the failures of that kind.
    """
    right = ((logits > 0) == (data.reason == 0)[:, None]).float()
    scores = {"accuracy": right.mean().item()}
    success = (data.reason == 0)[:, None].expand_as(logits)
    for elevation in sorted(set(data.elevation[0].tolist())):
        at = data.elevation[0] == elevation
        scores[f"accuracy_{elevation}"] = right[:, at].mean().item()
        for name, rows in by_category(data, torch.arange(len(data.specs))):
            scores[f"accuracy_{elevation}_{name}"] = right[rows][:, at].mean().item()
    told = right[success].mean().item()
    scores["told_success"] = told
    for stratum, reasons in STRATA.items():
        failed = torch.isin(data.reason, torch.tensor([REASONS.index(reason) for reason in reasons]))
        if bool(failed.any()):
            share = right[failed[:, None].expand_as(right)].mean().item()
            scores |= {f"told_{stratum}": share, f"balanced_{stratum}": (told + share) / 2}
    order = torch.stack([logits[success].mean(), logits[~success].mean()])
    scores["auc"] = _auc(logits, success) if bool(order.isfinite().all()) else math.nan
    return scores


def _auc(logits: Tensor, success: Tensor) -> float:
    """The chance that a success is ranked above a failure, ties half."""
    values, place = logits.flatten().double().unique(return_inverse=True)
    positive = torch.bincount(place[success.flatten()], minlength=len(values)).double()
    negative = torch.bincount(place[~success.flatten()], minlength=len(values)).double()
    below = negative.cumsum(0) - negative
    return float((positive * (below + negative / 2)).sum() / (positive.sum() * negative.sum()))


def shape_scores(model: Any, data: GraspSet) -> dict[str, float]:
    """Mean intersection over union of imagined and true voxels, by category and over all, one view of each scene."""
    points = BOX.centres(model.voxels)
    found = []
    for index in range(len(data.specs)):
        view = index % data.camera.shape[1]
        rgbd, camera = data.rgbd[index, view][None], data.camera[index, view][None]
        grid = model.voxel(model.encode(rgbd, camera), rgbd, camera)[0] > 0.5
        truth = occupancy(data, index, view, points)
        found.append(float((grid & truth).sum() / (grid | truth).sum()))
    every = torch.tensor(found)
    rows = torch.arange(len(data.specs))
    return {f"iou_{name}": every[at].mean().item() for name, at in by_category(data, rows)} | {
        "iou": every.mean().item()
    }
