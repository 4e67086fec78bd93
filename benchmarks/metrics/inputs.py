"""What people give to a score in place of a function from pictures to codes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


def as_encoder(encode: Any) -> Callable[[Tensor], Tensor]:
    """A function from pictures to codes: `encode` itself, or a module's `encode`, or the module where it has none.

    A module computes on its own device and in evaluation mode, and is left in the mode it was in; its codes come back on
    the pictures' device. Codes may be numpy arrays. TypeError for what cannot be called, such as codes themselves.
    """
    if not isinstance(encode, torch.nn.Module):
        if not callable(encode):
            raise TypeError(
                f"encode must be a module or a function from pictures to codes, got {type(encode).__name__}; "
                f"codes that are computed already go to score_codes(codes, factors, kinds)"
            )
        return lambda pictures: _tensor(encode(pictures), pictures)
    module = encode
    call = getattr(module, "encode", module)
    held = next((tensor.device for tensor in [*module.parameters(), *module.buffers()]), None)

    def codes(pictures: Tensor) -> Tensor:
        training = module.training
        module.eval()
        try:
            return _tensor(call(pictures if held is None else pictures.to(held)), pictures)
        finally:
            module.train(training)

    return codes


def _tensor(codes: Any, pictures: Tensor) -> Any:
    if isinstance(codes, np.ndarray):
        codes = torch.from_numpy(codes)
    return codes.to(pictures.device) if isinstance(codes, Tensor) else codes
