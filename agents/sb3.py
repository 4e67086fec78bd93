"""Stable-Baselines3 on our codes and environments. Any representation goes to any of its policies:

    model = representations.load(folder)
    PPO("CnnPolicy", "envs:disco/Planar-v0", policy_kwargs=policy_kwargs_for(model))    encodes inside the policy
    PPO("MlpPolicy", make_batched("envs:disco/Planar-v0", 64, model=model))             encodes once, and stores codes

The second is the quick way for a frozen code: the rollout or replay buffer holds codes, so that no picture is encoded
twice. The first is the one that can fine-tune.

What `RepresentationExtractor` sees to, since the policies would otherwise spoil a pretrained encoder in silence: PPO's
orthogonal initialisation overwrites weights in place; SAC shares one encoder between a critic and its target, and every
update of the target shrinks the weights, or where they are not shared moves them by rounding; training mode moves running
statistics.
"""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import gymnasium as gym
import numpy as np
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecMonitor
from torch import Tensor, nn

from agents.sb3_batch import BatchedVecEnv, row_of
from agents.sb3_carry import Apart, Carried
from agents.sb3_parts import Parts, channels_last, to_encode
from borders import Size, checked

HIDDEN = ("achieved_goal",)


@runtime_checkable
class Encoder(Protocol):
    """What a policy needs of a representation, which is also an `nn.Module`."""

    code_size: int

    def encode(self, observations: Tensor) -> Tensor:
        """The codes [n, code_size] of observations."""
        ...


class Standardised(nn.Module):
    """`model` with every code dimension shifted and scaled to mean 0 and deviation 1 over `observations`.

    A policy network wants inputs of about this size. Dimensions that hardly vary are not blown up: no deviation counts
    as less than a tenth of the largest. Raises ValueError for fewer than 2 observations, or codes that are not finite.
    """

    mean: Tensor
    scale: Tensor

    @checked
    def __init__(self, model: Encoder, observations: Tensor):
        super().__init__()
        if len(observations) < 2:
            raise ValueError(f"observations must be at least 2, for their deviation, got {len(observations)}")
        self.model = _checked(model)
        self.code_size, self.shape = model.code_size, _shape(model)
        device = device_of(self.model)
        with torch.no_grad():
            codes = torch.cat([model.encode(batch.to(device)) for batch in observations.split(500)])
        if not bool(codes.isfinite().all()):
            raise ValueError("model must give finite codes of the observations")
        deviation = codes.std(0)
        self.register_buffer("mean", codes.mean(0))
        self.register_buffer("scale", deviation.clamp(min=float(deviation.max()) / 10 or 1.0))

    def encode(self, observations: Tensor) -> Tensor:
        """The standardised codes [n, code_size]."""
        return (self.model.encode(observations) - self.mean) / self.scale  # type: ignore[operator]


def policy_kwargs_for(model: Encoder | str | Path, frozen: bool = True) -> dict[str, Any]:
    """`policy_kwargs` for any Stable-Baselines3 policy on the codes of `model` (a model, or a saved model's folder).

    A folder is loaded here, so a saved policy carries its encoder and needs the folder no more, nor the device that the
    encoder was on. With `frozen=False` the policy's gradients go on into the encoder.
    """
    return {
        "features_extractor_class": RepresentationExtractor,
        "features_extractor_kwargs": {"model": Carried(_loaded(model)), "frozen": frozen},
    }


