import math
from typing import TypedDict

import cloudpickle
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from borders import Count, checked


def test_what_a_script_checks_can_be_sent_to_another_process():
    def twice(n: Count) -> int:
        return 2 * n

    border = checked(twice)
    for _ in range(2):  # also once the checks were made
        sent = cloudpickle.loads(cloudpickle.dumps(border))
        assert sent(3) == border(3) == 6


class Batch(TypedDict):
    """What a loss takes."""

    x: Float[Tensor, "n size"]
    y: Float[Tensor, "n 2"]


class Learner:
    """Its code has three numbers."""

    size = 3

    @checked
    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """What it was given."""
        return batch


def test_what_is_held_by_name_is_checked_by_name_and_the_rest_stays():
    good = {"x": torch.zeros(4, 3).half(), "y": torch.zeros(4, 2), "note": "kept"}
    found = Learner().loss(good)
    assert found["x"].dtype == torch.float32
    assert found["note"] == "kept"
    assert good["x"].dtype == torch.float16
    for wrong, told in (
        ({"x": good["x"]}, "batch must hold x, y by name, but y is missing; it holds x"),
        (good | {"x": torch.zeros(4, 2)}, r'batch\["x"\] must be a float \[n, size = 3\] tensor, got shape \[4, 2\]'),
        (good | {"y": torch.zeros(5, 2)}, r'batch\["y"\] must be a float \[n = 4, 2\] tensor'),
        (good | {"y": torch.full((4, 2), math.nan)}, r'batch\["y"\] must be finite, got nan at \[0, 0\]'),
        (good | {"x": [[0.0] * 3] * 4}, r'batch\["x"\] must be .* got list'),
        (torch.zeros(4, 3), "batch must hold x, y by name, got a Tensor"),
    ):
        with pytest.raises((TypeError, ValueError), match=told):
            Learner().loss(wrong)
