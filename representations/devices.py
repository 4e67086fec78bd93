"""Where a training computes, and in which precision."""

from __future__ import annotations

from typing import Literal, get_args

import torch

Precision = Literal["float32", "bfloat16", "auto"]


def choose_device(name: str = "auto") -> torch.device:
    """The device `name`, or with "auto" a GPU where there is one; ValueError if it is not to be had."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {name!r} is not available here: {error}") from None
    if torch.device(name).type == "cpu" and torch.device(name).index:
        raise ValueError(f"device {name!r} is not available here: there is one cpu")
    return torch.device(name)


def choose_precision(name: str, device: torch.device) -> str:
    """The precision `name`; with "auto" bfloat16 where the device is faster in it: a GPU that has it, a CPU with AMX.

    With AVX-512 BF16 alone it is not: a beta-VAE of 64 x 64 pictures learned from 650 a second, and from 750 in float32.

    Weights, optimizer and losses stay float32 either way: bfloat16 is torch's autocast, for products and convolutions.
    """
    if name not in get_args(Precision):
        raise ValueError(f"precision must be one of {', '.join(get_args(Precision))}, got {name!r}")
    if name != "auto":
        return name
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"
    return "bfloat16" if device.type == "cpu" and torch.cpu._is_amx_tile_supported() else "float32"