class RepresentationExtractor(BaseFeaturesExtractor):
    """The codes of an observation's pictures, and its numbers scaled to [-1, 1] where they are bounded.

    Every picture of a dict observation is encoded. The entries in `leave_out` are not shown to the policy: the achieved
    goal is the true state, which a policy on pictures must not see. The model is copied, never shared. It stays in
    evaluation mode even when fine-tuned: with running statistics or dropout a policy would disagree with itself between
    acting and learning. Pictures reach it as uint8 [n, C, H, W], so that codes equal `model.encode` of the pictures.

    Raises ValueError where the pictures do not have the model's shape.
    """

    def __init__(
        self,
        observation_space: gym.Space,
        model: Encoder | Carried | str | Path,
        frozen: bool = True,
        leave_out: Sequence[str] = HIDDEN,
    ):
        super().__init__(observation_space, features_dim=1)
        loaded = _loaded(model.model if isinstance(model, Carried) else model)
        self.frozen = frozen
        self.parts = Parts(observation_space, leave_out, _shape(loaded), encoded=True)
        own = copy.deepcopy(_checked(loaded))
        self.encoder = Apart(own) if frozen else own.requires_grad_(True).eval()
        self._features_dim = len(self.parts.seen) * loaded.code_size + self.parts.numbers

    @property
    def model(self) -> nn.Module:
        """The policy's own copy of the representation."""
        return self.encoder.model if isinstance(self.encoder, Apart) else self.encoder

    def forward(self, observations: Any) -> Tensor:
        """Features [n, features_dim] of observations as the policy's preprocessing gives them."""
        return self.parts(observations, self._encode)

    def _encode(self, pictures: Tensor) -> Tensor:
        if self.parts.rescale:
            if pictures.amax() > 1:
                raise ValueError("pictures must come scaled to [0, 1]: leave normalize_images=True in policy_kwargs")
            pictures = (pictures * 255).round().to(torch.uint8)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            return self.model.encode(pictures)  # type: ignore[operator]

    def train(self, mode: bool = True) -> RepresentationExtractor:
        """Training mode for all but the model."""
        super().train(mode)
        self.model.eval()
        return self

    def apply(self, fn: Callable[[nn.Module], None]) -> RepresentationExtractor:
        """Nothing: a policy's initialisation must not reach pretrained weights."""
        return self


class SmallExtractor(BaseFeaturesExtractor):
    """What `RepresentationExtractor` is measured against: a small network on the pictures, trained with the policy.

    Pictures from 8 pixels on pass three convolutions of 3 x 3 with stride 2 and a full layer (Stable-Baselines3's own
    network refuses those under 36 pixels); numbers are scaled and join behind it. An observation of numbers alone, such
    as a state or a code with a goal, is only scaled.
    """

    @checked
    def __init__(
        self,
        observation_space: gym.Space,
        features: Size = 128,
        channels: Size = 16,
        leave_out: Sequence[str] = HIDDEN,
    ):
        super().__init__(observation_space, features_dim=1)
        self.parts = Parts(observation_space, leave_out, None, encoded=False)
        self.networks = nn.ModuleList()
        for shape in self.parts.seen.values():
            if min(shape[1:]) < 8:
                raise ValueError(f"pictures must be at least 8 x 8 pixels, got {shape}")
            sizes = (shape[0], channels, 2 * channels, 2 * channels)
            layers: list[nn.Module] = []
            for inputs, outputs in itertools.pairwise(sizes):
                layers += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.ReLU()]
            area = math.prod(math.ceil(side / 8) for side in shape[1:])
            self.networks.append(nn.Sequential(*layers, nn.Flatten(), nn.Linear(sizes[-1] * area, features), nn.ReLU()))
        self._features_dim = len(self.networks) * features + self.parts.numbers

    def forward(self, observations: Any) -> Tensor:
        """Features [n, features_dim] of observations as the policy's preprocessing gives them."""
        networks = iter(self.networks)
        return self.parts(observations, lambda pictures: next(networks)(pictures))


class EncodeObservation(gym.ObservationWrapper):
    """A single environment whose observation is the code [code_size] of its picture.

    In a dict observation every picture becomes a code and the rest stays, so that hindsight replay keeps its goals.
    """

    def __init__(self, env: gym.Env, model: Encoder | str | Path):
        super().__init__(env)
        self._encoding = _Encoding(env.observation_space, model)
        self.observation_space = self._encoding.space
        if env.has_wrapper_attr("compute_reward"):  # Gymnasium's wrappers hide it
            self.compute_reward = env.get_wrapper_attr("compute_reward")

    def observation(self, observation: Any) -> Any:
        """The observation with codes in place of pictures."""
        return row_of(self._encoding(_stacked([observation])), 0)


