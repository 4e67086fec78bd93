"""A model inside a Stable-Baselines3 policy: kept apart from its training, and saved without its device."""

from __future__ import annotations

import io
import pickle
from typing import Any

import cloudpickle
import torch
from torch import Tensor, nn


class Carried:
    """A model among the settings of a policy, which Stable-Baselines3 pickles beside the weights when it saves one.

    torch pickles a tensor with its device, and such a file opens only where that device is. Here tensors are written as
    their bytes, so that a policy saved on a GPU loads on any machine; a loaded model is on the CPU.
    """

    def __init__(self, model: Any):
        self.model = model

    def __reduce__(self) -> tuple[Any, ...]:
        stream = io.BytesIO()
        _Pickler(stream).dump(self.model)
        return _carried, (stream.getvalue(),)


def _carried(content: bytes) -> Carried:
    return Carried(pickle.loads(content))


class _Pickler(cloudpickle.Pickler):
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, Tensor):
            parameter = isinstance(obj, nn.Parameter)
            content = obj.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
            return _tensor, (content, obj.dtype, tuple(obj.shape), parameter, obj.requires_grad)
        return super().reducer_override(obj)


def _tensor(content: bytes, dtype: torch.dtype, shape: tuple[int, ...], parameter: bool, learns: bool) -> Tensor:
    values = torch.frombuffer(bytearray(content), dtype=dtype) if content else torch.empty(0, dtype=dtype)
    values = values.reshape(shape)
    return nn.Parameter(values, learns) if parameter else values.requires_grad_(learns)


class Apart(nn.Module):
    """A module with one `model` that moves, is saved and is loaded with it, but whose parameters it does not own.

    No optimizer and no average with a target sees them, while the model itself still knows all its parameters. It stays
    in evaluation mode.
    """

    model: nn.Module

    def __init__(self, model: nn.Module):
        super().__init__()
        self.__dict__["model"] = model.requires_grad_(False).eval()

    def _apply(self, fn: Any, recurse: bool = True) -> Apart:
        self.model._apply(fn, recurse)
        return super()._apply(fn, recurse)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        self.model.state_dict(destination=destination, prefix=prefix, keep_vars=keep_vars)

    def _load_from_state_dict(
        self, state: Any, prefix: str, metadata: Any, strict: bool, missing: Any, unexpected: Any, errors: Any
    ) -> None:
        own = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
        try:
            lacking, unknown = self.model.load_state_dict(own, strict=False)
        except RuntimeError as error:
            errors.append(str(error))
            return
        missing += [prefix + key for key in lacking]
        unexpected += [prefix + key for key in unknown]
