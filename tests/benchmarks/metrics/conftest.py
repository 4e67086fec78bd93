"""A world of five factors, one of each kind, and codes of it that theory knows."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from envs.world import Factor, World


class Dots(World):
    """Four grey pixels and one of three colours: small pictures that show every factor."""

    shape = (1, 2, 4)
    factors = (
        Factor.categorical("shape", 3),
        Factor.ordinal("scale", [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]),
        Factor.circular("turn", 2 * math.pi, values=[2 * math.pi * i / 24 for i in range(24)]),
        Factor.continuous("x", -1.0, 1.0),
        Factor.ordinal("y", [i / 15 for i in range(16)]),
    )

    def _render(self, factors: Tensor) -> Tensor:
        shape, scale, turn, x, y = factors.unbind(1)
        parts = [shape == 0, shape == 1, shape == 2, scale, turn.cos() / 2 + 0.5, turn.sin() / 2 + 0.5, x / 2 + 0.5, y]
        picture = torch.stack([part.float() for part in parts], dim=1) * 255
        return picture.round().clamp(0, 255).byte().reshape(-1, *self.shape)


@pytest.fixture(scope="session")
def world() -> Dots:
    return Dots()


@pytest.fixture(scope="session")
def factors(world) -> np.ndarray:
    return world.sample(4000, torch.Generator().manual_seed(0)).double().numpy()


@pytest.fixture(scope="session")
def codes(factors) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    identity = (factors - factors.mean(axis=0)) / factors.std(axis=0)
    n, k = factors.shape
    return {
        "identity": identity,
        "rotation": identity @ np.linalg.qr(random.normal(size=(k, k)))[0],
        "copies": np.concatenate([identity, identity], axis=1),
        "dead": np.concatenate([identity, np.full((n, 5), 3.0)], axis=1),
        "linear": identity @ random.normal(size=(k, 10)),
        "noise": random.normal(size=(n, 10)),
        "constant": np.zeros((n, 10)),
    }


@pytest.fixture(scope="session")
def kinds(world) -> tuple[Factor, ...]:
    return world.factors