class EncodeVec(VecEnvWrapper):
    """`EncodeObservation` for a whole batch of environments: one call of the model a step."""

    def __init__(self, venv: VecEnv, model: Encoder | str | Path):
        self._encoding = _Encoding(venv.observation_space, model)
        super().__init__(venv, self._encoding.space)

    def encode(self, observations: Any) -> Any:
        """A batch of the inner environments' observations with codes in place of pictures."""
        return self._encoding(observations)

    def reset(self) -> Any:
        """The first codes of every row."""
        return self._encoding(self.venv.reset())

    def step_wait(self) -> Any:
        """One step; the last observations of finished episodes, in their infos, are encoded as well."""
        observations, rewards, dones, infos = self.venv.step_wait()
        ended = np.flatnonzero(dones).tolist()
        if ended:
            codes = self._encoding(_stacked([infos[row]["terminal_observation"] for row in ended]))
            for place, row in enumerate(ended):
                infos[row]["terminal_observation"] = row_of(codes, place)
        return self._encoding(observations), rewards, dones, infos


def make_batched(
    env: str, num_envs: int, seed: int | None = None, model: Encoder | str | Path | None = None, **settings: Any
) -> VecEnv:
    """`num_envs` rows of one of our environments for Stable-Baselines3, with episode statistics.

    With a `model` its codes replace the pictures; `settings` go to the environment (`goal_dict=True` shows goals). For
    hindsight replay let `learning_starts` be more than `num_envs` episodes: it draws from finished ones only.
    """
    batch: VecEnv = VecMonitor(BatchedVecEnv(gym.make_vec(env, num_envs=num_envs, **settings)))
    batch.seed(seed)
    return batch if model is None else EncodeVec(batch, model)


class _Encoding:
    """Codes in place of the pictures in a batch of observations; `space` is the space of one that was encoded."""

    space: gym.Space

    def __init__(self, space: gym.Space, model: Encoder | str | Path):
        self.model = _loaded(model)
        _checked(self.model).eval()
        entries = dict(space.spaces) if isinstance(space, spaces.Dict) else {"": space}
        shape = _shape(self.model)
        self.last = {key: channels_last(key, entries[key], shape) for key in to_encode(entries)}
        code = spaces.Box(-np.inf, np.inf, (self.model.code_size,), np.float32)
        entries |= dict.fromkeys(self.last, code)
        self.space = spaces.Dict(entries) if isinstance(space, spaces.Dict) else entries[""]

    def __call__(self, observations: Any) -> Any:
        """Encode a batch: an array [n, ...], or a dict of them."""
        if not isinstance(observations, dict):
            return self._encode(observations, self.last[""])
        return observations | {key: self._encode(observations[key], last) for key, last in self.last.items()}

    def _encode(self, pictures: np.ndarray, last: bool) -> np.ndarray:
        batch = torch.from_numpy(pictures).to(device_of(_checked(self.model)))
        with torch.no_grad():
            code = self.model.encode(batch.movedim(-1, 1).contiguous() if last else batch)
        return code.float().cpu().numpy()


def device_of(model: nn.Module) -> torch.device:
    """Where a model's parameters are, or its buffers where it has none; the CPU without either."""
    return next((value.device for value in itertools.chain(model.parameters(), model.buffers())), torch.device("cpu"))


def _loaded(model: Encoder | str | Path) -> Encoder:
    """The model itself, or the one saved in a folder. Only the latter needs the register of learners."""
    if isinstance(model, str | Path):
        from representations.registry import load

        return load(model)
    _checked(model)
    return model


def _checked(model: Any) -> nn.Module:
    if not isinstance(model, nn.Module) or not isinstance(model, Encoder):
        raise TypeError(
            f"model must be an nn.Module with encode and code_size, or a saved folder, got {type(model).__name__}"
        )
    return model


def _shape(model: Any) -> tuple[int, ...] | None:
    """The shape (C, H, W) of the pictures that a model takes, where it says so."""
    shape = getattr(model, "settings", {}).get("shape") or getattr(model, "shape", None)
    return None if shape is None else tuple(shape)


def _stacked(observations: Sequence[Any]) -> Any:
    """Single observations, arrays or dicts of them, as a batch."""
    if isinstance(observations[0], dict):
        return {key: np.stack([one[key] for one in observations]) for key in observations[0]}
    return np.stack(observations)
