"""One thread: the tests' tensors are small, and threads that wait for each other are slower than none."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
