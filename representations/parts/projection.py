"""Perspective projection of a voxel grid, without anything to learn, differentiable in the grid and in the camera.

    o_k = trilinear(grid, c + d_k r)                          the occupancy met at depth d_k along the ray r of a pixel
    silhouette = max_k o_k                                    Yan et al. 2016, section 3.2
    w_k = o_k prod_{l < k} (1 - o_l),  T = prod_k (1 - o_k)   the chance that the ray ends at d_k, or passes
    depth = sum_k w_k d_k + T d_K                             the expected depth (Tulsiani et al. 2017, section 3.1)

Frames: a camera's matrix takes its frame (x rightward, y downward, z forward) to the grid's; directions have unit depth,
so that d is depth along the optical axis. Lengths are metres.

Yan, Yang, Yumer, Guo and Lee: Perspective transformer nets. 2016.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional


@dataclass(frozen=True)
class Box:
    """The box that a grid [n, Z, Y, X] fills: its corners in metres; voxel 0 touches `low`, the last one `high`."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    def centres(self, size: int) -> Tensor:
        """The middles of all voxels of a grid of `size` along each axis: [Z, Y, X, 3]."""
        place = (torch.arange(size) + 0.5) / size
        z, y, x = torch.meshgrid(place, place, place, indexing="ij")
        low, high = torch.tensor(self.low), torch.tensor(self.high)
        return low + torch.stack([x, y, z], -1) * (high - low)

    def normalised(self, points: Tensor) -> Tensor:
        """Points [..., 3] with the box at [-1, 1]^3."""
        low, high = torch.tensor(self.low).to(points), torch.tensor(self.high).to(points)
        return (points - low) * (2 / (high - low)) - 1


@dataclass(frozen=True)
class Projection:
    """What cameras see of a grid: silhouette, depth in metres and the chance to hit anything, each [n, v, h, w]."""

    silhouette: Tensor
    depth: Tensor
    hit: Tensor


def directions(size: int, tan_half: float, stride: int = 1, offset: tuple[int, int] = (0, 0)) -> Tensor:
    """Rays [h, w, 3] of unit depth through the middles of pixels of a square picture, every `stride`-th from `offset`.

    `tan_half` is half the picture's width at depth 1.
    """
    place = ((torch.arange(size) + 0.5) / size * 2 - 1) * tan_half
    y, x = torch.meshgrid(place[offset[0] :: stride], place[offset[1] :: stride], indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)], -1)


def ray_points(cameras: Tensor, rays: Tensor, depths: Tensor) -> Tensor:
    """The points [n, v, K, h, w, 3] at depths [K] (or [n, v, K]) along rays [h, w, 3] of cameras [n, v, 4, 4]."""
    turned = torch.einsum("nvij,hwj->nvhwi", cameras[..., :3, :3], rays)
    far = depths.expand(*cameras.shape[:2], depths.shape[-1])
    return cameras[:, :, None, None, None, :3, 3] + far[..., None, None, None] * turned[:, :, None]


def sample(grid: Tensor, points: Tensor, box: Box) -> Tensor:
    """The grid [n, Z, Y, X] at points [n, ..., 3], trilinear, 0 outside the box: [n, ...]."""
    place = box.normalised(points).flatten(1, -2)[:, :, None, None]
    found = functional.grid_sample(grid[:, None], place, "bilinear", "zeros", align_corners=False)
    return found.view(points.shape[:-1])


def project(grid: Tensor, cameras: Tensor, rays: Tensor, depths: Tensor, box: Box) -> Projection:
    """Project occupancies [n, Z, Y, X] in [0, 1] to the cameras [n, v, 4, 4] with rays [h, w, 3] at rising depths [K].

    Depths may differ by camera: [n, v, K]. Raises ValueError for shapes that do not fit and cameras that are not finite.
    """
    if grid.ndim != 4 or cameras.ndim != 4 or cameras.shape[0] != len(grid) or cameras.shape[2:] != (4, 4):
        raise ValueError(
            f"expected a grid [n, Z, Y, X] and cameras [n, v, 4, 4], got {list(grid.shape)}, {list(cameras.shape)}"
        )
    if not bool(torch.isfinite(cameras).all()):
        raise ValueError("cameras must be finite")
    with torch.autocast(grid.device.type, enabled=False):
        met = sample(grid.float(), ray_points(cameras.float(), rays, depths), box)
        return march(met, depths.expand(*cameras.shape[:2], depths.shape[-1]))


def march(met: Tensor, depths: Tensor) -> Projection:
    """Silhouette and depth from occupancies [n, v, K, h, w] met at depths [n, v, K]."""
    passing = torch.log1p(-met.clamp(0, 1 - 1e-5)).cumsum(2)
    reached = torch.cat([torch.zeros_like(passing[:, :, :1]), passing[:, :, :-1]], 2).exp()
    weight = reached - passing.exp()
    through = passing[:, :, -1].exp()
    depth = (weight * depths[..., None, None]).sum(2) + through * depths[:, :, -1, None, None]
    return Projection(met.amax(2), depth, 1 - through)
