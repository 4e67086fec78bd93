"""One thread: the tests' tensors are small, and threads that wait for each other are slower than none.

A shell starts what runs in its background with SIGINT ignored; the tests of Ctrl-C must not depend on that.
"""

import signal

import pytest
import torch

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
