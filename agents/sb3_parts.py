"""What is in an observation for a policy: pictures for a network, and numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import (
    get_flattened_obs_dim,
    is_image_space,
    is_image_space_channels_first,
)
from torch import Tensor, nn


class Parts(nn.Module):
    """An observation taken apart: pictures, which a network sees, and numbers, scaled to [-1, 1] where bounded.

    `seen` holds the shape [C, H, W] of every picture by its name ("" where the observation is no dict), `numbers` the
    count of the rest; `rescale` says whether the policy's preprocessing divides the pictures by 255. With `encoded` a
    network must see something: then an observation that is no dict goes to it whole, picture or not.
    """

    def __init__(self, space: gym.Space, leave_out: Sequence[str], shape: tuple[int, ...] | None, encoded: bool):
        super().__init__()
        if isinstance(leave_out, str):
            raise TypeError(f"leave_out must be a sequence of names, got the one word {leave_out!r}")
        whole = dict(space.spaces) if isinstance(space, spaces.Dict) else {"": space}
        entries = {key: part for key, part in whole.items() if key not in leave_out}
        chosen = to_encode(entries) if encoded else [key for key, part in entries.items() if is_picture(part)]
        self.last = {key: channels_last(key, entries[key], shape) for key in chosen}
        self.seen: dict[str, tuple[int, ...]] = {}
        for key, last in self.last.items():
            size = entries[key].shape or ()
            self.seen[key] = (*size[2:], *size[:2]) if last else size
        self.rescale = any(is_picture(entries[key]) for key in chosen)
        self.others = [key for key in entries if key not in chosen]
        self.numbers = sum(get_flattened_obs_dim(entries[key]) for key in self.others)
        for index, key in enumerate(self.others):
            low, width = _bounds(entries[key])
            self.register_buffer(f"low{index}", low)
            self.register_buffer(f"width{index}", width)

    def forward(self, observations: Any, see: Callable[[Tensor], Tensor]) -> Tensor:
        """Features [n, d]: `see` of every picture [n, C, H, W], then the numbers."""
        entries = observations if isinstance(observations, dict) else {"": observations}
        features = [
            see(entries[key].movedim(-1, 1) if last else entries[key]).flatten(1) for key, last in self.last.items()
        ]
        for index, key in enumerate(self.others):
            low, width = getattr(self, f"low{index}"), getattr(self, f"width{index}")
            features.append(2 * (entries[key].flatten(1) - low) / width - 1)
        return torch.cat(features, 1)


def is_picture(space: gym.Space) -> bool:
    """Whether a space is of pictures: uint8, three axes, 0 to 255."""
    return is_image_space(space, check_channels=False)


def to_encode(entries: dict[str, gym.Space]) -> list[str]:
    """The names of the entries that are encoded: a whole observation, or the pictures of a dict."""
    if list(entries) == [""]:
        return [""]
    found = [key for key, space in entries.items() if is_picture(space)]
    if not found:
        raise ValueError(f"the observation must hold a uint8 picture [H, W, C], got the entries {entries}")
    return found


def channels_last(key: str, space: gym.Space, shape: tuple[int, ...] | None) -> bool:
    """Whether an entry must be turned to [C, H, W]; ValueError where it cannot have the model's shape."""
    if not isinstance(space, spaces.Box):
        raise ValueError(f"observation {key!r} must be a Box to be encoded, got {space}")
    if shape is None or len(shape) != 3:
        return len(space.shape) == 3 and not is_image_space_channels_first(space)
    if space.shape == shape:
        return False
    if space.shape == (*shape[1:], shape[0]):
        return True
    raise ValueError(f"observation {key!r} has shape {space.shape}, but the model takes pictures {shape}")


def _bounds(space: gym.Space) -> tuple[Tensor, Tensor]:
    """Low and width with which 2 (x - low) / width - 1 lies in [-1, 1]; where unbounded, the identity."""
    if not isinstance(space, spaces.Box):
        return torch.tensor(-1.0), torch.tensor(2.0)
    low, high = (torch.as_tensor(bound, dtype=torch.float32).flatten() for bound in (space.low, space.high))
    bounded = low.isfinite() & high.isfinite() & (high > low)
    return torch.where(bounded, low, -1.0), torch.where(bounded, high - low, 2.0)
