"""One thread of torch's in a forked process.

OpenMP's threads do not survive a fork, but its library believes that they do: a child of a process that has computed
in parallel waits for them forever in its first parallel loop. Worlds are drawn by forked workers (Gymnasium's and
Stable-Baselines3's environments in processes, a `multiprocessing.Pool`), so a child computes in one thread.
"""

from __future__ import annotations

import multiprocessing
import os
import sys

import torch

# Modules on the command lines of processes that were started afresh, whose threads nobody took away.
AFRESH = ("multiprocessing.spawn", "multiprocessing.forkserver", "loky.backend")


def forked() -> bool:
    """Whether this process was forked by `multiprocessing` from one that ran something else."""
    afresh = any(module in word for module in AFRESH for word in sys.orig_argv)
    return multiprocessing.parent_process() is not None and not afresh


def alone() -> None:
    """Compute in one thread from here on."""
    torch.set_num_threads(1)


def guard() -> None:
    """Let children forked from here on, and this process if it was forked, compute in one thread."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=alone)
    if forked():
        alone()
