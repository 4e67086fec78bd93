"""One thread: the tests' tensors are small, and threads that wait for each other are slower than none.

A shell starts what runs in its background with SIGINT ignored; the tests of Ctrl-C must not depend on that. A GPU is hidden,
so that all machines test the same, unless `--gpu` is told: then tests that need one run too.
"""

import os
import signal

import pytest
import torch

torch.set_num_threads(1)
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--gpu", action="store_true", help="let the tests see the machine's GPU")


def pytest_configure(config):
    if not config.getoption("--gpu"):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@pytest.fixture
def generator():
    return torch.Generator().manual_seed(0)
