"""The benchmark policies: how fast a policy learns from a code."""

from benchmarks.policies.run import main

__all__ = ["main"]
