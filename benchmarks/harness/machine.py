"""What a result was computed with: packages, our own revision, the processor."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path
from typing import Any

import torch

from benchmarks.harness.rooms import CHECKOUT
from borders.files import read_text

PACKAGES = ("torch", "numpy", "scipy", "gymnasium", "scikit-learn", "stable-baselines3")


def versions() -> dict[str, str]:
    """Python's, the packages' and our own revision's versions."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "missing"
    return found | {"revision": revision()}


def revision() -> str:
    """The checkout's revision as git names it, "-dirty" behind it where a file of it, but for kept results, was changed since.

    "unknown" where there is no git, or no repository of it.
    """
    try:
        said = _git("rev-parse", "--short", "HEAD")
        changed = _git("diff", "--quiet", "HEAD", "--", ".", ":(exclude)benchmarks/*/results/*").returncode == 1
    except OSError:
        return "unknown"
    return said.stdout.strip() + "-dirty" * changed if said.returncode == 0 else "unknown"


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "--no-optional-locks", *words], cwd=CHECKOUT, capture_output=True, text=True)


def hardware() -> dict[str, Any]:
    """The processor, its cores, this process's threads, and the GPU if there is one."""
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":", 1)[1].strip()
            for line in read_text(cpuinfo, "the list of processors").splitlines()
            if "model name" in line
        ]
        model = names[0] if names else model
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }
